// A plane with points to drag, by mouse, finger, pen or keyboard. The canvas draws; over each point lies a real button.
//
//   const field = plane({
//     x: [-2, 2], // what is shown, in the unit of the data; both axes have the same scale
//     y: [-1.5, 1.5],
//     move: (k, point) => changeTo(model, { points: model.get("points").with(k, point) }),
//     choose: (k) => changeTo(model, { chosen: k }), // touched or focused; optional
//     act: (k) => …, // Enter, Space or a double click; optional
//     place: onCircle, // point => where it may lie; optional
//     hint: "Drag a point, or move it with the arrow keys.", // printed beneath
//   });
//   … picture: [field] …
//   draw({ points, labels, chosen }, { ink, ground }) {
//     const { context, to, unit } = field.begin({ ink, ground, circle: true }); // clears, grid, axes, unit circle
//     arrow(context, to(points[0]), to([1, 0]), { colour: ink, longest: 80 }); // anything beneath the points (canvas.js)
//     field.points(points, { labels, chosen, names: (k) => `point ${k + 1}, class ${"ABC"[labels[k]]}` });
//     field.says("Twelve points of three classes, …");
//   }
//
// `to(point)` gives pixels, `unit` is how many pixels one unit of the data is. Points of class k have colour k of PALETTE
// and mark k of MARKERS. `fixed(points, …)` draws points without handles (proxies, means).

import { FONT, fit, mark, position, word } from "./canvas.js";
import { decimals, describe, element, sheet } from "./controls.js";
import { roundTicks, tickText } from "./chart.js";

/** A `place` that keeps points on the unit circle. */
export function onCircle([x, y]) {
  const length = Math.hypot(x, y);
  return length > 0 ? [x / length, y / length] : [1, 0];
}

const clamp = (value, [low, high]) => Math.min(high, Math.max(low, value));
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export function plane({ x, y, move, choose = () => {}, act, place = (point) => point, hint }) {
  const canvas = sheet("A plane with points to move.");
  const field = element("div", { class: "plane" }, canvas);
  const node = element("div", {}, field, ...(hint ? [element("p", { class: "hint" }, hint)] : []));
  const step = (x[1] - x[0]) / 50;
  const handles = [];
  let shown = []; // the points as they were drawn last
  let view = {};

  const moveTo = (k, [px, py]) => move(k, place([clamp(px, x), clamp(py, y)]));

  function handle(k) {
    const button = element("button", { type: "button", class: "handle" });
    let held = null; // from the pointer to the point, so that a point does not jump under the finger
    const toData = (event) => {
      const box = canvas.getBoundingClientRect();
      return [
        x[0] + ((event.clientX - box.left) / box.width) * (x[1] - x[0]),
        y[1] - ((event.clientY - box.top) / box.height) * (y[1] - y[0]),
      ];
    };
    button.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      const [px, py] = toData(event);
      held = [shown[k][0] - px, shown[k][1] - py];
      button.setPointerCapture(event.pointerId);
      button.focus({ preventScroll: true }); // Safari does not focus a button that is clicked
      choose(k);
    });
    button.addEventListener("pointermove", (event) => {
      if (!held) return;
      const [px, py] = toData(event);
      moveTo(k, [px + held[0], py + held[1]]);
    });
    for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
      button.addEventListener(end, () => (held = null));
    button.addEventListener("focus", () => choose(k));
    button.addEventListener("keydown", (event) => {
      const direction = STEPS[event.key];
      if (!direction || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault(); // the page does not scroll
      const far = event.shiftKey ? 5 * step : step;
      moveTo(k, [shown[k][0] + far * direction[0], shown[k][1] + far * direction[1]]);
    });
    // A click from the keyboard counts 0 presses; a single one by mouse only chooses.
    button.addEventListener("click", (event) => event.detail === 0 && act?.(k));
    button.addEventListener("dblclick", () => act?.(k));
    field.append(button);
    return button;
  }

  /** Clear the plane and draw its ground: grid, axes, and the unit circle where asked for. */
  function begin({ ink, ground, circle = false, grid = true }) {
    const { context, width, height } = fit(canvas, (canvas.clientWidth * (y[1] - y[0])) / (x[1] - x[0]));
    const to = ([px, py]) => [position(px, x) * width, (1 - position(py, y)) * height];
    const unit = width / (x[1] - x[0]);
    view = { context, to, unit, width, height, ink, ground };
    context.strokeStyle = ink;
    context.lineWidth = 1;
    const stroke = (alpha, path) => {
      context.globalAlpha = alpha;
      context.beginPath();
      path();
      context.stroke();
      context.globalAlpha = 1;
    };
    const line = (from, until) => {
      context.moveTo(...to(from));
      context.lineTo(...to(until));
    };
    if (grid) {
      const [across, up] = [roundTicks(...x, width / 60), roundTicks(...y, height / 60)];
      stroke(0.13, () => {
        for (const at of across) line([at, y[0]], [at, y[1]]);
        for (const at of up) line([x[0], at], [x[1], at]);
      });
      stroke(0.4, () => {
        if (x[0] < 0 && x[1] > 0) line([0, y[0]], [0, y[1]]);
        if (y[0] < 0 && y[1] > 0) line([x[0], 0], [x[1], 0]);
      });
      context.globalAlpha = 0.75;
      for (const at of across) {
        const [px] = to([at, 0]);
        if (px > 14 && px < width - 14)
          word(context, tickText(at), px, height - 3, { ink, align: "center", baseline: "bottom" });
      }
      for (const at of up) {
        const [, py] = to([0, at]);
        if (py > 8 && py < height - 22) word(context, tickText(at), 3, py, { ink, baseline: "middle" });
      }
      context.globalAlpha = 1;
    }
    if (circle) {
      stroke(0.6, () => {
        context.setLineDash([4, 4]);
        context.arc(...to([0, 0]), unit, 0, 2 * Math.PI);
      });
      context.setLineDash([]);
    }
    return view;
  }

  /** Points that do not move. `labels` give colour and mark; `names(k)`, where given, is written beside point k. */
  function fixed(points, { labels = points.map(() => 0), size = 6, names } = {}) {
    const { context, to, ink, ground } = view;
    points.forEach((point, k) => {
      const [px, py] = to(point);
      mark(context, labels[k], px, py, { size });
      if (names) word(context, names(k), px + size + 3, py - size, { ink, ground });
    });
  }

  /** The points with their handles; `names(k)` begins what a screen reader says of point k; `texts(k)` is written. */
  function points(
    all,
    { labels = all.map(() => 0), chosen = -1, size = 6.5, names = (k) => `point ${k + 1}`, texts } = {},
  ) {
    const { context, to, ink, ground, width, height } = view;
    shown = all;
    while (handles.length < all.length) handles.push(handle(handles.length));
    while (handles.length > all.length) handles.pop().remove();
    all.forEach((point, k) => {
      const [px, py] = to(point);
      mark(context, labels[k], px, py, { size });
      if (k === chosen) {
        context.beginPath();
        context.arc(px, py, size + 5, 0, 2 * Math.PI);
        context.strokeStyle = ink;
        context.lineWidth = 2;
        context.stroke();
      }
      const away = k === chosen ? size + 7 : size + 3; // outside the ring
      if (texts) word(context, texts(k), px + away, py - away + 4, { ink, ground, font: FONT });
      const button = handles[k];
      button.style.left = `${(100 * px) / width}%`;
      button.style.top = `${(100 * py) / height}%`;
      button.style.zIndex = k === chosen ? 2 : 1;
      const [sx, sy] = point.map((value) => decimals(value));
      const says = `${names(k)}, at ${sx}, ${sy}`;
      if (button.getAttribute("aria-label") !== says) button.setAttribute("aria-label", says);
    });
  }

  return { node, canvas, begin, fixed, points, says: (text) => describe(canvas, text) };
}

// The warped landscape of two to four classes: a map with proxies to drag, a slice through it, the minima.
//
// One source, two hosts: an anywidget with a kernel, the same module with a stand-in model in the static page.
// Explained in the chapter "A landscape you can move".

import {
  GRID,
  SCENE,
  SLIDERS,
  behindOf,
  findMinima,
  forceAt,
  logGrid,
  lossAt,
  mapOf,
  outwardPull,
  readLink,
  standApart,
  valleyOf,
  writeLink,
} from "./landscape_arithmetic.js";
import { FONT, PALETTE, fit, mark, position } from "./canvas.js";
import { HEAT, colourIndex, paintHeat, traceContours, outlined, diamond } from "./heatmap.js";
import { changeTo, checkbox, choice, describe, element, onKey, presets, sheet, slider } from "./controls.js";
import { plane } from "./plane.js";
import { stage } from "./stage.js";

const [LOW, HIGH] = [0, 1];
const between = (name) => ({ min: SLIDERS[name][LOW], max: SLIDERS[name][HIGH] });
const KNOBS = {
  alpha: { symbol: "α", name: "alpha, slope inside r", hint: "slope inside r", ...between("alpha"), step: 0.01 },
  beta: { symbol: "β", name: "beta, slope outside r", hint: "slope outside r", ...between("beta"), step: 0.05 },
  r: { symbol: "r", name: "r, distance where the slope changes", hint: "where it changes", ...between("r"), step: 0.05 },
};
const VIEWS = {
  effective: "Effective landscape: what training follows",
  value: "Value of the loss, with γ: what a log shows",
  field: "Size of the step, with arrows",
};
const NAMES = ["A", "B", "C", "D"];
// All sides are 2, so that what changes with the number of classes is that number.
const LAYOUTS = {
  2: [
    [1, 0],
    [-1, 0],
  ],
  3: [
    [1, 0],
    [-0.732, 1],
    [-0.732, -1],
  ],
  4: [
    [1.414, 0],
    [0, 1.414],
    [-1.414, 0],
    [0, -1.414],
  ],
};
const preset = (alpha, beta, r, count, changes = {}) => ({
  alpha,
  beta,
  r,
  margin: 1,
  view: "effective",
  forces: false,
  own: 0,
  proxies: LAYOUTS[count],
  ...changes,
});
const PRESETS = {
  "warped (Figure 3d)": preset(0.5, 1.5, 1.5, 2),
  "plain (Figure 3a)": preset(1, 1, 1.5, 2),
  "arrows (Figures 2 and 4)": preset(0.5, 1.5, 1.5, 2, { forces: true }),
  "four classes (Figure 5)": preset(0.5, 1.5, 1.5, 4),
  "three classes, α = 0.93": preset(0.93, 1.5, 1.5, 3),
  "own among the others": preset(0.5, 1.5, 1.2, 4, {
    proxies: [
      [1, 0],
      [1, 1.6],
      [-0.386, -0.8],
      [2.386, -0.8],
    ],
  }),
};
// Colours run over the logarithm of the loss; the range is fixed, so that a colour keeps its meaning
// while the sliders move.
const LOSS_RANGE = [0.008, 8];
const TICKS = [0.01, 0.1, 1];
const CONTOURS = { first: Math.log(LOSS_RANGE[0]), step: Math.LN2 / 2, count: 21 };
const LOG_RANGE = LOSS_RANGE.map(Math.log);
const heat = (logLoss) => Math.min(1, Math.max(0, position(logLoss, LOG_RANGE)));
const format = (value) => (value < 0.0995 ? value.toPrecision(2) : value.toFixed(2));
const SLICE = [-3, 4]; // distance behind the own proxy
const WHITE = "#ffffff";

/** The words of a canvas that lie on the map: white with a dark rim, on any colour. */
function written(context, text, x, y, align) {
  context.font = `600 ${FONT}`;
  context.textAlign = align;
  context.textBaseline = "bottom";
  context.lineWidth = 3;
  context.lineJoin = "round";
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.strokeText(text, x, y);
  context.fillStyle = WHITE;
  context.fillText(text, x, y);
}

function drawMap({ context, to, unit, width, height }, { heatmap, fractions }, logs, state, found) {
  const [columns, rows] = [GRID.xs.length, GRID.ys.length];
  for (let k = 0; k < logs.length; k++) fractions[k] = heat(logs[k]);
  paintHeat(heatmap, fractions, [columns, rows]);
  // Nodes are centres of heat-map pixels: the picture reaches half a cell beyond the map on each side.
  const [halfX, halfY] = [width / (columns - 1) / 2, height / (rows - 1) / 2];
  context.drawImage(heatmap, -halfX, -halfY, width + 2 * halfX, height + 2 * halfY);

  if (state.view !== "field") {
    context.beginPath();
    const across = (column) => (column / (columns - 1)) * width;
    const up = (row) => (1 - row / (rows - 1)) * height;
    traceContours(context, logs, [columns, rows], CONTOURS, across, up);
    context.strokeStyle = "rgba(255, 255, 255, 0.55)";
    context.lineWidth = 0.8;
    context.stroke();
  }
  const own = state.proxies[state.own];
  const dashed = (dash, path) => {
    context.beginPath();
    context.setLineDash(dash);
    path();
    context.strokeStyle = WHITE;
    context.lineWidth = 1.4;
    context.stroke();
    context.setLineDash([]);
  };
  dashed([5, 4], () => context.arc(...to(own), state.r * unit, 0, 2 * Math.PI));
  const ahead = (t) => to([own[0] + t * found.behind[0], own[1] + t * found.behind[1]]);
  dashed([1, 5], () => {
    context.moveTo(...ahead(SLICE[0]));
    context.lineTo(...ahead(SLICE[1]));
  });
  if (state.forces || state.view === "field") drawForces({ context, to, width }, state);
  if (found.valley) {
    context.beginPath();
    context.moveTo(...ahead(found.valley[0]));
    context.lineTo(...ahead(Math.min(found.valley[1], 12)));
    outlined(context, "#ff9a4d", 5);
  } else for (const { point } of found.minima) diamond(context, ...to(point));
  // How long one unit of distance is.
  context.beginPath();
  context.moveTo(12, height - 10);
  context.lineTo(12 + unit, height - 10);
  outlined(context, WHITE, 2);
  written(context, "distance 1", 11, height - 13, "left");
}

function drawForces({ context, to, width }, state) {
  context.beginPath();
  const spacing = width < 480 ? 0.5 : 0.4;
  for (let y = Math.ceil(SCENE.y[0] / spacing) * spacing + spacing / 2; y < SCENE.y[1]; y += spacing) {
    for (let x = SCENE.x[0] + spacing / 2; x < SCENE.x[1]; x += spacing) {
      const [fx, fy] = forceAt(x, y, state, state);
      const size = Math.hypot(fx, fy);
      if (size < 1e-9) continue;
      // The fourth root of the size, capped: forces span three decades, and the weak ones shape the valley.
      const length = (0.32 * spacing * Math.min(1.6, Math.sqrt(Math.sqrt(size)) * 1.3)) / size;
      const [x0, y0] = to([x - fx * length, y - fy * length]);
      const [x1, y1] = to([x + fx * length, y + fy * length]);
      const angle = Math.atan2(y1 - y0, x1 - x0);
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      for (const turn of [2.6, -2.6]) {
        context.moveTo(x1, y1);
        context.lineTo(x1 + 4 * Math.cos(angle + turn), y1 + 4 * Math.sin(angle + turn));
      }
    }
  }
  outlined(context, WHITE, 1.2);
}

/** The colour bar: what a colour of the map means, as wide as the map. */
function drawScale(canvas, ink, view) {
  const now = `${ink} ${view} ${canvas.clientWidth} ${window.devicePixelRatio}`;
  if (canvas.dataset.drawn === now) return; // it does not change with the sliders
  canvas.dataset.drawn = now;
  const { context, width } = fit(canvas, 34);
  for (let x = 0; x < width; x++) {
    const colour = colourIndex(x / Math.max(1, width - 1));
    context.fillStyle = `rgb(${HEAT[colour]}, ${HEAT[colour + 1]}, ${HEAT[colour + 2]})`;
    context.fillRect(x, 2, 1.5, 10);
  }
  context.fillStyle = ink;
  context.font = FONT;
  context.textBaseline = "top";
  context.textAlign = "center";
  for (const tick of TICKS) {
    const x = heat(Math.log(tick)) * width;
    context.fillRect(x, 12, 1, 4);
    context.fillText(String(tick), Math.max(x, 12), 18);
  }
  context.textAlign = "right";
  const unit = view === "field" ? "step (nats per distance)" : "loss (nats)";
  context.fillText(unit, width, 18);
  describe(canvas, `Colour scale: dark is small, light is large, on a logarithmic scale from 0.008 to 8, ${unit}.`);
}

/** Both landscapes along the dotted line of the map; the chosen one is drawn strong. */
function drawSlice(canvas, state, found, ink) {
  const { context, width, height } = fit(canvas, 170);
  const [top, bottom] = [8, height - 36];
  const view = state.view === "value" ? "value" : "effective";
  const [px, py] = state.proxies[state.own];
  const lossBehind = (t, which) => lossAt(px + t * found.behind[0], py + t * found.behind[1], state, state, which);
  const toX = (t) => position(t, SLICE) * width;
  const toY = (loss) => bottom - heat(Math.log(loss)) * (bottom - top);
  context.font = FONT;
  context.fillStyle = ink;
  context.strokeStyle = ink;

  context.globalAlpha = 0.28;
  context.lineWidth = 1;
  context.beginPath();
  for (const tick of TICKS) {
    context.moveTo(0, toY(tick));
    context.lineTo(width, toY(tick));
  }
  context.moveTo(0, bottom);
  context.lineTo(width, bottom);
  context.stroke();
  context.setLineDash([2, 3]);
  context.beginPath();
  for (const t of [0, state.r]) {
    context.moveTo(toX(t), top);
    context.lineTo(toX(t), bottom);
  }
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;

  context.textBaseline = "bottom";
  context.textAlign = "left";
  for (const tick of TICKS) context.fillText(String(tick), 2, toY(tick) - 1);
  context.fillText("loss (nats)", 2, top + 12);
  context.textAlign = "right";
  context.fillText(view === "value" ? "dashed: effective landscape" : "dashed: value", width - 2, top + 12);
  context.textBaseline = "top";
  context.textAlign = "center";
  for (let t = SLICE[0] + 1; t < SLICE[1]; t++) context.fillText(String(t).replace("-", "−"), toX(t), bottom + 3);
  const where = "distance behind the own proxy";
  context.fillText(width < 400 ? where : `${where}, along the dotted line`, width / 2, bottom + 19);

  for (const drawn of [view === "value" ? "effective" : "value", view]) {
    context.beginPath();
    const step = 2;
    for (let pixel = 0; pixel <= width; pixel += step)
      context.lineTo(pixel, toY(lossBehind(SLICE[0] + (pixel / width) * (SLICE[1] - SLICE[0]), drawn)));
    context.strokeStyle = drawn === view ? "#c8691f" : ink;
    context.globalAlpha = drawn === view ? 1 : 0.55;
    context.lineWidth = drawn === view ? 2.4 : 1.2;
    context.setLineDash(drawn === view ? [] : [5, 4]);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  if (found.valley) return;
  for (const { point } of found.minima) {
    const [x, y] = [point[0] - px, point[1] - py];
    const t = x * found.behind[0] + y * found.behind[1];
    const aside = Math.abs(y * found.behind[0] - x * found.behind[1]);
    if (aside < 0.02) diamond(context, toX(t), toY(lossBehind(t, view)));
  }
}

const COUNTS = ["no", "one", "two", "three", "four", "five", "six"];

/** The minima in words: "the own proxy, and three at r". */
function listed(minima, r) {
  const words = { "at r": `at r = ${r.toFixed(2)}`, inside: "nearer than r, between others", outside: "farther than r" };
  const parts = [];
  for (const kind of ["own proxy", "at r", "inside", "outside"]) {
    const count = minima.filter((one) => one.kind === kind).length;
    if (count) parts.push(kind === "own proxy" ? "the own proxy" : `${COUNTS[count] ?? count} ${words[kind]}`);
  }
  return parts.join(", and ");
}

/** What the landscape does, in a sentence: the minimum, the valley, the flight, or the choice of minima. */
function verdict(state, { minima, valley, pull }) {
  const { alpha, beta, r, proxies, view } = state;
  const two = proxies.length === 2;
  const [first] = minima;
  let text;
  if (valley) {
    const [from, to] = valley;
    const start = from === 0 ? "the own proxy" : `${from.toFixed(2)} behind the own proxy`;
    text =
      to === Infinity
        ? `A flat valley from ${start} outward: nothing says where to stop.`
        : `A flat valley from the own proxy to ${to.toFixed(2)} behind it: inside r the two forces cancel.`;
  } else if (beta < 1 && !minima.length) {
    text = "No minimum: the loss keeps falling outward, and embeddings fly off.";
  } else if (beta < 1) {
    const dip = minima.every((one) => one.kind === "own proxy") ? "at the own proxy" : `(${listed(minima, r)})`;
    text = `A dip ${dip}; but far beyond r the loss falls outward again, without end.`;
  } else if (!first) {
    text = "No minimum was found: move a proxy or a slider a little.";
  } else if (minima.length > 1) {
    text = `${COUNTS[minima.length] ?? minima.length} minima: ${listed(minima, r)}. Where an embedding starts decides where it ends.`;
    text = text[0].toUpperCase() + text.slice(1);
  } else if (first.kind === "own proxy") {
    text = two
      ? "The minimum is the own proxy itself: compact, but nothing drives the classes apart."
      : `The only minimum is the own proxy itself: there the others push outward with ${pull.toFixed(2)}, not enough against α = ${alpha.toFixed(2)}.`;
  } else if (first.kind === "at r") {
    text = two
      ? `The minimum lies ${first.distance.toFixed(2)} behind the own proxy, away from the other.`
      : `The only minimum lies at r, ${first.distance.toFixed(2)} from the own proxy: there the others push outward with ${first.pull.toFixed(2)}, more than α.`;
  } else text = `The only minimum lies ${first.distance.toFixed(2)} from the own proxy, ${listed(minima, r).replace("one ", "")}.`;
  const out = !valley && minima.some(({ point: [x, y] }) => x < SCENE.x[0] || x > SCENE.x[1] || Math.abs(y) > SCENE.y[1]);
  if (out) text += " (A mark lies outside the picture.)";
  if (view === "value" && alpha < 1 && minima.some((one) => one.kind === "at r"))
    text += " The value does not show it: with γ it looks as if α were 1 inside r. The mark is where training goes.";
  return text;
}

/** "Copy link": an address of this page that carries the state. Only where the page is a page: not within a notebook. */
function linkMaker(model, keys, el, refused) {
  const button = element("button", { type: "button" }, "Copy link");
  const shown = element("input", { type: "text", readonly: "", "aria-label": "Link to this setting" });
  shown.hidden = true;
  shown.style.width = "100%";
  const note = element("p", { class: "hint" }, refused ? "The link's setting could not be read: this is the chapter's own." : "");
  note.hidden = !refused;
  button.addEventListener("click", async () => {
    const address = new URL(window.location.href);
    address.search = "";
    address.hash = "";
    address.searchParams.set("landscape", writeLink(Object.fromEntries(keys.map((key) => [key, model.get(key)]))));
    try {
      await navigator.clipboard.writeText(address.href);
      button.textContent = "Link copied";
    } catch {
      // Without leave to use the clipboard the reader copies it by hand.
      shown.value = address.href;
      shown.hidden = false;
      shown.select();
    }
  });
  const node = element("div", {}, note, element("p", { class: "player" }, button), shown);
  node.hidden = !isPage(el);
  return {
    node,
    show() {
      button.textContent = "Copy link";
      shown.hidden = true;
      shown.value = "";
    },
  };
}

const isPage = (el) => Boolean(el.closest?.(".dmlkit-explorer")) && window.self === window.top;

function render({ model, el }) {
  const keys = ["alpha", "beta", "r", "margin", "view", "forces", "own", "proxies"];
  const link = isPage(el) ? readLink(window.location.search) : null;
  if (link?.state) changeTo(model, link.state);
  const field = plane({
    x: SCENE.x,
    y: SCENE.y,
    move(k, point) {
      const proxies = model.get("proxies").map((old, j) => (j === k ? point : old));
      if (standApart(proxies)) changeTo(model, { proxies });
    },
    act: (k) => changeTo(model, { own: k }),
    hint: "Drag a proxy, or move it with the arrow keys; Enter or a double click makes it the own one.",
  });
  field.canvas.classList.add("map");
  const scale = sheet("Colour scale");
  const slice = sheet("The loss along a line through the own proxy");
  const heatmap = element("canvas", { width: GRID.xs.length, height: GRID.ys.length });
  const distances = mapOf();
  const [logs, fractions] = [0, 1].map(() => new Float64Array(GRID.xs.length * GRID.ys.length));

  return stage({
    model,
    el,
    name: "landscape",
    title: "the warped landscape",
    keys,
    picture: [field, scale, slice],
    panel: [
      presets("Start from", PRESETS, model),
      ...Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
      choice(
        "Classes",
        Object.keys(LAYOUTS).map((count) => [Number(count), count]),
        {
          value: ({ proxies }) => proxies.length,
          change: (count) => changeTo(model, { proxies: LAYOUTS[count], own: 0 }),
        },
      ),
      choice("Show", Object.entries(VIEWS), onKey(model, "view")),
      checkbox("Arrows: the step of gradient descent", onKey(model, "forces")),
      linkMaker(model, keys, el, link?.refused),
    ],
    readout: {
      distance: "lowest minimum, from own proxy",
      lowest: "loss there",
      own: "loss at own proxy",
      pull: "outward pull at own proxy",
    },
    draw(state, { ink, ground }) {
      const map = distances(state);
      const valley = valleyOf(state, state);
      const minima = findMinima(map, state, state);
      const away = minima.find((one) => one.distance > 0);
      const own = state.proxies[state.own];
      const pull = Math.hypot(...outwardPull(...own, state));
      const found = { valley, minima, pull, behind: behindOf(state, valley ? null : away?.point) };
      const view = field.begin({ ink, ground, grid: false });
      drawMap(view, { heatmap, fractions }, logGrid(map, state, state, state.view, logs), state, found);
      drawScale(scale, ink, state.view);
      drawSlice(slice, state, found, ink);
      const isOwn = (k) => k === state.own;
      field.points(state.proxies, {
        labels: state.proxies.map((_, k) => k),
        size: 6,
        names: (k) => `proxy ${NAMES[k]}${isOwn(k) ? ", the own class" : ""}`,
      });
      state.proxies.forEach((point, k) => {
        const [x, y] = view.to(point);
        mark(view.context, k, x, y, { size: 6, colour: PALETTE[k], rim: WHITE });
        written(view.context, isOwn(k) ? `${NAMES[k]}, own` : NAMES[k], x, y - 8, "center");
      });

      const text = verdict(state, found);
      const settings = `α ${state.alpha.toFixed(2)}, β ${state.beta.toFixed(2)}, r ${state.r.toFixed(2)}. ${text}`;
      const what = state.view === "field" ? "the size of the training step" : "the loss";
      field.says(`Map of ${what} around ${state.proxies.length} proxies, ${settings}`);
      describe(slice, `The loss along the dotted line through the own proxy, ${settings}`);
      const lowest = valley || !minima.length ? null : minima[0];
      const shown = state.view === "value" ? "value" : "effective";
      return {
        verdict: text,
        readout: {
          distance: valley ? "a valley" : lowest ? lowest.distance.toFixed(2) : "none",
          lowest: lowest ? format(lossAt(...lowest.point, state, state, shown)) : "–",
          own: format(lossAt(...own, state, state, shown)),
          pull: pull.toFixed(2),
        },
        minima: valley ? [] : minima,
        cell: SCENE.cell,
      };
    },
  });
}

export default { render };

// The warped landscape of two classes: a map, the slice along the line through both proxies, the minimum.
//
// One source, two hosts: an anywidget with a kernel, the same module with a stand-in model in the static page.
// Explained in the chapter "A landscape you can move".

import { SCENE, GRID, softplus, lossAt, gapGrid, forceAt, findMinimum } from "./warp.js";
import { position, fit } from "./canvas.js";
import { HEAT, colourIndex, paintHeat, traceContours, outlined, diamond } from "./heatmap.js";
import { element, sheet, describe, slider, choice, checkbox, onKey } from "./controls.js";
import { stage } from "./stage.js";

const KNOBS = {
  alpha: { symbol: "α", name: "alpha, slope inside r", hint: "slope inside r", min: 0, max: 1.5, step: 0.05 },
  beta: { symbol: "β", name: "beta, slope outside r", hint: "slope outside r", min: 0.5, max: 2.5, step: 0.05 },
  r: { symbol: "r", name: "r, distance where the slope changes", hint: "where it changes", min: 0, max: 3, step: 0.05 },
};
const VIEWS = {
  effective: "Effective landscape: the slopes that training follows",
  value: "Value of the loss, with γ: what a training log shows",
};
// Colours run over the logarithm of the loss; the range is fixed, so that a colour keeps its meaning
// while the sliders move.
const LOSS_RANGE = [0.008, 8];
const TICKS = [0.01, 0.1, 1];
const CONTOURS = { first: Math.log(LOSS_RANGE[0]), step: Math.LN2 / 2, count: 21 };
const LOG_RANGE = LOSS_RANGE.map(Math.log);
const heat = (logLoss) => Math.min(1, Math.max(0, position(logLoss, LOG_RANGE)));
const format = (value) => (value < 0.0995 ? value.toPrecision(2) : value.toFixed(2));

function drawMap(canvas, heatmap, parameters, view, minimum, showForces) {
  const box = canvas.clientWidth;
  const { context, width, height } = fit(canvas, (box * (SCENE.y[1] - SCENE.y[0])) / (SCENE.x[1] - SCENE.x[0]));
  const columns = GRID.xs.length,
    rows = GRID.ys.length;
  const logs = gapGrid(parameters, view).map((gap) => Math.log(softplus(gap)));
  const toX = (x) => position(x, SCENE.x) * width;
  const toY = (y) => (1 - position(y, SCENE.y)) * height;

  paintHeat(heatmap, logs.map(heat), [columns, rows]);
  // Nodes are centres of heat-map pixels: the picture reaches half a cell beyond the map on each side.
  const [halfX, halfY] = [width / (columns - 1) / 2, height / (rows - 1) / 2];
  context.drawImage(heatmap, -halfX, -halfY, width + 2 * halfX, height + 2 * halfY);

  context.beginPath();
  traceContours(
    context,
    logs,
    [columns, rows],
    CONTOURS,
    (c) => (c / (columns - 1)) * width,
    (r) => (1 - r / (rows - 1)) * height,
  );
  context.strokeStyle = "rgba(255, 255, 255, 0.55)";
  context.lineWidth = 0.8;
  context.stroke();

  context.beginPath();
  context.setLineDash([5, 4]);
  context.arc(toX(SCENE.own[0]), toY(SCENE.own[1]), (parameters.r / (SCENE.x[1] - SCENE.x[0])) * width, 0, 2 * Math.PI);
  context.strokeStyle = "#ffffff";
  context.lineWidth = 1.4;
  context.stroke();
  context.setLineDash([]);

  if (showForces) drawForces(context, parameters, toX, toY, width);
  proxy(context, toX(SCENE.own[0]), toY(SCENE.own[1]), "own");
  proxy(context, toX(SCENE.other[0]), toY(SCENE.other[1]), "other");
  if (minimum.valley) {
    context.beginPath();
    context.moveTo(toX(minimum.valley[0]), toY(0));
    context.lineTo(toX(minimum.valley[1]), toY(0));
    outlined(context, "#ff9a4d", 5);
  } else if (minimum.point) {
    diamond(context, toX(minimum.point[0]), toY(minimum.point[1]));
  }
}

function drawForces(context, parameters, toX, toY, width) {
  context.beginPath();
  const spacing = width < 480 ? 0.5 : 0.4;
  for (let y = Math.ceil(SCENE.y[0] / spacing) * spacing + spacing / 2; y < SCENE.y[1]; y += spacing) {
    for (let x = SCENE.x[0] + spacing / 2; x < SCENE.x[1]; x += spacing) {
      const [fx, fy] = forceAt(x, y, parameters);
      const size = Math.hypot(fx, fy);
      if (size < 1e-9) continue;
      // The fourth root of the size, capped: forces span three decades, and the weak ones shape the valley.
      const length = (0.32 * spacing * Math.min(1.6, Math.sqrt(Math.sqrt(size)) * 1.3)) / size;
      const [x0, y0, x1, y1] = [toX(x - fx * length), toY(y - fy * length), toX(x + fx * length), toY(y + fy * length)];
      const angle = Math.atan2(y1 - y0, x1 - x0);
      context.moveTo(x0, y0);
      context.lineTo(x1, y1);
      for (const turn of [2.6, -2.6]) {
        context.moveTo(x1, y1);
        context.lineTo(x1 + 4 * Math.cos(angle + turn), y1 + 4 * Math.sin(angle + turn));
      }
    }
  }
  outlined(context, "#ffffff", 1.2);
}

function proxy(context, x, y, text) {
  context.beginPath();
  context.arc(x, y, 5, 0, 2 * Math.PI);
  context.fillStyle = text === "own" ? "#ffffff" : "#101418";
  context.fill();
  context.lineWidth = 1.8;
  context.strokeStyle = text === "own" ? "#101418" : "#ffffff";
  context.stroke();
  context.font = "600 13px system-ui, sans-serif";
  context.textAlign = "right";
  context.textBaseline = "bottom";
  context.strokeStyle = "rgba(0, 0, 0, 0.8)";
  context.lineWidth = 3;
  context.strokeText(text, x - 5, y - 5);
  context.fillStyle = "#ffffff";
  context.fillText(text, x - 5, y - 5);
}

/** The colour bar: what a colour of the map means, as wide as the map. */
function drawScale(canvas, ink) {
  const { context, width } = fit(canvas, 34);
  for (let x = 0; x < width; x++) {
    const colour = colourIndex(x / Math.max(1, width - 1));
    context.fillStyle = `rgb(${HEAT[colour]}, ${HEAT[colour + 1]}, ${HEAT[colour + 2]})`;
    context.fillRect(x, 2, 1.5, 10);
  }
  context.fillStyle = ink;
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "top";
  context.textAlign = "center";
  for (const tick of TICKS) {
    const x = heat(Math.log(tick)) * width;
    context.fillRect(x, 12, 1, 4);
    context.fillText(String(tick), Math.max(x, 12), 18);
  }
  context.textAlign = "right";
  context.fillText("loss (nats)", width, 18);
}

/** Both landscapes along the line through the proxies; the chosen one is drawn strong. */
function drawSlice(canvas, parameters, view, minimum, ink) {
  const { context, width, height } = fit(canvas, 170);
  const [top, bottom] = [8, height - 36];
  const toX = (x) => position(x, SCENE.x) * width;
  const toY = (loss) => bottom - heat(Math.log(loss)) * (bottom - top);
  context.font = "12px system-ui, sans-serif";
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
  for (const x of [SCENE.other[0], SCENE.own[0]]) {
    context.moveTo(toX(x), top);
    context.lineTo(toX(x), bottom);
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
  for (let x = Math.ceil(SCENE.x[0]) + 1; x < SCENE.x[1]; x++)
    context.fillText(String(x - SCENE.own[0]), toX(x), bottom + 3);
  const where = "distance behind the own proxy";
  context.fillText(width < 400 ? where : `${where}, on the line through both`, width / 2, bottom + 19);

  for (const drawn of [view === "value" ? "effective" : "value", view]) {
    context.beginPath();
    for (let pixel = 0; pixel <= width; pixel++) {
      const x = SCENE.x[0] + (pixel / width) * (SCENE.x[1] - SCENE.x[0]);
      context.lineTo(pixel, toY(lossAt(x, 0, parameters, drawn)));
    }
    context.strokeStyle = drawn === view ? "#c8691f" : ink;
    context.globalAlpha = drawn === view ? 1 : 0.55;
    context.lineWidth = drawn === view ? 2.4 : 1.2;
    context.setLineDash(drawn === view ? [] : [5, 4]);
    context.stroke();
    context.setLineDash([]);
    context.globalAlpha = 1;
  }
  if (minimum.point) diamond(context, toX(minimum.point[0]), toY(lossAt(...minimum.point, parameters, view)));
}

/** What the landscape does, in a sentence: the minimum, the valley, or the flight. */
function verdict(parameters, minimum, view) {
  const where = minimum.point ? minimum.point[0] - SCENE.own[0] : 0;
  let text;
  if (minimum.valley) {
    const [from, to] = minimum.valley.map((x) => x - SCENE.own[0]);
    const start = from < SCENE.cell / 2 ? "the own proxy" : `${from.toFixed(2)} behind the own proxy`;
    text =
      to >= SCENE.x[1] - SCENE.own[0] - SCENE.cell
        ? `A flat valley from ${start} outward: nothing says where to stop.`
        : `A flat valley from the own proxy to ${to.toFixed(2)} behind it: inside r the two forces cancel.`;
  } else if (!minimum.point) {
    text = "No minimum: the loss keeps falling outward, and embeddings fly off.";
  } else if (where < SCENE.cell / 2 && parameters.beta < 1) {
    text = "A dip at the own proxy; but beyond r the loss falls outward again, without end.";
  } else if (where < SCENE.cell / 2) {
    text = "The minimum is the own proxy itself: compact, but nothing drives the classes apart.";
  } else {
    text = `The minimum lies ${where.toFixed(2)} behind the own proxy, away from the other.`;
  }
  if (view === "value" && minimum.point && parameters.alpha < 1 && parameters.r > 0) {
    text += " The value does not show it: with γ it looks as if α were 1 inside r. The mark is where training goes.";
  }
  return text;
}

function render({ model, el }) {
  const map = sheet("Map of the loss around two proxies");
  map.classList.add("map");
  const scale = sheet(
    "Colour scale: dark is a small loss, light a large one, on a logarithmic scale from 0.008 to 8 nats.",
  );
  const slice = sheet("The loss along the line through both proxies");
  const heatmap = element("canvas", { width: GRID.xs.length, height: GRID.ys.length });

  return stage({
    model,
    el,
    name: "landscape",
    title: "the warped landscape",
    keys: ["alpha", "beta", "r", "margin", "view", "forces"],
    picture: [map, scale, slice],
    panel: [
      ...Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
      choice("Show", Object.entries(VIEWS), onKey(model, "view")),
      checkbox("Arrows: the step of gradient descent", onKey(model, "forces")),
    ],
    readout: {
      distance: "minimum behind own proxy",
      lowest: "loss there",
      own: "loss at own proxy",
      middle: "loss half-way",
    },
    draw(state, { ink }) {
      const { view } = state;
      const minimum = findMinimum(state);
      drawMap(map, heatmap, state, view, minimum, state.forces);
      drawScale(scale, ink);
      drawSlice(slice, state, view, minimum, ink);

      const text = verdict(state, minimum, view);
      const settings = `α ${state.alpha.toFixed(2)}, β ${state.beta.toFixed(2)}, r ${state.r.toFixed(2)}. ${text}`;
      describe(map, `Map of the loss around two proxies, ${settings}`);
      describe(slice, `The loss along the line through both proxies, ${settings}`);
      const [x, y] = minimum.point ?? [NaN, NaN];
      return {
        verdict: text,
        readout: {
          distance: minimum.point ? Math.hypot(x - SCENE.own[0], y).toFixed(2) : "none",
          lowest: minimum.point ? format(lossAt(x, y, state, view)) : "–",
          own: format(lossAt(...SCENE.own, state, view)),
          middle: format(lossAt(0, 0, state, view)),
        },
        minimum,
        cell: SCENE.cell,
      };
    },
  });
}

export default { render };

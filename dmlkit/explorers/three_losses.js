// Twelve points go down one of three losses, and the curves of all three are drawn as they go.
//
// Explained in the chapter "Cross-entropy, PCE and SPCE side by side".

import { arrow, colourOf, word } from "./canvas.js";
import { changeTo, choice, decimals, onKey, player, presets, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { plane } from "./plane.js";
import { stage } from "./stage.js";
import { cosineOf, sizeOf, stepOf, threeAt } from "./three_losses_arithmetic.js";

const NAMES = { ce: "cross-entropy", spce: "SPCE", pce: "PCE" };
const ORDER = Object.keys(NAMES);
const LETTERS = "ABC";
const RIM = 4;
const FIELD = { x: [-RIM, RIM], y: [-RIM, RIM] };
const MOST_STEPS = 400;
// The first is where `three_losses()` starts; a test holds the two together. No point lies on an axis.
const LOOSE = [[0.9, 0.3], [0.2, 0.8], [0.6, -0.4], [0.1, 0.2], [-0.7, 0.6], [-0.3, 0.9], [-0.9, -0.1], [-0.1, 0.3], [0.2, -0.9], [-0.5, -0.6], [0.3, -0.5], [-0.2, -0.1]];
const PRESETS = {
  "three loose classes": { points: LOOSE, history: [] },
  "two points astray": {
    points: LOOSE.map((point, k) => (k === 0 ? [-0.8, 0.4] : k === 4 ? [0.8, 0.2] : point)),
    history: [],
  },
  "one class around the others": {
    points: [[1.1, 0.2], [-0.9, 0.7], [-0.4, -1.1], [0.6, 0.9], [0.3, 0.2], [0.2, 0.35], [0.4, 0.1], [0.1, 0.15], [-0.2, -0.3], [-0.3, -0.15], [-0.1, -0.2], [-0.25, -0.4]],
    history: [],
  },
};

/** What happens, in two or three sentences. */
function verdictOf({ fit, follow, lam }, points, found, slopes) {
  const said = [];
  const farthest = Math.max(...points.map(([x, y]) => Math.max(Math.abs(x), Math.abs(y))));
  if (farthest > RIM - 0.15) said.push("A point has reached the rim: nothing here keeps the points from growing.");
  const steepest = points.length * Math.max(...slopes.map(([x, y]) => Math.hypot(x, y)));
  if (follow === "ce" && fit === 0) return "The classifier stands at zero: cross-entropy has no slope, and no point moves.";
  if (steepest < 4e-4) said.push(`${follow === "ce" ? "Cross-entropy" : NAMES[follow]} is at rest.`);
  if (found.pce.loss < -0.05)
    said.push(`PCE is below 0: it is paid ${decimals(found.misfit)} for a classifier that does not fit.`);
  else if (found.lag > 0.1) said.push(`The classifier lags: PCE counts ${decimals(found.misfit)} off for its misfit.`);
  else if (Math.abs(found.pce.loss - found.spce.loss) < 0.05) {
    const same = Math.abs(Math.log10(lam)) < 0.08;
    said.push(same ? "The classifier fits, and PCE is nearly SPCE." : "The classifier fits; PCE and SPCE are close.");
  } else said.push(`The classifier nearly fits: at λ = ${Number(lam.toPrecision(2))} PCE is SPCE in another unit of length.`);
  const right = points.length - wrongOf(found);
  said.push(`It classifies ${right} of ${points.length} points correctly.`);
  return said.join(" ");
}

/** How many points the classifier gives to another class; ties are wrong. */
function wrongOf({ shares, labels }) {
  return shares.filter((row, i) => row.some((share, k) => k !== labels[i] && share >= row[labels[i]])).length;
}

/** Dashed rays along the weights of the classifier, labelled. */
function drawClassifier({ context, to, ink, ground }, weights) {
  weights.forEach((weight, k) => {
    const length = Math.hypot(...weight);
    if (length < 1e-6) return;
    const shown = Math.min(RIM * 0.86, 0.5 + 0.4 * length) / length;
    const [from, tip] = [to([0, 0]), to([weight[0] * shown, weight[1] * shown])];
    context.setLineDash([6, 4]);
    context.strokeStyle = colourOf(k);
    context.lineWidth = 2;
    context.beginPath();
    context.moveTo(...from);
    context.lineTo(...tip);
    context.stroke();
    context.setLineDash([]);
    word(context, `θ ${LETTERS[k]}`, ...tip, { ink, ground, align: "center", baseline: "middle" });
  });
}

/** Where gradient descent takes each point; an arrow grows with the root of the slope. */
function drawSlopes({ context, to, unit, ink }, points, slopes) {
  slopes.forEach(([sx, sy], k) => {
    const [x, y] = [-points.length * sx, -points.length * sy];
    const length = Math.hypot(x, y);
    if (length < 1e-3) return;
    const shown = Math.min(1, 0.55 * Math.sqrt(length)) / length;
    const [px, py] = points[k];
    arrow(context, to([px, py]), to([px + x * shown, py + y * shown]), { colour: ink, width: 2, longest: unit });
  });
}

/** All three losses against the steps so far. */
function drawHistory(canvas, colours, history, now, follow) {
  const rows = [...history, ORDER.map((key) => now[key].loss)];
  const steps = rows.map((_, k) => k);
  const all = rows.flat();
  const [low, high] = [Math.min(0, ...all), Math.max(1.2, ...all)];
  const room = 0.06 * (high - low);
  chart(canvas, {
    ...colours,
    height: 210,
    x: { from: 0, to: Math.max(40, rows.length - 1), title: "steps" },
    y: { from: low - room, to: high + room, title: "loss (nats)" },
    curves: ORDER.map((key, k) => ({
      x: rows.length > 1 ? steps : [0],
      y: rows.map((row) => row[k]),
      label: NAMES[key] + (key === follow ? " (minimised)" : ""),
      colour: [3, 4, 6][k],
      dash: k,
      width: key === follow ? 3.4 : 1.8,
      ...(rows.length > 1 ? {} : { mark: k }),
    })),
    lines: [{ at: 0, dash: 2 }],
    says: `The three losses over ${rows.length - 1} steps. Now: ${ORDER.map(
      (key) => `${NAMES[key]} ${decimals(now[key].loss)}`,
    ).join(", ")}.`,
  });
}

function render({ model, el }) {
  const setting = () => ({ lam: model.get("lam"), fit: model.get("fit") });
  const curves = sheet("The three losses against the steps");
  const goOn = () => {
    const [points, labels, history] = ["points", "labels", "history"].map((key) => model.get(key));
    if (history.length >= MOST_STEPS || points.some((point) => point.some((value) => Math.abs(value) > RIM - 0.15)))
      return false;
    const found = threeAt(points, labels, setting());
    const moved = stepOf(points, found[model.get("follow")].slopes);
    if (!moved) return false;
    changeTo(model, { points: moved, history: [...history, ORDER.map((key) => found[key].loss)] });
    return true;
  };
  const field = plane({
    ...FIELD,
    move: (k, point) => changeTo(model, { points: model.get("points").map((old, j) => (j === k ? point : old)) }),
    hint: "Drag a point, or move it with the arrow keys. Solid arrows: downhill. Dashed rays: the classifier's weights.",
  });
  const size = {
    value: ({ points }) => sizeOf(points),
    change(value) {
      const points = model.get("points");
      const factor = value / Math.max(1e-6, sizeOf(points));
      changeTo(model, { points: points.map(([x, y]) => [x * factor, y * factor]) });
    },
  };
  return stage({
    model,
    el,
    name: "three_losses",
    title: "three losses as points go down one of them",
    keys: ["points", "labels", "lam", "fit", "follow", "history"],
    picture: [field, curves],
    panel: [
      presets("Start from", PRESETS, model),
      choice("Minimise", Object.entries(NAMES), onKey(model, "follow")),
      player(goOn),
      slider(
        { symbol: "λ", name: "lambda, unit of squared length in PCE", hint: "of PCE, squared length", min: 0.05, max: 5, log: true },
        onKey(model, "lam"),
      ),
      slider(
        { symbol: "m", name: "m, steps of the classifier", hint: "steps of the classifier", min: 0, max: 60, step: 1, digits: 0 },
        onKey(model, "fit"),
      ),
      slider(
        { symbol: "s", name: "s, size of the cloud", hint: "root mean squared length", min: 0.1, max: 3, log: true },
        size,
      ),
    ],
    readout: {
      ce: "cross-entropy (nats)",
      spce: "SPCE (nats)",
      pce: "PCE (nats)",
      misfit: "misfit of the classifier (nats)",
      first: "cosine of slopes, CE and SPCE",
      second: "cosine of slopes, PCE and SPCE",
    },
    draw({ points, labels, lam, fit, follow, history }, colours) {
      const found = { ...threeAt(points, labels, { lam, fit }), labels };
      const { slopes } = found[follow];
      const verdict = verdictOf({ fit, follow, lam }, points, found, slopes);
      const view = field.begin(colours);
      drawClassifier(view, found.weights);
      drawSlopes(view, points, slopes);
      field.points(points, { labels, names: (k) => `point ${k + 1}, class ${LETTERS[labels[k]]}` });
      field.says(`Twelve points of three classes with downhill arrows of ${NAMES[follow]}. ${verdict}`);
      drawHistory(curves, colours, history, found, follow);
      const cosine = (one, other) => {
        const value = cosineOf(found[one].slopes, found[other].slopes);
        return value === null ? "–" : decimals(value);
      };
      return {
        verdict,
        readout: {
          ce: decimals(found.ce.loss, 3),
          spce: decimals(found.spce.loss, 3),
          pce: decimals(found.pce.loss, 3),
          misfit: decimals(found.misfit, 3),
          first: cosine("ce", "spce"),
          second: cosine("pce", "spce"),
        },
        found,
      };
    },
  });
}

export default { render };

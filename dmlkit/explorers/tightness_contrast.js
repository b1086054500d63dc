// Three classes on a circle; tightness and contrast of five losses as bars that can be compared.
//
// Explained in the chapter "Pairwise losses taken apart".

import { mark, word } from "./canvas.js";
import { decimals, onKey, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { plane } from "./plane.js";
import { FIXED, measure } from "./tightness_contrast_arithmetic.js";
import { stage } from "./stage.js";

const KNOBS = {
  gap: { symbol: "gap", name: "gap, angle from the middle of A to the middle of B", hint: "from A to B", min: 10, max: 120, step: 1, digits: 0, unit: "°" },
  spread: { symbol: "spread", name: "spread, from the middle of A to its outermost point", hint: "of A, each way", min: 0, max: 90, step: 1, digits: 0, unit: "°" },
  length: { symbol: "length", name: "length, of all embeddings", hint: "of all rows", min: 0.5, max: 1.5 },
};
const NAMES = {
  snca: "SNCA",
  center: "center",
  contrastive: "contrastive",
  pairwise_cross_entropy: "PCE",
  multi_similarity: "MS",
};
const COLOURS = { snca: 2, center: 0, contrastive: 1, pairwise_cross_entropy: 4, multi_similarity: 3 };
const ORDER = Object.keys(NAMES);
const T_RANGE = [-2, 7];
const C_RANGE = [-1, 1];
const FELT = 0.0005; // of the scale: what counts as a push
const listed = (names) => {
  const texts = names.map((name) => (name === "center" ? "center (cross-entropy)" : NAMES[name]));
  return texts.length > 1 ? `${texts.slice(0, -1).join(", ")} and ${texts.at(-1)}` : texts[0];
};

/** Which contrasts would feel A come nearer, and whether lemma 1's chain stands. */
function verdictOf({ length }, found) {
  const { felt, closest, tightness } = found;
  const alive = ORDER.filter((name) => Math.abs(felt[name]) >= FELT);
  const faint = ORDER.filter((name) => Math.abs(felt[name]) < FELT && felt[name] !== 0);
  const apart = decimals(closest[2]);
  let text =
    felt.contrastive === 0
      ? `The closest pair of two classes is ${apart} apart, well beyond the margin ${FIXED.margin}: the hinge is exactly 0.`
      : `The closest pair of two classes is ${apart} apart: the hinge ${closest[2] < FIXED.margin ? "pushes" : "is at its edge"}.`;
  if (faint.length) text += ` Hardly felt: ${listed(faint)}.`;
  if (alive.length) text += ` Still felt: ${listed(alive)}.`;
  if (length === 1)
    return `${text} Lemma 1: SNCA ${decimals(tightness.snca)} ≤ center = contrastive = PCE ${decimals(tightness.contrastive)} ≤ MS ${decimals(tightness.multi_similarity)}.`;
  const broken = ["PCE leaves the other two"];
  if (tightness.snca > tightness.contrastive) broken.push("SNCA lies above them");
  if (tightness.multi_similarity < tightness.contrastive) broken.push("MS lies below them");
  return `${text} The embeddings are not of length 1, and lemma 1 breaks: ${broken.join("; ")}.`;
}

/** Five bars lying on their side, with their numbers. */
function drawBars(canvas, colours, values, { range, title, names, says, at }) {
  const rows = ORDER.length;
  const { context, toX, toY, plot } = chart(canvas, {
    ...colours,
    height: 196,
    x: { from: range[0], to: range[1], title },
    y: { from: 0, to: rows, ticks: ORDER.map((name, k) => [rows - k - 0.5, names[name]]) },
    bars: ORDER.map((name, k) => ({ at: rows - k - 0.5, to: values[name], across: true, colour: COLOURS[name], width: 0.6 })),
    lines: [{ axis: "x", at: 0, dash: 0 }, ...(at === undefined ? [] : [{ axis: "x", at, dash: 1 }])],
    says,
  });
  ORDER.forEach((name, k) => {
    const value = values[name];
    const end = Math.min(Math.max(toX(value), plot.left), plot.right);
    const beyond = value > range[1] || value < range[0];
    const text = beyond ? `${decimals(value)} (beyond)` : decimals(value);
    const inside = value >= 0 ? end > plot.right - 80 : end < plot.left + 80;
    const right = value >= 0 !== inside;
    word(context, text, end + (right ? 5 : -5), toY(rows - k - 0.5), {
      ...colours,
      align: right ? "left" : "right",
      baseline: "middle",
    });
  });
}

/** The circle, the twelve points, and the closest pair of two classes. */
function drawScene(field, colours, state, { points, labels, closest: [i, j, apart] }) {
  const view = field.begin({ ...colours, circle: true });
  const { context, to, ink, ground } = view;
  context.beginPath();
  context.moveTo(...to(points[i]));
  context.lineTo(...to(points[j]));
  context.strokeStyle = ink;
  context.lineWidth = 1.6;
  context.setLineDash(apart < FIXED.margin ? [] : [4, 4]);
  context.stroke();
  context.setLineDash([]);
  points.forEach((point, k) => mark(context, labels[k], ...to(point), { size: 5.5 }));
  [0, 1, 2].forEach((label) => {
    const own = points.filter((_, k) => labels[k] === label);
    const [x, y] = own.reduce(([sx, sy], [px, py]) => [sx + px, sy + py], [0, 0]);
    const far = Math.hypot(x, y) || 1;
    const reach = state.length + 0.2;
    word(context, "ABC"[label], ...to([(reach * x) / far, (reach * y) / far]), { ink, ground, align: "center", baseline: "middle" });
  });
  field.says(
    `Classes A, B and C of four points each at distance ${decimals(state.length)} from the origin. A lies ${state.gap}° ` +
      `from B, its points up to ${state.spread}° from its middle. The closest pair of two classes is ${decimals(apart)} apart.`,
  );
}

function render({ model, el }) {
  const field = plane({ x: [-2.3, 2.3], y: [-1.2, 1.8], move() {} });
  const [tight, apart] = [sheet("Tightness of five losses"), sheet("Contrast of five losses")];
  const names = Object.fromEntries(ORDER.map((name) => [name, NAMES[name]]));
  return stage({
    model,
    el,
    name: "tightness_contrast",
    title: "tightness and contrast of five losses",
    keys: Object.keys(KNOBS),
    picture: [field, tight, apart],
    panel: Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
    readout: Object.fromEntries(ORDER.map((name) => [name, `${name === "center" ? "CE" : NAMES[name]}, A 10° nearer`])),
    draw(state, colours) {
      const found = measure(state);
      drawScene(field, colours, state, found);
      drawBars(tight, colours, found.tightness, {
        range: T_RANGE,
        title: "tightness, in units of T_contrast",
        names,
        at: found.tightness.contrastive,
        says: `Tightness in units of the contrastive loss's: ${ORDER.map((name) => `${NAMES[name]} ${decimals(found.tightness[name])}`).join(", ")}.`,
      });
      drawBars(apart, colours, found.contrast, {
        range: C_RANGE,
        title: "contrast: 0 ideal, 1 all in one point",
        names: { ...names, center: "CE (center)" },
        says: `Contrast, from 0 for three points 120° apart to 1 for everything in one point: ${ORDER.map((name) => `${name === "center" ? "cross-entropy" : NAMES[name]} ${decimals(found.contrast[name])}`).join(", ")}.`,
      });
      const percent = (share) => `${share > 0 ? "+" : ""}${decimals(100 * share, 1)} %`;
      return {
        verdict: verdictOf(state, found),
        readout: Object.fromEntries(ORDER.map((name) => [name, percent(found.felt[name])])),
        tightness: found.tightness,
        contrast: found.contrast,
      };
    },
  });
}

export default { render };

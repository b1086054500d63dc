// Gaussian classes on a line, their four entropies, and the one difference that both views see.
//
// Explained in the chapter "Two views of one quantity".

import { word } from "./canvas.js";
import { chart } from "./chart.js";
import { decimals, onKey, sheet, slider } from "./controls.js";
import { stage } from "./stage.js";
import { entropiesOf, logJoint, meansOf } from "./two_views_arithmetic.js";

const KNOBS = {
  separation: { symbol: "δ", name: "delta, distance of neighbouring class means in sigmas", hint: "between neighbours", min: 0, max: 8, step: 0.1, digits: 1, unit: "σ" },
  spread: { symbol: "σ", name: "sigma, spread of each class", hint: "spread of a class", min: 0.1, max: 2, log: true },
  classes: { symbol: "K", name: "K, number of classes", hint: "classes", min: 2, max: 5, step: 1, digits: 0 },
};
const NATS = [-1, 4];
const COLOURS = { information: 1, label: 0, embedding: 2 };

/** What limits the mutual information now, in a few sentences. */
function verdictOf({ separation, spread }, { label, labelGiven, embedding, embeddingGiven }) {
  const information = Math.max(0, label - labelGiven);
  const share = information / label;
  const said = `I = ${decimals(information)} of at most log K = ${decimals(label)} nats`;
  let what = `${said}: ${decimals(labelGiven)} nats of the label are still a guess.`;
  if (separation === 0) what = "All classes coincide: z tells nothing about the label, and I = 0.";
  else if (share < 0.1) what = `${said}: the classes overlap so much that z hardly tells the label.`;
  else if (share > 0.98) what = `${said}: saturated. H(Y|Z) is nearly used up, and H(Z) hardly grows with δ.`;
  let unit = "";
  if (Math.abs(Math.log(spread)) > 0.005)
    unit = ` σ only sets the unit: H(Z) and H(Z|Y) both move by log σ = ${decimals(Math.log(spread))}, I does not.`;
  let sign = "";
  if (embedding < 0) sign = " H(Z) and H(Z|Y) are negative now, as entropies of densities may be; their difference is not.";
  else if (embeddingGiven < 0) sign = " H(Z|Y) is negative: an entropy of a density may be.";
  return what + unit + sign;
}

/** The densities p(z|y) / K, and their sum p(z); beneath, how long one unit of z is. */
function drawDensities(canvas, colours, { separation, spread, classes }) {
  const means = meansOf(separation, classes);
  const half = Math.max(5.2, means.at(-1) + 3.6);
  const places = Array.from({ length: 241 }, (_, k) => half * (k / 120 - 1));
  const parts = places.map((z) => logJoint(z, means).map((value) => Math.exp(value) / spread));
  const total = parts.map((values) => values.reduce((sum, value) => sum + value, 0));
  const x = places.map((z) => z * spread);
  const top = Math.max(...total);
  const curves = means.map((_, c) => ({ x, y: parts.map((values) => values[c]), colour: c, dash: c + 1, width: 1.8 }));
  curves.push({ x, y: total, colour: colours.ink, dash: 0, width: 2.6, label: "p(z), all classes together" });
  curves[0].label = "p(z|y)/K, one class each";
  const { context, plot, toX } = chart(canvas, {
    ...colours,
    height: 230,
    x: { from: -half * spread, to: half * spread, title: "embedding z (any unit)" },
    y: { from: 0, to: 1.3 * top, title: "density (1 / unit of z)" },
    curves,
    says:
      `Densities of ${classes} Gaussian classes of spread ${decimals(spread)} at steps of ${decimals(separation, 1)} ` +
      `sigma, and their mixture, whose highest value is ${decimals(top)}.`,
  });
  const [left, y] = [plot.left + 10, plot.top + 10];
  const right = left + toX(1) - toX(0);
  context.beginPath();
  context.moveTo(left, y - 4);
  context.lineTo(left, y + 4);
  context.moveTo(left, y);
  context.lineTo(right, y);
  context.moveTo(right, y - 4);
  context.lineTo(right, y + 4);
  context.strokeStyle = colours.ink;
  context.lineWidth = 1.6;
  context.stroke();
  word(context, "1 unit of z", left, y + 7, { ...colours, baseline: "top" });
}

/** Six bars in nats: two entropies and their gap, for either view; entropies begin at 0 and may lie left of it. */
function drawEntropies(canvas, colours, { label, labelGiven, embedding, embeddingGiven }) {
  const rows = [
    { at: 7, text: "H(Y)", from: 0, to: label, colour: COLOURS.label },
    { at: 6, text: "H(Y|Z)", from: 0, to: labelGiven, colour: COLOURS.label },
    { at: 5, text: "I", from: labelGiven, to: label, colour: COLOURS.information },
    { at: 3, text: "H(Z)", from: 0, to: embedding, colour: COLOURS.embedding },
    { at: 2, text: "H(Z|Y)", from: 0, to: embeddingGiven, colour: COLOURS.embedding },
    { at: 1, text: "I", from: embeddingGiven, to: embedding, colour: COLOURS.information },
  ];
  const { context, toX, toY } = chart(canvas, {
    ...colours,
    height: 250,
    x: { from: NATS[0], to: NATS[1], title: "entropy (nats)" },
    y: { from: 0.4, to: 8.5, ticks: rows.map(({ at, text }) => [at, text]) },
    bars: rows.map((row) => ({ ...row, across: true, width: 0.72, chosen: row.text === "I" })),
    lines: [{ axis: "x", at: 0, dash: 0 }],
    legend: "none",
    says:
      `Bars in nats. H of Y ${decimals(label)}, H of Y given Z ${decimals(labelGiven)}, their gap ` +
      `${decimals(label - labelGiven)}. H of Z ${decimals(embedding)}, H of Z given Y ${decimals(embeddingGiven)}, ` +
      `their gap ${decimals(embedding - embeddingGiven)}: the same.`,
  });
  const heading = (text, at) => word(context, text, toX(NATS[1]), toY(at), { ...colours, align: "right", baseline: "middle" });
  heading("discriminative view", 8);
  heading("generative view", 4);
  // The gap's ends, carried up to the bars that it is the difference of.
  context.setLineDash([2, 3]);
  context.strokeStyle = colours.ink;
  context.lineWidth = 1;
  context.beginPath();
  for (const [from, to, upper] of [
    [labelGiven, label, 7],
    [embeddingGiven, embedding, 3],
  ]) {
    context.moveTo(toX(from), toY(upper - 1.36));
    context.lineTo(toX(from), toY(upper - 2.36));
    context.moveTo(toX(to), toY(upper - 0.36));
    context.lineTo(toX(to), toY(upper - 2.36));
  }
  context.stroke();
  context.setLineDash([]);
}

function render({ model, el }) {
  const [densities, bars] = [sheet("Densities of the classes"), sheet("Entropies")];
  return stage({
    model,
    el,
    name: "two_views",
    title: "two views of the mutual information",
    keys: Object.keys(KNOBS),
    picture: [densities, bars],
    panel: Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
    readout: {
      label: "H(Y) = log K (nats)",
      labelGiven: "H(Y|Z)",
      discriminative: "I = H(Y) − H(Y|Z)",
      embedding: "H(Z)",
      embeddingGiven: "H(Z|Y)",
      generative: "I = H(Z) − H(Z|Y)",
    },
    draw(state, colours) {
      const found = entropiesOf(state);
      drawDensities(densities, colours, state);
      drawEntropies(bars, colours, found);
      const { label, labelGiven, embedding, embeddingGiven } = found;
      const written = (value) => decimals(value, 3);
      return {
        verdict: verdictOf(state, found),
        readout: {
          label: written(label),
          labelGiven: written(labelGiven),
          discriminative: written(label - labelGiven),
          embedding: written(embedding),
          embeddingGiven: written(embeddingGiven),
          generative: written(embedding - embeddingGiven),
        },
        found,
      };
    },
  });
}

export default { render };

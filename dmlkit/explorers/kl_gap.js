// Cross-entropy of a logistic classifier on two Gaussian classes: what cannot be known, and what is given away.
//
// Explained in the chapter "Cross-entropy maximises the mutual information".

import { word } from "./canvas.js";
import { decimals, onKey, presets, sheet, significant, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { densityAt, faultOf, gapOf, partsAt, sigmoid } from "./kl_gap_arithmetic.js";

const KNOBS = {
  separation: { symbol: "δ", name: "delta, distance of the two class means", hint: "distance of the means", min: 0.2, max: 6, step: 0.1, digits: 1, unit: "σ" },
  slope: { symbol: "w", name: "w, slope of the classifier's logit", hint: "the classifier's slope", min: 0.02, max: 20, log: true, unit: "/σ" },
  shift: { symbol: "t", name: "t, threshold of the classifier", hint: "the classifier's threshold", min: -3, max: 3, step: 0.1, digits: 1, unit: "σ" },
};
const STARTS = {
  "overconfident ×3": { separation: 2, slope: 6, shift: 0 },
  timid: { separation: 2, slope: 0.5, shift: 0 },
  shifted: { separation: 2, slope: 2, shift: 1 },
  "the posterior": { separation: 2, slope: 2, shift: 0 },
};
const PLACES = Array.from({ length: 241 }, (_, k) => -6 + k / 20);
const TOPS = [0.25, 0.5, 1, 2, 5, 10, 20];
const NATS = "nats per σ of z";

/** What the classifier does wrong, and what that costs, in two or three sentences. */
function verdictOf(setting, found, fault) {
  const { separation, slope, shift } = setting;
  const { kl, bound, information } = found;
  if (fault === "posterior")
    return (
      "At the posterior: the classifier says all that the embedding knows, no more and no less. " +
      `Cross-entropy is H(Y|Z), and the bound is I = ${decimals(information, 3)} nats.`
    );
  const ratio = slope / separation;
  const times = significant(ratio >= 1 ? ratio : 1 / ratio);
  const what = {
    shifted: `Shifted: the threshold stands ${decimals(Math.abs(shift), 1)} σ to the ${shift > 0 ? "right" : "left"} of where the classes balance.`,
    confident: `Too confident: its slope is ${times} times the posterior's.`,
    timid: `Too timid: the posterior's slope is ${times} times its own.`,
  }[fault];
  const price = `It gives away ${decimals(kl, 3)} of the ${decimals(information, 3)} nats that the embedding has.`;
  const worse = "The bound is below 0: to say one half always would do better.";
  return `${what} ${bound < 0 ? worse : price}`;
}

/** Posterior and classifier, on the density of the embedding. */
function drawCurves(canvas, colours, setting) {
  const { separation, slope, shift } = setting;
  const density = PLACES.map((z) => densityAt(z, separation));
  chart(canvas, {
    ...colours,
    height: 200,
    x: { from: -6, to: 6, title: "embedding z (σ)" },
    y: { from: 0, to: 1, title: "probability of class 1" },
    bands: [{ x: PLACES, low: PLACES.map(() => 0), high: density, label: "density of z" }],
    curves: [
      { x: PLACES, y: PLACES.map((z) => sigmoid(separation * z)), label: "posterior", colour: 0, dash: 0, width: 3 },
      { x: PLACES, y: PLACES.map((z) => sigmoid(slope * (z - shift))), label: "classifier", colour: 1, dash: 1, width: 2.4 },
    ],
    says:
      `Probability of class 1 against the embedding. The posterior rises with slope ${decimals(separation, 1)} at 0, ` +
      `the classifier with slope ${significant(slope)} at ${decimals(shift, 1)}.`,
  });
}

/** The cross-entropy as an area: below what cannot be known, on top of it the gap. */
function drawAreas(canvas, colours, setting, found) {
  const density = PLACES.map((z) => densityAt(z, setting.separation));
  const parts = PLACES.map((z) => partsAt(z, setting));
  const low = parts.map(({ entropy }, k) => density[k] * entropy);
  const high = parts.map(({ kl }, k) => low[k] + density[k] * kl);
  const most = Math.max(...high);
  chart(canvas, {
    ...colours,
    height: 190,
    x: { from: -6, to: 6, title: "embedding z (σ)" },
    y: { from: 0, to: TOPS.find((top) => top > 1.05 * most) ?? most, title: NATS },
    bands: [
      { x: PLACES, low: PLACES.map(() => 0), high: low, colour: 0, label: "area H(Y|Z)" },
      { x: PLACES, low, high, colour: 1, label: "area KL" },
    ],
    curves: [
      { x: PLACES, y: low, colour: 0, dash: 0, width: 1.6 },
      { x: PLACES, y: high, colour: 1, dash: 1, width: 2 },
    ],
    says:
      `Where the cross-entropy comes from: an area of ${decimals(found.conditional, 3)} nats, the conditional entropy, ` +
      `and on top of it one of ${decimals(found.kl, 3)} nats, the gap.`,
  });
}

/** H(Y) and CE as two bars that begin with the same H(Y|Z): what is left to the end of H(Y) is the bound. */
function drawBars(canvas, colours, { conditional, kl, crossEntropy, information, bound }) {
  const most = Math.max(Math.LN2, crossEntropy);
  const bars = [
    { at: 1, from: 0, to: conditional, colour: 0, name: "H(Y|Z)" },
    { at: 1, from: conditional, to: Math.LN2, colour: 2, name: "I" },
    { at: 0, from: 0, to: conditional, colour: 0, name: "H(Y|Z)" },
    { at: 0, from: conditional, to: crossEntropy, colour: 1, name: "KL" },
  ].map((bar) => ({ ...bar, across: true, width: 0.62 }));
  const { context, toX, toY } = chart(canvas, {
    ...colours,
    height: 112,
    x: { from: 0, to: 1.04 * most, title: "nats" },
    y: { from: -0.5, to: 1.5, ticks: [[1, "H(Y)"], [0, "CE"]] },
    bars,
    lines: [{ axis: "x", at: Math.LN2, dash: 1 }],
    says:
      `Two bars. H(Y), ${decimals(Math.LN2, 3)} nats, is H(Y|Z) ${decimals(conditional, 3)} and I ${decimals(information, 3)}. ` +
      `The cross-entropy, ${decimals(crossEntropy, 3)}, is the same H(Y|Z) and KL ${decimals(kl, 3)}. ` +
      `It ends ${decimals(Math.abs(bound), 3)} nats ${bound < 0 ? "beyond" : "before"} H(Y).`,
  });
  for (const { name, from, to, at } of bars) {
    context.font = "12px system-ui, sans-serif";
    if (toX(to) - toX(from) < context.measureText(name).width + 8) continue;
    const middle = (toX(from) + toX(to)) / 2;
    word(context, name, middle, toY(at), { ink: "white", ground: "rgba(0, 0, 0, 0.55)", align: "center", baseline: "middle" });
  }
}

function render({ model, el }) {
  const curves = sheet("Posterior and classifier against the embedding");
  const areas = sheet("Where the cross-entropy comes from");
  const bars = sheet("Entropy of the labels and cross-entropy");
  return stage({
    model,
    el,
    name: "kl_gap",
    title: "the gap between a classifier and the posterior",
    keys: Object.keys(KNOBS),
    picture: [curves, areas, bars],
    panel: [
      presets("Start from", STARTS, model),
      ...Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
    ],
    readout: {
      conditional: "H(Y|Z)",
      kl: "+ KL",
      crossEntropy: "= cross-entropy",
      bound: "bound, H(Y) − CE",
      information: "I(Z;Y)",
    },
    draw(setting, colours) {
      const found = gapOf(setting);
      drawCurves(curves, colours, setting);
      drawAreas(areas, colours, setting, found);
      drawBars(bars, colours, found);
      return {
        verdict: verdictOf(setting, found, faultOf(setting, found)),
        readout: Object.fromEntries(Object.entries(found).map(([key, value]) => [key, decimals(value, 3)])),
        ...found,
      };
    },
  });
}

export default { render };

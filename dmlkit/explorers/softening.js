// How far a soft minimum lies from the true one, and what the loss makes of it.
//
// Explained in the chapter "Softening: from an index to a loss".

import { changeTo, choice, onKey, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { FIXED, softMinimum, softScore, standings, trueScore, turningPoint } from "./softening_arithmetic.js";

const FORMS = { logsumexp: "log-sum-exp", logmeanexp: "log-mean-exp", weighted_mean: "weighted mean" };
const NAMES = Object.keys(FORMS);
const KNOBS = {
  nearest_temperature: { symbol: "τ_b", name: "tau b, temperature of the soft minimum", hint: "temperature", min: 0.01, max: 1, log: true },
  others: { symbol: "C − 1", name: "C minus 1, number of other classes", hint: "other classes", min: 2, max: 200, log: true, digits: 3 },
  gap: { symbol: "gap", name: "gap, how far the others stand behind the nearest", hint: "behind the nearest", min: 0, max: 0.6 },
};
const B_RANGE = [-1, 1];
const LOSS_RANGE = [0.05, 200];
const TEMPERATURES = Array.from({ length: 81 }, (_, k) => 10 ** (-2 + k / 40));
const OWN = Array.from({ length: 101 }, (_, k) => k / 100);
const said = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** What the chosen soft minimum does to the image, in a sentence or two. */
function verdictOf({ b, shares }, form, turn) {
  const where = `The ${FORMS[form]} puts the nearest class at ${said(b)}`;
  const off = b - FIXED.nearest;
  const drawnIn = shares.at(-1) < -1e-9 ? " Training even draws each farther class in: its share is negative." : "";
  if (b < 0) {
    const from = turn === 0 ? "Whatever a is" : turn === null || turn > 1 ? null : `From a = ${said(turn)} on`;
    const fate = from ? ` ${from}, the loss falls as a grows: training drives the image away from its own class.` : "";
    return `${where}, a distance below zero.${fate}`;
  }
  if (off < -0.05) return `${where}, though it stands at ${said(FIXED.nearest)}: every further class lowers b.`;
  if (off > 0.05) return `${where}, though it stands at ${said(FIXED.nearest)}: the farther classes outvote it.${drawnIn}`;
  return `${where}, close to where it stands, ${said(FIXED.nearest)}.${drawnIn}`;
}

/** b against τ_b for the three forms, with the true minimum and zero. */
function drawMinima(canvas, colours, { nearest_temperature, soft_min }, distances, found) {
  const curves = NAMES.map((form, k) => ({
    x: TEMPERATURES,
    y: TEMPERATURES.map((tau) => softMinimum(distances, tau, form).b),
    label: FORMS[form],
    colour: k,
    dash: k,
    width: form === soft_min ? 3.2 : 1.4,
  }));
  const marks = NAMES.map((form, k) => ({
    x: [nearest_temperature],
    y: [found[form].b],
    colour: k,
    mark: k,
    line: false,
  }));
  const { b } = found[soft_min];
  chart(canvas, {
    ...colours,
    height: 240,
    x: { from: 0.01, to: 1, log: true, title: "temperature τ_b (units of distance)" },
    y: { from: B_RANGE[0], to: B_RANGE[1], title: "b (cosine distance)" },
    curves: [...curves, ...marks],
    lines: [
      { at: FIXED.nearest, label: "true minimum", dash: 1 },
      { at: 0, label: "zero", dash: 2 },
      { axis: "x", at: nearest_temperature, dash: 2 },
    ],
    says:
      `Three soft minima of ${distances.length} distances against the temperature. At ${said(nearest_temperature)}: ` +
      `${NAMES.map((form) => `${FORMS[form]} ${said(found[form].b)}`).join(", ")}; the true minimum is ` +
      `${said(FIXED.nearest)}${b < B_RANGE[0] ? "; the chosen one lies below the chart" : ""}.`,
  });
}

/** The loss against a, with the chosen soft minimum and with the true one. */
function drawLoss(canvas, colours, form, b, turn) {
  const turned = turn !== null && turn < 1;
  chart(canvas, {
    ...colours,
    height: 240,
    x: { from: 0, to: 1, title: "a, mean distance to the own class" },
    y: { from: LOSS_RANGE[0], to: LOSS_RANGE[1], log: true, title: "loss 1 − s̃ (τ = 0.1)" },
    curves: [
      { x: OWN, y: OWN.map((a) => 1 - softScore(a, b)), label: `with ${FORMS[form]}`, colour: NAMES.indexOf(form), dash: 0, width: 3 },
      { x: OWN, y: OWN.map((a) => 1 - trueScore(a, FIXED.nearest)), label: "true minimum and maximum", colour: 7, dash: 1 },
    ],
    lines: [{ at: 2, label: "2, the true loss's most", dash: 2 }],
    bands: turned ? [{ axis: "x", from: turn, to: 1, colour: 6, label: "driven from its own class" }] : [],
    says:
      `The loss against a, on a logarithmic axis. With the ${FORMS[form]} it runs from ${said(1 - softScore(0, b))} at ` +
      `a = 0 to ${said(1 - softScore(1, b))} at a = 1; with the true minimum from 0 to ${said(1 - trueScore(1, FIXED.nearest))}.`,
  });
}

function render({ model, el }) {
  const [minima, loss] = [sheet("Soft minima against the temperature"), sheet("The loss against a")];
  // Whole numbers on a slider of even steps in the logarithm: a step that rounds back to where it began goes on by one.
  const others = {
    value: (state) => state.others,
    change(value) {
      const now = model.get("others");
      const whole = Math.round(value);
      changeTo(model, { others: whole === now ? now + Math.sign(Number(value.toFixed(3)) - now) : whole });
    },
  };
  return stage({
    model,
    el,
    name: "softening",
    title: "three soft minima and the loss",
    keys: [...Object.keys(KNOBS), "soft_min"],
    picture: [minima, loss],
    panel: [
      slider(KNOBS.nearest_temperature, onKey(model, "nearest_temperature")),
      slider(KNOBS.others, others),
      slider(KNOBS.gap, onKey(model, "gap")),
      choice("Soft minimum", Object.entries(FORMS), onKey(model, "soft_min")),
    ],
    readout: {
      b: "b, soft minimum",
      off: "b − true minimum",
      share: "share of the nearest",
      rest: "share of each other",
      loss: "loss at a = 0.2",
      true: "true loss at a = 0.2",
    },
    draw(state, colours) {
      const distances = standings(state.others, state.gap);
      const found = Object.fromEntries(
        NAMES.map((form) => [form, softMinimum(distances, state.nearest_temperature, form)]),
      );
      const chosen = found[state.soft_min];
      const turn = turningPoint(chosen.b);
      drawMinima(minima, colours, state, distances, found);
      drawLoss(loss, colours, state.soft_min, chosen.b, turn);
      const percent = (share) => `${said(100 * share, 1)} %`;
      return {
        verdict: verdictOf(chosen, state.soft_min, turn),
        readout: {
          b: said(chosen.b, 3),
          off: said(chosen.b - FIXED.nearest, 3),
          share: percent(chosen.shares[0]),
          rest: percent(chosen.shares.at(-1)),
          loss: said(1 - softScore(0.2, chosen.b)),
          true: said(1 - trueScore(0.2, FIXED.nearest)),
        },
        b: chosen.b,
        turn,
      };
    },
  });
}

export default { render };

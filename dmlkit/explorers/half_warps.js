// What a function on the distance does to one embedding: its slope against the other's, and 200 steps of descent.
//
// Explained in the chapter "Which functions work?".

import { choice, onKey, presets, sheet, significant, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { SCENE, difference, functionsOf, lossSlope, stretches, walk } from "./half_warps_arithmetic.js";

const NAMES = {
  identity: "d",
  square: "d²",
  sqrt: "√d",
  log1p: "log(1 + d)",
  expm1: "eᵈ − 1",
  inner_half: "half-warp, slope 0.7",
  outer_half: "half-warp, slope 1.4",
  warp: "warp, r = 1.5",
};
const START = { symbol: "start", name: "start, distance behind the own proxy", hint: "behind the own proxy", min: 0.05, max: 4 };
const RAY = Array.from({ length: 121 }, (_, k) => k / 30);
const SLOPES = [0.1, 20];
const REACH = [0.01, SCENE.far];
const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");

/** What the comparison of the two slopes predicts. */
function fateOf(pair) {
  const found = stretches(pair);
  const turn = found.length > 1 ? found[1].from : null;
  const key = found.map(({ sign }) => "−0+"[sign + 1]).join("");
  const words = {
    "−": "outward, without end",
    "+": "inward, to the own proxy",
    0: "nowhere: the ray is flat",
    "−+": `to a minimum at ${significant(turn ?? 0, 3)}`,
    "+−": `a ridge at ${significant(turn ?? 0, 3)}: inward below it, outward beyond`,
    "−0": `outward up to ${significant(turn ?? 0, 3)}, then nowhere`,
  };
  return { key, turn, words: words[key] ?? "it changes more than once" };
}

/** What the probe did, in a sentence. */
function happened({ places, thrown }, start, fate, pair) {
  if (thrown !== null) {
    return `In step ${thrown} the probe is thrown beyond ${SCENE.far}: the slope there is too steep for this step.`;
  }
  const end = places.at(-1);
  const [from, to] = [number(start), number(Math.abs(end))];
  if (difference(pair, start) > 0 && Math.max(start, Math.abs(end)) < 0.25) {
    return `The probe hops about its own proxy, from ${from} to ${to}: its steps are longer than the way.`;
  }
  if (Math.abs(end - start) < 0.005) {
    const idle = "hardly moves: its loss is next to 0, and so is the force on it";
    return `The probe ${difference(pair, start) === 0 ? `stays at ${to}` : idle}.`;
  }
  if (fate.key === "+−" && start < fate.turn && end > fate.turn) {
    return `Next to the proxy the slope has no bound: a step throws the probe over the ridge, and it walks out to ${to}.`;
  }
  if (fate.key === "−0" && end > fate.turn - 0.05) return `The probe walks out to ${to}, where the ray is flat, and stays.`;
  if (fate.key === "−+" && Math.abs(end - fate.turn) < 0.05) return `The probe walks from ${from} to ${to} and rests there.`;
  if (Math.abs(end) < start) return `The probe walks in, from ${from} to ${to}${end < -0.005 ? ", between the proxies" : ""}.`;
  const pace = Math.abs(lossSlope(pair, end)) > 0.01 ? "still driven on" : "ever more slowly, for its force has faded";
  return `The probe walks out, from ${from} to ${to}, ${pace}.`;
}

function drawSlopes(canvas, colours, [own, other], fate, start) {
  const inwards = stretches([own, other]).flatMap(({ sign, from }, k, all) => {
    const to = Math.min(all[k + 1]?.from ?? 4, 4);
    return sign > 0 && from < 4 ? [{ axis: "x", from, to, colour: 6, label: "inward" }] : [];
  });
  chart(canvas, {
    ...colours,
    height: 210,
    x: { from: 0, to: 4, title: "t, distance behind the own proxy" },
    y: { from: SLOPES[0], to: SLOPES[1], log: true, title: "slope" },
    curves: [
      { x: RAY, y: RAY.map((t) => own.slope(Math.max(t, 1e-4))), label: "f_y′(t), own", colour: 0, dash: 0, width: 3 },
      { x: RAY, y: RAY.map((t) => other.slope(t + SCENE.separation)), label: "f_j′(t + D), other", colour: 1, dash: 1 },
    ],
    bands: inwards,
    lines: [{ axis: "x", at: start, label: "start", dash: 2 }],
    legend: "row",
    says: `The two slopes along the ray behind the own proxy. Predicted: ${fate.words}.`,
  });
}

function drawWalk(canvas, colours, { places, thrown }, fate) {
  const steps = places.map((_, k) => k);
  const apart = places.map((x) => Math.min(Math.max(Math.abs(x), REACH[0]), REACH[1]));
  if (thrown !== null) {
    steps.push(thrown);
    apart.push(REACH[1]);
  }
  chart(canvas, {
    ...colours,
    height: 210,
    x: { from: 0, to: SCENE.steps, title: "step of descent" },
    y: { from: REACH[0], to: REACH[1], log: true, title: "distance to the own proxy" },
    curves: [
      { x: steps, y: apart, label: "probe", colour: 2, dash: 0, width: 3 },
      { x: [steps.at(-1)], y: [apart.at(-1)], colour: 2, mark: thrown === null ? 0 : 6, line: false },
    ],
    lines: fate.key === "−+" || fate.key === "+−" ? [{ at: fate.turn, label: fate.key === "−+" ? "minimum" : "ridge", dash: 2 }] : [],
    legend: "none",
    says:
      thrown === null
        ? `The distance of the probe over ${SCENE.steps} steps, from ${number(apart[0])} to ${number(apart.at(-1))}.`
        : `The distance of the probe, which leaves the chart in step ${thrown}.`,
  });
}

function render({ model, el }) {
  const [slopes, path] = [sheet("Two slopes along the ray"), sheet("The distance of the probe over the steps")];
  const settings = Object.entries(NAMES).map(([name, text]) => [text, { function: name }]);
  return stage({
    model,
    el,
    name: "half_warps",
    title: "a function on the distance, and one embedding that follows it",
    keys: ["function", "where", "start"],
    picture: [slopes, path],
    panel: [
      presets("Function f", Object.fromEntries(settings), model),
      choice("Put f on", [["own", "the own distance"], ["both", "both"]], onKey(model, "where")),
      slider(START, onKey(model, "start")),
    ],
    readout: { value: "f(start)", own: "f_y′(start)", other: "f_j′(start + D)", force: "force on the probe" },
    draw(state, colours) {
      const pair = functionsOf(state.function, state.where);
      const fate = fateOf(pair);
      const walked = walk(pair, state.start);
      drawSlopes(slopes, colours, pair, fate, state.start);
      drawWalk(path, colours, walked, fate);
      return {
        verdict: `Predicted: ${fate.words}. ${happened(walked, state.start, fate, pair)}`,
        readout: {
          value: significant(pair[0].value(state.start), 3),
          own: significant(pair[0].slope(state.start), 3),
          other: significant(pair[1].slope(state.start + SCENE.separation), 3),
          force: significant(-lossSlope(pair, state.start), 3),
        },
        fate: fate.key,
      };
    },
  });
}

export default { render };

// A function of one weight goes down by way of parabolas that touch it from above; or fails to, if they are too flat.
//
// Explained in the chapter "Cross-entropy as a bound".

import { changeTo, choice, decimals, onKey, player, sheet, significant, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { PROBLEMS, bowlAt, deepestCut, lowestOf } from "./bound_optimization_arithmetic.js";

const SHOWN = [-5, 5];
const NAMES = { classifier: "cross-entropy of a classifier with one weight", valleys: "two valleys, one deeper" };
const TITLES = { classifier: "cross-entropy (nats)", valleys: "f(w)" };
const HEIGHTS = { classifier: [0, 5], valleys: [0, 3] };
const MOST_STEPS = 30;
const KNOBS = {
  start: { symbol: "w₀", name: "w 0, where the walk starts", hint: "start", min: -4, max: 4, step: 0.1, digits: 1 },
  curvature: { symbol: "c", name: "c, curvature of the bowl", hint: "curvature of the bowl", min: 0.05, max: 5, log: true },
};
const GRID = Array.from({ length: 161 }, (_, k) => SHOWN[0] + ((SHOWN[1] - SHOWN[0]) * k) / 160);
const CURVES = Object.fromEntries(Object.entries(PROBLEMS).map(([name, { value }]) => [name, GRID.map(value)]));
const PAUSE = 400; // milliseconds between two steps of Play
const signed = (value, digits = 2) => decimals(value, digits);

/** What the bowl is, and what its step does, in a sentence or two. */
function bowlVerdict(problem, w, curvature) {
  const next = lowestOf(problem, w, curvature);
  const [here, there] = [problem.value(w), problem.value(next)];
  if (Math.abs(problem.slope(w)) < 1e-3) return "The slope is 0 here: the bowl's minimum is where it touches, and the walk is at rest.";
  const cut = deepestCut(problem, w, curvature, [Math.min(SHOWN[0], next), Math.max(SHOWN[1], next)]);
  const falls = here - there;
  const outcome =
    falls < -5e-4
      ? `The next step goes up, by ${significant(-falls, 3)}.`
      : `The next step goes down all the same, by ${significant(falls, 3)}: by luck.`;
  if (cut.by > 1e-6)
    return `The bowl cuts through f: at w = ${signed(cut.at, 1)} it is ${significant(cut.by)} too low. It is no bound. ${outcome}`;
  const promised = here - bowlAt(problem, w, curvature)(next);
  const enough = curvature >= problem.largest - 1e-9 ? "" : ", though at some other w this curvature is too small";
  return `The bowl lies above f${enough}. It promises a fall of ${significant(promised, 3)}; the next step falls by ${significant(falls, 3)}.`;
}

function render({ model, el }) {
  const [field, course] = [sheet("A function and the bowl that touches it"), sheet("The value after each step")];
  const place = (state) => state.path.at(-1) ?? state.start;
  const current = () => ({ start: model.get("start"), path: model.get("path") });
  const advance = () => {
    const problem = PROBLEMS[model.get("problem")];
    const w = place(current());
    const path = model.get("path");
    if (path.length >= MOST_STEPS || Math.abs(w) > 1e3 || Math.abs(problem.slope(w)) < 1e-3) return false;
    changeTo(model, { path: [...path, lowestOf(problem, w, model.get("curvature"))] });
    return true;
  };
  // Play calls once a frame, far too fast to look at a bowl; a click is answered at once.
  let last = -Infinity;
  const pace = player(() => {
    const now = performance.now();
    if (now - last < PAUSE) return true;
    last = now;
    return advance();
  });
  pace.node.addEventListener("click", () => (last = -Infinity), true);

  return stage({
    model,
    el,
    name: "bound_optimization",
    title: "down by bounds",
    keys: ["problem", "start", "curvature", "path"],
    picture: [field, course],
    panel: [
      choice("What is to be made small", Object.entries(NAMES), {
        value: (state) => state.problem,
        change: (problem) => changeTo(model, { problem, path: [] }),
      }),
      slider(KNOBS.start, {
        value: (state) => state.start,
        change: (start) => changeTo(model, { start, path: [] }),
      }),
      slider(KNOBS.curvature, onKey(model, "curvature")),
      pace,
    ],
    readout: {
      step: "steps taken",
      here: "w now",
      value: "f(w) now",
      lowest: "bowl's minimum",
      next: "f there",
      largest: "largest curvature of f",
    },
    draw(state, colours) {
      const problem = PROBLEMS[state.problem];
      const [low, high] = HEIGHTS[state.problem];
      const w = place(state);
      const bowl = bowlAt(problem, w, state.curvature);
      const next = lowestOf(problem, w, state.curvature);
      const visited = [state.start, ...state.path];
      const verdict = bowlVerdict(problem, w, state.curvature);
      chart(field, {
        ...colours,
        height: 270,
        x: { from: SHOWN[0], to: SHOWN[1], title: "weight w" },
        y: { from: low, to: high, title: TITLES[state.problem] },
        curves: [
          { x: GRID, y: CURVES[state.problem], label: "f", colour: 0, dash: 0, width: 3 },
          { x: GRID, y: GRID.map(bowl), label: "bowl", colour: 1, dash: 1 },
          { x: visited.slice(0, -1), y: visited.slice(0, -1).map(problem.value), colour: 7, mark: 0, line: false },
          { x: [w], y: [problem.value(w)], label: "touches here", colour: 0, mark: 0, line: false },
          { x: [next], y: [bowl(next)], label: "bowl's minimum", colour: 1, mark: 1, line: false },
          { x: [next], y: [problem.value(next)], label: "f there", colour: 2, mark: 2, line: false },
        ],
        lines: next >= SHOWN[0] && next <= SHOWN[1] ? [{ axis: "x", at: next, dash: 2 }] : [],
        says:
          `A function of one weight and the bowl of curvature ${significant(state.curvature)} that touches it at ` +
          `w = ${signed(w)}, where f is ${signed(problem.value(w))}; the bowl's minimum is at w = ${signed(next)}. ${verdict}`,
      });
      const values = visited.map(problem.value);
      const top = Math.max(high, ...values.filter(Number.isFinite));
      chart(course, {
        ...colours,
        height: 150,
        x: { from: 0, to: MOST_STEPS, title: "steps taken" },
        y: { from: 0, to: Math.min(top, 3 * high), title: "f after each step" },
        curves: [{ x: values.map((_, t) => t), y: values, colour: 0, dash: 0, mark: 0 }],
        says: `The value of f after 0 to ${state.path.length} steps: from ${signed(values[0])} to ${signed(values.at(-1))}.`,
      });
      return {
        verdict,
        readout: {
          step: String(state.path.length),
          here: signed(w, 3),
          value: signed(problem.value(w), 3),
          lowest: signed(bowl(next), 3),
          next: signed(problem.value(next), 3),
          largest: significant(problem.largest, 3),
        },
        next,
      };
    },
  });
}

export default { render };

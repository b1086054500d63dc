// Twenty-six losses on one data set, as a search of one to sixteen trials had found them.
//
// Explained in the chapter "A fair comparison".

import { kendall, moved, orderOf, scoresOf } from "./budgets_arithmetic.js";
import { choice, decimals, onKey, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";

const KNOB = { symbol: "b", name: "b, trials for each loss", hint: "trials for each loss", min: 1, max: 16, step: 1, digits: 0 };
const LOOKS = [
  [0, "held-out training classes"],
  [1, "the test classes (cheating)"],
];

/** Which losses lie above the first head, each compared by its own distance. */
const above = (scores, { starts, euclidean, data }) =>
  scores.filter((score, k) => score > starts[data][euclidean[k]] / 1e5).length;

function verdictOf(state, scores, full) {
  const { names, budget, trials, flattered } = state;
  const [first, second] = orderOf(scores);
  const count = budget === 1 ? "one trial" : `${budget} trials`;
  const lead =
    `With ${count} each, ${names[first]} leads (${decimals(scores[first], 3)} expected), ` +
    `${decimals(scores[first] - scores[second], 3)} before ${names[second]}. `;
  const over = `Above the untrained head: ${above(scores, state)} of ${names.length}.`;
  if (budget === trials && !flattered) return `${lead}This is the whole search. ${over}`;
  const tau = decimals(kendall(scores, full), 2);
  return `${lead}${moved(scores, full)} losses stand at another place than after ${trials} honest trials: Kendall's τ ${tau}. ${over}`;
}

/** One row a loss, the best on top: its expected score, and a line to what the whole search found. */
function drawLosses(canvas, colours, state, scores, full) {
  const { names, families, family, starts, data, sets } = state;
  const order = orderOf(scores);
  const last = names.length - 1;
  const place = Object.fromEntries(order.map((loss, row) => [loss, last - row]));
  const all = [...scores, ...full, starts[data][0] / 1e5];
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const margin = 0.05 * (high - low || 1);
  const ways = {
    x: order.flatMap((loss) => [scores[loss], full[loss], NaN]),
    y: order.flatMap((loss) => [place[loss], place[loss], NaN]),
    colour: 7,
    dash: 0,
    width: 1.4,
    label: "to the whole search",
  };
  const marks = families.map((label, k) => {
    const members = order.filter((loss) => family[loss] === k);
    return {
      x: members.map((loss) => scores[loss]),
      y: members.map((loss) => place[loss]),
      colour: k,
      mark: k,
      line: false,
      label,
    };
  });
  chart(canvas, {
    ...colours,
    height: 17 * names.length + 78,
    x: { from: low - margin, to: high + margin, title: `expected MAP@R on ${sets[data]}` },
    y: { from: -0.7, to: last + 1.7, ticks: names.map((name, loss) => [place[loss], name]) },
    curves: [ways, ...marks],
    lines: [{ axis: "x", at: starts[data][0] / 1e5, label: "untrained", dash: 1 }],
    says:
      `Expected MAP@R on ${sets[data]} with ${state.budget} trials each, best first: ` +
      `${order.map((loss) => `${names[loss]} ${decimals(scores[loss], 3)}`).join(", ")}. ` +
      `The untrained head has ${decimals(starts[data][0] / 1e5, 3)}.`,
  });
}

function render({ model, el }) {
  const canvas = sheet("Losses by expected MAP@R");
  const trials = model.get("trials");
  return stage({
    model,
    el,
    name: "budgets",
    title: "what a smaller search had found",
    keys: ["names", "families", "family", "euclidean", "sets", "starts", "tests", "trials", "data", "budget", "flattered"],
    picture: [canvas],
    panel: [
      slider({ ...KNOB, max: trials }, onKey(model, "budget")),
      choice("Data set", model.get("sets").map((name, k) => [k, name]), onKey(model, "data")),
      choice("The search looks at", LOOKS, onKey(model, "flattered")),
    ],
    readout: { best: "best, expected", spread: "from best to median", tau: "Kendall's τ to the whole" },
    draw(state, colours) {
      const scores = scoresOf(state, state);
      const full = scoresOf(state, { ...state, budget: trials, flattered: 0 });
      drawLosses(canvas, colours, state, scores, full);
      const sorted = [...scores].sort((a, b) => b - a);
      const middle = (sorted.length - 1) / 2;
      const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2;
      return {
        verdict: verdictOf(state, scores, full),
        readout: {
          best: decimals(sorted[0], 3),
          spread: decimals(sorted[0] - median, 3),
          tau: decimals(kendall(scores, full), 2),
        },
        scores,
      };
    },
  });
}

export default { render };

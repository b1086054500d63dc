// Two orders of the same losses side by side, with a line from each loss to itself.
//
// Explained in the chapter "From heads to networks".

import { kendall, orderOf } from "./budgets_arithmetic.js";
import { word } from "./canvas.js";
import { chart } from "./chart.js";
import { choice, decimals, onKey, presets, sheet } from "./controls.js";
import { climbsOf, middlePlace, placesOf, samePairs, tauMargin } from "./orders_arithmetic.js";
import { stage } from "./stage.js";

/** How many losses lie above the untrained start of a study, each compared by its own distance. */
const aboveStart = ({ scores, starts, euclidean }, study) =>
  scores[study].filter((score, loss) => score > starts[study][euclidean[loss]]).length;

/** "0.31, −0.02 to 0.64", cut off at −1 and 1. */
function intervalOf(tau, margin) {
  const [low, high] = [Math.max(-1, tau - margin), Math.min(1, tau + margin)];
  return `${decimals(low, 2)} to ${decimals(high, 2)}`;
}

const placed = (count) => (count === 1 ? "1 place" : `${count} places`);

function verdictOfOrders(state) {
  const { names, families, family, studies, scores, left, right, marked, quantile } = state;
  if (left === right) return `Twice the same order, ${studies[left]}: τ is 1. Choose another study on one side.`;
  const [one, other] = [scores[left], scores[right]];
  const climbs = climbsOf(one, other);
  const [before, after] = [one, other].map(placesOf);
  const tau = kendall(one, other);
  const margin = tauMargin(one, other, quantile);
  const from = climbs.indexOf(Math.max(...climbs));
  const to = climbs.indexOf(Math.min(...climbs));
  const related =
    tau - margin > 0
      ? "The first order tells something of the second"
      : tau + margin < 0
        ? "The orders run against each other"
        : "The interval holds 0: these losses do not show that one order tells anything of the other";
  const moves =
    climbs[from] > 0
      ? ` Largest climb: ${names[from]}, ${placed(climbs[from])} (from ${before[from]} to ${after[from]}). ` +
        `Largest fall: ${names[to]}, ${placed(-climbs[to])} (from ${before[to]} to ${after[to]}).`
      : " No loss changes its place.";
  const middle =
    marked < families.length && family.includes(marked)
      ? ` Middle place of ${families[marked]}: ${middlePlace(before, family, marked)} and ${middlePlace(after, family, marked)}.`
      : "";
  return `${related} (Kendall's τ ${decimals(tau, 2)}, 95 %: ${intervalOf(tau, margin)}).${moves}${middle}`;
}

/** A line for each loss from its place on the left to its place on the right, the best on top. */
function drawSlopes(canvas, colours, state) {
  const { names, families, family, studies, scores, left, right, marked } = state;
  const last = names.length;
  const [before, after] = [scores[left], scores[right]].map(placesOf);
  const lineOf = (loss) => {
    const coloured = marked === family[loss] || marked === families.length;
    return {
      x: [0, 1],
      y: [last - before[loss], last - after[loss]],
      colour: coloured ? family[loss] : 7,
      mark: coloured ? family[loss] : undefined,
      dash: coloured ? 0 : 2,
      width: coloured ? 2 : 1.2,
      label: names[loss],
    };
  };
  // What is marked is drawn last, above the rest.
  const curves = names.map((_, loss) => lineOf(loss)).sort((a, b) => a.width - b.width);
  const told = orderOf(scores[left]).map((loss) => `${names[loss]} ${before[loss]} to ${after[loss]}`);
  const said = marked < families.length ? families[marked] : "all families";
  const { context } = chart(canvas, {
    ...colours,
    height: 17 * last + 44,
    x: { from: 0, to: 1, ticks: [] },
    y: { from: -0.7, to: last - 0.3, ticks: names.map((name, loss) => [last - before[loss], name]), title: studies[left] },
    curves,
    legend: "ends",
    says: `Places from ${studies[left]} to ${studies[right]}: ${told.join(", ")}. Marked: ${said}.`,
  });
  word(context, studies[right], canvas.clientWidth, 4, { ink: colours.ink, align: "right", baseline: "top" });
}

function render({ model, el }) {
  const canvas = sheet("Losses in two orders");
  const [labels, families] = [model.get("studies"), model.get("families")];
  const listOf = (key) => Object.fromEntries(labels.map((label, k) => [label, { [key]: k }]));
  return stage({
    model,
    el,
    name: "orders",
    title: "two orders of the same losses",
    keys: [
      ...["names", "families", "family", "euclidean", "studies", "starts", "scores", "quantile"],
      ...["left", "right", "marked"],
    ],
    picture: [canvas],
    panel: [
      presets("Left", listOf("left"), model),
      presets("Right", listOf("right"), model),
      choice("Marked", [...families, "all three"].map((name, k) => [k, name]), onKey(model, "marked")),
    ],
    readout: { tau: "Kendall's τ", pairs: "pairs the same way", left: "above untrained, left", right: "… right" },
    draw(state, colours) {
      const { scores, names, left, right } = state;
      drawSlopes(canvas, colours, state);
      const count = (names.length * (names.length - 1)) / 2;
      return {
        verdict: verdictOfOrders(state),
        readout: {
          tau: decimals(kendall(scores[left], scores[right]), 2),
          pairs: `${samePairs(scores[left], scores[right])} of ${count}`,
          left: `${aboveStart(state, left)} of ${names.length}`,
          right: `${aboveStart(state, right)} of ${names.length}`,
        },
      };
    },
  });
}

export default { render };

// One number of a loss at a time: the curve of a measure over its values, and how far every number moves the measure.
//
// Explained in the chapter "Turning the knobs".

import { chart } from "./chart.js";
import { changeTo, choice, decimals, onKey, presets, sheet, slider } from "./controls.js";
import { meansOf, pairedOf, reachOf, runsOf, seedOf, sideOf } from "./knobs_arithmetic.js";
import { stage } from "./stage.js";

const SIDES = { 1: "clearly above", 0: "not told apart from", "-1": "clearly below" };
const signed = (value) => `${value > 0 ? "+" : ""}${decimals(value, 3)}`;
const written = ({ mean, half }) => `${signed(mean)} ± ${decimals(half, 3)}`;

/** "cub50: SupCon τ". */
const labelOf = ({ sets, of, names, kind }, sweep) => `${sets[of[sweep]]}: ${names[kind[sweep]]}`;

/** The sweep that is shown, with its runs by the chosen measure as fractions. */
function shownOf(state) {
  const { shown, measure, kind, values, defaults, places, symbols, runs, starts } = state;
  return {
    symbol: symbols[kind[shown]],
    values: values[shown],
    usual: defaults[shown],
    place: places[shown],
    points: runsOf(runs[shown], measure),
    start: starts[shown][measure] / 1e5,
  };
}

function verdictOfKnobs(state) {
  const { quantiles, together, shown } = state;
  const { symbol, values, usual, place, points, start } = shownOf(state);
  const now = `${symbol} = ${values[place]}`;
  if (!points[place].length) return `${now}: a seed diverged, so there is no mean.`;
  const seeds = points[place].length;
  const lift = pairedOf(points[place], Array(seeds).fill(start), quantiles[shown]);
  const base = ` ${SIDES[sideOf(lift)]} the untrained network (${written(lift)}).`;
  if (place === usual) return `${now} is the default. It is${base}`;
  if (!points[usual].length) return `${now}; at the default ${values[usual]} a seed diverged. It is${base}`;
  const [alone, one] = [quantiles, together].map((of) => pairedOf(points[place], points[usual], of[shown]));
  const side = sideOf(alone);
  const looks = values.length - 1;
  const also = !side ? "" : sideOf(one) ? `; also as one of ${looks} looks` : `; not as one of ${looks} looks`;
  return (
    `${now} is ${SIDES[side]} the default ${values[usual]} ` +
    `(${written(alone)}, paired over ${seeds} seeds, 95 %${also}). It is${base}`
  );
}

/** The means as a line, the seeds as points, the default and the untrained network as lines. */
function drawCurveOfKnob(canvas, colours, state) {
  const { measures, measure, titles, kind, shown } = state;
  const { values, usual, place, points, start } = shownOf(state);
  const means = meansOf(points);
  const all = [...points.flat(), start];
  const margin = 0.08 * (Math.max(...all) - Math.min(...all) || 0.01);
  const places = values.map((_, k) => k);
  chart(canvas, {
    ...colours,
    height: 230,
    x: {
      from: -0.5,
      to: values.length - 0.5,
      ticks: values.map((value, k) => [k, String(value)]),
      title: titles[kind[shown]],
    },
    y: { from: Math.min(...all) - margin, to: Math.max(...all) + margin, title: measures[measure] },
    bands: [{ axis: "x", from: place - 0.3, to: place + 0.3 }],
    lines: [
      { axis: "y", at: start, label: "untrained", dash: 1 },
      { axis: "x", at: usual, label: "default", dash: 2 },
    ],
    curves: [
      { x: places, y: means, colour: 0, dash: 0, mark: 1, label: "mean" },
      {
        // Side by side, the first seed on the left: where all seeds move alike, so do their places.
        x: points.flatMap((seeds, k) => seeds.map((_, seed) => k + 0.12 * (seed - (seeds.length - 1) / 2))),
        y: points.flat(),
        colour: 3,
        mark: 0,
        line: false,
        label: "a seed",
      },
    ],
    says:
      `${measures[measure]} of ${labelOf(state, shown)}: ` +
      `${values.map((value, k) => `${value} ${points[k].length ? decimals(means[k], 3) : "diverged"}`).join(", ")}; ` +
      `default ${values[usual]}, chosen ${values[place]}, untrained ${decimals(start, 3)}.`,
  });
}

/** Sweeps of the same data set with their reach in standard deviations of a seed, the largest on top. */
function reachesOf({ of, shown, measure, runs }) {
  return of
    .map((set, sweep) => ({ set, sweep }))
    .filter(({ set }) => set === of[shown])
    .map(({ sweep }) => {
      const points = runsOf(runs[sweep], measure);
      return { sweep, reach: reachOf(points), spreads: reachOf(points) / seedOf(points) };
    })
    .sort((a, b) => b.reach - a.reach || a.sweep - b.sweep);
}

/** A row for each: how far apart its best and its worst mean are. Few numbers reach ten times as far as the others. */
function drawReaches(canvas, colours, state) {
  const { names, kind, measures, measure, shown, of, sets } = state;
  const found = reachesOf(state);
  const last = found.length - 1;
  const inPoints = found.map(({ reach }) => Math.max(0.01, 100 * reach));
  const marked = found.findIndex(({ sweep }) => sweep === shown);
  const rowsOf = (which, look) => ({
    x: which.map((row) => inPoints[row]),
    y: which.map((row) => last - row),
    line: false,
    ...look,
  });
  chart(canvas, {
    ...colours,
    height: 17 * found.length + 58,
    x: {
      from: Math.min(...inPoints) / 1.4,
      to: Math.max(...inPoints) * 1.4,
      log: true,
      title: `best minus worst mean, points of ${measures[measure]}`,
    },
    y: {
      from: -0.7,
      to: last + 0.7,
      ticks: found.map(({ sweep }, row) => [last - row, names[kind[sweep]]]),
      title: sets[of[shown]],
    },
    legend: "none",
    bands: [{ axis: "y", from: last - marked - 0.5, to: last - marked + 0.5 }],
    curves: [
      rowsOf(found.map((_, row) => row).filter((row) => row !== marked), { colour: 0, mark: 0 }),
      rowsOf([marked], { colour: 1, mark: 1 }),
    ],
    says:
      `How far each number moves ${measures[measure]} on ${sets[of[shown]]}, in points: ` +
      `${found.map(({ sweep, reach }) => `${names[kind[sweep]]} ${decimals(100 * reach, 1)}`).join(", ")}. ` +
      `Chosen: ${names[kind[shown]]}.`,
  });
}

/** A slider over the values of the sweep that is shown: each sweep keeps its own place. */
function valueSlider(model) {
  let texts = [];
  const made = slider(
    {
      symbol: "value",
      name: "value, of the number that is swept",
      hint: "of the number",
      min: 0,
      max: 1,
      step: 1,
      format: (place) => texts[place],
    },
    {
      value: ({ places, shown }) => places[shown],
      change: (place) => changeTo(model, { places: model.get("places").with(model.get("shown"), place) }),
    },
  );
  return {
    ...made,
    show(state) {
      texts = state.values[state.shown].map(String);
      made.input.max = texts.length - 1;
      made.show(state);
    },
  };
}

function render({ model, el }) {
  const [curve, bars] = [sheet("A measure over the values of a number"), sheet("Reach of every number")];
  const state = Object.fromEntries(["sets", "of", "names", "kind"].map((key) => [key, model.get(key)]));
  const labels = state.of.map((_, sweep) => labelOf(state, sweep));
  return stage({
    model,
    el,
    name: "knobs",
    title: "one number of a loss at a time",
    keys: [
      ...["names", "symbols", "titles", "kind", "sets", "of", "values", "defaults", "measures", "runs", "starts"],
      ...["quantiles", "together", "shown", "measure", "places"],
    ],
    picture: [curve, bars],
    panel: [
      presets("Loss and number", Object.fromEntries(labels.map((label, k) => [label, { shown: k }])), model),
      choice("Measure", model.get("measures").map((name, k) => [k, name]), onKey(model, "measure")),
      valueSlider(model),
    ],
    readout: {
      mean: "mean of the seeds",
      reach: "best minus worst mean",
      spreads: "… in seeds' spreads",
      rank: "reach, of all",
    },
    draw(state, colours) {
      drawCurveOfKnob(curve, colours, state);
      drawReaches(bars, colours, state);
      const { points, place } = shownOf(state);
      const found = reachesOf(state);
      const at = found.findIndex(({ sweep }) => sweep === state.shown);
      return {
        verdict: verdictOfKnobs(state),
        readout: {
          mean: points[place].length ? decimals(meansOf(points)[place], 3) : "–",
          reach: decimals(found[at].reach, 3),
          spreads: decimals(found[at].spreads, 1),
          rank: `${at + 1} of ${found.length}`,
        },
      };
    },
  });
}

export default { render };

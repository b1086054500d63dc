// A published table as dots: seven arms, seven data sets, differences to one arm, and whiskers of the test sets' sizes.
//
// Explained in the chapter "Does it help?".

import { dots, leaders, tally } from "./arms_arithmetic.js";
import { word } from "./canvas.js";
import { changeTo, checkbox, choice, element, onKey, presets, sheet } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";

const signed = (points) => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(2)}`;
const join = (parts) => (parts.length < 2 ? parts.join("") : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`);

/** Arms as checkboxes under one legend. */
function switches(names, model) {
  const parts = names.map((name, k) =>
    checkbox(name, {
      value: ({ shown }) => shown[k] === 1,
      change: (on) => changeTo(model, { shown: model.get("shown").map((old, j) => (j === k ? Number(on) : old)) }),
    }),
  );
  const node = element("fieldset", {}, element("legend", {}, "Arms"), ...parts.map((part) => part.node));
  return { node, show: (state) => parts.forEach((part) => part.show(state)) };
}

function verdictOn({ arms, sizes, base, measure, whiskers }, values, chosen) {
  if (base >= 0 && values[base].every((value) => value === null))
    return `The paper prints no ${measure} for ${arms[base]}: choose another arm or measure.`;
  if (!chosen.length) return base < 0 ? "Switch an arm on." : `Switch an arm on, to compare it with ${arms[base]}.`;
  if (base < 0) {
    const { wins, clear } = leaders(values, chosen, sizes);
    const order = chosen.filter((k) => wins.get(k)).sort((a, b) => wins.get(b) - wins.get(a));
    const best = `Highest ${measure} of the arms shown: ${join(order.map((k) => `${arms[k]} on ${wins.get(k)}`))}.`;
    if (chosen.length < 2 || !order.length) return "Switch a second arm on.";
    return whiskers
      ? `${best} Ahead of the second by more than chance allows on ${clear} of ${sizes.length} sets.`
      : `${best} Which of these leads are more than luck? Switch the whiskers on.`;
  }
  const found = chosen.map((k) => ({ k, ...tally(dots(values[k], values[base], sizes)) }));
  const there = found.filter(({ sets }) => sets);
  if (!there.length) return `The paper prints no ${measure} for ${join(found.map(({ k }) => arms[k]))}.`;
  if (there.length === 1) {
    const [{ k, sets, above, below, clearlyAbove, clearlyBelow, mean }] = there;
    const clearly = whiskers ? [`, on ${clearlyAbove} by more than chance allows`, `, on ${clearlyBelow} by more`] : ["", ""];
    return (
      `${arms[k]} is above ${arms[base]} on ${above} of ${sets} sets${clearly[0]}; ` +
      `below on ${below}${clearly[1]}. Mean difference ${signed(100 * mean)} points.`
    );
  }
  const counts = there.map(({ k, above, below, clearlyAbove, clearlyBelow }) =>
    whiskers ? `${arms[k]} ${clearlyAbove} / ${clearlyBelow}` : `${arms[k]} ${above} / ${below}`,
  );
  const how = whiskers ? ", by more than chance allows" : "";
  return `Sets above / below ${arms[base]}${how}: ${counts.join("; ")}.`;
}

/** One row a data set; within it the arms stand one below the other. */
function drawDots(canvas, colours, state, values, chosen) {
  const { arms, sets, sizes, base, measure, whiskers } = state;
  const rows = sets.length;
  const found = chosen.map((k) => dots(values[k], base < 0 ? null : values[base], sizes));
  const reach = found.flat().map((dot) => (dot ? 100 * (Math.abs(dot.value) + (whiskers ? dot.half : 0)) : 0));
  const most = Math.max(base < 0 ? 10 : 1, ...reach);
  const height = (place, s) => rows - 1 - s - 0.62 * ((place + 0.5) / chosen.length - 0.5);
  const curves = chosen.flatMap((k, place) => {
    const y = found[place].map((dot, s) => (dot ? height(place, s) : NaN));
    const x = found[place].map((dot) => (dot ? 100 * dot.value : NaN));
    const ends = found[place].flatMap((dot) =>
      dot ? [100 * (dot.value - dot.half), 100 * (dot.value + dot.half), NaN] : [NaN, NaN, NaN],
    );
    const whisker = { x: ends, y: y.flatMap((at) => [at, at, NaN]), colour: k, dash: 0, width: 1.6 };
    const marks = { x, y, colour: k, mark: k, line: false, label: arms[k] };
    return whiskers ? [whisker, marks] : [marks];
  });
  const axis =
    base < 0
      ? { from: 0, to: Math.min(100, 1.04 * most), title: `${measure} accuracy (%)` }
      : { from: -1.06 * most, to: 1.06 * most, title: `${measure} minus that of ${arms[base]} (points)` };
  const words = chosen.map(
    (k, place) =>
      `${arms[k]}: ` + found[place].map((dot, s) => (dot ? `${sets[s]} ${(100 * dot.value).toFixed(2)}` : "")).join(", "),
  );
  const drawn = chart(canvas, {
    ...colours,
    height: 54 * rows + 46,
    x: axis,
    y: { from: -0.55, to: rows - 0.45, ticks: sets.map((name, s) => [rows - 1 - s, name]) },
    curves,
    lines: base < 0 ? [] : [{ axis: "x", at: 0 }],
    says: `${axis.title}. ${words.join(". ")}.`,
  });
  const { context, plot, toY } = drawn;
  context.strokeStyle = colours.ink;
  context.globalAlpha = 0.35;
  context.lineWidth = 1;
  for (let s = 1; s < rows; s++) {
    context.beginPath();
    context.moveTo(0, toY(rows - 0.5 - s));
    context.lineTo(plot.right, toY(rows - 0.5 - s));
    context.stroke();
  }
  context.globalAlpha = 1;
  const small = { ink: colours.ink, align: "right", baseline: "middle", font: "10px system-ui, sans-serif" };
  sizes.forEach((n, s) => word(context, `n = ${n}`, plot.left - 5, toY(rows - 1 - s) + 15, small));
}

function render({ model, el }) {
  const canvas = sheet("Accuracies of the arms");
  const names = model.get("arms");
  const bases = Object.fromEntries(names.map((name, k) => [name, { base: k }]));
  bases["nothing: accuracies"] = { base: -1 };
  return stage({
    model,
    el,
    name: "arms",
    title: "seven arms on seven data sets",
    keys: ["sets", "sizes", "arms", "top1", "top5", "shown", "base", "measure", "whiskers"],
    picture: [canvas],
    panel: [
      presets("Difference to", bases, model),
      choice(
        "Measure",
        [
          ["top-1", "top-1"],
          ["top-5", "top-5"],
        ],
        onKey(model, "measure"),
      ),
      checkbox("whiskers: what chance allows (95 %)", onKey(model, "whiskers")),
      switches(names, model),
    ],
    draw(state, colours) {
      const values = state.measure === "top-1" ? state.top1 : state.top5;
      const chosen = state.arms.map((_, k) => k).filter((k) => state.shown[k] && k !== state.base);
      const usable = state.base < 0 || values[state.base].some((value) => value !== null);
      drawDots(canvas, colours, state, values, usable ? chosen : []);
      return { verdict: verdictOn(state, values, chosen) };
    },
  });
}

export default { render };

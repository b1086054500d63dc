// Points on the unit circle, and how far one of them is from a class: from all pairs, or from the class mean alone.
//
// Explained in the chapter "Cosine distance and class means".

import { PALETTE, arrow, mark, word } from "./canvas.js";
import { changeTo, choice, describe, onKey, sheet } from "./controls.js";
import { chart } from "./chart.js";
import { onCircle, plane } from "./plane.js";
import { meanPoint, toClass } from "./class_means_arithmetic.js";
import { stage } from "./stage.js";

const CLASSES = ["A", "B", "C"];
const FIELD = { x: [-1.35, 1.35], y: [-1.25, 1.25] };
const COUNTS = ["no", "one", "two", "three", "four", "five", "six"];
const number = (value, digits = 2) => value.toFixed(digits).replace("-", "−");
const scaled = ([x, y], factor) => [factor * x, factor * y];

/** A straight line between two places of the data. */
function line({ context, to }, from, until, { colour, width = 1.5, dash = [], alpha = 1 }) {
  context.beginPath();
  context.moveTo(...to(from));
  context.lineTo(...to(until));
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.setLineDash(dash);
  context.globalAlpha = alpha;
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}

/** The arrow of each class's mean; the one that is asked for is full, the others are pale. */
function drawMeans(view, points, labels, { chosen, to: label }, found) {
  const { context, to, ink, ground } = view;
  CLASSES.forEach((text, c) => {
    const members = points.filter((_, k) => labels[k] === c);
    const asked = c === label && found.center;
    if (!members.length) return;
    const tip = asked ? found.center : meanPoint(members);
    context.globalAlpha = asked ? 1 : 0.4;
    arrow(context, to([0, 0]), to(tip), { colour: PALETTE[c], width: asked ? 3.5 : 2 });
    context.globalAlpha = 1;
    // Beside the middle of the arrow, where no point ever lies.
    const far = Math.max(0.3, Math.hypot(...tip));
    const beside = [0.55 * tip[0] + (0.12 * tip[1]) / far, 0.55 * tip[1] - (0.12 * tip[0]) / far];
    const without = asked && labels[chosen] === c ? ` without ${chosen + 1}` : "";
    word(context, `μ${text}${without}`, ...to(beside), { ink, ground, align: "center", baseline: "middle" });
  });
}

/**
 * Cosine distance is a length one can see: the part of the chosen point's diameter from the foot of the other point to
 * the chosen point. Feet of pairs, or the one foot of the mean.
 */
function drawCosine(view, points, { chosen, to: label, way }, found) {
  const { context, to } = view;
  const point = points[chosen];
  line(view, scaled(point, -1), point, { colour: view.ink, width: 1, alpha: 0.55 });
  if (!found.center) return;
  const colour = PALETTE[label];
  if (way === "pairs") {
    for (const j of found.others) {
      const foot = scaled(point, point[0] * points[j][0] + point[1] * points[j][1]);
      line(view, points[j], foot, { colour, dash: [5, 4] });
      mark(context, label, ...to(foot), { size: 3 });
    }
  } else line(view, found.center, scaled(point, found.foot), { colour, dash: [5, 4] });
  distanceLine(view, scaled(point, found.foot), point, colour, found.byPairs);
  mark(context, 3, ...to(scaled(point, found.foot)), { size: 5, colour: view.ink });
}

/** The line whose length is the distance to the class, with its number beside it. */
function distanceLine(view, from, until, colour, distance) {
  line(view, from, until, { colour, width: 4.5, alpha: 0.75 });
  const [dx, dy] = [until[0] - from[0], until[1] - from[1]];
  const across = 0.13 / Math.max(0.3, Math.hypot(dx, dy));
  const middle = [(from[0] + until[0]) / 2 + across * dy, (from[1] + until[1]) / 2 - across * dx];
  const { ink, ground } = view;
  word(view.context, number(distance), ...view.to(middle), { ink, ground, align: "center", baseline: "middle" });
}

/** Euclidean distance: chords to the points, or one line to the mean. */
function drawEuclidean(view, points, { chosen, to: label, way }, found) {
  if (!found.center) return;
  const [from, colour] = [points[chosen], PALETTE[label]];
  if (way === "pairs") for (const j of found.others) line(view, from, points[j], { colour });
  else distanceLine(view, from, found.center, colour, found.byMean);
}

/** One bar for each distance; where their mean lies, and where the class mean says that it lies. */
function drawDistances(canvas, colours, { to: label, distance, way }, found, says) {
  const rows = found.others.length;
  const drawn = chart(canvas, {
    ...colours,
    height: 92 + 20 * rows,
    x: { from: 0, to: 2, title: distance === "cosine" ? "cosine distance, 1 − cos" : "Euclidean distance" },
    y: { from: -0.1, to: rows + 1.5, ticks: found.others.map((j, k) => [rows - k - 0.5, String(j + 1)]), title: "to point" },
    bars: found.distances.map((to, k) => ({ at: rows - k - 0.5, to, across: true, colour: label, width: 0.55 })),
    says,
  });
  if (!rows) return;
  const { context, toX, toY, plot } = drawn;
  const texts = [
    [found.byPairs, `mean of pairs ${number(found.byPairs)}`, 1.5, [4, 3], way === "pairs"],
    [found.byMean, `class mean ${number(found.byMean)}`, 0.72, [], way !== "pairs"],
  ];
  for (const [at, text, above, dash, strong] of texts) {
    context.beginPath();
    context.moveTo(toX(at), toY(rows + above - 0.35));
    context.lineTo(toX(at), plot.bottom);
    context.strokeStyle = colours.ink;
    context.lineWidth = strong ? 3 : 1.4;
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
    const left = toX(at) > (plot.left + plot.right) / 2;
    word(context, text, toX(at) + (left ? -6 : 6), toY(rows + above - 0.32), {
      ...colours,
      align: left ? "right" : "left",
      baseline: "middle",
    });
  }
}

/** What the two ways say, in a sentence or two. */
function verdictOn({ chosen, to: label, distance }, labels, found) {
  const [name, count] = [CLASSES[label], found.others.length];
  if (!count) return `Point ${chosen + 1} is alone in class ${name}: there is no other point to be far from.`;
  const [pairs, mean] = [number(found.byPairs, 4), number(found.byMean, 4)];
  const whom = labels[chosen] === label ? `the others of its class ${name}` : `the points of class ${name}`;
  if (distance === "cosine") {
    const one = count === 1 ? "One pair" : `${COUNTS[count] ?? count} pairs`;
    const first = one[0].toUpperCase() + one.slice(1);
    let text = `${first} or one product with the mean: point ${chosen + 1} is ${pairs} from ${whom}, either way.`;
    if (count > 1 && found.length < 0.15)
      text += ` ${name} is spread so evenly that its mean is almost the centre: every point of the circle is about 1 away.`;
    else if (count > 1 && found.length > 0.985) text += ` ${name} is so tight that its mean almost reaches the circle.`;
    return text;
  }
  const short = found.byPairs - found.byMean;
  if (short < 5e-5)
    return `Here the class mean is right, ${mean}: from point ${chosen + 1}, ${whom} lie in one direction only. Pull one away.`;
  return `The pairs say ${pairs}, the class mean says ${mean}: too short by ${number(short, 4)}. A square root is not linear.`;
}

function render({ model, el }) {
  const field = plane({
    ...FIELD,
    move: (k, point) => changeTo(model, { points: model.get("points").map((old, j) => (j === k ? point : old)) }),
    choose: (k) => changeTo(model, { chosen: k }),
    place: onCircle,
    hint: "Drag a point along the circle, or move it with the arrow keys. The ringed point is the chosen one.",
  });
  const bars = sheet("The distances from the chosen point");

  return stage({
    model,
    el,
    name: "class_means",
    title: "pairs and class means",
    keys: ["points", "labels", "chosen", "to", "distance", "way"],
    picture: [field, bars],
    panel: [
      choice(
        "Distance",
        [
          ["cosine", "cosine"],
          ["euclidean", "Euclidean"],
        ],
        onKey(model, "distance"),
      ),
      choice(
        "Show",
        [
          ["pairs", "every pair"],
          ["mean", "the class mean"],
        ],
        onKey(model, "way"),
      ),
      choice(
        "From the chosen point to class",
        CLASSES.map((text, k) => [k, text]),
        onKey(model, "to"),
      ),
    ],
    readout: {
      pairs: "mean over the pairs",
      mean: "from the class mean",
      gap: "difference",
      length: "length of the mean",
    },
    draw(state, colours) {
      const { points, labels, chosen, to: label, distance } = state;
      const found = toClass(points, labels, chosen, label, distance);
      const view = field.begin({ ...colours, circle: true });
      (distance === "cosine" ? drawCosine : drawEuclidean)(view, points, state, found);
      drawMeans(view, points, labels, state, found);
      field.points(points, {
        labels,
        chosen,
        names: (k) => `point ${k + 1}, class ${CLASSES[labels[k]]}`,
        texts: (k) => String(k + 1),
      });
      const verdict = verdictOn(state, labels, found);
      describe(field.canvas, `${points.length} points of three classes on the unit circle, with their means. ${verdict}`);
      const each = found.others.map((j, k) => `to point ${j + 1} ${number(found.distances[k])}`).join(", ");
      drawDistances(bars, colours, state, found, `Distances from point ${chosen + 1}: ${each || "none"}. ${verdict}`);
      // Sixteen digits hold rounding in the last one or two: ten are shown.
      const digits = (value) => (value === null ? "–" : number(value, 10));
      const gap = found.byPairs === null ? null : Math.abs(found.byPairs - found.byMean);
      return {
        verdict,
        readout: {
          pairs: digits(found.byPairs),
          mean: digits(found.byMean),
          gap: digits(gap),
          length: found.length === null ? "–" : number(found.length, 3),
        },
        found,
      };
    },
  });
}

export default { render };

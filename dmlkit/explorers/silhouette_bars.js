// Rousseeuw's silhouette plot of twelve points to drag: who pulls the mean down, and why.
//
// Explained in the chapter "The silhouette".

import { PALETTE, mark, word } from "./canvas.js";
import { changeTo, choice, decimals, describe, onKey, presets, sheet } from "./controls.js";
import { chart } from "./chart.js";
import { plane } from "./plane.js";
import { barOrder, direction, silhouettes } from "./silhouette_arithmetic.js";
import { stage } from "./stage.js";

const CLASSES = ["A", "B", "C"];
const FIELD = { x: [-2, 2], y: [-1.5, 1.5] };
const FOUR_EACH = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
const pairUp = (flat) => Array.from({ length: flat.length / 2 }, (_, k) => [flat[2 * k], flat[2 * k + 1]]);
const WEST = pairUp([-1.35, 0.55, -1.0, 0.75, -1.15, 0.25, -0.85, 0.45]);
const EAST = pairUp([1.0, 0.85, 1.35, 0.7, 1.1, 0.45, 0.8, 0.6]);
const SOUTH = pairUp([-0.2, -1.0, 0.15, -0.8, 0.3, -1.15, -0.05, -0.6]);
// The first is where `silhouette_bars()` starts; a test holds the two together.
const PRESETS = {
  "three tight classes": { labels: FOUR_EACH, points: [...WEST, ...EAST, ...SOUTH] },
  "two classes merged": {
    labels: FOUR_EACH,
    points: [...pairUp([0.55, 0.9, 0.95, 0.35, 1.25, 0.75, 0.75, 0.75]), ...EAST, ...SOUTH],
  },
  "one class in two pieces": {
    labels: FOUR_EACH,
    points: [...WEST, ...EAST, ...pairUp([-1.2, -1.0, -0.9, -0.85, 0.95, -0.9, 1.25, -1.05])],
  },
  "a singleton": {
    labels: [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2],
    points: [...WEST, [-1.4, 0.1], [-0.65, 0.7], ...EAST, [1.3, 0.25], [0.1, -0.9]],
  },
};

/** What the chosen point's bar says, in a sentence. */
function verdictOn(chosen, labels, { rows, message }) {
  if (message) return `${message} All points are of class ${CLASSES[labels[0]]}: give one of them another.`;
  const { a, nearest, s } = rows[chosen];
  const [own, other, point] = [CLASSES[labels[chosen]], CLASSES[nearest], `Point ${chosen + 1}`];
  if (a === null) return `${point} is alone in class ${own}: there is no a, and s = 0 by convention.`;
  if (Math.abs(s) < 0.1)
    return `${point} lies about as far from its own class ${own} as from class ${other}: s is near 0.`;
  if (s < 0) return `${point} is nearer to class ${other} than to its own class ${own}: s < 0.`;
  if (s < 0.5) return `${point} is nearer to its own class ${own}, but class ${other} is not far: s is below a half.`;
  return `${point} sits well inside its own class ${own}; class ${other} is more than twice as far: s is above a half.`;
}

/** Lines whose mean length is a (to the own class, full) and b (to the nearest other class, dashed). */
function drawDistances({ context, to, ink }, places, labels, chosen, { nearest }) {
  places.forEach((place, k) => {
    const own = labels[k] === labels[chosen];
    if (k === chosen || (!own && labels[k] !== nearest)) return;
    context.beginPath();
    context.moveTo(...to(places[chosen]));
    context.lineTo(...to(place));
    context.setLineDash(own ? [] : [5, 4]);
    context.strokeStyle = PALETTE[labels[k]];
    context.lineWidth = 1.8;
    context.stroke();
  });
  context.setLineDash([]);
  context.strokeStyle = ink;
}

/** For the cosine distance: a ray for each point, and where it meets the unit circle, which is all that counts. */
function drawRays({ context, to }, points, labels) {
  points.forEach((point, k) => {
    context.beginPath();
    context.moveTo(...to([0, 0]));
    context.lineTo(...to(point));
    context.strokeStyle = PALETTE[labels[k]];
    context.globalAlpha = 0.55;
    context.lineWidth = 1;
    context.stroke();
    context.globalAlpha = 1;
    mark(context, labels[k], ...to(direction(point)), { size: 3 });
  });
}

/** One bar a point, grouped by class, the largest s of a class on top; means of the classes, mean over all. */
function drawBars(canvas, colours, labels, chosen, found) {
  const { rows, classes, means, mean } = found;
  const order = barOrder(rows, labels);
  const gap = 0.9;
  const height = order.length + gap * Math.max(0, classes.length - 1);
  const places = new Map(); // of each bar, counted from the top
  order.forEach((i, k) => places.set(i, height - (k + 0.5 + gap * classes.indexOf(labels[i]))));
  const bars = order.map((i) => ({
    at: places.get(i),
    to: rows[i].s,
    across: true,
    colour: labels[i],
    width: 0.78,
    chosen: i === chosen,
  }));
  const lines = rows.length ? [{ axis: "x", at: mean, dash: 1 }] : [];
  const drawn = chart(canvas, {
    ...colours,
    height: 262,
    x: { from: -1, to: 1, title: "silhouette s" },
    y: {
      from: -0.2,
      to: height + 1.1,
      ticks: order.map((i) => [places.get(i), String(i + 1)]),
      title: "point, by class",
    },
    bars,
    lines,
    says: rows.length
      ? `Silhouette plot: ${order.map((i) => `point ${i + 1}, class ${CLASSES[labels[i]]}, ${decimals(rows[i].s)}`).join("; ")}. ` +
        `Mean over all ${decimals(mean)}.`
      : found.message,
  });
  const { context, toX, toY } = drawn;
  if (rows.length) {
    const onLeft = mean > 0.55;
    word(context, `mean ${decimals(mean)}`, toX(mean) + (onLeft ? -5 : 5), toY(height + 1), {
      ...colours,
      align: onLeft ? "right" : "left",
      baseline: "top",
    });
  }
  classes.forEach((label, c) => {
    if (!rows.length) return;
    const own = order.filter((i) => labels[i] === label).map((i) => places.get(i));
    const [top, bottom] = [Math.max(...own) + 0.5, Math.min(...own) - 0.5];
    context.beginPath();
    context.moveTo(toX(means[c]), toY(top));
    context.lineTo(toX(means[c]), toY(bottom));
    context.strokeStyle = colours.ink;
    context.lineWidth = 2.5;
    context.stroke();
    // The class's name stands where its bars are not.
    const values = order.filter((i) => labels[i] === label).map((i) => rows[i].s);
    const right = -Math.min(...values) > Math.max(...values);
    const [x, y] = [right ? toX(0.98) : toX(-0.93), toY((top + bottom) / 2)];
    const text = `${CLASSES[label]}  mean ${decimals(means[c])}`;
    word(context, text, right ? x : x + 10, y, { ...colours, align: right ? "right" : "left", baseline: "middle" });
    mark(context, label, right ? x - context.measureText(text).width - 10 : x, y, { size: 5 });
  });
}

function render({ model, el }) {
  const setClass = (k, label) =>
    changeTo(model, { labels: model.get("labels").map((old, j) => (j === k ? label : old)) });
  const field = plane({
    ...FIELD,
    move: (k, point) => changeTo(model, { points: model.get("points").map((old, j) => (j === k ? point : old)) }),
    choose: (k) => changeTo(model, { chosen: k }),
    act: (k) => setClass(k, (model.get("labels")[k] + 1) % CLASSES.length),
    hint: "Drag a point, or move it with the arrow keys; Enter or a double click gives it the next class.",
  });
  const bars = sheet("Silhouette plot");

  return stage({
    model,
    el,
    name: "silhouette_bars",
    title: "the silhouette of twelve points",
    keys: ["points", "labels", "chosen", "distance"],
    picture: [field, bars],
    panel: [
      presets("Start from", PRESETS, model),
      choice(
        "Distance",
        [
          ["euclidean", "Euclidean"],
          ["cosine", "cosine"],
        ],
        onKey(model, "distance"),
      ),
      choice(
        "Class of the chosen point",
        CLASSES.map((text, k) => [k, text]),
        {
          value: ({ labels, chosen }) => labels[chosen],
          change: (label) => setClass(model.get("chosen"), label),
        },
      ),
    ],
    readout: {
      mean: "mean of s",
      negative: "negative bars",
      point: "chosen point",
      a: "a, mean distance to own class",
      b: "b, to the nearest other class",
      nearest: "nearest other class",
      s: "s = (b − a) / max(a, b)",
    },
    draw({ points, labels, chosen, distance }, colours) {
      const found = silhouettes(points, labels, distance);
      const row = found.rows[chosen];
      const cosine = distance === "cosine";
      const view = field.begin({ ...colours, circle: cosine });
      if (cosine) drawRays(view, points, labels);
      if (row) drawDistances(view, cosine ? points.map(direction) : points, labels, chosen, row);
      field.points(points, {
        labels,
        chosen,
        names: (k) => `point ${k + 1}, class ${CLASSES[labels[k]]}`,
        texts: (k) => String(k + 1),
      });
      const verdict = verdictOn(chosen, labels, found);
      describe(field.canvas, `${points.length} points of the plane in ${found.classes.length} classes. ${verdict}`);
      drawBars(bars, colours, labels, chosen, found);
      const negative = found.rows.filter(({ s }) => s < 0).length;
      return {
        verdict,
        readout: {
          mean: row ? decimals(found.mean, 3) : "–",
          negative: row ? `${negative} of ${points.length}` : "–",
          point: `${chosen + 1}, class ${CLASSES[labels[chosen]]}`,
          a: row && row.a !== null ? decimals(row.a, 3) : "–",
          b: row ? decimals(row.b, 3) : "–",
          nearest: row ? CLASSES[row.nearest] : "–",
          s: row ? decimals(row.s, 3) : "–",
        },
        found,
      };
    },
  });
}

export default { render };

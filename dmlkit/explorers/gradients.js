// Where SupCon and the soft silhouette push the points of the unit circle, and where the points go when let go.
//
// Explained in the chapter "Local and global".

import { PALETTE, arrow, word } from "./canvas.js";
import { changeTo, choice, decimals, describe, onKey, player, presets, significant, slider } from "./controls.js";
import { onCircle, plane } from "./plane.js";
import { alignment, followed, stepDown } from "./gradients_arithmetic.js";
import { silhouettes } from "./silhouette_arithmetic.js";
import { stage } from "./stage.js";

const CLASSES = ["A", "B", "C"];
const FIELD = { x: [-1.5, 1.5], y: [-1.4, 1.4] };
const FOUR_EACH = [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2];
// In degrees. The first is where `gradients()` starts; a test holds the two together.
const PRESETS = {
  "one class in two pieces": { labels: FOUR_EACH, angles: [58, 74, -60, -76, -19, -5, 9, 21, 162, 172, 187, 199] },
  "two classes, each in two pieces": { labels: [0, 0, 0, 0, 1, 1, 1, 1], angles: [8, 24, 190, 206, 99, 115, 277, 293] },
  "a stray point": { labels: FOUR_EACH, angles: [72, 86, 101, -38, -52, -30, -21, -9, 189, 203, 215, 228] },
  "three tight classes": { labels: FOUR_EACH, angles: [66, 74, 82, 91, -52, -44, -35, -27, 187, 194, 203, 211] },
};
const COLOURS = { con: PALETTE[3], sil: PALETTE[4] };
const NAMES = { con: "SupCon", sil: "the silhouette", both: "the sum" };
// Lanes of the arrows, as radii: on the circle all slopes lie along the tangent, and would hide one another.
const LANES = { con: 1.16, sil: 0.84, both: 1 };

const radians = (angles) => angles.map((angle) => (angle * Math.PI) / 180);
const degrees = (turn) => (turn * 180) / Math.PI;
const placed = (turn, radius = 1) => [radius * Math.cos(turn), radius * Math.sin(turn)];

/** Arrows along −slope, one a point: the way that gradient descent takes it. */
function drawSlopes({ context, to, unit }, turns, slopes, { radius, colour, width }) {
  slopes.forEach((slope, k) => {
    const push = -slope * turns.length;
    // The square root of the size, capped: slopes of one picture span two decades and more.
    const length = Math.sign(push) * Math.min(0.5, 0.13 * Math.sqrt(Math.abs(push)));
    const [x, y] = placed(turns[k], radius);
    const ahead = [x - length * Math.sin(turns[k]), y + length * Math.cos(turns[k])];
    arrow(context, to([x, y]), to(ahead), { colour, width, longest: 0.5 * unit });
  });
}

/** Which arrow is which, in the empty middle of the circle. */
function drawKey({ context, to, ink, ground }, shown) {
  const rows = [
    ["con", "outside: SupCon"],
    ["sil", "inside: silhouette"],
    ["both", "at the point: their sum"],
  ].filter(([key]) => shown.includes(key));
  rows.forEach(([key, text], row) => {
    const [x, y] = to([0, 0]);
    const at = y + 34 * (row - (rows.length - 1) / 2);
    arrow(context, [x - 14, at - 9], [x + 14, at - 9], { colour: COLOURS[key] ?? ink, width: key === "both" ? 3 : 2 });
    word(context, text, x, at + 6, { ink, ground, align: "center", baseline: "middle" });
  });
}

/** The classes whose points lie in more than one place: their mean is much shorter than 1. */
function inPieces(turns, labels) {
  return CLASSES.filter((_, label) => {
    const own = turns.filter((_, k) => labels[k] === label);
    if (own.length < 2) return false;
    const [x, y] = [Math.cos, Math.sin].map((f) => own.reduce((sum, turn) => sum + f(turn), 0) / own.length);
    return Math.hypot(x, y) < 0.8;
  });
}

/** What happens, in two or three sentences. */
function verdictOn(turns, labels, { follow, weight }, found, cosine) {
  if (new Set(labels).size < 2) return "All points are of one class: there is nothing to tell apart, and no silhouette.";
  const broken = inPieces(turns, labels);
  const apart = broken.length ? `class ${broken.join(" and class ")} in pieces` : "each class in one place";
  const steepest = Math.max(...found.slopes.map(Math.abs)) * turns.length;
  const name = NAMES[follow][0].toUpperCase() + NAMES[follow].slice(1);
  if (steepest < 0.03) return `${name} is at rest, with ${apart}.`;
  const agree =
    cosine === null
      ? "One of the two losses has no slope here."
      : cosine > 0.7
        ? "Both losses push much the same way."
        : cosine > 0.2
          ? "The two losses agree in part."
          : cosine > -0.2
            ? "The two losses have little to do with each other here."
            : "The two losses work against each other.";
  const [strong, weak] = [Math.hypot(...found.con.slopes), Math.hypot(...found.sil.slopes) * weight];
  const ratio = strong / weak;
  let steers = "";
  if (follow === "both" && ratio > 3) steers = ` SupCon's slope is ${significant(ratio)} times as steep: it steers the sum.`;
  else if (follow === "both" && ratio < 1 / 3) steers = ` With λ the silhouette is ${significant(1 / ratio)} times as steep: it steers the sum.`;
  return `${agree}${steers} Now: ${apart}.`;
}

function render({ model, el }) {
  const setting = () =>
    Object.fromEntries(["tau", "softness", "weight", "follow"].map((key) => [key, model.get(key)]));
  const letGo = () => {
    const moved = stepDown(radians(model.get("angles")), model.get("labels"), setting());
    if (!moved) return false;
    changeTo(model, { angles: moved.map(degrees) });
    return true;
  };
  const field = plane({
    ...FIELD,
    move: (k, [x, y]) =>
      changeTo(model, { angles: model.get("angles").map((old, j) => (j === k ? degrees(Math.atan2(y, x)) : old)) }),
    act: (k) =>
      changeTo(model, { labels: model.get("labels").map((old, j) => (j === k ? (old + 1) % CLASSES.length : old)) }),
    place: onCircle,
    hint:
      "Drag a point along the circle, or move it with the arrow keys; Enter or a double click gives it the next class. " +
      "An arrow's length grows with the square root of the slope.",
  });

  return stage({
    model,
    el,
    name: "gradients",
    title: "two gradients on the circle",
    keys: ["angles", "labels", "tau", "softness", "weight", "follow"],
    picture: [field],
    panel: [
      presets("Start from", PRESETS, model),
      slider(
        { symbol: "τ", name: "tau, temperature of SupCon", hint: "of SupCon", min: 0.02, max: 5, log: true },
        onKey(model, "tau"),
      ),
      slider(
        { symbol: "τ, τ_b", name: "tau b, temperatures of the silhouette", hint: "of the silhouette", min: 0.02, max: 2, log: true },
        onKey(model, "softness"),
      ),
      slider(
        { symbol: "λ", name: "lambda, weight of the silhouette in the sum", hint: "in the sum", min: 0, max: 20, step: 0.5, digits: 1 },
        onKey(model, "weight"),
      ),
      choice(
        "Arrows, and let go along",
        [
          ["con", "SupCon"],
          ["sil", "silhouette"],
          ["both", "SupCon + λ · silhouette"],
        ],
        onKey(model, "follow"),
      ),
      player(letGo),
    ],
    readout: {
      con: "SupCon (nats)",
      sil: "soft silhouette loss",
      hard: "mean silhouette s",
      cosine: "cosine of the gradients",
      ratio: "their lengths, SupCon : silhouette",
    },
    draw({ angles, labels, ...set }, colours) {
      const turns = radians(angles);
      const points = turns.map((turn) => placed(turn));
      const found = followed(turns, labels, set);
      const cosine = alignment(found.con.slopes, found.sil.slopes);
      const hard = silhouettes(points, labels, "cosine").mean;
      const view = field.begin({ ...colours, circle: true, grid: false });
      const shown = set.follow === "both" ? ["con", "sil", "both"] : [set.follow];
      drawKey(view, shown);
      for (const key of shown) {
        drawSlopes(view, turns, key === "both" ? found.slopes : found[key].slopes, {
          radius: LANES[key],
          colour: COLOURS[key] ?? colours.ink,
          width: key === "both" ? 3 : 2,
        });
      }
      field.points(points, { labels, names: (k) => `point ${k + 1}, class ${CLASSES[labels[k]]}` });
      const verdict = verdictOn(turns, labels, set, found, cosine);
      const [p, q] = [found.con, found.sil].map(({ slopes }) => Math.hypot(...slopes));
      const says = `${points.length} points on the unit circle, with an arrow each for ${shown.map((key) => NAMES[key]).join(", ")}.`;
      const numbers = `SupCon ${decimals(found.con.loss)}, silhouette loss ${decimals(found.sil.loss)}.`;
      describe(field.canvas, `${says} ${numbers} ${verdict}`);
      return {
        verdict,
        readout: {
          con: decimals(found.con.loss, 3),
          sil: decimals(found.sil.loss, 3),
          hard: Number.isFinite(hard) ? decimals(hard, 3) : "–",
          cosine: cosine === null ? "–" : decimals(cosine),
          ratio: q >= 1e-9 ? significant(p / q) : "–",
        },
        found,
      };
    },
  });
}

export default { render };

// The four forces of a softmax on one embedding, its own proxy and one or two others, all to be dragged and let go.
//
// Explained in the chapter "Forces in a Euclidean softmax".

import { DASHES, PALETTE, arrow, word } from "./canvas.js";
import { changeTo, choice, decimals, onKey, player, presets, significant, slider } from "./controls.js";
import { traceContours } from "./heatmap.js";
import { plane } from "./plane.js";
import { stage } from "./stage.js";
import { KINDS, forcesAt, gapAt, letGo, sizeOf, sumOf } from "./forces_arithmetic.js";

const FIELD = { x: [-3.6, 3.6], y: [-2.7, 2.7] };
const SCALE = { min: 0.2, max: 5 };
// Embedding, own proxy, other proxies. The first is where `forces()` starts; a test holds the two together.
const PRESETS = {
  "beside its proxy": { points: [[0.3, 1.7], [1, 0], [-1, 0]] },
  "half-way": { points: [[0, 0], [1, 0], [-1, 0]] },
  "behind its proxy": { points: [[2.5, 0], [1, 0], [-1, 0]] },
  "behind the wrong proxy": { points: [[-2.5, 0], [1, 0], [-1, 0]] },
  "far above": { points: [[0, 2.6], [1, 0], [-1, 0]] },
  "two others": { points: [[2.5, 0.3], [1, 0], [-1, 1], [-1, -1.2]] },
};
const THIRD = [-0.6, -1.7];
// Warm between embedding and own proxy, cool between embedding and others.
const ARROWS = {
  f1: { text: "F1", colour: PALETTE[0], dash: 1, side: 5 },
  f2: { text: "F2", colour: PALETTE[2], dash: 2, side: 0 },
  f3: { text: "F3", colour: PALETTE[1], dash: 0, side: -5 },
  f4: { text: "F4", colour: PALETTE[3], dash: 3, side: 0 },
};
const GRID = { columns: 57, rows: 41, values: new Float64Array(57 * 41) };

/** The scene of a list of points. */
const sceneOf = ([embedding, own, ...others]) => ({ embedding, own, others });

/** An arrow of a force at a point, `side` pixels beside it, with its name at the tip. */
function drawForce({ context, to, unit, ink, ground, width, height }, from, force, { text, colour, dash, side = 0, thick = 2 }) {
  const size = sizeOf(force);
  // The square root of the size, capped: forces span decades.
  const length = Math.min(2, 1.6 * Math.sqrt(size)) * unit;
  if (!(size > 0 && length >= 3)) return;
  const [ux, uy] = [force[0] / size, -force[1] / size]; // in pixels y runs down
  const [x0, y0] = to(from).map((value, k) => value + side * [-uy, ux][k]);
  const tip = [x0 + length * ux, y0 + length * uy];
  context.setLineDash(dash === null ? [] : DASHES[dash]);
  arrow(context, [x0, y0], tip, { colour: colour ?? ink, width: thick, head: 8 + thick });
  context.setLineDash([]);
  const half = 4 * text.length;
  const reach = 9 + Math.abs(ux) * (half - 4);
  const [x, y] = [tip[0] + reach * ux - Math.sign(side) * 7 * uy, tip[1] + reach * uy + Math.sign(side) * 7 * ux];
  const at = [Math.min(Math.max(x, half), width - half), Math.min(Math.max(y, 8), height - 8)];
  word(context, text, ...at, { ink: colour ?? ink, ground, align: "center", baseline: "middle" });
}

/** Where the embedding would have the same loss: a thin line. */
function drawEqualLoss({ context, to, ink }, scene, kind, T) {
  const { columns, rows, values } = GRID;
  const inX = (column) => FIELD.x[0] + (column / (columns - 1)) * (FIELD.x[1] - FIELD.x[0]);
  const inY = (row) => FIELD.y[0] + (row / (rows - 1)) * (FIELD.y[1] - FIELD.y[0]);
  for (let k = 0; k < values.length; k++)
    values[k] = gapAt(inX(k % columns), inY(Math.floor(k / columns)), scene, kind, T);
  const level = { first: gapAt(...scene.embedding, scene, kind, T), step: 1e9, count: 1 };
  context.beginPath();
  traceContours(context, values, [columns, rows], level, (c) => to([inX(c), 0])[0], (r) => to([0, inY(r)])[1]);
  context.strokeStyle = ink;
  context.globalAlpha = 0.45;
  context.lineWidth = 1.2;
  context.stroke();
  context.globalAlpha = 1;
}

/** What the embedding will do, in two or three sentences. */
function verdictOf({ embedding, own, others }, kind, found) {
  const wrong = found.p[0] < Math.max(...found.p.slice(1));
  const push = sizeOf(found.net);
  const [one, three] = [sizeOf(found.f1), sizeOf(found.f3)];
  const share = Math.round(100 * (found.cancelled ?? 0));
  const chance = found.p[0] > 0.9995 ? "nearly 1" : decimals(found.p[0], found.p[0] > 0.985 ? 3 : 2);
  const saturated = found.p[0] > 0.98;
  if (kind === "cosine" && !saturated && (one + three) * sizeOf(embedding) < 0.01)
    return "Stands still: seen from the origin, e and the proxies lie on one line. There a small turn changes no cosine.";
  if (one + three < 0.01 && (saturated || kind !== "cosine"))
    return `Hardly any force: p_y is ${chance}, and every force has a factor 1 − p_y. It stays about where it is.`;
  if (kind !== "square" && found.cancelled > 0.97 && wrong)
    return "Stands still, on a ridge: F1 and F3 are large and cancel behind the wrong proxy. A step sideways, and it slides down.";
  if (kind === "cosine") {
    if (found.cancelled > 0.97) return "Stands still: in this direction F1 and F3 cancel. Its length does not matter.";
    const way = found.cancelled < 0.03 ? "F1 and F3 point the same way" : `${share} % of F1 and F3 cancel`;
    return `Slides: ${way}, at a right angle to e. Twice as far from the origin the forces on e are half as large.`;
  }
  if (sizeOf(embedding.map((value, k) => value - own[k])) < 1e-9) {
    const other = kind === "plain" ? " A step in any direction wakes an F3 that is at least as strong as F1." : "";
    return `On its own proxy there is no F3.${other}`;
  }
  if (kind === "square") {
    if (push < 0.01) return "Stands still: F1 and F3 balance here.";
    if (others.length > 1) return `Driven: what is left of F1 and F3 points from the weighted mean of the others to its own proxy; p_y is ${chance}.`;
    return `Driven: what is left of F1 and F3 points straight from the other proxy to its own, wherever e stands. It never balances; only p_y, now ${chance}, makes it weak.`;
  }
  if (found.cancelled > 0.97)
    return `Stands still: F1 and F3 have sizes ${significant(one)} and ${significant(three)} and cancel. Nothing says how far behind its proxy to stay.`;
  if (found.cancelled < 0.03) return `Driven: F1 and F3 point the same way and add up to ${significant(push)}.`;
  return `Slides: ${share} % of F1 and F3 cancel. What is left, ${significant(push)}, takes it ${others.length === 1 ? "across the curves of equal loss" : "to its own proxy in the end"}.`;
}

function render({ model, el }) {
  const scene = () => sceneOf(model.get("points"));
  const inside = ([x, y]) => x > FIELD.x[0] && x < FIELD.x[1] && y > FIELD.y[0] && y < FIELD.y[1];
  const play = () => {
    const moved = letGo(scene(), model.get("kind"), model.get("scale"), model.get("free") === "all");
    const points = moved && [moved.embedding, moved.own, ...moved.others];
    if (!points?.every(inside)) return false;
    changeTo(model, { points });
    return true;
  };
  const field = plane({
    ...FIELD,
    move: (k, point) => changeTo(model, { points: model.get("points").map((old, j) => (j === k ? point : old)) }),
    hint: "Drag e and the proxies, or move them with the arrow keys. An arrow's length grows with the square root of its force; thin line: equal loss.",
  });

  return stage({
    model,
    el,
    name: "forces",
    title: "the forces of a softmax",
    keys: ["points", "kind", "scale", "free"],
    picture: [field],
    panel: [
      presets("Start from", PRESETS, model),
      choice("Softmax over", Object.entries(KINDS), onKey(model, "kind")),
      slider(
        { symbol: "T", name: "T, inverse temperature", hint: "inverse temperature", ...SCALE, log: true },
        onKey(model, "scale"),
      ),
      choice(
        "Other proxies",
        [
          [1, "one"],
          [2, "two"],
        ],
        {
          value: ({ points }) => points.length - 2,
          change: (count) => {
            const points = model.get("points");
            changeTo(model, { points: count === 1 ? points.slice(0, 3) : [...points.slice(0, 3), THIRD] });
          },
        },
      ),
      choice(
        "Let go",
        [
          ["embedding", "e alone"],
          ["all", "proxies too"],
        ],
        onKey(model, "free"),
      ),
      player(play),
    ],
    readout: {
      loss: "loss (nats)",
      own: "p_y",
      one: "F1, F3 on e",
      two: "F2, F4 on proxies",
      net: "F1 + F3",
      cancelled: "of F1, F3 cancelled",
      sum: "sum of all forces",
    },
    draw({ points, kind, scale: T }, colours) {
      const now = sceneOf(points);
      const found = forcesAt(now, kind, T);
      const view = field.begin(colours);
      const { context, to, unit, ink } = view;
      if (!(found.cancelled > 0.999)) drawEqualLoss(view, now, kind, T);
      context.strokeStyle = ink;
      context.globalAlpha = 0.6;
      context.setLineDash([1, 4]);
      context.beginPath();
      if (kind === "cosine") {
        context.arc(...to([0, 0]), sizeOf(now.embedding) * unit, 0, 2 * Math.PI);
        for (const point of points) {
          context.moveTo(...to([0, 0]));
          context.lineTo(...to(point));
        }
      } else {
        for (const proxy of points.slice(1)) {
          context.moveTo(...to(now.embedding));
          context.lineTo(...to(proxy));
        }
      }
      context.stroke();
      context.setLineDash([]);
      context.globalAlpha = 1;
      found.f2.forEach((force, j) => drawForce(view, now.others[j], force, ARROWS.f2));
      drawForce(view, now.own, found.f4, ARROWS.f4);
      drawForce(view, now.embedding, found.net, { text: "F1+F3", dash: null, thick: 3 });
      drawForce(view, now.embedding, found.f1, ARROWS.f1);
      drawForce(view, now.embedding, found.f3, ARROWS.f3);
      const names = ["embedding e", "own proxy", "other proxy", "second other proxy"];
      field.points(points, { labels: [7, 1, 0, 0], names: (k) => names[k], texts: (k) => ["e", "own", "other", "other"][k] });

      const verdict = verdictOf(now, kind, found);
      const twos = found.f2.map((force) => significant(sizeOf(force))).join(" and ");
      const numbers = `F1 ${significant(sizeOf(found.f1))}, F2 ${twos}, F3 ${significant(sizeOf(found.f3))}, F4 ${significant(sizeOf(found.f4))}`;
      field.says(`An embedding, its own proxy and ${now.others.length} others with an arrow for each force: ${numbers}. ${verdict}`);
      const all = sizeOf(sumOf([found.net, found.f4, ...found.f2]));
      const pair = (a, b) => `${significant(a)}, ${significant(b)}`;
      return {
        verdict,
        readout: {
          loss: significant(found.loss, 3),
          own: decimals(found.p[0], 3),
          one: pair(sizeOf(found.f1), sizeOf(found.f3)),
          two: pair(sizeOf(sumOf(found.f2)), sizeOf(found.f4)),
          net: significant(sizeOf(found.net) < 1e-9 ? 0 : sizeOf(found.net)),
          cancelled: found.cancelled === null ? "–" : `${Math.round(100 * found.cancelled)} %`,
          sum: significant(all < 1e-9 ? 0 : all),
        },
        found,
      };
    },
  });
}

export default { render };

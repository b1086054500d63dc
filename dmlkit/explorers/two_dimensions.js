// Ten classes in a plane: what five measures make of long rays, of wide classes, and of another unit of length.
//
// Explained in the chapter "Two dimensions of fashion".

import { fit, mark, word } from "./canvas.js";
import { chart, roundTicks } from "./chart.js";
import { choice, decimals, describe, onKey, presets, sheet, significant, slider } from "./controls.js";
import { stage } from "./stage.js";
import { SCENE, measuresOf, scene } from "./two_dimensions_arithmetic.js";

const KNOBS = {
  length: { symbol: "ℓ", name: "l, length of the rays", hint: "length of the rays", min: 0, max: 12 },
  width: { symbol: "w", name: "w, width across the rays", hint: "width across", min: 0.05, max: 2 },
  zoom: { symbol: "c", name: "c, zoom of the whole plane", hint: "zoom of the plane", min: 0.1, max: 10, log: true },
};
// What all is held against: the first preset.
const FIRST = { length: 1, width: 0.3, zoom: 1 };
const PRESETS = {
  "ten blobs": FIRST,
  "a star": { length: 9, width: 0.3, zoom: 1 },
  "wide classes": { length: 1, width: 1, zoom: 1 },
  "another unit": { length: 1, width: 0.3, zoom: 10 },
};
const RELATIVE = [
  ["ratio", "intra / inter"],
  ["silhouette", "silhouette"],
  ["recall", "R@1"],
];
const first = Object.fromEntries(
  ["euclidean", "cosine"].map((kind) => {
    const { points, labels } = scene(FIRST);
    return [kind, measuresOf(points, labels, kind)];
  }),
);

/** What has changed against the ten blobs, in two or three sentences. */
function verdictOf(state, found) {
  const { length, width, zoom, distance } = state;
  const was = first[distance];
  const cosine = distance === "cosine";
  const shape = Math.abs(length - FIRST.length) > 0.02 || Math.abs(width - FIRST.width) > 0.005;
  const unit = Math.abs(zoom - 1) > 0.01;
  if (!shape && !unit) return "Ten blobs, the plane that all else is held against.";
  if (!shape) {
    if (cosine) return "Only the unit has changed, and no angle: by cosine no measure sees it.";
    const times = significant(zoom);
    return `Only the unit has changed: intra and inter are ${times} times what they were, the other three stand still.`;
  }
  const met = found.recall > 0.985 ? "Nearly every point has a mate nearest" : `${decimals(100 * found.recall, 0)} % of the points have a mate nearest`;
  const turned = (now, before, name) =>
    Math.abs(now - before) < 0.02 ? null : `${name} ${now > before ? "rose" : "fell"} from ${decimals(before)} to ${decimals(now)}`;
  const moved = [turned(found.ratio, was.ratio, "the ratio"), turned(found.silhouette, was.silhouette, "the silhouette")];
  const change = moved.filter(Boolean).join(", ");
  const shown = change ? `${change}.` : "ratio and silhouette are much the same.";
  const blind = cosine && width <= FIRST.width + 0.005 && length > FIRST.length ? " By cosine a long ray is one direction." : "";
  return `${met}; ${shown}${blind}${unit && !cosine ? " The zoom is in intra and inter alone." : ""}`;
}

/** The points, in a window that grows with the plane: the picture is the same at every zoom, its scale bar is not. */
function drawPlane(canvas, { ink, ground }, { points, labels }, zoom) {
  const { context, width, height } = fit(canvas, Math.min(360, canvas.clientWidth));
  const reach = Math.max(...points.map(([x, y]) => Math.max(Math.abs(x), Math.abs(y)))) * 1.06;
  const unit = Math.min(width, height) / (2 * reach);
  const to = ([x, y]) => [width / 2 + unit * x, height / 2 - unit * y];
  context.globalAlpha = 0.25;
  context.strokeStyle = ink;
  context.beginPath();
  context.moveTo(...to([-reach, 0]));
  context.lineTo(...to([reach, 0]));
  context.moveTo(...to([0, -reach]));
  context.lineTo(...to([0, reach]));
  context.stroke();
  context.globalAlpha = 1;
  points.forEach((point, k) => mark(context, labels[k], ...to(point), { size: 4 }));
  // Ten classes, eight colours: the class stands inside, where its ray begins.
  for (let c = 0; c < SCENE.classes; c++) {
    const turn = (2 * Math.PI * c) / SCENE.classes;
    const at = 0.72 * SCENE.start * zoom;
    word(context, String(c), ...to([at * Math.cos(turn), at * Math.sin(turn)]), { ink, ground, align: "center", baseline: "middle" });
  }
  // A scale bar, as on a map.
  const long = roundTicks(0, reach, 3)[1];
  const [left, bottom] = [12, height - 12];
  context.strokeStyle = ink;
  context.lineWidth = 2.5;
  context.beginPath();
  context.moveTo(left, bottom);
  context.lineTo(left + long * unit, bottom);
  context.stroke();
  word(context, `${significant(long)} units`, left, bottom - 6, { ink, ground, baseline: "bottom" });
}

function drawMeasures(canvas, colours, found, was) {
  const rows = RELATIVE.length;
  chart(canvas, {
    ...colours,
    height: 150,
    x: { from: -0.5, to: 1, title: "no unit; dashes: the ten blobs" },
    y: { from: 0, to: rows, ticks: RELATIVE.map(([, text], k) => [rows - k - 0.5, text]) },
    bars: RELATIVE.map(([key], k) => ({ at: rows - k - 0.5, to: found[key], across: true, colour: k, width: 0.55 })),
    curves: RELATIVE.map(([key], k) => ({
      x: [was[key], was[key]],
      y: [rows - k - 0.9, rows - k - 0.1],
      colour: colours.ink,
      dash: 5,
      width: 2.5,
    })),
    legend: "none",
    says: `Without unit: ${RELATIVE.map(([key, text]) => `${text} ${decimals(found[key])}, in the ten blobs ${decimals(was[key])}`).join("; ")}.`,
  });
}

function render({ model, el }) {
  const [field, bars] = [sheet("Ten classes in the plane"), sheet("Three measures without unit")];
  return stage({
    model,
    el,
    name: "two_dimensions",
    title: "ten classes in the plane, and five measures",
    keys: [...Object.keys(KNOBS), "distance"],
    picture: [field, bars],
    panel: [
      presets("Start from", PRESETS, model),
      ...Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
      choice(
        "Distance",
        [
          ["euclidean", "Euclidean"],
          ["cosine", "cosine"],
        ],
        onKey(model, "distance"),
      ),
    ],
    readout: { intra: "intra", inter: "inter", ratio: "intra / inter", silhouette: "silhouette", recall: "R@1" },
    draw(state, colours) {
      const drawn = scene(state);
      const found = measuresOf(drawn.points, drawn.labels, state.distance);
      const verdict = verdictOf(state, found);
      drawPlane(field, colours, drawn, state.zoom);
      describe(field, `Eighty points of ten classes along ten rays of the plane. ${verdict}`);
      drawMeasures(bars, colours, found, first[state.distance]);
      const text = (key) => (key === "intra" || key === "inter" ? significant(found[key]) : decimals(found[key], 3));
      return { verdict, readout: Object.fromEntries(Object.keys(found).map((key) => [key, text(key)])), found };
    },
  });
}

export default { render };

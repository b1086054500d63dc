// A function of the distance to bend, and where around a circle the loss of two classes is lowest and highest.
//
// Explained in the chapter "Monotone or not".

import { PALETTE, fit, mark, word } from "./canvas.js";
import { changeTo, decimals, describe, element, onKey, presets, sheet, slider } from "./controls.js";
import { HEAT, colourIndex, diamond } from "./heatmap.js";
import {
  KNOT_PLACES,
  chainAt,
  circleExtrema,
  circleLoss,
  distanceAt,
  firstFall,
  isPoint,
  onTheLine,
  reachOf,
} from "./monotone_arithmetic.js";
import { plane } from "./plane.js";
import { stage } from "./stage.js";

const KNOBS = {
  radius: { symbol: "ρ", name: "rho, radius of the circle", hint: "radius of the circle", min: 0.1, max: 2.5, step: 0.05 },
  separation: { symbol: "D", name: "D, distance of the two proxies", hint: "distance of the proxies", min: 0.1, max: 2.5, step: 0.05 },
};
// The first is where `monotone()` starts; a test holds the two together.
const PRESETS = {
  "straight: the distance itself": { heights: [0, 0.5, 1, 1.5, 2, 2.5] },
  "bending down, like √d": { heights: [0, 1.3, 1.85, 2.25, 2.6, 2.9] },
  "bending up, like d²": { heights: [0, 0.1, 0.5, 1.1, 1.9, 3] },
  "clipped at 2": { heights: [0, 0.9, 1.8, 1.8, 1.8, 1.8] },
  "a bump": { heights: [0, 1.8, 2.2, 2, 1.6, 1.25] },
  "a small dip": { heights: [0, 0.6, 1.2, 1.05, 1.7, 2.4] },
  "a wave": { heights: [0.5, 2, 1, 2.4, 1.2, 2.8] },
};
const FIELD = { x: [-0.4, 5.3], y: [-0.45, 3.25] };
const RIM = 2.85; // of the circle's picture: half its height, in units of distance
const FALLING = 1; // the colour, in PALETTE, of pieces that do not rise
const degrees = (theta) => Math.round((theta * 180) / Math.PI);
/** ±θ in words; the ends of the half circle have names. */
function placeOf(theta) {
  if (theta === 0) return "the near point";
  return theta === Math.PI ? "the far point" : `θ = ±${degrees(theta)}°`;
}

/** What the function does, and what that does to this circle. */
function verdictFor(heights, found) {
  const fall = firstFall(heights, KNOBS.separation.max);
  if (onTheLine(found)) {
    const holds = "On this circle the far point is the only minimum and the near point the only maximum";
    if (!fall) return `f rises everywhere. ${holds}, and so it is on every other circle.`;
    const { from, to, flat, radius, separation } = fall;
    const what = flat ? "is flat" : "falls";
    return `${holds}: f rises over the distances that it reaches. But f ${what} between ${from} and ${to}; look at ρ = ${radius}, D = ${separation}.`;
  }
  if (found.length === 1) return "All of the circle has the same loss: every point is lowest and highest at once.";
  const lowest = found.filter(({ kind, whole }) => kind === "minimum" && whole);
  const far = lowest.find(({ theta }) => theta[1] === Math.PI);
  if (!far) {
    const [{ theta, distance }] = lowest;
    const where = isPoint(lowest[0])
      ? `at ${placeOf(theta[0])}, where f is highest, at d₂ = ${decimals(distance[0])}`
      : `everywhere from ${placeOf(theta[0])} to ${placeOf(theta[1])}: f is flat there`;
    const left = theta[0] === 0 ? "The minimum has gone to the other side" : "The minimum has left the line";
    return `${left}: the loss is lowest ${where}. At the far point f is lower.`;
  }
  if (!isPoint(far)) {
    return `A tie: f is flat from d₂ = ${decimals(far.distance[0])} on, and the loss is lowest everywhere from ${placeOf(far.theta[0])} to the far point.`;
  }
  if (lowest.length > 1) return `A tie: the far point is lowest, and so is ${placeOf(lowest[0].theta[0])}.`;
  const other = found.find(({ kind, theta }) => kind === "minimum" && theta[1] !== Math.PI);
  if (other) return `The far point is still the lowest, but not alone: at ${placeOf(other.theta[0])} is another minimum, since f falls after it.`;
  const level = found.find((one) => !isPoint(one));
  return `The far point is the only minimum, but between ${placeOf(level.theta[0])} and ${placeOf(level.theta[1])} f is flat, and the loss is level.`;
}

/** f with its knots, the distances that the circle reaches, and the extrema as they lie on f. */
function drawFunction(field, colours, { heights, radius, separation }, found) {
  const view = field.begin(colours);
  const { context, to, height, width } = view;
  const { ink, ground } = colours;
  const [low, high] = reachOf(radius, separation);
  const [left, right] = [to([low, 0])[0], to([high, 0])[0]];
  context.fillStyle = PALETTE[7];
  context.globalAlpha = 0.2;
  context.fillRect(left, 0, right - left, height);
  context.globalAlpha = 1;
  heights.slice(1).forEach((end, k) => {
    const rises = end - heights[k] > 1e-9;
    context.beginPath();
    context.moveTo(...to([k, heights[k]]));
    context.lineTo(...to([k + 1, end]));
    context.strokeStyle = PALETTE[rises ? 0 : FALLING];
    context.lineWidth = 3;
    context.setLineDash(rises ? [] : [6, 4]);
    context.stroke();
  });
  context.setLineDash([]);
  field.points(
    heights.map((value, k) => [k, value]),
    { names: (k) => `knot of f at distance ${k}`, size: 5.5 },
  );
  const label = (text, x, y, align) => word(context, text, x, y, { ink, ground, align, baseline: "middle" });
  label("near", left, 10, left < 22 ? "left" : "center");
  label("far", Math.max(right, left + 40), 10, right > width - 14 ? "right" : "center");
  label("distance d", width - 4, height - 24, "right");
  label("f(d)", 4, 24, "left");
  for (const { kind, distance } of found) {
    if (kind === "level") continue;
    const middle = (distance[0] + distance[1]) / 2;
    const at = to([middle, chainAt(heights, middle)]);
    if (kind === "minimum") diamond(context, ...at);
    else mark(context, 6, ...at, { size: 6, colour: "#ffffff" });
  }
}

/** The circle around the own proxy, coloured by its loss, with the line through both proxies and all extrema. */
function drawCircle(canvas, { ink, ground }, { heights, radius, separation }, found) {
  const { context, width, height } = fit(canvas, Math.min(canvas.clientWidth, 300));
  const unit = height / 2 / RIM;
  const [x0, y0] = [width / 2, height / 2];
  const at = (theta, off = 0) => [
    x0 + (radius * unit + off) * Math.cos(theta),
    y0 - (radius * unit + off) * Math.sin(theta),
  ];
  context.strokeStyle = ink;
  context.globalAlpha = 0.5;
  context.setLineDash([3, 4]);
  context.beginPath();
  context.moveTo(x0 - Math.min(width / 2, 1.3 * height), y0);
  context.lineTo(x0 + Math.min(width / 2, 1.3 * height), y0);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;

  const count = 120;
  const losses = Array.from({ length: count / 2 + 1 }, (_, k) =>
    circleLoss(heights, distanceAt((2 * Math.PI * k) / count, radius, separation), radius),
  );
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  context.lineWidth = 9;
  for (let k = 0; k < count; k++) {
    const half = k < count / 2 ? k : count - 1 - k; // the lower half mirrors the upper one
    const loss = (losses[half] + losses[half + 1]) / 2;
    const colour = colourIndex(most - least < 1e-9 ? 0.5 : (loss - least) / (most - least));
    context.strokeStyle = `rgb(${HEAT[colour]}, ${HEAT[colour + 1]}, ${HEAT[colour + 2]})`;
    context.beginPath();
    context.arc(x0, y0, radius * unit, (-2 * Math.PI * (k + 1.1)) / count, (-2 * Math.PI * k) / count);
    context.stroke();
  }
  // A stretch is drawn along the outside of the ring.
  for (const { kind, theta } of found.filter((one) => !isPoint(one))) {
    context.strokeStyle = kind === "minimum" ? PALETTE[FALLING] : ink;
    context.lineWidth = 3;
    context.setLineDash(kind === "level" ? [2, 4] : []);
    for (const side of [1, -1]) {
      context.beginPath();
      context.arc(x0, y0, radius * unit + 9, -side * theta[0], -side * theta[1], side > 0);
      context.stroke();
    }
  }
  context.setLineDash([]);

  mark(context, 0, x0, y0, { size: 6 });
  mark(context, 1, x0 + separation * unit, y0, { size: 6 });
  for (const one of found.filter(isPoint)) {
    for (const theta of one.theta[0] === 0 || one.theta[0] === Math.PI ? [one.theta[0]] : [one.theta[0], -one.theta[0]]) {
      if (one.kind === "minimum") diamond(context, ...at(theta));
      else mark(context, 6, ...at(theta), { size: 6, colour: "#ffffff" });
    }
  }
  const label = (text, x, y, align = "center") => word(context, text, x, y, { ink, ground, align, baseline: "middle" });
  label("own", x0, y0 + (separation * unit < 45 ? -17 : 17)); // not under the other's name
  label("other", x0 + separation * unit, y0 + 17);
  label("far", x0 - radius * unit - 14, y0 - 12, "right");
  if (Math.abs(radius - separation) * unit > 26) label("near", x0 + radius * unit + 14, y0 - 14, "left");
  return [least, most];
}

function render({ model, el }) {
  const field = plane({
    ...FIELD,
    move: (k, [, y]) => {
      const height = Math.min(3, Math.max(0, Math.round(20 * y) / 20));
      changeTo(model, { heights: model.get("heights").map((old, j) => (j === k ? height : old)) });
    },
    hint: "Drag a knot up or down, or move it with the arrow keys. Dashed pieces do not rise; the grey band holds the distances to the other proxy that the circle reaches.",
  });
  const circle = sheet("A circle around the own proxy");
  const legend = element(
    "p",
    { class: "hint" },
    "Around the own proxy: dark is a low loss, light a high one. Diamond: a minimum on the circle; cross: a maximum; a line along the ring: a tie.",
  );
  return stage({
    model,
    el,
    name: "monotone",
    title: "a function of the distance, and the extrema on a circle",
    keys: ["heights", ...Object.keys(KNOBS)],
    picture: [field, circle, legend],
    panel: [
      presets("f is", PRESETS, model),
      ...Object.entries(KNOBS).map(([key, knob]) => slider(knob, onKey(model, key))),
    ],
    readout: {
      reach: "d₂, near to far",
      lowest: "lowest at",
      there: "d₂ there",
      least: "loss there (nats)",
      far: "loss at the far point",
      most: "highest loss",
    },
    draw(state, colours) {
      const { heights, radius, separation } = state;
      const found = circleExtrema(heights, radius, separation);
      const verdict = verdictFor(heights, found);
      drawFunction(field, colours, state, found);
      const [, most] = drawCircle(circle, colours, state, found);
      const [low, high] = reachOf(radius, separation);
      const lowest = found.find(({ kind, whole }) => whole && kind !== "maximum");
      const said = (value, digits = 2) => decimals(value, digits);
      const span = ([from, to], written) => (from === to ? written(from) : `${written(from)} to ${written(to)}`);
      const angle = (theta) => (theta === 0 || theta === Math.PI ? `${degrees(theta)}°` : `±${degrees(theta)}°`);
      const pieces = heights.slice(1).filter((value, k) => value - heights[k] < 1e-9).length;
      field.says(
        `A function of the distance with ${KNOT_PLACES.length} knots, of heights ${heights.map((value) => said(value)).join(", ")}; ` +
          `${pieces} of its ${heights.length - 1} pieces do not rise. The circle reaches distances from ${said(low)} to ${said(high)}.`,
      );
      describe(circle, `A circle of radius ${said(radius)} around the own proxy, the other one ${said(separation)} away. ${verdict}`);
      return {
        verdict,
        readout: {
          reach: `${said(low)} … ${said(high)}`,
          lowest: span(lowest.theta, angle),
          there: span(lowest.distance, said),
          least: said(circleLoss(heights, lowest.distance[0], radius), 3),
          far: said(circleLoss(heights, high, radius), 3),
          most: said(most, 3),
        },
        found,
      };
    },
  });
}

export default { render };

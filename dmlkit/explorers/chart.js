// Lines, steps, bars, bands, points with error bars, on axes in the page's ink; legible from 280 pixels of width.
//
//   chart(canvas, {
//     ink, ground, // as stage() gives them
//     height: 200, // of axes and plot; a legend comes on top of it
//     x: { from: 0, to: 2, title: "distance" },
//     y: { from: 0.01, to: 10, log: true, title: "loss (nats)" }, // the title stands above the axis, not along it
//     curves: [{ x: [0, 1, 2], y: [3, 1, 2], label: "loss", colour: 0, dash: 0 }],
//     bars: [{ at: 1, from: 0, to: 0.4, colour: 1 }], // with `across: true` along x, at a height of y
//     bands: [{ x: [0, 1], low: [0, 1], high: [1, 2] }, { axis: "x", from: 0.5, to: 1, label: "margin" }],
//     lines: [{ axis: "x", at: 1.2, label: "m" }], // a line across the whole plot
//     legend: "row", // or "ends": names at the curves' right ends, or "none"
//     says: "The loss falls to 0 at distance 1.", // for who cannot see it
//   });
//
// An axis has from, to, title and, where wanted, log, ticks ([value, text] pairs or none: []), format(value).
// A curve has x, y and, where wanted, label, colour (number in PALETTE or CSS), dash (number in DASHES; both default to
// the curve's place), width, step (keeps its value until the next x), mark (number in MARKERS at every point),
// line: false (marks alone), error (half lengths, one a point).
// It returns { toX, toY, fromX, fromY, plot }: data to pixels and back, for what a caller draws on top or picks.

import { DASHES, FONT, colourOf, cycle, fit, mark, word } from "./canvas.js";
import { describe } from "./controls.js";

/** Round numbers in [from, to], about `count` of them, in steps of 1, 2 or 5 times a power of ten. */
export function roundTicks(from, to, count) {
  const rough = (to - from) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) * power;
  const [first, last] = [Math.ceil(from / step - 1e-9), Math.floor(to / step + 1e-9)];
  if (last <= first) return roundTicks(from, to, 2 * count); // two numbers make a scale
  return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}

/** Powers of ten in [from, to], every second or third where there are many; with 2 and 5 where there are few. */
export function logTicks(from, to, count) {
  const [first, last] = [Math.ceil(Math.log10(from) - 1e-9), Math.floor(Math.log10(to) + 1e-9)];
  const decades = last - first + 1;
  const power = (exponent) => Number(`1e${exponent}`);
  if (decades >= 3 || 3 * decades > count) {
    const every = Math.max(1, Math.ceil(decades / Math.max(1, count)));
    const powers = Array.from({ length: Math.max(0, decades) }, (_, k) => first + k);
    if (powers.length) return powers.filter((exponent) => exponent % every === 0 || every === 1).map(power);
  }
  const between = [];
  for (let exponent = first - 1; exponent <= last; exponent++)
    for (const factor of [1, 2, 5]) between.push(Number(`${factor}e${exponent}`));
  const inside = between.filter((value) => value >= from * (1 - 1e-9) && value <= to * (1 + 1e-9));
  return inside.length > 1 ? inside : roundTicks(from, to, count);
}

const raised = (exponent) => [...String(exponent)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[digit] ?? "⁻").join("");

/** A tick's number as text: a minus sign, not a hyphen; powers of ten where zeros would fill the axis. */
export function tickText(value) {
  const exponent = Math.log10(Math.abs(value));
  if (value !== 0 && Number.isInteger(exponent) && (exponent < -3 || exponent > 4)) {
    return `${value < 0 ? "−" : ""}10${raised(exponent)}`;
  }
  return String(Number(value.toPrecision(6))).replace("-", "−");
}

/** Fraction of the axis at which a value lies, and back. A value that a logarithm cannot show lies at the low end. */
function scale({ from, to, log }) {
  if (!(to > from)) throw new Error(`an axis must run upward, found ${from} … ${to}`);
  if (!log) return [(value) => (value - from) / (to - from), (t) => from + t * (to - from)];
  if (!(from > 0)) throw new Error(`a logarithmic axis must begin above 0, found ${from}`);
  const decades = Math.log(to / from);
  return [(value) => (value > 0 ? Math.log(value / from) / decades : 0), (t) => from * Math.exp(t * decades)];
}

const ticksOf = (axis, count) =>
  axis.ticks ??
  (axis.log ? logTicks : roundTicks)(axis.from, axis.to, count).map((at) => [at, (axis.format ?? tickText)(at)]);

/** Where each entry of the legend stands in rows of a width: [entry, x, row]. */
function legendRows(context, entries, width) {
  let [x, row] = [0, 0];
  return entries.map((entry) => {
    const wide = 30 + context.measureText(entry.label).width;
    if (x > 0 && x + wide > width) [x, row] = [0, row + 1];
    const placed = [entry, x, row];
    x += wide + 14;
    return placed;
  });
}

/** Draw all of it; see the top of this file. */
export function chart(
  canvas,
  { ink, ground, height = 200, x, y, curves = [], bars = [], bands = [], lines = [], ...rest },
) {
  const { legend = "row", says } = rest;
  if (says) describe(canvas, says);
  const full = canvas.clientWidth;
  const measure = canvas.getContext("2d");
  measure.font = FONT;
  const wide = (text) => measure.measureText(text).width;

  const drawn = curves.map((curve, k) => ({ colour: k, dash: curve.line === false ? 0 : k, width: 2, ...curve }));
  const named = [...drawn, ...bars, ...bands.filter((band) => band.x)].filter((entry) => entry.label);
  const ends = legend === "ends" ? named.filter((entry) => entry.y) : [];
  const beneath = legend === "row" ? legendRows(measure, named, full - 16) : [];
  const legendHeight = beneath.length ? 18 * (1 + Math.max(...beneath.map(([, , row]) => row))) + 4 : 0;
  const yTicks = ticksOf(y, height / 38);
  const plot = {
    left: Math.max(8, ...yTicks.map(([, text]) => wide(text) + 9)),
    right: full - Math.max(12, ...ends.map((entry) => wide(entry.label) + 10)),
    top: y.title ? 22 : 8,
    bottom: height - (x.title ? 36 : 20),
  };
  const xTicks = ticksOf(x, (plot.right - plot.left) / 52);
  const [[inX, outX], [inY, outY]] = [scale(x), scale(y)];
  const toX = (value) => plot.left + inX(value) * (plot.right - plot.left);
  const toY = (value) => plot.bottom - inY(value) * (plot.bottom - plot.top);
  const fromX = (pixel) => outX((pixel - plot.left) / (plot.right - plot.left));
  const fromY = (pixel) => outY((plot.bottom - pixel) / (plot.bottom - plot.top));

  const { context, width } = fit(canvas, height + legendHeight);
  const text = (what, px, py, options) => word(context, what, px, py, { ink, ...options });
  context.strokeStyle = ink;
  context.lineWidth = 1;
  const straight = (x0, y0, x1, y1) => {
    context.beginPath();
    context.moveTo(x0, y0);
    context.lineTo(x1, y1);
    context.stroke();
  };

  context.globalAlpha = 0.16;
  for (const [at] of yTicks) straight(plot.left, toY(at), plot.right, toY(at));
  for (const [at] of xTicks) straight(toX(at), plot.top, toX(at), plot.bottom);
  context.globalAlpha = 0.8;
  straight(plot.left, plot.bottom, plot.right, plot.bottom);
  straight(plot.left, plot.top, plot.left, plot.bottom);
  context.globalAlpha = 1;
  for (const [at, label] of yTicks) text(label, plot.left - 5, toY(at), { align: "right", baseline: "middle" });
  let free = -Infinity; // two ticks' texts may not run into each other
  for (const [at, label] of xTicks) {
    const half = wide(label) / 2;
    const middle = Math.min(Math.max(toX(at), half), width - half);
    if (middle - half < free) continue;
    text(label, middle, plot.bottom + 5, { align: "center", baseline: "top" });
    free = middle + half + 5;
  }
  if (y.title) text(y.title, 0, 4, { baseline: "top" });
  if (x.title) {
    const half = wide(x.title) / 2;
    const middle = Math.min(Math.max((plot.left + plot.right) / 2, half), width - half);
    text(x.title, middle, plot.bottom + 21, { align: "center", baseline: "top" });
  }

  context.save();
  context.beginPath();
  context.rect(plot.left - 1, plot.top - 1, plot.right - plot.left + 2, plot.bottom - plot.top + 2);
  context.clip();
  for (const band of bands) {
    context.fillStyle = colourOf(band.colour ?? 7);
    context.globalAlpha = 0.22;
    context.beginPath();
    if (band.x) {
      band.x.forEach((at, k) => context.lineTo(toX(at), toY(band.high[k])));
      band.x
        .map((at, k) => [at, band.low[k]])
        .reverse()
        .forEach(([at, low]) => context.lineTo(toX(at), toY(low)));
    } else if (band.axis === "x") {
      context.rect(toX(band.from), plot.top, toX(band.to) - toX(band.from), plot.bottom - plot.top);
    } else {
      context.rect(plot.left, toY(band.to), plot.right - plot.left, toY(band.from) - toY(band.to));
    }
    context.fill();
    context.globalAlpha = 1;
  }
  for (const bar of bars) {
    const thick = (bar.width ?? 0.8) / 2;
    const base = bar.from ?? (bar.across ? (x.log ? x.from : 0) : y.log ? y.from : 0);
    const [x0, x1, y0, y1] = bar.across
      ? [toX(base), toX(bar.to), toY(bar.at - thick), toY(bar.at + thick)]
      : [toX(bar.at - thick), toX(bar.at + thick), toY(base), toY(bar.to)];
    context.fillStyle = colourOf(bar.colour ?? 0);
    context.fillRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    if (bar.chosen) {
      context.lineWidth = 2;
      context.strokeStyle = ink;
      context.strokeRect(Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0));
    }
    if (bar.error) errorBar(context, ink, bar, toX, toY);
  }
  for (const line of lines) {
    context.strokeStyle = colourOf(line.colour ?? ink);
    context.lineWidth = 1.4;
    context.setLineDash(cycle(DASHES, line.dash ?? 1));
    if (line.axis === "x") straight(toX(line.at), plot.top, toX(line.at), plot.bottom);
    else straight(plot.left, toY(line.at), plot.right, toY(line.at));
    context.setLineDash([]);
  }
  for (const curve of drawn) drawCurve(context, curve, toX, toY);
  context.restore();
  // Marks and error bars may reach beyond the rim by their own size.
  for (const curve of drawn) drawPoints(context, curve, ink, toX, toY, plot);

  for (const line of lines.filter(({ label }) => label)) {
    const half = wide(line.label) + 6;
    if (line.axis === "x") {
      const left = toX(line.at) + half > width;
      text(line.label, toX(line.at) + (left ? -4 : 4), plot.top + 2, {
        ground,
        align: left ? "right" : "left",
        baseline: "top",
      });
    } else {
      const under = toY(line.at) < plot.top + 16;
      text(line.label, plot.right - 2, toY(line.at) + (under ? 3 : -3), {
        ground,
        align: "right",
        baseline: under ? "top" : "bottom",
      });
    }
  }
  for (const band of bands.filter((entry) => entry.label && !entry.x)) {
    const across = band.axis === "x";
    const middle = across ? (toX(band.from) + toX(band.to)) / 2 : plot.left + 4;
    text(band.label, middle, across ? plot.bottom - 4 : toY(band.to) + 3, {
      ground,
      align: across ? "center" : "left",
      baseline: across ? "bottom" : "top",
    });
  }
  let lowest = -Infinity; // names at the ends are pushed down until none covers another
  const last = ({ y: values }) => values[values.length - 1];
  for (const curve of [...ends].sort((a, b) => last(b) - last(a))) {
    const at = Math.max(Math.min(Math.max(toY(last(curve)), plot.top), plot.bottom), lowest + 14);
    text(curve.label, plot.right + 6, at, { ink: colourOf(curve.colour), baseline: "middle" });
    lowest = at;
  }
  for (const [entry, left, row] of beneath) legendEntry(context, entry, 8 + left, height + 9 + 18 * row, ink);
  return { context, toX, toY, fromX, fromY, plot };
}

function drawCurve(context, { x, y, colour, dash, width, step, line }, toX, toY) {
  if (line === false) return;
  context.beginPath();
  let open = false; // a value that is no number leaves a gap
  for (let k = 0; k < x.length; k++) {
    if (!Number.isFinite(y[k]) || !Number.isFinite(x[k])) {
      open = false;
      continue;
    }
    if (open && step) context.lineTo(toX(x[k]), toY(y[k - 1]));
    if (open) context.lineTo(toX(x[k]), toY(y[k]));
    else context.moveTo(toX(x[k]), toY(y[k]));
    open = true;
  }
  context.strokeStyle = colourOf(colour);
  context.lineWidth = width;
  context.lineJoin = "round";
  context.setLineDash(cycle(DASHES, dash));
  context.stroke();
  context.setLineDash([]);
}

function drawPoints(context, curve, ink, toX, toY, plot) {
  const { x, y, colour, error, line } = curve;
  const shape = curve.mark ?? (line === false ? 0 : undefined);
  for (let k = 0; k < x.length; k++) {
    const [px, py] = [toX(x[k]), toY(y[k])];
    if (!(px >= plot.left - 1 && px <= plot.right + 1 && py >= plot.top - 1 && py <= plot.bottom + 1)) continue;
    if (error) errorBar(context, colourOf(colour), { at: x[k], to: y[k], error: error[k] }, toX, toY);
    if (shape !== undefined) mark(context, shape, px, py, { size: 4.5, colour });
  }
}

function errorBar(context, colour, { at, to, error, across }, toX, toY) {
  const ends = [to - error, to + error].map((value) => (across ? [toX(value), toY(at)] : [toX(at), toY(value)]));
  const [dx, dy] = across ? [0, 4] : [4, 0];
  context.beginPath();
  context.moveTo(...ends[0]);
  context.lineTo(...ends[1]);
  for (const [px, py] of ends) {
    context.moveTo(px - dx, py - dy);
    context.lineTo(px + dx, py + dy);
  }
  context.strokeStyle = colour;
  context.lineWidth = 1.4;
  context.stroke();
}

/** A piece of the curve, bar or band, and its name. */
function legendEntry(context, entry, x, y, ink) {
  context.fillStyle = context.strokeStyle = colourOf(entry.colour ?? (entry.low ? 7 : 0));
  if (entry.y) {
    if (entry.line !== false) {
      context.lineWidth = entry.width;
      context.setLineDash(cycle(DASHES, entry.dash));
      context.beginPath();
      context.moveTo(x, y);
      context.lineTo(x + 24, y);
      context.stroke();
      context.setLineDash([]);
    }
    const shape = entry.mark ?? (entry.line === false ? 0 : undefined);
    if (shape !== undefined) mark(context, shape, x + 12, y, { size: 4.5, colour: entry.colour });
  } else {
    context.globalAlpha = entry.low ? 0.3 : 1;
    context.fillRect(x + 2, y - 5, 20, 10);
    context.globalAlpha = 1;
  }
  word(context, entry.label, x + 29, y, { ink, baseline: "middle" });
}

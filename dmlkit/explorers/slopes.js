// Two slopes along the ray behind the own proxy, and the landscape along the line that they make.
//
// Explained in the chapter "Placing the minimum".

import { choice, decimals, onKey, presets, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { stage } from "./stage.js";
import { RAY, gapAt, lowestOf, minimaOf, pairOf } from "./slopes_arithmetic.js";

const KINDS = {
  plain: "plain: d twice",
  convex: "convex: d^(1 + s) twice",
  concave: "concave: d^(1 − s) twice",
  warped: "warped: 1 − s, then 1 + s",
  smooth: "warped, rounded",
  two: "two kinks, at r and 2r",
  outward: "half-warp: 1 − s, then 1",
  inward: "half-warp: 1, then 1 + s",
  both: "one S-curve twice",
};
const KNOBS = {
  separation: { symbol: "D", name: "D, distance of the two proxies", hint: "distance of the proxies", min: 0.5, max: 4, step: 0.1, digits: 1 },
  r: { symbol: "r", name: "r, where the slope changes", hint: "where the slope changes", min: 0.2, max: 3, step: 0.1, digits: 1 },
  strength: { symbol: "s", name: "s, strength: how far the slopes are from 1", hint: "how far from slope 1", min: 0.05, max: 0.95, step: 0.05 },
};
const SHOWN = 6;
const LEFT = -5;
const RIGHT = Array.from({ length: 181 }, (_, k) => Math.max(0.01, (SHOWN * k) / 180));
const LINE = Array.from({ length: 331 }, (_, k) => LEFT + (k * (SHOWN - LEFT)) / 330);
const TOPS = [2, 3, 5, 10, 20];
const lossOf = (g) => Math.max(g, 0) + Math.log1p(Math.exp(-Math.abs(g)));

/** Which knobs the kind does not listen to. */
const unheardBy = (kind) =>
  kind === "plain" ? " Neither r nor s plays a part here." : /^con/.test(kind) ? " r plays no part here." : "";

/** What happens to an embedding that walks downhill from anywhere on the line, in a sentence or two. */
function verdictOf({ kind, r, separation }, found, lowest) {
  const unheard = unheardBy(kind);
  if (found.fallsAtEnd)
    return `The own slope stays below the other's: downhill without end. The minimum is at infinity.${unheard}`;
  if (found.valleys.length) {
    const [from, to] = found.valleys[0];
    const reach = to === RAY.furthest ? `from ${decimals(from)} outward, without end` : `from ${decimals(from)} to ${decimals(to)}`;
    return `No point of attraction: the slopes agree, and a flat valley lies ${reach}.${unheard}`;
  }
  if (!found.minima.length) {
    const why = kind === "both" ? ` The slopes would meet at r − D/2 = ${decimals(r - separation / 2)}, before the ray begins.` : "";
    return `The own slope is above the other's: uphill at once. The minimum is the own proxy itself.${why}${unheard}`;
  }
  if (found.minima.length > 1) {
    const [inner, outer] = found.minima;
    const lower = lowest.ties.length > 1 ? "They are equally low" : `The ${lowest.at === inner ? "inner" : "outer"} one is the lower`;
    return `Two minima, at ${decimals(inner)} and ${decimals(outer)}. ${lower}; which one an embedding finds depends on where it starts.`;
  }
  const where = kind === "both" ? " This place moves with D: it is r − D/2." : " D does not move it.";
  return `One minimum, at ${decimals(found.minima[0])} behind the own proxy: there the own slope rises above the other's.${where}`;
}

/** Both slopes against t, the areas between them, and the places where the own one comes out on top. */
function drawSlopes(canvas, colours, [own, other], separation, found) {
  const mine = RIGHT.map(own.slope);
  const its = RIGHT.map((t) => other.slope(t + separation));
  const most = Math.max(...mine.slice(8), ...its);
  const between = (label, colour, part) => ({ x: RIGHT, low: its, high: its.map((slope, k) => part(mine[k], slope)), label, colour });
  const meet = found.minima.map((t) => other.slope(t + separation));
  return chart(canvas, {
    ...colours,
    height: 240,
    x: { from: 0, to: SHOWN, title: "t, distance behind the own proxy" },
    y: { from: 0, to: TOPS.find((top) => top >= most) ?? most, title: "slope (nats per unit of distance)" },
    bands: [between("downhill", 0, Math.min), between("uphill", 1, Math.max)],
    curves: [
      { x: RIGHT, y: mine, label: "own slope", colour: 2, dash: 0, width: 3 },
      { x: RIGHT, y: its, label: "other slope", colour: 7, dash: 1, width: 2 },
      { x: found.minima, y: meet, colour: 6, mark: 3, line: false },
    ],
    says:
      `Slopes against the distance behind the own proxy. At 0.5 the own one is ${decimals(own.slope(0.5))} and the other ` +
      `${decimals(other.slope(0.5 + separation))}, at 5 they are ${decimals(own.slope(5))} and ${decimals(other.slope(5 + separation))}. ` +
      (found.minima.length ? `The own one comes out on top at ${found.minima.map((t) => decimals(t)).join(" and ")}.` : "The own one nowhere comes out on top."),
  });
}

/** Round ends of an axis that hold all values. */
function ends(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const step = [0.5, 1, 2, 5, 10, 20, 50].find((one) => (high - low) / one <= 6) ?? 100;
  return { from: Math.floor(low / step - 1e-9) * step, to: Math.ceil(high / step + 1e-9) * step };
}

/** g or the loss along the line through both proxies, with its minima. */
function drawLine(canvas, colours, pair, { separation, view }, found) {
  const height = (x) => (view === "gap" ? gapAt(pair, separation, x) : lossOf(gapAt(pair, separation, x)));
  const values = LINE.map(height);
  const places = [...(found.atProxy && !found.valleys.length ? [0] : []), ...found.minima];
  const decades = { log: true, from: 10 ** Math.floor(Math.log10(Math.min(...values))), to: 10 ** Math.ceil(Math.log10(Math.max(...values))) };
  const curve = { x: LINE, y: values, colour: 0, dash: 0, width: 2.6 };
  return chart(canvas, {
    ...colours,
    height: 240,
    x: { from: LEFT, to: SHOWN, title: "place on the line (the own proxy is at 0)" },
    y: view === "gap" ? { ...ends(values), title: "g (nats)" } : { ...decades, title: "loss (nats)" },
    curves: [curve, { x: places, y: places.map(height), colour: 6, mark: 3, line: false }],
    bands: found.valleys.map(([from, to]) => ({ axis: "x", from, to: Math.min(to, SHOWN), colour: 6, label: "flat" })),
    lines: [
      { axis: "x", at: 0, label: "own", dash: 2 },
      { axis: "x", at: -separation, label: "other", dash: 2 },
    ],
    says:
      `${view === "gap" ? "g" : "The loss"} along the line through both proxies: ${decimals(height(-separation), 3)} at the other, ` +
      `${decimals(height(0), 3)} at the own one, ${decimals(height(SHOWN), 3)} at 6 behind it.`,
  });
}

function render({ model, el }) {
  const [slopes, line] = [sheet("Slopes along the ray"), sheet("The landscape along the line")];
  const settings = Object.fromEntries(Object.entries(KINDS).map(([kind, text]) => [text, { kind }]));
  return stage({
    model,
    el,
    name: "slopes",
    title: "two slopes place the minimum",
    keys: ["kind", ...Object.keys(KNOBS), "view"],
    picture: [slopes, line],
    panel: [
      presets("The two functions", settings, model),
      slider(KNOBS.separation, onKey(model, "separation")),
      slider(KNOBS.r, onKey(model, "r")),
      slider(KNOBS.strength, onKey(model, "strength")),
      choice("Along the line", [["gap", "g"], ["loss", "the loss"]], onKey(model, "view")),
    ],
    readout: { at: "lowest at t =", fall: "g falls by", loss: "loss there (nats)", force: "σ(g) there" },
    draw(state, colours) {
      const pair = pairOf(state);
      const found = minimaOf(pair, state.separation);
      const lowest = lowestOf(pair, state.separation, found);
      drawSlopes(slopes, colours, pair, state.separation, found);
      drawLine(line, colours, pair, state, found);
      const g = lowest?.gap;
      return {
        verdict: verdictOf(state, found, lowest),
        readout: {
          at: lowest ? lowest.ties.map((t) => decimals(t)).join(", ") : "∞",
          fall: lowest ? decimals(lowest.fall) : "—",
          loss: lowest ? decimals(lossOf(g), 3) : "—",
          force: lowest ? decimals(1 / (1 + Math.exp(-g)), 3) : "—",
        },
        found,
      };
    },
  });
}

export default { render };

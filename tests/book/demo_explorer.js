// An explorer for tests only: what the parts offer and no explorer of the book may use at the moment.

import { arrow } from "./canvas.js";
import { chart } from "./chart.js";
import { changeTo, onKey, player, sheet, slider } from "./controls.js";
import { onCircle, plane } from "./plane.js";
import { stage } from "./stage.js";

function render({ model, el }) {
  const [top, ends, bars] = ["Curves on logarithmic axes", "Curves with names at their ends", "Bars"].map(sheet);
  const field = plane({
    x: [-1.4, 1.4],
    y: [-1.2, 1.2],
    place: onCircle,
    move: (k, point) => changeTo(model, { points: model.get("points").map((old, j) => (j === k ? point : old)) }),
  });
  const grid = Array.from({ length: 41 }, (_, k) => 10 ** (k / 10 - 3));
  const end = stage({
    model,
    el,
    name: "demo_explorer",
    title: "the demo",
    keys: ["scale", "count", "turn", "points"],
    picture: [top, ends, bars, field],
    panel: [
      slider(
        { symbol: "σ", name: "sigma, scale", hint: "scale", min: 0.01, max: 100, log: true },
        onKey(model, "scale"),
      ),
      slider(
        { symbol: "n", name: "n, count", hint: "count", min: 1, max: 9, step: 1, digits: 0, unit: "points" },
        onKey(model, "count"),
      ),
      player(() => {
        changeTo(model, { turn: model.get("turn") + 1 });
        return model.get("turn") < 20;
      }),
    ],
    readout: { turn: "steps taken" },
    draw({ scale, count, turn, points }, colours) {
      const curve = (power) => grid.map((x) => (x / scale) ** power);
      chart(top, {
        ...colours,
        x: { from: 1e-3, to: 10, log: true, title: "distance" },
        y: { from: 1e-6, to: 1e2, log: true, title: "loss (nats)" },
        curves: [1, 2, 3].map((power) => ({ x: grid, y: curve(power), label: `power ${power}` })),
        bands: [{ x: grid, low: curve(2), high: curve(1), label: "between" }],
        lines: [
          { axis: "x", at: 1, label: "one" },
          { axis: "y", at: 0.01, label: "a hundredth" },
        ],
      });
      const steps = Array.from({ length: 6 }, (_, k) => k);
      chart(ends, {
        ...colours,
        height: 180,
        x: { from: 0, to: 5, title: "epoch" },
        y: { from: 0, to: 1, title: "recall at 1" },
        legend: "ends",
        curves: [
          { x: steps, y: steps.map((k) => k / 6), error: steps.map(() => 0.06), mark: 0, label: "ours" },
          { x: steps, y: steps.map((k) => k / 6.2), step: true, label: "theirs" },
          { x: steps, y: [0.5, 0.4, NaN, 0.6, 0.5, 0.2], line: false, mark: 2, label: "points" },
        ],
        bands: [{ axis: "x", from: 2, to: 3, label: "warm-up" }],
      });
      chart(bars, {
        ...colours,
        height: 150,
        x: { from: 0.4, to: count + 0.6, title: "class" },
        y: { from: -1, to: 1, title: "mean s" },
        bars: steps
          .slice(0, count)
          .map((k) => ({ at: k + 1, to: Math.cos(k + turn / 9), colour: k, error: 0.1, chosen: k === 1 })),
      });
      const { context, to } = field.begin({ ...colours, circle: true });
      arrow(context, to([0, 0]), to(points[0]), { colour: 3, width: 3, longest: 60 });
      field.fixed([[0.3, 0.3]], { labels: [6], names: () => "proxy" });
      field.points(points, { labels: points.map((_, k) => k), chosen: 0 });
      return { verdict: turn ? "It moves." : "It stands still.", readout: { turn: String(turn) }, turn };
    },
  });
  el.takeDown = end;
  return end;
}

export default { render };

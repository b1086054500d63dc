// The silhouette of batches beside that of the data set they are drawn from: bias, spread, and who counts.
//
// Explained in the chapter "Mini-batches: an estimate of an estimate".

import { MARKERS, PALETTE, cycle, fit, mark, word } from "./canvas.js";
import { changeTo, describe, element, player, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { POINTS, batchSeries, summaryOf } from "./batches_arithmetic.js";
import { stage } from "./stage.js";

const MOST_DRAWS = 2000;
// What a new setting draws at once, at most: so many batches, and so many images, to be done within a frame.
const [KEPT_DRAWS, KEPT_IMAGES] = [100, 12800];
const [LEFT, RIGHT, BINS] = [-1, 1, 80];
const signed = (value, digits = 3) => value.toFixed(digits).replace("-", "−");
const roundedText = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));

/** Class c has colour c and mark c; from the ninth on, colours come again with other marks. */
const lookOf = (c) => ({ colour: c % PALETTE.length, shape: (c + Math.floor(c / PALETTE.length)) % MARKERS.length });

/** The data set as a faint ring, the latest batch in strong marks. */
function drawRing(canvas, { ink, ground }, { set }, latest) {
  const { context, width, height } = fit(canvas, Math.min(260, canvas.clientWidth));
  const [middleX, middleY, radius] = [width / 2, height / 2, height / 2 - 8];
  // Spread over the ring's breadth, so that points do not hide one another; only the angle counts.
  const place = (i) => {
    const out = radius * (0.74 + 0.26 * ((i * 0.618034) % 1));
    return [middleX + out * set.x[i], middleY - out * set.y[i]];
  };
  context.globalAlpha = 0.4;
  for (let c = 0; c < set.classes; c++) {
    context.beginPath();
    for (let i = set.begins[c]; i < set.begins[c + 1]; i++) {
      const [px, py] = place(i);
      context.rect(px - 1, py - 1, 2, 2);
    }
    context.fillStyle = cycle(PALETTE, c);
    context.fill();
  }
  context.globalAlpha = 1;
  for (const i of latest.rows) {
    const { colour, shape } = lookOf(set.labels[i]);
    mark(context, shape, ...place(i), { size: latest.rows.length > 160 ? 3 : 5, colour });
  }
  const text = { ink, ground, align: "center", baseline: "middle" };
  word(context, "latest batch", middleX, middleY - 12, text);
  word(context, Number.isNaN(latest.mean) ? "no silhouette" : signed(latest.mean, 2), middleX, middleY + 10, {
    ...text,
    font: "600 17px system-ui, sans-serif",
  });
}

function drawHistogram(canvas, colours, { values, mean, error }, whole, says) {
  const counts = new Array(BINS).fill(0);
  const wide = (RIGHT - LEFT) / BINS;
  for (const value of values) counts[Math.min(BINS - 1, Math.max(0, Math.floor((value - LEFT) / wide)))] += 1;
  const most = Math.max(5, ...counts);
  const known = values.length > 1;
  chart(canvas, {
    ...colours,
    height: 190,
    x: { from: LEFT, to: RIGHT, title: "silhouette of a batch" },
    y: { from: 0, to: most * 1.22, title: "batches" },
    bars: counts.flatMap((to, k) => (to ? [{ at: LEFT + (k + 0.5) * wide, to, width: 0.92 * wide, colour: 5 }] : [])),
    bands: known ? [{ axis: "x", from: mean - 2 * error, to: mean + 2 * error, colour: 1 }] : [],
    lines: [
      { axis: "x", at: whole, label: "data set", dash: 0 },
      ...(known ? [{ axis: "x", at: mean, colour: 1, dash: 1 }] : []),
    ],
    says,
  });
}

/** What the draws say, in a sentence: chance, too low, too high, or nothing. */
function batchVerdict(summary, { plan, whole }, count, classes) {
  const { values, mean, error, present } = summary;
  const silent = count - values.length;
  if (!values.length) return "No image has a companion of its class in the batch: there is no silhouette.";
  if (values.length < 2)
    return `One batch says ${signed(mean, 2)}, the data set ${signed(whole, 2)}. Chance, or more than that? Draw more.`;
  const gap = mean - whole;
  const away = `${signed(Math.abs(gap))} ± ${signed(2 * error)}`;
  const note = silent ? ` ${silent} batches had no silhouette at all.` : "";
  if (Math.abs(gap) < 2 * error) return `No bias to be told from chance: mean and data set differ by ${away}.${note}`;
  if (gap < 0) {
    const few = plan.random ? "Small classes in a batch" : `${plan.each} images a class`;
    return `Too low by ${away}. ${few} make noisy distances, and the minimum over classes picks the unlucky ones.${note}`;
  }
  if (present > classes - 0.05)
    return `Too high by ${away}, and no class is missing: noise in a lifts s where an image lies nearer to another class.${note}`;
  const shown = `${roundedText(present)} of ${classes} classes`;
  return `Too high by ${away}. A batch shows ${shown}: the nearest other class is often not there.${note}`;
}

function render({ model, el }) {
  const ring = sheet("The data set and the latest batch");
  const histogram = sheet("Silhouettes of the batches");
  let [series, shownFor] = [null, ""];

  // A new setting starts its own draws, as many as there were, so that two settings can be compared at once.
  const restart = (values) => {
    const { batch = model.get("batch") } = values;
    changeTo(model, { ...values, draws: Math.min(model.get("draws"), KEPT_DRAWS, KEPT_IMAGES / batch) });
  };
  const draw = (more) => {
    const draws = Math.min(MOST_DRAWS, model.get("draws") + more);
    changeTo(model, { draws });
    return draws < MOST_DRAWS;
  };
  const play = player(() => draw(1));
  const hundred = element("button", { type: "button", "aria-label": "Draw 100 batches" }, "+100");
  hundred.addEventListener("click", () => draw(100));
  play.node.append(hundred);

  return stage({
    model,
    el,
    name: "batches",
    title: "the silhouette of a batch",
    keys: ["batch", "images", "classes", "draws"],
    picture: [ring, histogram],
    panel: [
      slider(
        { symbol: "B", name: "B, images in a batch", hint: "images in a batch", min: 3, max: 9, step: 1, format: (v) => 2 ** v },
        { value: ({ batch }) => Math.log2(batch), change: (v) => restart({ batch: 2 ** v }) },
      ),
      slider(
        {
          symbol: "m",
          name: "m, images per class in a batch",
          hint: "images per class",
          min: 0,
          max: 5,
          step: 1,
          format: (v) => (v ? 2 ** v : "random"),
        },
        {
          value: ({ images }) => (images ? Math.log2(images) : 0),
          change: (v) => restart({ images: v ? 2 ** v : 0 }),
        },
      ),
      slider(
        { symbol: "C", name: "C, classes in the data set", hint: "classes in the data set", min: 2, max: 24, step: 1, digits: 0 },
        { value: ({ classes }) => classes, change: (classes) => restart({ classes }) },
      ),
      play,
    ],
    readout: {
      whole: "data set",
      mean: "mean of batches",
      spread: "standard deviation",
      draws: "batches drawn",
      made: "a batch is",
      counted: "anchors that count",
    },
    draw({ batch, images, classes, draws }, colours) {
      const setting = { batch, images, classes };
      if (shownFor !== JSON.stringify(setting)) [series, shownFor] = [batchSeries(setting), JSON.stringify(setting)];
      const drawn = series.upTo(draws);
      const summary = summaryOf(drawn, series.plan.size);
      const verdict = batchVerdict(summary, series, draws, classes);
      const { plan, whole } = series;
      const made = plan.random ? `${batch} at random` : `${plan.perBatch} classes × ${plan.each}`;
      const latest = drawn[drawn.length - 1];
      drawRing(ring, colours, series, latest);
      describe(ring, `${POINTS} points of ${classes} classes on a circle; the latest batch is ${made}, silhouette ${signed(latest.mean, 2)}.`);
      drawHistogram(histogram, colours, summary, whole, `Silhouettes of ${draws} batches, each ${made}. ${verdict}`);
      const { mean, error, spread, counted, values } = summary;
      return {
        verdict,
        readout: {
          whole: signed(whole),
          mean: values.length > 1 ? `${signed(mean)} ± ${signed(error)}` : values.length ? signed(mean) : "–",
          spread: Number.isNaN(spread) ? "–" : signed(spread),
          draws: String(draws),
          made,
          counted: `${Math.round(100 * counted)} %`,
        },
        summary,
        whole,
      };
    },
  });
}

export default { render };

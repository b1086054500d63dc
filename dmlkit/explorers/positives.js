// How many rows of a batch have a partner of their own class: what a pairwise loss can learn from.
//
// Explained in the chapter "Then why does it work better?".

import { changeTo, decimals, presets, sheet, slider } from "./controls.js";
import { chart } from "./chart.js";
import { aloneAtRandom, partnersOf } from "./positives_arithmetic.js";
import { stage } from "./stage.js";

const KNOBS = {
  batch: { symbol: "N", name: "N, rows in a batch", hint: "rows in a batch", min: 8, max: 1024, log: true, step: Math.log10(128) / 42 },
  classes: { symbol: "C", name: "C, classes in the data", hint: "classes in the data", min: 2, max: 20000, log: true },
  images: { symbol: "m", name: "m, images per class in a batch", hint: "images per class", min: 1, max: 32 },
};
// Training classes and batch sizes as paper M has them; a test holds the numbers of classes to the catalogue.
const PRESETS = {
  "CUB, 128 at random": { batch: 128, classes: 100, images: 1 },
  "In-Shop, 128 at random": { batch: 128, classes: 3997, images: 1 },
  "SOP, 128 at random": { batch: 128, classes: 11318, images: 1 },
  "SOP, 1000 at random": { batch: 1000, classes: 11318, images: 1 },
  "SOP, 128 as 32 classes × 4": { batch: 128, classes: 11318, images: 4 },
  "CUB, 80 as 20 classes × 4": { batch: 80, classes: 100, images: 4 },
  "Fashion-MNIST, 128 at random": { batch: 128, classes: 10, images: 1 },
};
const SIZES = Array.from({ length: 106 }, (_, k) => 8 * 2 ** (k / 15));
const [ALONE, PAIRED] = [6, 0];

const thousands = (value) => String(value).replace(/\B(?=(\d{3})+$)/g, ",");
const about = (value) =>
  value < 9.95 && !Number.isInteger(value) ? decimals(value, 1) : thousands(Math.round(value));
const percent = (share) => (share > 0 && share < 0.001 ? "< 0.1 %" : `${decimals(100 * share, 1)} %`);

/** Who teaches whom what, in two or three sentences. */
function verdictOf({ classes }, { random, rows, groups, each, chances, alone, noPair }) {
  const all = `A classifier has a term for all ${thousands(rows)}.`;
  if (!random) {
    const rest = groups < classes ? `, but it shows ${thousands(groups)} of ${thousands(classes)} classes at a time` : "";
    if (each === 1) return `No row has a partner: too few rows for two of each class. ${all}`;
    if (groups === 1) return `All ${rows} rows are of one class: nothing to push away. ${all}`;
    return `Every row has ${thousands(each - 1)} ${each === 2 ? "partner" : "partners"}: the sampler has seen to it${rest}. ${all}`;
  }
  const taught = rows * (1 - alone);
  const few = `On average ${about(taught)} of ${thousands(rows)} rows have a partner`;
  if (alone > 0.9) {
    const none = noPair > 0.01 ? `, and ${percent(noPair)} of such batches have no pair at all` : "";
    return `${few}${none}. The others can only be pushed away, or teach a pairwise loss nothing. ${all}`;
  }
  if (alone > 0.02) return `${few}; for the other ${about(rows - taught)} a pairwise loss has nobody to draw nearer. ${all}`;
  const typical = chances.reduce((sum, chance, k) => sum + k * chance, 0);
  return `${few}, about ${about(typical)} each: random draws are enough here. ${all}`;
}

/** The chance of k partners, as bars; where nearly all of it lies. */
function drawPartners(canvas, colours, { chances, alone }) {
  const mean = chances.reduce((sum, chance, k) => sum + k * chance, 0);
  const spread = Math.sqrt(Math.max(1, mean));
  const from = mean > 40 ? Math.max(0, Math.floor(mean - 5 * spread)) : 0;
  const to = Math.max(6, Math.ceil(mean + 5 * spread));
  const bars = [];
  for (let k = from; k <= Math.min(to, chances.length - 1); k++) {
    if (chances[k] > 1e-6) bars.push({ at: k, to: chances[k], width: 0.8, colour: k === 0 ? ALONE : PAIRED });
  }
  // Partners are counted: whole numbers only, also where the axis has room for halves.
  const apart = [1, 2, 5, 10, 20, 50, 100, 200].find((step) => (to - from) / step <= 8) ?? 500;
  const whole = Array.from({ length: to - from + 1 }, (_, k) => from + k).filter((k) => k % apart === 0);
  const ticks = whole.map((k) => [k, String(k)]);
  const most = Math.max(...chances);
  chart(canvas, {
    ...colours,
    height: 210,
    x: { from: from - 0.7, to: to + 0.7, title: "partners of an anchor, k", ticks },
    y: { from: 0, to: most > 0.5 ? 1 : 1.15 * most, title: "probability" },
    bars,
    lines: alone > 0.001 && from === 0 ? [{ at: alone, label: `none: ${percent(alone)}`, colour: ALONE, dash: 1 }] : [],
    legend: "none",
    says:
      `Bars: the probability that an anchor has k partners. None: ${percent(alone)}; on average ` +
      `${decimals(mean, 2)} partners.`,
  });
}

/** The share of anchors without a partner against the size of the batch. */
function drawAlone(canvas, colours, { batch, classes }, { random, alone }) {
  const atRandom = { x: SIZES, y: SIZES.map((size) => aloneAtRandom(size, classes)), colour: ALONE, dash: 0 };
  const curves = [{ ...atRandom, label: "random draws" }];
  if (!random) curves.push({ x: [8, 1024], y: [alone, alone], colour: PAIRED, dash: 1, label: "this sampler" });
  curves.push({ x: [batch], y: [alone], colour: random ? ALONE : PAIRED, mark: random ? 0 : 1, line: false });
  chart(canvas, {
    ...colours,
    height: 210,
    x: { from: 8, to: 1024, log: true, title: "rows in a batch, N", ticks: [8, 32, 128, 512].map((n) => [n, String(n)]) },
    y: { from: 0, to: 1, title: "anchors without a partner (share)" },
    curves,
    lines: classes >= 8 && classes <= 1024 ? [{ axis: "x", at: classes, label: "N = C", dash: 2 }] : [],
    says:
      `The share of anchors without a partner against the size of the batch, for ${thousands(classes)} classes. At ` +
      `${thousands(batch)} rows it is ${percent(alone)}${random ? "" : `; random draws would leave ${percent(aloneAtRandom(batch, classes))}`}.`,
  });
}

function render({ model, el }) {
  const [partners, alone] = [sheet("Partners of an anchor"), sheet("Anchors without a partner")];
  // Whole numbers on a slider of even steps in the logarithm: a step that rounds back to where it began goes on by one.
  const whole = (key) => ({
    value: (state) => state[key],
    change(value) {
      const now = model.get(key);
      const rounded = Math.round(value);
      changeTo(model, { [key]: rounded === now ? now + Math.sign(Number(value.toFixed(3)) - now) : rounded });
    },
  });
  return stage({
    model,
    el,
    name: "positives",
    title: "who has a partner",
    keys: Object.keys(KNOBS),
    picture: [partners, alone],
    panel: [
      presets("Data and batch", PRESETS, model),
      slider({ ...KNOBS.batch, format: thousands }, whole("batch")),
      slider({ ...KNOBS.classes, format: thousands }, whole("classes")),
      slider(
        { ...KNOBS.images, min: 0, max: 5, step: 1, format: (power) => (power ? String(2 ** power) : "random") },
        {
          value: ({ images }) => Math.log2(images),
          change: (power) => changeTo(model, { images: 2 ** power }),
        },
      ),
    ],
    readout: {
      taught: "rows with a partner",
      pairs: "positive pairs",
      share: "of all pairs",
      present: "classes in the batch",
      noPair: "batches without a pair",
    },
    draw(state, colours) {
      const found = partnersOf(state);
      const { rows, pairs, present, noPair } = found;
      drawPartners(partners, colours, found);
      drawAlone(alone, colours, state, found);
      return {
        verdict: verdictOf(state, found),
        readout: {
          taught: `${about(rows * (1 - found.alone))} of ${thousands(rows)}`,
          pairs: about(pairs),
          share: rows > 1 ? percent(pairs / ((rows * (rows - 1)) / 2)) : "–",
          present: about(present),
          noPair: percent(noPair),
        },
        alone: found.alone,
        pairs,
      };
    },
  });
}

export default { render };

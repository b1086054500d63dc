// Batches drawn from a fixed set of points on the unit circle, and the silhouette that each batch has of itself.
// Paper S, "Mini-batch estimation". Tests hold the points and the silhouettes to dmlkit to 1e-9.

export const POINTS = 960;
export const SCALE = 0.13; // of the logistic distribution of a class's angles, in radians

/** All points: cosines `x`, sines `y`, their class, and where each class begins (one entry more than classes). */
export function dataSet(classes) {
  const [x, y, labels] = [new Float64Array(POINTS), new Float64Array(POINTS), new Int32Array(POINTS)];
  const begins = Int32Array.from({ length: classes + 1 }, (_, c) => Math.floor((c * POINTS) / classes));
  for (let c = 0; c < classes; c++) {
    const size = begins[c + 1] - begins[c];
    for (let k = 0; k < size; k++) {
      // Quantiles instead of random numbers: the same points in every browser, and in Python.
      const share = (k + 0.5) / size;
      const angle = (2 * Math.PI * c) / classes + SCALE * Math.log(share / (1 - share));
      x[begins[c] + k] = Math.cos(angle);
      y[begins[c] + k] = Math.sin(angle);
      labels[begins[c] + k] = c;
    }
  }
  return { x, y, labels, begins, classes };
}

/** The numbers of all points of a data set. */
export const everyRow = ({ labels }) => Int32Array.from(labels.keys());

/**
 * The mean silhouette of the points `rows` among themselves (cosine distance), how many of them count, and how many
 * classes are present. A point alone in its class does not count, as in dmlkit's soft silhouette; with no point that
 * counts, or one class only, the mean is NaN.
 */
export function batchSilhouette({ x, y, labels, classes }, rows) {
  const [sumX, sumY, sizes] = [new Float64Array(classes), new Float64Array(classes), new Int32Array(classes)];
  for (let k = 0; k < rows.length; k++) {
    const c = labels[rows[k]];
    sumX[c] += x[rows[k]];
    sumY[c] += y[rows[k]];
    sizes[c] += 1;
  }
  let present = 0;
  const [there, meanX, meanY] = [new Int32Array(classes), new Float64Array(classes), new Float64Array(classes)];
  for (let c = 0; c < classes; c++) {
    if (sizes[c] === 0) continue;
    there[present] = c;
    meanX[present] = sumX[c] / sizes[c];
    meanY[present] = sumY[c] / sizes[c];
    present += 1;
  }
  if (present < 2) return { mean: NaN, anchors: 0, present };
  let total = 0;
  let anchors = 0;
  for (let k = 0; k < rows.length; k++) {
    const i = rows[k];
    const own = labels[i];
    if (sizes[own] < 2) continue;
    let nearest = -Infinity; // the largest product with another class's mean: its distance is the smallest
    for (let p = 0; p < present; p++) {
      const product = x[i] * meanX[p] + y[i] * meanY[p];
      if (product > nearest && there[p] !== own) nearest = product;
    }
    const a = Math.max(0, 1 - (x[i] * sumX[own] + y[i] * sumY[own] - 1) / (sizes[own] - 1));
    const b = Math.max(0, 1 - nearest);
    const larger = Math.max(a, b);
    total += larger > 1e-14 ? (b - a) / larger : 0;
    anchors += 1;
  }
  return { mean: anchors ? total / anchors : NaN, anchors, present };
}

/** What a batch is made of: `each` images of `perBatch` classes, or, for images = 0, any `batch` images. */
export function planOf({ batch, images, classes }) {
  if (!images) return { random: true, size: batch };
  const perBatch = Math.min(classes, Math.max(2, Math.floor(batch / images)));
  const each = Math.floor(batch / perBatch);
  return { random: false, perBatch, each, size: perBatch * each };
}

/** Numbers in [0, 1), the same ones for the same seed (mulberry32). */
export function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Bring a random choice of `count` entries of `pool`, from place `first` to before `last`, to its front. */
function shuffleFront(pool, first, last, count, random) {
  for (let k = first; k < first + count; k++) {
    const other = k + Math.floor(random() * (last - k));
    const moved = pool[k];
    pool[k] = pool[other];
    pool[other] = moved;
  }
}

/** What draws one batch after the other, as row numbers, none twice in a batch. */
export function sampler({ labels, begins, classes }, plan, random) {
  // Shuffled again and again in place: what order a shuffle begins with does not matter.
  const [rows, order] = [Int32Array.from(labels.keys()), Int32Array.from(begins.keys()).subarray(0, classes)];
  return () => {
    if (plan.random) {
      shuffleFront(rows, 0, rows.length, plan.size, random);
      return rows.slice(0, plan.size);
    }
    const batch = new Int32Array(plan.size);
    shuffleFront(order, 0, classes, plan.perBatch, random);
    for (let k = 0; k < plan.perBatch; k++) {
      const [first, last] = [begins[order[k]], begins[order[k] + 1]];
      shuffleFront(rows, first, last, plan.each, random);
      batch.set(rows.subarray(first, first + plan.each), k * plan.each);
    }
    return batch;
  };
}

/** Batches of one setting, one after the other: always the same ones, in whatever steps they are asked for. */
export function batchSeries(setting) {
  const set = dataSet(setting.classes);
  const plan = planOf(setting);
  const draw = sampler(set, plan, generator(1 + setting.batch + 1024 * setting.images + 65536 * setting.classes));
  const drawn = [];
  const upTo = (count) => {
    while (drawn.length < count) {
      const rows = draw();
      drawn.push({ ...batchSilhouette(set, rows), rows });
    }
    return drawn.slice(0, count);
  };
  return { set, plan, upTo, whole: batchSilhouette(set, everyRow(set)).mean };
}

/** What draws have in common: means over them; of the silhouette over those that have one. */
export function summaryOf(draws, size) {
  const values = draws.map(({ mean }) => mean).filter((value) => !Number.isNaN(value));
  const meanOf = (all) => all.reduce((sum, value) => sum + value, 0) / all.length;
  const mean = values.length ? meanOf(values) : NaN;
  const spread = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1));
  return {
    values,
    mean,
    spread: values.length > 1 ? spread : NaN,
    error: values.length > 1 ? spread / Math.sqrt(values.length) : NaN,
    counted: meanOf(draws.map(({ anchors }) => anchors)) / size,
    present: meanOf(draws.map(({ present }) => present)),
  };
}

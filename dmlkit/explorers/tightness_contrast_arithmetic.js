// Tightness and contrast of five losses (paper M, table 2, sums over j: y_j = y_i with j = i): plain numbers in and out.
// Tests hold them against dmlkit.losses.tightness and dmlkit.losses.contrast to 1e-9.

/** Margin, temperature σ, α and β and the cosine of multi-similarity's margin, λ: those of the explorer. */
export const FIXED = { margin: 1, temperature: 0.1, alpha: 2, beta: 50, cosine: 0.5, lam: 0.1 };
/** The classes of the explorer: A moves, B and C stand still; four points each, B and C within ± 12°. */
export const SCENE = { b: 210, c: 330, width: 12, each: 4 };

const dotOf = (p, q) => p.reduce((sum, value, k) => sum + value * q[k], 0);
const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** log Σ e^x without overflow; −∞ of nothing. */
export function logSumExp(values) {
  const top = Math.max(...values);
  if (top === -Infinity) return top;
  return top + Math.log(values.reduce((sum, value) => sum + Math.exp(value - top), 0));
}

/** The sum of the points of each class. */
function sumsOf(points, labels, classes) {
  const sums = Array.from({ length: classes }, () => points[0].map(() => 0));
  points.forEach((point, i) => point.forEach((value, k) => (sums[labels[i]][k] += value)));
  return sums;
}

/** θ_k = 1/(λn) Σ z_i over class k: the best classifier for the f₁ of proposition 1, with no bias. */
export const classifierOf = (points, labels, classes, lam) =>
  sumsOf(points, labels, classes).map((sum) => sum.map((value) => value / (lam * points.length)));

/** { tightness, contrast }, each with one number for center, contrastive, snca, multi_similarity, pairwise_cross_entropy. */
export function partsOf(points, labels, weight, setting) {
  const { margin, temperature, alpha, beta, cosine, lam } = setting;
  const n = points.length;
  const all = points.map((_, i) => i);
  const counts = weight.map((_, k) => labels.filter((label) => label === k).length);
  const means = sumsOf(points, labels, weight.length).map((sum, k) => sum.map((value) => value / counts[k]));
  const squares = (p, q) => p.reduce((sum, value, k) => sum + (value - q[k]) ** 2, 0);
  const lengths = points.map((point) => Math.hypot(...point));
  const cos = all.map((i) => all.map((j) => dotOf(points[i], points[j]) / (lengths[i] * lengths[j])));
  const own = (i) => all.filter((j) => labels[j] === labels[i]);
  const others = (i) => all.filter((j) => labels[j] !== labels[i]);

  const logP = points.map((point) => {
    const logits = weight.map((theta) => dotOf(theta, point));
    const total = logSumExp(logits);
    return logits.map((logit) => logit - total);
  });
  const softMeans = weight.map((_, k) =>
    points[0].map((_, axis) => meanOf(all.map((i) => Math.exp(logP[i][k]) * points[i][axis]))),
  );
  const total = (values) => values.reduce((sum, value) => sum + value, 0);
  return {
    tightness: {
      center: total(all.map((i) => squares(points[i], means[labels[i]]))) / 2,
      contrastive: meanOf(all.map((i) => total(own(i).map((j) => squares(points[i], points[j]))))),
      snca: -meanOf(all.map((i) => logSumExp(own(i).map((j) => cos[i][j] / temperature)))),
      multi_similarity: meanOf(all.map((i) => logSumExp([0, ...own(i).map((j) => -alpha * (cos[i][j] - cosine))]) / alpha)),
      pairwise_cross_entropy: -meanOf(all.map((i) => total(own(i).map((j) => dotOf(points[i], points[j]))))) / (2 * lam * n),
    },
    contrast: {
      center: -meanOf(all.map((i) => logP[i][labels[i]])),
      contrastive: meanOf(
        all.map((i) => total(others(i).map((j) => Math.max(0, margin - Math.sqrt(squares(points[i], points[j]))) ** 2))),
      ),
      snca: meanOf(all.map((i) => logSumExp(all.filter((j) => j !== i).map((j) => cos[i][j] / temperature)))),
      multi_similarity: meanOf(all.map((i) => logSumExp([0, ...others(i).map((j) => beta * (cos[i][j] - cosine))]) / beta)),
      pairwise_cross_entropy:
        meanOf(points.map((point) => logSumExp(softMeans.map((mean) => dotOf(mean, point) / lam)))) -
        total(softMeans.map((mean) => dotOf(mean, mean))) / (2 * lam),
    },
  };
}

/** Tightness in the unit of the contrastive loss's, by lemma 1's own constants: n rows in K classes of M. */
export function inOneUnit(tightness, { temperature, alpha, cosine, lam }, n, classes) {
  const members = n / classes;
  const { center, contrastive, snca, multi_similarity, pairwise_cross_entropy } = tightness;
  return {
    snca: 2 * temperature * members * (snca + Math.log(members) + 1 / temperature),
    center: (4 / classes) * center,
    contrastive,
    pairwise_cross_entropy: 4 * lam * n * (pairwise_cross_entropy + 1 / (2 * lam * classes)),
    multi_similarity: 2 * members * (multi_similarity - Math.log(members) / alpha - cosine + 1),
  };
}

/** Twelve points: A's middle `gap` degrees from B's, its outer points `spread` degrees from its middle, all of a length. */
export function sceneOf({ gap, spread, length }, width = SCENE.width) {
  const offsets = Array.from({ length: SCENE.each }, (_, k) => (2 * k) / (SCENE.each - 1) - 1);
  const middles = [SCENE.b - gap, SCENE.b, SCENE.c];
  const points = middles.flatMap((middle, k) =>
    offsets.map((offset) => {
      const turn = ((middle + offset * (k ? width : spread)) * Math.PI) / 180;
      return [length * Math.cos(turn), length * Math.sin(turn)];
    }),
  );
  return { points, labels: middles.flatMap((_, k) => offsets.map(() => k)) };
}

/** The two ends of the contrasts' scale: three classes as points 120° apart (0), and everything in one point (1). */
function scaleEnds() {
  const ideal = sceneOf({ gap: 120, spread: 0, length: 1 }, 0);
  const alone = ideal.points.map(() => [1, 0]);
  return [ideal.points, alone].map(
    (points) => partsOf(points, ideal.labels, classifierOf(points, ideal.labels, 3, FIXED.lam), FIXED).contrast,
  );
}

const SCALE_ENDS = scaleEnds();

/** Contrasts as shares of the way from the ideal layout (0) to everything in one point (1). */
export function onOneScale(contrast) {
  const [low, high] = SCALE_ENDS;
  return Object.fromEntries(
    Object.entries(contrast).map(([name, value]) => [name, (value - low[name]) / (high[name] - low[name])]),
  );
}

/** The closest two points of different classes: [i, j, distance]. */
export function closestOf(points, labels) {
  let found = [0, 0, Infinity];
  for (let i = 0; i < points.length; i++)
    for (let j = 0; j < i; j++) {
      const apart = Math.hypot(points[i][0] - points[j][0], points[i][1] - points[j][1]);
      if (labels[i] !== labels[j] && apart < found[2]) found = [j, i, apart];
    }
  return found;
}

/** All that the explorer shows for a setting of its knobs. */
export function measure(state) {
  const { points, labels } = sceneOf(state);
  const weight = classifierOf(points, labels, 3, FIXED.lam);
  const parts = partsOf(points, labels, weight, FIXED);
  // A 10° nearer to B, at the classifier of now: which contrasts would feel it?
  const nearer = sceneOf({ ...state, gap: state.gap - 10 });
  const contrast = onOneScale(parts.contrast);
  const then = onOneScale(partsOf(nearer.points, labels, weight, FIXED).contrast);
  return {
    points,
    labels,
    tightness: inOneUnit(parts.tightness, FIXED, points.length, 3),
    contrast,
    felt: Object.fromEntries(Object.keys(contrast).map((name) => [name, then[name] - contrast[name]])),
    closest: closestOf(points, labels),
  };
}

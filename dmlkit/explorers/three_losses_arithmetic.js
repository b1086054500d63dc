// Cross-entropy, SPCE and PCE of labelled points of the plane, and their slopes by the points (paper M, eqs. 12, 13, 15).
// Tests hold values and slopes against dmlkit and its autograd to 1e-9.
//
// The classifier has no bias. It is a function of the points: so many steps of gradient descent on cross-entropy, from
// zero. To the slopes by the points it is a constant, and so are the probabilities that it gives to PCE.

/** As long as every class that there is has a point, the classes of the batch are those of the softmax. */
export const CLASSES = 3;

const dot = ([a, b], [c, d]) => a * c + b * d;
const zeros = () => Array.from({ length: CLASSES }, () => [0, 0]);
const add = (into, [x, y], factor) => {
  into[0] += factor * x;
  into[1] += factor * y;
};

/** Log-sum-exp of a row, and its softmax. */
function softmax(row) {
  const most = Math.max(...row);
  const sum = row.reduce((total, value) => total + Math.exp(value - most), 0);
  const log = most + Math.log(sum);
  return { log, shares: row.map((value) => Math.exp(value - log)) };
}

/** Softmax rows of points under a classifier. */
export const probabilitiesAt = (points, weights) =>
  points.map((point) => softmax(weights.map((weight) => dot(point, weight))));

/** 1/n Σ shares_ik z_i for each class: the soft sums c_k, or with one-hot shares the hard sums h_k. */
export function sumsOf(points, shares) {
  const found = zeros();
  points.forEach((point, i) => shares[i].forEach((share, k) => add(found[k], point, share / points.length)));
  return found;
}

const oneHot = (labels) => labels.map((label) => Array.from({ length: CLASSES }, (_, k) => Number(k === label)));

/** Squared length of the gradient of cross-entropy by the classifier: soft sums less hard sums. */
export function misfitOf(soft, hard) {
  return soft.reduce((total, [x, y], k) => total + (x - hard[k][0]) ** 2 + (y - hard[k][1]) ** 2, 0);
}

/** Cross-entropy with a classifier, and its slopes by the points. */
export function crossEntropyAt(points, labels, weights) {
  const n = points.length;
  const rows = probabilitiesAt(points, weights);
  const loss = rows.reduce((total, { log }, i) => total + log - dot(points[i], weights[labels[i]]), 0) / n;
  const slopes = rows.map(({ shares }, i) => {
    const slope = [0, 0];
    shares.forEach((share, k) => add(slope, weights[k], (share - Number(k === labels[i])) / n));
    return slope;
  });
  return { loss, slopes };
}

/** So many steps of gradient descent on cross-entropy from zero, at the rate 2/mean ‖z‖², at which it never rises. */
export function classifierOf(points, labels, steps) {
  const weights = zeros();
  const square = points.reduce((total, point) => total + dot(point, point), 0) / points.length;
  if (!(square > 0)) return weights;
  const hard = sumsOf(points, oneHot(labels));
  for (let step = 0; step < steps; step++) {
    const soft = sumsOf(points, probabilitiesAt(points, weights).map(({ shares }) => shares));
    weights.forEach((weight, k) => add(weight, [soft[k][0] - hard[k][0], soft[k][1] - hard[k][1]], -2 / square));
  }
  return weights;
}

/**
 * PCE for given shares p and given λ, and its slopes by the points: with h the hard sums, c the soft sums, q the softmax
 * of z·c/λ and g the soft sums under q, nλ times the slope by z_i is Σ q_ik c_k + Σ p_ik (g_k − c_k) − h_{y_i}.
 */
export function pairwiseAt(points, labels, shares, lam) {
  const n = points.length;
  const [hard, soft] = [sumsOf(points, oneHot(labels)), sumsOf(points, shares)];
  const rows = points.map((point) => softmax(soft.map((sum) => dot(point, sum) / lam)));
  const again = sumsOf(points, rows.map((row) => row.shares));
  const lengths = (sums) => sums.reduce((total, sum) => total + dot(sum, sum), 0) / (2 * lam);
  // 1/n² Σ_i Σ_{j: y_j = y_i} z_i·z_j is the sum of the hard sums' squared lengths.
  const loss = rows.reduce((total, { log }) => total + log, 0) / n - lengths(hard) - lengths(soft);
  const slopes = points.map((_, i) => {
    const slope = [0, 0];
    for (let k = 0; k < CLASSES; k++) {
      add(slope, soft[k], (rows[i].shares[k] - shares[i][k]) / (n * lam));
      add(slope, again[k], shares[i][k] / (n * lam));
    }
    add(slope, hard[labels[i]], -1 / (n * lam));
    return slope;
  });
  return { loss, slopes };
}

/** SPCE: PCE whose shares are the labels themselves, at λ = 1. */
export const simplifiedAt = (points, labels) => pairwiseAt(points, labels, oneHot(labels), 1);

/**
 * All three for points whose classifier had `fit` steps; `misfit` is what PCE counts off for it, in nats, and `lag` the
 * same gradient relative to the one that the classifier began with, at zero and with a centred cloud: 1 there, 0 fitted.
 */
export function threeAt(points, labels, { lam, fit }) {
  const weights = classifierOf(points, labels, fit);
  const shares = probabilitiesAt(points, weights).map((row) => row.shares);
  const hard = sumsOf(points, oneHot(labels));
  const square = misfitOf(sumsOf(points, shares), hard);
  return {
    weights,
    shares,
    misfit: square / (2 * lam),
    lag: square / Math.max(1e-12, misfitOf(hard.map(() => [0, 0]), hard)),
    ce: crossEntropyAt(points, labels, weights),
    spce: simplifiedAt(points, labels),
    pce: pairwiseAt(points, labels, shares, lam),
  };
}

/** Cosine between two lists of slopes; null where one of them is nothing but rounding. */
export function cosineOf(one, other) {
  const [p, q] = [Math.hypot(...one.flat()), Math.hypot(...other.flat())];
  return Math.min(p, q) > 1e-9 ? one.reduce((total, slope, k) => total + dot(slope, other[k]), 0) / (p * q) : null;
}

/** Root of the mean squared length of points. */
export const sizeOf = (points) => Math.sqrt(points.reduce((total, point) => total + dot(point, point), 0) / points.length);

/** One step of gradient descent on the points at the rate n/4; none goes farther than `most`. Null where all rest. */
export function stepOf(points, slopes, most = 0.1) {
  const moves = slopes.map(([x, y]) => [(-points.length * x) / 4, (-points.length * y) / 4]);
  const farthest = Math.max(...moves.map(([x, y]) => Math.hypot(x, y)));
  if (!(farthest > 1e-4)) return null;
  const factor = Math.min(1, most / farthest);
  return points.map(([px, py], k) => [px + factor * moves[k][0], py + factor * moves[k][1]]);
}

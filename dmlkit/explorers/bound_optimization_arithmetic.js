// Functions of one weight, the parabolas that touch them, and the steps from minimum to minimum (paper M, eqs. 9 to 11).
//
// Tests hold them against dmlkit: the loss of the classifier against linear_cross_entropy, the path against
// bound_optimizer.

/** y·x of eight points of two classes, y = ±1: what a classifier with one weight sees. Below 0: on the wrong side. */
export const MARGINS = [2.4, 2.0, 1.6, 1.4, 1.2, 0.8, -0.6, -1.2];

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const sigmoid = (u) => (u < 0 ? Math.exp(u) / (1 + Math.exp(u)) : 1 / (1 + Math.exp(-u)));
const softplus = (u) => Math.max(u, 0) + Math.log1p(Math.exp(-Math.abs(u)));

/**
 * The problems: value and slope of f at w, and the largest curvature that f has anywhere.
 *
 * "classifier" is the mean of log(1 + e^(−m w)) over the margins m, in nats: cross-entropy of two classes with the
 * logits 0 and w x. Its curvature is the mean of p(1 − p) m², at most a quarter of the mean of m².
 * "valleys" is 1 + 0.06 w² + 0.7 cos(w + 0.5): two valleys, one deeper, and a hill between them.
 */
export const PROBLEMS = {
  classifier: {
    value: (w) => mean(MARGINS.map((m) => softplus(-m * w))),
    slope: (w) => mean(MARGINS.map((m) => -m * sigmoid(-m * w))),
    largest: mean(MARGINS.map((m) => m * m)) / 4,
  },
  valleys: {
    value: (w) => 1 + 0.06 * w * w + 0.7 * Math.cos(w + 0.5),
    slope: (w) => 0.12 * w - 0.7 * Math.sin(w + 0.5),
    largest: 0.12 + 0.7,
  },
};

/** The parabola of a curvature that touches f at w: its value at v. */
export const bowlAt = ({ value, slope }, w, curvature) => {
  const [height, incline] = [value(w), slope(w)];
  return (v) => height + incline * (v - w) + (curvature / 2) * (v - w) ** 2;
};

/** Where that parabola is least. */
export const lowestOf = ({ slope }, w, curvature) => w - slope(w) / curvature;

/** Where the parabola lies farthest below f on [from, to], and by how much: { at, by }; `by` is 0 where it nowhere does. */
export function deepestCut(problem, w, curvature, [from, to], count = 201) {
  const bowl = bowlAt(problem, w, curvature);
  let found = { at: w, by: 0 };
  for (let k = 0; k < count; k++) {
    const v = from + ((to - from) * k) / (count - 1);
    const by = problem.value(v) - bowl(v);
    if (by > found.by + 1e-9) found = { at: v, by };
  }
  return found;
}

/** A walk: w, then the minimum of the parabola at w, and so on; `steps` + 1 numbers. */
export function walk(problem, start, curvature, steps) {
  const path = [start];
  for (let t = 0; t < steps; t++) path.push(lowestOf(problem, path[t], curvature));
  return path;
}

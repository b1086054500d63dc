// The silhouette of labelled points of the plane (Rousseeuw 1987; paper S, eqs. 1 and 6): plain numbers in and out.
// Tests hold it against dmlkit.metrics and scikit-learn to 1e-9.

/** The point's direction, on the unit circle; the origin has none and stays where it is. */
export function direction([x, y]) {
  const length = Math.hypot(x, y);
  return length > 0 ? [x / length, y / length] : [0, 0];
}

/** Distance of two points: "euclidean", or "cosine", 1 − cos of their angle: half the squared chord between directions. */
export function pairDistance(p, q, kind) {
  if (kind === "euclidean") return Math.hypot(p[0] - q[0], p[1] - q[1]);
  const [u, v] = [direction(p), direction(q)];
  if (Math.hypot(...p) === 0 || Math.hypot(...q) === 0) return 1; // as if at a right angle
  return ((u[0] - v[0]) ** 2 + (u[1] - v[1]) ** 2) / 2;
}

/**
 * a, b, the nearest other class and s of every point, the mean of s for each class, and over all points.
 *
 * A point alone in its class has s = 0 (Rousseeuw's convention, and scikit-learn's) and no a; so has a point with
 * a = b = 0. With fewer than two classes there is no b: then `rows` is empty and `message` says so.
 */
export function silhouettes(points, labels, kind) {
  const classes = [...new Set(labels)].sort((left, right) => left - right);
  if (classes.length < 2) {
    return { rows: [], classes, means: [], mean: NaN, message: "The silhouette needs at least two classes." };
  }
  const rows = points.map((point, i) => {
    const meanTo = (label) => {
      const others = points.filter((_, j) => labels[j] === label && j !== i);
      return others.reduce((sum, other) => sum + pairDistance(point, other, kind), 0) / others.length;
    };
    let [b, nearest] = [Infinity, null];
    for (const label of classes) {
      const there = label === labels[i] ? Infinity : meanTo(label);
      if (there < b) [b, nearest] = [there, label];
    }
    const alone = labels.filter((label) => label === labels[i]).length === 1;
    const a = alone ? null : meanTo(labels[i]);
    const larger = Math.max(a ?? 0, b);
    return { a, b, nearest, s: alone || larger === 0 ? 0 : (b - a) / larger };
  });
  const meanOf = (chosen) => chosen.reduce((sum, { s }) => sum + s, 0) / chosen.length;
  const means = classes.map((label) => meanOf(rows.filter((_, i) => labels[i] === label)));
  return { rows, classes, means, mean: meanOf(rows), message: null };
}

/** The order of the bars: by class, within a class from the largest s to the smallest. */
export function barOrder(rows, labels) {
  return rows.map((_, i) => i).sort((i, j) => labels[i] - labels[j] || rows[j].s - rows[i].s || i - j);
}

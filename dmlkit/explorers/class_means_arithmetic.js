// How far a point of the unit circle is from a class, worked out twice: from every pair, and from the class mean alone.
// Tests hold it to dmlkit to 1e-9. Paper S, eqs. 7 to 9.

const dot = ([px, py], [qx, qy]) => px * qx + py * qy;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** The plain mean of points: not brought back to length 1. */
export const meanPoint = (points) => [mean(points.map(([x]) => x)), mean(points.map(([, y]) => y))];

/** Distance of two points: "cosine" for points of length 1 (1 − z·z′), or "euclidean". */
export function distanceOf(p, q, kind) {
  return kind === "cosine" ? 1 - dot(p, q) : Math.hypot(p[0] - q[0], p[1] - q[1]);
}

/**
 * From points[chosen] to class `label`: `others`, the numbers of the class's points without the chosen one; the
 * distance to each; `byPairs`, the mean of those; `center`, the plain mean of those points, and its length; `byMean`,
 * the distance to that mean; `foot`, where the mean falls on the line through the chosen point, in units from the
 * centre. In a class of the chosen point alone there are no others, and all of that is null.
 */
export function toClass(points, labels, chosen, label, kind) {
  const others = points.map((_, j) => j).filter((j) => labels[j] === label && j !== chosen);
  if (!others.length) return { others, distances: [], byPairs: null, center: null, length: null, byMean: null, foot: null };
  const point = points[chosen];
  const distances = others.map((j) => distanceOf(point, points[j], kind));
  const center = meanPoint(others.map((j) => points[j]));
  return {
    others,
    distances,
    byPairs: mean(distances),
    center,
    length: Math.hypot(...center),
    byMean: distanceOf(point, center, kind),
    foot: dot(point, center),
  };
}

// Ten classes along ten rays of the plane, and what five measures say of them: plain numbers in and out.
// Tests hold the points to Python's, and the measures to dmlkit.metrics, to 1e-9.

import { pairDistance, silhouettes } from "./silhouette_arithmetic.js";

/** What stands still: classes, points of each, where a ray begins. */
export const SCENE = { classes: 10, each: 8, start: 3 };

const fraction = (value) => value - Math.floor(value);

/**
 * The points and their labels. Point i of class c stands on the ray at 36·c degrees, `length`·u behind the start, and
 * aside from it by a shift of standard deviation `width`; all of it times `zoom`. u and v are two sequences that fill
 * [0, 1) evenly, so that the scene is the same at every call.
 */
export function scene({ length, width, zoom }) {
  const [points, labels] = [[], []];
  for (let c = 0; c < SCENE.classes; c++) {
    const turn = (2 * Math.PI * c) / SCENE.classes;
    for (let i = 0; i < SCENE.each; i++) {
      const k = c * SCENE.each + i + 1;
      const along = zoom * (SCENE.start + length * fraction(k * 0.7548776662466927));
      const aside = zoom * width * Math.sqrt(12) * (fraction(k * 0.5698402909980532) - 0.5);
      points.push([
        along * Math.cos(turn) - aside * Math.sin(turn),
        along * Math.sin(turn) + aside * Math.cos(turn),
      ]);
      labels.push(c);
    }
  }
  return { points, labels };
}

/** Mean distance within and between classes and their ratio, mean silhouette, Recall@1: by "euclidean" or "cosine". */
export function measuresOf(points, labels, kind) {
  const sums = { same: 0, other: 0 };
  const pairs = { same: 0, other: 0 };
  const nearest = points.map(() => [Infinity, -1]);
  for (let i = 0; i < points.length; i++) {
    for (let j = i + 1; j < points.length; j++) {
      const d = pairDistance(points[i], points[j], kind);
      const group = labels[i] === labels[j] ? "same" : "other";
      sums[group] += d;
      pairs[group] += 1;
      if (d < nearest[i][0]) nearest[i] = [d, j];
      if (d < nearest[j][0]) nearest[j] = [d, i];
    }
  }
  const [intra, inter] = [sums.same / pairs.same, sums.other / pairs.other];
  const met = nearest.filter(([, j], i) => labels[j] === labels[i]).length;
  return { intra, inter, ratio: intra / inter, silhouette: silhouettes(points, labels, kind).mean, recall: met / points.length };
}

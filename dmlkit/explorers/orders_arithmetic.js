// Places in two orders, who moved most between them, and Kendall's τ with an interval over the losses.

import { kendall, orderOf } from "./budgets_arithmetic.js";

/** The place of each loss, 1 for the highest score. */
export function placesOf(scores) {
  const places = new Array(scores.length);
  orderOf(scores).forEach((loss, row) => (places[loss] = row + 1));
  return places;
}

/** How many places each loss stands higher in the second order than in the first. */
export function climbsOf(one, other) {
  const [before, after] = [one, other].map(placesOf);
  return before.map((place, loss) => place - after[loss]);
}

/** Pairs of losses that both orders put the same way round. */
export function samePairs(one, other) {
  let count = 0;
  for (let a = 0; a < one.length; a++)
    for (let b = 0; b < a; b++) count += (one[a] - one[b]) * (other[a] - other[b]) > 0;
  return count;
}

/**
 * Half of the width of τ's interval, by the jackknife: leave each loss out once. `quantile` is Student's, with one
 * degree of freedom less than there are losses. It says how much another choice of losses like these may change τ.
 */
export function tauMargin(one, other, quantile) {
  const count = one.length;
  const without = (list, loss) => list.filter((_, k) => k !== loss);
  const taus = one.map((_, loss) => kendall(without(one, loss), without(other, loss)));
  const mean = taus.reduce((sum, tau) => sum + tau, 0) / count;
  const squares = taus.reduce((sum, tau) => sum + (tau - mean) ** 2, 0);
  return quantile * Math.sqrt(((count - 1) / count) * squares);
}

/** The middle place of the losses of a family. */
export function middlePlace(places, family, wanted) {
  const of = places.filter((_, loss) => family[loss] === wanted).sort((a, b) => a - b);
  const half = (of.length - 1) / 2;
  return (of[Math.floor(half)] + of[Math.ceil(half)]) / 2;
}

// The loss of two classes around a circle, for a function of the distance that is a chain of straight pieces (paper W,
// eqs. 5 and 15, Lemma III.1): plain numbers in and out. Tests hold them against dmlkit.landscape to 1e-9.

/** The distances at which the chain has its knots; between them it is straight. */
export const KNOT_PLACES = [0, 1, 2, 3, 4, 5];
const SAME = 1e-9; // heights and distances that differ by less are the same

/** f at a distance. */
export function chainAt(heights, distance) {
  const k = Math.min(Math.max(Math.floor(distance), 0), heights.length - 2);
  return heights[k] + (distance - k) * (heights[k + 1] - heights[k]);
}

/** The distances to the other proxy that a circle of this radius around the own one reaches. */
export const reachOf = (radius, separation) => [Math.abs(radius - separation), radius + separation];

/** Eq. 15, written so that it keeps its digits close to the other proxy. */
export const distanceAt = (theta, radius, separation) =>
  Math.sqrt((radius - separation) ** 2 + 4 * radius * separation * Math.sin(theta / 2) ** 2);

/** The angle in [0, π] at which the other proxy is this far; 0 and π exactly at the ends. */
export function angleAt(distance, radius, separation) {
  const [low, high] = reachOf(radius, separation);
  const root = (one, two) => Math.sqrt(Math.max(0, one - two) * (one + two));
  return 2 * Math.atan2(root(distance, low), root(high, distance));
}

/** log(1 + e^(f(ρ) − f(d₂))) without overflow. */
export function circleLoss(heights, distance, radius) {
  const gap = chainAt(heights, radius) - chainAt(heights, distance);
  return Math.max(gap, 0) + Math.log1p(Math.exp(-Math.abs(gap)));
}

/**
 * All extrema of the loss on the half circle from the near to the far point: { kind, distance: [from, to], theta:
 * [from, to], whole }. A kind is "minimum", "maximum", or "level" for a flat stretch on the way up or down, or for a
 * circle that is flat all round; whole: it is the lowest (highest) place of the circle, maybe one of several.
 */
export function circleExtrema(heights, radius, separation) {
  const [low, high] = reachOf(radius, separation);
  const inside = KNOT_PLACES.filter((place) => place > low + SAME && place < high - SAME);
  const places = [low, ...inside, high];
  const values = places.map((place) => chainAt(heights, place));
  const [top, bottom] = [Math.max(...values), Math.min(...values)];
  const step = (k) => {
    const rise = values[k + 1] - values[k];
    return Math.abs(rise) < SAME ? 0 : Math.sign(rise);
  };
  const found = [];
  for (let first = 0, last; first < places.length; first = last + 1) {
    last = first;
    while (last + 1 < places.length && step(last) === 0) last++;
    const before = first ? step(first - 1) : 0;
    const after = last + 1 < places.length ? step(last) : 0;
    if (before === after && first === last) continue; // on the way
    const kind = before === after ? "level" : before > after ? "minimum" : "maximum";
    found.push({
      kind,
      distance: [places[first], places[last]],
      theta: [first, last].map((k) => angleAt(places[k], radius, separation)),
      whole: kind === "maximum" ? values[first] < bottom + SAME : values[first] > top - SAME,
    });
  }
  return found;
}

/** Whether it is a single angle (and its mirror image). */
export const isPoint = ({ theta }) => theta[0] === theta[1];

/** Whether the lemma's statement holds: the near point is the only maximum, the far point the only minimum. */
export const onTheLine = (found) =>
  found.length === 2 && found.every(isPoint) && found[0].kind === "maximum" && found[1].kind === "minimum";

/**
 * The first piece of f that falls (or, where none does, is flat), and a circle that shows it: the paper's, whose
 * distances are those of the piece alone, if the proxies can stand so far apart; else ρ = D = half of where it ends.
 */
export function firstFall(heights, farthest) {
  const rises = (k) => heights[k + 1] - heights[k];
  const pieces = heights.slice(1).map((_, k) => k);
  const falling = pieces.find((k) => rises(k) < -SAME);
  const k = falling ?? pieces.find((k) => rises(k) < SAME);
  if (k === undefined) return null;
  const alone = k + 0.5 <= farthest;
  return {
    from: k,
    to: k + 1,
    flat: falling === undefined,
    radius: alone ? 0.5 : (k + 1) / 2,
    separation: alone ? k + 0.5 : (k + 1) / 2,
  };
}

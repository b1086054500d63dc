// The warped softmax of two classes in the plane (paper W, eqs. 5 to 8): plain numbers in, plain numbers out.
// Tests hold it against dmlkit.losses to 1e-6.

/** Where things stand, in units of distance: the own proxy, the other one, the part of the plane that is drawn. */
export const SCENE = { own: [1, 0], other: [-1, 0], x: [-3, 5], y: [-2.5, 2.5], cell: 0.05 };

/** f(d) of paper W, eq. 7, forward value: below r the stopped gradient γ makes up for what α takes away. */
export function warp(d, { alpha, beta, r, margin = 1 }) {
  return d < r ? alpha * d + margin * (1 - alpha) * d : beta * d + r * (1 - beta);
}

/** The continuous function with the slopes that training follows: α below r, β above. */
export function effectiveWarp(d, { alpha, beta, r }) {
  return d < r ? alpha * d : alpha * r + beta * (d - r);
}

/** log(1 + e^g) without overflow. */
export function softplus(g) {
  return Math.max(g, 0) + Math.log1p(Math.exp(-Math.abs(g)));
}

/** Distances of the point (x, y) to the own and the other proxy. */
function distances(x, y) {
  return [Math.hypot(x - SCENE.own[0], y - SCENE.own[1]), Math.hypot(x - SCENE.other[0], y - SCENE.other[1])];
}

/** The loss of an embedding at (x, y): view "value" (with γ) or "effective" (the slopes that training follows). */
export function lossAt(x, y, parameters, view) {
  const [own, other] = distances(x, y);
  const f = view === "value" ? warp(own, parameters) : effectiveWarp(own, parameters);
  return softplus(f - other);
}

/** Minus the gradient that training gives an embedding at (x, y): what one step of descent follows. */
export function forceAt(x, y, parameters) {
  const [own, other] = distances(x, y);
  const weight = 1 / (1 + Math.exp(other - warp(own, parameters))); // 1 − p of the own class, from the forward value
  const slope = own < parameters.r ? parameters.alpha : parameters.beta;
  const pull = own > 0 ? slope / own : 0;
  const push = other > 0 ? 1 / other : 0;
  return [0, 1].map((k) => {
    const point = k === 0 ? x : y;
    return weight * (push * (point - SCENE.other[k]) - pull * (point - SCENE.own[k]));
  });
}

/** The nodes of the map along x and y. */
function nodes() {
  const axis = ([low, high]) => {
    const count = Math.round((high - low) / SCENE.cell) + 1;
    return Float64Array.from({ length: count }, (_, k) => low + ((high - low) * k) / (count - 1));
  };
  return { xs: axis(SCENE.x), ys: axis(SCENE.y) };
}

export const GRID = nodes();
// The proxies stand still, so the distances of every node are computed once.
const GRID_DISTANCES = (() => {
  const own = new Float64Array(GRID.xs.length * GRID.ys.length);
  const other = new Float64Array(own.length);
  let at = 0;
  for (const y of GRID.ys) for (const x of GRID.xs) [own[at], other[at++]] = distances(x, y);
  return { own, other };
})();

/** g = f(d_own) − d_other at every node of the map, row by row from the lowest y; the loss there is softplus(g). */
export function gapGrid(parameters, view) {
  const { own, other } = GRID_DISTANCES;
  const f = view === "value" ? warp : effectiveWarp;
  const gaps = new Float64Array(own.length);
  for (let k = 0; k < gaps.length; k++) gaps[k] = f(own[k], parameters) - other[k];
  return gaps;
}

/**
 * The minimum of the effective landscape, searched: the lowest node of the map, then ever finer steps around it. (The
 * search is for g: log(1 + e^g) has its minimum where g has.)
 * It is null if the lowest node lies on the rim (the loss keeps falling outward) or is not alone (a flat valley, whose
 * two ends along the line through the proxies are then given).
 */
export function findMinimum(parameters) {
  const grid = gapGrid(parameters, "effective");
  const width = GRID.xs.length;
  let lowest = 0;
  for (let k = 1; k < grid.length; k++) if (grid[k] < grid[lowest]) lowest = k;
  let [left, right] = [Infinity, -Infinity];
  for (let k = 0; k < grid.length; k++) {
    if (grid[k] - grid[lowest] > 1e-9) continue;
    left = Math.min(left, GRID.xs[k % width]);
    right = Math.max(right, GRID.xs[k % width]);
  }
  // Two neighbours may tie because the minimum lies half-way between them; three nodes in a row are a valley.
  if (right - left > 1.5 * SCENE.cell) return { point: null, valley: [left, right] };
  const [column, row] = [lowest % width, Math.floor(lowest / width)];
  if (column === 0 || column === width - 1 || row === 0 || row === GRID.ys.length - 1) {
    return { point: null, valley: null };
  }
  const [x, y] = [GRID.xs[column] - SCENE.own[0], GRID.ys[row] - SCENE.own[1]];
  // Ever finer steps outward, inward and around the own proxy: along these the kink at r lies straight, so descending
  // in one of them at a time does not stall on it, as it would along x and y.
  let [radius, angle] = [Math.hypot(x, y), Math.atan2(y, x)];
  const place = (radius, angle) => [SCENE.own[0] + radius * Math.cos(angle), SCENE.own[1] + radius * Math.sin(angle)];
  const gapAt = (radius, angle) => effectiveWarp(radius, parameters) - distances(...place(radius, angle))[1];
  let best = gapAt(radius, angle);
  for (let step = SCENE.cell; step > 1e-7; step /= 2) {
    for (let moved = true; moved;) {
      moved = false;
      for (const [outward, around] of [
        [step, 0],
        [-step, 0],
        [0, step],
        [0, -step],
      ]) {
        const there = [Math.abs(radius + outward), angle + around];
        const gap = gapAt(...there);
        if (gap < best) [best, radius, angle, moved] = [gap, ...there, true];
      }
    }
  }
  return { point: place(radius, angle), valley: null };
}

// One embedding on the line through two proxies, and where descent takes it (paper W, proposition III.2, Table III).
// Places are signed: x > 0 lies behind the own proxy (0), the other proxy stands at −separation. Tests hold values,
// slopes and walks to dmlkit.losses.monotone_softmax and warped_softmax to 1e-9.

/** What stands still: the proxies' distance, the walk, and the numbers of the warp (slopes, and where they change). */
export const SCENE = { separation: 2, steps: 200, step: 0.3, far: 100, inner: 0.7, outer: 1.4, r: 1.5 };

/** name → its value and the slope that training follows; where a gradient is stopped they do not belong together. */
export const DISTANCES = {
  identity: { value: (d) => d, slope: () => 1 },
  square: { value: (d) => d * d, slope: (d) => 2 * d },
  sqrt: { value: Math.sqrt, slope: (d) => (d > 0 ? 0.5 / Math.sqrt(d) : 0) },
  log1p: { value: Math.log1p, slope: (d) => 1 / (1 + d) },
  expm1: { value: Math.expm1, slope: Math.exp },
  inner_half: { value: (d) => d, slope: () => SCENE.inner },
  outer_half: { value: (d) => SCENE.outer * d, slope: () => SCENE.outer },
  warp: {
    value: (d) => (d < SCENE.r ? d : SCENE.outer * d + SCENE.r * (1 - SCENE.outer)),
    slope: (d) => (d < SCENE.r ? SCENE.inner : SCENE.outer),
  },
};

/** [f_y, f_j]: the function on the own distance, and the same or none on the other. */
export const functionsOf = (name, where) => [DISTANCES[name], DISTANCES[where === "both" ? name : "identity"]];

/** 1/(1 + e^(−g)): the softmax weight of the other class. */
const weight = (g) => (g >= 0 ? 1 / (1 + Math.exp(-g)) : Math.exp(g) / (1 + Math.exp(g)));

/** The slope of the loss at x, as training gets it. */
export function lossSlope([own, other], x) {
  const [near, far] = [Math.abs(x), Math.abs(x + SCENE.separation)];
  const pull = own.slope(near) * Math.sign(x) - other.slope(far) * Math.sign(x + SCENE.separation);
  return weight(own.value(near) - other.value(far)) * pull;
}

/**
 * Gradient descent from a place behind the own proxy; the last 50 steps shrink evenly to 0, so that it can settle.
 *
 * It ends where it leaves the chart, beyond SCENE.far: `thrown` is then the number of that step, else null.
 */
export function walk(pair, start) {
  const places = [start];
  for (let k = 0; k < SCENE.steps; k++) {
    const x = places.at(-1);
    const next = x - SCENE.step * Math.min(1, (SCENE.steps - k) / 50) * lossSlope(pair, x);
    if (!(Math.abs(next) <= SCENE.far)) return { places, thrown: k + 1 };
    places.push(next);
  }
  return { places, thrown: null };
}

/** f_y′(t) − f_j′(t + D): below 0 drives outward, above 0 inward. */
export const difference = ([own, other], t) => own.slope(t) - other.slope(t + SCENE.separation);

const EDGE = { furthest: 12, cells: 600, nextToZero: 1e-9, equal: 1e-12 };
const signAt = (pair, t) => {
  const gap = difference(pair, t);
  return Math.abs(gap) <= EDGE.equal * (1 + pair[0].slope(t)) ? 0 : Math.sign(gap);
};

/** Stretches of the ray with one sign of the difference: [{ sign, from }], from the own proxy outward. */
export function stretches(pair) {
  const found = [{ sign: signAt(pair, EDGE.nextToZero), from: 0 }];
  for (let k = 1; k <= EDGE.cells; k++) {
    const at = (k * EDGE.furthest) / EDGE.cells;
    if (signAt(pair, at) === found.at(-1).sign) continue;
    let [low, high] = [Math.max(EDGE.nextToZero, ((k - 1) * EDGE.furthest) / EDGE.cells), at];
    for (let halving = 0; halving < 60; halving++) {
      const middle = (low + high) / 2;
      if (signAt(pair, middle) === found.at(-1).sign) low = middle;
      else high = middle;
    }
    // A crossing passes through 0 on the way: what lies beyond it is what counts.
    found.push({ sign: signAt(pair, Math.max(at, high + 1e-6)), from: high });
  }
  return found;
}

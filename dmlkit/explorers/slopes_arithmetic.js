// Two functions of distance, their slopes along the ray behind the own proxy, and where these place the minimum (paper W,
// eqs. 6 and 13, proposition III.2): plain numbers in and out.
// Tests hold them against dmlkit.landscape.minima_on_ray to 1e-9.

/** How far the ray is searched, in how many cells; how nearly equal two slopes must be to count as equal. */
export const RAY = { furthest: 12, cells: 600, equal: 1e-12, nextToZero: 1e-9 };

/** A function through 0 with constant slopes between the knots, and its slope. */
function pieces(knots, slopes) {
  const heights = [0];
  for (let k = 0; k < knots.length; k++) heights.push(heights[k] + slopes[k] * (knots[k] - (k ? knots[k - 1] : 0)));
  const piece = (d) => {
    let k = 0;
    while (k < knots.length && d >= knots[k]) k++;
    return k;
  };
  const value = (d) => {
    const k = piece(d);
    return heights[k] + slopes[k] * (d - (k ? knots[k - 1] : 0));
  };
  return { slope: (d) => slopes[piece(d)], value };
}

const power = (p) => ({ value: (d) => d ** p, slope: (d) => p * d ** (p - 1) });
const identity = { value: (d) => d, slope: () => 1 };
const logCosh = (x) => Math.abs(x) + Math.log1p(Math.exp(-2 * Math.abs(x))) - Math.LN2;

/** A slope that rises from 1 − s to 1 + s around r, over a width of a quarter. */
function smoothWarp(r, s) {
  const width = 0.25;
  return {
    value: (d) => d + s * width * (logCosh((d - r) / width) - logCosh(r / width)),
    slope: (d) => 1 + s * Math.tanh((d - r) / width),
  };
}

/** An S: steepest at r, with slope 1 + s; slope 1 − s far from it. */
function sCurve(r, s) {
  return {
    value: (d) => (1 - s) * d + 2 * s * (Math.tanh(d - r) + Math.tanh(r)),
    slope: (d) => 1 - s + (2 * s) / Math.cosh(d - r) ** 2,
  };
}

/** [f_own, f_other] of a setting, each with value and slope; `strength` s says how far the slopes are from 1. */
export function pairOf({ kind, r, strength: s }) {
  const both = (f) => [f, f];
  switch (kind) {
    case "plain":
      return both(identity);
    case "convex":
      return both(power(1 + s));
    case "concave":
      return both(power(1 - s));
    case "warped":
      return [pieces([r], [1 - s, 1 + s]), identity];
    case "smooth":
      return [smoothWarp(r, s), identity];
    case "two":
      return [pieces([r, 1.5 * r, 2 * r], [1 - s, 1 + s, 0.5, 1.5]), identity];
    case "outward":
      return [pieces([r], [1 - s, 1]), identity];
    case "inward":
      return [pieces([r], [1, 1 + s]), identity];
    default:
      return both(sCurve(r, s));
  }
}

/** g at a place x of the line: the own proxy stands at 0, the other one at −separation. */
export const gapAt = ([own, other], separation, x) => own.value(Math.abs(x)) - other.value(Math.abs(x + separation));

/** −1, 0 or 1: which of two slopes is larger; 0 where they agree to the part `equal` of their size. */
function signOf(own, other, equal) {
  const difference = own - other;
  return Math.abs(difference) <= equal * (Math.abs(own) + Math.abs(other)) ? 0 : Math.sign(difference);
}

/** As dmlkit.landscape.minima_on_ray: minima, flat valleys, whether the own proxy is one, whether g falls at the end. */
export function minimaOf([own, other], separation) {
  const { furthest, cells, equal, nextToZero } = RAY;
  const sign = (t, accuracy = equal) => signOf(own.slope(t), other.slope(t + separation), accuracy);
  const node = (k) => (k ? (furthest * k) / cells : furthest * nextToZero);
  const runs = [{ sign: sign(node(0)), from: 0 }];
  for (let k = 1; k <= cells; k++) {
    const [now, before] = [sign(node(k)), runs.at(-1).sign];
    if (now === before) continue;
    let [low, high] = [node(k - 1), node(k)];
    const accuracy = now * before ? 0 : equal; // a crossing is where the sign itself changes
    for (let halved = 0; halved < 64; halved++) {
      const middle = (low + high) / 2;
      if (sign(middle, accuracy) === before) low = middle;
      else high = middle;
    }
    runs.at(-1).to = high;
    runs.push({ sign: now, from: high });
  }
  runs.at(-1).to = furthest;
  const near = Math.min(separation, furthest) * nextToZero;
  const towards = signOf(own.slope(near), -other.slope(separation - near), equal);
  const [minima, valleys] = [[], []];
  runs.forEach((run, k) => {
    const last = k === runs.length - 1;
    const before = k ? runs[k - 1].sign : -towards;
    const after = last ? 1 : runs[k + 1].sign;
    if (run.sign < 0 && after > 0 && !last) minima.push(run.to);
    else if (run.sign === 0 && before <= 0 && after >= 0) {
      if (k && !last && run.to - run.from < furthest / cells) minima.push((run.from + run.to) / 2);
      else valleys.push([run.from, run.to]);
    }
  });
  return { minima, valleys, atProxy: runs[0].sign >= 0 && towards >= 0, fallsAtEnd: runs.at(-1).sign < 0 };
}

/** The lowest of the places found, and how far below the own proxy it lies; null if g still falls at the end. */
export function lowestOf(pair, separation, found) {
  if (found.fallsAtEnd) return null;
  const places = [...new Set([...(found.atProxy ? [0] : []), ...found.minima, ...found.valleys.map(([from]) => from)])];
  const gaps = places.map((t) => gapAt(pair, separation, t));
  const least = Math.min(...gaps);
  const ties = places.filter((_, k) => gaps[k] - least < 1e-9);
  return { at: ties[0], ties, gap: least, fall: gapAt(pair, separation, 0) - least };
}

// SupCon and the soft silhouette of labelled points on the unit circle, and their slopes by the points' angles.
// Tests hold values and slopes against dmlkit and its autograd to 1e-9.
//
// Of two points at angles s and t the cosine similarity is cos(s − t). Either loss is a function of these alone; so its
// slopes are those of the similarities, weighted: SupCon's weights differ from pair to pair, the silhouette's are the same
// for all points of a class.

export const EPS = 1e-8; // ε of eq. 13, as in dmlkit

const sum = (list) => list.reduce((total, value) => total + value, 0);
const largest = (list) => list.reduce((most, value) => Math.max(most, value), -Infinity);

function logSumExp(list) {
  const most = largest(list);
  return most === -Infinity ? most : most + Math.log(sum(list.map((value) => Math.exp(value - most))));
}

/** How many points each label has, by label. */
function sizesOf(labels) {
  const sizes = new Map();
  for (const label of labels) sizes.set(label, (sizes.get(label) ?? 0) + 1);
  return sizes;
}

/** From the weights W of all similarities, L = Σ W_ij cos(t_i − t_j) to first order, to the slopes dL/dt_k. */
function slopesOf(turns, weights) {
  return turns.map((turn, k) =>
    sum(turns.map((other, j) => -(weights[k][j] + weights[j][k]) * Math.sin(turn - other))),
  );
}

/** SupCon (paper S, eqs. 4 and 5): mean loss over the points that have a class mate, and its slopes by the angles. */
export function supConAt(turns, labels, tau) {
  const sizes = sizesOf(labels);
  const counted = labels.filter((label) => sizes.get(label) > 1).length;
  let loss = 0;
  const weights = turns.map((turn, i) => {
    const mates = sizes.get(labels[i]) - 1;
    if (mates === 0) return turns.map(() => 0);
    const scaled = turns.map((other, j) => (j === i ? -Infinity : Math.cos(turn - other) / tau));
    const all = logSumExp(scaled);
    const positive = (j) => j !== i && labels[j] === labels[i];
    loss += (all - sum(scaled.filter((_, j) => positive(j))) / mates) / counted;
    return scaled.map((value, j) => (Math.exp(value - all) - (positive(j) ? 1 / mates : 0)) / (tau * counted));
  });
  return { loss, slopes: slopesOf(turns, weights) };
}

/**
 * The soft silhouette (paper S, eqs. 7 to 14), one temperature for its soft maximum and its soft minimum: mean loss over
 * the points that have a class mate and another class, and its slopes by the angles.
 */
export function softSilhouetteAt(turns, labels, temperature) {
  const sizes = sizesOf(labels);
  const counted = sizes.size > 1 ? labels.filter((label) => sizes.get(label) > 1).length : 0;
  let loss = 0;
  const weights = turns.map((turn, i) => {
    const mates = sizes.get(labels[i]) - 1;
    if (counted === 0 || mates === 0) return turns.map(() => 0);
    const sums = new Map([...sizes.keys()].map((label) => [label, 0]));
    turns.forEach((other, j) => j !== i && sums.set(labels[j], sums.get(labels[j]) + 1 - Math.cos(turn - other)));
    const a = sums.get(labels[i]) / mates;
    const others = [...sizes.keys()].filter((label) => label !== labels[i]);
    const scaled = others.map((label) => -sums.get(label) / sizes.get(label) / temperature);
    const all = logSumExp(scaled);
    const b = -temperature * all;
    const shares = new Map(others.map((label, c) => [label, Math.exp(scaled[c] - all)]));
    const top = temperature * logSumExp([a / temperature, b / temperature]) + EPS;
    const ofA = 1 / (1 + Math.exp((b - a) / temperature)); // how much the soft maximum follows a
    const s = (b - a) / top;
    loss += (1 - s) / counted;
    const [pull, push] = [(1 + s * ofA) / top, (1 - s * (1 - ofA)) / top];
    return turns.map((_, j) => {
      if (j === i) return 0;
      if (labels[j] === labels[i]) return -pull / mates / counted;
      return (push * shares.get(labels[j])) / sizes.get(labels[j]) / counted;
    });
  });
  return { loss, slopes: slopesOf(turns, weights) };
}

/** What is followed: "con", "sil", or "both", SupCon + λ silhouette. */
export function followed(turns, labels, { tau, softness, weight, follow }) {
  const con = supConAt(turns, labels, tau);
  const sil = softSilhouetteAt(turns, labels, softness);
  const [x, y] = { con: [1, 0], sil: [0, 1], both: [1, weight] }[follow];
  return { con, sil, loss: x * con.loss + y * sil.loss, slopes: con.slopes.map((slope, k) => x * slope + y * sil.slopes[k]) };
}

/** The cosine between two lists of slopes; null where one of them is nothing but rounding. */
export function alignment(one, other) {
  const [p, q] = [Math.hypot(...one), Math.hypot(...other)];
  return Math.min(p, q) >= 1e-9 ? sum(one.map((value, k) => value * other[k])) / (p * q) : null;
}

/**
 * One step downhill: the point that moves most goes `most` radians, or, where that would raise the loss, a half, a
 * quarter, … of it. Null where no such step lowers the loss: the points are at rest.
 */
export function stepDown(turns, labels, setting, most = 0.04) {
  const { loss, slopes } = followed(turns, labels, setting);
  const steepest = largest(slopes.map(Math.abs));
  if (!(steepest * turns.length > 1e-3)) return null;
  for (let size = most; size > most / 200; size /= 2) {
    const moved = turns.map((turn, k) => turn - (size * slopes[k]) / steepest);
    if (followed(moved, labels, setting).loss < loss) return moved;
  }
  return null;
}

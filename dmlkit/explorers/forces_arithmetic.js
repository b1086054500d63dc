// The four forces of a softmax (paper W, section III-A) on one embedding and its proxies: plain numbers in and out.
// Tests hold them to dmlkit's softmax_forces, and for the cosine to the gradient of norm_softmax.

export const KINDS = { plain: "distance d", square: "squared d²", cosine: "cosine" };

const minus = (a, b) => a.map((value, k) => value - b[k]);
const times = (a, factor) => a.map((value) => value * factor);
const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
export const sizeOf = (a) => Math.hypot(...a);
export const sumOf = (all) => all.reduce((sum, one) => sum.map((value, k) => value + one[k]), all[0].map(() => 0));

/**
 * How unlike an embedding and a proxy are, and the slopes of that by both: the distance, its square, or 1 − cos.
 * Where there is no direction (distance 0, or length 0 for the cosine) the slopes are 0.
 */
function unlike(e, p, kind) {
  const nothing = e.map(() => 0);
  if (kind === "cosine") {
    const [long, far] = [sizeOf(e), sizeOf(p)];
    if (!(long > 0 && far > 0)) return { value: 1, byE: nothing, byP: nothing };
    const [z, q] = [times(e, 1 / long), times(p, 1 / far)];
    const cosine = dot(z, q);
    return {
      value: 1 - cosine,
      byE: times(minus(times(z, cosine), q), 1 / long),
      byP: times(minus(times(q, cosine), z), 1 / far),
    };
  }
  const apart = minus(e, p);
  const distance = sizeOf(apart);
  const slope = kind === "square" ? 2 : distance > 0 ? 1 / distance : 0;
  return {
    value: kind === "square" ? distance ** 2 : distance,
    byE: times(apart, slope),
    byP: times(apart, -slope),
  };
}

/**
 * Loss in nats, probabilities (own class first) and forces: f1 and f3 on the embedding, f2 a list with one for each
 * other proxy, f4 on the own proxy. `net` is f1 + f3; `cancelled` the share of f1 and f3 that is lost in it, or null.
 */
export function forcesAt({ embedding, own, others }, kind, T) {
  const pairs = [own, ...others].map((proxy) => unlike(embedding, proxy, kind));
  const logits = pairs.map(({ value }) => -T * value);
  const top = Math.max(...logits);
  const exps = logits.map((logit) => Math.exp(logit - top));
  const total = exps.reduce((sum, value) => sum + value, 0);
  const p = exps.map((value) => value / total);
  // Sum of the other shares: 1 − p would lose its digits where p is close to 1.
  const rest = p.slice(1).reduce((sum, value) => sum + value, 0);
  const loss = rest < 0.5 ? -Math.log1p(-rest) : top + Math.log(total) - logits[0];
  const away = pairs.slice(1).map(({ byE }, j) => times(byE, T * p[j + 1]));
  const [f1, f3] = [sumOf(away), times(pairs[0].byE, -T * rest)];
  const net = sumOf([f1, f3]);
  const both = sizeOf(f1) + sizeOf(f3);
  return {
    loss,
    p,
    f1,
    f2: pairs.slice(1).map(({ byP }, j) => times(byP, T * p[j + 1])),
    f3,
    f4: times(pairs[0].byP, -T * rest),
    net,
    cancelled: both > 0 ? 1 - sizeOf(net) / both : null,
  };
}

function unlikeAt(x, y, [px, py], kind) {
  if (kind === "cosine") {
    const lengths = Math.sqrt((x * x + y * y) * (px * px + py * py));
    return lengths > 0 ? 1 - (x * px + y * py) / lengths : 1;
  }
  const square = (x - px) ** 2 + (y - py) ** 2;
  return kind === "square" ? square : Math.sqrt(square);
}

/** g in loss = log(1 + e^g), for an embedding at (x, y): for maps, without making anything. */
export function gapAt(x, y, { own, others }, kind, T) {
  const mine = unlikeAt(x, y, own, kind);
  const first = T * (mine - unlikeAt(x, y, others[0], kind));
  if (others.length === 1) return first;
  const second = T * (mine - unlikeAt(x, y, others[1], kind));
  return Math.max(first, second) + Math.log1p(Math.exp(-Math.abs(first - second)));
}

/**
 * One step of descent for the embedding, and for the proxies too if they are `free`: the fastest point goes `most`, or
 * half, a quarter … where the loss would not fall. Null where nothing lowers the loss: at rest.
 */
export function letGo({ embedding, own, others }, kind, T, free, most = 0.05) {
  const { loss, net, f2, f4 } = forcesAt({ embedding, own, others }, kind, T);
  const moves = [net, ...(free ? [f4, ...f2] : [])];
  const fastest = Math.max(...moves.map(sizeOf));
  if (!(fastest > 1e-6)) return null;
  for (let size = most; size > most / 300; size /= 2) {
    const moved = [embedding, own, ...others].map((point, k) =>
      moves[k] ? sumOf([point, times(moves[k], size / fastest)]) : point,
    );
    const scene = { embedding: moved[0], own: moved[1], others: moved.slice(2) };
    if (forcesAt(scene, kind, T).loss < loss - 1e-12) return scene;
  }
  return null;
}

// Embeddings and proxies that go down a softmax over distances or cosines: plain numbers in typed arrays, changed in
// place. Tests hold every step to dmlkit.landscape.train_particles.

/** Numbers in [0, 1) from a seed (mulberry32): Python draws the same ones, so that both show the same start. */
export function uniforms(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A loose start: classes around a small circle, overlapping, each with its proxy beside its middle. */
export function scatter(classes, count, seed) {
  const draw = uniforms(seed);
  const normal = () => Math.sqrt(-2 * Math.log(1 - draw())) * Math.cos(2 * Math.PI * draw());
  const middle = (c) => [Math.cos, Math.sin].map((f) => f((2 * Math.PI * c) / classes + 0.4));
  const points = new Float64Array(2 * count);
  const proxies = new Float64Array(2 * classes);
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  for (let c = 0; c < classes; c++) for (let k = 0; k < 2; k++) proxies[2 * c + k] = 0.8 * middle(c)[k] + 0.25 * normal();
  for (let i = 0; i < count; i++) for (let k = 0; k < 2; k++) points[2 * i + k] = 1.4 * middle(labels[i])[k] + 0.75 * normal();
  return { points, proxies, labels };
}

/** A run at its beginning: positions, gradients, Adam's moments. `start` is not changed. */
export function begin({ points, proxies, labels }) {
  const [e, p] = [Float64Array.from(points), Float64Array.from(proxies)];
  const zeros = (like) => new Float64Array(like.length);
  const classes = p.length / 2;
  const moments = { t: 0, e: [zeros(e), zeros(e)], p: [zeros(p), zeros(p)] };
  return { e, p, labels, classes, ge: zeros(e), gp: zeros(p), share: new Float64Array(classes), moments };
}

/** Adam begins anew, as at a new phase. */
export function forget({ moments }) {
  moments.t = 0;
  for (const list of [...moments.e, ...moments.p]) list.fill(0);
}

/** Logits to shares, in place; returns −log of the own share. */
function softmaxOf(share, own) {
  let highest = -Infinity;
  let sum = 0;
  for (let c = 0; c < share.length; c++) if (share[c] > highest) highest = share[c];
  const mine = share[own] - highest;
  for (let c = 0; c < share.length; c++) sum += share[c] = Math.exp(share[c] - highest);
  for (let c = 0; c < share.length; c++) share[c] /= sum;
  return Math.log(sum) - mine;
}

/**
 * The gradients of a run: each point's of its own loss in `ge`, the proxies' of the mean loss in `gp` (paper W, eq. 8).
 * kind "distance": { alpha, beta, r, margin, scale }; α = β = 1 is the Euclidean softmax. Kind "cosine": { scale }.
 * Returns { loss, distance }: mean loss in nats, average distance to proxy (eq. 9).
 */
export function slopesOf(run, kind, setting) {
  return kind === "cosine" ? cosineSlopes(run, setting) : distanceSlopes(run, setting);
}

function distanceSlopes({ e, p, labels, classes, ge, gp, share }, { alpha, beta, r, margin = 1, scale = 1 }) {
  const count = labels.length;
  const away = new Float64Array(3 * classes); // distance and unit vector from each proxy
  gp.fill(0);
  let [loss, distance] = [0, 0];
  for (let i = 0; i < count; i++) {
    const own = labels[i];
    for (let c = 0; c < classes; c++) {
      const dx = e[2 * i] - p[2 * c];
      const dy = e[2 * i + 1] - p[2 * c + 1];
      const d = Math.sqrt(dx * dx + dy * dy);
      away[3 * c] = d;
      away[3 * c + 1] = d > 0 ? dx / d : 0;
      away[3 * c + 2] = d > 0 ? dy / d : 0;
      share[c] = -scale * d;
    }
    const d = away[3 * own];
    const inside = d < r;
    share[own] = -scale * (inside ? alpha * d + margin * (1 - alpha) * d : beta * d + r * (1 - beta));
    loss += softmaxOf(share, own);
    distance += d;
    let gx = 0;
    let gy = 0;
    for (let c = 0; c < classes; c++) {
      const slope = c === own ? (inside ? alpha : beta) * (1 - share[own]) : -share[c];
      const sx = scale * slope * away[3 * c + 1];
      const sy = scale * slope * away[3 * c + 2];
      gx += sx;
      gy += sy;
      gp[2 * c] -= sx / count;
      gp[2 * c + 1] -= sy / count;
    }
    ge[2 * i] = gx;
    ge[2 * i + 1] = gy;
  }
  return { loss: loss / count, distance: distance / count };
}

function cosineSlopes({ e, p, labels, classes, ge, gp, share }, { scale }) {
  const count = labels.length;
  const unit = new Float64Array(3 * classes); // direction and length of each proxy
  for (let c = 0; c < classes; c++) {
    const length = Math.hypot(p[2 * c], p[2 * c + 1]);
    unit[3 * c] = p[2 * c] / length;
    unit[3 * c + 1] = p[2 * c + 1] / length;
    unit[3 * c + 2] = length;
  }
  const cosines = new Float64Array(classes);
  gp.fill(0);
  let [loss, distance] = [0, 0];
  for (let i = 0; i < count; i++) {
    const own = labels[i];
    const length = Math.hypot(e[2 * i], e[2 * i + 1]);
    const ux = e[2 * i] / length;
    const uy = e[2 * i + 1] / length;
    for (let c = 0; c < classes; c++) {
      cosines[c] = ux * unit[3 * c] + uy * unit[3 * c + 1];
      share[c] = scale * cosines[c];
    }
    loss += softmaxOf(share, own);
    distance += Math.hypot(e[2 * i] - p[2 * own], e[2 * i + 1] - p[2 * own + 1]);
    let gx = 0;
    let gy = 0;
    for (let c = 0; c < classes; c++) {
      const slope = scale * (share[c] - (c === own ? 1 : 0));
      const px = unit[3 * c];
      const py = unit[3 * c + 1];
      gx += (slope * (px - cosines[c] * ux)) / length;
      gy += (slope * (py - cosines[c] * uy)) / length;
      gp[2 * c] += (slope * (ux - cosines[c] * px)) / unit[3 * c + 2] / count;
      gp[2 * c + 1] += (slope * (uy - cosines[c] * py)) / unit[3 * c + 2] / count;
    }
    ge[2 * i] = gx;
    ge[2 * i + 1] = gy;
  }
  return { loss: loss / count, distance: distance / count };
}

const [FIRST, SECOND] = [0.9, 0.999]; // torch's β₁ and β₂

function adamStep(x, g, [m, v], t, rate, eps) {
  const [fix1, fix2] = [1 - FIRST ** t, Math.sqrt(1 - SECOND ** t)];
  for (let k = 0; k < x.length; k++) {
    m[k] = FIRST * m[k] + (1 - FIRST) * g[k];
    v[k] = SECOND * v[k] + (1 - SECOND) * g[k] * g[k];
    x[k] -= ((rate / fix1) * m[k]) / (Math.sqrt(v[k]) / fix2 + eps);
  }
}

/** One step of a run along `slopesOf`; rates: { optimizer: "sgd" or "adam", lr, proxyLr, eps }. Returns what that gave. */
export function advance(run, kind, setting, { optimizer, lr, proxyLr, eps = 1e-8 }) {
  const before = slopesOf(run, kind, setting);
  const { e, p, ge, gp, moments } = run;
  if (optimizer === "adam") {
    moments.t += 1;
    adamStep(e, ge, moments.e, moments.t, lr, eps);
    adamStep(p, gp, moments.p, moments.t, proxyLr, eps);
  } else {
    for (let k = 0; k < e.length; k++) e[k] -= lr * ge[k];
    for (let k = 0; k < p.length; k++) p[k] -= proxyLr * gp[k];
  }
  return before;
}

/** Mean distance between two proxies, in units of distance. */
export function separationOf({ p, classes }) {
  let sum = 0;
  for (let c = 0; c < classes; c++)
    for (let k = 0; k < c; k++) sum += Math.hypot(p[2 * c] - p[2 * k], p[2 * c + 1] - p[2 * k + 1]);
  return sum / ((classes * (classes - 1)) / 2);
}

/** Whether every position is a finite number. */
export const isFiniteRun = ({ e, p }) => e.every(Number.isFinite) && p.every(Number.isFinite);

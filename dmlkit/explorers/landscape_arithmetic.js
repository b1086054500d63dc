// The warped softmax of two to four classes in the plane (paper W, eqs. 5 to 8; T = 1): plain numbers in and out.
// Tests hold it against dmlkit.losses and dmlkit.landscape to 1e-6.
//
// A scene is { proxies: [[x, y], …], own: k }, parameters are { alpha, beta, r, margin }. All that the other proxies do
// goes through B, the soft minimum of their distances: the loss is softplus(f(d_own) − B).

import { effectiveWarp, softplus, warp } from "./warp.js";

/** The part of the plane that is drawn, in units of distance; how far apart two proxies stay; how the sliders run. */
export const SCENE = { x: [-3, 5], y: [-2.5, 2.5], cell: 0.05, apart: 0.1, most: 4 };
export const SLIDERS = { alpha: [0, 1.5], beta: [0.5, 2.5], r: [0, 3], margin: [0, 10] };
export const VIEW_NAMES = ["effective", "value", "field"];

// Math.hypot guards against overflow, which cannot happen here, and takes ten times as long.
const lengthOf = (x, y) => Math.sqrt(x * x + y * y);

/** B: the soft minimum of the distances from (x, y) to all proxies but the own one. */
export function rivalDistance(x, y, { proxies, own }) {
  let [least, sum] = [Infinity, 0]; // sum of exp(least − d)
  for (let j = 0; j < proxies.length; j++) {
    if (j === own) continue;
    const d = lengthOf(x - proxies[j][0], y - proxies[j][1]);
    if (d < least) [least, sum] = [d, sum * Math.exp(d - least) + 1];
    else sum += Math.exp(least - d);
  }
  return sum === 1 ? least : least - Math.log(sum);
}

/** o = Σ w_j u_j, the gradient of B: where the others push an embedding at (x, y), in units of its weight 1 − p. */
export function outwardPull(x, y, { proxies, own }) {
  const shift = rivalDistance(x, y, { proxies, own });
  let [ox, oy] = [0, 0];
  for (let j = 0; j < proxies.length; j++) {
    if (j === own) continue;
    const [dx, dy] = [x - proxies[j][0], y - proxies[j][1]];
    const d = lengthOf(dx, dy);
    if (d === 0) continue; // on a proxy the direction from it does not exist
    const share = Math.exp(shift - d) / d;
    ox += share * dx;
    oy += share * dy;
  }
  return [ox, oy];
}

const ownDistance = (x, y, { proxies, own }) => lengthOf(x - proxies[own][0], y - proxies[own][1]);

/** Minus the gradient that training gives an embedding at (x, y): what one step of descent follows. */
export function forceAt(x, y, scene, parameters) {
  const d = ownDistance(x, y, scene);
  const weight = 1 / (1 + Math.exp(rivalDistance(x, y, scene) - warp(d, parameters))); // 1 − p_y, of the forward value
  const [ox, oy] = outwardPull(x, y, scene);
  const pull = d > 0 ? (d < parameters.r ? parameters.alpha : parameters.beta) / d : 0;
  const [px, py] = scene.proxies[scene.own];
  return [weight * (ox - pull * (x - px)), weight * (oy - pull * (y - py))];
}

/** The loss of an embedding at (x, y) in nats: view "value" (with γ), else with the slopes that training follows. */
export function lossAt(x, y, scene, parameters, view) {
  const d = ownDistance(x, y, scene);
  return softplus((view === "value" ? warp(d, parameters) : effectiveWarp(d, parameters)) - rivalDistance(x, y, scene));
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

/**
 * What the map needs of a scene at every node, row by row from the lowest y: the distance to the own proxy, and B.
 * Sliders leave it alone; a dragged proxy changes one of the distances. So it is made from distances that are kept.
 */
export function mapOf() {
  const count = GRID.xs.length * GRID.ys.length;
  const kept = []; // for each proxy: where it stood, and the distances from there
  const [rival, pullX, pullY] = [0, 1, 2].map(() => new Float64Array(count));
  let [made, pulled] = ["", ""];
  return (scene) => {
    const { proxies, own } = scene;
    proxies.forEach(([px, py], j) => {
      if (kept[j]?.px === px && kept[j].py === py) return;
      const distance = kept[j]?.distance ?? new Float64Array(count);
      kept[j] = { px, py, distance };
      let at = 0;
      for (const y of GRID.ys) {
        const up = (y - py) * (y - py);
        for (const x of GRID.xs) distance[at++] = Math.sqrt((x - px) * (x - px) + up);
      }
    });
    const now = JSON.stringify([proxies, own]);
    if (now !== made) {
      made = now;
      const others = proxies.map((_, j) => kept[j].distance).filter((_, j) => j !== own);
      if (others.length === 1) rival.set(others[0]);
      else {
        const [a, b] = others;
        const c = others[2];
        for (let k = 0; k < count; k++) {
          const third = c ? c[k] : Infinity;
          const least = Math.min(a[k], b[k], third);
          rival[k] = least - Math.log(Math.exp(least - a[k]) + Math.exp(least - b[k]) + Math.exp(least - third));
        }
      }
    }
    /** o at every node: asked for by one view only, so made when it is. */
    const pull = () => {
      if (pulled !== made) {
        pulled = made;
        pullX.fill(0);
        pullY.fill(0);
        for (let j = 0; j < proxies.length; j++) {
          if (j === own) continue;
          const { px, py, distance } = kept[j];
          let at = 0;
          for (const y of GRID.ys) {
            for (const x of GRID.xs) {
              const d = distance[at];
              const share = d > 0 ? Math.exp(rival[at] - d) / d : 0;
              pullX[at] += share * (x - px);
              pullY[at++] += share * (y - py);
            }
          }
        }
      }
      return [pullX, pullY];
    };
    return { own: kept[own].distance, rival, pull };
  };
}

/** log loss at every node of the map; view "field": log of the size of the force. */
export function logGrid(map, scene, parameters, view, into = new Float64Array(map.own.length)) {
  const { own, rival } = map;
  const { alpha, beta, r, margin } = parameters;
  const inside = view === "effective" ? alpha : alpha + margin * (1 - alpha);
  const offset = view === "effective" ? (alpha - beta) * r : r * (1 - beta);
  if (view === "field") {
    const [pullX, pullY] = map.pull();
    const [px, py] = scene.proxies[scene.own];
    let k = 0;
    for (const y of GRID.ys) {
      for (const x of GRID.xs) {
        const d = own[k];
        const gap = (d < r ? inside * d : beta * d + offset) - rival[k];
        const slope = d > 0 ? (d < r ? alpha : beta) / d : 0;
        const [fx, fy] = [pullX[k] - slope * (x - px), pullY[k] - slope * (y - py)];
        into[k++] = Math.log(Math.sqrt(fx * fx + fy * fy) / (1 + Math.exp(-gap)) + 1e-12);
      }
    }
    return into;
  }
  for (let k = 0; k < into.length; k++) {
    const gap = (own[k] < r ? inside * own[k] : beta * own[k] + offset) - rival[k];
    // Far down log(1 + e^g) is e^g to more digits than a colour shows; above, the exact form.
    into[k] = gap < -12 ? gap : Math.log(softplus(gap));
  }
  return into;
}

/**
 * The minima of the effective landscape, which are the places where training's force vanishes and drives back: each as
 * { point, distance from the own proxy, kind, pull = |o| there }, the lowest first.
 *
 * With β > 1 they can only be the own proxy, points of the circle of radius r, or points inside it; so candidates are
 * the own proxy, the maxima of B on the circle, and the nodes of the map that are lower than their neighbours. Each is
 * then refined by ever finer steps outward, inward and around the own proxy: along these the kink at r lies straight.
 */
export function findMinima(map, scene, parameters) {
  const { proxies, own } = scene;
  const { alpha, beta, r } = parameters;
  const [px, py] = proxies[own];
  const width = GRID.xs.length;
  const place = (radius, angle) => [px + radius * Math.cos(angle), py + radius * Math.sin(angle)];
  const gapAt = (radius, angle) =>
    effectiveWarp(radius, parameters) -
    rivalDistance(px + radius * Math.cos(angle), py + radius * Math.sin(angle), scene);

  const candidates = [];
  if (r > 0) {
    const turns = 72;
    const around = Array.from({ length: turns }, (_, k) => rivalDistance(...place(r, (2 * Math.PI * k) / turns), scene));
    for (let k = 0; k < turns; k++)
      if (around[k] >= around[(k + 1) % turns] && around[k] >= around[(k + turns - 1) % turns])
        candidates.push([r, (2 * Math.PI * k) / turns]);
  }
  const gaps = (k) => (map.own[k] < r ? alpha * map.own[k] : alpha * r + beta * (map.own[k] - r)) - map.rival[k];
  for (let row = 1; row + 1 < GRID.ys.length; row++) {
    for (let column = 1; column + 1 < width; column++) {
      const k = row * width + column;
      // The circle itself has been searched; next to it a grid sees dips that are none.
      if (Math.abs(map.own[k] - r) < 2 * SCENE.cell) continue;
      const here = gaps(k);
      if (here < gaps(k - 1) && here < gaps(k + 1) && here < gaps(k - width) && here < gaps(k + width))
        candidates.push([map.own[k], Math.atan2(GRID.ys[row] - py, GRID.xs[column] - px)]);
    }
  }

  const minima = [];
  const keep = (point, distance, kind) => {
    if (minima.some((one) => lengthOf(one.point[0] - point[0], one.point[1] - point[1]) < 0.01)) return;
    const gap = effectiveWarp(distance, parameters) - rivalDistance(...point, scene);
    minima.push({ point, distance, kind, gap, pull: lengthOf(...outwardPull(...point, scene)) });
  };
  if (lengthOf(...outwardPull(px, py, scene)) < (r > 0 ? alpha : beta) - 1e-9) keep([px, py], 0, "own proxy");
  for (let [radius, angle] of candidates) {
    let best = gapAt(radius, angle);
    const better = (there, turned) => {
      const gap = gapAt(there, turned);
      if (!(gap < best - 1e-15)) return false;
      [best, radius, angle] = [gap, there, turned];
      return true;
    };
    for (let step = SCENE.cell; step > 1e-7; step /= 2) {
      const turn = step / (radius + 0.1);
      for (let moves = 0; moves < 400; moves++) {
        const moved =
          better(radius + step, angle) ||
          better(Math.abs(radius - step), angle) ||
          better(radius, angle + turn) ||
          better(radius, angle - turn);
        if (!moved) break;
      }
    }
    const far = radius > 20; // it went off: no minimum there
    if (far || radius < 1e-4) continue; // the own proxy has been judged already
    keep(place(radius, angle), radius, Math.abs(radius - r) < 1e-6 ? "at r" : radius < r ? "inside" : "outside");
  }
  return minima.sort((one, two) => one.gap - two.gap);
}

/**
 * With two classes the slopes on the ray behind the own proxy say all (paper W, Proposition III.2). Where one of them is
 * exactly 1 the ray is flat: the valley from … to … behind the own proxy, or null.
 */
export function valleyOf({ proxies }, { alpha, beta, r }) {
  if (proxies.length > 2) return null;
  const flat = (slope) => Math.abs(slope - 1) < 1e-9;
  if (r > 0 && flat(alpha)) {
    if (flat(beta)) return [0, Infinity];
    return beta > 1 ? [0, r] : null;
  }
  return flat(beta) && (alpha < 1 || r === 0) ? [r, Infinity] : null;
}

/** Unit vector from the own proxy to `point`, or the way the others push there, or to the right. */
export function behindOf(scene, point) {
  const [px, py] = scene.proxies[scene.own];
  for (const [x, y] of [point ? [point[0] - px, point[1] - py] : [0, 0], outwardPull(px, py, scene)]) {
    const far = lengthOf(x, y);
    if (far > 1e-6) return [x / far, y / far];
  }
  return [1, 0];
}

/** Proxies that may stand where they are: two to four, inside the scene, none upon another. */
export function standApart(proxies) {
  if (proxies.length < 2 || proxies.length > SCENE.most) return false;
  const within = (value, [low, high]) => value >= low && value <= high;
  return proxies.every(
    ([x, y], k) =>
      within(x, SCENE.x) &&
      within(y, SCENE.y) &&
      proxies.every(([u, v], j) => j <= k || lengthOf(x - u, y - v) >= SCENE.apart),
  );
}

const rounded = (value) => String(Number(value.toFixed(3)));

/** A state as the value of ?landscape=…: alpha_0.5~beta_1.5~…~proxies_1_0_-1_0. */
export function writeLink({ alpha, beta, r, margin, view, forces, own, proxies }) {
  const numbers = Object.entries({ alpha, beta, r, margin }).map(([name, value]) => `${name}_${rounded(value)}`);
  const points = proxies.flat().map(rounded).join("_");
  return [...numbers, `view_${view}`, `forces_${forces ? 1 : 0}`, `own_${own}`, `proxies_${points}`].join("~");
}

/**
 * The state that an address carries (the part from the question mark on), or null where it carries none, or
 * { refused: true }. Every name must be there once, every number within its slider, every proxy within the scene;
 * anything else refuses the whole.
 */
export function readLink(search) {
  const carried = new URLSearchParams(search).getAll("landscape");
  if (!carried.length) return null;
  const refused = { refused: true };
  if (carried.length > 1 || carried[0].length > 300) return refused;
  const fields = new Map();
  for (const part of carried[0].split("~")) {
    const [name, ...values] = part.split("_");
    if (fields.has(name)) return refused;
    fields.set(name, values);
  }
  const names = [...Object.keys(SLIDERS), "view", "forces", "own", "proxies"];
  if (fields.size !== names.length || !names.every((name) => fields.has(name))) return refused;
  const state = {};
  for (const [name, values] of fields) {
    if (name === "view") {
      if (values.length !== 1 || !VIEW_NAMES.includes(values[0])) return refused;
      state.view = values[0];
      continue;
    }
    if (!values.every((value) => /^-?\d{1,2}(\.\d{1,3})?$/.test(value))) return refused;
    const numbers = values.map(Number);
    if (name === "proxies") {
      if (numbers.length % 2) return refused;
      state.proxies = Array.from({ length: numbers.length / 2 }, (_, k) => numbers.slice(2 * k, 2 * k + 2));
      continue;
    }
    const [low, high] = SLIDERS[name] ?? (name === "forces" ? [0, 1] : [0, SCENE.most - 1]);
    if (numbers.length !== 1 || !(numbers[0] >= low && numbers[0] <= high)) return refused;
    if (!(name in SLIDERS) && !Number.isInteger(numbers[0])) return refused;
    state[name] = name === "forces" ? numbers[0] === 1 : numbers[0];
  }
  return standApart(state.proxies) && state.own < state.proxies.length ? { state } : refused;
}

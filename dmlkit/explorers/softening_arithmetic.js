// Soft minimum, soft maximum and soft silhouette of one image (paper S, eqs. 10, 11 and 13): plain numbers in and out.
// Tests hold them against dmlkit.losses.soft_silhouette to 1e-9.

/** What stands still: the distance of the nearest other class, the soft maximum's temperature, ε. */
export const FIXED = { nearest: 0.3, tau: 0.1, eps: 1e-8 };

/** Mean distances to the other classes: one stands at the nearest, all the rest `gap` behind it. */
export const standings = (others, gap) =>
  Array.from({ length: others }, (_, k) => (k === 0 ? FIXED.nearest : FIXED.nearest + gap));

/**
 * The soft minimum b of distances, and the share ∂b/∂d of its gradient that each of them gets.
 *
 * "logsumexp" is −τ log Σ e^(−d/τ), "logmeanexp" has the mean in place of the sum, "weighted_mean" is Σ w d with
 * w = softmax(−d/τ); its shares are w (1 − (d − b)/τ), negative for what lies far behind b.
 */
export function softMinimum(distances, tau, form) {
  const least = Math.min(...distances);
  const powers = distances.map((d) => Math.exp((least - d) / tau));
  const sum = powers.reduce((total, power) => total + power, 0);
  const weights = powers.map((power) => power / sum);
  if (form === "weighted_mean") {
    const b = distances.reduce((total, d, k) => total + weights[k] * d, 0);
    return { b, shares: weights.map((w, k) => w * (1 - (distances[k] - b) / tau)) };
  }
  const b = least - tau * Math.log(form === "logmeanexp" ? sum / distances.length : sum);
  return { b, shares: weights };
}

/** smax(a, b) = τ log(e^(a/τ) + e^(b/τ)) without overflow. */
export const softMaximum = (a, b, tau) => Math.max(a, b) + tau * Math.log1p(Math.exp(-Math.abs(a - b) / tau));

/** s̃ of eq. 13. */
export const softScore = (a, b, { tau, eps } = FIXED) => (b - a) / (softMaximum(a, b, tau) + eps);

/** The silhouette with true minimum and maximum; 0 where a = b = 0. */
export const trueScore = (a, b) => (Math.max(a, b) > 0 ? (b - a) / Math.max(a, b) : 0);

/** Entropy, in nats, of the two shares σ(u) and 1 − σ(u). */
function entropyOfShares(u) {
  const power = Math.exp(-Math.abs(u));
  return Math.log1p(power) + (Math.abs(u) * power) / (1 + power);
}

/** [∂s̃/∂a, ∂s̃/∂b] in closed form: −(b + τH + ε) and a + τH + ε, over (smax + ε)². */
export function slopesOf(a, b, { tau, eps } = FIXED) {
  const heat = tau * entropyOfShares((a - b) / tau) + eps;
  const below = (softMaximum(a, b, tau) + eps) ** 2;
  return [-(b + heat) / below, (a + heat) / below];
}

/** The a from which on ∂s̃/∂a > 0, so that training drives an image away from its own class; null: none up to 2. */
export function turningPoint(b, setting = FIXED) {
  const turned = (a) => slopesOf(a, b, setting)[0] > 0;
  if (!turned(2)) return null;
  if (turned(0)) return 0;
  let [low, high] = [0, 2]; // ∂s̃/∂a changes its sign once: for b < 0 the entropy falls as a grows
  for (let k = 0; k < 50; k++) {
    const middle = (low + high) / 2;
    if (turned(middle)) high = middle;
    else low = middle;
  }
  return high;
}

// The warp of paper W (eq. 7), in numbers. Tests hold it against dmlkit.losses to 1e-6.

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

// The four entropies of paper M's eq. 1 for Gaussian classes on a line, in nats: plain numbers in and out.
// Tests hold them against dmlkit.information.mixture_entropies to 1e-10.

const POINTS = 161; // of a regular grid, 9σ to each side of a mean; dmlkit takes 257, which a redraw need not wait for
const REACH = 9;

/** log of 1/√(2π). */
const FRONT = -Math.log(2 * Math.PI) / 2;

/** The means, in units of σ, of `classes` classes at steps of `separation`, around 0. */
export const meansOf = (separation, classes) =>
  Array.from({ length: classes }, (_, k) => (k - (classes - 1) / 2) * separation);

/** log(w_c p_c(z)) of balanced classes, z and means in units of σ. */
export const logJoint = (z, means) =>
  means.map((mean) => FRONT - (z - mean) ** 2 / 2 - Math.log(means.length));

/** log Σ e^x without overflow. */
export function logSum(values) {
  const most = Math.max(...values);
  return most + Math.log(values.reduce((total, value) => total + Math.exp(value - most), 0));
}

/**
 * H(Y), H(Y|Z), H(Z), H(Z|Y) of `classes` balanced classes at steps of `separation` (in units of σ).
 *
 * Each by its own sum, integral or closed form: that the two differences agree is a result, not a definition.
 */
export function entropiesOf({ separation, spread, classes }) {
  const means = meansOf(separation, classes);
  const half = Math.ceil(classes / 2); // the other half is the mirror image
  let [labelGiven, embedding, mass] = [0, 0, 0];
  for (let k = 0; k < POINTS; k++) {
    const t = REACH * ((2 * k) / (POINTS - 1) - 1);
    const weight = Math.exp((-t * t) / 2);
    mass += weight;
    for (let c = 0; c < half; c++) {
      const share = (weight * (2 * c === classes - 1 ? 1 : 2)) / classes;
      const joint = logJoint(means[c] + t, means);
      const density = logSum(joint);
      embedding -= share * density;
      for (const value of joint) labelGiven -= share * Math.exp(value - density) * (value - density);
    }
  }
  return {
    label: Math.log(classes),
    labelGiven: labelGiven / mass,
    embedding: embedding / mass + Math.log(spread),
    embeddingGiven: (1 + Math.log(2 * Math.PI)) / 2 + Math.log(spread),
  };
}

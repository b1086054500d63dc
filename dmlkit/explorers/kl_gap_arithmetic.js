// Lemma 2 of paper M on two Gaussian classes: cross-entropy = H(Y|Z) + KL, point by point and in total, in nats.
// Tests hold it against dmlkit.information to 1e-9.
//
// The classes are N(−δ/2, 1) and N(δ/2, 1), equally frequent: the posterior is σ(δz). The classifier is σ(w(z − t)).

const GRID = 801; // points of the trapezoid rule; such integrands are analytic and vanish at the ends
const REACH = 9; // standard deviations beyond the means

/** log(1 + e^x) without overflow. */
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/** σ(x) = 1 / (1 + e^(−x)). */
export const sigmoid = (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x)));

/** The density of the embedding z, both classes together. */
export function densityAt(z, separation) {
  const bell = (x) => Math.exp((-x * x) / 2) / Math.sqrt(8 * Math.PI);
  return bell(z - separation / 2) + bell(z + separation / 2);
}

/** At one z: the entropy of the posterior, and how far the classifier is from it (KL). */
export function partsAt(z, { separation, slope, shift }) {
  const [truth, said] = [separation * z, slope * (z - shift)]; // logits
  const entropy = softplus(-truth) + sigmoid(-truth) * truth;
  const kl = softplus(said) - softplus(truth) - sigmoid(truth) * (said - truth);
  return { entropy, kl: Math.max(0, kl) };
}

/** The parts of the cross-entropy, averaged over z, the mutual information and the bound that the classifier gives. */
export function gapOf(setting) {
  const end = setting.separation / 2 + REACH;
  const step = (2 * end) / (GRID - 1);
  let [conditional, kl] = [0, 0];
  for (let k = 0; k < GRID; k++) {
    const z = -end + k * step;
    const mass = densityAt(z, setting.separation) * step;
    const parts = partsAt(z, setting);
    conditional += mass * parts.entropy;
    kl += mass * parts.kl;
  }
  const crossEntropy = conditional + kl;
  const [information, bound] = [Math.LN2 - conditional, Math.LN2 - crossEntropy];
  return { conditional, kl, crossEntropy, information, bound };
}

/** What is wrong: "posterior" (nothing), "shifted" (most of the gap goes with the shift), "confident" or "timid". */
export function faultOf(setting, { kl }) {
  if (kl < 5e-4) return "posterior";
  const unshifted = gapOf({ ...setting, shift: 0 }).kl;
  if (unshifted < kl / 3) return "shifted";
  return setting.slope > setting.separation ? "confident" : "timid";
}

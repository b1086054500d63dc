// Runs with several seeds under corruption: means with 95 % intervals, and what two arms keep and lose, seed by seed.
// Tests hold it against dmlkit.records.estimate to 1e-12.

/** Mean of runs and half of its 95 % interval; `t` is Student's t for their number. */
export function estimateOf(values, t) {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const square = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
  return { mean, half: t * Math.sqrt(square / values.length) };
}

/** Recall@1 of an arm, a number a seed: `counts` of right neighbours over the images tested. */
export function recallOf({ clean, counts, tested }, { spoilt, corruption, arm, severity }) {
  const found = severity === 0 ? clean[arm] : counts[spoilt][corruption][arm][severity - 1];
  return found.map((count) => count / tested);
}

/** Second arm of the pair minus the first, paired by seed: of what is left, and of what was lost against clean images. */
export function comparison(state) {
  const { pair, t } = state;
  const [first, second] = pair.map((arm) => {
    const left = recallOf(state, { ...state, arm });
    const before = recallOf(state, { ...state, arm, severity: 0 });
    return { left, lost: left.map((value, k) => before[k] - value) };
  });
  const gap = (key) => estimateOf(second[key].map((value, k) => value - first[key][k]), t);
  return { left: gap("left"), lost: gap("lost") };
}

/**
 * The levels of an image, row by row from the top, 0 black and 15 white. The text holds a hexadecimal digit a pixel: of
 * the clean image, then of each corruption at severities 1 to 5.
 */
export function levelsOf(text, { corruption, severity }, pixels = 64) {
  const version = severity === 0 ? 0 : 5 * corruption + severity;
  return Array.from(text.slice(version * pixels, (version + 1) * pixels), (digit) => parseInt(digit, 16));
}

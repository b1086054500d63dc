// What a table of accuracies says, and what chance alone allows. A number that the table lacks is null.

const Z95 = 1.959963984540054;

/** Half of the 95 % interval of p − q, each a share counted over n images of its own. */
export const halfWidthOfDifference = (p, q, n) => Z95 * Math.sqrt((p * (1 - p) + q * (1 - q)) / n);

/** Half of the 95 % interval of a share p counted over n images. */
export const halfWidth = (p, n) => halfWidthOfDifference(p, 0, n);

/** One arm's dots: for each set its value (or difference to `against`) and half-width, or null where there is none. */
export const dots = (values, against, sizes) =>
  values.map((p, k) => {
    if (p === null || (against && against[k] === null)) return null;
    if (!against) return { value: p, half: halfWidth(p, sizes[k]) };
    return { value: p - against[k], half: halfWidthOfDifference(p, against[k], sizes[k]) };
  });

/** Of differences: on how many sets above and below, on how many of them by more than the half-width, and the mean. */
export function tally(differences) {
  const there = differences.filter((dot) => dot !== null);
  const count = (holds) => there.filter(holds).length;
  return {
    sets: there.length,
    above: count(({ value }) => value > 0),
    below: count(({ value }) => value < 0),
    clearlyAbove: count(({ value, half }) => value > half),
    clearlyBelow: count(({ value, half }) => value < -half),
    mean: there.reduce((sum, { value }) => sum + value, 0) / there.length,
  };
}

/** On how many sets each of the `chosen` arms has the largest accuracy, and on how many it leads the second clearly. */
export function leaders(values, chosen, sizes) {
  const wins = new Map(chosen.map((k) => [k, 0]));
  let clear = 0;
  sizes.forEach((n, s) => {
    const ranked = chosen.filter((k) => values[k][s] !== null).sort((a, b) => values[b][s] - values[a][s]);
    if (!ranked.length) return;
    const [first, second] = ranked;
    wins.set(first, wins.get(first) + 1);
    if (second === undefined) return;
    const [p, q] = [values[first][s], values[second][s]];
    if (p - q > halfWidthOfDifference(p, q, n)) clear += 1;
  });
  return { wins, clear };
}

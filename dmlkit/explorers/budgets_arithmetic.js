// What a search of a smaller budget had found, places, and Kendall's τ; as in dmlkit/comparison/ranks.py.

/**
 * The test score to expect of a search with `budget` of `trials` trials. `tests` are those of the trials that ended, in
 * the order of what the search looks at, best first; the others diverged and come last.
 */
export function expectedTest(tests, trials, budget) {
  // Of the subsets of this size, the share whose best trial stands at each place; C(n, b) itself would cancel.
  let share = budget / trials;
  let [sum, total] = [0, 0];
  tests.forEach((test, place) => {
    sum += share * test;
    total += share;
    const left = trials - 1 - place;
    share *= left > 0 ? Math.max(0, left - budget + 1) / left : 0;
  });
  return sum / total;
}

/** Numbers of the losses, the highest score first; equal ones in the order of the list. */
export const orderOf = (scores) => scores.map((_, k) => k).sort((a, b) => scores[b] - scores[a] || a - b);

/** How many losses stand at another place in the second order. */
export function moved(one, other) {
  const [first, second] = [one, other].map(orderOf);
  return first.filter((loss, place) => second[place] !== loss).length;
}

/** Kendall's τ_b: agreeing pairs minus disagreeing ones, over the pairs that are not tied. NaN where all are. */
export function kendall(one, other) {
  let [sum, inOne, inOther] = [0, 0, 0];
  for (let a = 0; a < one.length; a++)
    for (let b = 0; b < a; b++) {
      const [x, y] = [Math.sign(one[a] - one[b]), Math.sign(other[a] - other[b])];
      sum += x * y;
      inOne += x !== 0;
      inOther += y !== 0;
    }
  return sum / Math.sqrt(inOne * inOther);
}

/** Expected scores of all losses on one data set; with `flattered`, of a search that looks at the test classes. */
export function scoresOf({ tests, trials }, { data, budget, flattered }) {
  return tests[data].map((found) => {
    const seen = flattered ? [...found].sort((a, b) => b - a) : found;
    return expectedTest(seen, trials, budget) / 1e5;
  });
}

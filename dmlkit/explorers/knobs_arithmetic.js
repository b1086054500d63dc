// What a sweep shows: paired differences with their intervals, and how far a number moves a measure.

/** Value → its seeds, by one measure, of "20512,20498;19870,19911/…": measures, values, seeds in 1/100000. */
export const runsOf = (text, measure) =>
  text
    .split("/")
    [measure].split(";")
    .map((seeds) => (seeds ? seeds.split(",").map((run) => Number(run) / 1e5) : []));

const meanOf = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Sample variance. */
function varianceOf(values) {
  const mean = meanOf(values);
  return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1);
}

/** Mean of the differences, and half of its interval by Student's `quantile` of one degree of freedom less than seeds. */
export function pairedOf(runs, others, quantile) {
  const differences = runs.map((run, seed) => run - others[seed]);
  return { mean: meanOf(differences), half: quantile * Math.sqrt(varianceOf(differences) / runs.length) };
}

/** 1 where the whole interval lies above 0, −1 below it, 0 where it holds 0. */
export const sideOf = ({ mean, half }) => (mean > half ? 1 : -mean > half ? -1 : 0);

/** The mean of each value's seeds; NaN where one diverged. */
export const meansOf = (points) => points.map((runs) => (runs.length ? meanOf(runs) : NaN));

/** The highest mean minus the lowest, of the values at which no seed diverged. */
export function reachOf(points) {
  const means = meansOf(points).filter(Number.isFinite);
  return Math.max(...means) - Math.min(...means);
}

/** Standard deviation of a seed, pooled over the values. */
export const seedOf = (points) => Math.sqrt(meanOf(points.filter((runs) => runs.length).map(varianceOf)));

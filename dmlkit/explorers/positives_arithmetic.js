// Who has a partner in a batch: exact probabilities under the model of the chapter, plain numbers in and out.
// Tests hold them against scipy's binomial to 1e-9, and the composition against dmlkit's class-balanced sampler.
//
// Random draws: each row's class is any of C, independently and with equal chances. That neglects that an image is drawn
// without repetition, and that classes differ in size.

/** What a batch is made of: `groups` classes with `each` images, or, at images = 1, whatever `batch` draws give. */
export function compositionOf({ batch, classes, images }) {
  if (images === 1) return { random: true, rows: batch };
  const groups = Math.min(classes, Math.max(1, Math.floor(batch / images)));
  const each = groups < classes ? Math.min(images, batch) : Math.floor(batch / classes);
  return { random: false, groups, each, rows: groups * each };
}

/** P(K = k) of a binomial with `trials` and chance `p`, for k = 0 … trials; in logarithms, so that nothing underflows. */
export function binomial(trials, p) {
  const [yes, no] = [Math.log(p), Math.log1p(-p)];
  let choose = 0; // log of trials over k
  return Array.from({ length: trials + 1 }, (_, k) => {
    if (k > 0) choose += Math.log((trials - k + 1) / k);
    return Math.exp(choose + k * yes + (trials - k) * no);
  });
}

/** The chance that an anchor has no partner among the other rows of random draws. */
export const aloneAtRandom = (batch, classes) => Math.exp((batch - 1) * Math.log1p(-1 / classes));

/** The chance that no two rows of random draws share a class: the birthday problem. */
export function noPairAtRandom(batch, classes) {
  if (batch > classes) return 0;
  let log = 0;
  for (let k = 1; k < batch; k++) log += Math.log1p(-k / classes);
  return Math.exp(log);
}

/** Chances of 0, 1, 2, … partners, and what follows for the batch. */
export function partnersOf(setting) {
  const { batch, classes } = setting;
  const plan = compositionOf(setting);
  if (!plan.random) {
    const chances = Array.from({ length: plan.each }, (_, k) => (k === plan.each - 1 ? 1 : 0));
    const alone = plan.each === 1 ? 1 : 0;
    const pairs = (plan.rows * (plan.each - 1)) / 2;
    return { ...plan, chances, alone, pairs, noPair: alone, present: plan.groups };
  }
  return {
    ...plan,
    chances: binomial(batch - 1, 1 / classes),
    alone: aloneAtRandom(batch, classes),
    pairs: (batch * (batch - 1)) / 2 / classes,
    noPair: noPairAtRandom(batch, classes),
    present: -classes * Math.expm1(batch * Math.log1p(-1 / classes)),
  };
}

"""What a sweep shows: how far a number moves a measure, and what three seeds can tell of that."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.sweeps import SweepStudy
from dmlkit.data.samplers import check_whole
from dmlkit.records import Estimate, estimate, in_markdown

_EXCHANGES = 20_000


@dataclass(frozen=True)
class Sensitivity:
    """How a measure answers to one number, of the values at which no seed diverged.

    Attributes:
        loss, knob: as the sweep has them.
        default: value of the knob.
        means: value → mean over seeds.
        reach: the highest mean minus the lowest.
        seed: standard deviation of a seed, pooled over the values.
        chance: how often the means would lie as far apart if the number did nothing, by `by_chance`.
        above, below: values whose simultaneous interval of the difference to the default lies above 0, or below.
        untrained: the measure before any training, by the distance that the loss uses.
        over, under: values whose simultaneous interval lies above the untrained one, or below.
        diverged: values at which a seed did.
    """

    loss: str
    knob: str
    default: float
    means: dict[float, float]
    reach: float
    seed: float
    chance: float
    above: tuple[float, ...]
    below: tuple[float, ...]
    untrained: float
    over: tuple[float, ...]
    under: tuple[float, ...]
    diverged: tuple[float, ...]

    @property
    def spreads(self) -> float:
        """The reach in standard deviations of a seed."""
        return self.reach / self.seed if self.seed else float("inf" if self.reach else 0)


def untrained(found: SweepStudy, name: str, measure: str = "MAP@R") -> float:
    """The measure before any training, by the distance that the loss of a sweep uses.

    Args:
        found: the file.
        name: of a sweep that it has.
        measure: one of `MEASURES`.
    """
    euclidean = CANDIDATES[found.sweeps[name]["loss"]].distance == "euclidean"
    return found.baselines["first head, euclidean" if euclidean else "first head"][measure]


def widened(values: Sequence[float], looks: int = 1) -> Estimate:
    r"""Mean and interval of independent runs by Student's t, one of several that shall all hold together.

    $\bar x \pm t_{1 - .025/k,\, n - 1}\, s / \sqrt n$ with k for `looks` (Bonferroni): all k intervals hold in at least
    95 % of all experiments. With one look it is `dmlkit.records.estimate`.

    Args:
        values: of n ≥ 2 runs.
        looks: how many intervals are looked at.

    Raises:
        TypeError, ValueError: looks is no whole number of at least 1; fewer than two values, or one that is not finite.

    Example:
        >>> widened([0.1, 0.2, 0.3]).half_width < widened([0.1, 0.2, 0.3], looks=5).half_width
        True

    Explained in the chapter "Turning the knobs".
    """
    check_whole("looks", looks, least=1)
    one = estimate(values)
    plain, wide = (float(stats.t.ppf(1 - 0.025 / count, one.runs - 1)) for count in (1, looks))
    return Estimate(one.mean, one.half_width * wide / plain, one.runs)


def against(curve: Mapping[float, Sequence[float]], default: float, *, together: bool = True) -> dict[float, Estimate]:
    """Each other value's difference to the default, paired over seeds, with its 95 % interval.

    Args:
        curve: value → one number a seed, as `SweepStudy.curve` gives it.
        default: one of the values.
        together: whether all intervals shall hold at once (`widened` by as many looks as there are other values).

    Raises:
        ValueError: the curve lacks the default, or has another number of seeds at some value.

    Example:
        >>> found = against({0.1: [0.30, 0.32, 0.31], 0.2: [0.35, 0.37, 0.36]}, default=0.1)
        >>> {value: round(found[value].mean, 3) for value in found}
        {0.2: 0.05}

    Explained in the chapter "Turning the knobs".
    """
    if default not in curve:
        raise ValueError(f"default must be one of the values of the curve, {list(curve)}, found {default}")
    if len({len(runs) for runs in curve.values()}) > 1:
        raise ValueError("curve must have as many seeds at every value, found other numbers of them")
    looks = len(curve) - 1 if together else 1
    return {
        value: widened([run - usual for run, usual in zip(runs, curve[default], strict=True)], looks)
        for value, runs in curve.items()
        if value != default
    }


def by_chance(curve: Mapping[float, Sequence[float]], *, exchanges: int = _EXCHANGES) -> float:
    """How often the means would lie as far apart if the number did nothing: p of a permutation test.

    If the number does nothing, each seed's results might as well stand at other values. They are exchanged at random
    within each seed; the share of exchanges whose means have at least the variance that was seen, counting what was
    seen as one of them, is p. With k values and n seeds it is at least $1 / (k!)^{n - 1}$.

    Args:
        curve: value → one number a seed.
        exchanges: drawn at random, the same ones each time.

    Raises:
        TypeError, ValueError: fewer than two values, other numbers of seeds, or exchanges that are no whole number of
            at least 1.

    Example:
        >>> by_chance({1: [0.1, 0.2, 0.1], 2: [0.2, 0.1, 0.1]}) > 0.5
        True

    Explained in the chapter "Turning the knobs".
    """
    check_whole("exchanges", exchanges, least=1)
    if len(curve) < 2:
        raise ValueError(f"curve must have at least two values, found {len(curve)}")
    if len({len(runs) for runs in curve.values()}) > 1:
        raise ValueError("curve must have as many seeds at every value, found other numbers of them")
    runs = np.array(list(curve.values())).T
    draws = np.random.default_rng(0)
    drawn = draws.permuted(np.broadcast_to(runs, (exchanges, *runs.shape)), axis=2).mean(axis=1).var(axis=1)
    seen = runs.mean(axis=0).var()
    # The same exchange adds its numbers in another order: what is equal may differ in the last digits.
    return (1 + int((drawn >= seen * (1 - 1e-9) - 1e-18).sum())) / (1 + exchanges)


def sensitivity(found: SweepStudy, name: str, measure: str = "MAP@R") -> Sensitivity:
    """What a sweep shows of its number.

    Args:
        found: the file.
        name: of a sweep that it has; at two values at least no seed diverged, and at the default none.
        measure: one of `MEASURES`.

    Raises:
        ValueError: a sweep that the file lacks, or that has too few values without a divergence.

    Explained in the chapter "Turning the knobs".
    """
    curve, sweep = found.curve(name, measure), found.sweeps[name]
    means = {value: statistics.fmean(runs) for value, runs in curve.items()}
    start = untrained(found, name, measure)
    to_default = against(curve, sweep["default"])
    to_start = {value: widened([run - start for run in runs], len(curve)) for value, runs in curve.items()}
    return Sensitivity(
        loss=sweep["loss"],
        knob=sweep["knob"],
        default=sweep["default"],
        means=means,
        reach=max(means.values()) - min(means.values()),
        seed=statistics.fmean(statistics.variance(runs) for runs in curve.values()) ** 0.5,
        chance=by_chance(curve),
        above=_where(to_default, 1),
        below=_where(to_default, -1),
        untrained=start,
        over=_where(to_start, 1),
        under=_where(to_start, -1),
        diverged=tuple(point["value"] for point in sweep["points"] if not point["runs"]),
    )


def sensitivity_table(found: SweepStudy, measure: str = "MAP@R") -> str:
    """All sweeps of a file, the number that moves the measure most on top.

    Args:
        found: the file.
        measure: one of `MEASURES`.

    Returns:
        Markdown: the reach in hundredths of the measure (points) and in standard deviations of a seed; p of
        `by_chance`; how many of the other values are clearly above and below the default, and how many of all above
        what no training gives, by intervals that hold together.
    """
    known = {name: sensitivity(found, name, measure) for name in found.sweeps}
    rows = [
        (
            name,
            f"{len(one.means)}" + (f" ({len(one.diverged)} diverged)" if one.diverged else ""),
            f"{100 * one.reach:.1f}",
            f"{one.spreads:.1f}",
            "<0.001" if one.chance < 0.001 else f"{one.chance:.3f}",
            f"{len(one.above)}, {len(one.below)} of {len(one.means) - 1}",
            f"{len(one.over)} of {len(one.means)}",
        )
        for name, one in sorted(known.items(), key=lambda pair: -pair[1].reach)
    ]
    head = ("sweep", "values", "reach", "spreads", "p", "above, below the default", "above untrained")
    return in_markdown(head, rows)


def _where(found: Mapping[float, Estimate], sign: int) -> tuple[float, ...]:
    """Values whose interval lies on one side of 0."""
    return tuple(value for value, one in found.items() if sign * one.mean > one.half_width)

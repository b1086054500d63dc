"""For each printed number its state: measured by recorded full runs, not yet run, or without a recipe of ours."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from dmlkit.published import Published
from dmlkit.records import Estimate, RunRecord, check_alike, estimate
from dmlkit.results.reading import Results, why_not_full

MEASURED, NOT_RUN, NO_RECIPE = "measured", "not yet run", "no recipe of ours"
# How many seeds a command asks for; paper W's main table is of five.
SEEDS = 5


@dataclass(frozen=True)
class Answer:
    """A printed number and what recorded full runs say to it.

    Attributes:
        recipe: that answers it, or None.
        measure: its name.
        row: what is printed; None for a full run whose recipe and measure no paper has.
        state: `MEASURED`, `NOT_RUN` or `NO_RECIPE`.
        runs: the full runs that have this measure, one a seed; none unless the state is `MEASURED`.
    """

    recipe: str | None
    measure: str
    row: Published | None
    state: str
    runs: tuple[RunRecord, ...] = ()

    @property
    def values(self) -> list[float]:
        """Of the last epoch, a seed each."""
        return [run.metrics[self.measure] for run in self.runs]

    @property
    def best_on_test(self) -> list[float]:
        """Of the epoch that was best on the test split, where each of the runs chose one there; else empty."""
        best = [run.best for run in self.runs if run.best.get("chosen on") == "test"]
        values = [found["metrics"][self.measure] for found in best if self.measure in found["metrics"]]
        return values if len(values) == len(self.runs) else []

    @property
    def difference(self) -> Estimate | float | None:
        """Ours minus the paper's: with an interval from two seeds on, a plain number from one, else None.

        The interval is that of our mean. Where the paper prints one too, both means count as independent, and the
        half-widths add as the legs of a right angle do.
        """
        if self.row is None or not self.runs:
            return None
        if len(self.runs) == 1:
            return self.values[0] - self.row.value
        ours = estimate(self.values)
        return Estimate(ours.mean - self.row.value, math.hypot(ours.half_width, self.row.interval or 0.0), ours.runs)


def answers(found: Results) -> list[Answer]:
    """Every printed number of a benchmark with its state, then the full runs that no paper has a number for.

    Args:
        found: of `read`.

    Raises:
        ValueError: two full runs of one recipe have the same seed, or other data.

    Example:
        >>> from dmlkit.results import read
        >>> [answer.state for answer in answers(read("cub200"))][:2]
        ['no recipe of ours', 'no recipe of ours']

    Used in the chapter "Results: published, measured, not yet run".
    """
    full = full_runs(found.runs)
    listed = [_answer(row, full) for row in found.published]
    printed = {(answer.recipe, answer.measure) for answer in listed}
    for name, group in full.items():
        measures = dict.fromkeys(measure for run in group for measure in run.metrics)
        listed += [
            Answer(name, measure, None, MEASURED, _having(measure, group))
            for measure in measures
            if (name, measure) not in printed
        ]
    return listed


def full_runs(runs: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    """Recipe → those of its runs that may stand beside a printed number, by seed.

    Raises:
        ValueError: two of one recipe have the same seed, or other data.
    """
    full: dict[str, list[RunRecord]] = {}
    for run in runs:
        if not why_not_full(run):
            full.setdefault(run.config["recipe"], []).append(run)
    for group in full.values():
        check_alike(group)
        group.sort(key=lambda run: run.seed)
    return full


def _answer(row: Published, full: dict[str, list[RunRecord]]) -> Answer:
    if row.recipe is None:
        return Answer(None, row.measure, row, NO_RECIPE)
    runs = _having(row.measure, full.get(row.recipe, []))
    return Answer(row.recipe, row.measure, row, MEASURED if runs else NOT_RUN, runs)


def _having(measure: str, runs: list[RunRecord]) -> tuple[RunRecord, ...]:
    return tuple(run for run in runs if measure in run.metrics)


def to_run(listed: Iterable[Answer]) -> list[str]:
    """The recipes whose printed numbers are not yet answered, each once."""
    return list(dict.fromkeys(answer.recipe for answer in listed if answer.state == NOT_RUN))


def command(recipe: str, benchmark: str, *, seeds: int = SEEDS) -> str:
    """The command that runs a recipe in full, and goes on where it was interrupted.

    Args:
        recipe: with its arm behind a slash, as in `Config.recipe`.
        benchmark: a name of the catalogue.
        seeds: how many.

    Example:
        >>> print(command("cross_entropy/euclidean", "sop"))
        python -m dmlkit train sop --recipe cross_entropy --arm euclidean --scale full --seeds 5 --resume
    """
    family, _, arm = recipe.partition("/")
    chosen = f"--recipe {family} --arm {arm}" if arm else f"--recipe {family}"
    return f"python -m dmlkit train {benchmark} {chosen} --scale full --seeds {seeds} --resume"

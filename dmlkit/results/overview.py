"""All benchmarks in one table: how many printed numbers, how many of them answered, and what the rest would cost."""

from __future__ import annotations

from collections.abc import Iterable

from dmlkit.recipes import recipe
from dmlkit.records import in_markdown
from dmlkit.results.answers import MEASURED, NO_RECIPE, NOT_RUN, SEEDS, Answer, answers, full_runs, to_run
from dmlkit.results.reading import Results

# The device of the last column, or the next one where a run does not fit; `dmlkit.costs.table` has all.
DEVICE = "A100"


def overview_table(all_results: Iterable[Results]) -> str:
    """A row a benchmark: printed numbers, those with a recipe, measured, not yet run, and the cost of these.

    Args:
        all_results: of `read`, one a benchmark.

    Returns:
        Markdown, with sums in the last row. The estimated cost is of `SEEDS` seeds of every recipe that is missing, on
        one `DEVICE`, or on the next larger one where a run does not fit.

    Raises:
        ValueError: no results, or two full runs of one recipe that have the same seed or other data.

    Used in the chapter "Results: published, measured, not yet run".
    """
    rows, totals, total_minutes = [], [0] * 5, (0.0, 0.0)
    for found in all_results:
        listed = answers(found)
        counts = [
            *counted(listed),
            len(found.runs) - sum(map(len, full_runs(found.runs).values())),
        ]
        minutes = missing_minutes(found.benchmark, listed)
        rows.append((found.benchmark, *map(str, counts), _in_words(minutes)))
        totals = [total + count for total, count in zip(totals, counts, strict=True)]
        total_minutes = (total_minutes[0] + minutes[0], total_minutes[1] + minutes[1])
    if not rows:
        raise ValueError("all_results must hold at least one benchmark, found none")
    rows.append(("**all**", *map(str, totals), _in_words(total_minutes)))
    cost = f"missing: {SEEDS} seeds each, estimated, {DEVICE} or larger"
    head = ("benchmark", "printed", "with a recipe", MEASURED, NOT_RUN, "not comparable runs", cost)
    return in_markdown(head, rows)


def counted(listed: Iterable[Answer]) -> tuple[int, int, int, int]:
    """Of printed numbers: all, those with a recipe of ours, those measured, those not yet run."""
    states = [answer.state for answer in listed if answer.row is not None]
    answerable = len(states) - states.count(NO_RECIPE)
    return len(states), answerable, states.count(MEASURED), states.count(NOT_RUN)


def missing_minutes(benchmark: str, listed: Iterable[Answer]) -> tuple[float, float]:
    """At least and at most, for `SEEDS` seeds of each recipe whose printed numbers are not answered."""
    from dmlkit import costs  # counts a network's arithmetic: not at the import of who wants none

    low = high = 0.0
    for name in to_run(listed):
        found = costs.estimate(recipe(name, benchmark, scale="full"))
        (place,) = (k for k, cost in enumerate(found) if cost.device == DEVICE)
        # What is too large for this device goes to the next one, as in `costs.phrase`.
        cost = next((cost for cost in found[place:] if cost.fits), found[-1])
        low, high = low + SEEDS * cost.minutes.low, high + SEEDS * cost.minutes.high
    return low, high


def _in_words(minutes: tuple[float, float]) -> str:
    from dmlkit.costs.devices import Range
    from dmlkit.costs.tables import span

    return span(Range(*minutes)) if minutes[1] > 0 else "–"

"""The explorer of the chapter "Does it help?": a table of accuracies, its differences, and what chance alone allows."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure
from scipy import stats

from dmlkit.book_files import book_file
from dmlkit.checks import check_choice, check_number
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.still import small_png
from dmlkit.plotting import MARKERS, PALETTE
from dmlkit.published import read_published

MEASURES = ("top-1", "top-5")
# Short enough for an axis beside a phone's chart.
_SHORT = {
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "caltech101": "Caltech-101",
    "fgvc-aircraft": "Aircraft",
    "flowers102": "Flowers",
    "caltech256": "Caltech-256",
    "stanford-cars": "Cars",
}
_Z = float(stats.norm.ppf(0.975))


def half_width(p: float, n: float) -> float:
    r"""Half of the 95 % interval of a share $p$ counted over $n$ independent images: $z_{.975}\sqrt{p(1-p)/n}$.

    The normal approximation; good where $np$ and $n(1-p)$ are both above ten or so.

    Args:
        p: the share that is right, in [0, 1].
        n: how many images were tested.

    Raises:
        ValueError: a share outside [0, 1], or no image.

    Example:
        >>> round(half_width(0.5, 10_000), 4)  # one point up or down
        0.0098
    """
    return half_width_of_difference(p, 0.0, n)


def half_width_of_difference(p: float, q: float, n: float) -> float:
    r"""Half of the 95 % interval of $p - q$, counted over $n$ images each: $z_{.975}\sqrt{(p(1-p) + q(1-q))/n}$.

    As if each had been tested on images of its own. On the same images two classifiers mostly err together, and then
    the interval is narrower; how much, only their answers image by image can tell.

    Args:
        p, q: the two shares, in [0, 1].
        n: how many images were tested.

    Raises:
        ValueError: a share outside [0, 1], or no image.
    """
    for name, share in (("p", p), ("q", q)):
        check_number(name, share, least=0)
        if share > 1:
            raise ValueError(f"{name} must be a share, at most 1, found {share:g}")
    check_number("n", n, least=1)
    return _Z * math.sqrt((p * (1 - p) + q * (1 - q)) / n)


def arms(
    base: str | None = None,
    *,
    shown: Sequence[str] = ("CE", "CE+SIL"),
    measure: str = "top-1",
    whiskers: bool = False,
) -> Explorer:
    """The silhouette paper's Table 1 as dots: seven arms on seven data sets, or their differences to one arm.

    Args:
        base: the arm that the others are compared with, or None for the accuracies themselves.
        shown: arms that are switched on, as the table names them.
        measure: "top-1" or "top-5".
        whiskers: draw what chance allows with a test set of that size, as 95 % intervals.

    Returns:
        An `Explorer`: the last line of a cell shows it.

    Raises:
        ValueError: an unknown arm or measure.
        DataError: the table is not on this machine and cannot be fetched.
    """
    check_choice("measure", measure, MEASURES)
    names, tables = table_1()
    for arm in (*shown, *([] if base is None else [base])):
        check_choice("arm", arm, tuple(names))
    state = {
        "sets": list(_SHORT.values()),
        "sizes": [_test_size(name) for name in _SHORT],
        "arms": names,
        "top1": tables["top-1"],
        "top5": tables["top-5"],
        "shown": [int(name in shown) for name in names],
        "base": -1 if base is None else names.index(base),
        "measure": measure,
        "whiskers": bool(whiskers),
    }
    what = f"{measure} accuracies" if base is None else f"differences of {measure} accuracy to {base}"
    interval = ", with 95 % intervals of their test sets' sizes" if whiskers else ""
    alt = f"Published {what} of {', '.join(shown)} on {', '.join(_SHORT.values())}, one dot each{interval}."
    return Explorer("arms", state, _still(state), alt)


def table_1() -> tuple[list[str], dict[str, list[list[float | None]]]]:
    """The arms of the silhouette paper's Table 1, and measure → an accuracy for each arm and data set, or None.

    Raises:
        DataError: the table is not on this machine and cannot be fetched.
    """
    rows = read_published(book_file("published/silhouette_table_1.csv"))
    names = list(dict.fromkeys(row.method for row in rows))
    found = {(row.measure, row.method, row.benchmark): row.value for row in rows}
    return names, {
        measure: [[found.get((measure, name, benchmark)) for benchmark in _SHORT] for name in names]
        for measure in MEASURES
    }


def _test_size(benchmark: str) -> int:
    return CATALOGUE[benchmark].counts["test"].images


def _still(state: dict) -> bytes:
    """The dots as a small PNG."""
    values = state["top1" if state["measure"] == "top-1" else "top5"]
    chosen = [k for k, on in enumerate(state["shown"]) if on and k != state["base"]]
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    # Without a base every accuracy is its own difference to a share of 0, which adds nothing to the interval either.
    against = [0.0] * len(state["sets"]) if state["base"] < 0 else values[state["base"]]
    for place, k in enumerate(chosen):
        there = [s for s, (p, q) in enumerate(zip(values[k], against, strict=True)) if None not in (p, q)]
        halves = [100 * half_width_of_difference(values[k][s], against[s], state["sizes"][s]) for s in there]
        axes.errorbar(
            [100 * (values[k][s] - against[s]) for s in there],
            [s + 0.5 * ((place + 0.5) / len(chosen) - 0.5) for s in there],
            xerr=halves if state["whiskers"] and there else None,
            fmt=MARKERS[k],
            color=PALETTE[k],
            capsize=3,
            label=state["arms"][k],
        )
    axes.set_yticks(range(len(state["sets"])), state["sets"])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    if state["base"] >= 0:
        axes.axvline(0, linestyle="--", color=PALETTE[7])
        axes.set_xlabel(f"{state['measure']} minus that of {state['arms'][state['base']]} (points)")
    else:
        axes.set_xlabel(f"{state['measure']} accuracy (%)")
    if chosen:
        figure.legend(loc="outside lower center", ncols=3)
    return small_png(figure, colours=24)

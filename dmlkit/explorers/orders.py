"""The explorer of the chapter "From heads to networks": two orders of the same losses, side by side."""

from __future__ import annotations

import statistics
from collections.abc import Mapping

from matplotlib.figure import Figure
from scipy import stats

from dmlkit.checks import check_choice
from dmlkit.comparison import CANDIDATES, FAMILIES, Study, agreement
from dmlkit.explorers.budgets import MEASURE, SHORT
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.still import small_png
from dmlkit.plotting import MARKERS, PALETTE

ALL = "all three"


def orders(
    studies: Mapping[str, Study], left: str | None = None, right: str | None = None, *, marked: str = ALL
) -> Explorer:
    """A slope chart: each loss's place by mean MAP@R in one study on the left, in another on the right.

    Args:
        studies: what the reader reads → a study; all of the same losses, each with final runs.
        left, right: of these, where the lists begin; None takes the first and the last.
        marked: the family whose lines are drawn in colour, or "all three".

    Returns:
        An `Explorer`: the last line of a cell shows it.

    Raises:
        ValueError: fewer than two studies, fewer than three losses, studies that differ in losses, a loss without
            final runs, or an unknown name.
    """
    if len(studies) < 2:
        raise ValueError(f"studies must hold at least two, found {len(studies)}")
    labels = list(studies)
    names = list(studies[labels[0]].losses)
    if len(names) < 3:
        raise ValueError(f"studies must hold at least three losses, found {len(names)}")
    for label, study in studies.items():
        if set(study.losses) != set(names):
            raise ValueError(f"studies must have the same losses, found others in {label}")
        for name in names:
            if not study.losses[name]["final"]:
                raise ValueError(f"each loss must have final runs, found none of {name} in {label}")
    for side, label in (("left", left), ("right", right)):
        if label is not None:
            check_choice(side, label, tuple(labels))
    check_choice("marked", marked, (*FAMILIES, ALL))
    state = {
        "names": [SHORT.get(name, name) for name in names],
        "families": list(FAMILIES),
        "family": [FAMILIES.index(CANDIDATES[name].family) for name in names],
        "euclidean": [int(CANDIDATES[name].distance == "euclidean") for name in names],
        "studies": labels,
        "starts": [
            [_whole(study.baselines[head][MEASURE]) for head in ("first head", "first head, euclidean")]
            for study in studies.values()
        ],
        "scores": [[_whole(score) for score in _means(study, names)] for study in studies.values()],
        "quantile": float(stats.t.ppf(0.975, len(names) - 1)),
        "left": 0 if left is None else labels.index(left),
        "right": len(labels) - 1 if right is None else labels.index(right),
        "marked": (*FAMILIES, ALL).index(marked),
    }
    shown = [labels[state[side]] for side in ("left", "right")]
    scores = [dict(zip(names, _means(studies[label], names), strict=True)) for label in shown]
    first = [max(table, key=table.get) for table in scores]
    alt = (
        f"{len(names)} losses in the order of their {MEASURE}, on the left {shown[0]}, where {first[0]} leads, on the "
        f"right {shown[1]}, where {first[1]} leads; a line for each loss. Kendall's tau of the two orders is "
        f"{agreement(*scores):.2f}."
    )
    return Explorer("orders", state, _still(shown, scores, state["marked"]), alt)


def _means(study: Study, names: list[str]) -> list[float]:
    found = study.finals(MEASURE)
    return [statistics.fmean(found[name]) for name in names]


def _whole(score: float) -> int:
    """In millionths: a mean over seeds of scores with five digits, so that few means become equal by rounding."""
    return round(1e6 * score)


def _still(shown: list[str], scores: list[dict[str, float]], marked: int) -> bytes:
    """Two columns of names, the best on top, with a line for each loss."""
    names = list(scores[0])
    figure = Figure(figsize=(6.0, 1.2 + 0.17 * len(names)), layout="constrained")
    axes = figure.subplots()
    sorted_names = [sorted(names, key=table.get, reverse=True) for table in scores]
    labelled = set()
    for name in names:
        family = FAMILIES.index(CANDIDATES[name].family)
        coloured = marked in (family, len(FAMILIES))
        axes.plot(
            [0, 1],
            [order.index(name) for order in sorted_names],
            marker=MARKERS[family] if coloured else "",
            linestyle="-",
            linewidth=1.6 if coloured else 0.8,
            markersize=4,
            clip_on=False,
            color=PALETTE[family if coloured else 7],
            label=FAMILIES[family] if coloured and family not in labelled else None,
        )
        labelled |= {family} if coloured else set()
    axes.set_xticks([0, 1], shown)
    axes.set_xlim(0, 1)
    for side, order in zip((axes, axes.twinx()), sorted_names, strict=True):
        side.set_ylim(len(names) - 0.5, -0.5)
        side.set_yticks(range(len(names)), [SHORT.get(name, name) for name in order], fontsize=8)
    figure.legend(loc="outside lower center", ncols=3, fontsize=8)
    return small_png(figure, colours=20)

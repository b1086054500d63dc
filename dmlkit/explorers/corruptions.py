"""The explorer of the chapter "Robustness": digits under corruption, and the Recall@1 that trained embeddings keep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from scipy import stats
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.data.corruptions import CORRUPTIONS, Corruption
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import MARKERS, PALETTE
from dmlkit.records import estimate

SPOILT = ("queries and gallery", "queries only")
SIDE = 8
# What an arm has measured under one corruption: for each severity from 0 to 5, a Recall@1 a seed.
Curves = Sequence[Sequence[float]]


def corruptions(
    recall: Mapping[str, Mapping[str, Mapping[str, Curves]]],
    images: Tensor,
    *,
    tested: int,
    pair: tuple[str, str],
    corruption: str | None = None,
    severity: int = 3,
    spoilt: str = SPOILT[0],
) -> Explorer:
    """Digits under corruption of a severity to choose, beside measured Recall@1 of several arms.

    Args:
        recall: what is corrupted ("queries and gallery", "queries only") → name of a corruption → arm → six lists, for
            the severities 0 (clean) to 5, of a Recall@1 a seed.
        images: (n, 1, 8, 8) in [0, 1], a few of the test images, to be shown.
        tested: how many queries each Recall@1 was counted over.
        pair: two arms; the verdict compares the second with the first, seed by seed.
        corruption: to begin with; None takes the first.
        severity: to begin with, 0 … 5.
        spoilt: to begin with, a key of `recall`.

    Returns:
        An `Explorer`: the last line of a cell shows it.

    Raises:
        ValueError: another key, arms or seeds that differ from one corruption to the next, a Recall@1 that is no share
            of `tested`, images of another shape, or a setting outside its control.
    """
    if tuple(recall) != SPOILT:
        raise ValueError(f"recall must have the keys {', '.join(SPOILT)}, found {', '.join(recall)}")
    if images.ndim != 4 or images.shape[1:] != (1, SIDE, SIDE):
        raise ValueError(f"images must have shape (n, 1, {SIDE}, {SIDE}), found {tuple(images.shape)}")
    names = list(recall[SPOILT[0]])
    for name in names:
        check_choice("corruption", name, tuple(CORRUPTIONS))
    arms = list(recall[SPOILT[0]][names[0]])
    counts = [[_counts(found.get(name, {}), arms, name, tested) for name in names] for found in recall.values()]
    clean = [rows[0] for rows in counts[0][0]]
    seeds = len(clean[0])
    if seeds < 2 or any(
        [rows[0] for rows in table] != clean or any(len(row) != seeds for rows in table for row in rows)
        for tables in counts
        for table in tables
    ):
        raise ValueError("recall must have the same two or more seeds, and the same clean values, in each of its lists")
    for arm in pair:
        check_choice("arm", arm, tuple(arms))
    check_choice("corruption", names[0] if corruption is None else corruption, tuple(names))
    check_choice("spoilt", spoilt, SPOILT)
    check_on_slider("severity", severity, 0, 5)
    state = {
        "arms": arms,
        "names": names,
        "pair": [arms.index(arm) for arm in pair],
        "t": float(stats.t.ppf(0.975, seeds - 1)),
        "tested": tested,
        "clean": clean,
        "counts": [[[rows[1:] for rows in table] for table in tables] for tables in counts],
        "pictures": [_text(image, names) for image in images],
        "corruption": 0 if corruption is None else names.index(corruption),
        "severity": int(severity),
        "spoilt": SPOILT.index(spoilt),
    }
    shown = names[state["corruption"]]
    values = {arm: estimate(recall[spoilt][shown][arm][int(severity)]) for arm in arms}
    alt = (
        f"Handwritten digits under {shown.replace('_', ' ')} of severity {severity}, {spoilt} corrupted, and Recall@1 "
        f"against severity. At this one: {', '.join(f'{arm} {value}' for arm, value in values.items())}."
    )
    return Explorer("corruptions", state, _still(images, recall[spoilt][shown], shown, int(severity)), alt)


def _counts(curves: Mapping[str, Curves], arms: list[str], name: str, tested: int) -> list[list[list[int]]]:
    """Whole numbers of right neighbours: arm, severity, seed."""
    if list(curves) != arms or any(len(curves[arm]) != 6 for arm in arms):
        raise ValueError(f"recall must have six lists for each of {', '.join(arms)} under {name}")
    shares = [[[share * tested for share in row] for row in curves[arm]] for arm in arms]
    if any(abs(count - round(count)) > 1e-6 * tested for rows in shares for row in rows for count in row):
        raise ValueError(f"recall must hold shares of tested = {tested} images, found another under {name}")
    return [[[round(count) for count in row] for row in rows] for rows in shares]


def _text(image: Tensor, names: list[str]) -> str:
    """The image clean, then under each corruption at five severities, as `levelsOf` of the arithmetic reads it."""
    versions = [image, *(Corruption(name, severity)(image) for name in names for severity in range(1, 6))]
    return "".join(f"{level:x}" for one in versions for level in (15 * one).round().int().flatten().tolist())


def _still(images: Tensor, curves: Mapping[str, Curves], name: str, severity: int) -> bytes:
    """The digits in a row above the curves."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 3))
    shown = Corruption(name, severity)(images) if severity else images
    above.imshow(shown.squeeze(1).transpose(0, 1).flatten(1).numpy(), cmap="gray", vmin=0, vmax=1, interpolation="none")
    above.set_axis_off()
    for k, (arm, rows) in enumerate(curves.items()):
        found = [estimate(row) for row in rows]
        below.errorbar(
            [at + 0.06 * (k - (len(curves) - 1) / 2) for at in range(6)],
            [value.mean for value in found],
            yerr=[value.half_width for value in found],
            color=PALETTE[k],
            marker=MARKERS[k],
            capsize=3,
            label=arm,
        )
    below.axvline(severity, linestyle=":", color=PALETTE[7])
    below.set(xlabel=f"severity of {name.replace('_', ' ')}", ylabel="Recall@1")
    below.legend(loc="lower left")
    return small_png(figure, colours=24)

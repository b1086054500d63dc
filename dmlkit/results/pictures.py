"""Curves of runs: the loss as it falls, and a measure over the epochs of recorded runs with their spread."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from dmlkit.plotting import MARKERS, PALETTE, picture, style
from dmlkit.records import RunRecord, estimate
from dmlkit.results.reading import Results


class Sentence(str):
    """Text that a notebook shows as text, not in quotes: what stands where a picture has nothing to draw."""

    def _repr_markdown_(self) -> str:
        return str(self)


def loss_picture(records: Sequence[RunRecord]):
    """The training loss of each recipe after each epoch, divided by that of the first: losses have scales of their own.

    Of a run with a probe afterwards the curve ends where the probe begins, which has another loss. Several seeds of a
    recipe are one line, their mean.

    Args:
        records: of `dmlkit.training.run_recipes`.

    Returns:
        What `dmlkit.plotting.picture` makes.

    Raises:
        ValueError: no record.

    Used in the chapters of the part "Benchmarks".
    """
    if not records:
        raise ValueError("records must hold at least one, found none")
    with style():
        figure, ax = plt.subplots(figsize=(5.4, 3.2))
        for number, (name, runs) in enumerate(_by_name(records).items()):
            length = min(_epochs_of_one_loss(run) for run in runs)
            rows = np.array([run.curves["loss"][:length] for run in runs])
            rows = rows / rows[:, :1]
            _line(ax, number, np.arange(1, length + 1), rows.mean(axis=0), name)
        ax.set(ylabel="loss, first epoch = 1")
        _finish(ax)
        scale = records[0].config.get("scale", "")
        return picture(
            figure,
            f"Training loss after each epoch at the scale {scale}, divided by that of the first epoch, one line for "
            f"each of {', '.join(_by_name(records))}.",
        )


def recorded_picture(found: Results, measure: str, order: Sequence[str] = ()):
    """A measure over the epochs of the recorded runs: mean over seeds with its 95 % interval, a panel a kind of data.

    Args:
        found: of `read`.
        measure: with a curve in the records, e.g. "top-1" or "R@1"; "loss" is the training loss.
        order: names of recipes that have the first colours, in this order: those of another picture of the page.

    Returns:
        What `dmlkit.plotting.picture` makes, or a `Sentence` where no run has such a curve.

    Used in the chapters of the part "Benchmarks".
    """
    runs = [run for run in found.runs if measure in run.curves and run.metrics]
    if not runs:
        return Sentence(f"No recorded run on {found.benchmark} has a curve of {measure} yet.")
    kinds: dict[tuple[str, str], list[RunRecord]] = {}
    for run in runs:
        kinds.setdefault((run.data["name"], run.config["scale"]), []).append(run)
    with style():
        figure, axes = plt.subplots(len(kinds), 1, figsize=(5.4, 4.0 * len(kinds)), squeeze=False)
        for ax, (kind, of_kind) in zip(axes[:, 0], kinds.items(), strict=True):
            groups = _by_name(of_kind)
            for number, name in enumerate(dict.fromkeys((*order, *groups))):
                if name in groups:
                    _spread(ax, number, groups[name], measure)
            ax.set(title=", ".join(kind), ylabel=measure)
            _finish(ax)
        told = "; ".join(", ".join(kind) for kind in kinds)
        return picture(
            figure,
            f"{measure} of recorded runs by epoch, mean and 95 percent interval over seeds, one panel for each kind of "
            f"data and scale: {told}.",
        )


def _by_name(records: Iterable[RunRecord]) -> dict[str, list[RunRecord]]:
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.name, []).append(record)
    return groups


def _epochs_of_one_loss(run: RunRecord) -> int:
    """Epochs before another loss takes over."""
    phases = run.config["phases"]
    first = next((k for k, phase in enumerate(phases) if phase["terms"] is not None), len(phases))
    return min(len(run.curves["loss"]), sum(phase["epochs"] for phase in phases[:first]))


def _spread(ax: Axes, number: int, runs: Sequence[RunRecord], measure: str) -> None:
    epochs = np.arange(1, len(runs[0].curves["loss"]) + 1)
    if measure != "loss":
        epochs = np.array(runs[0].curves["evaluated after epoch"])
    rows = np.array([run.curves[measure] for run in runs])
    middle = rows.mean(axis=0)
    _line(ax, number, epochs, middle, f"{runs[0].name} ({len(runs)})")
    if len(runs) > 1:
        half = np.array([estimate(column).half_width for column in rows.T])
        ax.fill_between(epochs, middle - half, middle + half, color=PALETTE[number % len(PALETTE)], alpha=0.2)


def _line(ax: Axes, number: int, epochs, values, label: str) -> None:
    color, marker = PALETTE[number % len(PALETTE)], MARKERS[number % len(MARKERS)]
    ax.plot(epochs, values, marker=marker, markersize=5, color=color, label=_short(label))


def _short(label: str) -> str:
    """The arm alone where all of a recipe's arms are shown: its family is in the text around."""
    return label.removeprefix("silhouette/")


def _finish(ax: Axes) -> None:
    ax.set_xlabel("epoch")
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.legend(fontsize=8, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.18))

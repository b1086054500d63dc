"""The explorer of the chapter "Cosine distance and class means": points on the unit circle, pairs against the mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.still import small_png
from dmlkit.geometry import class_sums, euclidean_distances, unit_rows
from dmlkit.plotting import MARKERS, PALETTE

CLASSES = ("A", "B", "C")
DISTANCES = ("cosine", "euclidean")
WAYS = ("pairs", "mean")
# None lies on an axis, where two of the four arrow keys would not move it along the circle.
ANGLES = ((45.0, 75.0, 100.0, 120.0), (165.0, 200.0, 230.0, 290.0), (330.0, 345.0, 15.0))


class ToClass(NamedTuple):
    """From a point to a class: the numbers of its other points, the distance to each, their mean, that to the mean."""

    others: Tensor
    pairs: Tensor
    by_pairs: float
    by_mean: float


def class_means(
    angles: Sequence[Sequence[float]] = ANGLES,
    distance: str = "cosine",
    way: str = "pairs",
    *,
    chosen: int = 3,
    to: int = 1,
) -> Explorer:
    """Points on the unit circle to drag, and the mean distance from one of them to a class, worked out in two ways.

    Args:
        angles: for each of the three classes A, B, C the angles of its points in degrees, from the x-axis; one to six
            a class.
        distance: "cosine" or "euclidean".
        way: what is drawn first, every pair ("pairs") or the class mean ("mean").
        chosen: the point to measure from, counted from 0 over all classes.
        to: the class to measure to, 0, 1 or 2; for the point's own class without the point itself.

    Returns:
        An `Explorer`; its state is `points`, `labels`, `chosen`, `to`, `distance` and `way`.

    Raises:
        ValueError: another number of classes or points, an angle that is no number, an unknown option, or a `chosen`
            or `to` that is not there.
    """
    check_choice("distance", distance, DISTANCES)
    check_choice("way", way, WAYS)
    sizes = [len(own) for own in angles]
    if len(sizes) != len(CLASSES) or not all(1 <= size <= 6 for size in sizes):
        raise ValueError(f"angles must hold one to six points for each of three classes, found {sizes}")
    turns = [math.radians(float(angle)) for own in angles for angle in own]
    if not all(map(math.isfinite, turns)):
        raise ValueError(f"angles must be finite, found {[list(own) for own in angles]}")
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    for name, value, count in (("chosen", chosen, len(labels)), ("to", to, len(CLASSES))):
        if value not in range(count):
            raise ValueError(f"{name} must lie in 0 … {count - 1}, found {value}")
    points = [[math.cos(turn), math.sin(turn)] for turn in turns]
    state = {"points": points, "labels": labels, "chosen": int(chosen), "to": int(to), "distance": distance, "way": way}
    found = to_class(torch.tensor(points, dtype=torch.float64), torch.tensor(labels), chosen, to, distance=distance)
    said = f"has no other point in class {CLASSES[to]}"
    if len(found.others) > 0:
        said = (
            f"is on average {found.by_pairs:.2f} from class {CLASSES[to]} over the pairs, and {found.by_mean:.2f} "
            f"from its mean, in {'cosine' if distance == 'cosine' else 'Euclidean'} distance"
        )
    alt = f"{len(points)} points of three classes on the unit circle, arrows to the means. Point {chosen + 1} {said}."
    return Explorer("class_means", state, _still(state), alt)


def to_class(points: Tensor, labels: Tensor, chosen: int, to: int, *, distance: str) -> ToClass:
    """Mean distance from a row to a class without that row, over pairs and from the class sum (paper S, eqs. 8, 9).

    Args:
        points: (N, d), rows of length 1.
        labels: (N,), classes numbered from 0.
        chosen: the row.
        to: the class.
        distance: "cosine" or "euclidean".

    Returns:
        The other rows, their distances, and both means; these are NaN where no other row is in the class.
    """
    others = torch.nonzero((labels == to) & (torch.arange(len(labels)) != chosen)).squeeze(1)
    z = unit_rows(points)
    own = z[chosen] * (labels[chosen] == to)
    center = ((class_sums(z, labels, int(labels.max()) + 1)[to] - own) / len(others)).unsqueeze(0)
    row = z[chosen].unsqueeze(0)
    if distance == "cosine":
        pairs, by_mean = 1 - z[others] @ z[chosen], (1 - row @ center.T).item()
    else:
        pairs = euclidean_distances(row, z[others])[0] if len(others) > 0 else z.new_empty(0)
        by_mean = torch.linalg.vector_norm(row - center).item()
    return ToClass(others, pairs, pairs.mean().item(), by_mean)


def _still(state: dict) -> bytes:
    """Circle, points, class means, and what joins the chosen point to the class."""
    points, labels = torch.tensor(state["points"], dtype=torch.float64), torch.tensor(state["labels"])
    chosen, to = state["chosen"], state["to"]
    point = points[chosen]
    figure = Figure(figsize=(6.4, 3.7), layout="constrained")
    axes, bars = figure.subplots(1, 2, width_ratios=(1.7, 1))
    turn = torch.linspace(0, 2 * torch.pi, 100)
    axes.plot(turn.cos(), turn.sin(), "--", color="0.6", linewidth=1)

    def line(start: Tensor, end: Tensor, **options) -> None:
        axes.plot(*torch.stack([start, end]).T, color=PALETTE[to], **options)

    others, pairs, by_pairs, by_mean = to_class(points, labels, chosen, to, distance=state["distance"])
    if len(others) > 0:
        bars.barh(range(len(others), 0, -1), pairs.tolist(), color=PALETTE[to], height=0.55)
        for value, what, look in ((by_mean, "class mean", "-"), (by_pairs, "mean of pairs", ":")):
            label, width = f"{what} {value:.2f}", 1.5 if look == "-" else 3
            bars.vlines(value, 0.3, len(others) + 0.6, color="black", linestyle=look, linewidth=width, label=label)
        bars.legend(loc="upper right", fontsize=8, frameon=False)
        center = points[others].mean(dim=0)
        ends = points[others] if state["way"] == "pairs" else center.unsqueeze(0)
        if state["distance"] == "cosine":
            axes.plot(*torch.stack([-point, point]).T, color="0.5", linewidth=1)
            for end in ends:
                line(end, (end @ point) * point, linestyle="--", linewidth=1.2)
            line((center @ point) * point, point, linewidth=4)
        else:
            for end in ends:
                line(point, end, linewidth=1.5)
    for c, name in enumerate(CLASSES):
        own = points[labels == c]
        axes.plot(*own.T, MARKERS[c], color=PALETTE[c])
        tip = own.mean(dim=0)
        axes.annotate("", tip.tolist(), (0, 0), arrowprops={"arrowstyle": "-|>", "color": PALETTE[c], "linewidth": 2})
        beside = 0.55 * tip + 0.12 * torch.stack([tip[1], -tip[0]]) / tip.norm().clamp(min=0.3)
        axes.annotate(f"μ{name}", beside.tolist(), ha="center", va="center")
    for k, place in enumerate(points):
        axes.annotate(str(k + 1), (1.12 * place).tolist(), ha="center", va="center", fontsize=9)
    axes.plot(*point, "o", markersize=14, fillstyle="none", color="black")
    axes.set(xlim=(-1.35, 1.35), ylim=(-1.25, 1.25), aspect="equal")
    bars.set_yticks(range(len(others), 0, -1), [str(int(k) + 1) for k in others])
    name = "cosine" if state["distance"] == "cosine" else "Euclidean"
    bars.set(xlim=(0, 2), ylim=(0.3, len(others) + 2.2), xlabel=f"{name} distance", ylabel="to point")
    return small_png(figure)

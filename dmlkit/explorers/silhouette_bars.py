"""The explorer of the chapter "The silhouette": Rousseeuw's plot of twelve points to drag."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.still import small_png
from dmlkit.metrics import silhouette_samples
from dmlkit.plotting import MARKERS, PALETTE

CLASSES = ("A", "B", "C")
DISTANCES = ("euclidean", "cosine")
X, Y = (-2.0, 2.0), (-1.5, 1.5)
# As the first of PRESETS in silhouette_bars.js; a test holds the two together.
POINTS = (
    *((-1.35, 0.55), (-1.0, 0.75), (-1.15, 0.25), (-0.85, 0.45)),
    *((1.0, 0.85), (1.35, 0.7), (1.1, 0.45), (0.8, 0.6)),
    *((-0.2, -1.0), (0.15, -0.8), (0.3, -1.15), (-0.05, -0.6)),
)


def silhouette_bars(
    points: Sequence[Sequence[float]] | None = None,
    distance: str = "euclidean",
    *,
    labels: Sequence[int] | None = None,
) -> Explorer:
    """The silhouette plot of points of three classes in the plane, to drag and to give other classes.

    Args:
        points: (x, y) each, in −2 … 2 and −1.5 … 1.5; default: twelve in three tight classes. The plot has room for
            about twenty.
        distance: "euclidean" or "cosine" (1 − cos of the angle at the origin).
        labels: the class of each point, 0, 1 or 2; default: in three equal parts, one after the other.

    Returns:
        An `Explorer`; its state is `points`, `labels`, `distance`, and the number of the `chosen` point from 0.

    Raises:
        ValueError: an unknown distance, a point outside the plane, or labels that do not fit.
    """
    check_choice("distance", distance, DISTANCES)
    placed = [[float(value) for value in point] for point in (POINTS if points is None else points)]
    if len(placed) < 2:
        raise ValueError(f"points must be at least two, found {len(placed)}")
    for point in placed:
        # Written so that NaN is refused, too.
        if len(point) != 2 or not (X[0] <= point[0] <= X[1] and Y[0] <= point[1] <= Y[1]):
            raise ValueError(f"points must lie in {X[0]:g} … {X[1]:g} by {Y[0]:g} … {Y[1]:g}, found {tuple(point)}")
    part = math.ceil(len(placed) / len(CLASSES))
    given = [k // part for k in range(len(placed))] if labels is None else [int(label) for label in labels]
    if len(given) != len(placed):
        raise ValueError(f"labels must be as many as points, {len(placed)}, found {len(given)}")
    if not set(given) <= set(range(len(CLASSES))) or len(set(given)) < 2:
        raise ValueError(f"labels must be two or three of the classes 0, 1, 2, found {sorted(set(given))}")
    state = {"points": placed, "labels": given, "chosen": 0, "distance": distance}
    values = silhouette_samples(
        torch.tensor(placed, dtype=torch.float64), torch.tensor(given), distance=distance
    ).tolist()
    mean = sum(values) / len(values)
    alt = (
        f"{len(placed)} points of {len(set(given))} classes in the plane, and one bar for the silhouette of each, "
        f"grouped by class; with the {'Euclidean' if distance == 'euclidean' else 'cosine'} distance their mean is "
        f"{mean:.2f}, and {sum(value < 0 for value in values)} bars are negative."
    )
    return Explorer("silhouette_bars", state, _still(placed, given, values, mean), alt)


def _still(points: list[list[float]], labels: list[int], values: list[float], mean: float) -> bytes:
    """Plane and silhouette plot side by side."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    plane, bars = figure.subplots(1, 2, width_ratios=(1.2, 1))
    order = sorted(range(len(points)), key=lambda k: (labels[k], -values[k]))
    present = sorted(set(labels))
    heights = {k: -row - 0.9 * present.index(labels[k]) for row, k in enumerate(order)}
    for label in present:
        own = [k for k in order if labels[k] == label]
        plane.plot(*zip(*(points[k] for k in own), strict=True), MARKERS[label], color=PALETTE[label])
        bars.barh([heights[k] for k in own], [values[k] for k in own], color=PALETTE[label], height=0.78)
        bars.text(-0.95, sum(heights[k] for k in own) / len(own), CLASSES[label], va="center")
    for k, point in enumerate(points):
        plane.annotate(str(k + 1), point, xytext=(4, 3), textcoords="offset points", fontsize=8)
    bars.axvline(mean, color="black", linestyle="--", linewidth=1)
    bars.axvline(0, color="black", linewidth=0.8)
    bars.set_yticks(list(heights.values()), [str(k + 1) for k in heights], fontsize=8)
    bars.set(xlim=(-1, 1), xlabel="silhouette s", title=f"mean {mean:.2f}")
    plane.set(xlim=X, ylim=Y, aspect="equal")
    return small_png(figure)

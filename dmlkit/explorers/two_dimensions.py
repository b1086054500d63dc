"""The explorer of the chapter "Two dimensions of fashion": ten classes in a plane and five measures."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit import metrics
from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.metrics.ranking import DISTANCES
from dmlkit.plotting import MARKERS, PALETTE

# As SCENE in two_dimensions_arithmetic.js and KNOBS in two_dimensions.js; tests hold them together.
CLASSES, EACH, START = 10, 8, 3.0
RANGES = {"length": (0.0, 12.0), "width": (0.05, 2.0), "zoom": (0.1, 10.0)}


class PlaneMeasures(NamedTuple):
    """Five measures of points in a plane: two in units of length, three without."""

    intra: float
    inter: float
    ratio: float
    silhouette: float
    recall: float


def two_dimensions(
    length: float = 1.0, width: float = 0.3, zoom: float = 1.0, *, distance: str = "euclidean"
) -> Explorer:
    """Ten classes of eight points along ten rays of the plane: distances, their ratio, silhouette and Recall@1.

    Args:
        length: of the rays, which begin 3 units from the origin (0 … 12).
        width: standard deviation across them (0.05 … 2).
        zoom: factor of the whole plane (0.1 … 10).
        distance: what is measured by, "euclidean" or "cosine".

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: an unknown distance, or a parameter outside its slider.
    """
    check_choice("distance", distance, DISTANCES)
    state = {"length": float(length), "width": float(width), "zoom": float(zoom)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    points, labels = ten_rays(**state)
    found = measures_in_plane(points, labels, distance=distance)
    alt = (
        f"Eighty points of ten classes along ten rays of a plane. By {distance} distance: intra {found.intra:.3g}, "
        f"inter {found.inter:.3g}, their ratio {found.ratio:.2f}, silhouette {found.silhouette:.2f}, Recall@1 "
        f"{found.recall:.2f}."
    )
    return Explorer("two_dimensions", {**state, "distance": distance}, _still(points, labels, found), alt)


def ten_rays(length: float, width: float, zoom: float) -> tuple[Tensor, Tensor]:
    """The points (80, 2) and labels (80,) of the scene, as `scene` in two_dimensions_arithmetic.js."""
    k = torch.arange(1, CLASSES * EACH + 1, dtype=torch.float64)
    labels = torch.arange(CLASSES).repeat_interleave(EACH)
    along = zoom * (START + length * (k * 0.7548776662466927).frac())
    aside = zoom * width * math.sqrt(12) * ((k * 0.5698402909980532).frac() - 0.5)
    turn = 2 * math.pi * labels.double() / CLASSES
    ray = torch.stack([turn.cos(), turn.sin()], dim=1)
    across = torch.stack([-turn.sin(), turn.cos()], dim=1)
    return along.unsqueeze(1) * ray + aside.unsqueeze(1) * across, labels


def measures_in_plane(points: Tensor, labels: Tensor, *, distance: str) -> PlaneMeasures:
    """What the explorer shows of any labelled points, by `dmlkit.metrics`."""
    apart = metrics.class_distances(points, labels, distance=distance)
    silhouette = metrics.silhouette_score(points, labels, distance=distance)
    recall = metrics.recall_at_k(points, labels, ks=(1,), distance=distance)[1]
    return PlaneMeasures(apart.intra, apart.inter, apart.ratio, silhouette, recall)


def _still(points: Tensor, labels: Tensor, found: PlaneMeasures) -> bytes:
    """The plane, and beside it the three measures without unit."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    plane, bars = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for c in range(CLASSES):
        own = points[labels == c]
        plane.scatter(*own.T, color=PALETTE[c % 8], marker=MARKERS[c % 8], s=16)
    plane.set(aspect="equal", xlabel="first coordinate", ylabel="second coordinate")
    bars.barh(range(3), found[2:], color=PALETTE[:3], height=0.55)
    bars.set(yticks=range(3), xlim=(-0.5, 1), xlabel="no unit")
    bars.set_yticklabels(["intra / inter", "silhouette", "R@1"])
    bars.invert_yaxis()
    return small_png(figure)

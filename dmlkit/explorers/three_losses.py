"""The explorer of the chapter "Cross-entropy, PCE and SPCE side by side": points that go down one of the three."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.losses import (
    fitted_pairwise_cross_entropy,
    linear_cross_entropy,
    simplified_pairwise_cross_entropy,
)
from dmlkit.plotting import MARKERS, PALETTE

NAMES = {"ce": "cross-entropy", "spce": "SPCE", "pce": "PCE"}
LABELS = (0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2)
# The first of PRESETS in three_losses.js; a test holds the two together.
POINTS = (
    *((0.9, 0.3), (0.2, 0.8), (0.6, -0.4), (0.1, 0.2)),
    *((-0.7, 0.6), (-0.3, 0.9), (-0.9, -0.1), (-0.1, 0.3)),
    *((0.2, -0.9), (-0.5, -0.6), (0.3, -0.5), (-0.2, -0.1)),
)
RANGES = {"lam": (0.05, 5), "fit": (0, 60)}
RIM = 4


def three_losses(
    points: Sequence[Sequence[float]] = POINTS, lam: float = 1.0, fit: int = 20, *, follow: str = "spce"
) -> Explorer:
    """Twelve points of three classes that go down cross-entropy, SPCE or PCE, with the curves of all three.

    Args:
        points: twelve points of the plane, four a class, no coordinate beyond ±4.
        lam: λ of PCE, 0.05 … 5.
        fit: steps of gradient descent, from zero, that the classifier of cross-entropy and of PCE gets: 0 … 60.
        follow: which loss the points go down: "ce", "spce" or "pce".

    Returns:
        An `Explorer`; its state is `points`, `labels`, `lam`, `fit`, `follow` and `history`, the three losses before
        each step.

    Raises:
        TypeError: a number of steps that is not whole.
        ValueError: another number of points, a point outside the picture, a value outside its slider, an unknown loss.
    """
    check_choice("follow", follow, tuple(NAMES))
    if isinstance(fit, bool) or not isinstance(fit, int):
        raise TypeError(f"fit must be a whole number, found {fit!r}")
    for name, value in (("lam", lam), ("fit", fit)):
        check_on_slider(name, value, *RANGES[name])
    rows = [[float(value) for value in point] for point in points]
    if len(rows) != len(LABELS) or any(len(row) != 2 for row in rows):
        raise ValueError(f"points must be {len(LABELS)} points of the plane, found {len(rows)}")
    if not all(math.isfinite(value) and abs(value) <= RIM for row in rows for value in row):
        raise ValueError(f"points must lie within ±{RIM} in both coordinates, found {rows}")
    state = {"points": rows, "labels": list(LABELS), "lam": float(lam), "fit": fit, "follow": follow, "history": []}

    z, labels = torch.tensor(rows, dtype=torch.float64), torch.tensor(LABELS)
    weights = classifier(z, labels, fit)
    found = {name: slopes(z, labels, weights, lam, name) for name in NAMES}
    values = ", ".join(f"{text} {found[name][0]:.2f}" for name, text in NAMES.items())
    alt = (
        f"Twelve points of three classes in the plane, with arrows that show where gradient descent on {NAMES[follow]} "
        f"moves them. In nats: {values}, with a classifier of {fit} steps and λ = {lam:g}."
    )
    return Explorer("three_losses", state, _still(z, labels, found[follow][1], weights), alt)


def classifier(points: Tensor, labels: Tensor, steps: int) -> Tensor:
    """The weights (3, 2) after so many steps of gradient descent on cross-entropy, from zero, at 2/mean ‖z‖²."""
    weights = torch.zeros(3, 2, dtype=points.dtype)
    square = points.square().sum(dim=1).mean()
    for _ in range(steps if square > 0 else 0):
        weights.requires_grad_()
        (slope,) = torch.autograd.grad(linear_cross_entropy(points, labels, weights), weights)
        weights = (weights - 2 / square * slope).detach()
    return weights


def slopes(points: Tensor, labels: Tensor, weights: Tensor, lam: float, name: str) -> tuple[float, Tensor]:
    """A loss of NAMES and its slopes by the points, the classifier a constant."""
    points = points.detach().requires_grad_()
    if name == "ce":
        value = linear_cross_entropy(points, labels, weights)
    elif name == "spce":
        value = simplified_pairwise_cross_entropy(points, labels)
    else:
        value = fitted_pairwise_cross_entropy(points, labels, weights, lam=lam)
    return value.item(), torch.autograd.grad(value, points)[0]


def _still(points: Tensor, labels: Tensor, slope: Tensor, weights: Tensor) -> bytes:
    """The plane with points, arrows and the classifier's rays."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    push = -len(points) * slope
    length = push.norm(dim=1, keepdim=True).clamp_min(1e-9)
    shown = push / length * (0.3 * length.sqrt()).clamp(max=0.6)
    axes.quiver(*points.T, *shown.T, angles="xy", scale_units="xy", scale=1, width=0.006, color="0.35")
    for k in range(3):
        if weights[k].norm() > 1e-6:
            ray = weights[k] / weights[k].norm() * 1.5
            axes.plot([0, ray[0]], [0, ray[1]], "--", color=PALETTE[k], linewidth=1.4)
        axes.plot(*points[labels == k].T, MARKERS[k], color=PALETTE[k], label=f"class {'ABC'[k]}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    reach = max(1.6, 1.1 * points.abs().max().item())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="z₁", ylabel="z₂")
    return small_png(figure)

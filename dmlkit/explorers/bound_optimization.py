"""The explorer of the chapter "Cross-entropy as a bound": down by parabolas that touch from above."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.losses import linear_cross_entropy
from dmlkit.plotting import PALETTE

# As in bound_optimization_arithmetic.js; a test holds the two together.
MARGINS = (2.4, 2.0, 1.6, 1.4, 1.2, 0.8, -0.6, -1.2)
RANGES = {"start": (-4, 4), "curvature": (0.05, 5)}
SHOWN, HEIGHTS = (-5, 5), {"classifier": (0, 5), "valleys": (0, 3)}


class Problem(NamedTuple):
    """What is to be made small: f of one weight, and the largest curvature that it has anywhere."""

    value: Callable[[Tensor], Tensor]
    largest: float


def classifier(w: Tensor) -> Tensor:
    """Cross-entropy of two classes with the logits 0 and w·x, where y·x are the margins: a scalar, in nats."""
    margins = torch.tensor(MARGINS, dtype=w.dtype).unsqueeze(1)
    labels = torch.ones(len(MARGINS), dtype=torch.long)
    return linear_cross_entropy(margins, labels, torch.stack([0 * w, w]).unsqueeze(1))


def valleys(w: Tensor) -> Tensor:
    """Two valleys, one deeper, and a hill between them."""
    return 1 + 0.06 * w.square() + 0.7 * torch.cos(w + 0.5)


PROBLEMS = {
    "classifier": Problem(classifier, sum(m * m for m in MARGINS) / len(MARGINS) / 4),
    "valleys": Problem(valleys, 0.12 + 0.7),
}


def bound_optimization(start: float = -3.0, curvature: float = 0.6, *, problem: str = "classifier") -> Explorer:
    """A function of one weight, the bowl that touches it, and the walk from the minimum of one bowl to the next.

    Args:
        start: where the walk starts, −4 … 4.
        curvature: of the bowl, 0.05 … 5; the largest curvature of f, and any above it, makes the bowl a bound.
        problem: "classifier", cross-entropy of eight points with one weight, or "valleys", a function with two minima.

    Returns:
        An `Explorer`; its state is `start`, `curvature`, `problem` and `path`, the weights of the steps taken.

    Raises:
        ValueError: an unknown problem, or a parameter outside its slider.
    """
    check_choice("problem", problem, tuple(PROBLEMS))
    for name, value in (("start", start), ("curvature", curvature)):
        check_on_slider(name, value, *RANGES[name])
    f = PROBLEMS[problem].value
    height, slope = touch(f, start)
    next_w = start - slope / curvature
    alt = (
        f"A function of one weight and a bowl of curvature {curvature:g} that touches it at w = {start:g}, where it is "
        f"{height:.2f}. The bowl's minimum is at w = {next_w:.2f}; there the function is "
        f"{f(torch.tensor(next_w, dtype=torch.float64)).item():.2f}."
    )
    state = {"start": float(start), "curvature": float(curvature), "problem": problem, "path": []}
    return Explorer("bound_optimization", state, _still(problem, start, curvature), alt)


def touch(function: Callable[[Tensor], Tensor], w: float) -> tuple[float, float]:
    """Value and slope of a function of one weight."""
    at = torch.tensor(w, dtype=torch.float64, requires_grad=True)
    value = function(at)
    return value.item(), torch.autograd.grad(value, at)[0].item()


def _still(problem: str, start: float, curvature: float) -> bytes:
    """f, the bowl at the start, and the three points: where it touches, its minimum, and f there."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.subplots()
    f = PROBLEMS[problem].value
    grid = torch.linspace(*SHOWN, 161, dtype=torch.float64)
    height, slope = touch(f, start)
    bowl = height + slope * (grid - start) + curvature / 2 * (grid - start) ** 2
    next_w = start - slope / curvature
    axes.plot(grid, [f(w).item() for w in grid], color=PALETTE[0], linewidth=2.6, label="f")
    axes.plot(grid, bowl, "--", color=PALETTE[1], label="bowl")
    axes.plot(start, height, "o", color=PALETTE[0], label="touches here")
    axes.plot(next_w, height - slope**2 / (2 * curvature), "s", color=PALETTE[1], label="bowl's minimum")
    axes.plot(next_w, f(torch.tensor(next_w, dtype=torch.float64)).item(), "^", color=PALETTE[2], label="f there")
    axes.set(xlim=SHOWN, ylim=HEIGHTS[problem], xlabel="weight w")
    axes.set_ylabel("cross-entropy (nats)" if problem == "classifier" else "f(w)")
    axes.legend(fontsize=8, ncols=2)
    return small_png(figure)

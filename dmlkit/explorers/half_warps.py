"""The explorer of the chapter "Which functions work?": a function on the distance, and an embedding that follows it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.landscape.rays import RayMinima, minima_on_ray
from dmlkit.losses import distance_function, distance_slope, monotone_softmax, warp
from dmlkit.losses.distance_functions import DISTANCE_FUNCTIONS, INNER_SLOPE, OUTER_SLOPE
from dmlkit.plotting import PALETTE

# As NAMES in half_warps.js and SCENE in half_warps_arithmetic.js; tests hold them together.
NAMES = {
    "identity": "d",
    "square": "d²",
    "sqrt": "√d",
    "log1p": "log(1 + d)",
    "expm1": "eᵈ − 1",
    "inner_half": "half-warp, slope 0.7",
    "outer_half": "half-warp, slope 1.4",
    "warp": "warp, r = 1.5",
}
WHERE = ("own", "both")
SEPARATION, STEPS, STEP, FAR, R = 2.0, 200, 0.3, 100.0, 1.5
START = (0.05, 4.0)


def half_warps(function: str = "inner_half", *, where: str = "own", start: float = 1.0) -> Explorer:
    """Two slopes along the ray behind the own proxy, and 200 steps of descent on that line; the proxies are 2 apart.

    Args:
        function: a name of `dmlkit.losses.distance_function`, or "warp" with r = 1.5.
        where: on which distance it is put, "own" or "both".
        start: where the slider of the embedding starts, as a distance behind its own proxy (0.05 … 4).

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: an unknown function or place, or a start outside its slider.
    """
    check_choice("function", function, tuple(NAMES))
    check_choice("where", where, WHERE)
    check_on_slider("start", start, *START)
    f_own, f_other = functions(function, where)
    places = walk(f_own, f_other, float(start))
    end = "it leaves the chart" if len(places) <= STEPS else f"it is at {abs(places[-1]):.2f}"
    alt = (
        f"Above, the slopes along the ray behind the own proxy with {NAMES[function]} on "
        f"{'the own distance' if where == 'own' else 'both distances'}. {_in_words(_predicted(f_own, f_other))} Below, "
        f"the distance to the own proxy over {STEPS} steps of descent from {start:g}: in the end {end}."
    )
    state = {"function": function, "where": where, "start": float(start)}
    return Explorer("half_warps", state, _still(f_own, f_other, places), alt)


def functions(function: str, where: str) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """(f_own, f_other) on tensors of distances, as `functionsOf` in half_warps_arithmetic.js."""
    if function in DISTANCE_FUNCTIONS:
        chosen = distance_function(function)
    else:
        chosen = partial(warp, alpha=INNER_SLOPE, beta=OUTER_SLOPE, r=R)
    return chosen, chosen if where == "both" else distance_function("identity")


def loss_slope(f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor], x: float) -> float:
    """The gradient of the two-class loss at the place x of the line, as `lossSlope` in half_warps_arithmetic.js."""
    row = torch.tensor([[x]], dtype=torch.float64, requires_grad=True)
    proxies = torch.tensor([[0.0], [-SEPARATION]], dtype=torch.float64)
    loss = monotone_softmax(row, torch.tensor([0]), proxies, f_own=f_own, f_other=f_other)
    return torch.autograd.grad(loss, row)[0].item()


def walk(f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor], start: float) -> list[float]:
    """The places of the probe; fewer than 201 where it was thrown out of the chart."""
    places = [start]
    for k in range(STEPS):
        moved = places[-1] - STEP * min(1, (STEPS - k) / 50) * loss_slope(f_own, f_other, places[-1])
        if not abs(moved) <= FAR:
            break
        places.append(moved)
    return places


def _predicted(f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor]) -> RayMinima:
    return minima_on_ray(f_own, f_other, SEPARATION, furthest=12.0, cells=600)


def _in_words(found: RayMinima) -> str:
    if found.minima:
        return f"They cross at {found.minima[0]:.2f}, where the loss has its minimum."
    if found.falls_at_end:
        return "The own slope is the smaller one far out: the loss falls outward without end."
    if found.valleys:
        return "They are equal on a stretch: the loss is flat there."
    return "The own slope is the larger one: the loss is smallest at the own proxy."


def _still(f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor], places: list[float]) -> bytes:
    """Both charts, one above the other."""
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    slopes, path = figure.subplots(2, 1)
    t = torch.linspace(1e-3, 4, 400, dtype=torch.float64)
    slopes.semilogy(t, distance_slope(f_own, t), color=PALETTE[0], linewidth=2.4, label="f_y′(t), own")
    slopes.semilogy(t, distance_slope(f_other, t + SEPARATION), "--", color=PALETTE[1], label="f_j′(t + D), other")
    slopes.axvline(places[0], color="black", linestyle=":", linewidth=1)
    slopes.set(xlim=(0, 4), ylim=(0.1, 20), xlabel="t, distance behind the own proxy", ylabel="slope")
    slopes.legend(fontsize=8)
    path.semilogy([max(abs(x), 0.01) for x in places], color=PALETTE[2], linewidth=2.4)
    path.set(xlim=(0, STEPS), ylim=(0.01, FAR), xlabel="step of descent", ylabel="distance to the own proxy")
    return small_png(figure)

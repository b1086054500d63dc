"""The explorer of the chapter "Monotone or not": a function to bend, and where around a circle the loss is lowest."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.landscape.circles import CircleExtremum, circle_distances, extrema_on_circle
from dmlkit.plotting import PALETTE

# As in monotone.js and monotone_arithmetic.js; a test holds them together.
HEIGHTS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
TALLEST = 3.0
RANGES = {"radius": (0.1, 2.5), "separation": (0.1, 2.5)}


def monotone(heights: Sequence[float] | None = None, *, radius: float = 1.5, separation: float = 2.0) -> Explorer:
    """A function of the distance with six knots, and the extrema of the loss of two classes around a circle.

    The function goes over both distances (paper W, eq. 5). It is straight between its knots at the distances 0, 1, 2,
    3, 4 and 5.

    Args:
        heights: of the function at its knots, six numbers in 0 … 3; default: a straight line.
        radius: ρ of the circle around the own proxy, where its slider starts (0.1 … 2.5).
        separation: D, the distance of the two proxies (0.1 … 2.5).

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: another number of heights, or a value outside its range.
    """
    given = [float(value) for value in (HEIGHTS if heights is None else heights)]
    if len(given) != len(HEIGHTS):
        raise ValueError(f"heights must be {len(HEIGHTS)} numbers, found {len(given)}")
    for value in given:
        if not 0 <= value <= TALLEST:  # NaN is refused, too
            raise ValueError(f"heights must lie in 0 … {TALLEST:g}, found {value:g}")
    state = {"radius": float(radius), "separation": float(separation)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    found = extrema_on_circle(lambda d: chain(given, d), radius, separation)
    return Explorer(
        "monotone", {"heights": given, **state}, _still(given, radius, separation, found), _alt(given, found)
    )


def chain(heights: Sequence[float], distances: Tensor) -> Tensor:
    """The chain of straight pieces at distances, as `chainAt` in monotone_arithmetic.js."""
    knots = torch.tensor(heights, dtype=distances.dtype)
    k = distances.floor().long().clamp(0, len(heights) - 2)
    return knots[k] + (distances - k) * (knots[k + 1] - knots[k])


def _alt(heights: Sequence[float], found: list[CircleExtremum]) -> str:
    falling = sum(b <= a for a, b in pairwise(heights))
    lowest = next(e for e in found if e.whole and e.kind != "maximum")
    places = [f"{math.degrees(theta):.0f}°" for theta in lowest.theta]
    where = places[0] if lowest.is_point else f"{places[0]} to {places[1]}"
    return (
        f"A function of the distance in {len(heights) - 1} straight pieces, of which {falling} do not rise. Beside it "
        f"a circle around the own proxy, coloured by the loss, which is lowest at an angle of {where} from the "
        "direction of the other proxy; 180° is the far point."
    )


def _still(heights: Sequence[float], radius: float, separation: float, found: list[CircleExtremum]) -> bytes:
    """The function and the circle, side by side."""
    figure = Figure(figsize=(6.4, 3.1), layout="constrained")
    curve, circle = figure.subplots(1, 2, width_ratios=(1.25, 1))
    for k, (start, end) in enumerate(pairwise(heights)):
        rises = end > start
        curve.plot([k, k + 1], [start, end], "-" if rises else "--", color=PALETTE[0 if rises else 1], lw=2.5)
    curve.plot(range(len(heights)), heights, "o", color=PALETTE[0])
    curve.axvspan(abs(radius - separation), radius + separation, color="0.5", alpha=0.2, linewidth=0)
    curve.set(xlabel="distance d", ylabel="f(d)", ylim=(-0.2, 3.2))
    theta = torch.linspace(-math.pi, math.pi, 241, dtype=torch.float64)
    height = chain(heights, circle_distances(theta, radius, separation))
    x, y = radius * theta.cos(), radius * theta.sin()
    circle.scatter(x, y, c=-height, cmap="viridis", s=22, linewidths=0)
    circle.axhline(0, color="black", linestyle=":", linewidth=0.8)
    circle.plot(0, 0, "o", color=PALETTE[0])
    circle.plot(separation, 0, "s", color=PALETTE[1])
    for extremum in found:
        marker, colour = {"minimum": ("D", "#ff9a4d"), "maximum": ("X", "white")}.get(extremum.kind, ("", "none"))
        for angle in {extremum.theta[0], -extremum.theta[0], extremum.theta[1], -extremum.theta[1]}:
            place = radius * math.cos(angle), radius * math.sin(angle)
            circle.plot(*place, marker, color=colour, markeredgecolor="black", markersize=8)
    circle.text(0, -0.22, "own", ha="center", va="top", fontsize=8)
    circle.text(separation, -0.22, "other", ha="center", va="top", fontsize=8)
    circle.set(xlim=(-2.85, 2.85), ylim=(-2.85, 2.85), aspect="equal")
    circle.axis("off")
    return small_png(figure)

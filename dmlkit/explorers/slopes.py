"""The explorer of the chapter "Placing the minimum": two slopes along the ray, and the landscape that they make."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import softplus

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.landscape.rays import RayMinima, minima_on_ray, slope_on_ray
from dmlkit.plotting import PALETTE

# As KINDS in slopes.js; a test holds the two together.
KINDS = {
    "plain": "plain: d twice",
    "convex": "convex: d^(1 + s) twice",
    "concave": "concave: d^(1 − s) twice",
    "warped": "warped: 1 − s, then 1 + s",
    "smooth": "warped, rounded",
    "two": "two kinks, at r and 2r",
    "outward": "half-warp: 1 − s, then 1",
    "inward": "half-warp: 1, then 1 + s",
    "both": "one S-curve twice",
}
VIEWS = ("gap", "loss")
RANGES = {"separation": (0.5, 4), "r": (0.2, 3), "strength": (0.05, 0.95)}
# As RAY in slopes_arithmetic.js.
FURTHEST, CELLS = 12.0, 600
SHOWN = 6.0


def slopes(
    kind: str = "warped", *, separation: float = 2.0, r: float = 1.5, strength: float = 0.5, view: str = "gap"
) -> Explorer:
    """The slopes of both functions along the ray behind the own proxy, and g or the loss along the whole line.

    Args:
        kind: which two functions: "plain", "convex", "concave", "warped", "smooth", "two", "outward", "inward" or
            "both" (one S-curve for both distances).
        separation: D, the distance of the proxies (0.5 … 4).
        r: where the slope changes (0.2 … 3).
        strength: s, how far the slopes are from 1 (0.05 … 0.95).
        view: what is drawn along the line, "gap" for g or "loss" for log(1 + e^g).

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: an unknown kind or view, or a parameter outside its slider.
    """
    check_choice("kind", kind, tuple(KINDS))
    check_choice("view", view, VIEWS)
    state = {"separation": float(separation), "r": float(r), "strength": float(strength)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    f_own, f_other = pair(kind, state["r"], state["strength"])
    found = minima_on_ray(f_own, f_other, state["separation"], furthest=FURTHEST, cells=CELLS)
    alt = (
        f"Above, the slopes of both functions against the distance behind the own proxy, for {KINDS[kind]}, with "
        f"r = {r:g}, s = {strength:g} and the proxies {separation:g} apart; below, "
        f"{'g' if view == 'gap' else 'the loss'} along the line through both proxies. {_in_words(found)}"
    )
    still = _still(f_own, f_other, state["separation"], found, view)
    return Explorer("slopes", {"kind": kind, **state, "view": view}, still, alt)


def pair(kind: str, r: float, s: float) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """(f_own, f_other) on tensors of distances, as `pairOf` in slopes_arithmetic.js."""
    if kind in ("plain", "convex", "concave"):
        exponent = {"plain": 1.0, "convex": 1 + s, "concave": 1 - s}[kind]
        return (lambda d: d**exponent,) * 2
    if kind == "both":
        return (lambda d: (1 - s) * d + 2 * s * (torch.tanh(d - r) + np.tanh(r)),) * 2
    if kind == "smooth":
        width = 0.25

        def log_cosh(x: Tensor) -> Tensor:
            return torch.logaddexp(x, -x) - np.log(2)

        f_own = lambda d: d + s * width * (log_cosh((d - r) / width) - log_cosh(d.new_tensor(r / width)))  # noqa: E731
    else:
        knots, rates = {
            "warped": ([r], [1 - s, 1 + s]),
            "two": ([r, 1.5 * r, 2 * r], [1 - s, 1 + s, 0.5, 1.5]),
            "outward": ([r], [1 - s, 1]),
            "inward": ([r], [1, 1 + s]),
        }[kind]
        f_own = _pieces(knots, rates)
    return f_own, lambda d: d


def _pieces(knots: list[float], rates: list[float]) -> Callable[[Tensor], Tensor]:
    """A function through 0 with constant slopes between the knots."""

    def f(d: Tensor) -> Tensor:
        value, start, height = rates[0] * d, 0.0, 0.0
        for k, knot in enumerate(knots):
            height += rates[k] * (knot - start)
            value, start = torch.where(d < knot, value, height + rates[k + 1] * (d - knot)), knot
        return value

    return f


def _in_words(found: RayMinima) -> str:
    if found.falls_at_end:
        return "It falls without end: the minimum is at infinity."
    words = [f"a minimum at {place:.2f}" for place in found.minima]
    words += [f"a flat valley from {a:.2f} {'outward' if b == FURTHEST else f'to {b:.2f}'}" for a, b in found.valleys]
    if found.at_proxy and not found.valleys:
        words.insert(0, "a minimum at the own proxy")
    return f"There is {' and '.join(words)}."


def _still(
    f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor], D: float, found: RayMinima, view: str
) -> bytes:
    """Both charts, one above the other."""
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    top, bottom = figure.subplots(2, 1)
    t = torch.linspace(0.02, SHOWN, 300, dtype=torch.float64)
    zero = torch.zeros_like
    own, other = slope_on_ray(f_own, zero, D, t), -slope_on_ray(zero, f_other, D, t)
    for below, colour, name in ((own < other, PALETTE[0], "downhill"), (own > other, PALETTE[1], "uphill")):
        top.fill_between(
            t.numpy(), own.numpy(), other.numpy(), where=below.numpy(), color=colour, alpha=0.25, label=name
        )
    top.plot(t, own, color=PALETTE[2], lw=2.6, label="own slope")
    top.plot(t, other, color=PALETTE[7], ls="--", label="other slope")
    top.set(xlim=(0, SHOWN), ylim=(0, max(2, own[10:].max(), other.max()) * 1.05))
    top.set(xlabel="t, distance behind the own proxy", ylabel="slope (nats per unit)")
    x = torch.linspace(-5, SHOWN, 441, dtype=torch.float64)

    def along(x: Tensor) -> Tensor:
        gap = f_own(x.abs()) - f_other((x + D).abs())
        return gap if view == "gap" else softplus(gap)

    bottom.plot(x, along(x), color=PALETTE[0], lw=2.4)
    places = torch.tensor([*([0.0] if found.at_proxy else []), *found.minima], dtype=torch.float64)
    bottom.plot(places, along(places), "D", color=PALETTE[6])
    for place, name in ((0, "own"), (-D, "other")):
        bottom.axvline(place, color="black", linestyle=":", linewidth=1)
        bottom.annotate(name, (place, 1), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=8)
    bottom.set(xlim=(-5, SHOWN), xlabel="place on the line (the own proxy is at 0)")
    bottom.set(ylabel="g" if view == "gap" else "loss (nats)", yscale="linear" if view == "gap" else "log")
    top.legend(fontsize=8)
    return small_png(figure)

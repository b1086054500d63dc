"""Minima on the ray behind the own proxy, found by comparing two slopes (paper W, proposition III.2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dmlkit.checks import check_number
from dmlkit.losses._common import value_and_slope

# Slopes that agree to this part of their size count as equal: float64 leaves about 1e-16 of each.
_EQUAL = 1e-12
# The first place that is looked at, as a part of the ray: not 0 itself, where √d has no slope.
_NEXT_TO_ZERO = 1e-9


@dataclass(frozen=True)
class RayMinima:
    """What `minima_on_ray` found.

    Attributes:
        minima: places t > 0 where the slope turns from negative to positive.
        valleys: (from, to), stretches of slope 0 that nothing lower adjoins; one that ends at `furthest` was not seen
            to end.
        at_proxy: the own proxy is a minimum on the line: neither side falls right next to it (it may be flat).
        falls_at_end: g still falls at `furthest`: if that is far enough, the minimum lies at infinity.
    """

    minima: tuple[float, ...]
    valleys: tuple[tuple[float, float], ...]
    at_proxy: bool
    falls_at_end: bool


def slope_on_ray(
    f_own: Callable[[Tensor], Tensor], f_other: Callable[[Tensor], Tensor], separation: float, t: Tensor
) -> Tensor:
    r"""The slope that training follows on the ray behind the own proxy (paper W, proposition III.2).

    $$ g'(t) = f_y'(t) - f_j'(t + D), \qquad t = \lVert e - p_y \rVert, \quad D = \lVert p_y - p_j \rVert $$

    The slopes come from autograd. Where a function stops a gradient, as `dmlkit.losses.warp` does, they are the ones
    that training gets, not the derivative of the value.

    Args:
        f_own: $f_y$, element by element on a tensor of distances.
        f_other: $f_j$, likewise.
        separation: D > 0, the distance of the two proxies.
        t: distances behind the own proxy, of any shape, at least 0.

    Returns:
        The shape of `t`, in nats per unit of distance.

    Raises:
        TypeError: a function that is not callable or returns no tensor.
        ValueError: a separation that is not above 0, a negative distance, or a function that changes shapes.

    Example:
        >>> t = torch.tensor([0.5, 2.0])
        >>> slope_on_ray(torch.square, lambda d: d, 1.0, t)  # 2t − 1
        tensor([0., 3.])

    Explained in the chapter "Placing the minimum".
    """
    check_number("separation", separation, above=0)
    if not bool((t >= 0).all()):
        raise ValueError("t must hold distances, at least 0, found one that is not")
    return _slope(f_own, "f_own", t) - _slope(f_other, "f_other", t + separation)


def minima_on_ray(
    f_own: Callable[[Tensor], Tensor],
    f_other: Callable[[Tensor], Tensor],
    separation: float,
    *,
    furthest: float,
    cells: int = 4000,
) -> RayMinima:
    r"""All minima of the two-class loss on the ray behind the own proxy (paper W, proposition III.2, eqs. 6 and 13).

    $$ g(t) = f_y(t) - f_j(t + D) $$

    has a minimum where its slope $f_y'(t) - f_j'(t + D)$ turns from negative to positive, and $\log(1 + e^g)$ has the
    same. The sign of the slope (`slope_on_ray`, hence stopped gradients are respected) is taken on an even grid and
    each change of it is then halved down to the accuracy of float64: a kink is found exactly. Slopes are equal if they
    agree to one part in $10^{12}$. A turn and its return within one cell are not seen.

    Args:
        f_own: $f_y$, element by element on a tensor of distances.
        f_other: $f_j$, likewise.
        separation: D > 0, the distance of the two proxies.
        furthest: where the search ends, a distance behind the own proxy.
        cells: of the grid.

    Returns:
        A `RayMinima`: minima, flat valleys, and what holds at both ends of the ray.

    Raises:
        TypeError: a function that is not callable or returns no tensor, or a number of cells that is not whole.
        ValueError: a separation or an end that is not above 0, fewer than two cells, a function that changes shapes, or
            slopes that are not finite.

    Example:
        >>> found = minima_on_ray(lambda d: d**2 / 6, lambda d: d, 2.0, furthest=10)  # d/3 = 1
        >>> [round(t, 9) for t in found.minima], found.at_proxy, found.falls_at_end
        ([3.0], False, False)

    Explained in the chapter "Placing the minimum".
    """
    check_number("separation", separation, above=0)
    check_number("furthest", furthest, above=0)
    if isinstance(cells, bool) or not isinstance(cells, int):
        raise TypeError(f"cells must be a whole number, found {cells!r}")
    if cells < 2:
        raise ValueError(f"cells must be at least 2, found {cells}")

    def sign(t: Tensor, equal: float | Tensor = _EQUAL) -> Tensor:
        own, other = _slope(f_own, "f_own", t), _slope(f_other, "f_other", t + separation)
        return _sign(own, other, t, equal)

    t = torch.linspace(0, furthest, cells + 1, dtype=torch.float64)
    t[0] = _NEXT_TO_ZERO * furthest
    signs = sign(t)
    # Runs of one sign: run k covers the nodes first[k] … first[k + 1] − 1.
    turns = torch.nonzero(signs.diff()).squeeze(1)
    # A crossing is where the sign itself changes; a stretch of equal slopes begins where they agree.
    crossing = (signs[turns] * signs[turns + 1]).abs()
    edges = _edges(sign, t[turns], t[turns + 1], signs[turns], _EQUAL * (1 - crossing)).tolist()
    runs = torch.cat([signs[:1], signs[turns + 1]]).tolist()
    starts, ends = [0.0, *edges], [*edges, float(furthest)]

    # From the own proxy towards the other, d_own grows and d_other shrinks: the slopes add up.
    near = torch.full((1,), min(separation, furthest) * _NEXT_TO_ZERO, dtype=torch.float64)
    towards = _sign(_slope(f_own, "f_own", near), -_slope(f_other, "f_other", separation - near), near).item()

    minima, valleys = [], []
    for k, run in enumerate(runs):
        before = runs[k - 1] if k else -towards
        after = runs[k + 1] if k + 1 < len(runs) else 1
        if run < 0 < after and k + 1 < len(runs):
            minima.append(ends[k])
        elif run == 0 and before <= 0 <= after:
            # Where the slopes touch in one point they agree around it, too; a true valley that narrow is not resolved.
            a_point = k and k + 1 < len(runs) and ends[k] - starts[k] < furthest / cells
            if a_point:
                minima.append((starts[k] + ends[k]) / 2)
            else:
                valleys.append((starts[k], ends[k]))
    return RayMinima(tuple(minima), tuple(valleys), runs[0] >= 0 and towards >= 0, runs[-1] < 0)


def _slope(function: Callable[[Tensor], Tensor], name: str, distances: Tensor) -> Tensor:
    return value_and_slope(function, name, distances)[1]


def _sign(own: Tensor, other: Tensor, t: Tensor, equal: float | Tensor = _EQUAL) -> Tensor:
    """−1, 0 or 1: the sign of own − other, 0 where the two agree to the part `equal` of their size."""
    difference = own - other
    if not bool(difference.isfinite().all()):
        where = t[~difference.isfinite()][0].item()
        raise ValueError(f"f_own and f_other must have finite slopes along the ray, found none at t = {where:g}")
    same = difference.abs() <= equal * (own.abs() + other.abs())
    return torch.where(same, 0.0, difference.sign())


def _edges(sign: Callable[..., Tensor], low: Tensor, high: Tensor, left: Tensor, equal: Tensor) -> Tensor:
    """Where the sign stops being `left`, for brackets low < high, all at once: the first float64 beyond."""
    while bool(((middle := (low + high) / 2) != low).logical_and(middle != high).any()):
        still = sign(middle, equal) == left
        low, high = torch.where(still, middle, low), torch.where(still, high, middle)
    return high

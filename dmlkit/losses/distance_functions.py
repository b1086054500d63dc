"""Functions of a distance by name, so that a config, which holds no code, can say which one a softmax uses."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.geometry import square_root
from dmlkit.losses._common import value_and_slope

# The slopes of the two halves of the warp. Ours: the middle of what paper W uses, 0.5 … 0.95 and 1.15 … 1.6175.
INNER_SLOPE, OUTER_SLOPE = 0.7, 1.4


def _identity(distances: Tensor) -> Tensor:
    """d, slope 1: the Euclidean softmax (eq. 4)."""
    return distances


def _square(distances: Tensor) -> Tensor:
    """d², slope 2d: strictly convex."""
    return distances.square()


def _sqrt(distances: Tensor) -> Tensor:
    """√d, slope 1/(2√d): strictly concave. At d = 0, where the slope has no bound, the gradient is 0."""
    return square_root(distances)


def _log1p(distances: Tensor) -> Tensor:
    """log(1 + d), slope 1/(1 + d): strictly concave, and at most 1."""
    return distances.log1p()


def _expm1(distances: Tensor) -> Tensor:
    """eᵈ − 1, slope eᵈ: strictly convex. In float32 it is infinite from d ≈ 88.7 on."""
    return distances.expm1()


def _inner_half(distances: Tensor) -> Tensor:
    """αd + (1 − α) sg[d], slope α < 1 everywhere: the warp's inner half alone (eq. 7 at r = ∞, m = 1)."""
    return INNER_SLOPE * distances + (1 - INNER_SLOPE) * distances.detach()


def _outer_half(distances: Tensor) -> Tensor:
    """βd, slope β > 1 everywhere: the warp's outer half alone (eq. 7 at r = 0)."""
    return OUTER_SLOPE * distances


_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": _identity,
    "square": _square,
    "sqrt": _sqrt,
    "log1p": _log1p,
    "expm1": _expm1,
    "inner_half": _inner_half,
    "outer_half": _outer_half,
}
DISTANCE_FUNCTIONS = tuple(_FUNCTIONS)


def distance_function(name: str) -> Callable[[Tensor], Tensor]:
    r"""A function of distance by its name, for `monotone_softmax` (paper W, eqs. 5 and 6, table III).

    - "identity": $d$, slope $1$; the Euclidean softmax, eq. 4
    - "square": $d^2$, slope $2d$; strictly convex
    - "sqrt": $\sqrt d$, slope $1 / (2\sqrt d)$; strictly concave, and the gradient at 0 is 0
    - "log1p": $\log(1 + d)$, slope $1 / (1 + d)$; strictly concave
    - "expm1": $e^d - 1$, slope $e^d$; strictly convex, and infinite in float32 from about 88.7 on
    - "inner_half": $\alpha d + (1-\alpha)\,\mathrm{sg}[d]$, slope $\alpha = 0.7$; eq. 7 at $r = \infty$, $m = 1$
    - "outer_half": $\beta d$, slope $\beta = 1.4$; eq. 7 at $r = 0$

    sg stops the gradient: the value of "inner_half" is d, its slope is not. The slopes 0.7 and 1.4 are ours.

    Args:
        name: one of these.

    Returns:
        A function that keeps the shape of its distances. The same name gives the same function object.

    Raises:
        ValueError: another name.

    Example:
        >>> distance_function("log1p")(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.6931])

    Explained in the chapter "Which functions work?".
    """
    check_choice("name", name, DISTANCE_FUNCTIONS)
    return _FUNCTIONS[name]


def distance_slope(function: str | Callable[[Tensor], Tensor], distances: Tensor) -> Tensor:
    r"""The slope that descent follows, f′(d) by automatic differentiation, where gradients are stopped too (paper W).

    The rule of proposition III.2 compares two of them: $f_y'(t) < f_j'(t + D)$ drives an embedding outward.

    Args:
        function: a name of `distance_function`, or a function.
        distances: any shape, floating-point.

    Returns:
        The shape of `distances`.

    Raises:
        TypeError: `distances` is no floating-point tensor, or `function` no function that returns one.
        ValueError: an unknown name, or a function that changes shapes.

    Example:
        >>> distance_slope("inner_half", torch.tensor([1.0, 5.0]))
        tensor([0.7000, 0.7000])

    Explained in the chapter "Which functions work?".
    """
    if not isinstance(distances, Tensor) or not distances.is_floating_point():
        found = distances.dtype if isinstance(distances, Tensor) else type(distances).__name__
        raise TypeError(f"distances must be a floating-point torch.Tensor, found {found}")
    chosen = distance_function(function) if isinstance(function, str) else function
    return value_and_slope(chosen, "function", distances)[1]

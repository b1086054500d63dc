"""Majorise and minimise: a function goes down by way of bounds that touch it from above."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dmlkit.checks import check_number

__all__ = ["bound_optimizer"]

Function = Callable[[Tensor], Tensor | float]


def bound_optimizer(
    objective: Function,
    auxiliary: Callable[[Tensor], tuple[Function, Tensor]],
    start: Tensor,
    *,
    steps: int,
    tolerance: float = 1e-9,
) -> tuple[Tensor, Tensor]:
    r"""Minimise $f$ by functions $a_t$ that lie above it and touch it (paper M, eqs. 9 to 11).

    $$ f(w) \le a_t(w), \quad f(w_t) = a_t(w_t), \qquad w_{t+1} = \arg\min_w a_t(w) $$

    Then $f(w_{t+1}) \le a_t(w_{t+1}) \le a_t(w_t) = f(w_t)$: no step goes up. Each of these three links is checked at
    every step, at $w_t$ and $w_{t+1}$; that $a_t$ lies above $f$ elsewhere is the caller's to prove.

    Args:
        objective: $f$, from a tensor of the shape of `start` to a number.
        auxiliary: gives for $w_t$ the pair of the function $a_t$ and its minimiser $w_{t+1}$.
        start: $w_0$, floating-point, of any shape.
        steps: how many steps to take, at least 0.
        tolerance: by how much a link may fail through rounding, or through a minimiser found by iteration: in units
            of $\max(1, |f(w_t)|)$.

    Returns:
        The path $w_0 \dots w_T$, stacked in a new first dimension of steps + 1, and the values $f(w_t)$, (steps + 1,)
        in float64.

    Raises:
        TypeError: a start that is no floating-point tensor, or a number of steps that is not whole.
        ValueError: a negative number of steps, or, naming the step, an $a_t$ that does not touch, that lies below $f$
            at its minimiser, or that is larger there than at $w_t$.

    Example:
        >>> def bowl(w):  # above cos: no curvature of cos exceeds 1
        ...     return lambda v: w.cos() - w.sin() * (v - w) + (v - w) ** 2 / 2, w + w.sin()
        >>> path, values = bound_optimizer(torch.cos, bowl, torch.tensor(1.0), steps=4)
        >>> path[-1], values[-1]
        (tensor(3.1416), tensor(-1., dtype=torch.float64))

    Explained in the chapter "Cross-entropy as a bound".
    """
    if not isinstance(start, Tensor) or not start.is_floating_point():
        found = start.dtype if isinstance(start, Tensor) else type(start).__name__
        raise TypeError(f"start must be a floating-point tensor, found {found}")
    if isinstance(steps, bool) or not isinstance(steps, int):
        raise TypeError(f"steps must be a whole number, found {steps!r}")
    check_number("steps", steps, least=0)
    check_number("tolerance", tolerance, least=0)

    path = [start.detach().clone()]
    values = [float(objective(path[0]))]
    for t in range(steps):
        here, f_here = path[-1], values[-1]
        bound, there = auxiliary(here)
        f_there, a_here, a_there = float(objective(there)), float(bound(here)), float(bound(there))
        slack = tolerance * max(1.0, abs(f_here)) if math.isfinite(f_here) else 0.0
        # Each condition is written so that a NaN fails it.
        if not abs(a_here - f_here) <= slack:
            raise ValueError(f"auxiliary must touch the objective at w_{t}, found a = {a_here:.6g}, f = {f_here:.6g}")
        if not a_there <= a_here + slack:
            raise ValueError(
                f"auxiliary must give its minimiser, found a = {a_there:.6g} there at step {t}, {a_here:.6g} before"
            )
        if not f_there <= a_there + slack:
            raise ValueError(
                f"auxiliary must not lie below the objective at w_{t + 1}, found a = {a_there:.6g}, f = {f_there:.6g}"
            )
        path.append(there.detach().clone())
        values.append(f_there)
    return torch.stack(path), torch.tensor(values, dtype=torch.float64)

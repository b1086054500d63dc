"""What every loss shares: the reduction over anchors, and full precision under autocast."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor

from dmlkit.checks import check_choice

REDUCTIONS = ("none", "mean", "sum")


def reduce_anchors(values: Tensor, reduction: str, counted: Tensor | None = None) -> Tensor:
    """Reduce one value an anchor to the loss.

    Args:
        values: (N,), one value an anchor.
        reduction: "none", "mean" or "sum".
        counted: (N,) booleans; anchors that are not counted give 0 and stay out of the mean. If none is counted,
            the mean is 0 with a zero gradient: such a batch says nothing.

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    if counted is not None:
        values = torch.where(counted, values, 0.0)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    anchors = len(values) if counted is None else counted.sum().clamp(min=1)
    return values.sum() / anchors


def without_autocast(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run a loss outside autocast: a float16 matrix product would cost it the digits it is about."""

    @functools.wraps(loss)
    def wrapped(*args, **kwargs) -> Tensor:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not tensors:
            return loss(*args, **kwargs)  # let the check at the door speak
        with torch.autocast(tensors[0].device.type, enabled=False):
            return loss(*args, **kwargs)

    return wrapped

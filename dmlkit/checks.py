"""Checks at the door: one sentence that names the argument, what was expected and what was found."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_INTEGER_DTYPES = {torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8}


def check_rows(rows: Tensor, name: str = "embeddings", *, columns: int | None = None) -> None:
    """Require a non-empty floating-point matrix `rows`, with `columns` columns where given.

    Raises:
        TypeError: not a tensor, or not of a floating-point dtype.
        ValueError: not two-dimensional, empty, or of another width.
    """
    if not isinstance(rows, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, found {type(rows).__name__}")
    if not rows.is_floating_point():
        raise TypeError(f"{name} must have a floating-point dtype, found {rows.dtype}")
    if rows.ndim != 2:
        raise ValueError(f"{name} must have two dimensions (rows, columns), found shape {tuple(rows.shape)}")
    if rows.numel() == 0:
        raise ValueError(f"{name} is empty: expected at least one row and one column, found {tuple(rows.shape)}")
    if columns is not None and rows.shape[1] != columns:
        raise ValueError(f"{name} must have {columns} columns like the embeddings, found {rows.shape[1]}")


def check_parameter(parameter: Tensor, name: str, shape: tuple[int, ...], like: Tensor) -> None:
    """Require a floating-point tensor of this shape on the device of the embeddings `like`.

    Raises:
        TypeError: not a tensor, or not of a floating-point dtype.
        ValueError: of another shape or on another device.
    """
    if not isinstance(parameter, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, found {type(parameter).__name__}")
    if not parameter.is_floating_point():
        raise TypeError(f"{name} must have a floating-point dtype, found {parameter.dtype}")
    if parameter.shape != shape:
        raise ValueError(f"{name} must have shape {tuple(shape)}, found {tuple(parameter.shape)}")
    if parameter.device != like.device:
        raise ValueError(f"{name} must be on {like.device} like the embeddings, found {parameter.device}")


def check_finite(rows: Tensor, name: str = "embeddings") -> None:
    """Require numbers: a NaN is neither near nor far, and would count as whatever a comparison happens to say.

    Raises:
        ValueError: a NaN or an infinity.
    """
    if rows.sum().isfinite():  # no NaN and no infinity leaves a sum finite: one pass, no copy
        return
    bad = (~rows.isfinite()).any(dim=1).sum().item()  # or the sum overflowed, and nothing is wrong
    if bad:
        raise ValueError(f"{name} must be finite, found NaN or infinity in {bad} of {len(rows)} rows")


def check_labels(labels: Tensor, rows: int, *, num_classes: int | None = None, name: str = "labels") -> None:
    """Require one integer label a row, in 0 … num_classes − 1 where the number of classes is known.

    Raises:
        TypeError: not a tensor, or not of an integer dtype.
        ValueError: another length or shape, or a label out of range.
    """
    if not isinstance(labels, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, found {type(labels).__name__}")
    if labels.dtype not in _INTEGER_DTYPES:
        raise TypeError(f"{name} must have an integer dtype, found {labels.dtype}")
    if labels.shape != (rows,):
        raise ValueError(f"{name} must have shape ({rows},), one label a row, found {tuple(labels.shape)}")
    # Reading values back would break a compiled graph; there the shapes were checked and the range is the caller's.
    if num_classes is not None and not torch.compiler.is_compiling():
        low, high = int(labels.min()), int(labels.max())
        if low < 0 or high >= num_classes:
            raise ValueError(f"{name} must lie in 0 … {num_classes - 1}, found {low} … {high}")


def check_pair(embeddings: Tensor, labels: Tensor, *, num_classes: int | None = None, name: str = "embeddings") -> None:
    """Require a matrix of embeddings and one integer label for each of its rows, on one device."""
    check_rows(embeddings, name)
    check_labels(labels, len(embeddings))
    if embeddings.device != labels.device:
        raise ValueError(f"{name} are on {embeddings.device}, labels on {labels.device}: move one to the other")
    check_labels(labels, len(embeddings), num_classes=num_classes)


def check_number(
    name: str,
    value: float,
    *,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    infinite: bool = False,
) -> None:
    """Require a number greater than `above`, at least `least`, less than `below`, finite unless `infinite` is allowed.

    Raises:
        TypeError: not a number.
        ValueError: NaN, infinite or out of range.
    """
    if not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, found {type(value).__name__}")
    if math.isnan(value) or (math.isinf(value) and not infinite):
        raise ValueError(f"{name} must be a finite number, found {value}")
    if above is not None and not value > above:
        raise ValueError(f"{name} must be greater than {above:g}, found {value:g}")
    if least is not None and not value >= least:
        raise ValueError(f"{name} must be at least {least:g}, found {value:g}")
    if below is not None and not value < below:
        raise ValueError(f"{name} must be below {below:g}, found {value:g}")


def check_choice(name: str, value: object, choices: tuple) -> None:
    """Require `value` to be one of `choices`.

    Raises:
        ValueError: it is not.
    """
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, found {value!r}")

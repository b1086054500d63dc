"""The shared mathematics of losses and metrics: unit rows, distances, class sums."""

from __future__ import annotations

import torch
from torch import Tensor


def full_precision(x: Tensor) -> Tensor:
    """`x` in float32 if it came in float16 or bfloat16, else `x` itself: sums over a batch need the digits."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def double_precision(x: Tensor) -> Tensor:
    """`x` in float64, for measures that small differences decide; in float32 on a device that has no float64."""
    return full_precision(x) if x.device.type == "mps" else x.double()


def unit_rows(x: Tensor) -> Tensor:
    """z_i = h_i / ‖h_i‖₂ (paper S, eq. 3), with z_i = 0 and a zero gradient where h_i = 0.

    Rows of any representable size normalise: each is divided by its largest entry first, so that squaring
    neither overflows nor vanishes.

    Args:
        x: (N, d), floating point.

    Returns:
        (N, d), rows of length 1 (or 0).
    """
    # The quotient does not depend on a row's scale, so the scale may be taken as a constant in the gradient.
    largest = x.detach().abs().amax(dim=1, keepdim=True)
    scaled = x / torch.where(largest > 0, largest, 1.0)
    squares = scaled.square().sum(dim=1, keepdim=True)
    # sqrt(0) has an infinite derivative: a zero row takes the root of 1 and is a constant 0.
    return scaled * torch.where(squares > 0, squares, 1.0).rsqrt() * (squares > 0)


def euclidean_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖₂ for all pairs, from the differences themselves, with a zero gradient at distance 0.

    The expansion ‖a‖² + ‖b‖² − 2a·b is faster, but loses half of the digits where a point lies close to a proxy,
    which is where a trained embedding lies.

    Args:
        a: (N, d).
        b: (M, d).

    Returns:
        (N, M). No (N, M, d) array is made.
    """
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def compact_labels(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Number the classes present 0 … C − 1.

    Args:
        labels: (N,), any integers.

    Returns:
        index: (N,), the class of each row as a number below C.
        counts: (C,), how many rows each class has (as integers).
    """
    _, index, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    return index, counts


def class_sums(x: Tensor, index: Tensor, num_classes: int) -> Tensor:
    """Σ_{j: index_j = c} x_j for each class c: (N, d) and (N,) to (C, d), in O(N·d)."""
    return x.new_zeros(num_classes, x.shape[1]).index_add(0, index, x)

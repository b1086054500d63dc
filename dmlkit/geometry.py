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


class _UnitRows(torch.autograd.Function):
    """x / ‖x‖ a row; the gradient is (g − z (z·g)) / ‖x‖, in fewer passes over memory than autograd would take."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        largest = x.abs().amax(dim=1, keepdim=True)
        scaled = x / torch.where(largest > 0, largest, 1.0)
        length = torch.linalg.vector_norm(scaled, dim=1, keepdim=True)
        return scaled.div_(torch.where(length > 0, length, 1.0)), largest * length

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        ctx.save_for_backward(*output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx, gradient: Tensor, _: Tensor) -> Tensor:
        z, length = ctx.saved_tensors
        across = torch.addcmul(gradient, z, (z * gradient).sum(dim=1, keepdim=True), value=-1)
        return torch.where(length > 0, across / length, 0.0)


def unit_rows(x: Tensor) -> Tensor:
    """z_i = h_i / ‖h_i‖₂ (paper S, eq. 3), with z_i = 0 and a zero gradient where h_i = 0.

    Rows of any representable size normalise: each is divided by its largest entry first, so that squaring
    neither overflows nor vanishes.

    Args:
        x: (N, d), floating point.

    Returns:
        (N, d), rows of length 1 (or 0).
    """
    return _UnitRows.apply(x)[0]


class _Gram(torch.autograd.Function):
    """x xᵀ; its gradient (G + Gᵀ) x is one matrix product where autograd would take two."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x @ x.T

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (gradient + gradient.T) @ x


def gram(x: Tensor) -> Tensor:
    """x_i · x_j for all pairs of rows: (N, d) to (N, N)."""
    return _Gram.apply(x)


class _SquareRoot(torch.autograd.Function):
    """√x, with the gradient 0 at 0 where it would be infinite."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.sqrt()

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (root,) = ctx.saved_tensors
        return gradient * (root.reciprocal() / 2).nan_to_num(posinf=0.0)


def square_root(x: Tensor) -> Tensor:
    """√x for x ≥ 0, with the gradient 0 at 0: the length of a vector has a kink there, not a direction."""
    return _SquareRoot.apply(x)


# Below this share of ‖a‖² + ‖b‖² the expansion of ‖a − b‖² loses more than one digit to cancellation.
_NEAR = 0.1


def euclidean_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖₂ for all pairs, at the speed of a matrix product, with a zero gradient at distance 0.

    ‖a‖² + ‖b‖² − 2a·b loses the digits where a point lies close to a proxy, which is where a trained embedding lies.
    So the few pairs that are close compared with their own lengths are computed again from their differences; where
    many pairs are close, all are.

    Args:
        a: (N, d).
        b: (M, d).

    Returns:
        (N, M). No (N, M, d) array is made.
    """
    if torch.compiler.is_compiling():  # how many pairs are near is not known to a compiled graph
        return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")
    # Squares of very small or large numbers leave float32: bring such input to the size of 1 and take the size back.
    size = max(a.detach().abs().max().item(), b.detach().abs().max().item())
    if 0 < size < 1e-12 or size > 1e12:
        a, b = a / size, a / size if b is a else b / size
    else:
        size = 1.0
    # Distances do not change with the origin, so it may be taken as a constant in the gradient.
    origin = b.detach().mean(dim=0)
    a, b = a - origin, None if b is a else b - origin
    distances = _expanded_distances(a, b)
    if distances is None:
        distances = torch.cdist(a, a if b is None else b, compute_mode="donot_use_mm_for_euclid_dist")
    return distances if size == 1.0 else distances * size


def _expanded_distances(a: Tensor, b: Tensor | None) -> Tensor | None:
    """Distances between centred rows (of `a` to themselves for b = None); None where too many pairs are near."""
    a_squares = a.square().sum(dim=1, keepdim=True)
    if b is None:
        b, b_squares = a, a_squares.T
        squares = torch.add(a_squares + b_squares, gram(a), alpha=-2)
    else:
        b_squares = b.square().sum(dim=1)
        squares = torch.addmm(a_squares + b_squares, a, b.T, alpha=-2)
    with torch.no_grad():  # first the rows that can have a near pair at all, then the pairs
        rows = (squares.amin(dim=1) < _NEAR * (a_squares.squeeze(1) + b_squares.max())).nonzero().squeeze(1)
        i, j = (squares[rows] < _NEAR * (a_squares[rows] + b_squares)).nonzero(as_tuple=True)
    if 32 * len(i) > squares.numel():
        return None
    if len(i) > 0:
        squares = squares.index_put((rows[i], j), (a[rows[i]] - b[j]).square().sum(dim=1))
    return square_root(squares)


def lowest(x: Tensor) -> float:
    """What stands for −∞ in a log-sum-exp over part of a row: its exponential is 0 and it cannot overflow.

    A row of nothing but −∞ would give a gradient of NaN; a row of nothing but this number gives a number as low, whose
    gradient is spurious but finite: what follows must not depend on it, as softplus, logaddexp or a mean over counted
    anchors do not.
    """
    return -torch.finfo(x.dtype).max / 8


def masked_logsumexp(x: Tensor, mask: Tensor) -> Tensor:
    """log Σ exp(x) over the entries of each row where `mask` is true; `lowest` where none is.

    Args:
        x: (N, M).
        mask: (N, M), booleans.

    Returns:
        (N,).
    """
    return x.masked_fill(~mask, lowest(x)).logsumexp(dim=1)


def compact_labels(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Number the classes present 0 … C − 1, in the order of their labels.

    Args:
        labels: (N,), any integers.

    Returns:
        index: (N,), the class of each row as a number below C.
        counts: (C,), how many rows each class has (as integers). In a compiled graph, where C must not depend on
            values, it is (N,) with zeros at its end.
    """
    if not torch.compiler.is_compiling():
        _, index, counts = torch.unique(labels, return_inverse=True, return_counts=True)
        return index, counts
    ordered, order = labels.sort()
    number = torch.cat([order.new_zeros(1), (ordered[1:] != ordered[:-1]).cumsum(dim=0)])
    index = torch.empty_like(order).scatter(0, order, number)
    return index, torch.zeros_like(order).index_add(0, index, torch.ones_like(order))


def class_sums(x: Tensor, index: Tensor, num_classes: int) -> Tensor:
    """Σ_{j: index_j = c} x_j for each class c: (N, d) and (N,) to (C, d), in O(N·d)."""
    return x.new_zeros(num_classes, x.shape[1]).index_add(0, index, x)

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
        return across / torch.where(length > 0, length, torch.inf)


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


def unit_rows_in_double(x: Tensor) -> Tensor:
    """`unit_rows` in float64 for measures, in fewer passes where the input is narrower: no square of it overflows."""
    wide = double_precision(x)
    if x.dtype == wide.dtype:
        return unit_rows(wide)
    length = torch.linalg.vecdot(wide, wide).sqrt_().unsqueeze(1)
    return wide.div_(length.clamp_min_(torch.finfo(wide.dtype).tiny))


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
# Where more than this share of all pairs is near, the fast way is none.
_MANY = 1 / 32
# Between these sizes squares, and their sums, are far from the ends of float32.
_SMALL, _LARGE = 1e-12, 1e12


def euclidean_distances(a: Tensor, b: Tensor) -> Tensor:
    """‖a_i − b_j‖₂ for all pairs, at the speed of a matrix product, with a zero gradient at distance 0.

    ‖a‖² + ‖b‖² − 2a·b loses the digits where a point lies close to a proxy, which is where a trained embedding lies.
    So the few pairs that are close compared with their own lengths are computed again from their differences; where
    many pairs are close, all are.

    Args:
        a: (N, d).
        b: (M, d).

    Returns:
        (N, M). No (N, M, d) array is made. The gradient can be taken once (no second derivatives).
    """
    itself = b is a
    if torch.compiler.is_compiling():  # how many pairs are near is not known to a compiled graph
        size = torch.maximum(a.detach().abs().max(), b.detach().abs().max())
        size = torch.where((size > 0) & (size < _SMALL) | (size > _LARGE), size, 1.0)
        a = a / size
        return _exact_distances(a, a if itself else b / size) * size
    x, y = a.detach(), b.detach()
    # Distances do not change with the origin: close to the points the squares are small and lose fewer digits.
    origin = y.mean(dim=0)
    x = x - origin
    y = x if itself else y - origin
    x_squares = x.square().sum(dim=1)
    y_squares = x_squares if itself else y.square().sum(dim=1)
    longest = y_squares.max()
    if not _SMALL**2 < longest.maximum(x_squares.max()).item() < _LARGE**2:
        # Such squares leave float32: bring the input to the size of 1, and take the size back.
        size = max(a.detach().abs().max().item(), b.detach().abs().max().item())
        if 0 < size < _SMALL or size > _LARGE:
            a = a / size
            return euclidean_distances(a, a if itself else b / size) * size
    squares = (x_squares.unsqueeze(1) + y_squares).addmm_(x, y.T, alpha=-2)
    # First the rows that can have a near pair at all, then the pairs.
    rows = (squares.amin(dim=1) <= _NEAR * (x_squares + longest)).nonzero().squeeze(1)
    i, j = (squares[rows] <= _NEAR * (x_squares[rows].unsqueeze(1) + y_squares)).nonzero(as_tuple=True)
    if len(i) > _MANY * squares.numel():
        return _exact_distances(a, b)
    return _Distances.apply(a, None if itself else b, origin, squares, rows[i], j)


def _exact_distances(a: Tensor, b: Tensor) -> Tensor:
    """Every pair by its differences: several times slower."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


class _Distances(torch.autograd.Function):
    """The roots of expanded squares; near pairs (i, j) from their own differences, in value and in gradient."""

    @staticmethod
    def forward(a: Tensor, b: Tensor | None, origin: Tensor, squares: Tensor, i: Tensor, j: Tensor) -> Tensor:
        if len(i) > 0:
            b = a if b is None else b
            squares = squares.index_put((i, j), (a[i] - b[j]).square().sum(dim=1))
        return squares.sqrt()

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        a, b, origin, _, i, j = inputs
        ctx.save_for_backward(a, b, origin, i, j, output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple:
        a, b, origin, i, j, distances = ctx.saved_tensors
        itself = b is None
        b = a if itself else b
        # ∂d_ij/∂a_i = (a_i − b_j) / d_ij; the sum over j of w_ij (a_i − b_j) is a product of matrices too.
        weights = gradient / distances
        if len(i) > 0:
            near = torch.where(distances[i, j] > 0, weights[i, j], 0.0).unsqueeze(1) * (a[i] - b[j])
            weights.index_put_((i, j), weights.new_zeros(()))
        if itself:  # a_i stands on both sides: one product
            weights = weights + weights.T
        x = a - origin
        y = x if itself else b - origin
        to_a = torch.addmm(x * weights.sum(dim=1, keepdim=True), weights, y, alpha=-1)
        to_b = None if itself else torch.addmm(y * weights.sum(dim=0).unsqueeze(1), weights.T, x, alpha=-1)
        if len(i) > 0:
            to_a.index_add_(0, i, near)
            (to_a if itself else to_b).index_add_(0, j, near, alpha=-1)
        return to_a, to_b, None, None, None, None


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

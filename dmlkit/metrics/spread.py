"""Spread: how far rows of one class lie apart, how far those of others, and how rows fill the sphere."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_number, check_pair, check_parameter, check_rows
from dmlkit.geometry import class_sums, compact_labels, double_precision, euclidean_distances, unit_rows
from dmlkit.metrics.ranking import DISTANCES


@dataclass(frozen=True)
class ClassDistances:
    """Distances within and between classes, in the unit of the distance.

    Attributes:
        intra: mean distance over the pairs of rows of the same class.
        inter: mean distance over the pairs of rows of different classes.
        ratio: intra / inter; small where classes are tight and far apart, about 1 where labels mean nothing.
            NaN where both are 0, infinity where only inter is.
    """

    intra: float
    inter: float
    ratio: float


def _check_chunk(chunk: int) -> None:
    if not isinstance(chunk, int):
        raise TypeError(f"chunk must be an integer, found {type(chunk).__name__}")
    check_number("chunk", chunk, least=1)


def _scatter(x: Tensor, index: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of each class, and Σ ‖x_i − mean‖² over its rows: (N, d) to (C, d) and (C,)."""
    means = class_sums(x, index, len(counts)) / counts.unsqueeze(1)
    squares = (x - means[index]).square().sum(dim=1)
    return means, squares.new_zeros(len(counts)).index_add(0, index, squares)


def _mean_cosine_distances(points: Tensor, index: Tensor, counts: Tensor) -> tuple[float, float]:
    """Means over pairs of the same class and of different classes, in O(N·d).

    1 − z_i·z_j = ½‖z_i − z_j‖² + ½(1 − ‖z_i‖²) + ½(1 − ‖z_j‖²), whose last terms only count for zero rows, and
    Σ ‖z_i − z_j‖² over the ordered pairs of n rows is 2n Σ ‖z_i − mean‖². All terms are positive: nothing cancels,
    as it would between N² and the square of a sum.
    """
    z = unit_rows(points)
    zero = (z == 0).all(dim=1).to(z.dtype)
    # Seen from one of them, equal rows are exactly 0, and so are their sums, however long.
    z = z - z[0]
    total, counts = len(z), counts.to(z.dtype)
    means, within = _scatter(z, index, counts)
    between = (counts.unsqueeze(1) * (means - (counts @ means) / total).square()).sum()
    zeros = torch.zeros_like(counts).index_add(0, index, zero)
    same = counts @ within + (counts - 1) @ zeros
    other = (total - counts) @ within + total * between + (total - counts) @ zeros
    pairs = (counts * (counts - 1)).sum()
    values = same / pairs, other / (total * (total - 1) - pairs)
    # Unit rows carry rounding errors of a few ε, their squared distances of a few ε²: less is a distance of 0.
    nothing = 64 * torch.finfo(z.dtype).eps ** 2
    intra, inter = (value.item() if value > nothing else 0.0 for value in values)
    return intra, inter


def _pairs(points: Tensor, chunk: int) -> Iterator[tuple[slice, slice, Tensor]]:
    """Each pair i < j once: rows, columns, and which entries of that block are such pairs."""
    for start in range(0, len(points), chunk):
        rows, columns = slice(start, start + chunk), slice(start, len(points))
        yield rows, columns, _above_diagonal(len(points[rows]), len(points[columns]), points.device)


def _above_diagonal(rows: int, columns: int, device: torch.device) -> Tensor:
    return torch.ones(rows, columns, dtype=torch.bool, device=device).triu(diagonal=1)


def _mean_euclidean_distances(points: Tensor, index: Tensor, counts: Tensor, chunk: int) -> tuple[float, float]:
    """Means over pairs of the same class and of different classes, in chunks of rows."""
    sums = points.new_zeros(2)
    for rows, columns, counted in _pairs(points, chunk):
        distances = euclidean_distances(points[rows], points[columns]).masked_fill(~counted, 0)
        same = index[rows].unsqueeze(1) == index[columns]
        sums[0] += distances.masked_fill(~same, 0).sum()
        sums[1] += distances.masked_fill(same, 0).sum()
    pairs = (counts * (counts - 1)).sum().item() / 2
    intra, inter = sums.tolist()
    return intra / pairs, inter / (len(points) * (len(points) - 1) / 2 - pairs)


@torch.no_grad()
def class_distances(
    embeddings: Tensor, labels: Tensor, *, distance: str = "cosine", chunk: int = 1024
) -> ClassDistances:
    r"""Mean distances within and between classes, and their ratio (after Roth et al., 2020).

    $$ \text{intra} = \operatorname{mean}_{i < j,\; y_i = y_j} d(e_i, e_j), \qquad
       \text{inter} = \operatorname{mean}_{i < j,\; y_i \neq y_j} d(e_i, e_j), \qquad
       \text{ratio} = \text{intra} / \text{inter} $$

    Means over pairs, so that large classes count more. With cosine distance they come from class sums, exactly, in
    O(N·d); with Euclidean distance from chunks of rows, in O(N²·d) and O(chunk · N) memory.

    Args:
        embeddings: (N, d).
        labels: (N,), any integers; at least two classes, one of them with at least two rows.
        distance: "cosine" (1 − cos; a zero row is at 1 from every other) or "euclidean".
        chunk: rows at a time.

    Returns:
        A `ClassDistances`.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN or infinity, or labels without a pair
            of either kind.

    Example:
        >>> rows = torch.tensor([[0.0], [1.0], [4.0]])
        >>> class_distances(rows, torch.tensor([0, 0, 1]), distance="euclidean")  # 1, and the mean of 4 and 3
        ClassDistances(intra=1.0, inter=3.5, ratio=0.2857142857142857)

    Losses are compared by it in the chapter "Two dimensions of fashion".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    _check_chunk(chunk)
    index, counts = compact_labels(labels)
    if len(counts) < 2:
        raise ValueError("labels must hold at least two classes for distances between them, found one")
    _require_matches(counts)
    points = double_precision(embeddings)
    if distance == "cosine":
        intra, inter = _mean_cosine_distances(points, index, counts)
    else:
        intra, inter = _mean_euclidean_distances(points, index, counts, chunk)
    if inter > 0:
        return ClassDistances(intra, inter, intra / inter)
    return ClassDistances(intra, inter, math.inf if intra > 0 else math.nan)


def _require_matches(counts: Tensor) -> None:
    if counts.max() < 2:
        raise ValueError("labels must hold a class with at least two rows, found one row in each")


@torch.no_grad()
def alignment(embeddings: Tensor, labels: Tensor, *, power: float = 2, chunk: int = 1024) -> float:
    r"""How close rows of the same class lie on the sphere (Wang and Isola, 2020).

    $$ \operatorname{mean}_{i < j,\; y_i = y_j} \lVert z_i - z_j \rVert_2^{\alpha} $$

    with unit rows z. The paper takes pairs of views of one image; here they are the pairs of one class. For α = 2 it
    comes from class sums in O(N·d), else from chunks of rows against their own classes.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,), any integers; a class with at least two rows.
        power: α > 0; 2 as in the paper.
        chunk: rows at a time, where α is not 2.

    Returns:
        In [0, 2^α]; small is good.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN or infinity, or no two rows of a class.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.0, 3.0], [1.0, 1.0]])  # the first two are √2 apart
        >>> round(alignment(rows, torch.tensor([0, 0, 1])), 6)
        2.0

    No chapter uses it: it is here for comparison with work that reports it.
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_number("power", power, above=0)
    _check_chunk(chunk)
    index, counts = compact_labels(labels)
    _require_matches(counts)
    z = unit_rows(double_precision(embeddings))
    pairs = (counts * (counts - 1)).sum().item() / 2
    if power == 2:
        return (counts.to(z.dtype) @ _scatter(z, index, counts)[1]).item() / pairs
    index, order = index.sort()
    z, end = z[order], counts.cumsum(dim=0)
    total = z.new_zeros(())
    for start in range(0, len(z), chunk):
        rows = slice(start, start + chunk)
        # In the order of the classes, all matches of these rows lie before the end of the last one's class.
        columns = slice(start, int(end[index[rows][-1]]))
        distances = euclidean_distances(z[rows], z[columns])
        counted = _above_diagonal(*distances.shape, z.device) & (index[rows].unsqueeze(1) == index[columns])
        total += distances.pow(power).masked_fill(~counted, 0).sum()
    return total.item() / pairs


@torch.no_grad()
def uniformity(embeddings: Tensor, *, t: float = 2.0, chunk: int = 1024) -> float:
    r"""How evenly rows fill the sphere (Wang and Isola, 2020).

    $$ \log \operatorname{mean}_{i < j} \exp(-t \lVert z_i - z_j \rVert_2^2) $$

    with unit rows z: the logarithm of the mean Gaussian potential. In chunks of rows, by a log-sum-exp that carries
    over from one to the next, so that no t makes it underflow: O(N²·d) and O(chunk · N) memory.

    Args:
        embeddings: (N, d), at least two rows of any length; they are normalised inside.
        t: > 0; 2 as in the paper.
        chunk: rows at a time.

    Returns:
        In [−4t, 0], in nats; small is even, 0 is everything in one point.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, fewer than two rows, NaN or infinity.

    Example:
        >>> round(uniformity(torch.tensor([[1.0, 0.0], [0.0, 5.0]])), 6)  # one pair at squared distance 2
        -4.0

    No chapter uses it: it is here for comparison with work that reports it.
    """
    check_rows(embeddings)
    check_finite(embeddings)
    check_number("t", t, above=0)
    _check_chunk(chunk)
    if len(embeddings) < 2:
        raise ValueError("embeddings must hold at least two rows, found one")
    z = unit_rows(double_precision(embeddings))
    squares = z.square().sum(dim=1)
    total = z.new_full((), -torch.inf)
    for rows, columns, counted in _pairs(z, chunk):
        apart = (squares[rows].unsqueeze(1) + squares[columns]).addmm_(z[rows], z[columns].T, alpha=-2)
        exponents = apart.clamp_(min=0).mul_(-t).masked_fill_(~counted, -torch.inf)
        total = torch.logaddexp(total, exponents.flatten().logsumexp(dim=0))
    return total.item() - math.log(len(z) * (len(z) - 1) / 2)


@torch.no_grad()
def average_distance_to_proxy(embeddings: Tensor, labels: Tensor, proxies: Tensor) -> float:
    r"""Mean distance of embeddings to the proxy of their class (paper W, eq. 9).

    $$ \mathrm{AvgDTP} = \frac1N \sum_i \lVert e_i - p_{y_i} \rVert_2 $$

    Neither is normalised: it has the unit of the embedding, and two models compare only as far as their units do.

    Args:
        embeddings: (N, d).
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d).

    Returns:
        At least 0; a distance.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, an empty set, NaN or infinity.

    Example:
        >>> rows, proxies = torch.tensor([[3.0, 4.0], [0.0, 1.0]]), torch.tensor([[0.0, 0.0]])
        >>> average_distance_to_proxy(rows, torch.tensor([0, 0]), proxies)
        3.0

    Used by paper W (section IV). Explained in the chapter "Watch it train".
    """
    check_rows(proxies, "proxies")
    check_pair(embeddings, labels, num_classes=len(proxies))
    check_rows(proxies, "proxies", columns=embeddings.shape[1])
    check_parameter(proxies, "proxies", proxies.shape, embeddings)
    check_finite(embeddings)
    check_finite(proxies, "proxies")
    apart = double_precision(embeddings) - double_precision(proxies)[labels.long()]
    return torch.linalg.vector_norm(apart, dim=1).mean().item()

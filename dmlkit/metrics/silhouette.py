"""Clustering: the exact silhouette, without scikit-learn's N × N distances."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_pair
from dmlkit.geometry import compact_labels, double_precision, euclidean_distances, unit_rows_in_double
from dmlkit.metrics.ranking import DISTANCES


@torch.no_grad()
def silhouette_samples(embeddings: Tensor, labels: Tensor, *, distance: str = "cosine", chunk: int = 1024) -> Tensor:
    r"""The silhouette of each row (Rousseeuw 1987; paper S, eqs. 1 and 6).

    $$ s_i = \frac{b_i - a_i}{\max(a_i, b_i)} \in [-1, 1] $$

    $a_i$ is the mean distance to the other rows of i's class, $b_i$ the smallest mean distance to another class.
    $s_i = 0$ where i is alone in its class (Rousseeuw's convention), and where $a_i = b_i = 0$.

    With cosine distance the means come from class sums, exactly, in O(N·C·d) and O(chunk · C) memory; with Euclidean
    distance from chunks of rows, in O(N²·d) and O(chunk · N) memory.

    Args:
        embeddings: (N, d).
        labels: (N,) integers of at least two classes.
        distance: "cosine" (1 − cos) or "euclidean".
        chunk: rows at a time.

    Returns:
        (N,) silhouettes, in float64 where the device has it.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN, or fewer than two classes.

    Explained in the chapter "The silhouette".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, found {chunk}")
    index, counts = compact_labels(labels)
    if len(counts) < 2:
        raise ValueError("the silhouette needs at least two classes, found one")
    to_classes = _cosine_means if distance == "cosine" else _euclidean_means
    values = double_precision(embeddings[:1]).new_empty(len(embeddings))
    for rows, own_mean, means in to_classes(embeddings, index, counts, chunk):
        # Of points in one place 1 − cos leaves rounding only, of either sign: that is a distance of 0.
        a = own_mean.clamp_(min=0)
        b = means.scatter_(1, index[rows].unsqueeze(1), torch.inf).amin(dim=1).clamp_(min=0)
        nothing = 64 * torch.finfo(a.dtype).eps if distance == "cosine" else 0.0
        larger = torch.maximum(a, b)
        values[rows] = torch.where((counts[index[rows]] > 1) & (larger > nothing), (b - a) / larger, 0.0)
    return values


Means = Iterator[tuple[slice, Tensor, Tensor]]


def _cosine_means(embeddings: Tensor, index: Tensor, counts: Tensor, chunk: int) -> Means:
    """Rows, their mean distance to the others of their class, and to all rows of each class: (B,), (B, C)."""
    sums = double_precision(embeddings[:1]).new_zeros(len(counts), embeddings.shape[1])
    for part, own in zip(embeddings.split(chunk), index.split(chunk), strict=True):
        sums.index_add_(0, own, unit_rows_in_double(part))
    opposite = sums.div_(-counts.unsqueeze(1)).T
    for start in range(0, len(embeddings), chunk):
        rows = slice(start, start + chunk)
        z, own, size = unit_rows_in_double(embeddings[rows]), index[rows], counts[index[rows]]
        # The mean of 1 − z_i·z_j over a class is 1 − z_i·m_c; the row's own term is 1 − z_i·z_i (0 but for z = 0).
        means = (z @ opposite).add_(1)
        itself = 1 - torch.linalg.vecdot(z, z)
        own_mean = (means.gather(1, own.unsqueeze(1)).squeeze(1) * size - itself) / (size - 1).clamp(min=1)
        yield rows, own_mean, means


def _euclidean_means(embeddings: Tensor, index: Tensor, counts: Tensor, chunk: int) -> Means:
    """As `_cosine_means`, from all pairs."""
    points = double_precision(embeddings)
    for start in range(0, len(points), chunk):
        rows = slice(start, start + chunk)
        pairs = euclidean_distances(points[rows], points)
        totals = pairs.new_zeros(len(pairs), len(counts)).index_add_(1, index, pairs)
        own = totals.gather(1, index[rows].unsqueeze(1)).squeeze(1)
        yield rows, own / (counts[index[rows]] - 1).clamp(min=1), totals.div_(counts)


def silhouette_score(embeddings: Tensor, labels: Tensor, *, distance: str = "cosine", chunk: int = 1024) -> float:
    """The mean of `silhouette_samples` over all rows; same arguments, in [−1, 1]."""
    return silhouette_samples(embeddings, labels, distance=distance, chunk=chunk).double().mean().item()

"""Clustering: the exact silhouette, without scikit-learn's N × N distances."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_pair
from dmlkit.geometry import class_sums, compact_labels, double_precision, euclidean_distances, unit_rows
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

    Explained in the chapter "A first embedding".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, found {chunk}")
    index, counts = compact_labels(labels)
    if len(counts) < 2:
        raise ValueError("the silhouette needs at least two classes, found one")
    points = double_precision(embeddings)
    if distance == "cosine":
        points = unit_rows(points)
        sums = class_sums(points, index, len(counts))

    nothing = 64 * torch.finfo(points.dtype).eps if distance == "cosine" else 0.0
    values = []
    for rows in torch.arange(len(points), device=points.device).split(chunk):
        own = index[rows].unsqueeze(1)
        if distance == "cosine":
            # Σ_j (1 − z_i·z_j) over a class is n_c − z_i·S_c; the row's own term is 1 − z_i·z_i (0 but for z = 0).
            totals = counts - points[rows] @ sums.T
            itself = 1 - points[rows].square().sum(dim=1)
        else:
            pairs = euclidean_distances(points[rows], points)
            totals = points.new_zeros(len(rows), len(counts)).index_add(1, index, pairs)
            itself = torch.zeros_like(totals[:, 0])
        size = counts[index[rows]]
        # Of points in one place 1 − cos leaves rounding only, of either sign: that is a distance of 0.
        a = ((totals.gather(1, own).squeeze(1) - itself) / (size - 1).clamp(min=1)).clamp(min=0)
        b = (totals / counts).scatter(1, own, torch.inf).amin(dim=1).clamp(min=0)
        larger = torch.maximum(a, b)
        values.append(torch.where((size > 1) & (larger > nothing), (b - a) / larger, 0.0))
    return torch.cat(values)


def silhouette_score(embeddings: Tensor, labels: Tensor, *, distance: str = "cosine", chunk: int = 1024) -> float:
    """The mean of `silhouette_samples` over all rows; same arguments, in [−1, 1]."""
    return silhouette_samples(embeddings, labels, distance=distance, chunk=chunk).double().mean().item()

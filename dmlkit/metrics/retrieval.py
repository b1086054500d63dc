"""Retrieval: does the nearest image belong to the same class?"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_pair
from dmlkit.geometry import compact_labels, double_precision, euclidean_distances, unit_rows

DISTANCES = ("cosine", "euclidean")


@torch.no_grad()
def recall_at_k(
    embeddings: Tensor,
    labels: Tensor,
    *,
    ks: Sequence[int] = (1, 2, 4, 8),
    distance: str = "cosine",
    chunk: int = 1024,
) -> dict[int, float]:
    r"""Recall@K: the share of queries with at least one image of their class among their K nearest others.

    $$ \mathrm{R@}K = \frac{1}{|Q|} \sum_{i \in Q} \big[\, |\{ j : y_j \neq y_i,\;
       d_{ij} \leq \min_{p \neq i,\, y_p = y_i} d_{ip} \}| < K \,\big] $$

    Each image is a query against all others; Q holds those whose class has another image, the rest cannot be answered
    and is left out. An image of another class at exactly the distance of the nearest match counts as nearer: a model
    that maps everything to one point scores 0, not 1, whatever the order of the images.

    Args:
        embeddings: (N, d).
        labels: (N,) integers.
        ks: the K, each at least 1.
        distance: "cosine" (embeddings are normalised) or "euclidean" (they are not).
        chunk: queries at a time; memory is O(chunk · N).

    Returns:
        {K: recall in [0, 1]}.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN, or no query with a match.

    Used by papers M (section 5) and W (section IV). Explained in the chapter "A first embedding".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    ks = tuple(ks)
    if not ks or min(ks) < 1:
        raise ValueError(f"ks must hold numbers of at least 1, found {ks}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, found {chunk}")
    points = double_precision(embeddings)
    # A matrix product may round equal rows differently, so a tie of cosines is one within rounding; Euclidean distances
    # are taken from differences, where equal rows give exactly equal distances.
    tie = 0.0
    if distance == "cosine":
        points, tie = unit_rows(points), 16 * torch.finfo(points.dtype).eps
    index, counts = compact_labels(labels)
    queries = torch.nonzero(counts[index] > 1).squeeze(1)
    if len(queries) == 0:
        raise ValueError("no query can be answered: every class has one image only")

    nearer_negatives = []
    for rows in queries.split(chunk):
        if distance == "cosine":
            distances = -(points[rows] @ points.T)  # 1 − cos in another unit: only the order matters
        else:
            distances = euclidean_distances(points[rows], points)
        same = index[rows].unsqueeze(1) == index.unsqueeze(0)
        distances[torch.arange(len(rows), device=rows.device), rows] = torch.inf  # a query does not find itself
        nearest_match = distances.masked_fill(~same, torch.inf).amin(dim=1, keepdim=True)
        nearer_negatives.append(((distances <= nearest_match + tie) & ~same).sum(dim=1))
    ahead = torch.cat(nearer_negatives)
    return {k: (ahead < k).double().mean().item() for k in ks}

"""The triplet loss over all, semi-hard or hardest triplets, without ever listing them."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_number, check_pair
from dmlkit.geometry import euclidean_distances, full_precision
from dmlkit.losses._common import REDUCTIONS, Loss, class_mates, without_autocast

MININGS = ("all", "semi-hard", "hard")
AVERAGES = ("active", "all")


@without_autocast
def triplet(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.2,
    mining: str = "all",
    average: str = "active",
    reduction: str = "mean",
) -> Tensor:
    r"""Triplet margin loss (Weinberger and Saul, 2009; Schroff et al., 2015).

    $$ h_{apn} = [D_{ap} - D_{an} + m]_+, \qquad D_{ij} = \lVert e_i - e_j \rVert_2, \qquad
       y_p = y_a, \; p \neq a, \; y_n \neq y_a $$

    Mining chooses the triplets: "all"; "semi-hard", those with $D_{ap} < D_{an} < D_{ap} + m$; or "hard", for each
    anchor its farthest positive with its nearest negative (Hermans et al., 2017).

    No list of triplets is made. The sum is linear in the distances where it is smooth, so all it takes is to count, for
    each pair, the active triplets it belongs to: $\sum_p k_{ap} (D_{ap} + m) - \sum_n k_{an} D_{an}$, from one binary
    search of each negative among the anchor's sorted positives.

    Args:
        embeddings: (N, d), not normalised (Schroff et al. normalise: give unit rows for that).
        labels: (N,) integers.
        margin: $m \geq 0$, a distance; 0.2 as in Schroff et al. (on squared distances there).
        mining: "all", "semi-hard" or "hard".
        average: what the mean divides by: the "active" triplets, those with $h > 0$ (Hermans et al. recommend it: as
            training goes on most of them are 0), or "all" that the mining chooses.
        reduction: "none" (the sum over the anchor's triplets), "mean" over triplets, or "sum".

    Returns:
        A scalar, or (N,) for "none"; a distance. Without any triplet 0 with a zero gradient.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> rows, labels = torch.tensor([[0.0], [1.0], [1.1]]), torch.tensor([0, 0, 1])
        >>> triplet(rows, labels, reduction="none")  # 1 − 1.1 + 0.2 and 1 − 0.1 + 0.2
        tensor([0.1000, 1.1000, 0.0000])

    Time O(N² log N), memory O(N²). Compared in the chapter "A fair comparison".
    """
    check_pair(embeddings, labels)
    check_number("margin", margin, least=0)
    check_choice("mining", mining, MININGS)
    check_choice("average", average, AVERAGES)
    check_choice("reduction", reduction, REDUCTIONS)
    x = full_precision(embeddings)
    distances = euclidean_distances(x, x)
    with torch.no_grad():
        if mining == "hard":
            counts, chosen = _hardest(distances, labels, margin)
        else:
            counts, chosen = _within_margin(distances, labels, margin, mining == "semi-hard")
        active = counts.clamp_min(0).sum(dim=1)  # a triplet counts once at its positive, minus once at its negative
        # Distances from the anchor's own mean: the counts add up to 0, and the sum loses fewer digits.
        origin = distances.mean(dim=1, keepdim=True)
    values = ((distances - origin) * counts).sum(dim=1) + margin * active
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    return values.sum() / (active.sum() if average == "active" else chosen).clamp_min(1)


def _hardest(distances: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """As `_within_margin`, for one triplet an anchor."""
    mates = class_mates(labels)
    farthest, p = distances.gather(1, mates.positives).masked_fill(~mates.present, -torch.inf).max(dim=1)
    p = mates.positives.gather(1, p.unsqueeze(1)).squeeze(1)
    nearest, n = distances.scatter(1, mates.own, torch.inf).min(dim=1)
    exists = (mates.counts > 0) & (mates.counts < len(labels) - 1)
    active = (exists & (nearest < farthest + margin)).to(distances.dtype).unsqueeze(1)
    counts = torch.zeros_like(distances).scatter_add(1, p.unsqueeze(1), active).scatter_add(1, n.unsqueeze(1), -active)
    return counts, exists.sum()


def _within_margin(distances: Tensor, labels: Tensor, margin: float, semi_hard: bool) -> tuple[Tensor, Tensor]:
    """How many active triplets each pair belongs to.

    Returns:
        counts: (N, N), for a positive pair the number of its active triplets, for a negative pair minus that number.
        chosen: how many triplets the mining chooses, active or not.
    """
    mates = class_mates(labels)
    table, present, sizes = mates.positives, mates.present, mates.counts.unsqueeze(1)
    # Ascending distances to the positives, absent ones last, where no negative reaches.
    to_positives, order = distances.gather(1, table).masked_fill(~present, torch.inf).sort(dim=1)
    table = table.gather(1, order)
    # Rows of the own class are no negatives: push them beyond all positives, where they find none.
    negatives = distances.scatter(1, mates.own, torch.finfo(distances.dtype).max)
    # A negative at distance d is in an active triplet with every positive beyond d − m: those from this place on …
    first = torch.searchsorted(to_positives + margin, negatives, right=True)
    last = sizes
    if semi_hard:  # … that is nearer than d: those before this place.
        last = torch.searchsorted(to_positives, negatives).minimum(sizes)
        first = torch.minimum(first, last)
    of_negatives = (first - last).to(distances.dtype)

    # The j-th positive is in a triplet with the negatives that have first ≤ j < last.
    of_positives = _histogram(first, table.shape[1] + 1)
    if semi_hard:
        of_positives -= _histogram(last, table.shape[1] + 1)
    of_positives = of_positives.cumsum(dim=1)[:, :-1].masked_fill(~present, 0)
    counts = of_negatives.scatter_add_(1, table, of_positives.to(distances.dtype))
    return counts, of_positives.sum() if semi_hard else (sizes * (len(labels) - 1 - sizes)).sum()


def _histogram(values: Tensor, places: int) -> Tensor:
    """How often each row of `values` holds 0 … places − 1."""
    return values.new_zeros(len(values), places).scatter_add_(1, values, values.new_ones(1, 1).expand_as(values))


class Triplet(Loss, function=triplet):
    """`triplet` as a module over (embeddings, labels); it has no parameters."""

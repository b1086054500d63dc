"""Losses over pairs of rows, each pair pulled or pushed on its own account: margins and weights."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_number, check_pair
from dmlkit.geometry import euclidean_distances, full_precision, gram, lowest, unit_rows
from dmlkit.losses._common import Loss, class_mates, log_one_plus_exp, reduce_anchors, without_autocast


@without_autocast
def contrastive(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""Contrastive loss in the squared form (Hadsell et al., 2006; paper M, eq. 2).

    $$ L_i = \sum_{j: y_j = y_i} D_{ij}^2 + \sum_{j: y_j \neq y_i} [m - D_{ij}]_+^2, \qquad
       D_{ij} = \lVert e_i - e_j \rVert_2 $$

    The mean over the N anchors is the paper's $\frac{1}{n} \sum_i$; the pairs of an anchor are added, not averaged.
    `tightness` and `contrast` give the two sums apart.

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers.
        margin: $m \geq 0$, a distance; the paper gives none, 1 is ours.
        reduction: "none", "mean" or "sum" over the anchors.

    Returns:
        A scalar, or (N,) for "none"; in units of squared distance.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> rows = torch.tensor([[0.0], [3.0], [0.5]])  # a positive pair at distance 3, negatives at 0.5 and 2.5
        >>> contrastive(rows, torch.tensor([0, 0, 1]), reduction="none")
        tensor([9.2500, 9.0000, 0.2500])

    Memory: O(N²). Explained in the chapter "Pairwise losses taken apart".
    """
    check_pair(embeddings, labels)
    check_number("margin", margin, least=0)
    x = full_precision(embeddings)
    distances = euclidean_distances(x, x)
    same = (labels.unsqueeze(1) == labels).to(x.dtype)
    # One pass for both kinds of pairs: a positive is D, a negative [m − D]₊. A row's distance to itself is 0.
    errors = torch.lerp((margin - distances).clamp_min(0), distances, same)
    return reduce_anchors(errors.square().sum(dim=1), reduction)


class Contrastive(Loss, function=contrastive):
    """`contrastive` as a module over (embeddings, labels); it has no parameters."""


@without_autocast
def multi_similarity(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    margin: float = 0.5,
    mining_margin: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Multi-similarity loss (Wang et al., 2019; paper M, table 2).

    $$ L_i = \frac{1}{\alpha} \log\Big(1 + \sum_{j \in P(i)} e^{-\alpha (\cos_{ij} - m)}\Big)
           + \frac{1}{\beta} \log\Big(1 + \sum_{j: y_j \neq y_i} e^{\beta (\cos_{ij} - m)}\Big) $$

    With `mining_margin` ε only informative pairs take part, as the authors mine them: a positive that is less similar
    than the most similar negative plus ε, a negative more similar than the least similar positive minus ε.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        alpha: $\alpha > 0$, sharpness over positives; 2 as in the paper.
        beta: $\beta > 0$, sharpness over negatives; 50 as in the paper.
        margin: $m$, a cosine; 0.5 as in the authors' code (the paper's text has λ = 1).
        mining_margin: ε ≥ 0, or None for all pairs (as in table 2); the paper mines with 0.1.
        reduction: "none", "mean" or "sum" over all N anchors.

    Returns:
        A scalar, or (N,) for "none"; in units of the cosine.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]])  # a positive pair at a right angle: ½ log(1 + e)
        >>> multi_similarity(rows, torch.tensor([0, 0]))
        tensor(0.6566)

    Memory: O(N²). Explained in the chapter "Pairwise losses taken apart".
    """
    check_pair(embeddings, labels)
    check_number("alpha", alpha, above=0)
    check_number("beta", beta, above=0)
    check_number("margin", margin)
    if mining_margin is not None:
        check_number("mining_margin", mining_margin, least=0)
    z = unit_rows(full_precision(embeddings))
    cosines = gram(z)
    mates = class_mates(labels)
    own, present = cosines.gather(1, mates.positives), mates.present
    push = (beta * (cosines - margin)).scatter(1, mates.own, lowest(z))
    if mining_margin is not None:
        seen = cosines.detach()
        nearest_negative = seen.scatter(1, mates.own, -torch.inf).amax(dim=1, keepdim=True)
        farthest_positive = own.detach().masked_fill(~present, torch.inf).amin(dim=1, keepdim=True)
        present = present & (own < nearest_negative + mining_margin)
        push = push.masked_fill(seen <= farthest_positive - mining_margin, lowest(z))
    pull = (alpha * (margin - own)).masked_fill(~present, lowest(z))
    values = log_one_plus_exp(pull.logsumexp(dim=1)) / alpha + log_one_plus_exp(push.logsumexp(dim=1)) / beta
    return reduce_anchors(values, reduction)


class MultiSimilarity(Loss, function=multi_similarity):
    """`multi_similarity` as a module over (embeddings, labels); it has no parameters."""


@without_autocast
def circle(
    embeddings: Tensor, labels: Tensor, *, margin: float = 0.4, gamma: float = 80.0, reduction: str = "mean"
) -> Tensor:
    r"""Circle loss over pairs (Sun et al., 2020).

    $$ L_i = \log\Big(1 + \sum_{n: y_n \neq y_i} e^{\gamma \alpha_n (\cos_{in} - m)}
                          \sum_{p \in P(i)} e^{-\gamma \alpha_p (\cos_{ip} - 1 + m)}\Big), $$

    $$ \alpha_p = \mathrm{sg}\,[1 + m - \cos_{ip}]_+, \qquad \alpha_n = \mathrm{sg}\,[\cos_{in} + m]_+ $$

    A pair that is far from its goal weighs more. sg stops the gradient: the weights are constants in it, so it is
    **not** the derivative of the value, by design.

    An anchor without a positive or without a negative stays out of the mean (and gives 0 for "none").

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        margin: $m$, a cosine; 0.4 as in the paper for fine-grained retrieval (0.25 for faces).
        gamma: $\gamma > 0$; 80 as in the paper for fine-grained retrieval (256 for faces).
        reduction: "none", "mean" or "sum" over the anchors.

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> rows, labels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), torch.tensor([0, 0, 1])
        >>> circle(rows, labels, margin=0.0, gamma=1.0)  # positives at 1, negatives at 0: both weights are 0
        tensor(0.6931)

    Memory: O(N²). Compared in the chapter "A fair comparison".
    """
    check_pair(embeddings, labels)
    check_number("margin", margin)
    check_number("gamma", gamma, above=0)
    z = unit_rows(full_precision(embeddings))
    cosines = gram(z)
    mates = class_mates(labels)
    own = cosines.gather(1, mates.positives)
    pull = gamma * (1 + margin - own.detach()).clamp_min(0) * (1 - margin - own)
    push = gamma * (cosines.detach() + margin).clamp_min(0) * (cosines - margin)
    pull = pull.masked_fill(~mates.present, lowest(z)).logsumexp(dim=1)
    push = push.scatter(1, mates.own, lowest(z)).logsumexp(dim=1)
    counted = (mates.counts > 0) & (mates.counts < len(labels) - 1)
    return reduce_anchors(log_one_plus_exp(pull + push), reduction, counted)


class Circle(Loss, function=circle):
    """`circle` as a module over (embeddings, labels); it has no parameters."""


@without_autocast
def lifted_structure(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, reduction: str = "mean") -> Tensor:
    r"""Lifted structured feature embedding (Song et al., 2016).

    $$ L_{ij} = \tfrac12 [J_{ij}]_+^2, \qquad J_{ij} = D_{ij} + \log\Big(\sum_{k: y_k \neq y_i} e^{m - D_{ik}}
       + \sum_{l: y_l \neq y_j} e^{m - D_{jl}}\Big), \qquad D_{ij} = \lVert e_i - e_j \rVert_2 $$

    for each positive pair (i, j), $j \in P(i)$. The mean is over positive pairs, the paper's
    $\frac{1}{2|\mathcal P|} \sum [J_{ij}]_+^2$; a batch without a positive pair, or of one class, gives 0.

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers.
        margin: $m$, a distance; 1 as in the paper.
        reduction: "none" (the sum over the anchor's pairs), "mean" over positive pairs, or "sum".

    Returns:
        A scalar, or (N,) for "none"; in units of squared distance.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> rows = torch.tensor([[0.0], [0.0], [1.0]])  # J = 0 + log(e⁰ + e⁰)
        >>> lifted_structure(rows, torch.tensor([0, 0, 1]))
        tensor(0.2402)

    Memory: O(N²). Compared in the chapter "A fair comparison".
    """
    check_pair(embeddings, labels)
    check_number("margin", margin)
    x = full_precision(embeddings)
    distances = euclidean_distances(x, x)
    mates = class_mates(labels)
    push = (margin - distances).scatter(1, mates.own, lowest(x)).logsumexp(dim=1)
    structure = torch.logaddexp(push.unsqueeze(1), push[mates.positives]) + distances.gather(1, mates.positives)
    # In a batch of one class nothing pushes: J is as good as log 0 = −∞, and [J]₊ is 0.
    values = (structure.clamp_min(0).square() * mates.present).sum(dim=1) / 2
    if reduction != "mean":
        return reduce_anchors(values, reduction)
    return values.sum() / mates.counts.sum().clamp(min=1)


class LiftedStructure(Loss, function=lifted_structure):
    """`lifted_structure` as a module over (embeddings, labels); it has no parameters."""

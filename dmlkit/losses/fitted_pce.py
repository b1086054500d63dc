"""Pairwise cross-entropy as a loss that trains a network: its classifier learns beside it, by cross-entropy."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dmlkit.checks import check_number
from dmlkit.geometry import full_precision
from dmlkit.losses._common import Loss, check_proxies, reduce_anchors, without_autocast
from dmlkit.losses.classification import linear_cross_entropy
from dmlkit.losses.pairwise_ce import linear_probabilities, own_class_products, pairwise_contrast


@without_autocast
def fitted_pairwise_cross_entropy(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    lam: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Pairwise cross-entropy (paper M, eq. 12) with the probabilities given, and a classifier that gives them.

    The value is that of `pairwise_cross_entropy`. The gradient is that of two players (ours; the paper trains no PCE):

    - the embeddings get PCE's, with $p_{ik}$ a constant: PCE is a loss of the encoder for given soft assignments
    - `weight` and `bias` get that of cross-entropy with the embeddings a constant: they are fitted to the embeddings

    Without a bias, with $\theta$ the weight and $c_k^s = \frac1n \sum_i p_{ik} z_i$,

    $$ \mathrm{PCE}_\lambda = \mathrm{CE}(c^s / \lambda)
       - \frac{1}{2\lambda} \lVert \nabla_\theta \mathrm{CE}(\theta) \rVert^2, $$

    so PCE rewards embeddings that do *not* suit the classifier. Where the classifier lags behind, it falls below 0 and
    the embeddings grow; give the classifier the larger learning rate. Where it is fitted, the last term is 0 and PCE
    is `simplified_pairwise_cross_entropy` of $z / \sqrt\lambda$: λ is a unit of squared length and nothing else.

    Args:
        embeddings: (N, d) $z$, not normalised.
        labels: (N,) integers in 0 … K − 1.
        weight: (K, d) $\theta$.
        bias: (K,) or None.
        lam: $\lambda > 0$.
        reduction: "none", "mean" or "sum" over the rows; each row carries the last term of eq. 12.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> z, weight = torch.eye(2), torch.zeros(2, 2, requires_grad=True)
        >>> fitted_pairwise_cross_entropy(z, torch.tensor([0, 1]), weight, lam=0.5).backward()
        >>> weight.grad  # of cross-entropy: soft sums less hard sums
        tensor([[-0.2500,  0.2500],
                [ 0.2500, -0.2500]])

    Explained in the chapter "Cross-entropy, PCE and SPCE side by side".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("lam", lam, above=0)
    z = full_precision(embeddings)
    fit = linear_cross_entropy(z.detach(), labels, weight, bias, reduction="none")
    probabilities = linear_probabilities(z, weight, bias).detach()
    tightness = -own_class_products(z, labels) / (2 * lam * len(z))
    values = tightness + pairwise_contrast(z, probabilities, lam)
    # Nothing is added to the value: a curve of it shows PCE alone.
    return reduce_anchors(values + (fit - fit.detach()), reduction)


class FittedPairwiseCrossEntropy(Loss, function=fitted_pairwise_cross_entropy):
    """`fitted_pairwise_cross_entropy` as a module over (embeddings, labels); its classifier starts at zero."""

    def __init__(self, num_classes: int, embedding_dim: int, *, bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.weight = nn.Parameter(torch.zeros(num_classes, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None

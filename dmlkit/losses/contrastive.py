"""Supervised contrastive learning."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmlkit.checks import check_number, check_pair
from dmlkit.geometry import class_sums, compact_labels, full_precision, unit_rows
from dmlkit.losses._common import reduce_anchors, without_autocast


@without_autocast
def sup_con(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1, reduction: str = "mean") -> Tensor:
    r"""Supervised contrastive loss, the form with the sum outside the logarithm (paper S, eqs. 4 and 5).

    $$ L_i = -\frac{1}{|P(i)|} \sum_{p \in P(i)} \log
       \frac{\exp(z_i \cdot z_p / \tau)}{\sum_{a \neq i} \exp(z_i \cdot z_a / \tau)}, \qquad z = e / \lVert e \rVert $$

    $P(i)$ holds the other rows of i's class. Its sum collapses, exactly, to a product with the class sum:
    $\sum_p z_i \cdot z_p = z_i \cdot (\sum_{j: y_j = y_i} z_j - z_i)$.
    Several views of an image are rows of their own with the same label.

    An anchor that is alone in its class has no $P(i)$: it stays out of the mean (and gives 0 for "none"). A batch
    with no positive pair at all gives 0 with a zero gradient.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        temperature: $\tau > 0$; 0.1 as in the recipe of Khosla et al. (paper S gives none).
        reduction: "none", "mean" or "sum" over the anchors.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Memory: one (N, N) array of similarities. Explained in the chapter "A first embedding".
    """
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    z = unit_rows(full_precision(embeddings))
    index, counts = compact_labels(labels)
    positives = counts[index] - 1
    itself = torch.eye(len(z), dtype=torch.bool, device=z.device)
    # Without any pair (N = 1) the row would be empty and its log-sum-exp −∞: let it keep its own term, uncounted.
    similarity = z @ z.T / temperature
    others = similarity.masked_fill(itself, -torch.inf) if len(z) > 1 else similarity
    own_sum = class_sums(z, index, len(counts))[index] - z
    own_mean = (z * own_sum).sum(dim=1) / positives.clamp(min=1) / temperature
    return reduce_anchors(others.logsumexp(dim=1) - own_mean, reduction, counted=positives > 0)


class SupCon(nn.Module):
    """`sup_con` as a module over (embeddings, labels); it has no parameters."""

    def __init__(self, *, temperature: float = 0.1, reduction: str = "mean") -> None:
        super().__init__()
        self.temperature, self.reduction = temperature, reduction

    def extra_repr(self) -> str:
        return f"temperature={self.temperature:g}, reduction={self.reduction!r}"

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return sup_con(embeddings, labels, temperature=self.temperature, reduction=self.reduction)

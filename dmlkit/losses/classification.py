"""Cross-entropy: over logits, and with the linear classifier that makes logits of embeddings."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlkit.checks import check_choice, check_number, check_pair, check_parameter, check_rows
from dmlkit.geometry import full_precision
from dmlkit.losses._common import Loss, check_proxies, reduce_anchors, without_autocast

SMOOTHINGS = ("all", "others")


@without_autocast
def cross_entropy(
    logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, smoothing: str = "all", reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy of a softmax over logits (paper W, eq. 2; taken apart in paper M, eq. 13).

    $$ L_i = -\sum_k q_{ik} \log \frac{\exp u_{ik}}{\sum_j \exp u_{ij}} $$

    With smoothing $\varepsilon$ over "all" K classes, $q_{ik} = (1 - \varepsilon)[k = y_i] + \varepsilon / K$
    (torch's convention); over the "others", $q_{iy} = 1 - \varepsilon$ and $q_{ik} = \varepsilon / (K - 1)$ for the
    rest (the convention of paper M's code). The second with $\varepsilon$ is the first with $\varepsilon K / (K-1)$.

    Args:
        logits: (N, K) $u$, in nats.
        labels: (N,) integers in 0 … K − 1.
        label_smoothing: $\varepsilon$ in [0, 1); 0 as in the papers' equations.
        smoothing: "all" or "others".
        reduction: "none", "mean" or "sum" over the N rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> cross_entropy(torch.zeros(1, 10), torch.tensor([3]))  # ten classes, undecided: log 10
        tensor(2.3026)

    Explained in the chapter "A first embedding".
    """
    check_rows(logits, "logits")
    check_pair(logits, labels, num_classes=logits.shape[1], name="logits")
    check_choice("smoothing", smoothing, SMOOTHINGS)
    check_number("label_smoothing", label_smoothing, least=0, below=1)
    classes = logits.shape[1]
    if smoothing == "others" and label_smoothing > 0:
        if classes < 2:
            raise ValueError("smoothing over the others needs at least two classes, found one")
        label_smoothing = label_smoothing * classes / (classes - 1)
    log_p = full_precision(logits).log_softmax(dim=1)
    values = -log_p.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    if label_smoothing > 0:
        # Not F.cross_entropy: it refuses the smoothing above 1 that "others" reaches for ε > 1 − 1/K.
        values = (1 - label_smoothing) * values - label_smoothing * log_p.mean(dim=1)
    return reduce_anchors(values, reduction)


class CrossEntropy(Loss, function=cross_entropy):
    """`cross_entropy` as a module over (logits, labels); it has no parameters."""


@without_autocast
def linear_cross_entropy(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    label_smoothing: float = 0.0,
    smoothing: str = "all",
    reduction: str = "mean",
) -> Tensor:
    r"""Cross-entropy with its linear classifier (paper W, eq. 2): `cross_entropy` over

    $$ u_{ik} = e_i \cdot p_k + b_k. $$

    Seen as metric learning, the classifier's weights are proxies and belong to the loss (paper M, section 4).

    Args:
        embeddings: (N, d) $e$, not normalised.
        labels: (N,) integers in 0 … K − 1.
        weight: (K, d) $p$.
        bias: (K,) $b$, or None.
        label_smoothing, smoothing, reduction: as in `cross_entropy`.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> linear_cross_entropy(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), torch.eye(2))  # log(1 + e⁻¹)
        tensor(0.3133)

    Explained in the chapter "A first embedding".
    """
    check_proxies(embeddings, labels, weight, "weight")
    if bias is not None:
        check_parameter(bias, "bias", (len(weight),), embeddings)
    embeddings = full_precision(embeddings)
    logits = F.linear(embeddings, weight.to(embeddings.dtype), None if bias is None else bias.to(embeddings.dtype))
    return cross_entropy(logits, labels, label_smoothing=label_smoothing, smoothing=smoothing, reduction=reduction)


class LinearCrossEntropy(Loss, function=linear_cross_entropy):
    """`linear_cross_entropy` as a module over (embeddings, labels) that holds the classifier.

    The classifier starts at zero, as in paper M's code: every class is equally likely at the first step.
    """

    def __init__(self, num_classes: int, embedding_dim: int, *, bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.weight = nn.Parameter(torch.zeros(num_classes, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, bias={self.bias is not None}"

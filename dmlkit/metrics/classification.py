"""Classification: how often the right class is among the first."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dmlkit.checks import check_finite, check_pair, check_rows


@torch.no_grad()
def top_k_accuracy(logits: Tensor, labels: Tensor, *, ks: Sequence[int] = (1, 5)) -> dict[int, float]:
    r"""Top-K accuracy: share of rows whose class has one of the K largest logits (as in Krizhevsky et al., 2012).

    $$ \frac1N \sum_i \big[\, \lvert \{ c \neq y_i : f_{ic} \geq f_{iy_i} \} \rvert < K \,\big] $$

    Another class with the same logit counts as ahead, as in Recall@K: a model that gives every class the same logit
    scores 0 below K = C, and not what the order of the classes happens to say.

    Args:
        logits: (N, C), or anything that grows with them, such as probabilities.
        labels: (N,) integers in 0 … C − 1.
        ks: the K, each in 1 … C.

    Returns:
        {K: accuracy}, each in [0, 1]; 1 for K = C.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or K, an empty batch, NaN or infinity.

    Example:
        >>> logits = torch.tensor([[2.0, 1.0, 0.0], [1.0, 1.0, 0.0]])  # in the second row class 1 ties with class 0
        >>> top_k_accuracy(logits, torch.tensor([0, 1]), ks=(1, 2))
        {1: 0.5, 2: 1.0}

    Memory: O(N·C) booleans. Used in the chapter "CIFAR-100".
    """
    check_rows(logits, "logits")
    check_pair(logits, labels, num_classes=logits.shape[1], name="logits")
    check_finite(logits, "logits")
    ks = tuple(ks)
    if not ks or min(ks) < 1 or max(ks) > logits.shape[1]:
        raise ValueError(f"ks must hold numbers in 1 … {logits.shape[1]}, the number of classes, found {ks}")
    own = logits.gather(1, labels.long().unsqueeze(1))
    place = (logits >= own).sum(dim=1)  # its own logit is one of them, so the first place is 1
    return {k: (place <= k).sum().item() / len(logits) for k in ks}

"""The losses once more, straight from the papers' equations: one scalar at a time, slow, without dmlkit.

Each function returns a list with one 0-dimensional float64 tensor an anchor, None for an anchor that the loss leaves
out; gradients come from autograd through these scalars. Nothing is stabilised, shared or shortened: a trick that the
package uses must not be used here too.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Anchors = list[Tensor | None]


def reduced(anchors: Anchors, reduction: str, count: int | None = None) -> Tensor:
    """What an anchor that is left out means: 0 for "none", absent from the sum and from the mean's divisor.

    `count` is the divisor of a loss whose mean is over something else than its anchors: triplets, pairs.
    """
    zero = torch.zeros((), dtype=torch.float64)
    if reduction == "none":
        return torch.stack([zero if value is None else value for value in anchors])
    kept = [value for value in anchors if value is not None]
    count = len(kept) if count is None else count
    if count == 0:
        return zero
    return sum(kept) if reduction == "sum" else sum(kept) / count


def cross_entropy(logits: Tensor, labels: Tensor, *, label_smoothing: float = 0.0, smoothing: str = "all") -> Anchors:
    """W 2 and M 8, with the two conventions of smoothing."""
    rows, classes = logits.shape
    anchors = []
    for i in range(rows):
        normaliser = sum(logits[i, j].exp() for j in range(classes))
        value = 0.0
        for k in range(classes):
            own = k == int(labels[i])
            if smoothing == "all":
                target = (1 - label_smoothing if own else 0.0) + label_smoothing / classes
            else:
                target = 1 - label_smoothing if own else label_smoothing / (classes - 1)
            value = value - target * (logits[i, k].exp() / normaliser).log()
        anchors.append(value)
    return anchors


def linear_cross_entropy(embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None, **options) -> Anchors:
    """W 2: the logits are e_i · p_k + b_k."""
    logits = []
    for i in range(len(embeddings)):
        row = []
        for k in range(len(weight)):
            value = dot(embeddings[i], weight[k])
            row.append(value if bias is None else value + bias[k])
        logits.append(torch.stack(row))
    return cross_entropy(torch.stack(logits), labels, **options)


def sup_con(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Anchors:
    """S 4 and 5."""
    z, y = on_the_sphere(embeddings), labels.tolist()
    anchors = []
    for i in range(len(z)):
        positives = [p for p in range(len(z)) if p != i and y[p] == y[i]]
        if not positives:
            anchors.append(None)
            continue
        everyone = sum((dot(z[i], z[a]) / temperature).exp() for a in range(len(z)) if a != i)
        shares = [(dot(z[i], z[p]) / temperature).exp() / everyone for p in positives]
        anchors.append(-sum(share.log() for share in shares) / len(positives))
    return anchors


def soft_silhouette(
    embeddings: Tensor, labels: Tensor, *, temperature: float, nearest_temperature: float, soft_min: str, eps: float
) -> Anchors:
    """S 7–11, 13 and 14, over pairs of rows: no class sums and no class means."""
    z, y = on_the_sphere(embeddings), labels.tolist()
    rows = range(len(z))

    def mean_distance(i: int, others: list[int]) -> Tensor:
        return sum(1 - dot(z[i], z[j]) for j in others) / len(others)

    anchors = []
    for i in rows:
        own = [j for j in rows if j != i and y[j] == y[i]]
        foreign = sorted(set(y) - {y[i]})
        if not own or not foreign:
            anchors.append(None)
            continue
        a = mean_distance(i, own)
        to_classes = [mean_distance(i, [j for j in rows if y[j] == c]) for c in foreign]
        exponentials = [(-d / nearest_temperature).exp() for d in to_classes]
        if soft_min == "logsumexp":
            b = -nearest_temperature * sum(exponentials).log()
        else:
            b = sum(e * d for e, d in zip(exponentials, to_classes, strict=True)) / sum(exponentials)
        soft_max = temperature * ((a / temperature).exp() + (b / temperature).exp()).log()
        anchors.append(1 - (b - a) / (soft_max + eps))
    return anchors


def euclidean_softmax(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float = 1.0) -> Anchors:
    """W 4, with the distances multiplied by `scale`."""
    anchors = []
    for i in range(len(embeddings)):
        y = int(labels[i])
        own = distance(embeddings[i], proxies[y])
        others = [distance(embeddings[i], proxies[j]) for j in range(len(proxies)) if j != y]
        anchors.append((1 + sum((scale * own - scale * other).exp() for other in others)).log())
    return anchors


def warped_softmax(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    alpha: float,
    beta: float,
    r: float,
    margin: float = 1.0,
    scale: float = 1.0,
) -> Anchors:
    """W 7 and 8; γ holds the distance with its gradient stopped."""
    anchors = []
    for i in range(len(embeddings)):
        y = int(labels[i])
        own = distance(embeddings[i], proxies[y])
        if own < r:
            gamma = margin * (1 - alpha) * own.detach()
            warped = alpha * own + gamma
        else:
            warped = beta * own + r * (1 - beta)
        others = [distance(embeddings[i], proxies[j]) for j in range(len(proxies)) if j != y]
        anchors.append((1 + sum((scale * warped - scale * other).exp() for other in others)).log())
    return anchors


def monotone_softmax(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    f_own: Callable[[Tensor], Tensor],
    f_other: Callable[[Tensor], Tensor],
    scale: float = 1.0,
) -> Anchors:
    """W 8 with any f_y and f_j (W 6 for two classes)."""
    anchors = []
    for i in range(len(embeddings)):
        y = int(labels[i])
        own = f_own(distance(embeddings[i], proxies[y]))
        others = [f_other(distance(embeddings[i], proxies[j])) for j in range(len(proxies)) if j != y]
        anchors.append((1 + sum((scale * own - scale * other).exp() for other in others)).log())
    return anchors


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum(a[k] * b[k] for k in range(len(a)))


def squared_distance(a: Tensor, b: Tensor) -> Tensor:
    return sum((a[k] - b[k]) ** 2 for k in range(len(a)))


def distance(a: Tensor, b: Tensor) -> Tensor:
    return squared_distance(a, b).sqrt()


def on_the_sphere(embeddings: Tensor) -> list[Tensor]:
    """S 3; a zero row has no direction and stays where it is."""
    return [torch.stack([x / dot(row, row).sqrt() for x in row]) if row.any() else row * 0 for row in embeddings]


def positives_and_negatives(labels: list[int], i: int) -> tuple[list[int], list[int]]:
    rows = range(len(labels))
    return [j for j in rows if j != i and labels[j] == labels[i]], [j for j in rows if labels[j] != labels[i]]

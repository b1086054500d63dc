"""The losses over pairs and triplets of a batch once more, straight from their papers' equations.

As in `oracles`: one scalar at a time, nothing stabilised, gradients by autograd through these scalars. A loss whose
mean is not over its anchors returns (anchors, what the mean divides by).
"""

from __future__ import annotations

import torch
from oracles import Anchors, distance, dot, on_the_sphere, positives_and_negatives, squared_distance
from torch import Tensor


def contrastive(embeddings: Tensor, labels: Tensor, *, margin: float) -> Anchors:
    """M 2 (Hadsell, Chopra and LeCun, 2006)."""
    y, anchors = labels.tolist(), []
    for i in range(len(y)):
        positives, negatives = positives_and_negatives(y, i)
        value = _zero()
        for j in positives:
            value = value + squared_distance(embeddings[i], embeddings[j])
        for j in negatives:
            value = value + _hinge(margin - distance(embeddings[i], embeddings[j])) ** 2
        anchors.append(value)
    return anchors


def triplet(
    embeddings: Tensor, labels: Tensor, *, margin: float, mining: str, average: str
) -> tuple[Anchors, int | None]:
    """Schroff, Kalenichenko and Philbin (2015), over distances that are not squared.

    "semi-hard" is theirs too; "hard", one triplet an anchor, is from Hermans, Beyer and Leibe (2017), and so is the
    mean over the triplets that are not 0.
    """
    y, anchors, active, selected = labels.tolist(), [], 0, 0
    for a in range(len(y)):
        positives, negatives = positives_and_negatives(y, a)
        d = {j: distance(embeddings[a], embeddings[j]) for j in positives + negatives}
        triplets = [(p, n) for p in positives for n in negatives]
        if mining == "semi-hard":
            triplets = [(p, n) for p, n in triplets if d[p] < d[n] < d[p] + margin]
        if mining == "hard" and triplets:
            triplets = [(max(positives, key=d.get), min(negatives, key=d.get))]
        value = _zero()
        for p, n in triplets:
            hinge = _hinge(d[p] - d[n] + margin)
            value = value + hinge
            active += int(hinge > 0)
            selected += 1
        anchors.append(value)
    return anchors, active if average == "active" else selected


def snca(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Anchors:
    """Wu, Efros and Yu (2018), with the batch in the place of the memory."""
    z, y, anchors = on_the_sphere(embeddings), labels.tolist(), []
    for i in range(len(y)):
        positives, _ = positives_and_negatives(y, i)
        if not positives:
            anchors.append(None)
            continue
        own = sum((dot(z[i], z[j]) / temperature).exp() for j in positives)
        everyone = sum((dot(z[i], z[k]) / temperature).exp() for k in range(len(y)) if k != i)
        anchors.append(-(own / everyone).log())
    return anchors


def multi_similarity(
    embeddings: Tensor, labels: Tensor, *, alpha: float, beta: float, margin: float, mining_margin: float | None = None
) -> Anchors:
    """Wang et al. (2019); with a mining margin ε only the pairs that their mining selects take part."""
    z, y, anchors = on_the_sphere(embeddings), labels.tolist(), []
    for i in range(len(y)):
        positives, negatives = positives_and_negatives(y, i)
        cosine = {j: dot(z[i], z[j]) for j in positives + negatives}
        if mining_margin is not None:
            if not positives or not negatives:
                anchors.append(_zero())
                continue
            hardest_positive, hardest_negative = min(cosine[j] for j in positives), max(cosine[j] for j in negatives)
            positives = [j for j in positives if cosine[j] < hardest_negative + mining_margin]
            negatives = [j for j in negatives if cosine[j] > hardest_positive - mining_margin]
        pull = 1 + sum((-alpha * (cosine[j] - margin)).exp() for j in positives) + _zero()
        push = 1 + sum((beta * (cosine[j] - margin)).exp() for j in negatives) + _zero()
        anchors.append(pull.log() / alpha + push.log() / beta)
    return anchors


def circle(embeddings: Tensor, labels: Tensor, *, margin: float, gamma: float) -> Anchors:
    """Sun et al. (2020) with O_p = 1 + m, O_n = −m, Δ_p = 1 − m, Δ_n = m, and the weights' gradient stopped."""
    z, y, anchors = on_the_sphere(embeddings), labels.tolist(), []
    for i in range(len(y)):
        positives, negatives = positives_and_negatives(y, i)
        if not positives or not negatives:
            anchors.append(None)
            continue
        pull, push = _zero(), _zero()
        for j in positives:
            cosine = dot(z[i], z[j])
            weight = _hinge(1 + margin - cosine.detach())
            pull = pull + (-gamma * weight * (cosine - (1 - margin))).exp()
        for j in negatives:
            cosine = dot(z[i], z[j])
            weight = _hinge(cosine.detach() + margin)
            push = push + (gamma * weight * (cosine - margin)).exp()
        anchors.append((1 + push * pull).log())
    return anchors


def lifted_structure(embeddings: Tensor, labels: Tensor, *, margin: float) -> tuple[Anchors, int]:
    """Song et al. (2016) over ordered positive pairs: each of theirs comes twice, so ½ [J]₊² twice in 2|P|."""
    y, anchors, pairs = labels.tolist(), [], 0
    for i in range(len(y)):
        positives, negatives_of_i = positives_and_negatives(y, i)
        value = _zero()
        for j in positives:
            _, negatives_of_j = positives_and_negatives(y, j)
            pairs += 1
            near = sum((margin - distance(embeddings[i], embeddings[k])).exp() for k in negatives_of_i)
            near = near + sum((margin - distance(embeddings[j], embeddings[k])).exp() for k in negatives_of_j)
            if negatives_of_i or negatives_of_j:
                value = value + _hinge(near.log() + distance(embeddings[i], embeddings[j])) ** 2 / 2
        anchors.append(value)
    return anchors, pairs


def _zero() -> Tensor:
    return torch.zeros((), dtype=torch.float64)


def _hinge(value: Tensor) -> Tensor:
    return value if value > 0 else _zero()

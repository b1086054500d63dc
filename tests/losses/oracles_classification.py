"""The softmax losses over cosines to class weights once more, straight from their papers' equations.

As in `oracles`: one scalar at a time, nothing stabilised, gradients by autograd through these scalars. Angles are
angles here: acos of the cosine, and the cosine of what the paper makes of the angle.
"""

from __future__ import annotations

import math

import torch
from oracles import Anchors, dot, on_the_sphere
from torch import Tensor


def norm_softmax(embeddings: Tensor, labels: Tensor, weight: Tensor, *, temperature: float) -> Anchors:
    """Zhai and Wu (2019): a softmax over cosines, divided by T."""
    cosines = _cosines(embeddings, weight)
    return [_cross_entropy([c / temperature for c in cosines[i]], int(labels[i])) for i in range(len(cosines))]


def cos_face(embeddings: Tensor, labels: Tensor, weight: Tensor, *, margin: float, scale: float) -> Anchors:
    """Wang et al. (2018): s (cos θ_y − m) against s cos θ_j."""
    cosines, anchors = _cosines(embeddings, weight), []
    for i in range(len(cosines)):
        y = int(labels[i])
        logits = [scale * (c - margin) if j == y else scale * c for j, c in enumerate(cosines[i])]
        anchors.append(_cross_entropy(logits, y))
    return anchors


def arc_face(embeddings: Tensor, labels: Tensor, weight: Tensor, *, margin: float, scale: float) -> Anchors:
    """Deng et al. (2019): s cos(θ_y + m); past π − m cos θ_y less a constant, as in their code."""
    cosines, anchors = _cosines(embeddings, weight), []
    for i in range(len(cosines)):
        y = int(labels[i])
        logits = [scale * _arc(c.acos(), margin) if j == y else scale * c for j, c in enumerate(cosines[i])]
        anchors.append(_cross_entropy(logits, y))
    return anchors


def sphere_face(embeddings: Tensor, labels: Tensor, weight: Tensor, *, margin: float, scale: float) -> Anchors:
    """Liu et al. (2017): ‖e‖ψ(θ_y), ψ(θ) = (−1)^k cos(mθ) − 2k on [kπ/m, (k + 1)π/m]; e keeps its length."""
    cosines, anchors = _cosines(embeddings, weight), []
    for i in range(len(cosines)):
        y, length = int(labels[i]), dot(embeddings[i], embeddings[i]).sqrt()
        logits = []
        for j, c in enumerate(cosines[i]):
            if j == y:
                angle = c.acos()
                k = segment(angle, margin)
                c = (-1) ** k * (margin * angle).cos() - 2 * k
            logits.append(scale * length * c)
        anchors.append(_cross_entropy(logits, y))
    return anchors


def mag_face(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    *,
    lower_margin: float,
    upper_margin: float,
    lower_norm: float,
    upper_norm: float,
    regularization: float,
    scale: float,
) -> Anchors:
    """Meng et al. (2021): arc_face with a margin m(a) for each row's length a, plus λ g(a)."""
    cosines, anchors = _cosines(embeddings, weight), []
    for i in range(len(cosines)):
        y, length = int(labels[i]), dot(embeddings[i], embeddings[i]).sqrt()
        if length < lower_norm:
            length = torch.tensor(lower_norm, dtype=torch.float64)
        elif length > upper_norm:
            length = torch.tensor(upper_norm, dtype=torch.float64)
        margin = lower_margin + (upper_margin - lower_margin) / (upper_norm - lower_norm) * (length - lower_norm)
        logits = [scale * _arc(c.acos(), margin) if j == y else scale * c for j, c in enumerate(cosines[i])]
        anchors.append(_cross_entropy(logits, y) + regularization * (1 / length + length / upper_norm**2))
    return anchors


def segment(angle: Tensor, margin: float) -> int:
    """The k with θ in [kπ/m, (k + 1)π/m]."""
    k = 0
    while angle > (k + 1) * math.pi / margin:
        k += 1
    return k


def _arc(angle: Tensor, margin: float | Tensor) -> Tensor:
    if angle <= math.pi - margin:
        return (angle + margin).cos()
    # As in their code while that falls: from 2.33 on their constant would lift the loss's logit again at π − m.
    m = torch.as_tensor(margin, dtype=torch.float64)
    theirs, closing_the_gap = m * m.sin(), 1 - m.cos()
    return angle.cos() - (theirs if theirs > closing_the_gap else closing_the_gap)


def _cosines(embeddings: Tensor, weight: Tensor) -> list[list[Tensor]]:
    w = on_the_sphere(weight)
    return [[dot(z, w[j]) for j in range(len(w))] for z in on_the_sphere(embeddings)]


def _cross_entropy(logits: list[Tensor], y: int) -> Tensor:
    return -(logits[y].exp() / sum(logit.exp() for logit in logits)).log()

"""The losses that paper M builds and the halves of its table 2 once more, straight from the equations.

As in `oracles`: one scalar at a time, nothing stabilised, gradients by autograd through these scalars. Sums over
j: y_j = y_i include i itself, as printed; the paper's z are the embeddings here, of any length, except inside a cosine.
"""

from __future__ import annotations

import torch
from oracles import Anchors, distance, dot, on_the_sphere, squared_distance
from torch import Tensor


def pairwise_cross_entropy(
    embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None, *, lam: float | None = None
) -> Anchors:
    """M 12, with the λ that proposition 1 asks for where none is given; k runs over all classes of the softmax."""
    y, n, classes = labels.tolist(), len(embeddings), len(weight)
    lam = pairwise_cross_entropy_lambda(embeddings, weight, bias) if lam is None else lam
    p = _softmax(embeddings, weight, bias)
    tight = _tight_pairs(embeddings, y)
    anchors = []
    for i in range(n):
        exponentials = []
        for k in range(classes):
            exponent = sum(p[j][k] * dot(embeddings[i], embeddings[j]) for j in range(n)) / (lam * n)
            exponentials.append(exponent.exp())
        anchors.append(-tight[i] / (2 * lam * n) + sum(exponentials).log() - _soft_means(embeddings, p) / (2 * lam))
    return anchors


def fitted_pairwise_cross_entropy(
    embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None, *, lam: float
) -> Anchors:
    """M 12 with p and λ given, and the classifier's gradient that of cross-entropy on constant embeddings."""
    constants = [None if x is None else x.detach() for x in (weight, bias)]
    y, n, classes = labels.tolist(), len(embeddings), len(weight)
    p = _softmax(embeddings.detach(), *constants)
    fitted = _softmax(embeddings.detach(), weight, bias)
    tight = _tight_pairs(embeddings, y)
    anchors = []
    for i in range(n):
        exponentials = []
        for k in range(classes):
            exponent = sum(p[j][k] * dot(embeddings[i], embeddings[j]) for j in range(n)) / (lam * n)
            exponentials.append(exponent.exp())
        pce = -tight[i] / (2 * lam * n) + sum(exponentials).log() - _soft_means(embeddings, p) / (2 * lam)
        ce = -fitted[i][y[i]].log()
        anchors.append(pce + ce - ce.detach())
    return anchors


def pairwise_cross_entropy_lambda(embeddings: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The smallest eigenvalue over k of A_k = 1/n Σ_i (p_ik − p_ik²) z_i z_iᵀ, the Hessian of M 13's f₂ less λ."""
    n, dim = embeddings.shape
    p = _softmax(embeddings, weight, bias)
    eigenvalues = []
    for k in range(len(weight)):
        matrix = torch.zeros(dim, dim, dtype=torch.float64)
        for i in range(n):
            outer = torch.stack([torch.stack([a * b for b in embeddings[i]]) for a in embeddings[i]])
            matrix = matrix + (p[i][k] - p[i][k] ** 2) * outer / n
        eigenvalues.extend(torch.linalg.eigvalsh(matrix))
    return min(eigenvalues)


def simplified_pairwise_cross_entropy(embeddings: Tensor, labels: Tensor) -> Anchors:
    """M's SPCE: hard means in the place of soft ones; k runs over the classes of the batch, which alone have means."""
    y, n = labels.tolist(), len(embeddings)
    tight = _tight_pairs(embeddings, y)
    anchors = []
    for i in range(n):
        exponentials = []
        for k in sorted(set(y)):
            exponent = sum(dot(embeddings[i], embeddings[j]) for j in range(n) if y[j] == k) / n
            exponentials.append(exponent.exp())
        anchors.append(-tight[i] / n + sum(exponentials).log())
    return anchors


def tightness_center(embeddings: Tensor, labels: Tensor) -> Tensor:
    """M table 2: ½ Σ ‖z_i − c_{y_i}‖², c the class means of the batch; a sum, not a mean."""
    y, n = labels.tolist(), len(embeddings)
    total = 0.0
    for i in range(n):
        own = [embeddings[j] for j in range(n) if y[j] == y[i]]
        total = total + squared_distance(embeddings[i], sum(own) / len(own)) / 2
    return total


def contrast_center(embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    p = _softmax(embeddings, weight, bias)
    return -sum(p[i][int(labels[i])].log() for i in range(len(p))) / len(p)


def tightness_contrastive(embeddings: Tensor, labels: Tensor) -> Tensor:
    """M 2, first term."""
    y, n = labels.tolist(), len(embeddings)
    pairs = [(i, j) for i in range(n) for j in range(n) if y[i] == y[j]]
    return sum(squared_distance(embeddings[i], embeddings[j]) for i, j in pairs) / n


def contrast_contrastive(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """M 2, second term."""
    y, n = labels.tolist(), len(embeddings)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if y[i] != y[j] and distance(embeddings[i], embeddings[j]) < margin:
                total = total + (margin - distance(embeddings[i], embeddings[j])) ** 2
    return total / n


def tightness_contrastive_linear(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """M 7, first term."""
    y, n = labels.tolist(), len(embeddings)
    total = torch.zeros((), dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if y[i] == y[j] and i != j:  # D_ii = 0 has no slope
                d = distance(embeddings[i], embeddings[j])
                total = total + d**2 + 2 * margin * d
    return total / n


def contrast_contrastive_linear(embeddings: Tensor, labels: Tensor, *, margin: float) -> Tensor:
    """M 7, second term: over all pairs, those of one class too."""
    n, total = len(embeddings), torch.zeros((), dtype=torch.float64)
    for i in range(n):
        for j in range(n):
            if i != j:
                total = total + distance(embeddings[i], embeddings[j])
    return -2 * margin / n * total


def tightness_snca(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    z, y = on_the_sphere(embeddings), labels.tolist()
    n, total = len(y), 0.0
    for i in range(n):
        total = total - sum((dot(z[i], z[j]) / temperature).exp() for j in range(n) if y[j] == y[i]).log()
    return total / n


def contrast_snca(embeddings: Tensor, labels: Tensor, *, temperature: float) -> Tensor:
    z = on_the_sphere(embeddings)
    n, total = len(z), 0.0
    for i in range(n):
        total = total + sum((dot(z[i], z[k]) / temperature).exp() for k in range(n) if k != i).log()
    return total / n


def tightness_multi_similarity(embeddings: Tensor, labels: Tensor, *, alpha: float, margin: float) -> Tensor:
    z, y = on_the_sphere(embeddings), labels.tolist()
    n, total = len(y), 0.0
    for i in range(n):
        exponentials = [(-alpha * (dot(z[i], z[j]) - margin)).exp() for j in range(n) if y[j] == y[i]]
        total = total + (1 + sum(exponentials)).log() / alpha
    return total / n


def contrast_multi_similarity(embeddings: Tensor, labels: Tensor, *, beta: float, margin: float) -> Tensor:
    z, y = on_the_sphere(embeddings), labels.tolist()
    n, total = len(y), torch.zeros((), dtype=torch.float64)
    for i in range(n):
        exponentials = [(beta * (dot(z[i], z[j]) - margin)).exp() for j in range(n) if y[j] != y[i]]
        if exponentials:
            total = total + (1 + sum(exponentials)).log() / beta
    return total / n


def tightness_pairwise_cross_entropy(embeddings: Tensor, labels: Tensor, *, lam: float) -> Tensor:
    return -sum(_tight_pairs(embeddings, labels.tolist())) / (2 * lam * len(embeddings) ** 2)


def contrast_pairwise_cross_entropy(
    embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None, *, lam: float
) -> Tensor:
    """M 12's other two terms, with its 1/(2λ): table 2's 1/(2K²λ²) disagrees with it and with the proof."""
    p, n, total = _softmax(embeddings, weight, bias), len(embeddings), 0.0
    for i in range(n):
        exponents = []
        for k in range(len(weight)):
            soft_mean = sum(p[j][k] * embeddings[j] for j in range(n)) / n
            exponents.append(dot(soft_mean, embeddings[i]) / lam)
        total = total + sum(exponent.exp() for exponent in exponents).log()
    return total / n - _soft_means(embeddings, p) / (2 * lam)


def _softmax(embeddings: Tensor, weight: Tensor, bias: Tensor | None) -> list[list[Tensor]]:
    table = []
    for e in embeddings:
        row = [(dot(e, weight[k]) + (0 if bias is None else bias[k])).exp() for k in range(len(weight))]
        table.append([share / sum(row) for share in row])
    return table


def _tight_pairs(embeddings: Tensor, y: list[int]) -> list[Tensor]:
    """Σ_{j: y_j = y_i} z_i · z_j of each i."""
    rows = range(len(y))
    return [sum(dot(embeddings[i], embeddings[j]) for j in rows if y[j] == y[i]) for i in rows]


def _soft_means(embeddings: Tensor, p: list[list[Tensor]]) -> Tensor:
    """Σ_k ‖c_k^s‖², c_k^s = 1/n Σ_i p_ik z_i."""
    n, total = len(p), 0.0
    for k in range(len(p[0])):
        mean = sum(p[i][k] * embeddings[i] for i in range(n)) / n
        total = total + dot(mean, mean)
    return total

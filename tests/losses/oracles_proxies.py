"""The losses over learned proxies and centers once more, straight from their papers' equations.

As in `oracles`: one scalar at a time, nothing stabilised, gradients by autograd through these scalars.
"""

from __future__ import annotations

import torch
from oracles import Anchors, dot, on_the_sphere, squared_distance
from torch import Tensor


def center(embeddings: Tensor, labels: Tensor, centers: Tensor) -> Anchors:
    """Wen et al. (2016)."""
    return [squared_distance(embeddings[i], centers[int(labels[i])]) / 2 for i in range(len(embeddings))]


def proxy_nca(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float, own_in_denominator: bool
) -> Anchors:
    """Movshovitz-Attias et al. (2017): their denominator leaves the own proxy out, later code keeps it in."""
    z, p, anchors = on_the_sphere(embeddings), on_the_sphere(proxies), []
    for i in range(len(z)):
        y = int(labels[i])
        shares = [(-scale * squared_distance(z[i], p[c])).exp() for c in range(len(p))]
        denominator = sum(share for c, share in enumerate(shares) if own_in_denominator or c != y)
        anchors.append(-(shares[y] / denominator).log())
    return anchors


def proxy_nca_plus_plus(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, temperature: float) -> Anchors:
    """Teh, DeVries and Taylor (2020): the probability of the own proxy, at a low temperature."""
    z, p, anchors = on_the_sphere(embeddings), on_the_sphere(proxies), []
    for i in range(len(z)):
        shares = [(-squared_distance(z[i], p[c]) / temperature).exp() for c in range(len(p))]
        anchors.append(-(shares[int(labels[i])] / sum(shares)).log())
    return anchors


def proxy_anchor(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, margin: float, alpha: float) -> Anchors:
    """Kim et al. (2020), a value a proxy: their mean is the loss, so positives weigh |P| / |P⁺|."""
    z, p, y = on_the_sphere(embeddings), on_the_sphere(proxies), labels.tolist()
    values = []
    for c in range(len(p)):
        pull = torch.ones((), dtype=torch.float64)
        push = torch.ones((), dtype=torch.float64)
        for i in range(len(z)):
            cosine = dot(z[i], p[c])
            if y[i] == c:
                pull = pull + (-alpha * (cosine - margin)).exp()
            else:
                push = push + (alpha * (cosine + margin)).exp()
        values.append(len(p) / len(set(y)) * pull.log() + push.log())
    return values


def soft_triple(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    *,
    scale: float,
    gamma: float,
    margin: float,
    regularization: float,
) -> Anchors:
    """Qian et al. (2019): a softmax over classes, the similarity to a class itself a softmax over its centers."""
    z, anchors = on_the_sphere(embeddings), []
    w = [on_the_sphere(of_class) for of_class in centers]
    for i in range(len(z)):
        y, logits = int(labels[i]), []
        for c in range(len(w)):
            cosines = [dot(z[i], w[c][k]) for k in range(len(w[c]))]
            weights = [(cosine / gamma).exp() for cosine in cosines]
            similarity = sum(a * b for a, b in zip(weights, cosines, strict=True)) / sum(weights)
            logits.append(scale * (similarity - margin) if c == y else scale * similarity)
        value = -(logits[y].exp() / sum(logit.exp() for logit in logits)).log()
        anchors.append(value + regularization * soft_triple_regularizer(centers))
    return anchors


def soft_triple_regularizer(centers: Tensor) -> Tensor:
    """Qian et al. (2019), what merges the centers of a class: √(2 − 2 w_s·w_t) is a distance of unit vectors."""
    classes, number, _ = centers.shape
    total = torch.zeros((), dtype=torch.float64)
    for c in range(classes):
        w = on_the_sphere(centers[c])
        for s in range(number):
            for t in range(s):
                total = total + (2 - 2 * dot(w[s], w[t])).sqrt()
    return total / (classes * number * (number - 1)) if number > 1 else total


def hist_distances(embeddings: Tensor, means: Tensor, log_variances: Tensor) -> list[list[Tensor]]:
    """Lim et al. (2022): squared distances in units of each class's own variances, logarithms within [0, 6]."""
    z, mu, table = on_the_sphere(embeddings), on_the_sphere(means), []
    for i in range(len(z)):
        row = []
        for c in range(len(mu)):
            value = 0.0
            for k in range(len(z[i])):
                log_variance = log_variances[c, k]
                if log_variance < 0:
                    log_variance = torch.zeros((), dtype=torch.float64)
                elif log_variance > 6:
                    log_variance = torch.full((), 6.0, dtype=torch.float64)
                value = value + (z[i][k] - mu[c][k]) ** 2 / log_variance.exp()
            row.append(value)
        table.append(row)
    return table


def hist_distribution(
    embeddings: Tensor, labels: Tensor, means: Tensor, log_variances: Tensor, *, temperature: float
) -> Anchors:
    """Lim et al. (2022), the distribution loss."""
    anchors = []
    for i, row in enumerate(hist_distances(embeddings, means, log_variances)):
        shares = [(-value / temperature).exp() for value in row]
        anchors.append(-(shares[int(labels[i])] / sum(shares)).log())
    return anchors


def hist_incidence(distances: list[list[Tensor]], labels: Tensor, *, alpha: float) -> list[list[Tensor]]:
    """Lim et al. (2022): an edge a class of the batch; members belong to it wholly, other rows by their distance."""
    y, table = labels.tolist(), []
    for i in range(len(y)):
        row = []
        for c in sorted(set(y)):
            row.append(torch.ones((), dtype=torch.float64) if y[i] == c else (-alpha * distances[i][c]).exp())
        table.append(row)
    return table


def hist(
    embeddings: Tensor,
    labels: Tensor,
    means: Tensor,
    log_variances: Tensor,
    hidden_weight: Tensor,
    hidden_bias: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    temperature: float,
    alpha: float,
    hypergraph_weight: float,
) -> Anchors:
    """Lim et al. (2022): the distribution loss plus the cross-entropy of a hypergraph network of two layers."""
    h = hist_incidence(hist_distances(embeddings, means, log_variances), labels, alpha=alpha)
    rows, edges = range(len(h)), range(len(h[0]))
    of_rows = [sum(h[i][e] for e in edges) for i in rows]
    of_edges = [sum(h[i][e] for i in rows) for e in edges]
    g = [
        [sum(h[i][e] * h[j][e] / of_edges[e] for e in edges) / (of_rows[i].sqrt() * of_rows[j].sqrt()) for j in rows]
        for i in rows
    ]

    before = _spread(
        g, [[dot(embeddings[i], w) + b for w, b in zip(hidden_weight, hidden_bias, strict=True)] for i in rows]
    )
    hidden = [[torch.zeros(()) for _ in range(len(hidden_weight))] for _ in rows]
    for k in range(len(hidden_weight)):
        mean = sum(before[i][k] for i in rows) / len(rows)
        variance = sum((before[i][k] - mean) ** 2 for i in rows) / len(rows)
        for i in rows:
            value = (before[i][k] - mean) / (variance + 1e-5).sqrt()
            hidden[i][k] = value if value > 0 else 0.1 * value
    logits = _spread(g, [[dot(hidden[i], w) + b for w, b in zip(weight, bias, strict=True)] for i in rows])

    anchors = hist_distribution(embeddings, labels, means, log_variances, temperature=temperature)
    for i in rows:
        share = logits[i][int(labels[i])].exp() / sum(logit.exp() for logit in logits[i])
        anchors[i] = anchors[i] - hypergraph_weight * share.log()
    return anchors


def _spread(g: list[list[Tensor]], x: list[list[Tensor]]) -> list[list[Tensor]]:
    rows = range(len(g))
    return [[sum(g[i][j] * x[j][k] for j in rows) for k in range(len(x[0]))] for i in rows]

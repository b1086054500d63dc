"""HIST: classes as distributions, and a hypergraph that joins the rows of a batch through them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlkit.checks import check_number, check_pair, check_parameter, check_rows
from dmlkit.geometry import compact_labels, full_precision, unit_rows
from dmlkit.losses._common import Loss, check_proxies, reduce_anchors, without_autocast
from dmlkit.losses.classification import linear_cross_entropy


@without_autocast
def hist_distances(embeddings: Tensor, means: Tensor, log_variances: Tensor) -> Tensor:
    r"""Squared Mahalanobis distances to class distributions with diagonal covariance (Lim et al., 2022).

    $$ D_{ic} = \sum_k \frac{(z_{ik} - \mu_{ck})^2}{\exp \rho(v_{ck})}, \qquad \rho(v) = \min(\max(v, 0), 6), $$

    z and μ of unit length. The square is expanded, so that all is two matrix products and no (N, C, d) array is made.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        means: (C, d) $\mu$, any length; normalised inside.
        log_variances: (C, d) $v$, clamped to [0, 6] as in the authors' code.

    Returns:
        (N, C), without a unit.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, or an empty input.

    Example:
        >>> hist_distances(torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2))
        tensor([[2.]])

    Compared in the chapter "A fair comparison".
    """
    check_rows(embeddings)
    check_rows(means, "means", columns=embeddings.shape[1])
    check_parameter(means, "means", means.shape, embeddings)
    check_parameter(log_variances, "log_variances", means.shape, embeddings)
    x = full_precision(embeddings)
    z, mu = unit_rows(x), unit_rows(means.to(x.dtype))
    # In place: with thousands of classes the time goes into fresh memory for (C, d) arrays.
    precision = F.relu6(log_variances.to(x.dtype)).neg_().exp_()
    scaled = mu * precision
    return torch.addmm(torch.linalg.vecdot(mu, scaled), z.square(), precision.T).addmm(z, scaled.T, alpha=-2)


@without_autocast
def hist_incidence(distances: Tensor, labels: Tensor, *, alpha: float = 0.9) -> Tensor:
    r"""Which row belongs to which hyperedge, and how much (Lim et al., 2022, eq. 4).

    $$ H_{ic} = \begin{cases} 1, & y_i = c \\ e^{-\alpha D_{ic}}, & y_i \neq c \end{cases} $$

    for the classes c in the batch: each is a hyperedge that holds its rows, and a little of every other.

    Args:
        distances: (N, C) from `hist_distances`.
        labels: (N,) integers in 0 … C − 1.
        alpha: $\alpha > 0$; 0.9 as in the authors' code.

    Returns:
        (N, E), E the classes in the batch, in the order of their labels.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, or an empty batch.

    Example:
        >>> hist_incidence(torch.tensor([[0.0, 0.0, 9.0], [0.0, 0.0, 0.0]]), torch.tensor([0, 2]), alpha=1.0)
        tensor([[1.0000e+00, 1.2341e-04],
                [1.0000e+00, 1.0000e+00]])

    Compared in the chapter "A fair comparison".
    """
    check_rows(distances, "distances")
    check_pair(distances, labels, num_classes=distances.shape[1], name="distances")
    check_number("alpha", alpha, above=0)
    index, counts = compact_labels(labels)
    classes = torch.zeros_like(counts).scatter(0, index, labels.long())
    incidence = (-alpha * distances[:, classes]).exp().scatter(1, index.unsqueeze(1), 1.0)
    return incidence * (counts > 0)  # a compiled graph has columns for absent classes too


@without_autocast
def hist_distribution(
    embeddings: Tensor,
    labels: Tensor,
    means: Tensor,
    log_variances: Tensor,
    *,
    temperature: float = 1 / 32,
    reduction: str = "mean",
) -> Tensor:
    r"""HIST's distribution loss alone (Lim et al., 2022, eqs. 2 and 3).

    $$ L_i = -\log \frac{\exp(-D_{iy} / T)}{\sum_c \exp(-D_{ic} / T)} $$

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        means, log_variances: (C, d), as in `hist_distances`.
        temperature: $T > 0$; 1/32 as in the authors' code (their τ is 1/T).
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> hist_distribution(torch.ones(1, 2), torch.tensor([0]), torch.eye(2), torch.zeros(2, 2))
        tensor(0.6931)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, means, "means")
    check_number("temperature", temperature, above=0)
    return _own_share(hist_distances(embeddings, means, log_variances), labels, temperature, reduction)


def _own_share(distances: Tensor, labels: Tensor, temperature: float, reduction: str) -> Tensor:
    log_p = (-distances / temperature).log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, labels.long().unsqueeze(1)).squeeze(1), reduction)


@without_autocast
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
    temperature: float = 1 / 32,
    alpha: float = 0.9,
    hypergraph_weight: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Hypergraph-induced semantic tuplet loss (Lim et al., 2022).

    $$ L_i = L_i^{\mathrm{distribution}} + \lambda_s \mathrm{CE}(u_i, y_i), \qquad
       u = G\big(\sigma(\mathrm{BN}(G (e W_1^\top + b_1)))\, W_2^\top + b_2\big), $$

    $$ G = D_v^{-1/2} H D_e^{-1} H^\top D_v^{-1/2} $$

    with H of `hist_incidence`, $D_v$ and $D_e$ its row and column sums, σ a leaky ReLU with slope 0.1 and BN the
    normalisation over the batch (the authors' has a learned scale and shift as well). A row is classified by what its
    hyperedges bring together.

    Args:
        embeddings: (N, d) $e$; normalised inside for the distances, taken as they are for the hypergraph.
        labels: (N,) integers in 0 … C − 1.
        means, log_variances: (C, d), as in `hist_distances`.
        hidden_weight, hidden_bias: (h, d) and (h,), $W_1$ and $b_1$.
        weight, bias: (C, h) and (C,), $W_2$ and $b_2$.
        temperature: $T > 0$ of the distribution loss; 1/32 as in the authors' code.
        alpha: $\alpha > 0$ of the incidence; 0.9 as in the authors' code.
        hypergraph_weight: $\lambda_s \geq 0$; 1 as in the authors' code.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> means, zeros = torch.eye(2), torch.zeros(2, 2)  # with a classifier of zeros the hypergraph adds log 2
        >>> hist(torch.ones(1, 2), torch.tensor([0]), means, zeros, zeros, torch.zeros(2), zeros, torch.zeros(2))
        tensor(1.3863)

    Memory: O(N·C). Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, means, "means")
    check_number("temperature", temperature, above=0)
    check_number("hypergraph_weight", hypergraph_weight, least=0)
    check_rows(hidden_weight, "hidden_weight", columns=embeddings.shape[1])
    check_parameter(hidden_weight, "hidden_weight", hidden_weight.shape, embeddings)
    check_parameter(hidden_bias, "hidden_bias", hidden_weight.shape[:1], embeddings)
    check_parameter(weight, "weight", (len(means), len(hidden_weight)), embeddings)
    check_parameter(bias, "bias", (len(means),), embeddings)
    x = full_precision(embeddings)
    distances = hist_distances(x, means, log_variances)
    incidence = hist_incidence(distances, labels, alpha=alpha)
    hidden = _spread(incidence, F.linear(x, hidden_weight.to(x.dtype), hidden_bias.to(x.dtype)))
    hidden = F.leaky_relu(F.batch_norm(hidden, None, None, training=True) if len(x) > 1 else hidden * 0, 0.1)
    # G acts on rows and the last layer on columns, so the cheap order is to spread the narrow hidden rows; the bias is
    # spread with them, as a column of ones.
    spread = _spread(incidence, torch.cat([hidden, torch.ones_like(hidden[:, :1])], dim=1))
    classifier = torch.cat([weight.to(x.dtype), bias.to(x.dtype).unsqueeze(1)], dim=1)
    graph = linear_cross_entropy(spread, labels, classifier, reduction="none")
    values = _own_share(distances, labels, temperature, "none")
    return reduce_anchors(values + hypergraph_weight * graph, reduction)


def _spread(incidence: Tensor, rows: Tensor) -> Tensor:
    """G rows, by two thin products instead of the (N, N) matrix G."""
    by_row = incidence.sum(dim=1, keepdim=True).rsqrt()
    by_edge = incidence.sum(dim=0).clamp_min(torch.finfo(rows.dtype).tiny).unsqueeze(1)
    return by_row * (incidence @ ((incidence.T @ (by_row * rows)) / by_edge))


class Hist(Loss, function=hist):
    """`hist` as a module over (embeddings, labels) that holds the distributions and the hypergraph network."""

    def __init__(self, num_classes: int, embedding_dim: int, *, hidden_dim: int = 512, **options: Any) -> None:
        super().__init__(**options)
        for name in ("means", "log_variances"):
            rows = nn.init.kaiming_normal_(torch.empty(num_classes, embedding_dim), mode="fan_out")
            setattr(self, name, nn.Parameter(rows))
        hidden, classifier = nn.Linear(embedding_dim, hidden_dim), nn.Linear(hidden_dim, num_classes)
        self.hidden_weight, self.hidden_bias = hidden.weight, hidden.bias
        self.weight, self.bias = classifier.weight, classifier.bias

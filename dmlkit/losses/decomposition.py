"""Paper M's table 2: each loss as a tightness part and a contrastive part; and its eq. 7.

The parts are the table's, term by term: sums over "$j: y_j = y_i$" include j = i here, where the losses themselves
leave a row's pair with itself out.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dmlkit.checks import check_number, check_pair
from dmlkit.geometry import (
    class_sums,
    compact_labels,
    euclidean_distances,
    full_precision,
    gram,
    masked_logsumexp,
    unit_rows,
)
from dmlkit.losses._common import check_proxies, log_one_plus_exp, without_autocast
from dmlkit.losses.classification import linear_cross_entropy
from dmlkit.losses.neighbors import snca
from dmlkit.losses.pairs import contrastive, multi_similarity
from dmlkit.losses.pairwise_ce import (
    linear_probabilities,
    own_class_products,
    pairwise_contrast,
    pairwise_cross_entropy,
)
from dmlkit.losses.proxies import center


def _same(labels: Tensor) -> Tensor:
    return labels.unsqueeze(1) == labels


def _cosines(embeddings: Tensor) -> Tensor:
    return gram(unit_rows(full_precision(embeddings)))


@without_autocast
def _center_tightness(embeddings: Tensor, labels: Tensor) -> Tensor:
    r"""$\frac12 \sum_i \lVert z_i - c_{y_i} \rVert^2$, c the class means of the batch; a sum, as in the table."""
    check_pair(embeddings, labels)
    z = full_precision(embeddings)
    index, counts = compact_labels(labels)
    means = class_sums(z, index, len(counts)) / counts.clamp_min(1).unsqueeze(1)
    return (z - means[index]).square().sum() / 2


@without_autocast
def _center_contrast(embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""$-\frac1n \sum_i \log p_{iy_i}$: cross-entropy with its linear classifier."""
    return linear_cross_entropy(embeddings, labels, weight, bias)


@without_autocast
def _contrastive_tightness(embeddings: Tensor, labels: Tensor) -> Tensor:
    r"""$\frac1n \sum_i \sum_{j: y_j = y_i} D_{ij}^2$."""
    check_pair(embeddings, labels)
    z = full_precision(embeddings)
    return (euclidean_distances(z, z).square() * _same(labels)).sum() / len(z)


@without_autocast
def _contrastive_contrast(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""$\frac1n \sum_i \sum_{j: y_j \neq y_i} [m - D_{ij}]_+^2$."""
    check_pair(embeddings, labels)
    check_number("margin", margin, least=0)
    z = full_precision(embeddings)
    return ((margin - euclidean_distances(z, z)).clamp_min(0).square() * ~_same(labels)).sum() / len(z)


@without_autocast
def _contrastive_linear_tightness(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""$\frac1n \sum_i \sum_{j: y_j = y_i} (D_{ij}^2 + 2 m D_{ij})$."""
    check_pair(embeddings, labels)
    check_number("margin", margin, least=0)
    z = full_precision(embeddings)
    distances = euclidean_distances(z, z)
    return ((distances.square() + 2 * margin * distances) * _same(labels)).sum() / len(z)


@without_autocast
def _contrastive_linear_contrast(embeddings: Tensor, labels: Tensor, *, margin: float = 1.0) -> Tensor:
    r"""$-\frac{2m}{n} \sum_i \sum_j D_{ij}$."""
    check_pair(embeddings, labels)
    check_number("margin", margin, least=0)
    z = full_precision(embeddings)
    return -2 * margin * euclidean_distances(z, z).sum() / len(z)


@without_autocast
def _snca_tightness(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.05) -> Tensor:
    r"""$-\frac1n \sum_i \log \sum_{j: y_j = y_i} \exp(\cos_{ij} / \sigma)$."""
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    return -masked_logsumexp(_cosines(embeddings) / temperature, _same(labels)).mean()


@without_autocast
def _snca_contrast(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.05) -> Tensor:
    r"""$\frac1n \sum_i \log \sum_{k \neq i} \exp(\cos_{ik} / \sigma)$; needs two rows."""
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    if len(embeddings) < 2:
        raise ValueError("embeddings must hold at least two rows: the sum is over all other rows")
    others = ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return masked_logsumexp(_cosines(embeddings) / temperature, others).mean()


@without_autocast
def _multi_similarity_tightness(
    embeddings: Tensor, labels: Tensor, *, alpha: float = 2.0, margin: float = 0.5
) -> Tensor:
    r"""$\frac1n \sum_i \frac1\alpha \log(1 + \sum_{j: y_j = y_i} e^{-\alpha (\cos_{ij} - m)})$."""
    check_pair(embeddings, labels)
    check_number("alpha", alpha, above=0)
    check_number("margin", margin)
    sums = masked_logsumexp(alpha * (margin - _cosines(embeddings)), _same(labels))
    return log_one_plus_exp(sums).mean() / alpha


@without_autocast
def _multi_similarity_contrast(
    embeddings: Tensor, labels: Tensor, *, beta: float = 50.0, margin: float = 0.5
) -> Tensor:
    r"""$\frac1n \sum_i \frac1\beta \log(1 + \sum_{j: y_j \neq y_i} e^{\beta (\cos_{ij} - m)})$."""
    check_pair(embeddings, labels)
    check_number("beta", beta, above=0)
    check_number("margin", margin)
    sums = masked_logsumexp(beta * (_cosines(embeddings) - margin), ~_same(labels))
    return log_one_plus_exp(sums).mean() / beta


@without_autocast
def _pce_tightness(embeddings: Tensor, labels: Tensor, *, lam: float) -> Tensor:
    r"""$-\frac{1}{2\lambda n^2} \sum_i \sum_{j: y_j = y_i} z_i \cdot z_j$."""
    check_pair(embeddings, labels)
    check_number("lam", lam, above=0)
    z = full_precision(embeddings)
    return -own_class_products(z, labels).mean() / (2 * lam * len(z))


@without_autocast
def _pce_contrast(
    embeddings: Tensor, labels: Tensor, weight: Tensor, bias: Tensor | None = None, *, lam: float
) -> Tensor:
    r"""The last two terms of eq. 12 (with its $1/(2\lambda)$; the table's constant disagrees with it)."""
    check_proxies(embeddings, labels, weight, "weight")
    check_number("lam", lam, above=0)
    z = full_precision(embeddings)
    probabilities = linear_probabilities(z, weight, bias)
    return pairwise_contrast(z, probabilities, lam).mean()


_PARTS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor]]] = {
    "center": (_center_tightness, _center_contrast),
    "contrastive": (_contrastive_tightness, _contrastive_contrast),
    "contrastive_linear": (_contrastive_linear_tightness, _contrastive_linear_contrast),
    "snca": (_snca_tightness, _snca_contrast),
    "multi_similarity": (_multi_similarity_tightness, _multi_similarity_contrast),
    "pairwise_cross_entropy": (_pce_tightness, _pce_contrast),
}
_FUNCTIONS = {loss: loss.__name__ for loss in (center, contrastive, snca, multi_similarity, pairwise_cross_entropy)}


def _parts(loss: str | Callable[..., Tensor]) -> tuple[Callable[..., Tensor], Callable[..., Tensor]]:
    name = loss if isinstance(loss, str) else _FUNCTIONS.get(loss)
    if name not in _PARTS:
        names = ", ".join(map(repr, _PARTS))
        raise ValueError(f"loss must be one of {names} or the function of that name, found {loss!r}")
    return _PARTS[name]


def tightness(loss: str | Callable[..., Tensor]) -> Callable[..., Tensor]:
    r"""The tightness part of a loss, which pulls each class together: table 2 of paper M, ∝ H(Ẑ|Y).

    - "center": $\frac12 \sum_i \lVert z_i - c_{y_i} \rVert^2$, c the class means of the batch
    - "contrastive": $\frac1n \sum_i \sum_{j: y_j = y_i} D_{ij}^2$
    - "contrastive_linear" (margin): $\frac1n \sum_i \sum_{j: y_j = y_i} (D_{ij}^2 + 2 m D_{ij})$, eq. 7, which no
      loss function goes by: the hinge of "contrastive" made a line, with the part of it that same-class pairs have
    - "snca" (temperature): $-\frac1n \sum_i \log \sum_{j: y_j = y_i} e^{\cos_{ij} / \sigma}$
    - "multi_similarity" (alpha, margin):
      $\frac1n \sum_i \frac1\alpha \log(1 + \sum_{j: y_j = y_i} e^{-\alpha (\cos_{ij} - m)})$
    - "pairwise_cross_entropy" (lam): $-\frac{1}{2\lambda n^2} \sum_i \sum_{j: y_j = y_i} z_i \cdot z_j$

    Sums include j = i, as in the table. Cosines normalise, distances and products do not.

    Args:
        loss: a name of the list, or the loss function of that name.

    Returns:
        A function of (embeddings, labels) and the keywords named, with the loss's defaults; it returns a scalar.

    Raises:
        ValueError: a loss that is not in the list.

    Example:
        >>> tightness("center")(torch.tensor([[0.0], [2.0]]), torch.tensor([0, 0]))
        tensor(1.)

    Explained in the chapter "Pairwise losses taken apart".
    """
    return _parts(loss)[0]


def contrast(loss: str | Callable[..., Tensor]) -> Callable[..., Tensor]:
    r"""The contrastive part of a loss, which keeps all rows apart: table 2 of paper M, ∝ H(Ẑ).

    - "center" (weight, bias): $-\frac1n \sum_i \log p_{iy_i}$, cross-entropy with its linear classifier
    - "contrastive" (margin): $\frac1n \sum_i \sum_{j: y_j \neq y_i} [m - D_{ij}]_+^2$
    - "contrastive_linear" (margin): $-\frac{2m}{n} \sum_i \sum_j D_{ij}$, eq. 7. With its tightness and the
      constant that eq. 5 drops, $m^2$ for each pair of two classes over n, it is never above "contrastive": by
      $D_{ij}^2$ for a pair within m, by $2 m D_{ij} - m^2$ for one beyond, where the hinge has long been 0
    - "snca" (temperature): $\frac1n \sum_i \log \sum_{k \neq i} e^{\cos_{ik} / \sigma}$
    - "multi_similarity" (beta, margin):
      $\frac1n \sum_i \frac1\beta \log(1 + \sum_{j: y_j \neq y_i} e^{\beta (\cos_{ij} - m)})$
    - "pairwise_cross_entropy" (weight, bias, lam): the last two terms of eq. 12

    For PCE the constant is eq. 12's $1/(2\lambda)$, which its derivation confirms; the table prints another.

    Args:
        loss: a name of the list, or the loss function of that name.

    Returns:
        A function of (embeddings, labels) and the arguments named, with the loss's defaults; it returns a scalar.

    Raises:
        ValueError: a loss that is not in the list.

    Example:
        >>> contrast("contrastive")(torch.tensor([[0.0], [0.5]]), torch.tensor([0, 1]), margin=1.0)
        tensor(0.2500)

    Explained in the chapter "Pairwise losses taken apart".
    """
    return _parts(loss)[1]

"""The pairwise losses behind cross-entropy: PCE, whose bound it is, and SPCE, which needs no λ."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dmlkit.checks import check_number, check_pair, check_parameter, check_rows
from dmlkit.geometry import class_sums, compact_labels, full_precision
from dmlkit.losses._common import Loss, check_proxies, reduce_anchors, without_autocast

# How many d × d matrices are decomposed at a time.
_MATRICES = 16


def own_class_products(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Σ_{j: y_j = y_i} e_i · e_j for each row, itself included: (N,), in O(N·d) by the class sums."""
    index, counts = compact_labels(labels)
    return (embeddings * class_sums(embeddings, index, len(counts))[index]).sum(dim=1)


def linear_probabilities(embeddings: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The softmax of a linear classifier: (N, K).

    Raises:
        TypeError, ValueError: a bias of a wrong dtype, shape or device.
    """
    if bias is not None:
        check_parameter(bias, "bias", (len(weight),), embeddings)
    logits = embeddings @ weight.to(embeddings.dtype).T
    if bias is not None:
        logits = logits + bias.to(embeddings.dtype)
    return logits.softmax(dim=1)


def pairwise_contrast(embeddings: Tensor, probabilities: Tensor, lam: Tensor | float) -> Tensor:
    """The last two terms of paper M's eq. 12 for each row, from the soft means: (N,)."""
    soft_means = probabilities.T @ embeddings / len(embeddings)
    spread = (embeddings @ soft_means.T / lam).logsumexp(dim=1)
    return spread - soft_means.square().sum() / (2 * lam)


@without_autocast
def split_cross_entropy(embeddings: Tensor, labels: Tensor, weight: Tensor, *, lam: float) -> tuple[Tensor, Tensor]:
    r"""The two halves of cross-entropy without a bias (paper M, eq. 13).

    $$ f_1 = -\frac{1}{n} \sum_i \theta_{y_i} \cdot z_i + \frac{\lambda}{2} \sum_k \lVert \theta_k \rVert^2,
       \qquad f_2 = \frac{1}{n} \sum_i \log \sum_k e^{\theta_k \cdot z_i}
       - \frac{\lambda}{2} \sum_k \lVert \theta_k \rVert^2 $$

    Their sum is `linear_cross_entropy`, whatever λ is. $f_1$ is a quadratic with the minimum PCE's tightness part at
    $\theta_k = \frac{1}{\lambda n} \sum_{i: y_i = k} z_i$. $f_2$ has no minimum for any λ > 0; at
    $\theta_k = c_k^s / \lambda$, with the soft means of a classifier, it is PCE's contrastive part.

    Args:
        embeddings: (N, d) $z$, not normalised.
        labels: (N,) integers in 0 … K − 1.
        weight: (K, d) $\theta$.
        lam: $\lambda \ge 0$; at 0 the halves are those of cross-entropy itself.

    Returns:
        $(f_1, f_2)$, two scalars in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, an empty batch, or a λ that is negative or no number.

    Example:
        >>> split_cross_entropy(torch.eye(2), torch.tensor([0, 1]), torch.zeros(2, 2), lam=0.5)  # 0 and log 2
        (tensor(0.), tensor(0.6931))

    Explained in the chapter "Cross-entropy as a bound".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("lam", lam, least=0)
    z = full_precision(embeddings)
    theta = weight.to(z.dtype)
    logits = z @ theta.T
    square = lam / 2 * theta.square().sum()
    own = logits.gather(1, labels.long().unsqueeze(1)).mean()
    return square - own, logits.logsumexp(dim=1).mean() - square


@without_autocast
def pairwise_cross_entropy_lambda(embeddings: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    r"""The λ of paper M's proposition 1, as derived from its proof.

    $$ \lambda = \min_k \lambda_{\min}(A_k), \qquad
       A_k = \frac{1}{n} \sum_i (p_{ik} - p_{ik}^2)\, z_i z_i^\top, \qquad p_i = \mathrm{softmax}(W z_i + b) $$

    $A_k$ is the second derivative of the log-sum-exp in $\theta_k$: up to this λ, $f_2$ of eq. 13 is convex in each
    $\theta_k$ alone. It never is in all of them together, which is why PCE bounds cross-entropy approximately only.

    Args:
        embeddings: (N, d) $z$, not normalised.
        weight: (K, d) $W$.
        bias: (K,) $b$, or None.

    Returns:
        A scalar, 0 up to rounding where the embeddings do not span all d dimensions (as for N < d). Differentiable.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, or an empty batch.

    Example:
        >>> pairwise_cross_entropy_lambda(torch.eye(2), torch.zeros(2, 2))  # p = ½: A = ½ · ¼ · I
        tensor(0.1250)

    Time O(K·d³), one reason why PCE is for study and not for training.
    Explained in the chapter "Cross-entropy as a bound".
    """
    check_rows(embeddings)
    check_rows(weight, "weight", columns=embeddings.shape[1])
    check_parameter(weight, "weight", weight.shape, embeddings)
    z = full_precision(embeddings)
    variances = linear_probabilities(z, weight, bias)
    variances = variances - variances.square()
    with torch.no_grad():  # find the class, then differentiate its matrix alone
        smallest = [
            torch.linalg.eigvalsh(torch.einsum("nk,nd,ne->kde", part, z, z))[:, 0]
            for part in variances.split(_MATRICES, dim=1)
        ]
        k = torch.cat(smallest).argmin(dim=0, keepdim=True)
    return torch.linalg.eigvalsh(z.T @ (variances.index_select(1, k) * z) / len(z))[0]


@without_autocast
def pairwise_cross_entropy(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    lam: float | None = None,
    reduction: str = "mean",
) -> Tensor:
    r"""Pairwise cross-entropy, PCE (paper M, eq. 12).

    $$ L = -\frac{1}{2\lambda n^2} \sum_i \sum_{j: y_j = y_i} z_i \cdot z_j
         + \frac{1}{n} \sum_i \log \sum_k \exp\Big(\frac{1}{\lambda n} \sum_j p_{jk}\, z_i \cdot z_j\Big)
         - \frac{1}{2\lambda} \sum_k \lVert c_k^s \rVert^2, \qquad c_k^s = \frac{1}{n} \sum_i p_{ik} z_i $$

    with the classifier's $p_i = \mathrm{softmax}(W z_i + b)$. Sums over pairs collapse to class sums and soft means:
    $\sum_j p_{jk} z_i \cdot z_j = n\, z_i \cdot c_k^s$. Cross-entropy bounds PCE from above only approximately
    (`pairwise_cross_entropy_lambda` says why). Ours: with the classifier of zeros it does, for any λ; with the best
    classifier without bias PCE is cross-entropy at $\theta_k = \frac{1}{\lambda n} \sum_{i: y_i = k} z_i$, and so no
    less than the least cross-entropy. Eq. 12's $1/(2\lambda)$ is right; table 2 prints $1/(2 K^2 \lambda^2)$.

    Args:
        embeddings: (N, d) $z$, not normalised.
        labels: (N,) integers in 0 … K − 1.
        weight: (K, d) $W$.
        bias: (K,) $b$, or None.
        lam: $\lambda > 0$, or None for `pairwise_cross_entropy_lambda`, through which the gradient then flows.
        reduction: "none", "mean" or "sum" over the rows; each row carries the last term.

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, an empty batch, or a derived λ of 0, as for
            fewer rows than dimensions.

    Example:
        >>> labels = torch.tensor([0, 1])  # p = ½, both soft means (¼, ¼): −½ + log(2 e^½) − ¼
        >>> pairwise_cross_entropy(torch.eye(2), labels, torch.zeros(2, 2), lam=0.5)
        tensor(0.4431)

    Explained in the chapter "Cross-entropy as a bound".
    """
    check_proxies(embeddings, labels, weight, "weight")
    z = full_precision(embeddings)
    if lam is None:
        lam = pairwise_cross_entropy_lambda(z, weight, bias)
        largest = z.detach().square().sum(dim=1).max()
        if not torch.compiler.is_compiling() and not lam > 8 * torch.finfo(z.dtype).eps * largest:
            raise ValueError(
                f"lam, derived from the embeddings, is 0 up to rounding ({lam.item():.1e}): "
                f"{len(z)} rows must span all {z.shape[1]} dimensions with undecided probabilities, or lam be given"
            )
    else:
        check_number("lam", lam, above=0)
    tightness = -own_class_products(z, labels) / (2 * lam * len(z))
    return reduce_anchors(tightness + pairwise_contrast(z, linear_probabilities(z, weight, bias), lam), reduction)


class PairwiseCrossEntropy(Loss, function=pairwise_cross_entropy):
    """`pairwise_cross_entropy` as a module over (embeddings, labels) that holds the classifier, zero at the start.

    For study. Minimised in the classifier too, PCE falls without end, as it rewards a classifier that does not fit;
    `FittedPairwiseCrossEntropy` trains.
    """

    def __init__(self, num_classes: int, embedding_dim: int, *, bias: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.weight = nn.Parameter(torch.zeros(num_classes, embedding_dim))
        self.bias = nn.Parameter(torch.zeros(num_classes)) if bias else None


@without_autocast
def simplified_pairwise_cross_entropy(embeddings: Tensor, labels: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""Simplified pairwise cross-entropy, SPCE (paper M, eq. 15).

    $$ L_i = -\frac{1}{n} \sum_{j: y_j = y_i} z_i \cdot z_j
             + \log \sum_k \exp\Big(\frac{1}{n} \sum_{j: y_j = k} z_i \cdot z_j\Big) $$

    This is cross-entropy at the classifier $\theta_k = \frac{1}{n} \sum_{j: y_j = k} z_j$ with no bias, exactly; so it
    is never below the smallest cross-entropy of any classifier. The classes are those of the batch.

    Args:
        embeddings: (N, d) $z$, not normalised.
        labels: (N,) integers.
        reduction: "none", "mean" (the paper's) or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> simplified_pairwise_cross_entropy(torch.zeros(4, 2), torch.tensor([0, 0, 1, 2]))  # nothing known: log 3
        tensor(1.0986)

    Cost O(N·C·d). Explained in the chapter "Cross-entropy as a bound".
    """
    check_pair(embeddings, labels)
    z = full_precision(embeddings)
    index, counts = compact_labels(labels)
    logits = z @ class_sums(z, index, len(counts)).T / len(z)
    logits = logits.masked_fill(counts == 0, -torch.inf)  # in a compiled graph: classes that are not there
    log_p = logits.log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, index.unsqueeze(1)).squeeze(1), reduction)


class SimplifiedPairwiseCrossEntropy(Loss, function=simplified_pairwise_cross_entropy):
    """`simplified_pairwise_cross_entropy` as a module over (embeddings, labels); it has no parameters."""

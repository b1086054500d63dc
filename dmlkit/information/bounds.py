"""Lower bounds on the mutual information: what a classifier, or a matching of pairs, gets right is known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmlkit.checks import check_finite, check_number, check_pair, check_rows
from dmlkit.geometry import double_precision, unit_rows
from dmlkit.information.entropy import label_entropy


@torch.no_grad()
def discriminative_bound(logits: Tensor, labels: Tensor) -> float:
    r"""The mutual information in its discriminative view, from below (paper M, eq. 1 and lemma 2).

    $$ H(Y) - H(Y; \widehat Y | \widehat Z)
       = I(\widehat Z; Y) - \mathrm{KL}(p_{Y|\widehat Z} \,\Vert\, p_{\widehat Y|\widehat Z}) \le I(\widehat Z; Y) $$

    with the cross-entropy of the classifier as the mean over rows: the better the classifier, the tighter the bound,
    and equality for the posterior of the labels. H(Y) is `label_entropy` of the same rows.

    It is a bound on **held-out** rows, up to sampling error: the standard error is that of the mean of
    $\log p_{\hat y|z}(y_i) - \log \hat p(y_i)$, and H(Y) is low by about (C − 1) / 2N. On the rows that the classifier
    was fitted to it is biased upwards and bounds nothing: a network that learns its training set by heart reaches
    H(Y) there, whatever I is. On any rows it is at most their H(Y); it is negative for a classifier worse than
    the shares of the classes.

    Args:
        logits: (N, K), of a classifier on the embeddings; probabilities enter as their logarithms.
        labels: (N,) integers in 0 … K − 1.

    Returns:
        The bound in nats, at most H(Y).

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, an empty batch, NaN or infinity.

    Example:
        >>> logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 2.0]])  # log 2 − log(1 + e⁻²)
        >>> round(discriminative_bound(logits, torch.tensor([0, 0, 1, 1])), 4)
        0.5662

    Explained in the chapter "Cross-entropy maximises the mutual information".
    """
    check_rows(logits, "logits")
    check_pair(logits, labels, num_classes=logits.shape[1], name="logits")
    check_finite(logits, "logits")
    cross_entropy = torch.nn.functional.cross_entropy(double_precision(logits), labels.long())
    return label_entropy(labels) - cross_entropy.item()


@torch.no_grad()
def info_nce_bound(embeddings: Tensor, positives: Tensor, *, temperature: float) -> float:
    r"""The InfoNCE lower bound on the mutual information of two views (van den Oord et al., 2018, eq. 5).

    $$ \log N + \frac{1}{N} \sum_i \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}} \le I(\widehat Z; \widehat Z^+),
       \qquad s_{ij} = \cos(z_i, z_j^+) / \tau $$

    See `info_nce_bound_from_scores` for what it bounds, and when. Where the views are two embeddings of one class,
    drawn independently given it, $I(\widehat Z; \widehat Z^+) \le I(\widehat Z; Y)$ too (data processing).

    Args:
        embeddings: (N, d), one view a row; a row of zeros has cosine 0 with all.
        positives: (N, d), the other view of the same row.
        temperature: τ > 0.

    Returns:
        The bound in nats, at most log N.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, device or option, an empty batch, NaN or infinity.

    Example:
        >>> round(info_nce_bound(torch.eye(2), torch.eye(2), temperature=0.5), 4)  # log 2 − log(1 + e⁻²)
        0.5662

    Time and memory O(N²). Explained in the chapter "Cross-entropy maximises the mutual information".
    """
    check_rows(embeddings)
    check_rows(positives, "positives", columns=embeddings.shape[1])
    if len(positives) != len(embeddings):
        raise ValueError(f"positives must have {len(embeddings)} rows like the embeddings, found {len(positives)}")
    if positives.device != embeddings.device:
        raise ValueError(f"positives must be on {embeddings.device} like the embeddings, found {positives.device}")
    check_finite(embeddings)
    check_finite(positives, "positives")
    check_number("temperature", temperature, above=0)
    z, positive = unit_rows(double_precision(embeddings)), unit_rows(double_precision(positives))
    return info_nce_bound_from_scores(z @ positive.T / temperature)


@torch.no_grad()
def info_nce_bound_from_scores(scores: Tensor) -> float:
    r"""The InfoNCE lower bound from the scores of N pairs, each against all (van den Oord et al., 2018, eq. 5).

    $$ \log N + \frac{1}{N} \sum_i \log \frac{e^{s_{ii}}}{\sum_j e^{s_{ij}}}, \qquad s_{ij} = s(z_i, z_j^+) $$

    Its expectation over batches of N independent pairs is at most $I(\widehat Z; \widehat Z^+)$ for every score s that
    was not fitted to them, and nearest to it for $s = \log p(z^+|z) / p(z^+)$. One batch can pass I by chance, but no
    batch passes log N: an I above log N cannot be seen with N pairs, however good the score. Rows of which several are
    of one class are no exception: their matches count as negatives, and that keeps the bound one.

    Args:
        scores: (N, N), $s_{ij}$ of row i's first view and row j's second; with the temperature, if any, in it.

    Returns:
        The bound in nats, at most log N; negative for a score worse than none.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, an empty batch, NaN or infinity.

    Example:
        >>> round(info_nce_bound_from_scores(torch.zeros(8, 8)), 4)  # a score that knows nothing
        0.0

    Explained in the chapter "Cross-entropy maximises the mutual information".
    """
    check_rows(scores, "scores")
    if scores.shape[0] != scores.shape[1]:
        raise ValueError(f"scores must be square, one column for each row, found {tuple(scores.shape)}")
    check_finite(scores, "scores")
    log_share = double_precision(scores).log_softmax(dim=1).diagonal().mean().item()
    return math.log(len(scores)) + log_share

"""Softmax over the other rows of the batch: supervised contrastive learning and neighbourhood components."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_number, check_pair
from dmlkit.geometry import class_sums, compact_labels, full_precision, gram, lowest, unit_rows
from dmlkit.losses._common import Loss, class_mates, log_one_plus_exp, reduce_anchors, without_autocast

# Rows of one block of similarities: 4 MB in float32, which a processor's cache still holds in part.
_BLOCK = 1024


class _LogSumExpOfOthers(torch.autograd.Function):
    """log Σ_{j ≠ i} exp(z_i · z_j / τ) for each row, without an N×N array.

    Similarities are symmetric: a block of rows I and columns J serves the sums of I and those of J, and only blocks
    on and above the diagonal are computed. The backward pass computes them again.
    """

    @staticmethod
    def forward(z: Tensor, temperature: float, block: int) -> Tensor:
        sums = z.new_full((len(z),), -torch.inf)
        for rows, columns, similarity in _blocks(z, temperature, block):
            sums[rows] = torch.logaddexp(sums[rows], similarity.logsumexp(dim=1))
            if rows != columns:
                sums[columns] = torch.logaddexp(sums[columns], similarity.logsumexp(dim=0))
        return sums

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: Tensor) -> None:
        z, ctx.temperature, ctx.block = inputs
        ctx.save_for_backward(z, output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None, None]:
        z, sums = ctx.saved_tensors
        # An only row has no others: its sum is −∞ and its share of itself exp(−∞ − −∞); let it be 0.
        sums = sums.clamp_min(torch.finfo(sums.dtype).min)
        gradient = (gradient / ctx.temperature).unsqueeze(1)
        total = torch.zeros_like(z)
        for rows, columns, similarity in _blocks(z, ctx.temperature, ctx.block):
            # s_ij is in the sum of i with the share p_ij, and in that of j with p_ji.
            to_rows = (similarity - sums[rows].unsqueeze(1)).exp_().mul_(gradient[rows])
            if rows == columns:
                total[rows] += (to_rows + to_rows.T) @ z[rows]
            else:
                weights = to_rows.add_(similarity.sub_(sums[columns]).exp_().mul_(gradient[columns].T))
                total[rows] += weights @ z[columns]
                total[columns] += weights.T @ z[rows]
        return total, None, None


def _blocks(z: Tensor, temperature: float, block: int):
    """(rows, columns, similarities / τ) of the blocks on and above the diagonal; −∞ where a row meets itself."""
    for start in range(0, len(z), block):
        rows = slice(start, min(start + block, len(z)))
        for other in range(start, len(z), block):
            columns = slice(other, min(other + block, len(z)))
            similarity = (z[rows] @ z[columns].T).div_(temperature)
            if start == other:
                similarity.fill_diagonal_(-torch.inf)
            yield rows, columns, similarity


@without_autocast
def sup_con(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1, reduction: str = "mean") -> Tensor:
    r"""Supervised contrastive loss, the form with the sum outside the logarithm (paper S, eqs. 4 and 5).

    $$ L_i = -\frac{1}{|P(i)|} \sum_{p \in P(i)} \log
       \frac{\exp(z_i \cdot z_p / \tau)}{\sum_{a \neq i} \exp(z_i \cdot z_a / \tau)}, \qquad z = e / \lVert e \rVert $$

    $P(i)$ holds the other rows of i's class. Its sum collapses, exactly, to a product with the class sum:
    $\sum_p z_i \cdot z_p = z_i \cdot (\sum_{j: y_j = y_i} z_j - z_i)$.
    Several views of an image are rows of their own with the same label.

    An anchor that is alone in its class has no $P(i)$: it stays out of the mean (and gives 0 for "none"). A batch
    with no positive pair at all gives 0 with a zero gradient.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        temperature: $\tau > 0$; 0.1 as in the recipe of Khosla et al. (paper S gives none).
        reduction: "none", "mean" or "sum" over the anchors.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 1])  # all rows in one place: each positive is one of three others
        >>> sup_con(torch.ones(4, 2), labels, reduction="none")
        tensor([1.0986, 1.0986, 1.0986, 0.0000])

    Memory: O(N·d) beside blocks of 1024 × 1024 similarities; no N×N array at any batch size. The gradient can be
    taken once (no second derivatives).

    Explained in the chapter "Local and global: SupCon beside the silhouette".
    """
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    z = unit_rows(full_precision(embeddings))
    index, counts = compact_labels(labels)
    positives = counts[index] - 1
    own_sum = class_sums(z, index, len(counts))[index] - z
    own_mean = (z * own_sum).sum(dim=1) / positives.clamp(min=1) / temperature
    log_sum = _LogSumExpOfOthers.apply(z, temperature, _BLOCK)
    return reduce_anchors(log_sum - own_mean, reduction, counted=positives > 0)


class SupCon(Loss, function=sup_con):
    """`sup_con` as a module over (embeddings, labels); it has no parameters."""


@without_autocast
def snca(embeddings: Tensor, labels: Tensor, *, temperature: float = 0.05, reduction: str = "mean") -> Tensor:
    r"""Scalable neighbourhood component analysis (Wu, Efros and Yu, 2018; paper M, table 2).

    $$ L_i = -\log \frac{\sum_{j \in P(i)} \exp(\cos_{ij} / \sigma)}{\sum_{k \neq i} \exp(\cos_{ik} / \sigma)} $$

    The probability that a neighbour drawn by similarity is of i's own class, $P(i)$. The sum stands inside the
    logarithm (`sup_con` has it outside): one near positive is enough.

    An anchor that is alone in its class stays out of the mean (and gives 0 for "none").

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        temperature: $\sigma > 0$; 0.05 as in the authors' code.
        reduction: "none", "mean" or "sum" over the anchors.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> labels = torch.tensor([0, 0, 0, 1])  # all rows in one place: two of three neighbours are right
        >>> snca(torch.ones(4, 2), labels, reduction="none")
        tensor([0.4055, 0.4055, 0.4055, 0.0000])

    Memory: O(N²). Explained in the chapter "Pairwise losses taken apart".
    """
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    z = unit_rows(full_precision(embeddings))
    similarity = gram(z) / temperature
    mates = class_mates(labels)
    right = similarity.gather(1, mates.positives).masked_fill(~mates.present, lowest(z)).logsumexp(dim=1)
    wrong = similarity.scatter(1, mates.own, lowest(z)).logsumexp(dim=1)
    # −log(r / (r + w)) = log(1 + w / r): no difference of two large numbers where the right neighbours win.
    return reduce_anchors(log_one_plus_exp(wrong - right), reduction, counted=mates.counts > 0)


class SNCA(Loss, function=snca):
    """`snca` as a module over (embeddings, labels); it has no parameters."""

"""The soft silhouette: Rousseeuw's cluster index as a loss, in one pass over class sums."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_number, check_pair
from dmlkit.geometry import class_sums, compact_labels, full_precision, lowest, unit_rows
from dmlkit.losses._common import Loss, reduce_anchors, without_autocast

SOFT_MINIMA = ("logsumexp", "weighted_mean")


class _OwnAndOthers(torch.autograd.Function):
    """z_i · m_c for i's own class, and the log-sum-exp, or softmax-weighted mean, of it over the other classes.

    In closed form because it is the only (N, C) array of the loss: its gradient is that of a softmax, with the own
    column set apart, in a third of the passes over memory that autograd would take.
    """

    @staticmethod
    def forward(
        z: Tensor, means: Tensor, own: Tensor, absent: Tensor | None, weighted: bool
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        products = z @ means.T
        to_own = products.gather(1, own).squeeze(1)
        products = products.scatter_(1, own, lowest(z))
        if absent is not None:  # a compiled graph has classes that are not there
            products = products.masked_fill(absent, lowest(z))
        shares = products.softmax(dim=1)
        if weighted:
            return to_own, (shares * products).sum(dim=1), shares, products
        largest, place = products.max(dim=1)
        to_others = largest - shares.gather(1, place.unsqueeze(1)).squeeze(1).log()
        return to_own, to_others, shares, products

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple) -> None:
        z, means, own, _, ctx.weighted = inputs
        _, to_others, shares, products = output
        ctx.mark_non_differentiable(shares, products)
        ctx.save_for_backward(z, means, own, shares, *((to_others, products) if ctx.weighted else ()))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, by_own: Tensor, by_others: Tensor, *_: Tensor) -> tuple:
        z, means, own, shares, *weighted = ctx.saved_tensors
        if weighted:
            to_others, products = weighted
            shares = shares * (1 + products - to_others.unsqueeze(1))
        slopes = (shares * by_others.unsqueeze(1)).scatter_(1, own, by_own.unsqueeze(1))
        return slopes @ means, slopes.T @ z, None, None, None


@without_autocast
def soft_silhouette(
    embeddings: Tensor,
    labels: Tensor,
    *,
    temperature: float = 0.1,
    nearest_temperature: float = 0.1,
    soft_min: str = "logsumexp",
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Tensor:
    r"""One minus the soft silhouette of each row (paper S, eqs. 7–11, 13 and 14).

    With cosine distance $d(z_i, z_j) = 1 - z_i \cdot z_j$ on unit rows $z = e / \lVert e \rVert$,

    $$ a_i = \frac{1}{|P(i)|} \sum_{j \in P(i)} d(z_i, z_j), \qquad
       d_i(c) = \frac{1}{|B_c|} \sum_{j \in B_c} d(z_i, z_j), \qquad
       b_i = \operatorname{softmin}_{c \neq y_i} d_i(c), $$

    $$ \tilde s_i = \frac{b_i - a_i}{\tau \log(e^{a_i/\tau} + e^{b_i/\tau}) + \epsilon}, \qquad L_i = 1 - \tilde s_i. $$

    The soft minimum is $-\tau_b \log \sum_c e^{-d_i(c)/\tau_b}$ for "logsumexp" (eq. 10; it lies below the minimum by
    up to $\tau_b \log(C-1)$ and can be negative), or $\sum_c w_c d_i(c)$ with $w = \mathrm{softmax}(-d_i/\tau_b)$ for
    "weighted_mean" (it stays between the smallest and the largest).

    No pair of rows is ever compared: the mean of a class needs its sum only, $d_i(c) = 1 - z_i \cdot \mu_c$ with
    $\mu_c$ the plain mean of $B_c$, exactly. Cost O(N·C·d), memory O(N·C + C·d), C the classes in the batch.

    A row that is alone in its class has no $a_i$, and in a batch of one class no row has a $b_i$: such rows stay out
    of the mean (and give 0 for "none"); if no row is left, the loss is 0 with a zero gradient.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers.
        temperature: $\tau > 0$ of the soft maximum, in units of distance (0 … 2); the paper gives none, 0.1 is ours.
        nearest_temperature: $\tau_b > 0$ of the soft minimum, likewise; 0.1 is ours.
        soft_min: "logsumexp" (the paper's, as its words say) or "weighted_mean".
        eps: $\epsilon$ of eq. 13.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none". Both temperatures → 0 gives 1 − scikit-learn's silhouette with metric="cosine".
        $L_i$ lies in [0, 2] for "weighted_mean"; for "logsumexp" a negative $b_i$ carries it above 2, far above where
        many classes lie in one place: 264 for 64 pairs of equal rows at the default temperatures.
        There the loss misleads: with H the entropy of the two shares in the soft maximum, its slope in $a_i$ has the
        sign of $b_i + \tau H + \epsilon$, so a $b_i$ far enough below 0 pushes a row *away* from its own class. Where
        $\tau_b \log(C - 1)$ is not small beside the distances, take "weighted_mean" or a smaller $\tau_b$.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> labels = torch.tensor([0, 0, 1, 1])  # two classes, each in one point, at a right angle: a = 0 and b = 1
        >>> soft_silhouette(torch.eye(2)[labels], labels, temperature=1.0)  # s = 1 / log(e⁰ + e¹)
        tensor(0.2385)

    Explained in the chapter "Softening: from an index to a loss"; the class means in "Cosine distance and class means".
    """
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    check_number("nearest_temperature", nearest_temperature, above=0)
    check_number("eps", eps, least=0)
    check_choice("soft_min", soft_min, SOFT_MINIMA)
    z = unit_rows(full_precision(embeddings))
    index, counts = compact_labels(labels)
    counted = (counts[index] > 1) & ((counts > 0).sum() > 1)

    # 1 − d_i(c) = z_i · μ_c, over τ_b as the soft minimum needs it. Rows that are not counted help to make the means,
    # but need no distances of their own (in a compiled graph, where their number is not known, they get them).
    sizes = counts.clamp(min=1).to(z.dtype)
    means = class_sums(z, index, len(counts)) / (nearest_temperature * sizes).unsqueeze(1)
    compiling = torch.compiler.is_compiling()
    chosen = None if compiling else counted.nonzero().squeeze(1)
    rows, own = (z, index) if chosen is None or len(chosen) == len(z) else (z[chosen], index[chosen])
    absent = counts == 0 if compiling else None
    to_own, to_others, *_ = _OwnAndOthers.apply(rows, means, own.unsqueeze(1), absent, soft_min == "weighted_mean")

    # a_i: the mean of the own class, with the row itself taken out. b_i: the soft minimum.
    size = counts[own]
    own_sum = to_own * nearest_temperature * size
    a = 1 - (own_sum - rows.detach().square().sum(dim=1)) / (size - 1).clamp(min=1)
    b = 1 - nearest_temperature * to_others
    if compiling:
        b = torch.where(counted, b, 0.0)  # where there is no other class b_i means nothing
    soft_max = temperature * torch.logaddexp(a / temperature, b / temperature)
    values = 1 - (b - a) / (soft_max + eps)
    if len(values) < len(z):
        values = values.new_zeros(len(z)).index_add(0, chosen, values)
    return reduce_anchors(values, reduction, counted)


class SoftSilhouette(Loss, function=soft_silhouette):
    """`soft_silhouette` as a module over (embeddings, labels); it has no parameters."""

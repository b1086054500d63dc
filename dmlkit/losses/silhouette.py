"""The soft silhouette: Rousseeuw's cluster index as a loss, in one pass over class sums."""

from __future__ import annotations

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_number, check_pair
from dmlkit.geometry import class_sums, compact_labels, full_precision, lowest, unit_rows
from dmlkit.losses._common import Loss, reduce_anchors, without_autocast

SOFT_MINIMA = ("logsumexp", "weighted_mean")


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

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or an empty batch.

    Example:
        >>> labels = torch.tensor([0, 0, 1, 1])  # two classes, each in one point, at a right angle: a = 0 and b = 1
        >>> soft_silhouette(torch.eye(2)[labels], labels, temperature=1.0)  # s = 1 / log(e⁰ + e¹)
        tensor(0.2385)

    Explained in the chapter "A first embedding".
    """
    check_pair(embeddings, labels)
    check_number("temperature", temperature, above=0)
    check_number("nearest_temperature", nearest_temperature, above=0)
    check_number("eps", eps, least=0)
    check_choice("soft_min", soft_min, SOFT_MINIMA)
    z = unit_rows(full_precision(embeddings))
    index, counts = compact_labels(labels)
    own = index.unsqueeze(1)
    size = counts[index]  # of each row's own class
    counted = (size > 1) & ((counts > 0).sum() > 1)

    # z_i · Σ_c for every class; a_i from the own column with the row itself taken out.
    to_sums = z @ class_sums(z, index, len(counts)).T
    to_own = to_sums.gather(1, own).squeeze(1)
    a = 1 - (to_own - z.square().sum(dim=1)) / (size - 1).clamp(min=1)

    # b_i over the other classes: d_i(c) = 1 − z_i · μ_c. The own class, and in a compiled graph those that are not
    # there, weigh nothing; where no other class is left b_i means nothing, and the row is not counted.
    to_classes = 1 - to_sums / counts.clamp(min=1)
    weights = torch.add(to_classes / -nearest_temperature, (counts == 0).to(z.dtype), alpha=lowest(z))
    weights = weights.scatter(1, own, lowest(z))
    if soft_min == "logsumexp":
        b = -nearest_temperature * weights.logsumexp(dim=1)
    else:
        b = (weights.softmax(dim=1) * to_classes).sum(dim=1)
    b = torch.where(counted, b, 0.0)

    soft_max = temperature * torch.logaddexp(a / temperature, b / temperature)
    return reduce_anchors(1 - (b - a) / (soft_max + eps), reduction, counted)


class SoftSilhouette(Loss, function=soft_silhouette):
    """`soft_silhouette` as a module over (embeddings, labels); it has no parameters."""

"""Losses over proxies and centers: points that stand for the classes and are learned with the embeddings."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from dmlkit.checks import check_number, check_rows
from dmlkit.geometry import full_precision, lowest, square_root, unit_rows
from dmlkit.losses._common import (
    Loss,
    ProxyLoss,
    check_proxies,
    log_one_plus_exp,
    proxy_cosines,
    reduce_anchors,
    without_autocast,
)


@without_autocast
def center(embeddings: Tensor, labels: Tensor, centers: Tensor, *, reduction: str = "mean") -> Tensor:
    r"""Center loss (Wen et al., 2016; one of paper S's baselines).

    $$ L_i = \tfrac12 \lVert e_i - c_{y_i} \rVert_2^2 $$

    Alone it pulls everything into one point; it is meant to be added to cross-entropy.

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers in 0 … C − 1.
        centers: (C, d), not normalised.
        reduction: "none", "mean" or "sum" over the rows. The ½ is the paper's; much code leaves it out.

    Returns:
        A scalar, or (N,) for "none"; in units of squared distance.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> center(torch.tensor([[1.0, 2.0]]), torch.tensor([0]), torch.tensor([[0.0, 0.0]]))
        tensor(2.5000)

    Explained in the chapter "Pairwise losses taken apart".
    """
    check_proxies(embeddings, labels, centers, "centers")
    x = full_precision(embeddings)
    values = (x - centers.to(x.dtype)[labels.long()]).square().sum(dim=1) / 2
    return reduce_anchors(values, reduction)


class Center(ProxyLoss, function=center):
    """`center` as a module over (embeddings, labels) that holds the centers."""

    @staticmethod
    def start(num_classes: int, embedding_dim: int) -> Tensor:
        """Normal with variance 1, as in the common code."""
        return torch.randn(num_classes, embedding_dim)


@without_autocast
def proxy_nca(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    scale: float = 1.0,
    own_in_denominator: bool = True,
    reduction: str = "mean",
) -> Tensor:
    r"""Proxy-NCA: neighbourhood components over proxies (Movshovitz-Attias et al., 2017).

    $$ L_i = -\log \frac{\exp(-s D_{iy}^2)}{\sum_c \exp(-s D_{ic}^2)}, \qquad
       D_{ic} = \Big\lVert \frac{e_i}{\lVert e_i \rVert} - \frac{p_c}{\lVert p_c \rVert} \Big\rVert_2 $$

    The paper leaves the own proxy out of the denominator (`own_in_denominator=False`: the loss has no lower bound);
    the common code, and Proxy-NCA++, keep it in.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), any length; normalised inside.
        scale: $s > 0$, an inverse temperature; 1 as in the paper's equation.
        own_in_denominator: whether the own class is among the classes that are summed.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats. It goes through a log-softmax: where exponentials underflow, the hardest
        rows keep their loss and their gradient.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, proxies = torch.tensor([[1.0, 0.0]]), torch.eye(2)  # squared distances 0 and 2
        >>> proxy_nca(row, torch.tensor([1]), proxies, own_in_denominator=False)
        tensor(2.)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, proxies)
    check_number("scale", scale, above=0)
    # −s‖z − p‖² without s‖z‖², which all classes of a row share.
    x = full_precision(embeddings)
    unit = unit_rows(proxies.to(x.dtype))
    logits = scale * torch.addmm(-unit.detach().square().sum(dim=1), unit_rows(x), unit.T, alpha=2)
    own = labels.long().unsqueeze(1)
    if own_in_denominator:
        return reduce_anchors(-logits.log_softmax(dim=1).gather(1, own).squeeze(1), reduction)
    if len(proxies) < 2:
        raise ValueError("proxies must hold at least two rows where the own one is left out of the denominator")
    others = logits.scatter(1, own, -torch.inf).logsumexp(dim=1)
    return reduce_anchors(others - logits.gather(1, own).squeeze(1), reduction)


class ProxyNCA(ProxyLoss, function=proxy_nca):
    """`proxy_nca` as a module over (embeddings, labels) that holds the proxies."""


@without_autocast
def proxy_nca_plus_plus(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, temperature: float = 1 / 9, reduction: str = "mean"
) -> Tensor:
    r"""Proxy-NCA++: the probability of the own proxy, with a temperature (Teh et al., 2020).

    $$ L_i = -\log \frac{\exp(-D_{iy}^2 / T)}{\sum_c \exp(-D_{ic}^2 / T)} $$

    with D between unit vectors as in `proxy_nca`, which this is at scale 1/T.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), any length; normalised inside.
        temperature: $T > 0$; 1/9 as in the paper.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> proxy_nca_plus_plus(torch.tensor([[1.0, 1.0]]), torch.tensor([1]), torch.eye(2))
        tensor(0.6931)

    Compared in the chapter "A fair comparison".
    """
    check_number("temperature", temperature, above=0)
    return proxy_nca(embeddings, labels, proxies, scale=1 / temperature, reduction=reduction)


class ProxyNCAPlusPlus(ProxyLoss, function=proxy_nca_plus_plus):
    """`proxy_nca_plus_plus` as a module over (embeddings, labels) that holds the proxies."""

    @staticmethod
    def start(num_classes: int, embedding_dim: int) -> Tensor:
        """Normal with standard deviation ⅛, as in the authors' code."""
        return torch.randn(num_classes, embedding_dim) / 8


@without_autocast
def proxy_anchor(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    margin: float = 0.1,
    alpha: float = 32.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Proxy-Anchor: each proxy against the whole batch (Kim et al., 2020).

    $$ L = \frac{1}{|P^+|} \sum_{c \in P^+} \log\Big(1 + \sum_{i: y_i = c} e^{-\alpha (\cos_{ic} - \delta)}\Big)
         + \frac{1}{C} \sum_{c} \log\Big(1 + \sum_{i: y_i \neq c} e^{\alpha (\cos_{ic} + \delta)}\Big) $$

    $P^+$ are the proxies with a row in the batch.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), any length; normalised inside.
        margin: $\delta$, a cosine; 0.1 as in the paper.
        alpha: $\alpha > 0$; 32 as in the paper.
        reduction: the anchors are the proxies: "none" gives one value a proxy, $C/|P^+|$ times its first term plus its
            second, so that their "mean" is the loss above; "sum" adds them.

    Returns:
        A scalar, or (C,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, proxies = torch.tensor([[1.0, 0.0]]), torch.eye(2)  # log(1 + e⁻¹) + ½ log(1 + e⁰)
        >>> proxy_anchor(row, torch.tensor([0]), proxies, margin=0.0, alpha=1.0)
        tensor(0.6598)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, proxies)
    check_number("margin", margin)
    check_number("alpha", alpha, above=0)
    cosines = proxy_cosines(full_precision(embeddings), proxies)
    # α (cos + δ) in one pass over the (N, C) array.
    logits = torch.add(cosines.new_tensor(alpha * margin), cosines, alpha=alpha)
    classes = labels.long()
    own = classes.unsqueeze(1)
    present = torch.zeros(len(proxies), dtype=torch.bool, device=labels.device).index_fill(0, classes, True)
    # α (δ − cos) of the own proxy is 2αδ less that.
    pull = _log_one_plus_class_sums(2 * alpha * margin - logits.gather(1, own).squeeze(1), classes, len(proxies))
    push = log_one_plus_exp(logits.scatter(1, own, lowest(logits)).logsumexp(dim=0))
    return reduce_anchors(pull * len(proxies) / present.sum() + push, reduction)


def _log_one_plus_class_sums(x: Tensor, classes: Tensor, num_classes: int) -> Tensor:
    """log(1 + Σ_{i: y_i = c} exp x_i) for each class c: (N,) to (C,)."""
    # The largest exponent of a class, with the 0 of the 1; a constant in the gradient.
    largest = x.new_zeros(num_classes).scatter_reduce(0, classes, x.detach(), "amax")
    sums = (-largest).exp().index_add(0, classes, (x - largest[classes]).exp())
    return largest + sums.log()


class ProxyAnchor(ProxyLoss, function=proxy_anchor):
    """`proxy_anchor` as a module over (embeddings, labels) that holds the proxies."""


class _SoftMaximum(torch.autograd.Function):
    """Σ_k p_k x_k with p = softmax(x / γ) over the last dimension; the slope of x_k is p_k (1 + (x_k − Σ) / γ).

    In closed form because the (N, C, K) array is large: autograd would pass over it twice as often.
    """

    @staticmethod
    def forward(x: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        p = (x / gamma).softmax(dim=2)
        return (p * x).sum(dim=2), p

    @staticmethod
    def setup_context(ctx, inputs: tuple, output: tuple[Tensor, Tensor]) -> None:
        x, ctx.gamma = inputs
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(x, *output)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient: Tensor, _: Tensor) -> tuple[Tensor, None]:
        x, maximum, p = ctx.saved_tensors
        slope = (x - maximum.unsqueeze(2)).div_(ctx.gamma).add_(1).mul_(p)
        return slope.mul_(gradient.unsqueeze(2)), None


def _check_centers(centers: Tensor) -> None:
    if not isinstance(centers, Tensor):
        raise TypeError(f"centers must be a torch.Tensor, found {type(centers).__name__}")
    if centers.ndim != 3 or centers.numel() == 0:
        shape = tuple(centers.shape)
        raise ValueError(
            f"centers must have three dimensions (classes, centers a class, width), not empty, found {shape}"
        )


@without_autocast
def soft_triple(
    embeddings: Tensor,
    labels: Tensor,
    centers: Tensor,
    *,
    scale: float = 20.0,
    gamma: float = 0.1,
    margin: float = 0.01,
    regularization: float = 0.0,
    reduction: str = "mean",
) -> Tensor:
    r"""SoftTriple: a softmax over classes that have several centers each (Qian et al., 2019).

    $$ S_{ic} = \sum_k \frac{\exp(\cos_{ick} / \gamma)}{\sum_{k'} \exp(\cos_{ick'} / \gamma)} \cos_{ick}, \qquad
       L_i = -\log \frac{\exp(\lambda (S_{iy} - \delta))}
                        {\exp(\lambda (S_{iy} - \delta)) + \sum_{c \neq y} \exp(\lambda S_{ic})} + \tau R $$

    R is `soft_triple_regularizer`, which merges centers that a class does not need.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        centers: (C, K, d), K centers a class, any length; normalised inside.
        scale: $\lambda > 0$; 20 as in the paper.
        gamma: $\gamma > 0$, temperature over the centers of a class; 0.1 as in the paper.
        margin: $\delta$, a cosine; 0.01 as in the paper.
        regularization: $\tau \geq 0$; 0 leaves R out, the paper trains with 0.2.
        reduction: "none", "mean" or "sum" over the rows; each row carries τR.

    Returns:
        A scalar, or (N,) for "none".

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> centers = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]])
        >>> soft_triple(torch.tensor([[1.0, 1.0]]), torch.tensor([0]), centers, margin=0.0)
        tensor(0.6931)

    Memory: O(N·C·K). Compared in the chapter "A fair comparison".
    """
    _check_centers(centers)
    check_rows(embeddings)
    check_proxies(embeddings, labels, centers[:, 0], "centers")
    check_number("scale", scale, above=0)
    check_number("gamma", gamma, above=0)
    check_number("margin", margin)
    check_number("regularization", regularization, least=0)
    classes, per_class, _ = centers.shape
    cosines = proxy_cosines(full_precision(embeddings), centers.flatten(0, 1)).unflatten(1, (classes, per_class))
    similarity = _SoftMaximum.apply(cosines, gamma)[0]
    own = labels.long().unsqueeze(1)
    logits = scale * similarity.scatter_add(1, own, torch.full_like(own, -margin, dtype=similarity.dtype))
    values = -logits.log_softmax(dim=1).gather(1, own).squeeze(1)
    if regularization > 0:
        values = values + regularization * soft_triple_regularizer(centers).to(values.dtype)
    return reduce_anchors(values, reduction)


@without_autocast
def soft_triple_regularizer(centers: Tensor) -> Tensor:
    r"""How far the centers of a class lie apart: SoftTriple's regulariser (Qian et al., 2019).

    $$ R = \frac{1}{C K (K - 1)} \sum_c \sum_{s < t} \sqrt{2 - 2 \cos(c_{cs}, c_{ct})} $$

    The root is the distance between the unit vectors; unlike its square it drives some of the distances to exactly 0.

    Args:
        centers: (C, K, d), any length; normalised inside.

    Returns:
        A scalar; 0 for K = 1.

    Raises:
        TypeError, ValueError: not a floating-point tensor of three dimensions.

    Example:
        >>> soft_triple_regularizer(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]))
        tensor(1.)

    Compared in the chapter "A fair comparison".
    """
    _check_centers(centers)
    classes, per_class, _ = centers.shape
    check_rows(centers.flatten(0, 1), "centers")
    unit = unit_rows(full_precision(centers).flatten(0, 1)).unflatten(0, (classes, per_class))
    s, t = torch.triu_indices(per_class, per_class, offset=1, device=centers.device)
    distances = square_root((unit[:, s] - unit[:, t]).square().sum(dim=2))
    return distances.sum() / (classes * per_class * max(per_class - 1, 1))


class SoftTriple(Loss, function=soft_triple):
    """`soft_triple` as a module over (embeddings, labels) that holds the centers."""

    def __init__(self, num_classes: int, embedding_dim: int, *, centers_per_class: int = 10, **options: Any) -> None:
        super().__init__(**options)
        self.centers = nn.Parameter(torch.empty(num_classes, centers_per_class, embedding_dim))
        nn.init.kaiming_uniform_(self.centers.view(-1, embedding_dim), a=math.sqrt(5))  # as in the authors' code

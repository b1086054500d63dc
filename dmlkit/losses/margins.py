"""Cross-entropy on the sphere, and the margins that face recognition puts on the angle to the own class."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmlkit.checks import check_number
from dmlkit.geometry import full_precision, square_root
from dmlkit.losses._common import ProxyLoss, check_proxies, proxy_cosines, reduce_anchors, without_autocast


def _softmax_loss(logits: Tensor, labels: Tensor, own: Tensor, reduction: str) -> Tensor:
    """−log softmax of the own class after its logit has become `own` (N,)."""
    column = labels.long().unsqueeze(1)
    log_p = logits.scatter(1, column, own.unsqueeze(1)).log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, column).squeeze(1), reduction)


def _sine(cosine: Tensor) -> Tensor:
    # At ±1 the sine of the angle has an infinite slope over the cosine; the gradient is taken as 0 there.
    return square_root((1 - cosine.square()).clamp_min(0))


def _add_angle(cosine: Tensor, margin: Tensor | float) -> Tensor:
    """cos(θ + m) up to θ = π − m, then cos θ less a constant, which keeps falling with θ."""
    if isinstance(margin, Tensor):
        cos_m, sin_m, larger = margin.cos(), margin.sin(), torch.maximum
    else:
        cos_m, sin_m, larger = math.cos(margin), math.sin(margin), max
    shifted = cosine * cos_m - _sine(cosine) * sin_m
    # The authors' constant leaves a step down at π − m; for margins above 2.33 it would be a step up, so it is closed.
    return torch.where(cosine >= -cos_m, shifted, cosine - larger(margin * sin_m, 1 - cos_m))


@without_autocast
def norm_softmax(
    embeddings: Tensor, labels: Tensor, weight: Tensor, *, temperature: float = 0.05, reduction: str = "mean"
) -> Tensor:
    r"""Cross-entropy over cosines: the normalised softmax (Zhai and Wu, 2019).

    $$ L_i = -\log \frac{\exp(\cos\theta_{iy} / \tau)}{\sum_j \exp(\cos\theta_{ij} / \tau)}, \qquad
       \cos\theta_{ij} = \frac{e_i \cdot w_j}{\lVert e_i \rVert \lVert w_j \rVert} $$

    Args:
        embeddings: (N, d) $e$, any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        weight: (C, d) $w$, any length; normalised inside.
        temperature: $\tau > 0$; 0.05 as in the paper.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> weight = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
        >>> norm_softmax(torch.tensor([[5.0, 5.0]]), torch.tensor([0]), weight)  # halfway between both: log 2
        tensor(0.6931)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("temperature", temperature, above=0)
    log_p = (proxy_cosines(full_precision(embeddings), weight) / temperature).log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, labels.long().unsqueeze(1)).squeeze(1), reduction)


class NormSoftmax(ProxyLoss, function=norm_softmax):
    """`norm_softmax` as a module over (embeddings, labels) that holds the weight."""


@without_autocast
def cos_face(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    *,
    margin: float = 0.35,
    scale: float = 64.0,
    reduction: str = "mean",
) -> Tensor:
    r"""CosFace: a margin on the cosine to the own class (Wang et al., 2018).

    $$ L_i = -\log \frac{\exp(s (\cos\theta_{iy} - m))}
                        {\exp(s (\cos\theta_{iy} - m)) + \sum_{j \neq y} \exp(s \cos\theta_{ij})} $$

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        weight: (C, d), any length; normalised inside.
        margin: $m \geq 0$, in units of the cosine; 0.35 as in the paper's experiments.
        scale: $s > 0$; 64 as in the paper's experiments.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> weight = torch.eye(2)
        >>> cos_face(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), weight, margin=1.0)  # the margin takes all of it
        tensor(0.6931)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("margin", margin, least=0)
    check_number("scale", scale, above=0)
    cosines = proxy_cosines(full_precision(embeddings), weight)
    own = cosines.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    return _softmax_loss(scale * cosines, labels, scale * (own - margin), reduction)


class CosFace(ProxyLoss, function=cos_face):
    """`cos_face` as a module over (embeddings, labels) that holds the weight."""


@without_autocast
def arc_face(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    *,
    margin: float = 0.5,
    scale: float = 64.0,
    reduction: str = "mean",
) -> Tensor:
    r"""ArcFace: a margin on the angle to the own class (Deng et al., 2019).

    $$ L_i = -\log \frac{\exp(s\,\psi(\theta_{iy}))}
                        {\exp(s\,\psi(\theta_{iy})) + \sum_{j \neq y} \exp(s \cos\theta_{ij})}, $$

    $$ \psi(\theta) = \begin{cases} \cos(\theta + m), & \theta \leq \pi - m \\ \cos\theta - m \sin m, & \theta > \pi - m
       \end{cases} $$

    The second case is that of the authors' code: cos(θ + m) would rise again beyond π − m and reward the farthest
    rows. ψ falls with θ throughout; for margins above 2.33, where m sin m is less than 1 − cos m, the latter takes its
    place to keep it so. The gradient is finite everywhere; at cos θ = ±1, where the angle has a kink, the
    share of the angle in it is taken as 0.

    Args:
        embeddings: (N, d), any length; they are normalised inside.
        labels: (N,) integers in 0 … C − 1.
        weight: (C, d), any length; normalised inside.
        margin: $0 \leq m < \pi$, in radians; 0.5 as in the paper.
        scale: $s > 0$; 64 as in the paper.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> weight = torch.eye(2)  # at θ = 0 with a margin of a right angle both logits are 0
        >>> arc_face(torch.tensor([[1.0, 0.0]]), torch.tensor([0]), weight, margin=torch.pi / 2)
        tensor(0.6931)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("margin", margin, least=0, below=math.pi)
    check_number("scale", scale, above=0)
    cosines = proxy_cosines(full_precision(embeddings), weight)
    own = cosines.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    return _softmax_loss(scale * cosines, labels, scale * _add_angle(own, margin), reduction)


class ArcFace(ProxyLoss, function=arc_face):
    """`arc_face` as a module over (embeddings, labels) that holds the weight."""


@without_autocast
def sphere_face(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    *,
    margin: float = 4.0,
    scale: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""SphereFace: the angle to the own class times a factor (Liu et al., 2017).

    $$ L_i = -\log \frac{\exp(s_i \psi(\theta_{iy}))}
                        {\exp(s_i \psi(\theta_{iy})) + \sum_{j \neq y} \exp(s_i \cos\theta_{ij})},
       \qquad s_i = s \lVert e_i \rVert, $$

    $$ \psi(\theta) = (-1)^k \cos(m\theta) - 2k, \quad k = \lfloor m\theta / \pi \rfloor $$

    Only the weight is normalised: the length of an embedding is its inverse temperature.

    Args:
        embeddings: (N, d), whose lengths matter.
        labels: (N,) integers in 0 … C − 1.
        weight: (C, d), any length; normalised inside.
        margin: $m \geq 1$, the factor on the angle; 4 as in the paper, which knows integers only. ψ is continuous and
            falls with θ for any real m.
        scale: $s > 0$; 1 as in the paper.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, weight = torch.tensor([[0.0, 1.0, 0.0]]), torch.eye(3)[[0, 2]]  # a right angle to both, so that
        >>> sphere_face(row, torch.tensor([0]), weight)  # ψ = cos 2π − 4 for the own class: log(1 + e³)
        tensor(3.0486)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("margin", margin, least=1)
    check_number("scale", scale, above=0)
    x = full_precision(embeddings)
    cosines = proxy_cosines(x, weight)
    lengths = torch.linalg.vector_norm(x, dim=1)
    own = cosines.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    angle = margin * torch.atan2(_sine(own), own)
    segment = (angle.detach() / math.pi).floor()
    psi = torch.where(segment % 2 == 0, angle.cos(), -angle.cos()) - 2 * segment
    return _softmax_loss(scale * lengths.unsqueeze(1) * cosines, labels, scale * lengths * psi, reduction)


class SphereFace(ProxyLoss, function=sphere_face):
    """`sphere_face` as a module over (embeddings, labels) that holds the weight."""


@without_autocast
def mag_face(
    embeddings: Tensor,
    labels: Tensor,
    weight: Tensor,
    *,
    lower_margin: float = 0.45,
    upper_margin: float = 0.8,
    lower_norm: float = 10.0,
    upper_norm: float = 110.0,
    regularization: float = 35.0,
    scale: float = 64.0,
    reduction: str = "mean",
) -> Tensor:
    r"""MagFace: an angular margin that grows with the length of the embedding (Meng et al., 2021).

    $$ L_i = \mathrm{ArcFace}\big(m = m(a_i)\big) + \lambda_g\, g(a_i), \qquad
       m(a) = l_m + (u_m - l_m) \frac{a - l_a}{u_a - l_a}, \qquad g(a) = \frac{1}{a} + \frac{a}{u_a^2} $$

    with $a_i = \lVert e_i \rVert$ clamped to $[l_a, u_a]$. The margin asks more of long embeddings, g rewards length:
    easy images become long, unclear ones short, so that the length tells the quality. Beyond the clamp the length has
    no gradient.

    Args:
        embeddings: (N, d), whose lengths matter.
        labels: (N,) integers in 0 … C − 1.
        weight: (C, d), any length; normalised inside.
        lower_margin, upper_margin: $0 \leq l_m \leq u_m < \pi$ in radians; 0.45 and 0.8 as in the authors' code.
        lower_norm, upper_norm: $0 < l_a < u_a$, lengths; 10 and 110 as in the paper.
        regularization: $\lambda_g \geq 0$; 35 as in the paper.
        scale: $s > 0$; 64 as in the paper.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, weight = torch.tensor([[11.0, 0.0]]), torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
        >>> mag_face(row, torch.tensor([0]), weight, upper_norm=11.0)  # ArcFace's part is 0: 35 (1/11 + 11/11²)
        tensor(6.3636)

    Compared in the chapter "A fair comparison".
    """
    check_proxies(embeddings, labels, weight, "weight")
    check_number("lower_margin", lower_margin, least=0)
    check_number("upper_margin", upper_margin, least=lower_margin, below=math.pi)
    check_number("lower_norm", lower_norm, above=0)
    check_number("upper_norm", upper_norm, above=lower_norm)
    check_number("regularization", regularization, least=0)
    check_number("scale", scale, above=0)
    x = full_precision(embeddings)
    cosines = proxy_cosines(x, weight)
    own = cosines.gather(1, labels.long().unsqueeze(1)).squeeze(1)
    lengths = torch.linalg.vector_norm(x, dim=1).clamp(lower_norm, upper_norm)
    margin = lower_margin + (upper_margin - lower_margin) * (lengths - lower_norm) / (upper_norm - lower_norm)
    values = _softmax_loss(scale * cosines, labels, scale * _add_angle(own, margin), "none")
    return reduce_anchors(values + regularization * (1 / lengths + lengths / upper_norm**2), reduction)


class MagFace(ProxyLoss, function=mag_face):
    """`mag_face` as a module over (embeddings, labels) that holds the weight."""

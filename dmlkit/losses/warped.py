"""The softmax over Euclidean distances to proxies, plain and warped."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_number
from dmlkit.geometry import euclidean_distances, full_precision
from dmlkit.losses._common import ProxyLoss, check_proxies, function_values, reduce_anchors, without_autocast
from dmlkit.losses.distance_functions import DISTANCE_FUNCTIONS, distance_function


def _check_warp(alpha: float, beta: float, r: float, margin: float) -> None:
    # Below 0 the warp would not be monotone and Lemma III.1 would not hold; 0 ≤ α < 1 < β is the paper's choice,
    # not a condition for the loss to exist: α ≥ 1 or β ≤ 1 is what its ablation and the explorer look at.
    check_number("alpha", alpha, least=0)
    check_number("beta", beta, least=0)
    check_number("r", r, least=0, infinite=True)
    check_number("margin", margin, least=0)


def warp(distances: Tensor, *, alpha: float, beta: float, r: float, margin: float = 1.0) -> Tensor:
    r"""The function that paper W puts on the distance to the own proxy (eq. 7).

    $$ f(d) = \begin{cases} \alpha d + \gamma, & d < r \\ \beta d + r (1 - \beta), & d \geq r \end{cases}
       \qquad \gamma = m (1 - \alpha)\, \mathrm{sg}[d] $$

    sg stops the gradient: with m = 1 the value below r is d itself while the slope is α. So the gradient is **not**
    the derivative of the value, by design; `effective_warp` is the function that has these slopes.

    Args:
        distances: any shape, at least 0.
        alpha: slope below r, at least 0 (the paper: below 1, pulls outward).
        beta: slope from r on, at least 0 (the paper: above 1, pulls inward).
        r: where the slope changes, in units of distance; may be infinite.
        margin: m, at least 0; with m = 1 the value is continuous at r. Eq. 7 has 1; the paper tries 1 to 5.5 (fig. 8).

    Returns:
        The shape of `distances`.

    Raises:
        ValueError: a parameter out of range.

    Example:
        >>> d = torch.tensor([1.0, 3.0], requires_grad=True)
        >>> value = warp(d, alpha=0.5, beta=1.5, r=2.0)
        >>> value.tolist(), torch.autograd.grad(value.sum(), d)[0].tolist()
        ([1.0, 3.5], [0.5, 1.5])

    Explained in the chapter "A landscape you can move".
    """
    _check_warp(alpha, beta, r, margin)
    inside = alpha * distances + margin * (1 - alpha) * distances.detach()
    return torch.where(distances < r, inside, beta * distances + r * (1 - beta))


def effective_warp(distances: Tensor, *, alpha: float, beta: float, r: float) -> Tensor:
    r"""The continuous function whose slopes training follows: `warp` without γ, its gap at r closed.

    $$ f_\mathrm{eff}(d) = \begin{cases} \alpha d, & d < r \\ \alpha r + \beta (d - r), & d \geq r \end{cases} $$

    Derived from eq. 7 of paper W; the paper draws such landscapes in its figure 3d.

    Args:
        distances: any shape, at least 0.
        alpha, beta, r: as in `warp`.

    Returns:
        The shape of `distances`.

    Raises:
        ValueError: a parameter out of range.

    Example:
        >>> effective_warp(torch.tensor([1.0, 3.0]), alpha=0.5, beta=1.5, r=2.0)
        tensor([0.5000, 2.5000])

    Explained in the chapter "A landscape you can move".
    """
    _check_warp(alpha, beta, r, margin=1.0)
    return torch.where(distances < r, alpha * distances, alpha * r + beta * (distances - r))


@without_autocast
def warped_softmax(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    alpha: float,
    beta: float,
    r: float,
    margin: float = 1.0,
    scale: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Softmax over Euclidean distances with the own distance warped (paper W, eqs. 7 and 8).

    $$ L_i = \log\Big(1 + \sum_{j \neq y} \exp\big(T f(d_{iy}) - T d_{ij}\big)\Big), \qquad
       d_{ij} = \lVert e_i - p_j \rVert_2 $$

    with $f$ = `warp`. For α < 1 < β the point of attraction lies at distance r from the own proxy, behind it as seen
    from the other. Neither embeddings nor proxies are normalised. The gradient with respect to $d_{iy}$ is
    $T\alpha(1 - p_{iy})$ below r and $T\beta(1 - p_{iy})$ above, with respect to $d_{ij}$ it is $-T p_{ij}$, where p is
    the softmax of the forward values.

    Args:
        embeddings: (N, d).
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), C ≥ 2.
        alpha, beta, r, margin: as in `warp`; no defaults for α, β, r: the paper sets them for each data set.
        scale: T > 0, applied after the warp (an inverse temperature), so that r stays in units of distance.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, proxies = torch.tensor([[3.0]]), torch.tensor([[0.0], [7.0]])  # f(3) = 3.5: log(1 + e^(3.5 − 4))
        >>> warped_softmax(row, torch.tensor([0]), proxies, alpha=0.5, beta=1.5, r=2.0)
        tensor(0.4741)

    Explained in the chapter "A landscape you can move".
    """
    check_proxies(embeddings, labels, proxies)
    _check_warp(alpha, beta, r, margin)
    return monotone_softmax(
        embeddings,
        labels,
        proxies,
        f_own=partial(warp, alpha=alpha, beta=beta, r=r, margin=margin),
        f_other="identity",
        scale=scale,
        reduction=reduction,
    )


def euclidean_softmax(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float = 1.0, reduction: str = "mean"
) -> Tensor:
    r"""Softmax over plain Euclidean distances to proxies (paper W, eq. 4): `warped_softmax` at α = β = 1.

    $$ L_i = \log\Big(1 + \sum_{j \neq y} \exp\big(T d_{iy} - T d_{ij}\big)\Big), \qquad
       d_{ij} = \lVert e_i - p_j \rVert_2 $$

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), C ≥ 2, not normalised.
        scale: T > 0, an inverse temperature; 1 as in the equation.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, or an empty batch.

    Example:
        >>> row, proxies = torch.tensor([[3.0]]), torch.tensor([[0.0], [7.0]])  # log(1 + e^(3 − 4))
        >>> euclidean_softmax(row, torch.tensor([0]), proxies)
        tensor(0.3133)

    Explained in the chapter "A landscape you can move".
    """
    return monotone_softmax(
        embeddings, labels, proxies, f_own="identity", f_other="identity", scale=scale, reduction=reduction
    )


@without_autocast
def monotone_softmax(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    f_own: str | Callable[[Tensor], Tensor],
    f_other: str | Callable[[Tensor], Tensor],
    scale: float = 1.0,
    reduction: str = "mean",
) -> Tensor:
    r"""Softmax over any two monotone functions of Euclidean distance (paper W, eqs. 6 and 8).

    $$ L_i = \log\Big(1 + \sum_{j \neq y} \exp\big(T f_y(d_{iy}) - T f_j(d_{ij})\big)\Big), \qquad
       d_{ij} = \lVert e_i - p_j \rVert_2 $$

    Both functions the identity give `euclidean_softmax`, $f_y$ = `warp` gives `warped_softmax`; others make the
    ablation of the paper's table III. For increasing functions all extrema lie on the line through the proxies
    (lemma III.1).

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), C ≥ 2, not normalised.
        f_own: $f_y$, called with (N, 1) distances to the own proxies; it must keep their shape. Or a name of
            `distance_function`, as a config has it.
        f_other: $f_j$, likewise, called with the (N, C) distances to all proxies; the own ones are then replaced.
        scale: T > 0, an inverse temperature; 1 as in the equation.
        reduction: "none", "mean" or "sum" over the rows.

    Returns:
        A scalar, or (N,) for "none"; in nats.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, an empty batch, a function that changes shapes, or
            an unknown name of one.

    Example:
        >>> row, proxies = torch.tensor([[1.0]]), torch.tensor([[0.0], [3.0]])  # log(1 + e^(1 − 4))
        >>> monotone_softmax(row, torch.tensor([0]), proxies, f_own=torch.square, f_other=torch.square)
        tensor(0.0486)

    Explained in the chapter "A landscape you can move".
    """
    check_proxies(embeddings, labels, proxies, rivals=True)
    check_number("scale", scale, above=0)
    f_own, f_other = _function(f_own, "f_own"), _function(f_other, "f_other")
    x = full_precision(embeddings)
    distances = euclidean_distances(x, proxies.to(x.dtype))
    own = labels.long().unsqueeze(1)
    warped = function_values(f_other, "f_other", distances)
    if f_own is not f_other:
        warped = warped.scatter(1, own, function_values(f_own, "f_own", distances.gather(1, own)))
    log_p = (-scale * warped).log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, own).squeeze(1), reduction)


def _function(given: str | Callable[[Tensor], Tensor], name: str) -> Callable[[Tensor], Tensor]:
    if isinstance(given, str):
        check_choice(name, given, DISTANCE_FUNCTIONS)
        return distance_function(given)
    if not callable(given):
        raise TypeError(f"{name} must be a function of distances or the name of one, found {type(given).__name__}")
    return given


class EuclideanSoftmax(ProxyLoss, function=euclidean_softmax):
    """`euclidean_softmax` as a module over (embeddings, labels) that holds the proxies."""


class WarpedSoftmax(ProxyLoss, function=warped_softmax):
    """`warped_softmax` as a module over (embeddings, labels) that holds the proxies."""


class MonotoneSoftmax(ProxyLoss, function=monotone_softmax):
    """`monotone_softmax` as a module over (embeddings, labels) that holds the proxies."""

    def __init__(self, num_classes: int, embedding_dim: int, **options: Any) -> None:
        super().__init__(num_classes, embedding_dim, **options)
        # A config's wrong name is refused before any data is opened, not in the first step.
        _function(self.f_own, "f_own")
        _function(self.f_other, "f_other")

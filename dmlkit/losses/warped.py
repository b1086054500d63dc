"""The softmax over Euclidean distances to proxies, plain and warped."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dmlkit.checks import check_number, check_pair, check_rows
from dmlkit.geometry import euclidean_distances, full_precision
from dmlkit.losses._common import reduce_anchors, without_autocast


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

    Explained in the chapter "A landscape you can move".
    """
    check_rows(proxies, "proxies")
    check_pair(embeddings, labels, num_classes=len(proxies))
    check_rows(proxies, "proxies", columns=embeddings.shape[1])
    check_number("scale", scale, above=0)
    if len(proxies) < 2:
        raise ValueError("proxies must hold at least two rows: with one class there is nothing to tell apart")
    embeddings = full_precision(embeddings)
    distances = euclidean_distances(embeddings, proxies.to(embeddings.dtype))
    own = labels.long().unsqueeze(1)
    warped = warp(distances.gather(1, own), alpha=alpha, beta=beta, r=r, margin=margin)
    log_p = (-scale * distances.scatter(1, own, warped)).log_softmax(dim=1)
    return reduce_anchors(-log_p.gather(1, own).squeeze(1), reduction)


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

    Explained in the chapter "A landscape you can move".
    """
    return warped_softmax(
        embeddings, labels, proxies, alpha=1.0, beta=1.0, r=0.0, margin=1.0, scale=scale, reduction=reduction
    )


def _normal_proxies(num_classes: int, embedding_dim: int) -> nn.Parameter:
    # The authors' initialisation: normal with variance 2/fan-out, where the fan-out of (C, d) proxies is C.
    return nn.Parameter(nn.init.kaiming_normal_(torch.empty(num_classes, embedding_dim), mode="fan_out"))


class EuclideanSoftmax(nn.Module):
    """`euclidean_softmax` as a module over (embeddings, labels) that holds the proxies."""

    def __init__(self, num_classes: int, embedding_dim: int, *, scale: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.proxies = _normal_proxies(num_classes, embedding_dim)
        self.scale, self.reduction = scale, reduction

    def extra_repr(self) -> str:
        classes, dim = self.proxies.shape
        return f"{classes}, {dim}, scale={self.scale:g}, reduction={self.reduction!r}"

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return euclidean_softmax(embeddings, labels, self.proxies, scale=self.scale, reduction=self.reduction)


class WarpedSoftmax(nn.Module):
    """`warped_softmax` as a module over (embeddings, labels) that holds the proxies."""

    def __init__(
        self,
        num_classes: int,
        embedding_dim: int,
        *,
        alpha: float,
        beta: float,
        r: float,
        margin: float = 1.0,
        scale: float = 1.0,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.proxies = _normal_proxies(num_classes, embedding_dim)
        self.alpha, self.beta, self.r = alpha, beta, r
        self.margin, self.scale, self.reduction = margin, scale, reduction

    def extra_repr(self) -> str:
        classes, dim = self.proxies.shape
        return (
            f"{classes}, {dim}, alpha={self.alpha:g}, beta={self.beta:g}, r={self.r:g}, "
            f"margin={self.margin:g}, scale={self.scale:g}, reduction={self.reduction!r}"
        )

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        return warped_softmax(
            embeddings,
            labels,
            self.proxies,
            alpha=self.alpha,
            beta=self.beta,
            r=self.r,
            margin=self.margin,
            scale=self.scale,
            reduction=self.reduction,
        )

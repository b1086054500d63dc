"""The four forces of a softmax over distances: on an embedding, on its own proxy, on the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dmlkit.checks import check_number
from dmlkit.geometry import euclidean_distances, full_precision
from dmlkit.losses._common import check_proxies, value_and_slope, without_autocast


@dataclass(frozen=True)
class SoftmaxForces:
    """What `softmax_forces` returns: the forces of each row's own loss, named as in paper W (section III-A).

    Attributes:
        f1: (N, d), on the embedding, away from the other proxies.
        f2: (N, C, d), on each other proxy, away from the embedding; 0 for the own class.
        f3: (N, d), on the embedding, to its own proxy.
        f4: (N, d), on the own proxy, to the embedding.
        probabilities: (N, C), the softmax of the forward pass.
        labels: (N,), the own classes.
    """

    f1: Tensor
    f2: Tensor
    f3: Tensor
    f4: Tensor
    probabilities: Tensor
    labels: Tensor

    @property
    def on_embeddings(self) -> Tensor:
        """F1 + F3: (N, d), minus the gradient of each row's loss by its embedding."""
        return self.f1 + self.f3

    @property
    def on_proxies(self) -> Tensor:
        """F2 and F4 of all rows together: (C, d), minus the gradient of the summed loss by the proxies."""
        return self.f2.sum(dim=0).index_add(0, self.labels, self.f4)

    @property
    def cancelled(self) -> Tensor:
        """1 − ‖F1 + F3‖ / (‖F1‖ + ‖F3‖): (N,), 0 where the two pull one way, 1 where they cancel; NaN without force."""
        total = self.f1.norm(dim=1) + self.f3.norm(dim=1)
        return 1 - self.on_embeddings.norm(dim=1) / total


@without_autocast
@torch.no_grad()
def softmax_forces(
    embeddings: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    f_own: Callable[[Tensor], Tensor] | None = None,
    f_other: Callable[[Tensor], Tensor] | None = None,
    scale: float = 1.0,
) -> SoftmaxForces:
    r"""Minus the gradient of a softmax over distances, split into the four forces of paper W (section III-A).

    Of the loss of `monotone_softmax` (paper W, eqs. 4 and 8), with $u_{ij} = (e_i - p_j) / d_{ij}$ and $p_{ij}$ the
    softmax of $-T f(d_{ij})$ (our derivation):

    $$ F_{1,i} = \sum_{j \neq y} T f_j'(d_{ij})\, p_{ij}\, u_{ij}, \qquad
       F_{2,ij} = -T f_j'(d_{ij})\, p_{ij}\, u_{ij}, $$

    $$ F_{3,i} = -T f_y'(d_{iy})\, (1 - p_{iy})\, u_{iy}, \qquad F_{4,i} = -F_{3,i} $$

    The slopes $f'$ are those of backpropagation: under a stop-gradient, as in `warp`, they are not the slopes of the
    value. Where an embedding lies on a proxy the pair has no direction, and its force is 0.

    Args:
        embeddings: (N, d), not normalised.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d), C ≥ 2, not normalised.
        f_own: $f_y$, acting on each distance by itself; None for the plain distance.
        f_other: $f_j$, likewise.
        scale: T > 0, an inverse temperature; 1 as in eq. 4.

    Returns:
        A `SoftmaxForces`, in nats per unit of distance; $F_2$ takes N·C·d numbers. No gradient flows through it.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, an empty batch, or a function that changes shapes.

    Example:
        >>> proxies = torch.tensor([[0.0], [2.0]])  # on a line; the embedding at −1 is behind its proxy, 0
        >>> forces = softmax_forces(torch.tensor([[-1.0]]), torch.tensor([0]), proxies)
        >>> forces.f1, forces.f3, forces.cancelled
        (tensor([[-0.1192]]), tensor([[0.1192]]), tensor([1.]))

    Explained in the chapter "Forces in a Euclidean softmax".
    """
    check_proxies(embeddings, labels, proxies, rivals=True)
    check_number("scale", scale, above=0)
    x = full_precision(embeddings)
    proxies = proxies.to(x.dtype)
    distances = euclidean_distances(x, proxies)
    labels = labels.long()
    own = labels.unsqueeze(1)
    warped, slopes = _value_and_slope(f_other, "f_other", distances)
    own_value, own_slope = _value_and_slope(f_own, "f_own", distances.gather(1, own))
    probabilities = (-scale * warped.scatter(1, own, own_value)).softmax(dim=1)

    away = distances.unsqueeze(2)
    units = torch.where(away > 0, (x.unsqueeze(1) - proxies) / away, 0.0)
    # 1 − p_y as the sum of the other shares: the difference would lose its digits where p_y is close to 1.
    shares = probabilities.scatter(1, own, 0.0)
    f2 = -scale * (slopes * shares).unsqueeze(2) * units
    own_unit = units.gather(1, own.unsqueeze(2).expand(-1, 1, x.shape[1])).squeeze(1)
    f4 = scale * own_slope * shares.sum(dim=1, keepdim=True) * own_unit
    return SoftmaxForces(-f2.sum(dim=1), f2, -f4, f4, probabilities, labels)


def _value_and_slope(
    function: Callable[[Tensor], Tensor] | None, name: str, distances: Tensor
) -> tuple[Tensor, Tensor]:
    """f(d) and the f'(d) that backpropagation sees; 0 at d = 0, where no direction goes with it."""
    if function is None:
        return distances, torch.ones_like(distances)
    value, slope = value_and_slope(function, name, distances)
    return value, torch.where(distances > 0, slope, 0.0)

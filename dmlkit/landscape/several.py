"""The landscape of three and more classes: all other proxies act as one, at a soft distance."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from dmlkit.checks import check_number, check_rows
from dmlkit.geometry import double_precision
from dmlkit.losses._common import check_proxies


def rival_distance(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float = 1.0) -> Tensor:
    r"""The soft minimum of the distances to all other proxies: what eq. 8 of paper W keeps of them (our derivation).

    $$ B_i = -\frac1T \log \sum_{j \neq y} e^{-T d_{ij}}, \qquad
       \log\Big(1 + \sum_{j \neq y} e^{T f(d_{iy}) - T d_{ij}}\Big) = \log\big(1 + e^{T (f(d_{iy}) - B_i)}\big) $$

    So the loss of C classes is the loss of two, with B in the place of the other distance. B lies below the smallest of
    the C − 1 distances by at most log(C − 1)/T; with two classes it is the other distance.

    Args:
        embeddings: (N, d).
        labels: (N,) integers in 0 … C − 1, the own classes.
        proxies: (C, d), C ≥ 2.
        scale: T > 0.

    Returns:
        (N,), in units of distance; float64, and differentiable.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, one class only, or a scale that is not above 0.

    Example:
        >>> rival_distance(torch.tensor([[0.0]]), torch.tensor([0]), torch.tensor([[1.0], [-2.0], [2.0]]))
        tensor([1.3069], dtype=torch.float64)

    Explained in the chapter "A landscape you can move".
    """
    _, _, others = _other_distances(embeddings, labels, proxies, scale)
    return -torch.logsumexp(-scale * others, dim=1) / scale


def outward_pull(embeddings: Tensor, labels: Tensor, proxies: Tensor, *, scale: float = 1.0) -> Tensor:
    r"""What the other proxies together do to an embedding, in units of its softmax weight (our derivation).

    $$ o_i = \sum_{j \neq y} w_{ij} u_{ij}, \qquad w_{ij} = \frac{p_{ij}}{1 - p_{iy}}
       = \frac{e^{-T d_{ij}}}{\sum_{k \neq y} e^{-T d_{ik}}}, \qquad u_{ij} = \frac{e_i - p_j}{d_{ij}} $$

    It is the gradient of `rival_distance`, and minus the gradient of paper W's eq. 8 is
    $T (1 - p_{iy}) (o_i - f' u_{iy})$, with $f'$ = α below r and β above. Neither the warp nor the own proxy enters o.
    Its length is at most 1, and is 1 where all of the weight lies on one direction, as with two classes.

    Args:
        embeddings: (N, d). On a proxy the direction from it does not exist; it then counts as 0.
        labels: (N,) integers in 0 … C − 1, the own classes.
        proxies: (C, d), C ≥ 2.
        scale: T > 0.

    Returns:
        (N, d), without a unit; float64.

    Raises:
        TypeError, ValueError: as `rival_distance`.

    Example:
        >>> square = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [-1.0, -1.0], [1.0, -1.0]])
        >>> pull = outward_pull(square[:1], torch.tensor([0]), square)
        >>> pull, pull.norm()
        (tensor([[0.5371, 0.5371]], dtype=torch.float64), tensor(0.7596, dtype=torch.float64))

    Explained in the chapter "A landscape you can move".
    """
    rows, points, others = _other_distances(embeddings, labels, proxies, scale)
    weights = (-scale * others).softmax(dim=1)
    shares = torch.where(others > 0, weights / others, 0.0)
    return shares.sum(dim=1, keepdim=True) * rows - shares @ points


def _other_distances(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Rows and proxies in float64, and their distances with ∞ in the place of the own one."""
    check_proxies(embeddings, labels, proxies, rivals=True)
    check_number("scale", scale, above=0)
    rows, points = double_precision(embeddings), double_precision(proxies)
    distances = torch.cdist(rows, points, compute_mode="donot_use_mm_for_euclid_dist")
    return rows, points, distances.scatter(1, labels.long().unsqueeze(1), torch.inf)


def simplex_pull(behind: float, classes: int, *, side: float = 1.0) -> float:
    r"""The outward pull on the ray behind a corner of a regular simplex of proxies (our derivation).

    The other corners are equally far from each point of the ray, so all weights are 1/(C − 1), and with h, the height
    of the simplex, and R, the radius of the opposite face,

    $$ \kappa(t) = \frac{t + h}{\sqrt{(t + h)^2 + R^2}}, \qquad h = D \sqrt{\frac{C}{2 (C - 1)}}, \qquad
       R = D \sqrt{\frac{C - 2}{2 (C - 1)}} $$

    On the own proxy κ(0) = h/D: 1 for two classes, .866 for three, and falling to 1/√2 = .707 for many.

    Args:
        behind: t ≥ 0, the distance behind the own proxy.
        classes: C ≥ 2.
        side: D > 0, the distance between any two proxies.

    Returns:
        κ, in (0, 1].

    Raises:
        TypeError, ValueError: an argument out of range.

    Example:
        >>> round(simplex_pull(0, classes=4), 4)
        0.8165

    Explained in the chapter "A landscape you can move", for paper W's eq. 8.
    """
    check_number("behind", behind, least=0)
    height, radius = _simplex(classes, side)
    return (behind + height) / math.hypot(behind + height, radius)


def turning_distance(alpha: float, classes: int, *, side: float = 1.0) -> float:
    r"""How far behind its proxy an embedding is driven outward, on a regular simplex (our derivation).

    Below r the force along the ray is proportional to κ(t) − α, and κ (`simplex_pull`) rises with t. It is 0 at

    $$ t^* = \frac{\alpha R}{\sqrt{1 - \alpha^2}} - h $$

    Nearer than t* the embedding falls onto its proxy, farther it goes out to r, if r > t*.

    Args:
        alpha: slope of the warp below r, at least 0.
        classes: C ≥ 2.
        side: D > 0, the distance between any two proxies.

    Returns:
        t* in units of distance; 0 if the embedding is driven outward from everywhere, ∞ if from nowhere (α ≥ 1).

    Raises:
        TypeError, ValueError: an argument out of range.

    Example:
        >>> round(turning_distance(0.93, classes=100), 3), turning_distance(0.5, classes=100)
        (1.069, 0.0)

    Explained in the chapter "A landscape you can move", for paper W's eq. 8.
    """
    check_number("alpha", alpha, least=0)
    height, radius = _simplex(classes, side)
    if alpha >= 1:
        return math.inf
    return max(0.0, alpha * radius / math.sqrt(1 - alpha**2) - height)


def _simplex(classes: int, side: float) -> tuple[float, float]:
    """Height of a regular simplex over one of its faces, and the distance of that face's corners from its centre."""
    if isinstance(classes, bool) or not isinstance(classes, int):
        raise TypeError(f"classes must be a whole number, found {classes!r}")
    check_number("classes", classes, least=2)
    check_number("side", side, above=0)
    half = 2 * (classes - 1)
    return side * math.sqrt(classes / half), side * math.sqrt((classes - 2) / half)


class Equilibrium(NamedTuple):
    """A place where an embedding comes to rest: `point` (d,), its `distance` from the own proxy, and the `kind`.

    The kind is "own proxy", "at r", or "inside" (nearer than r, between other proxies). `pull` is the length of the
    outward pull there: below α on the own proxy, above α at r, and equal to α inside.
    """

    point: Tensor
    distance: float
    kind: str
    pull: float


def equilibria(
    own: int,
    proxies: Tensor,
    *,
    alpha: float,
    beta: float,
    r: float,
    scale: float = 1.0,
    starts: int = 64,
    steps: int = 20_000,
    seed: int = 0,
) -> list[Equilibrium]:
    r"""Where gradient descent on paper W's eq. 8 can leave an embedding while the proxies stand still (our derivation).

    Training follows the slopes of $g(e) = f_\mathrm{eff}(d_y) - B(e)$, with B of `rival_distance`. For β > 1 no minimum
    lies beyond r, so the search stays in the ball around the own proxy, where

    $$ g(e') \le \alpha \lVert e' - p_y \rVert - B(e) - o(e) \cdot (e' - e) + \frac{T}{2} \lVert e' - e \rVert^2 $$

    touches g from above at e. Its minimum over the ball is a formula, and each step goes there: bound optimisation. A
    step is made longer for as long as the bound holds. What is found is nudged and let go again, so that a pass between
    two valleys does not count as one. Every basin needs a start in it: raise `starts` where there are many proxies.

    Args:
        own: number of the own class.
        proxies: (C, d), C ≥ 2, different from each other.
        alpha, beta, r: of `dmlkit.losses.warp`, here with α ≥ 0, β > 1 and r finite.
        scale: T > 0.
        starts: how many random points of the ball to start from, besides one behind and one before each other proxy.
        steps: the most steps from each start.
        seed: of the starts.

    Returns:
        The minima, the one nearest to the own proxy first. Where minima fill a curve, points of it.

    Raises:
        TypeError, ValueError: an argument out of range.

    Example:
        >>> triangle = torch.tensor([[0.0, 0.0], [-1.7321, 1.0], [-1.7321, -1.0]])
        >>> for e in equilibria(0, triangle, alpha=0.93, beta=1.5, r=1.5):
        ...     print(e.kind, [round(x, 3) + 0.0 for x in e.point.tolist()], round(e.pull, 3))
        own proxy [0.0, 0.0] 0.866
        at r [1.5, 0.0] 0.955

    Explained in the chapter "A landscape you can move".
    """
    check_rows(proxies, "proxies")
    if isinstance(own, bool) or not isinstance(own, int) or not 0 <= own < len(proxies):
        raise ValueError(f"own must be one of the classes 0 … {len(proxies) - 1}, found {own!r}")
    check_number("alpha", alpha, least=0)
    check_number("beta", beta, above=1)
    check_number("r", r, least=0)
    for name, count in (("starts", starts), ("steps", steps)):
        check_number(name, count, least=1)
    points = double_precision(proxies)
    center = points[own]

    def pull_at(x: Tensor) -> Tensor:
        return outward_pull(center + x, torch.full((len(x),), own), points, scale=scale)

    def height(x: Tensor) -> Tensor:
        rival = rival_distance(center + x, torch.full((len(x),), own), points, scale=scale)
        return alpha * x.norm(dim=1) - rival

    def settled(x: Tensor) -> Tensor:
        step = torch.full((len(x), 1), 1 / scale, dtype=x.dtype)
        value = height(x)
        before = value + 1
        for count in range(int(steps)):
            if count % 25 == 0:
                if (before - value).max() < 1e-14 * (1 + r):
                    break
                before = value
            pull = pull_at(x)
            ahead = x + step * pull
            length = ahead.norm(dim=1, keepdim=True)
            # The bound's minimum: shrink by α, then back into the ball.
            kept = (length - alpha * step).clamp(0, r)
            there = torch.where(length > 0, ahead / length, 0.0) * kept
            move = there - x
            bound = value + alpha * (there.norm(dim=1) - x.norm(dim=1)) - (pull * move).sum(dim=1)
            bound = bound + (move.square().sum(dim=1) / (2 * step.squeeze(1)))
            new = height(there)
            holds = (new <= bound + 1e-15).unsqueeze(1)
            x, value = torch.where(holds, there, x), torch.where(holds.squeeze(1), new, value)
            step = torch.where(holds, 2 * step, step / 4).clamp(1 / scale, 1e6 / scale)
        return x

    generator = torch.Generator().manual_seed(seed)
    toward = torch.nn.functional.normalize(points[torch.arange(len(points)) != own] - center, dim=1)
    random = torch.randn(int(starts), points.shape[1], generator=generator, dtype=points.dtype)
    random = torch.nn.functional.normalize(random, dim=1) * torch.rand(int(starts), 1, generator=generator).to(random)
    found = settled(r * torch.cat([-toward, toward, random]))
    nudge = torch.randn(found.shape, generator=generator, dtype=found.dtype)
    found = settled(found + 1e-3 * r * torch.nn.functional.normalize(nudge, dim=1))

    minima: list[Equilibrium] = []
    for x, pull in sorted(zip(found, pull_at(found).norm(dim=1).tolist(), strict=True), key=lambda one: one[0].norm()):
        distance = x.norm().item()
        if all((center + x - other.point).norm() > 1e-3 * r for other in minima):
            kind = "own proxy" if distance <= 1e-9 * r else "at r" if distance >= (1 - 1e-9) * r else "inside"
            minima.append(Equilibrium(center + x, distance, kind, pull))
    return minima

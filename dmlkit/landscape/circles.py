"""The loss of two classes around a circle: the distance to the other proxy, and where minima and maxima lie."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dmlkit.checks import check_number
from dmlkit.losses._common import function_values

# Two values of f count as equal if they differ by less than this share of the largest: what rounding may do.
_EQUAL = 1e-12


@dataclass(frozen=True)
class CircleExtremum:
    """One of what `extrema_on_circle` finds; every θ in (0, π) stands for −θ as well.

    Attributes:
        kind: "minimum" or "maximum" of the loss; "level" for a flat stretch that goes on downhill at one end and uphill
            at the other, or for a circle that is flat all round.
        theta: from and to, in radians, 0 … π; equal for a point.
        distance: the distances to the other proxy there, from and to.
        loss: in nats.
        whole: it is the lowest (a maximum: the highest) place of the whole circle, maybe one of several.
    """

    kind: str
    theta: tuple[float, float]
    distance: tuple[float, float]
    loss: float
    whole: bool

    @property
    def is_point(self) -> bool:
        """Whether it is a single angle (and its mirror image), not a stretch."""
        return self.theta[0] == self.theta[1]


def circle_distances(theta: Tensor, radius: float, separation: float) -> Tensor:
    r"""Distance to the other proxy from a point of a circle around the own one (paper W, eq. 15).

    $$ d_2 = \sqrt{\rho^2 + D^2 - 2 \rho D \cos\theta} $$

    the law of cosines, with ρ the radius, D the distance of the two proxies, θ the angle at the own proxy between the
    directions to the point and to the other proxy. It is computed as √((ρ − D)² + 4ρD sin²(θ/2)), which is the same and
    keeps its digits where the circle passes close to the other proxy.

    Args:
        theta: angles in radians, any shape; 0 is the side of the other proxy, π the far side.
        radius: ρ > 0.
        separation: D > 0.

    Returns:
        The shape of `theta`, from $\lvert \rho - D \rvert$ at 0 to ρ + D at π, in units of distance.

    Raises:
        TypeError: angles that are no floating-point tensor, or a number that is none.
        ValueError: a radius or a separation that is not above 0.

    Example:
        >>> circle_distances(torch.tensor([0.0, torch.pi / 2, torch.pi]), radius=3.0, separation=4.0)
        tensor([1., 5., 7.])

    Explained in the chapter "Monotone or not".
    """
    if not isinstance(theta, Tensor) or not theta.is_floating_point():
        found = theta.dtype if isinstance(theta, Tensor) else type(theta).__name__
        raise TypeError(f"theta must be a floating-point torch.Tensor, found {found}")
    check_number("radius", radius, above=0)
    check_number("separation", separation, above=0)
    return ((radius - separation) ** 2 + 4 * radius * separation * torch.sin(theta / 2).square()).sqrt()


@torch.no_grad()
def extrema_on_circle(
    f: Callable[[Tensor], Tensor],
    radius: float,
    separation: float,
    *,
    f_own: Callable[[Tensor], Tensor] | None = None,
    samples: int = 2001,
) -> list[CircleExtremum]:
    r"""All minima and maxima of the loss of two classes on a circle around the own proxy (paper W, Lemma III.1).

    $$ L(\theta) = \log\big(1 + \exp(f_\mathrm{own}(\rho) - f(d_2(\theta)))\big) $$

    with $d_2$ = `circle_distances` (eqs. 5 and 15; eq. 6 where $f_\mathrm{own}$ is another function). On the circle
    $f_\mathrm{own}(\rho)$ is a constant, and $d_2$ rises from $\lvert \rho - D \rvert$ to ρ + D as θ goes from 0 to π.
    So the minima of the loss are the maxima of f on that interval, and they are looked for there: f need not be smooth.
    The lemma's statement holds on this circle if the list is a maximum at 0 and a minimum at π, and no more.

    Args:
        f: what the distance to the other proxy goes through; called with distances (n,) in float64, at least 0. It may
            have corners; at a jump the angle is found, and the loss may be that of either side.
        radius: ρ > 0, of the circle.
        separation: D > 0, the distance of the two proxies.
        f_own: what the distance to the own proxy goes through; None takes `f`, as eq. 5 does.
        samples: places at which f is looked at first, evenly over the interval; a hill or a flat stretch narrower than
            two of their steps may be missed.

    Returns:
        `CircleExtremum`, ordered by θ, in nats and radians; ties and flat stretches with where they begin and end.

    Raises:
        TypeError: an argument of the wrong type.
        ValueError: a number out of range, a function that changes shapes or has values that are not finite.

    Example:
        >>> found = extrema_on_circle(lambda d: d * torch.exp(-d / 2), radius=1.5, separation=2.0)
        >>> [(e.kind, round(e.theta[0], 3), round(e.distance[0], 3)) for e in found]
        [('maximum', 0.0, 0.5), ('minimum', 1.186, 2.0), ('maximum', 3.142, 3.5)]

    Explained in the chapter "Monotone or not".
    """
    check_number("radius", radius, above=0)
    check_number("separation", separation, above=0)
    if isinstance(samples, bool) or not isinstance(samples, int):
        raise TypeError(f"samples must be a whole number, found {samples!r}")
    if samples < 3:
        raise ValueError(f"samples must be at least 3, found {samples}")
    low, high = abs(radius - separation), radius + separation

    def value(x: Tensor) -> Tensor:
        return _values(f, "f", x)

    x = torch.linspace(low, high, samples, dtype=torch.float64)
    x[-1] = high  # not a rounding below it
    values = value(x)
    own = torch.tensor([float(radius)], dtype=torch.float64)
    constant = value(own) if f_own is None else _values(f_own, "f_own", own)
    equal = _EQUAL * values.abs().max()
    # Equal neighbours are a flat stretch, or the two sides of one hill: look between them.
    tied = (values.diff().abs() <= equal).nonzero().squeeze(1)
    if len(tied):
        part = torch.arange(1, 8, dtype=torch.float64) / 8
        x = torch.cat([x, (x[tied, None] + part * (x[tied + 1] - x[tied]).unsqueeze(1)).flatten()]).unique()
        values = value(x)
    steps = torch.where(values.diff().abs() <= equal, 0.0, values.diff().sign()).tolist()

    found, first, count = [], 0, len(x)
    while first < count:
        last = first
        while last + 1 < count and steps[last] == 0:
            last += 1
        before = steps[first - 1] if first else 0.0
        after = steps[last] if last + 1 < count else 0.0
        kind = _kind(before, after, flat=last > first)
        if kind and last > first:
            begin, end = first, last
            found.append(
                (
                    kind,
                    _edge(value, x[begin - 1], x[begin], equal) if first else low,
                    _edge(value, x[end + 1], x[end], equal) if last + 1 < count else high,
                )
            )
        elif kind:
            sides = x[max(first - 1, 0)].item(), x[min(last + 1, count - 1)].item()
            ends = [end for end, reached in ((low, first == 0), (high, last + 1 == count)) if reached]
            place = _summit(value, *sides, ends, equal, sign=1.0 if kind == "minimum" else -1.0)
            found.append((kind, place, place))
            # A hill within the first or the last step: the end is a valley of its own.
            valley = {"minimum": "maximum", "maximum": "minimum"}[kind]
            for end in ends:
                if place != end:
                    found.insert(len(found) - (end == low), (valley, end, end))
        first = last + 1
    return _described(found, value, constant, low, high, 10 * equal)


def _kind(before: float, after: float, *, flat: bool) -> str | None:
    """What a place of f, with f rising (1) or falling (−1) before and after it, is for the loss; 0 is an end."""
    if before == after:  # on the way up or down; or, if both are 0, all that there is
        return "level" if flat else None
    return "minimum" if before > after else "maximum"


def _values(f: Callable[[Tensor], Tensor], name: str, x: Tensor) -> Tensor:
    """f at the distances x, in float64; what is no function, changes shapes or is not finite is refused."""
    values = function_values(f, name, x)
    bad = (~values.isfinite()).nonzero()
    if len(bad):
        place = bad[0, 0]
        raise ValueError(f"{name} must be finite, found {values[place]:g} at the distance {x[place]:g}")
    return values.double()


def _edge(value: Callable[[Tensor], Tensor], outside: Tensor, inside: Tensor, equal: Tensor) -> float:
    """Where a flat stretch that holds `inside` and not `outside` ends, by halving."""
    level = value(inside.reshape(1))
    for _ in range(60):
        middle = (outside + inside) / 2
        if (value(middle.reshape(1)) - level).abs() <= equal:
            inside = middle
        else:
            outside = middle
    return inside.item()


def _summit(
    value: Callable[[Tensor], Tensor], left: float, right: float, ends: list[float], equal: Tensor, *, sign: float
) -> float:
    """Where f (its negative for sign −1) is highest between two places, by ever finer steps; corners are as welcome.

    At an end of the interval it is the end itself, unless f is higher beside it by more than rounding.
    """
    part = torch.linspace(0, 1, 33, dtype=torch.float64)
    for _ in range(12):
        x = left + part * (right - left)
        heights = sign * value(x)
        best = (heights == heights.max()).nonzero().squeeze(1)  # several where rounding sees no difference
        first, last = best[0].item(), best[-1].item()
        middle = ((x[first] + x[last]) / 2).item()
        left, right = x[max(first - 1, 0)].item(), x[min(last + 1, 32)].item()
    for end in ends:
        at_end, inside = sign * value(part.new_tensor([end, middle]))
        if at_end >= inside - equal:
            return end
    return middle


def _described(
    found: list[tuple[str, float, float]],
    value: Callable[[Tensor], Tensor],
    constant: Tensor,
    low: float,
    high: float,
    equal: Tensor,
) -> list[CircleExtremum]:
    """Angles, losses, and which are the lowest and the highest of the circle."""
    ends = torch.tensor([[begin, end] for _, begin, end in found], dtype=torch.float64)
    # tan(θ/2) = √(d² − low²) / √(high² − d²): exactly 0 at the near side, exactly π at the far side.
    theta = 2 * torch.atan2(
        ((ends - low) * (ends + low)).clamp_min(0).sqrt(), ((high - ends) * (high + ends)).clamp_min(0).sqrt()
    )
    heights = value(ends[:, 0])
    losses = torch.logaddexp(constant.new_zeros(()), constant - heights)
    top, bottom = heights.max() - equal, heights.min() + equal
    return [
        CircleExtremum(
            kind=kind,
            theta=(theta[k, 0].item(), theta[k, 1].item()),
            distance=(begin, end),
            loss=losses[k].item(),
            whole=bool(heights[k] <= bottom if kind == "maximum" else heights[k] >= top),
        )
        for k, (kind, begin, end) in enumerate(found)
    ]

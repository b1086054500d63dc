"""Where the warp puts its minimum, and Lemma III.1 of the paper: claims about the landscape of two proxies."""

import math

import pytest
import torch
import torch.nn.functional as F

from dmlkit.losses import effective_warp, warped_softmax

SETTINGS = [
    # alpha, beta, r, distance between the proxies, dimension, scale
    (0.5, 1.5, 1.5, 2.0, 2, 1.0),
    (0.0, 1.1, 0.3, 5.0, 3, 1.0),
    (0.9, 3.0, 4.0, 0.5, 8, 0.7),
    (0.8, 1.15, 2.0, 1.0, 2, 2.0),
]


def scene(distance, dim, seed=0):
    """Own proxy, other proxy and the unit vector from the other to the own, in a random direction and place."""
    generator = torch.Generator().manual_seed(seed)
    behind = F.normalize(torch.randn(dim, generator=generator, dtype=torch.float64), dim=0)
    own = torch.randn(dim, generator=generator, dtype=torch.float64)
    return own, own - distance * behind, behind


def effective_loss(points, own, other, alpha, beta, r, scale):
    """Eq. 8 for two classes with the function that training follows in place of the warp."""
    near = effective_warp((points - own).norm(dim=-1), alpha=alpha, beta=beta, r=r)
    return F.softplus(scale * (near - (points - other).norm(dim=-1)))


@pytest.mark.parametrize(("alpha", "beta", "r", "distance", "dim", "scale"), SETTINGS)
def test_minimum_of_the_ray_lies_at_r_behind_the_own_proxy(alpha, beta, r, distance, dim, scale):
    own, other, behind = scene(distance, dim)
    t = torch.linspace(-0.5 * distance, 4 * r, 4001, dtype=torch.float64)
    values = effective_loss(own + t.unsqueeze(1) * behind, own, other, alpha, beta, r, scale)
    step = (t[1] - t[0]).item()
    assert t[values.argmin()].item() == pytest.approx(r, abs=step)
    # And it is the only one: down all the way to it, up all the way from it.
    assert (values[t < r - step].diff() < 0).all()
    assert (values[t > r + step].diff() > 0).all()


@pytest.mark.parametrize(("alpha", "beta", "r", "distance", "dim", "scale"), SETTINGS)
def test_minimum_of_the_ray_is_the_lowest_point_of_all(alpha, beta, r, distance, dim, scale):
    own, other, behind = scene(distance, dim)
    lowest = effective_loss(own + r * behind, own, other, alpha, beta, r, scale)
    generator = torch.Generator().manual_seed(1)
    for spread in (0.1 * r, r, 10 * (r + distance)):
        near = own + r * behind + spread * torch.randn(5000, dim, generator=generator, dtype=torch.float64)
        assert (effective_loss(near, own, other, alpha, beta, r, scale) >= lowest).all()


@pytest.mark.parametrize(("alpha", "beta", "r", "distance", "dim", "scale"), SETTINGS)
def test_gradient_of_the_loss_is_that_of_the_effective_landscape_up_to_its_weight(alpha, beta, r, distance, dim, scale):
    """Below r only the weight 1 − p differs (it comes from the forward values); the direction is that of f_eff."""
    own, other, _ = scene(distance, dim)
    noise = torch.randn(64, dim, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    points = (own + r * noise).requires_grad_()
    proxies, labels = torch.stack([own, other]), torch.zeros(64, dtype=torch.long)
    loss = warped_softmax(points, labels, proxies, alpha=alpha, beta=beta, r=r, scale=scale, reduction="sum")
    (followed,) = torch.autograd.grad(loss, points)
    (effective,) = torch.autograd.grad(effective_loss(points, own, other, alpha, beta, r, scale).sum(), points)
    torch.testing.assert_close(F.normalize(followed, dim=1), F.normalize(effective, dim=1), atol=1e-9, rtol=0)


@pytest.mark.parametrize(("alpha", "beta", "r", "distance", "dim"), [(0.5, 1.5, 1.5, 2.0, 2), (0.6, 1.6, 0.5, 1.0, 3)])
def test_gradient_descent_ends_at_r_behind_the_own_proxy(alpha, beta, r, distance, dim):
    own, other, behind = scene(distance, dim)
    proxies = torch.stack([own, other])
    noise = torch.randn(8, dim, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    points, labels = own + r * noise, torch.zeros(8, dtype=torch.long)
    for step in range(300):
        points.requires_grad_()
        loss = warped_softmax(points, labels, proxies, alpha=alpha, beta=beta, r=r, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, points)
        points = (points - 2 * 0.98**step * gradient).detach()  # the slope turns at r: only shrinking steps settle
    torch.testing.assert_close(points, (own + r * behind).expand(8, dim), atol=0.02, rtol=0)


# Lemma III.1: on the sphere of radius ρ around the own proxy, a strictly increasing f has its only minimum at the far
# side of the line through both proxies, and its only maximum at the near side.

RADII = [0.3, 1.0, 2.0, 5.0]


def circle(own, behind, radius, points=720):
    """Points around the own proxy in a plane that holds the line through both; the first lies behind, the middle
    one before it."""
    generator = torch.Generator().manual_seed(4)
    side = torch.randn(len(own), generator=generator, dtype=torch.float64)
    side = F.normalize(side - (side @ behind) * behind, dim=0)
    angles = torch.arange(points, dtype=torch.float64).unsqueeze(1) * (2 * math.pi / points)
    return own + radius * (angles.cos() * behind + angles.sin() * side)


def assert_only_extrema_on_the_line(values):
    far, near = 0, len(values) // 2
    rest = torch.ones(len(values), dtype=torch.bool)
    rest[[far, near]] = False
    assert (values[rest] > values[far]).all()
    assert (values[rest] < values[near]).all()


@pytest.mark.parametrize("radius", RADII)
@pytest.mark.parametrize(("alpha", "beta", "r", "distance", "dim", "scale"), SETTINGS)
def test_lemma_for_the_warped_loss(alpha, beta, r, distance, dim, scale, radius):
    own, other, behind = scene(distance, dim)
    values = warped_softmax(
        circle(own, behind, radius),
        torch.zeros(720, dtype=torch.long),
        torch.stack([own, other]),
        alpha=alpha,
        beta=beta,
        r=r,
        scale=scale,
        reduction="none",
    )
    assert_only_extrema_on_the_line(values)


def eq_5_on_a_circle(alpha, radius):
    """Eq. 5 puts f on both distances; here f is the warp's effective form with r = 1.2, the proxies 0.8 apart."""
    own, other, behind = scene(0.8, 2)
    points = circle(own, behind, radius)
    near, far = (effective_warp((points - p).norm(dim=1), alpha=alpha, beta=1.5, r=1.2) for p in (own, other))
    return F.softplus(near - far)


@pytest.mark.parametrize("radius", RADII)
def test_lemma_for_eq_5(radius):
    assert_only_extrema_on_the_line(eq_5_on_a_circle(0.2, radius))


def test_a_flat_function_gives_ties():
    """Why the lemma needs strictness: with α = 0 and both distances below r the whole circle has one value."""
    values = eq_5_on_a_circle(0.0, 0.3)
    torch.testing.assert_close(values, torch.full_like(values, math.log(2)), atol=1e-12, rtol=0)

"""Minima on the ray: closed forms, stopped gradients, random chains of straight pieces, a search in the plane."""

from __future__ import annotations

import doctest
import inspect
import re
from functools import partial
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from dmlkit.landscape import RayMinima, minima_on_ray, rays, slope_on_ray
from dmlkit.losses import effective_warp, monotone_softmax, warp


def identity(d: Tensor) -> Tensor:
    return d


FAR = {"furthest": 10.0}


@pytest.mark.parametrize("name", ["minima_on_ray", "slope_on_ray"])
def test_docstring_and_its_example(name):
    function = getattr(rays, name)
    text = inspect.getdoc(function)
    for part in ("paper W, ", "Args:", "Returns:", "Raises:", 'Explained in the chapter "Placing the minimum".'):
        assert part in text
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^    {argument}: ", text, re.MULTILINE), argument
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={**vars(rays), "torch": torch})
    runner = doctest.DocTestRunner()
    runner.run(test)
    assert test.examples and runner.failures == 0


@pytest.mark.parametrize("separation", [0.3, 2.0, 40.0])
@pytest.mark.parametrize("f", [warp, effective_warp])
def test_warp_is_lowest_at_r_exactly(f, separation):
    """The value of `warp` has no minimum at r: that it is found shows that the slopes are followed."""
    random = np.random.default_rng(0)
    for _ in range(6):
        alpha, beta, r = random.uniform(0, 0.99), random.uniform(1.01, 3), random.uniform(0.05, 9.5)
        found = minima_on_ray(partial(f, alpha=alpha, beta=beta, r=r), identity, separation, **FAR)
        assert found == RayMinima(minima=(r,), valleys=(), at_proxy=False, falls_at_end=False)


@pytest.mark.parametrize("margin", [0.0, 1.0, 3.5])
def test_margin_does_not_move_the_minimum(margin):
    found = minima_on_ray(partial(warp, alpha=0.2, beta=1.1, r=3.3, margin=margin), identity, 2.0, **FAR)
    assert found.minima == (3.3,)


@pytest.mark.parametrize(
    ("alpha", "beta", "valley", "at_proxy"),
    [(1, 1.5, (0.0, 3.3), True), (0.5, 1, (3.3, 10.0), False), (1, 1, (0.0, 10.0), True)],
)
def test_half_warps_leave_a_valley(alpha, beta, valley, at_proxy):
    f = partial(warp, alpha=alpha, beta=beta, r=3.3)
    assert minima_on_ray(f, identity, 2.0, **FAR) == RayMinima((), (valley,), at_proxy, falls_at_end=False)


def test_half_warp_without_an_end_falls_for_ever():
    f = partial(warp, alpha=0.5, beta=1.0, r=float("inf"))
    assert minima_on_ray(f, identity, 2.0, **FAR) == RayMinima((), (), at_proxy=False, falls_at_end=True)


@pytest.mark.parametrize("f", [torch.square, torch.exp, lambda d: torch.sqrt(1 + d**2), lambda d: d**1.01])
def test_convex_twice_goes_to_infinity(f):
    assert minima_on_ray(f, f, 2.0, **FAR) == RayMinima((), (), at_proxy=False, falls_at_end=True)


@pytest.mark.parametrize("f", [torch.sqrt, torch.log1p, lambda d: -torch.exp(-d), lambda d: d**0.99])
def test_concave_twice_stays_at_the_proxy(f):
    assert minima_on_ray(f, f, 2.0, **FAR) == RayMinima((), (), at_proxy=True, falls_at_end=False)


@pytest.mark.parametrize("p", [1.001, 2.0, 5.0])
@pytest.mark.parametrize("r", [0.4123, 3.0, 8.5111])
def test_powers_are_lowest_where_their_slope_is_one(p, r):
    found = minima_on_ray(lambda d: d**p / (p * r ** (p - 1)), identity, 2.0, **FAR)
    assert found.minima == pytest.approx((r,), rel=1e-9) and not found.at_proxy and not found.falls_at_end


@pytest.mark.parametrize(("centre", "separation"), [(3.0, 2.0), (3.0, 5.0), (1.0, 3.0)])
def test_one_s_curve_is_lowest_half_the_separation_before_its_centre(centre, separation):
    def f(d):
        return torch.tanh(d - centre)

    found = minima_on_ray(f, f, separation, furthest=8.0)
    place = centre - separation / 2
    assert found.minima == (pytest.approx((place,), abs=1e-9) if place > 0 else ())
    assert found.at_proxy == (place <= 0)


def test_touching_zero_without_a_change_of_sign_is_no_minimum():
    falls = minima_on_ray(lambda d: d - (d - 1) ** 3 / 30, identity, 2.0, **FAR)  # slope −(t − 1)²/10
    assert falls == RayMinima((), (), at_proxy=False, falls_at_end=True)
    rises = minima_on_ray(lambda d: d + (d - 1) ** 3 / 30, identity, 2.0, **FAR)
    assert rises == RayMinima((), (), at_proxy=True, falls_at_end=False)


def test_terrace_is_no_valley():
    def f(d):  # slopes ½, 1, ½, 2: flat between 2 and 4, then down again
        return chain([2.0, 4.0, 5.0], [0.5, 1.0, 0.5, 2.0])(d)

    found = minima_on_ray(f, identity, 1.0, **FAR)
    assert found.minima == pytest.approx((5.0,)) and found.valleys == ()


def test_slope_that_grazes_zero_at_a_node_is_a_point():
    found = minima_on_ray(lambda d: d + (d - 2.5) ** 4 / 400, identity, 2.0, **FAR)
    assert found.valleys == () and found.minima == pytest.approx((2.5,), abs=1e-5)


def chain(knots: list[float], slopes: list[float]):
    """Continuous, straight between the knots."""

    def f(d: Tensor) -> Tensor:
        ends = [0.0, *knots]
        steps = [(slope, start, end) for slope, start, end in zip(slopes, ends, [*knots, np.inf], strict=True)]
        return sum(slope * (d.clamp(start, end) - start) for slope, start, end in steps)

    return f


def by_hand(knots: list[float], slopes: list[float], furthest: float) -> RayMinima:
    """The outcome for a chain against slope 1, read off the signs of its pieces."""
    signs = np.sign(np.array(slopes) - 1)
    starts, ends = [0.0, *knots], [*knots, furthest]
    pieces = []  # neighbours of one sign together
    for sign, start, end in zip(signs, starts, ends, strict=True):
        if pieces and pieces[-1][0] == sign:
            pieces[-1][2] = end
        else:
            pieces.append([sign, start, end])
    minima = [a[2] for a, b in pairwise(pieces) if a[0] < 0 < b[0]]
    valleys = [
        (start, end)
        for k, (sign, start, end) in enumerate(pieces)
        if sign == 0 and (k == 0 or pieces[k - 1][0] < 0) and (k == len(pieces) - 1 or pieces[k + 1][0] > 0)
    ]
    return RayMinima(tuple(minima), tuple(valleys), bool(signs[0] >= 0), bool(signs[-1] < 0))


def test_random_chains():
    random = np.random.default_rng(1)
    several = 0
    for _ in range(60):
        knots = np.sort(random.uniform(0.1, 9.9, size=random.integers(1, 7)))
        if np.diff(knots, prepend=0, append=10).min() < 0.05:
            continue
        slopes = random.choice([0.0, 0.5, 1.0, 1.5, 3.0], size=len(knots) + 1)
        expected = by_hand(knots.tolist(), slopes.tolist(), 10.0)
        found = minima_on_ray(chain(knots.tolist(), slopes.tolist()), identity, 1.7, **FAR)
        assert (found.at_proxy, found.falls_at_end) == (expected.at_proxy, expected.falls_at_end)
        assert found.minima == pytest.approx(expected.minima, abs=1e-12)
        assert sum(found.valleys, ()) == pytest.approx(sum(expected.valleys, ()), abs=1e-12)
        several += len(expected.minima) > 1
    assert several >= 3


def test_a_function_that_is_not_monotone_may_send_the_proxy_towards_the_other():
    """Behind the proxy g rises, between the two it falls: no minimum at the proxy."""
    found = minima_on_ray(lambda d: 2 * d, lambda d: -3 * d, 2.0, **FAR)
    assert found == RayMinima((), (), at_proxy=False, falls_at_end=False)


def test_a_constant_has_slope_zero():
    found = minima_on_ray(torch.zeros_like, identity, 2.0, **FAR)
    assert found.falls_at_end and not found.at_proxy
    assert minima_on_ray(identity, torch.zeros_like, 2.0, **FAR).at_proxy


def test_minimum_of_the_loss_in_the_plane():
    """For increasing functions the loss, searched in the plane, is lowest where the ray says."""
    random = np.random.default_rng(2)
    x, y = torch.meshgrid(torch.linspace(-3, 7, 401), torch.linspace(-2, 2, 161), indexing="ij")
    points = torch.stack([x, y], dim=-1).reshape(-1, 2).double()
    for _ in range(4):
        r, p, separation = random.uniform(0.5, 4), random.uniform(1.3, 4), random.uniform(0.5, 2.5)
        f = partial(lambda d, p, r: d**p / (p * r ** (p - 1)), p=p, r=r)
        proxies = torch.tensor([[0.0, 0.0], [-separation, 0.0]], dtype=torch.float64)
        zeros = torch.zeros(len(points), dtype=torch.long)
        loss = monotone_softmax(points, zeros, proxies, f_own=f, f_other=identity, reduction="none")
        (place,) = minima_on_ray(f, identity, separation, **FAR).minima
        assert (points[loss.argmin()] - torch.tensor([place, 0.0])).norm() < 0.03


def test_slope_on_ray_is_the_difference_of_two_slopes():
    t = torch.rand(3, 5, dtype=torch.float64) * 9
    slopes = slope_on_ray(torch.log1p, torch.square, 1.5, t)
    assert torch.allclose(slopes, 1 / (1 + t) - 2 * (t + 1.5), rtol=1e-12)
    warped = slope_on_ray(partial(warp, alpha=0.25, beta=2.0, r=4.0, margin=2.0), identity, 1.5, t)
    assert torch.equal(warped, torch.where(t < 4, -0.75, 1.0).double())


def test_gradients_are_on_even_inside_no_grad():
    with torch.no_grad():
        assert minima_on_ray(lambda d: d**2 / 6, identity, 2.0, **FAR).minima == pytest.approx((3.0,))


@pytest.mark.parametrize(
    ("changed", "error", "sentence"),
    [
        ({"separation": 0.0}, ValueError, "^separation must be greater than 0, found 0"),
        ({"separation": "2"}, TypeError, "^separation must be a number, found str"),
        ({"furthest": -1.0}, ValueError, "^furthest must be greater than 0, found -1"),
        ({"furthest": float("inf")}, ValueError, "^furthest must be a finite number"),
        ({"cells": 1}, ValueError, "^cells must be at least 2, found 1"),
        ({"cells": 100.0}, TypeError, "^cells must be a whole number, found 100.0"),
        ({"f_own": 3}, TypeError, "^f_own must be a function of distances, found int"),
        ({"f_other": lambda d: 1.0}, TypeError, "^f_other must return a torch.Tensor, found float"),
        ({"f_own": lambda d: d.sum()}, ValueError, r"^f_own must keep the shape \(4001,\) of its distances"),
        ({"f_own": lambda d: torch.exp(d**4)}, ValueError, "^f_own and f_other must have finite slopes along the ray"),
    ],
)
def test_wrong_input_is_refused(changed, error, sentence):
    arguments = {"f_own": identity, "f_other": identity, "separation": 2.0, "furthest": 10.0} | changed
    with pytest.raises(error, match=sentence):
        minima_on_ray(**arguments)


def test_negative_distances_are_refused():
    with pytest.raises(ValueError, match="^t must hold distances, at least 0"):
        slope_on_ray(identity, identity, 2.0, torch.tensor([1.0, -0.1]))

"""Bound optimisation: it never goes up, it ends where it should, and it tells which link of the chain is broken."""

from __future__ import annotations

import doctest
import math

import pytest
import torch

import dmlkit.bound_optimization
from dmlkit.bound_optimization import bound_optimizer

POINTS = torch.tensor([1.0, 2.0, 4.0, 9.0, 9.5], dtype=torch.float64)


def one(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype)


def mean_deviation(w):
    return (w - POINTS).abs().mean()


def parabola_above_deviation(w):
    """|r| ≤ r²/(2|r_t|) + |r_t|/2, the inequality of the two means."""
    sizes = (w - POINTS).abs()
    return lambda v: ((v - POINTS) ** 2 / (2 * sizes) + sizes / 2).mean(), (POINTS / sizes).sum() / (1 / sizes).sum()


def bowl(function, curvature):
    """The parabola of this curvature that touches the function."""

    def auxiliary(w):
        w = w.detach().requires_grad_()
        value = function(w)
        (slope,) = torch.autograd.grad(value, w)
        w, value = w.detach(), value.detach()
        return lambda v: value + (slope * (v - w)).sum() + curvature / 2 * ((v - w) ** 2).sum(), w - slope / curvature

    return auxiliary


def test_example():
    assert doctest.testmod(dmlkit.bound_optimization, extraglobs={"torch": torch}).attempted > 0
    assert doctest.testmod(dmlkit.bound_optimization, extraglobs={"torch": torch}).failed == 0


def test_mean_absolute_deviation_ends_at_the_median():
    path, values = bound_optimizer(mean_deviation, parabola_above_deviation, one(7.0), steps=7)
    assert path.shape == values.shape == (8,)
    assert (values.diff() <= 1e-12).all()
    assert path[-1].item() == pytest.approx(4.0, abs=0.01)
    assert values[-1].item() == pytest.approx(mean_deviation(one(4.0)).item(), abs=0.01)


def test_path_and_values_are_those_of_the_loop_written_out():
    path, values = bound_optimizer(mean_deviation, parabola_above_deviation, one(7.0), steps=5)
    w = 7.0
    for t in range(6):
        assert path[t].item() == pytest.approx(w, abs=1e-12)
        assert values[t].item() == pytest.approx(sum(abs(w - x) for x in POINTS.tolist()) / 5, abs=1e-12)
        weights = [1 / abs(w - x) for x in POINTS.tolist()]
        w = sum(a * x for a, x in zip(weights, POINTS.tolist(), strict=True)) / sum(weights)


@pytest.mark.parametrize("seed", range(5))
def test_logistic_regression_by_a_quarter_of_the_squares(seed):
    """Böhning and Lindsay: no curvature of the loss exceeds ¼ of the largest eigenvalue of the mean of x xᵀ."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    signs = torch.where(torch.rand(40, generator=generator) < 0.5, -1.0, 1.0).double()

    def loss(w):
        return torch.nn.functional.softplus(-signs * (x @ w)).mean()

    curvature = torch.linalg.eigvalsh(x.T @ x / 40)[-1].item() / 4
    path, values = bound_optimizer(loss, bowl(loss, curvature), torch.zeros(3, dtype=torch.float64), steps=500)
    assert path.shape == (501, 3) and (values.diff() <= 1e-15).all()
    last = path[-1].clone().requires_grad_()
    assert torch.autograd.grad(loss(last), last)[0].norm() < 1e-6


def test_a_bowl_too_flat_is_caught():
    """cos with a third of the curvature it needs: the bowl's minimum lies below the function."""
    with pytest.raises(ValueError, match=r"^auxiliary must not lie below the objective at w_1, found a = .*, f = "):
        bound_optimizer(torch.cos, bowl(torch.cos, 0.3), one(2.0), steps=3)


def test_the_step_that_breaks_is_named():
    """2 cos has curvature 2 in its valley: from near its peak the first steps of a bowl of 1.02 still lie above it."""
    with pytest.raises(ValueError, match=r"at w_[2-9]"):
        bound_optimizer(lambda w: 2 * w.cos(), bowl(lambda w: 2 * w.cos(), 1.02), one(0.1), steps=50)


def test_an_auxiliary_that_does_not_touch_is_caught():
    with pytest.raises(ValueError, match=r"^auxiliary must touch the objective at w_0, found a = 1.25, f = 1$"):
        bound_optimizer(lambda w: w**2, lambda w: (lambda v: v**2 + 0.25, 0 * w), one(1.0), steps=1)


def test_a_point_that_is_no_minimiser_is_caught():
    with pytest.raises(ValueError, match=r"^auxiliary must give its minimiser, found a = 9 there at step 0, 1 before"):
        bound_optimizer(lambda w: w**2, lambda w: (lambda v: v**2, one(3.0)), one(1.0), steps=1)


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_values_that_are_no_numbers_are_caught(broken):
    with pytest.raises(ValueError, match=r"^auxiliary must touch"):
        bound_optimizer(lambda w: w * broken, lambda w: (lambda v: v, w), one(1.0), steps=1)
    with pytest.raises(ValueError, match=r"^auxiliary must not lie below"):
        bound_optimizer(
            lambda w: w if w > 0.5 else broken * one(1.0), lambda w: (lambda v: v, one(0.0)), one(1.0), steps=1
        )


def test_tolerance_is_relative_to_large_values():
    near = [lambda v: 1e6 * v**2 + 1e-4, lambda v: 1e6 * v**2 + 1e-2]
    bound_optimizer(lambda w: 1e6 * w**2, lambda w: (near[0], 0 * w), one(1.0), steps=1)
    with pytest.raises(ValueError, match="touch"):
        bound_optimizer(lambda w: 1e6 * w**2, lambda w: (near[1], 0 * w), one(1.0), steps=1)
    bound_optimizer(lambda w: 1e6 * w**2, lambda w: (near[1], 0 * w), one(1.0), steps=1, tolerance=1e-6)


def test_shapes_dtypes_and_no_step():
    start = torch.ones(2, 3, requires_grad=True)
    path, values = bound_optimizer(
        lambda w: w.square().sum(), lambda w: (lambda v: v.square().sum(), 0 * w), start, steps=1
    )
    assert path.shape == (2, 2, 3) and path.dtype == torch.float32 and not path.requires_grad
    assert values.tolist() == [6.0, 0.0] and values.dtype == torch.float64
    path, values = bound_optimizer(torch.cos, bowl(torch.cos, 1.0), one(1.0), steps=0)
    assert path.tolist() == [1.0] and values.tolist() == pytest.approx([math.cos(1)])


def test_start_is_not_changed():
    start = one([1.0, 2.0])
    path, _ = bound_optimizer(lambda w: w.sum(), lambda w: (lambda v: v.sum(), w), start, steps=1)
    path += 1
    assert start.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"start": 1.0}, TypeError, "^start must be a floating-point tensor, found float$"),
        ({"start": torch.tensor(1)}, TypeError, "^start must be a floating-point tensor, found torch.int64$"),
        ({"steps": 2.0}, TypeError, "^steps must be a whole number, found 2.0$"),
        ({"steps": True}, TypeError, "^steps must be a whole number, found True$"),
        ({"steps": -1}, ValueError, "^steps must be at least 0, found -1$"),
        ({"tolerance": -1e-9}, ValueError, "^tolerance must be at least 0, found -1e-09$"),
        ({"tolerance": math.nan}, ValueError, "^tolerance must be a finite number, found nan$"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        bound_optimizer(torch.cos, bowl(torch.cos, 1.0), **{"start": one(1.0), "steps": 1, **arguments})

"""Functions of a distance by name: their values, their slopes, and the softmax that takes them by name."""

from __future__ import annotations

import json
import math
import re

import pytest
import torch

from dmlkit.losses import MonotoneSoftmax, distance_function, distance_slope, euclidean_softmax, monotone_softmax, warp
from dmlkit.losses.distance_functions import DISTANCE_FUNCTIONS, INNER_SLOPE, OUTER_SLOPE
from dmlkit.recipes.config import LossTerm, from_json, to_json
from dmlkit.training.assembly import build_loss

# Written out once more, in plain Python: name → (value, slope).
ORACLES = {
    "identity": (lambda d: d, lambda d: 1.0),
    "square": (lambda d: d * d, lambda d: 2 * d),
    "sqrt": (math.sqrt, lambda d: 0.5 / math.sqrt(d)),
    "log1p": (lambda d: math.log(1 + d), lambda d: 1 / (1 + d)),
    "expm1": (lambda d: math.exp(d) - 1, math.exp),
    "inner_half": (lambda d: d, lambda d: 0.7),
    "outer_half": (lambda d: 1.4 * d, lambda d: 1.4),
}
POINTS = torch.tensor([0.05, 0.3, 1.0, 1.7, 4.0, 12.5], dtype=torch.float64)
each = pytest.mark.parametrize("name", DISTANCE_FUNCTIONS)


def test_every_function_has_an_oracle():
    assert tuple(ORACLES) == DISTANCE_FUNCTIONS


@each
def test_values_and_slopes(name):
    value, slope = ORACLES[name]
    expected = torch.tensor([[value(d), slope(d)] for d in POINTS.tolist()], dtype=torch.float64)
    torch.testing.assert_close(distance_function(name)(POINTS), expected[:, 0], rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(distance_slope(name, POINTS), expected[:, 1], rtol=1e-12, atol=1e-12)


@each
def test_increasing_and_finite_at_zero(name):
    """Lemma III.1 asks for monotone functions; a proxy may lie on its embedding."""
    d = torch.linspace(0, 20, 401, dtype=torch.float64)
    assert (distance_function(name)(d).diff() > 0).all()
    assert distance_slope(name, d[:1]).isfinite().all()
    assert distance_function(name)(d.reshape(1, -1)).shape == (1, 401)


@pytest.mark.parametrize(("names", "sign"), [(("square", "expm1"), 1), (("sqrt", "log1p"), -1)])
def test_convex_and_concave(names, sign):
    for name in names:
        assert (sign * distance_slope(name, POINTS).diff() > 0).all()


@pytest.mark.parametrize("d", [0.1, 1.0, 30.0])
def test_halves_are_the_warp_with_the_other_half_out_of_reach(d):
    inner, outer = INNER_SLOPE, OUTER_SLOPE
    for name, options in (
        ("inner_half", {"alpha": inner, "beta": outer, "r": math.inf}),
        ("outer_half", {"alpha": inner, "beta": outer, "r": 0.0}),
    ):
        leaf = torch.tensor([d], dtype=torch.float64, requires_grad=True)
        value = warp(leaf, **options)
        (slope,) = torch.autograd.grad(value.sum(), leaf)
        torch.testing.assert_close(distance_function(name)(leaf), value)
        torch.testing.assert_close(distance_slope(name, leaf), slope)


def test_slopes_leave_nothing_behind():
    d = torch.tensor([2.0], requires_grad=True)
    with torch.no_grad():
        found = distance_slope("square", d)
    assert found.tolist() == [4.0] and d.grad is None and not found.requires_grad
    assert distance_slope(lambda x: 3 * x, d).tolist() == [3.0]
    assert distance_slope(torch.ones_like, d).tolist() == [0.0]  # a constant has no graph


# the softmax that takes them


def scene(seed=0):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(7, 3, generator=generator, dtype=torch.float64)
    return rows, torch.randint(0, 4, (7,), generator=generator), torch.randn(4, 3, generator=generator).double()


@pytest.mark.parametrize("own", DISTANCE_FUNCTIONS)
@pytest.mark.parametrize("other", DISTANCE_FUNCTIONS)
def test_names_and_functions_give_the_same_softmax(own, other):
    rows, labels, proxies = scene()
    value = monotone_softmax(rows, labels, proxies, f_own=own, f_other=other, scale=1.3, reduction="none")
    f, g = ORACLES[own][0], ORACLES[other][0]
    for i, (row, label) in enumerate(zip(rows, labels, strict=True)):
        far = [math.dist(row.tolist(), proxy.tolist()) for proxy in proxies]
        logits = [-1.3 * (f if c == label else g)(d) for c, d in enumerate(far)]
        expected = math.log(sum(map(math.exp, logits))) - logits[label]
        assert value[i].item() == pytest.approx(expected, abs=1e-10)


def test_the_identity_by_name_is_the_euclidean_softmax():
    rows, labels, proxies = scene(1)
    value = monotone_softmax(rows, labels, proxies, f_own="identity", f_other="identity")
    assert torch.equal(value, euclidean_softmax(rows, labels, proxies))


def test_a_config_may_name_them():
    """Through JSON and back, and into a module that trains."""
    term = LossTerm("MonotoneSoftmax", {"f_own": "sqrt", "f_other": "log1p", "scale": 2.0})
    read = from_json(json.loads(json.dumps(to_json(term))), LossTerm)
    loss = build_loss((read,), 4, {"embeddings": 3, "features": 3})
    module = loss.losses["MonotoneSoftmax"]
    assert "f_own='sqrt', f_other='log1p'" in repr(module)
    rows, labels, _ = scene(2)
    value = loss(rows.float().requires_grad_(), labels)
    value.backward()
    assert value.isfinite() and module.proxies.grad.isfinite().all()


@pytest.mark.parametrize("option", ["f_own", "f_other"])
@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ("root", ValueError, "must be one of 'identity', 'square', .*, found 'root'"),
        ("", ValueError, "must be one of 'identity'"),
        (0.5, TypeError, "must be a function of distances or the name of one, found float"),
    ],
)
def test_wrong_names_are_refused_when_the_loss_is_made(option, wrong, error, said):
    options = {"f_own": "identity", "f_other": "identity"} | {option: wrong}
    with pytest.raises(error, match=f"^{option} {said}"):
        MonotoneSoftmax(4, 3, **options)
    rows, labels, proxies = scene()
    with pytest.raises(error, match=f"^{option} {said}") as caught:
        monotone_softmax(rows, labels, proxies, **options)
    assert "\n" not in str(caught.value)


def test_what_the_functions_refuse():
    with pytest.raises(ValueError, match=re.escape("name must be one of 'identity'") + ".*found 'cube'"):
        distance_function("cube")
    with pytest.raises(ValueError, match="name must be one of"):
        distance_slope("cube", POINTS)
    with pytest.raises(TypeError, match=r"distances must be a floating-point torch.Tensor, found torch.int64"):
        distance_slope("square", torch.tensor([1]))
    with pytest.raises(TypeError, match=r"distances must be a floating-point torch.Tensor, found list"):
        distance_slope("square", [1.0])
    with pytest.raises(TypeError, match=r"^function must be a function of distances, found float"):
        distance_slope(0.5, POINTS)
    with pytest.raises(TypeError, match=r"^function must return a torch.Tensor, found float"):
        distance_slope(lambda d: 1.0, POINTS)
    with pytest.raises(ValueError, match=r"^function must keep the shape"):
        distance_slope(torch.sum, POINTS)

"""Several classes: the soft rival, its pull, the regular simplex, and where gradient descent comes to rest."""

from __future__ import annotations

import doctest
import inspect
import math
import re
from functools import partial

import pytest
import torch
from torch.nn.functional import normalize

from dmlkit.landscape import (
    equilibria,
    outward_pull,
    rival_distance,
    several,
    simplex_pull,
    turning_distance,
)
from dmlkit.losses import effective_warp, monotone_softmax, warped_softmax

FUNCTIONS = ("equilibria", "outward_pull", "rival_distance", "simplex_pull", "turning_distance")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_and_its_example(name):
    function = getattr(several, name)
    text = inspect.getdoc(function)
    for part in ("paper W", "our derivation", "Args:", "Returns:", "Raises:", 'the chapter "A landscape you can move"'):
        assert part in text
    for argument in inspect.signature(function).parameters:
        assert re.search(rf"^    .*\b{argument}[,:]", text, re.MULTILINE), argument
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={**vars(several), "torch": torch})
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test)
    assert test.examples and runner.failures == 0


def draw(seed: int, classes: int, rows: int = 30, dim: int = 4):
    generator = torch.Generator().manual_seed(seed)
    kind = {"generator": generator, "dtype": torch.float64}
    proxies = 2 * torch.randn(classes, dim, **kind)
    return 3 * torch.randn(rows, dim, **kind), torch.randint(classes, (rows,), generator=generator), proxies


EACH = pytest.mark.parametrize(("seed", "classes", "scale"), [(0, 2, 1.0), (1, 3, 0.3), (2, 5, 2.5), (3, 20, 1.0)])


@EACH
def test_rival_distance_and_outward_pull_term_by_term(seed, classes, scale):
    """A slow transcription: the sums of the definitions, one class after the other."""
    rows, labels, proxies = draw(seed, classes)
    distances, pulls = (
        rival_distance(rows, labels, proxies, scale=scale),
        outward_pull(rows, labels, proxies, scale=scale),
    )
    for e, y, distance, pull in zip(rows, labels.tolist(), distances, pulls, strict=True):
        total, vector = 0.0, torch.zeros_like(e)
        for j, p in enumerate(proxies):
            if j != y:
                d = math.dist(e.tolist(), p.tolist())
                total += math.exp(-scale * d)
                vector += math.exp(-scale * d) * (e - p) / d
        assert distance.item() == pytest.approx(-math.log(total) / scale, abs=1e-11)
        torch.testing.assert_close(pull, vector / total, atol=1e-11, rtol=0)
        assert pull.norm() <= 1 + 1e-12


@EACH
def test_eq_8_is_the_loss_of_two_classes_with_the_soft_rival(seed, classes, scale):
    rows, labels, proxies = draw(seed, classes)
    own = (rows - proxies[labels]).norm(dim=1)
    rival = rival_distance(rows, labels, proxies, scale=scale)
    f_own = partial(effective_warp, alpha=0.6, beta=1.7, r=2.5)
    loss = monotone_softmax(rows, labels, proxies, f_own=f_own, f_other=lambda d: d, scale=scale, reduction="none")
    gap = scale * (f_own(own) - rival)
    torch.testing.assert_close(torch.logaddexp(gap, torch.zeros_like(gap)), loss, atol=1e-11, rtol=1e-11)


@EACH
def test_outward_pull_is_the_gradient_of_the_rival_distance(seed, classes, scale):
    rows, labels, proxies = draw(seed, classes)
    rows.requires_grad_()
    (gradient,) = torch.autograd.grad(rival_distance(rows, labels, proxies, scale=scale).sum(), rows)
    torch.testing.assert_close(gradient, outward_pull(rows.detach(), labels, proxies, scale=scale), atol=1e-11, rtol=0)


@EACH
@pytest.mark.parametrize("margin", [1.0, 1.4])
def test_training_pulls_and_is_pulled_as_derived(seed, classes, scale, margin):
    """Minus the gradient is T (1 − p_y) (o − f′ u), and its direction is that of the effective landscape."""
    rows, labels, proxies = draw(seed, classes)
    rows.requires_grad_()
    warp = {"alpha": 0.6, "beta": 1.7, "r": 2.5}
    loss = warped_softmax(rows, labels, proxies, **warp, margin=margin, scale=scale, reduction="none")
    (gradient,) = torch.autograd.grad(loss.sum(), rows)
    away = rows.detach() - proxies[labels]
    own = away.norm(dim=1, keepdim=True)
    slope = torch.where(own < 2.5, 0.6 * torch.ones_like(own), 1.7)
    net = outward_pull(rows.detach(), labels, proxies, scale=scale) - slope * away / own
    weight = 1 - torch.exp(-loss.detach()).unsqueeze(1)
    torch.testing.assert_close(-gradient, scale * weight * net, atol=1e-10, rtol=1e-9)
    effective = monotone_softmax(
        rows, labels, proxies, f_own=partial(effective_warp, **warp), f_other=lambda d: d, scale=scale, reduction="sum"
    )
    (slopes,) = torch.autograd.grad(effective, rows)
    torch.testing.assert_close(normalize(slopes, dim=1), normalize(gradient, dim=1), atol=1e-9, rtol=0)


def test_on_a_proxy_no_direction_and_no_nan():
    proxies = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    pull = outward_pull(proxies, torch.tensor([0, 2, 0]), proxies)
    assert pull.isfinite().all()
    # The second row lies on proxy 1, a rival: only proxy 0 pushes, with its share.
    share = math.exp(-1) / (math.exp(-1) + 1)
    torch.testing.assert_close(pull[1], torch.tensor([share, 0.0], dtype=torch.float64), atol=1e-7, rtol=0)


def simplex(classes: int, side: float) -> torch.Tensor:
    return torch.eye(classes, dtype=torch.float64) * side / math.sqrt(2)


@pytest.mark.parametrize("classes", [2, 3, 4, 10, 100])
def test_regular_simplex(classes):
    side, corners = 3.0, simplex(classes, 3.0)
    behind = normalize(corners[0] - corners[1:].mean(dim=0), dim=0)
    for t in (0.0, 0.4, 5.0):
        pull = outward_pull((corners[0] + t * behind).unsqueeze(0), torch.tensor([0]), corners)[0]
        assert pull @ behind == pytest.approx(simplex_pull(t, classes, side=side), abs=1e-12)
        torch.testing.assert_close(pull - (pull @ behind) * behind, torch.zeros_like(pull), atol=1e-12, rtol=0)
    assert simplex_pull(0, classes) == pytest.approx(math.sqrt(classes / (2 * (classes - 1))), abs=1e-14)
    if classes > 2:
        for alpha in (0.88, 0.93, 0.99):
            turn = turning_distance(alpha, classes, side=side)
            assert simplex_pull(turn, classes, side=side) == pytest.approx(alpha, abs=1e-12)


def test_turning_distance_at_its_ends():
    assert turning_distance(0.7, 1000) == 0.0
    assert turning_distance(0.99, 2) == 0.0
    assert turning_distance(1.0, 2) == math.inf
    assert turning_distance(0.93, 4, side=2.0) == pytest.approx(2 * turning_distance(0.93, 4), abs=1e-12)


def kinds(found) -> list[str]:
    return [one.kind for one in found]


@pytest.mark.parametrize("dim", [2, 5])
def test_two_classes_rest_at_r_behind_the_own_proxy(dim):
    for seed in range(6):
        _, _, proxies = draw(seed, 2, dim=dim)
        alpha, beta, r = 0.15 * seed, 1.1 + seed, 0.3 + seed
        (found,) = equilibria(0, proxies, alpha=alpha, beta=beta, r=r, scale=0.5 + seed)
        behind = normalize(proxies[0] - proxies[1], dim=0)
        assert found.kind == "at r" and found.pull == pytest.approx(1, abs=1e-9)
        torch.testing.assert_close(found.point, proxies[0] + r * behind, atol=1e-5 * (1 + r), rtol=0)


@pytest.mark.parametrize("classes", [3, 4, 6])
def test_simplex_has_one_two_or_one_resting_places(classes):
    """α below κ(0): r alone. Above it: the own proxy, and r too if r lies beyond t*."""
    corners, alpha = simplex(classes, 2.0), 0.93
    turn = turning_distance(alpha, classes, side=2.0)
    for r, low, high in ((0.8 * turn, ["at r"], ["own proxy"]), (1.3 * turn, ["at r"], ["own proxy", "at r"])):
        settings = {"beta": 1.2, "r": r}
        assert kinds(equilibria(0, corners, alpha=0.6, **settings)) == low
        found = equilibria(0, corners, alpha=alpha, **settings)
        assert kinds(found) == high
        assert found[0].pull == pytest.approx(simplex_pull(0, classes), abs=1e-9)
        if len(found) > 1:
            assert found[1].pull == pytest.approx(simplex_pull(r, classes, side=2.0), abs=1e-6)


def test_between_two_rivals_an_embedding_can_rest_inside():
    """Rivals on both sides, nearer and farther: the push turns where they balance; from the axis it may slide off."""
    line = torch.tensor([[0.0, 0.0], [-1.0, 0.0], [5.0, 0.0]], dtype=torch.float64)
    assert kinds(equilibria(0, line, alpha=0.5, beta=1.5, r=4.0)) == ["at r", "at r"]
    found = equilibria(0, line, alpha=0.8, beta=1.5, r=4.0)
    assert kinds(found) == ["inside", "at r", "at r"]
    assert found[0].pull == pytest.approx(0.8, abs=1e-6)
    assert abs(found[0].point[1]) < 1e-5


@pytest.mark.parametrize("seed", range(6))
def test_found_places_are_where_descent_ends(seed):
    """Along training's own direction (tested above), from all over: every end was found. From beside each: back."""
    classes, r = 3 + seed % 3, 1.0 + 0.4 * seed
    _, _, proxies = draw(seed, classes, dim=2)
    alpha = (0.5, 0.93)[seed % 2]
    found = equilibria(0, proxies, alpha=alpha, beta=1.5, r=r)
    places = torch.stack([one.point for one in found])
    generator = torch.Generator().manual_seed(seed)
    kind = {"generator": generator, "dtype": torch.float64}
    beside = places + 1e-4 * r * torch.randn(places.shape, **kind)
    rows = torch.cat([beside, proxies[0] + r * torch.randn(40, 2, **kind)])
    labels = torch.zeros(len(rows), dtype=torch.int64)
    # A long step may leap out of a small basin.
    length = torch.where(torch.arange(len(rows)) < len(found), 2e-4, 0.3).double().unsqueeze(1)
    for step in range(3000):
        away = rows - proxies[0]
        own = away.norm(dim=1, keepdim=True)
        slope = torch.where(own < r, alpha * torch.ones_like(own), 1.5)
        rows = rows + length * 0.997**step * (outward_pull(rows, labels, proxies) - slope * away / own)
    apart = torch.cdist(rows, places)
    assert apart.min(dim=1).values.max() < 0.02
    assert apart.argmin(dim=1)[: len(found)].tolist() == list(range(len(found)))


def test_the_same_on_any_scale():
    """Distances and r times c, T over c: the same places, times c. Large ones converge, too."""
    _, _, proxies = draw(4, 4, dim=2)
    one = equilibria(1, proxies, alpha=0.9, beta=1.4, r=1.5)
    other = equilibria(1, 30 * proxies, alpha=0.9, beta=1.4, r=45.0, scale=1 / 30)
    assert kinds(one) == kinds(other)
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(30 * a.point, b.point, atol=1e-3, rtol=0)


def test_without_a_radius_only_the_proxy_is_left():
    _, _, proxies = draw(0, 4)
    (found,) = equilibria(2, proxies, alpha=0.5, beta=1.5, r=0.0)
    assert found.kind == "own proxy" and found.distance == 0


ROWS, LABELS, PROXIES = torch.zeros(2, 3), torch.tensor([0, 1]), torch.eye(3)
WARP = {"alpha": 0.5, "beta": 1.5, "r": 1.0}


@pytest.mark.parametrize("function", [rival_distance, outward_pull])
def test_wrong_input_is_refused(function):
    with pytest.raises(ValueError, match="^scale must be greater than 0, found 0"):
        function(ROWS, LABELS, PROXIES, scale=0)
    with pytest.raises(ValueError, match="^labels must lie in 0 … 2, found 0 … 3"):
        function(ROWS, torch.tensor([0, 3]), PROXIES)
    with pytest.raises(ValueError, match="^proxies must hold at least two rows"):
        function(ROWS, torch.tensor([0, 0]), PROXIES[:1])
    with pytest.raises(ValueError, match="^proxies must have 3 columns"):
        function(ROWS, LABELS, torch.eye(2))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"own": 3}, ValueError, "^own must be one of the classes 0 … 2, found 3"),
        ({"own": True}, ValueError, "^own must be one of the classes"),
        ({"proxies": PROXIES[0]}, ValueError, "^proxies must have two dimensions"),
        ({"alpha": -0.1}, ValueError, "^alpha must be at least 0"),
        ({"beta": 1.0}, ValueError, "^beta must be greater than 1, found 1"),
        ({"r": math.inf}, ValueError, "^r must be a finite number"),
        ({"scale": -1}, ValueError, "^scale must be greater than 0"),
        ({"starts": 0}, ValueError, "^starts must be at least 1"),
    ],
)
def test_equilibria_refuses_wrong_input(change, error, says):
    with pytest.raises(error, match=says):
        equilibria(**{"own": 0, "proxies": PROXIES, **WARP, **change})


@pytest.mark.parametrize(
    ("function", "arguments", "error", "says"),
    [
        (simplex_pull, {"behind": -1, "classes": 3}, ValueError, "^behind must be at least 0"),
        (simplex_pull, {"behind": 0, "classes": 1}, ValueError, "^classes must be at least 2, found 1"),
        (simplex_pull, {"behind": 0, "classes": 2.5}, TypeError, "^classes must be a whole number, found 2.5"),
        (turning_distance, {"alpha": -1, "classes": 3}, ValueError, "^alpha must be at least 0"),
        (turning_distance, {"alpha": 0.5, "classes": 3, "side": 0}, ValueError, "^side must be greater than 0"),
    ],
)
def test_simplex_refuses_wrong_input(function, arguments, error, says):
    with pytest.raises(error, match=says):
        function(**arguments)

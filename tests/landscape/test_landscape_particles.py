"""Free points follow the loss: a loop by hand, the closed forms of the chapter "Watch it train", wrong input."""

from __future__ import annotations

import doctest
import inspect
import math
import re

import pytest
import torch

from dmlkit import losses
from dmlkit.landscape import particles, train_particles
from dmlkit.metrics import average_distance_to_proxy

WARP = {"alpha": 0.6, "beta": 1.4, "r": 1.2, "margin": 1.3, "scale": 1.7}


def cloud(seed: int, count: int = 12, classes: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    draw = {"generator": torch.Generator().manual_seed(seed), "dtype": torch.float64}
    return torch.randn(count, 2, **draw), torch.arange(count) % classes, torch.randn(classes, 2, **draw)


def slopes_by_hand(points: list, labels: list, proxies: list, *, alpha, beta, r, margin, scale) -> tuple:
    """∂L_i/∂e_i, ∂(mean L)/∂p_c and the mean loss by the equations of the paper, in plain Python."""
    by_point, by_proxy, total = [], [[0.0, 0.0] for _ in proxies], 0.0
    for e, y in zip(points, labels, strict=True):
        d = [math.dist(e, p) for p in proxies]
        inside = d[y] < r
        value = alpha * d[y] + margin * (1 - alpha) * d[y] if inside else beta * d[y] + r * (1 - beta)
        logits = [-scale * (value if c == y else d[c]) for c in range(len(proxies))]
        whole = sum(math.exp(x) for x in logits)
        share = [math.exp(x) / whole for x in logits]
        total -= math.log(share[y])
        slope = [0.0, 0.0]
        for c, p in enumerate(proxies):
            by_distance = scale * ((alpha if inside else beta) * (1 - share[y]) if c == y else -share[c])
            for k in range(2):
                push = by_distance * (e[k] - p[k]) / d[c]
                slope[k] += push
                by_proxy[c][k] -= push / len(points)
        by_point.append(slope)
    return by_point, by_proxy, total / len(points)


def loop_by_hand(points, labels, proxies, *, optimizer, lr, proxy_lr, eps, steps, **setting) -> list:
    """SGD or Adam written out: [(points, proxies, loss)] before the first step and after each."""
    state = [points.tolist(), proxies.tolist()]
    labels = labels.tolist()
    moments = [[[[0.0, 0.0] for _ in rows] for _ in range(2)] for rows in state]
    seen = []
    for t in range(1, steps + 2):
        *slopes, loss = slopes_by_hand(state[0], labels, state[1], **setting)
        seen.append(([[*row] for row in state[0]], [[*row] for row in state[1]], loss))
        for rows, slope, (first, second), rate in zip(state, slopes, moments, (lr, proxy_lr), strict=True):
            for i, row in enumerate(rows):
                for k in range(2):
                    g = slope[i][k]
                    if optimizer == "sgd":
                        row[k] -= rate * g
                        continue
                    first[i][k] = 0.9 * first[i][k] + 0.1 * g
                    second[i][k] = 0.999 * second[i][k] + 0.001 * g * g
                    size = math.sqrt(second[i][k] / (1 - 0.999**t)) + eps
                    row[k] -= rate * first[i][k] / (1 - 0.9**t) / size
    return seen


@pytest.mark.parametrize("eps", [1e-8, 1.0])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_equals_a_loop_by_hand(optimizer, eps):
    for seed in range(4):
        start = cloud(seed)
        rule = {"optimizer": optimizer, "lr": 0.07, "proxy_lr": 0.2, "eps": eps, "steps": 30}
        run = train_particles(*start, **rule, **WARP)
        by_hand = loop_by_hand(*start, **rule, **WARP)
        for k, kind in enumerate((run.points, run.proxies, run.loss)):
            expected = torch.tensor([seen[k] for seen in by_hand], dtype=torch.float64)
            torch.testing.assert_close(kind, expected, rtol=0, atol=1e-10)
        assert (run.points[-1] - run.points[0]).norm(dim=1).max() > 0.2


@pytest.mark.parametrize(
    ("loss", "options"),
    [(losses.euclidean_softmax, {"scale": 2.0}), (losses.norm_softmax, {"temperature": 0.2})],
)
def test_other_losses_move_by_their_own_gradient(loss, options):
    points, labels, proxies = cloud(7)
    run = train_particles(points, labels, proxies, loss=loss, lr=0.1, proxy_lr=0.3, steps=3, **options)
    e, p = points.clone().requires_grad_(), proxies.clone().requires_grad_()
    (alone,) = torch.autograd.grad(loss(e, labels, p, reduction="sum", **options), e)
    (mean,) = torch.autograd.grad(loss(e, labels, p, **options), p)
    torch.testing.assert_close(run.points[1], points - 0.1 * alone, rtol=0, atol=1e-12)
    torch.testing.assert_close(run.proxies[1], proxies - 0.3 * mean, rtol=0, atol=1e-12)


def test_distance_is_equation_9_at_every_step():
    start = cloud(1)
    run = train_particles(*start, steps=6, **WARP)
    for k in range(7):
        expected = average_distance_to_proxy(run.points[k], start[1], run.proxies[k])
        assert run.distance[k].item() == pytest.approx(expected, abs=1e-12)


def test_keeps_every_so_many_and_the_last():
    start = cloud(2)
    all_of_them = train_particles(*start, steps=7, **WARP)
    some = train_particles(*start, steps=7, every=3, **WARP)
    assert some.at.tolist() == [0, 3, 6, 7]
    assert torch.equal(some.points, all_of_them.points[some.at])
    assert torch.equal(some.proxies, all_of_them.proxies[some.at])
    assert torch.equal(some.distance, all_of_them.distance)
    none = train_particles(*start, steps=0, **WARP)
    assert none.at.tolist() == [0] and torch.equal(none.points[0], start[0])


def test_start_is_not_changed_and_a_second_call_goes_on():
    start = cloud(3)
    before = [tensor.clone() for tensor in start]
    whole = train_particles(*start, steps=20, **WARP)
    half = train_particles(*start, steps=10, **WARP)
    rest = train_particles(half.points[-1], start[1], half.proxies[-1], steps=10, **WARP)
    assert torch.equal(rest.points[-1], whole.points[-1])
    assert all(torch.equal(a, b) for a, b in zip(before, start, strict=True))


def test_rates_of_zero_hold_still():
    start = cloud(4)
    run = train_particles(*start, steps=5, proxy_lr=0.0, **WARP)
    assert torch.equal(run.proxies[-1], start[2]) and not torch.equal(run.points[-1], start[0])
    run = train_particles(*start, steps=5, lr=0.0, proxy_lr=0.1, **WARP)
    assert torch.equal(run.points[-1], start[0]) and not torch.equal(run.proxies[-1], start[2])


def pair(behind: float, apart: float) -> tuple:
    """One embedding a class, `behind` its proxy, on one line."""
    sides = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    return (apart / 2 + behind) * sides, torch.tensor([0, 1]), apart / 2 * sides


@pytest.mark.parametrize(
    ("ratio", "expected"), [(0.0, 1.0), (0.3, 1.0), (2.0, 0.0), (20.0, -1.0)], ids=["still", "slow", "fast", "faster"]
)
def test_ratio_of_rates_decides_where_embeddings_end(ratio, expected):
    """α = ½: behind the proxy at r below a ratio of 2/3, on it up to 6, in front of it beyond."""
    how = {"lr": 0.1, "proxy_lr": 0.1 * ratio, "steps": 900, "every": 900}
    run = train_particles(*pair(0.4, 1.0), **how, alpha=0.5, beta=1.5, r=1.0)
    assert (run.points - run.proxies)[-1, 0].item() == pytest.approx(expected, abs=0.1)


def test_centre_of_mass_stays():
    """Forces are between pairs: with η_p = N η what the points gain in momentum the proxies lose."""
    points, labels, proxies = cloud(5)
    run = train_particles(points, labels, proxies, lr=0.02, proxy_lr=0.02 * 12, steps=40, **WARP)
    centre = run.points.sum(dim=1) + run.proxies.sum(dim=1)
    torch.testing.assert_close(centre, centre[:1].expand_as(centre), rtol=0, atol=1e-10)


@pytest.mark.parametrize(
    ("changes", "error", "sentence"),
    [
        ({"optimizer": "lion"}, ValueError, "^optimizer must be one of 'sgd', 'adam', found 'lion'"),
        ({"lr": -1.0}, ValueError, "^lr must be at least 0, found -1"),
        ({"proxy_lr": float("nan")}, ValueError, "^proxy_lr must be a finite number, found nan"),
        ({"eps": 0.0}, ValueError, "^eps must be greater than 0, found 0"),
        ({"steps": 2.0}, TypeError, "^steps must be a whole number, found 2.0"),
        ({"steps": -1}, ValueError, "^steps must be at least 0, found -1"),
        ({"every": 0}, ValueError, "^every must be at least 1, found 0"),
        ({"every": True}, TypeError, "^every must be a whole number, found True"),
        ({"labels": torch.tensor([0, 1, 3] * 4)}, ValueError, "^labels must lie in 0 … 2, found 0 … 3"),
        ({"proxies": torch.zeros(3, 3)}, ValueError, "^proxies must have 2 columns like the embeddings, found 3"),
        ({"proxies": [[0.0, 1.0]]}, TypeError, "^proxies must be a torch.Tensor"),
        ({"points": torch.full((12, 2), torch.nan)}, ValueError, "^points must be finite"),
        ({"alpha": -0.1}, ValueError, "^alpha must be at least 0"),
        ({"lr": 1e308, "steps": 5}, FloatingPointError, "^a position is not finite after step"),
    ],
)
def test_wrong_input_is_refused_in_one_sentence(changes, error, sentence):
    points, labels, proxies = cloud(6)
    arguments = {"points": points, "labels": labels, "proxies": proxies, **WARP, **changes}
    with pytest.raises(error, match=sentence):
        train_particles(**arguments)


def test_example_runs():
    (test,) = doctest.DocTestFinder(recurse=False).find(
        train_particles, "train_particles", globs={**vars(particles), "torch": torch}
    )
    report = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert test.examples and runner.failures == 0, "".join(report)


def test_docstring_names_every_argument():
    text = inspect.getdoc(train_particles)
    assert "$" in text and "paper W, eq. 9" in text and 'chapter "Watch it train"' in text
    for argument, kind in inspect.signature(train_particles).parameters.items():
        name = r"\*\*options" if kind.kind is kind.VAR_KEYWORD else argument
        assert re.search(rf"^    {name}:", text, re.MULTILINE), argument

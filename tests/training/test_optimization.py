"""Schedules, parameter groups and clipping against the formulas that recipes state."""

import doctest
import math

import pytest
import torch
from torch import nn

from dmlkit.recipes.config import Optimizer, Schedule
from dmlkit.training import optimization
from dmlkit.training.optimization import clip, factor, optimizer, parameter_groups

EPOCHS, STEPS = 30, 46  # CUB: 5,864 images in batches of 128


def course(schedule, epochs=EPOCHS, steps=STEPS):
    return [factor(schedule, i, epochs, steps) for i in range(epochs * steps)]


def test_warmup_cosine_of_paper_m():
    """min((i + 1)/100, (1 + cos(πi/(E·L)))/2), an iteration at a time."""
    whole = EPOCHS * STEPS
    expected = [min((i + 1) / 100, (1 + math.cos(math.pi * i / whole)) / 2) for i in range(whole)]
    assert course(Schedule("warmup cosine", warmup=100)) == pytest.approx(expected, abs=1e-15)
    assert expected[0] == 0.01 and expected[-1] < 1e-5


def test_cosine_after_a_rise():
    values = course(Schedule("cosine", warmup=10))
    assert values[:3] == pytest.approx([0.1, 0.2, 0.3], rel=1e-3)
    assert values[len(values) // 2] == pytest.approx(0.5)


def test_step_halves_every_five_epochs():
    values = course(Schedule("step", every=5, gamma=0.5), epochs=11, steps=2)
    assert values == [0.5 ** (epoch // 5) for epoch in range(11) for _ in range(2)]


def test_a_step_schedule_goes_on_over_phases():
    whole = course(Schedule("step", every=5, gamma=0.5), epochs=10, steps=3)
    later = course(Schedule("step", every=5, gamma=0.5, elapsed=4), epochs=6, steps=3)
    assert later == whole[4 * 3 :]


def test_polynomial():
    values = course(Schedule("polynomial", power=2.0), epochs=2, steps=5)
    assert values == pytest.approx([(1 - i / 10) ** 2 for i in range(10)])


def test_constant():
    assert set(course(Schedule())) == {1.0}


@pytest.mark.parametrize(("call", "what"), [(lambda: factor(Schedule("linear"), 0, 1, 1), "schedule")])
def test_unknown_schedule(call, what):
    with pytest.raises(ValueError, match=f"{what} must be one of"):
        call()


def parameters():
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    return list(network.parameters()), [nn.Parameter(torch.ones(5, 4)), nn.Parameter(torch.ones(5))]


def settings(how):
    network, loss = parameters()
    groups = parameter_groups(how, network, loss)
    found = {}
    for group in groups:
        for parameter in group["params"]:
            found[id(parameter)] = (group["lr"], group["initial"], group["weight_decay"])
    assert len(found) == len(network) + len(loss)
    return [found[id(p)] for p in network], [found[id(p)] for p in loss]


def test_vectors_are_spared_where_the_recipe_says_so():
    network, loss = settings(Optimizer("sgd", lr=0.1, weight_decay=5e-4, decay_vectors=False))
    assert network == [(0.1, 0.1, 5e-4), (0.1, 0.1, 0.0), (0.1, 0.1, 0.0), (0.1, 0.1, 0.0)]
    assert loss == [(0.1, 0.1, 5e-4), (0.1, 0.1, 0.0)]


def test_proxies_have_their_own_rate_and_decay():
    network, loss = settings(Optimizer("adam", lr=0.01, loss_lr=1.0, weight_decay=1e-7, loss_weight_decay=0.0))
    assert set(network) == {(0.01, 0.01, 1e-7)} and set(loss) == {(1.0, 1.0, 0.0)}


@pytest.mark.parametrize(
    ("how", "kind", "expected"),
    [
        (Optimizer("sgd", 0.1, momentum=0.9, nesterov=True), torch.optim.SGD, {"momentum": 0.9, "nesterov": True}),
        (Optimizer("adam", 0.1, eps=1.0), torch.optim.Adam, {"eps": 1.0}),
        (Optimizer("adamw", 0.1, weight_decay=0.3), torch.optim.AdamW, {"weight_decay": 0.3}),
        (Optimizer("rmsprop", 0.1, momentum=0.9, eps=1e-6), torch.optim.RMSprop, {"momentum": 0.9, "eps": 1e-6}),
    ],
)
def test_optimizers(how, kind, expected):
    made = optimizer(how, parameter_groups(how, *parameters()))
    assert type(made) is kind
    for group in made.param_groups:
        assert {name: group[name] for name in expected} == expected


def test_clipping():
    weight = nn.Parameter(torch.zeros(4))
    weight.grad = torch.tensor([30.0, -40.0, 0.5, 0.0])
    clip(Optimizer("sgd", 0.1, clip_value=10.0), [weight])
    assert weight.grad.tolist() == [10.0, -10.0, 0.5, 0.0]
    weight.grad = torch.tensor([3.0, -4.0, 0.0, 0.0])
    clip(Optimizer("sgd", 0.1, clip_norm=1.0), [weight])
    assert weight.grad.tolist() == pytest.approx([0.6, -0.8, 0.0, 0.0], abs=1e-5)
    clip(Optimizer("sgd", 0.1), [weight])
    assert weight.grad.tolist() == pytest.approx([0.6, -0.8, 0.0, 0.0], abs=1e-5)


def test_examples():
    assert doctest.testmod(optimization).failed == 0

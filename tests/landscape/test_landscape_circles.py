"""Eq. 15 and Lemma III.1 of paper W: extrema of the loss of two classes around a circle, against a dense search."""

from __future__ import annotations

import doctest
import math

import pytest
import torch

from dmlkit import landscape
from dmlkit.landscape import circle_distances, extrema_on_circle
from dmlkit.losses import effective_warp, monotone_softmax

PI = math.pi
RISING = {
    "d": lambda d: d,
    "square": torch.square,
    "root": torch.sqrt,
    "logarithm": torch.log1p,
    "saturating": lambda d: d / (1 + d),
    "steep": lambda d: torch.exp(d / 2),
    "corner": lambda d: effective_warp(d, alpha=0.2, beta=1.5, r=1.3),
}
BENT = {
    "bump": lambda d: d * torch.exp(-d / 2),
    "sine": lambda d: torch.sin(2 * d),
    "valley": lambda d: (d - 2).abs(),
    "falling": lambda d: -d,
    "ripple": lambda d: d + 0.6 * torch.sin(5 * d),
}


def circles(count: int = 12) -> list[tuple[float, float]]:
    """Radius and separation: the circle inside, around and through the other proxy."""
    u = torch.rand(count, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    return [(1.0, 1.0), (0.3, 2.0), *(0.1 + 3 * u).tolist()]


def losses_at(f, points, separation, f_own=None):
    """Eqs. 5 and 6 by the loss itself: the own proxy at the origin, the other on the first axis."""
    proxies = torch.zeros(2, points.shape[1], dtype=torch.float64)
    proxies[1, 0] = separation
    labels = torch.zeros(len(points), dtype=torch.long)
    own = f if f_own is None else f_own
    return monotone_softmax(points, labels, proxies, f_own=own, f_other=f, reduction="none")


def on_circle(theta, radius):
    return radius * torch.stack([theta.cos(), theta.sin()], dim=1)


# Eq. 15


def test_distance_is_that_of_the_points():
    theta = torch.linspace(-PI, 2 * PI, 101, dtype=torch.float64)
    for radius, separation in circles():
        other = torch.tensor([separation, 0.0], dtype=torch.float64)
        measured = (on_circle(theta, radius) - other).norm(dim=1)
        found = circle_distances(theta, radius, separation)
        torch.testing.assert_close(found, measured, atol=1e-12, rtol=0)
        transcribed = [
            math.sqrt(radius**2 + separation**2 - 2 * radius * separation * math.cos(t)) for t in theta.tolist()
        ]
        assert found.tolist() == pytest.approx(transcribed, abs=1e-7)  # the law of cosines as it is printed
        half = circle_distances(torch.linspace(0, PI, 500, dtype=torch.float64), radius, separation)
        assert (half.diff() > 0).all()


def test_distance_keeps_its_digits_close_to_the_other_proxy():
    angle = torch.tensor([1e-9], dtype=torch.float64)
    assert circle_distances(angle, 1.0, 1.0).item() == pytest.approx(1e-9, rel=1e-12)
    assert circle_distances(torch.zeros(2), 3.0, 4.0).tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (([0.0], 1.0, 1.0), TypeError, "^theta must be a floating-point torch.Tensor, found list"),
        ((torch.zeros(2, dtype=torch.long), 1.0, 1.0), TypeError, "^theta must be a floating-point .* torch.int64"),
        ((torch.zeros(2), 0.0, 1.0), ValueError, "^radius must be greater than 0, found 0"),
        ((torch.zeros(2), 1.0, -1.0), ValueError, "^separation must be greater than 0, found -1"),
        ((torch.zeros(2), math.nan, 1.0), ValueError, "^radius must be a finite number, found nan"),
    ],
)
def test_wrong_arguments_of_the_distance_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        circle_distances(*arguments)


# The lemma


def exactly_on_the_line(found):
    return [(e.kind, e.theta) for e in found] == [("maximum", (0, 0)), ("minimum", (PI, PI))]


@pytest.mark.parametrize("name", RISING)
def test_rising_function_has_its_extrema_on_the_line_and_nowhere_else(name):
    for radius, separation in circles():
        found = extrema_on_circle(RISING[name], radius, separation)
        assert exactly_on_the_line(found)
        assert [e.distance[0] for e in found] == [abs(radius - separation), radius + separation]
        assert all(e.whole and e.is_point for e in found)


@pytest.mark.parametrize("name", BENT)
def test_function_that_falls_somewhere_is_caught_by_a_circle(name):
    """The converse, by the circle of paper W's proof: its distances are those between which f falls."""
    f = BENT[name]
    x = torch.linspace(0, 4, 161, dtype=torch.float64)
    k = int(f(x).diff().argmin())
    a, b = x[k].item(), x[k + 1].item()
    assert f(x)[k] > f(x)[k + 1]
    found = extrema_on_circle(f, (b - a) / 2, (a + b) / 2)
    assert not exactly_on_the_line(found)
    far = [e for e in found if e.theta[1] == PI]
    assert not any(e.kind == "minimum" and e.whole for e in far)


@pytest.mark.parametrize("name", [*RISING, *BENT])
def test_agrees_with_a_dense_search_of_the_loss(name):
    """Every extremum of the loss at 2000 places of the half circle is found, in its kind, and no other."""
    f = (RISING | BENT)[name]
    theta = torch.linspace(0, PI, 2001, dtype=torch.float64)
    step, seen = theta[1].item(), 0
    for radius, separation in circles():
        # Where f is so steep that the loss is 0 to rounding, its logarithm still tells; f itself is the safest.
        values = losses_at(f, on_circle(theta, radius), separation).log()
        slopes = values.diff().sign()
        searched = [("minimum" if slopes[0] > 0 else "maximum", 0.0)]
        for k in range(1, 2000):
            if slopes[k - 1] * slopes[k] < 0:
                searched.append(("minimum" if slopes[k] > 0 else "maximum", theta[k].item()))
        searched.append(("minimum" if slopes[-1] < 0 else "maximum", PI))
        if (slopes == 0).any():
            continue
        found = extrema_on_circle(f, radius, separation)
        assert [e.kind for e in found] == [kind for kind, _ in searched]
        for extremum, (_, place) in zip(found, searched, strict=True):
            assert extremum.theta[0] == pytest.approx(place, abs=1.01 * step)
            there = losses_at(f, on_circle(torch.tensor(extremum.theta).double(), radius), separation)
            assert there.tolist() == pytest.approx([extremum.loss] * 2, rel=1e-7)
        lowest = [e for e in found if e.kind == "minimum" and e.whole]
        assert min(e.loss for e in lowest) == pytest.approx(values.exp().min().item(), rel=1e-3)
        highest = [e for e in found if e.kind == "maximum" and e.whole]
        assert max(e.loss for e in highest) == pytest.approx(values.exp().max().item(), rel=1e-3)
        seen += 1
    assert seen > 8


def test_ripple_has_several_extrema_of_each_kind():
    found = extrema_on_circle(BENT["ripple"], 1.5, 2.0)
    assert sum(e.kind == "minimum" for e in found) >= 3
    assert sum(e.whole for e in found) == 2  # one lowest, one highest
    assert [e.theta[0] for e in found] == sorted(e.theta[0] for e in found)


def test_summit_is_found_to_many_digits():
    (_, lowest, _) = extrema_on_circle(BENT["bump"], 1.5, 2.0)
    assert lowest.distance[0] == pytest.approx(2, abs=1e-7)
    assert math.cos(lowest.theta[0]) == pytest.approx((1.5**2 + 2**2 - 2**2) / (2 * 1.5 * 2), abs=1e-7)
    (_, corner, _) = extrema_on_circle(BENT["valley"], 1.5, 2.0)
    assert corner.distance[0] == pytest.approx(2, abs=1e-11)


def test_minimum_of_a_sphere_in_ten_dimensions_is_the_far_point():
    generator = torch.Generator().manual_seed(4)
    rows = torch.randn(4000, 10, generator=generator, dtype=torch.float64)
    rows = 1.5 * rows / rows.norm(dim=1, keepdim=True)
    bent = {e.kind: e.loss for e in extrema_on_circle(BENT["bump"], 1.5, 2.0) if e.whole}
    straight = {e.kind: e.loss for e in extrema_on_circle(RISING["d"], 1.5, 2.0)}
    for f, ends in ((BENT["bump"], bent), (RISING["d"], straight)):
        values = losses_at(f, rows, 2.0)
        assert ends["minimum"] < values.min() and values.max() < ends["maximum"]
    poles = 1.5 * torch.eye(10, dtype=torch.float64)[:1] * torch.tensor([[-1.0], [1.0]])
    assert losses_at(RISING["d"], poles, 2.0).tolist() == pytest.approx([straight["minimum"], straight["maximum"]])


def test_own_function_changes_the_loss_and_no_angle():
    """Eq. 6: on a circle the own distance is a constant, whatever goes over it."""
    generator = torch.Generator().manual_seed(5)
    for f in (*RISING.values(), *BENT.values()):
        one = extrema_on_circle(f, 1.2, 2.0)
        shift = torch.randn((), generator=generator, dtype=torch.float64)
        two = extrema_on_circle(f, 1.2, 2.0, f_own=lambda d, shift=shift: -(d**3) + shift)
        assert [(e.kind, e.theta, e.whole) for e in one] == [(e.kind, e.theta, e.whole) for e in two]
        place = on_circle(torch.tensor([two[0].theta[0]]).double(), 1.2)
        own = losses_at(f, place, 2.0, f_own=lambda d, shift=shift: -(d**3) + shift)
        assert two[0].loss == pytest.approx(own.item(), rel=1e-7)


@pytest.mark.parametrize("summit", [0.5002, 3.4998])
def test_hill_within_the_first_or_the_last_step_leaves_the_end_a_valley(summit):
    found = extrema_on_circle(lambda d: -(d - summit).square(), 1.5, 2.0)
    kinds = ["maximum", "minimum", "maximum"]
    assert [e.kind for e in found] == kinds
    assert found[1].distance[0] == pytest.approx(summit, abs=1e-7)
    assert (found[0].theta[0], found[2].theta[0]) == (0, PI)


# Flat stretches


def test_flat_end_gives_a_stretch_of_minima():
    near, far = extrema_on_circle(lambda d: d.clamp_max(2.0), 1.5, 2.0)
    assert (near.kind, near.theta) == ("maximum", (0, 0))
    assert far.kind == "minimum" and far.whole and not far.is_point
    assert far.distance == pytest.approx((2.0, 3.5), abs=1e-9) and far.theta[1] == PI


def test_flat_beginning_gives_a_stretch_of_maxima():
    near, far = extrema_on_circle(lambda d: (d - 1).clamp_min(0), 1.5, 2.0)
    assert near.kind == "maximum" and near.theta[0] == 0
    assert near.distance == pytest.approx((0.5, 1.0), abs=1e-9)
    assert (far.kind, far.theta) == ("minimum", (PI, PI))


def test_step_on_the_way_up_is_level():
    found = extrema_on_circle(lambda d: torch.where(d < 1, d, (d - 1).clamp_min(1)), 1.5, 2.0)
    assert [e.kind for e in found] == ["maximum", "level", "minimum"]
    assert found[1].distance == pytest.approx((1, 2), abs=1e-9) and not found[1].whole


@pytest.mark.parametrize("constant", [0.0, 1.0, -3.7])
def test_constant_function_is_one_level_circle(constant):
    (everywhere,) = extrema_on_circle(lambda d: torch.full_like(d, constant), 1.5, 2.0)
    assert (everywhere.kind, everywhere.theta, everywhere.whole) == ("level", (0, PI), True)
    assert everywhere.loss == pytest.approx(math.log(2))


def test_two_equal_hills_are_both_the_whole_circles_lowest():
    found = extrema_on_circle(lambda d: -(((d - 2) ** 2 - 1) ** 2), 1.5, 2.0)
    lowest = [e.distance[0] for e in found if e.kind == "minimum" and e.whole]
    assert lowest == pytest.approx([1, 3], abs=1e-6)


def test_hill_between_two_equal_samples_is_a_point():
    """With an even number of places the summit lies half-way between two of them."""
    found = extrema_on_circle(lambda d: -(d - 2).square(), 1.5, 2.0, samples=2000)
    assert [e.kind for e in found] == ["maximum", "minimum", "maximum"]
    assert found[1].is_point and found[1].distance[0] == pytest.approx(2, abs=1e-7)


# What the converse needs if the proxies stand still


DIPS = {
    "near": lambda d: torch.where(d < 1, 1 - d, 2 * (d - 1)),  # falls nearer than the separation 2, rises from there on
    "far": lambda d: torch.where(d < 3, d, torch.where(d < 4, 6 - d, d - 2)),  # falls from 3 to 4
}


@pytest.mark.parametrize(("name", "caught"), [("near", (False, True)), ("far", (True, True)), ("none", (False, False))])
def test_for_fixed_proxies_the_maxima_catch_every_dip_and_the_minima_alone_do_not(name, caught):
    f = DIPS.get(name, torch.sqrt)
    radii = torch.linspace(0.05, 6, 120, dtype=torch.float64).tolist()
    every = [extrema_on_circle(f, radius, 2.0) for radius in radii]
    lowest = [[e.theta for e in found if e.kind == "minimum" and e.whole] for found in every]
    highest = [[e.theta for e in found if e.kind == "maximum" and e.whole] for found in every]
    assert any(places != [(PI, PI)] for places in lowest) == caught[0]
    assert any(places != [(0, 0)] for places in highest) == caught[1]


# At the door


@pytest.mark.parametrize(
    ("change", "error", "sentence"),
    [
        ({"radius": 0.0}, ValueError, "^radius must be greater than 0, found 0"),
        ({"separation": math.inf}, ValueError, "^separation must be a finite number, found inf"),
        ({"radius": "1"}, TypeError, "^radius must be a number, found str"),
        ({"samples": 2}, ValueError, "^samples must be at least 3, found 2"),
        ({"samples": 100.0}, TypeError, "^samples must be a whole number, found 100.0"),
        ({"samples": True}, TypeError, "^samples must be a whole number, found True"),
        ({"f": 3}, TypeError, "^f must be a function of distances, found int"),
        ({"f": lambda d: d.sum()}, ValueError, r"^f must keep the shape \(2001,\) of its distances"),
        ({"f": torch.log, "separation": 1.0}, ValueError, "^f must be finite, found -inf at the distance 0"),
        ({"f_own": lambda d: d / 0}, ValueError, "^f_own must be finite, found inf at the distance 1"),
        ({"f_own": lambda d: 1.0}, TypeError, "^f_own must return a torch.Tensor, found float"),
    ],
)
def test_wrong_arguments_are_refused(change, error, sentence):
    arguments = {"f": torch.square, "radius": 1.0, "separation": 2.0, **change}
    with pytest.raises(error, match=sentence):
        extrema_on_circle(**arguments)


@pytest.mark.parametrize("name", ["circle_distances", "extrema_on_circle"])
def test_examples_of_the_circles_run(name):
    function = getattr(landscape, name)
    (test,) = doctest.DocTestFinder(recurse=False).find(function, name, globs={**vars(landscape), "torch": torch})
    assert test.examples
    report: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    runner.run(test, out=report.append)
    assert runner.failures == 0, "".join(report)

"""The numbers of the explorer of bound optimisation are those of dmlkit: the loss, its slope, the walk, the bound."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from dmlkit.bound_optimization import bound_optimizer
from dmlkit.explorers import bound_optimization, host
from dmlkit.explorers.bound_optimization import HEIGHTS, MARGINS, PROBLEMS, RANGES, SHOWN, touch

RANDOM = np.random.default_rng(3)
WEIGHTS = [0.0, -60.0, 60.0, 800.0, *RANDOM.uniform(-8, 8, 200).tolist()]


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/bound_optimization_arithmetic.js").as_uri()


def bowls(name, curvature):
    """The explorer's parabolas, for bound_optimizer."""
    f = PROBLEMS[name].value

    def auxiliary(w):
        height, slope = touch(f, w.item())
        return lambda v: height + slope * (v - w) + curvature / 2 * (v - w) ** 2, w - slope / curvature

    return auxiliary


@pytest.mark.parametrize("name", PROBLEMS)
def test_value_slope_and_largest_curvature(node, arithmetic, name):
    found = node(f"""
        import {{ PROBLEMS }} from "{arithmetic}";
        const f = PROBLEMS["{name}"];
        console.log(JSON.stringify([f.largest, {json.dumps(WEIGHTS)}.map((w) => [f.value(w), f.slope(w)])]));
    """)
    largest, pairs = found
    assert largest == pytest.approx(PROBLEMS[name].largest, abs=1e-12)
    for w, (value, slope) in zip(WEIGHTS, pairs, strict=True):
        expected, incline = touch(PROBLEMS[name].value, w)
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)
        assert slope == pytest.approx(incline, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", PROBLEMS)
def test_largest_curvature_is_the_largest(name):
    """Reached somewhere, exceeded nowhere."""
    w = torch.linspace(-10, 10, 8001, dtype=torch.float64)
    values = torch.stack([PROBLEMS[name].value(x) for x in w])
    curvature = values.diff(n=2) / (w[1] - w[0]) ** 2
    assert curvature.max().item() == pytest.approx(PROBLEMS[name].largest, rel=1e-4)


@pytest.mark.parametrize("factor", [1.0, 1.7, 6.0])
@pytest.mark.parametrize("name", PROBLEMS)
def test_walk_is_that_of_the_bound_optimizer(node, arithmetic, name, factor):
    curvature, starts = factor * PROBLEMS[name].largest, [-4.0, -3.0, -0.51, 0.3, 1.7, 4.0]
    walks = node(f"""
        import {{ PROBLEMS, walk }} from "{arithmetic}";
        console.log(JSON.stringify({starts}.map((start) => walk(PROBLEMS["{name}"], start, {curvature}, 12))));
    """)
    for start, path in zip(starts, walks, strict=True):
        expected, values = bound_optimizer(
            PROBLEMS[name].value, bowls(name, curvature), torch.tensor(start, dtype=torch.float64), steps=12
        )
        assert path == pytest.approx(expected.tolist(), abs=1e-9)
        assert (values.diff() <= 1e-12).all()


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_bowl_of_the_largest_curvature_cuts_nowhere_and_a_flatter_one_does(node, arithmetic, name):
    where = RANDOM.uniform(-4, 4, 60).tolist()
    cuts = node(f"""
        import {{ PROBLEMS, bowlAt, deepestCut }} from "{arithmetic}";
        const f = PROBLEMS["{name}"];
        console.log(JSON.stringify([1, 0.6, 0.2].map((factor) => {json.dumps(where)}.map((w) => {{
          const cut = deepestCut(f, w, factor * f.largest, [-9, 9]);
          const bowl = bowlAt(f, w, factor * f.largest);
          const others = Array.from({{ length: 51 }}, (_, k) => f.value(0.36 * k - 9) - bowl(0.36 * k - 9));
          return [cut.by, cut.by > 0 ? f.value(cut.at) - bowl(cut.at) : 0, Math.max(...others)];
        }}))));
    """)
    enough, flat, flatter = cuts
    assert max(by for by, *_ in enough) < 1e-8
    assert sum(by > 1e-6 for by, *_ in flat) > 10
    assert sum(by > 1e-6 for by, *_ in flatter) > sum(by > 1e-6 for by, *_ in flat)
    for by, again, elsewhere in flat + flatter:
        assert by == pytest.approx(again, abs=1e-12)
        assert by >= elsewhere - 1e-8  # it is the deepest cut, not any


def test_a_bound_never_leaves_its_valley(node, arithmetic):
    """In one dimension: w − f′(w)/c grows with w as long as c is no less than f's largest curvature."""
    starts = RANDOM.uniform(-4, 4, 40).tolist()
    ends = node(f"""
        import {{ PROBLEMS, walk }} from "{arithmetic}";
        const f = PROBLEMS.valleys;
        console.log(JSON.stringify({json.dumps(starts)}.map((start) => walk(f, start, f.largest, 300).at(-1))));
    """)
    valley, hill = PROBLEMS["valleys"].value, -0.6  # the hill's top lies near here
    top = max(np.linspace(-1.5, 0.5, 2001), key=lambda w: valley(torch.tensor(w)).item())
    assert top == pytest.approx(hill, abs=0.1)
    assert {round(end, 2) for end in ends} == {round(ends[0], 2), round(next(e for e in ends if e * ends[0] < 0), 2)}
    for start, end in zip(starts, ends, strict=True):
        assert (start > top) == (end > top)
    low, high = sorted({round(end, 2) for end in ends}, key=lambda w: valley(torch.tensor(w)).item())
    assert low > top > high  # the deeper valley is the one on the right


def test_python_and_javascript_start_from_the_same(node, arithmetic):
    margins = node(f'import {{ MARGINS }} from "{arithmetic}"; console.log(JSON.stringify(MARGINS));')
    assert margins == list(MARGINS)
    knobs, names, shown, heights = node(
        host.bundle("bound_optimization") + "\nconsole.log(JSON.stringify([KNOBS, NAMES, SHOWN, HEIGHTS]));"
    )
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert list(names) == list(PROBLEMS) and tuple(shown) == SHOWN
    assert {name: tuple(pair) for name, pair in heights.items()} == HEIGHTS


def test_verdict_follows_the_bowl(node):
    settings = [("classifier", -3, 0.6), ("classifier", -3, 0.2), ("classifier", 3.4, 0.1), ("valleys", 2, 0.5)]
    settings += [("valleys", -0.5, 0.15), ("classifier", -3, 0.05)]
    verdicts = node(
        host.bundle("bound_optimization")
        + f"""
        const found = {json.dumps(settings)}.map(([name, w, c]) => bowlVerdict(PROBLEMS[name], w, c));
        const rest = walk(PROBLEMS.classifier, 1, 1, 200).at(-1);
        console.log(JSON.stringify([...found, bowlVerdict(PROBLEMS.classifier, rest, 0.6)]));
    """
    )
    assert verdicts[0].startswith("The bowl lies above f. It promises a fall of ")
    assert verdicts[1].startswith("The bowl cuts through f: at w = ") and "no bound" in verdicts[1]
    assert "cuts through" in verdicts[2] and "goes down all the same" in verdicts[2]
    assert "cuts through" in verdicts[3]
    assert verdicts[4].startswith("The bowl lies above f, though at some other w this curvature is too small.")
    assert "goes up" in verdicts[5]
    assert "The slope is 0 here" in verdicts[6]


def test_promise_in_the_verdict_is_kept(node, arithmetic):
    """What a bowl promises, f′²/(2c), is never more than what its step brings, if it is a bound."""
    for name, problem in PROBLEMS.items():
        for w in RANDOM.uniform(-4, 4, 50).tolist():
            height, slope = touch(problem.value, w)
            there = problem.value(torch.tensor(w - slope / problem.largest, dtype=torch.float64)).item()
            assert height - there >= slope**2 / (2 * problem.largest) - 1e-12, name


def test_alt_text_tells_the_numbers():
    explorer = bound_optimization(-3.0, 0.6)
    height, slope = touch(PROBLEMS["classifier"].value, -3.0)
    assert f"where it is {height:.2f}" in explorer.alt
    assert f"minimum is at w = {-3 - slope / 0.6:.2f}" in explorer.alt
    assert explorer.state == {"start": -3.0, "curvature": 0.6, "problem": "classifier", "path": []}
    assert len(explorer.html().encode()) < 60_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"problem": "hills"}, "^problem must be one of 'classifier', 'valleys', found 'hills'"),
        ({"start": 4.5}, "^start must lie on its slider, in -4 … 4, found 4.5"),
        ({"start": math.nan}, "^start must lie on its slider"),
        ({"curvature": 0.01}, "^curvature must lie on its slider, in 0.05 … 5, found 0.01"),
        ({"curvature": 6}, "^curvature must lie on its slider"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        bound_optimization(**arguments)

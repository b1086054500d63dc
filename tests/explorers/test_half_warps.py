"""The probe of the explorer follows dmlkit's gradient, and its predicted fate is that of proposition III.2."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dmlkit.explorers import half_warps, host
from dmlkit.explorers.half_warps import (
    FAR,
    NAMES,
    SEPARATION,
    START,
    STEP,
    STEPS,
    WHERE,
    R,
    functions,
    loss_slope,
    walk,
)
from dmlkit.landscape.rays import minima_on_ray
from dmlkit.losses import distance_slope
from dmlkit.losses.distance_functions import INNER_SLOPE, OUTER_SLOPE

PAIRS = [(function, where) for function in NAMES for where in WHERE]
each_pair = pytest.mark.parametrize(("function", "where"), PAIRS)


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/half_warps_arithmetic.js").as_uri()


def places() -> list[float]:
    """Behind the own proxy, between the proxies, behind the other one; away from the points where slopes jump."""
    random = np.random.default_rng(3)
    return [*random.uniform(0.01, 6, 30).tolist(), *random.uniform(-6, -0.01, 30).tolist(), 1e-3, 1.4999, 1.5001]


@each_pair
def test_force_equals_dmlkits(node, arithmetic, function, where):
    measured = node(f"""
        import {{ functionsOf, lossSlope }} from "{arithmetic}";
        const pair = functionsOf("{function}", "{where}");
        console.log(JSON.stringify({json.dumps(places())}.map((x) => lossSlope(pair, x))));
    """)
    pair = functions(function, where)
    for x, found in zip(places(), measured, strict=True):
        # expm1 subtracts numbers of hundreds; what is left of a float64 then has fewer digits.
        assert found == pytest.approx(loss_slope(*pair, x), rel=1e-8, abs=1e-12), x


@each_pair
def test_values_and_slopes_equal_dmlkits(node, arithmetic, function, where):
    d = torch.tensor([0.02, 0.7, 1.49, 1.51, 2.0, 5.5], dtype=torch.float64)
    measured = node(f"""
        import {{ functionsOf }} from "{arithmetic}";
        const pair = functionsOf("{function}", "{where}");
        console.log(JSON.stringify(pair.map((f) => {json.dumps(d.tolist())}.map((d) => [f.value(d), f.slope(d)]))));
    """)
    for chosen, found in zip(functions(function, where), measured, strict=True):
        expected = torch.stack([chosen(d), distance_slope(chosen, d)], dim=1)
        torch.testing.assert_close(torch.tensor(found, dtype=torch.float64), expected, rtol=1e-12, atol=1e-12)


# Where a probe leaps over a point of unbounded slope, or is thrown, rounding grows to anything; the rest walks alike.
CALM = [pair for pair in PAIRS if pair[0] not in ("sqrt", "expm1")] + [("sqrt", "own"), ("expm1", "both")]


@pytest.mark.parametrize(("function", "where"), CALM)
@pytest.mark.parametrize("start", [1.0, 2.7])
def test_walks_equal_dmlkits(node, arithmetic, function, where, start):
    measured = node(f"""
        import {{ functionsOf, walk }} from "{arithmetic}";
        console.log(JSON.stringify(walk(functionsOf("{function}", "{where}"), {start})));
    """)
    assert measured["thrown"] is None and len(measured["places"]) == STEPS + 1
    assert measured["places"] == pytest.approx(walk(*functions(function, where), start), rel=1e-6, abs=1e-6)


def test_a_probe_that_is_thrown_out_ends_its_walk(node, arithmetic):
    measured = node(f"""
        import {{ functionsOf, walk }} from "{arithmetic}";
        console.log(JSON.stringify(walk(functionsOf("expm1", "own"), 4)));
    """)
    expected = walk(*functions("expm1", "own"), 4.0)
    assert measured["thrown"] == len(expected) < STEPS
    assert measured["places"] == pytest.approx(expected) and max(map(abs, expected)) <= FAR


# What each pair is to do: the signs of f_y' − f_j' from the own proxy outward.
FATES = {
    ("identity", "own"): "0",
    ("identity", "both"): "0",
    ("square", "own"): "−+",
    ("square", "both"): "−",
    ("sqrt", "own"): "+−",
    ("sqrt", "both"): "+",
    ("log1p", "own"): "−",
    ("log1p", "both"): "+",
    ("expm1", "own"): "+",
    ("expm1", "both"): "−",
    ("inner_half", "own"): "−",
    ("inner_half", "both"): "0",
    ("outer_half", "own"): "+",
    ("outer_half", "both"): "0",
    ("warp", "own"): "−+",
    ("warp", "both"): "−0",
}


@each_pair
def test_fates_are_those_of_the_proposition(node, function, where):
    fate = node(
        host.bundle("half_warps") + f'\nconsole.log(JSON.stringify(fateOf(functionsOf("{function}", "{where}"))));'
    )
    assert fate["key"] == FATES[function, where] and "more than once" not in fate["words"]
    found = minima_on_ray(*functions(function, where), SEPARATION, furthest=12.0, cells=600)
    assert bool(found.minima) == (fate["key"] == "−+")
    assert found.falls_at_end == (fate["key"][-1] == "−")
    assert bool(found.valleys) == (fate["key"][-1] == "0")
    if found.minima:
        assert fate["turn"] == pytest.approx(found.minima[0], abs=1e-9)
    if fate["key"] == "+−":
        assert fate["turn"] == pytest.approx(0.25, abs=1e-9)  # 1/(2√t) = 1


def verdicts(node, settings):
    return node(
        host.bundle("half_warps")
        + f"""
        console.log(JSON.stringify({json.dumps(settings)}.map(([name, where, start]) => {{
          const pair = functionsOf(name, where);
          const walked = walk(pair, start);
          return happened(walked, start, fateOf(pair), pair);
        }})));
    """
    )


def test_the_verdict_says_what_happened(node):
    said = verdicts(
        node,
        [
            ("identity", "own", 1.0),
            ("inner_half", "own", 1.0),
            ("square", "both", 0.1),
            ("warp", "own", 0.5),
            ("outer_half", "own", 1.0),
            ("expm1", "own", 4.0),
            ("square", "both", 4.0),
            ("sqrt", "own", 0.1),
            ("sqrt", "own", 1.0),
            ("warp", "both", 0.5),
            ("sqrt", "own", 0.05),
        ],
    )
    assert said[0] == "The probe stays at 1.00."
    assert "walks out" in said[1] and "still driven on" in said[1]
    assert "walks out" in said[2] and "has faded" in said[2]
    assert said[3].endswith("and rests there.") and "to 1.5" in said[3]
    assert "walks in" in said[4]
    assert "is thrown beyond 100" in said[5]
    assert "hardly moves: its loss is next to 0" in said[6]
    assert "hops about its own proxy" in said[7] and "walks out" in said[8]
    assert "where the ray is flat, and stays" in said[9]
    assert "over the ridge" in said[10]


def test_python_and_javascript_have_the_same_scene(node):
    scene, names, start = node(
        host.bundle("half_warps") + "\nconsole.log(JSON.stringify([SCENE, NAMES, [START.min, START.max]]));"
    )
    assert scene == {
        "separation": SEPARATION,
        "steps": STEPS,
        "step": STEP,
        "far": FAR,
        "inner": INNER_SLOPE,
        "outer": OUTER_SLOPE,
        "r": R,
    }
    assert names == NAMES and tuple(start) == START


def test_alt_text_tells_the_fate():
    assert "cross at 1.50" in half_warps("warp").alt
    assert "falls outward without end" in half_warps("inner_half").alt
    assert "it leaves the chart" in half_warps("expm1", start=4.0).alt
    assert "flat there" in half_warps("identity").alt and "both distances" in half_warps("sqrt", where="both").alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"function": "cube"}, "^function must be one of 'identity', .*found 'cube'"),
        ({"where": "other"}, "^where must be one of 'own', 'both', found 'other'"),
        ({"start": 0.0}, "^start must lie on its slider, in 0.05 … 4, found 0"),
        ({"start": float("nan")}, "^start must lie on its slider"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        half_warps(**arguments)

"""The numbers of the explorer are those of dmlkit.landscape.minima_on_ray, for every kind of functions it offers."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from dmlkit.explorers import host, slopes
from dmlkit.explorers.slopes import CELLS, FURTHEST, KINDS, RANGES, pair
from dmlkit.landscape.rays import minima_on_ray, slope_on_ray
from dmlkit.losses import effective_warp


def draws(count: int = 12) -> list[dict]:
    """Settings of all sliders, `count` for each kind."""
    random = np.random.default_rng(3)
    return [
        {"kind": kind, **{name: float(random.uniform(*ends)) for name, ends in RANGES.items()}}
        for kind in KINDS
        for _ in range(count)
    ]


DRAWS = draws()


@functools.cache
def by_dmlkit(k: int) -> dict:
    draw = DRAWS[k]
    functions = pair(draw["kind"], draw["r"], draw["strength"])
    found = minima_on_ray(*functions, draw["separation"], furthest=FURTHEST, cells=CELLS)
    return {
        "minima": list(found.minima),
        "valleys": [list(valley) for valley in found.valleys],
        "atProxy": found.at_proxy,
        "fallsAtEnd": found.falls_at_end,
    }


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/slopes_arithmetic.js").as_uri()


def test_minima_equal_dmlkits(node, arithmetic):
    measured = node(f"""
        import {{ minimaOf, pairOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map((draw) => minimaOf(pairOf(draw), draw.separation))));
    """)
    for k, (draw, found) in enumerate(zip(DRAWS, measured, strict=True)):
        expected = by_dmlkit(k)
        assert {key: found[key] for key in ("atProxy", "fallsAtEnd")} == {
            key: expected[key] for key in ("atProxy", "fallsAtEnd")
        }, draw
        assert found["minima"] == pytest.approx(expected["minima"], abs=1e-9), draw
        assert np.ravel(found["valleys"]) == pytest.approx(np.ravel(expected["valleys"]), abs=1e-9), draw


def test_draws_hold_every_outcome():
    """One minimum, two, a valley from the proxy, a valley without end, the proxy, infinity."""
    found = [by_dmlkit(k) for k in range(len(DRAWS))]
    assert sum(len(one["minima"]) == 1 for one in found) > 24
    assert sum(len(one["minima"]) == 2 for one in found) == 12
    assert sum(one["valleys"] != [] and one["valleys"][0][0] == 0 for one in found) == 24
    assert sum(one["valleys"] != [] and one["valleys"][0][1] == FURTHEST for one in found) == 24
    assert sum(one["atProxy"] and not one["valleys"] for one in found) >= 12
    assert sum(one["fallsAtEnd"] for one in found) == 12


def test_values_and_slopes_equal_those_of_the_torch_functions(node, arithmetic):
    distances = [0.05, 0.4, 1.3, 2.7, 5.5, 9.0]
    measured = node(f"""
        import {{ pairOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map((draw) => pairOf(draw).map((f) =>
          {json.dumps(distances)}.map((d) => [f.value(d), f.slope(d)])))));
    """)
    t = torch.tensor(distances, dtype=torch.float64)

    def zero(d):
        return torch.zeros_like(d)

    for draw, found in zip(DRAWS, measured, strict=True):
        for function, numbers in zip(pair(draw["kind"], draw["r"], draw["strength"]), found, strict=True):
            values, rates = np.array(numbers).T
            assert values == pytest.approx(function(t).numpy(), rel=1e-9, abs=1e-12), draw
            assert rates == pytest.approx(slope_on_ray(function, zero, 1.0, t).numpy(), rel=1e-9, abs=1e-12), draw


def test_warped_is_the_effective_warp():
    d = torch.linspace(0, 8, 801, dtype=torch.float64)
    own, other = pair("warped", 1.5, 0.3)
    assert torch.allclose(own(d), effective_warp(d, alpha=0.7, beta=1.3, r=1.5), atol=1e-12)
    assert torch.equal(other(d), d)


def test_lowest_place_is_searched_on_the_line(node, arithmetic):
    """The lowest of the minima is the lowest of a fine grid over the whole line, and the fall is its depth."""
    measured = node(f"""
        import {{ lowestOf, minimaOf, pairOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map((draw) => {{
          const pair = pairOf(draw);
          return lowestOf(pair, draw.separation, minimaOf(pair, draw.separation));
        }})));
    """)
    line = torch.linspace(-12, 12, 24001, dtype=torch.float64)
    for draw, found in zip(DRAWS, measured, strict=True):
        own, other = pair(draw["kind"], draw["r"], draw["strength"])
        gap = own(line.abs()) - other((line + draw["separation"]).abs())
        if found is None:
            assert gap.argmin() == len(line) - 1
            continue
        assert found["gap"] <= gap.min().item() + 1e-9 and found["gap"] == pytest.approx(gap.min().item(), abs=2e-3)
        at_proxy = (own(torch.zeros(1)) - other(torch.tensor([draw["separation"]], dtype=torch.float64))).item()
        assert found["fall"] == pytest.approx(at_proxy - found["gap"], abs=1e-6)


def test_two_kinks_tie_at_one_half(node, arithmetic):
    measured = node(f"""
        import {{ lowestOf, minimaOf, pairOf }} from "{arithmetic}";
        console.log(JSON.stringify([0.4, 0.5, 0.6].map((strength) => {{
          const pair = pairOf({{ kind: "two", r: 1.5, strength }});
          return lowestOf(pair, 2, minimaOf(pair, 2)).ties;
        }})));
    """)
    assert measured[0] == pytest.approx([3]) and measured[1] == pytest.approx([1.5, 3])
    assert measured[2] == pytest.approx([1.5])


def test_kinds_and_sliders_of_python_and_javascript_are_the_same(node):
    knobs, kinds, ray = node(host.bundle("slopes") + "\nconsole.log(JSON.stringify([KNOBS, KINDS, RAY]));")
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert kinds == KINDS
    assert (ray["furthest"], ray["cells"]) == (FURTHEST, CELLS)


def test_verdict_follows_the_numbers(node):
    settings = [{"kind": kind, "separation": 2.0, "r": 1.5, "strength": 0.4} for kind in KINDS]
    settings.append({"kind": "both", "separation": 4.0, "r": 1.5, "strength": 0.4})
    settings.append({"kind": "two", "separation": 2.0, "r": 1.5, "strength": 0.6})
    sentences = node(
        host.bundle("slopes")
        + f"""
        console.log(JSON.stringify({json.dumps(settings)}.map((state) => {{
          const pair = pairOf(state);
          const found = minimaOf(pair, state.separation);
          return verdictOf(state, found, lowestOf(pair, state.separation, found));
        }})));
    """
    )
    says = dict(zip([*KINDS, "early", "inner"], sentences, strict=True))
    assert "a flat valley lies from 0.00 outward, without end. Neither r nor s" in says["plain"]
    assert "at infinity. r plays no part" in says["convex"]
    assert "the own proxy itself. r plays no part" in says["concave"]
    assert "One minimum, at 1.50" in says["warped"] and "D does not move it" in says["warped"]
    assert "One minimum, at 1.50" in says["smooth"]
    assert "Two minima, at 1.50 and 3.00. The outer one is the lower" in says["two"]
    assert "The inner one is the lower" in says["inner"]
    assert "from 1.50 outward, without end" in says["outward"]
    assert "from 0.00 to 1.50" in says["inward"]
    assert "One minimum, at 0.50" in says["both"] and "it is r − D/2" in says["both"]
    assert "the own proxy itself. The slopes would meet at r − D/2 = −0.50" in says["early"]


def test_alt_text_tells_the_outcome():
    assert "There is a minimum at 1.50." in slopes().alt
    assert "the minimum is at infinity" in slopes("convex").alt
    assert "a minimum at the own proxy" in slopes("concave").alt
    assert "a flat valley from 0.00 outward" in slopes("plain", view="loss").alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kind": "cubic"}, "^kind must be one of"),
        ({"view": "value"}, "^view must be one of"),
        ({"separation": 0.1}, "^separation must lie on its slider, in 0.5 … 4, found 0.1"),
        ({"r": 4.0}, "^r must lie on its slider, in 0.2 … 3, found 4"),
        ({"strength": float("nan")}, "^strength must lie on its slider"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        slopes(**arguments)

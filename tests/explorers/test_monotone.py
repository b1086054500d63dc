"""The numbers of the explorer are those of dmlkit: the extrema around a circle, for a chain of straight pieces."""

from __future__ import annotations

import json
import math
from functools import partial

import numpy as np
import pytest
import torch

from dmlkit.explorers import host, monotone
from dmlkit.explorers.monotone import HEIGHTS, RANGES, TALLEST, chain
from dmlkit.landscape import circle_distances, extrema_on_circle
from dmlkit.losses import monotone_softmax


def draws() -> list[tuple[list[float], float, float]]:
    """Heights free and in few steps (flat pieces, equal hills), circles where the sliders can put them."""
    random = np.random.default_rng(7)
    found: list[tuple[list[float], float, float]] = [([1.0] * 6, 1.0, 2.0), ([0, 1, 0, 1, 0, 1], 2.5, 2.5)]
    for k in range(120):
        heights = random.uniform(0, 3, 6) if k % 2 else random.integers(0, 4, 6)
        heights = np.sort(heights) if k % 6 == 0 else heights  # steps on the way up
        radius, separation = 0.05 * random.integers(2, 51, 2)
        found.append(([float(value) for value in heights], float(radius), float(separation)))
    return found


DRAWS = draws()
EXTREMA = [extrema_on_circle(partial(chain, heights), *circle) for heights, *circle in DRAWS]


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/monotone_arithmetic.js").as_uri()


def test_extrema_equal_dmlkits(node, arithmetic):
    measured = node(f"""
        import {{ circleExtrema, circleLoss, isPoint, onTheLine }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(([heights, radius, separation]) => {{
          const found = circleExtrema(heights, radius, separation);
          const more = (e) => ({{ loss: circleLoss(heights, e.distance[0], radius), point: isPoint(e) }});
          return [found.map((e) => ({{ ...e, ...more(e) }})), onTheLine(found)];
        }})));
    """)
    for wanted, (found, holds) in zip(EXTREMA, measured, strict=True):
        assert [e["kind"] for e in found] == [e.kind for e in wanted]
        assert [e["whole"] for e in found] == [e.whole for e in wanted]
        assert [e["point"] for e in found] == [e.is_point for e in wanted]
        for one, other in zip(found, wanted, strict=True):
            assert one["distance"] == pytest.approx(other.distance, abs=1e-9)
            assert one["theta"] == pytest.approx(other.theta, abs=1e-6)
            assert one["loss"] == pytest.approx(other.loss, abs=1e-9)
        ends = [("maximum", 0.0), ("minimum", math.pi)]
        assert holds == ([(e.kind, e.theta[0]) for e in wanted] == ends and all(e.is_point for e in wanted))


def test_draws_have_every_kind_of_extremum():
    """Or the test above would say little."""
    kinds = [(e.kind, e.is_point, 0 < e.theta[0] and e.theta[1] < math.pi) for found in EXTREMA for e in found]
    for kind in ("minimum", "maximum", "level"):
        assert sum(one[0] == kind and one[2] for one in kinds) >= 2, kind
    assert sum(not point for _, point, _ in kinds) >= 20
    assert any(len(found) >= 5 for found in EXTREMA)
    hills = [sum(e.whole and e.kind == "minimum" for e in found) for found in EXTREMA]
    assert sum(count > 1 for count in hills) >= 2  # equal ones


def test_chain_distance_angle_and_loss_equal_dmlkits(node, arithmetic):
    angles = np.linspace(0, math.pi, 7).tolist()
    measured = node(f"""
        import {{ angleAt, chainAt, circleLoss, distanceAt }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(([heights, radius, separation]) =>
          {json.dumps(angles)}.map((theta) => {{
            const distance = distanceAt(theta, radius, separation);
            const loss = circleLoss(heights, distance, radius);
            return [distance, angleAt(distance, radius, separation), chainAt(heights, distance), loss];
          }}))));
    """)
    theta = torch.tensor(angles, dtype=torch.float64)
    for (heights, radius, separation), rows in zip(DRAWS, measured, strict=True):
        distances, back, values, losses = torch.tensor(rows, dtype=torch.float64).T
        torch.testing.assert_close(distances, circle_distances(theta, radius, separation), atol=1e-12, rtol=0)
        torch.testing.assert_close(back, theta, atol=1e-6, rtol=0)
        f = partial(chain, heights)
        torch.testing.assert_close(values, f(distances), atol=1e-12, rtol=0)
        points = radius * torch.stack([theta.cos(), theta.sin()], dim=1)
        proxies = torch.tensor([[0.0, 0.0], [separation, 0.0]], dtype=torch.float64)
        labels = torch.zeros(len(points), dtype=torch.long)
        published = monotone_softmax(points, labels, proxies, f_own=f, f_other=f, reduction="none")
        torch.testing.assert_close(losses, published, atol=1e-9, rtol=0)


@pytest.mark.parametrize("farthest", [2.5, 5.0])
def test_named_circle_shows_the_fall(node, arithmetic, farthest):
    """Where f does not rise, the circle that the verdict names breaks the lemma; and the sliders can go there."""
    measured = node(f"""
        import {{ circleExtrema, firstFall, onTheLine }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(([heights]) => {{
          const fall = firstFall(heights, {farthest});
          return [fall, fall && onTheLine(circleExtrema(heights, fall.radius, fall.separation))];
        }})));
    """)
    for (heights, *_), (fall, holds) in zip(DRAWS, measured, strict=True):
        rises = np.diff(heights)
        assert (fall is None) == bool((rises > 1e-9).all())
        if fall is not None:
            assert rises[fall["from"]] < 1e-9 and fall["to"] == fall["from"] + 1
            assert fall["flat"] == bool((rises >= 0).all())
            assert not holds
            assert 0.1 <= fall["radius"] <= 2.5 and 0.1 <= fall["separation"] <= farthest
            far = extrema_on_circle(partial(chain, heights), fall["radius"], fall["separation"])[-1]
            assert fall["flat"] or not (far.kind == "minimum" and far.whole)


def test_knots_ranges_and_start_of_python_and_javascript_are_the_same(node):
    knobs, presets, places = node(
        host.bundle("monotone") + "\nconsole.log(JSON.stringify([KNOBS, PRESETS, KNOT_PLACES]));"
    )
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert next(iter(presets.values()))["heights"] == list(HEIGHTS)
    assert places == list(range(len(HEIGHTS)))
    for preset in presets.values():
        assert len(preset["heights"]) == 6 and 0 <= min(preset["heights"]) <= max(preset["heights"]) <= TALLEST


def verdicts(node, settings):
    return node(
        host.bundle("monotone")
        + f"""
        console.log(JSON.stringify({json.dumps(settings)}.map(([heights, radius, separation]) =>
          verdictFor(heights, circleExtrema(heights, radius, separation)))));
    """
    )


def test_verdict_follows_the_numbers(node):
    straight, bump, dip = list(HEIGHTS), [0, 1.8, 2.2, 2, 1.6, 1.25], [0, 0.6, 1.2, 1.05, 1.7, 2.4]
    clipped, shoulder, down = [0, 0.9, 1.8, 1.8, 1.8, 1.8], [0, 0.6, 1.2, 1.2, 1.8, 2.4], [3, 2, 1, 0.5, 0.2, 0]
    settings = [
        (straight, 1.5, 2.0, "f rises everywhere. On this circle the far point is the only minimum"),
        (
            bump,
            1.5,
            2.0,
            "The minimum has left the line: the loss is lowest at θ = ±68°, where f is highest, at d₂ = 2.00",
        ),
        (bump, 0.5, 1.0, "between 2 and 3; look at ρ = 0.5, D = 2.5"),
        (dip, 1.5, 2.0, "The far point is still the lowest, but not alone: at θ = ±68°"),
        (dip, 0.5, 2.5, "The minimum has gone to the other side: the loss is lowest at the near point"),
        (clipped, 1.5, 2.0, "A tie: f is flat from d₂ = 2.00 on"),
        (clipped, 0.5, 1.0, "But f is flat between 2 and 3"),
        (clipped, 0.5, 2.5, "All of the circle has the same loss"),
        (shoulder, 1.5, 2.5, "The far point is the only minimum, but between θ = ±53° and θ = ±94° f is flat"),
        (down, 1.5, 2.0, "The minimum has gone to the other side: the loss is lowest at the near point"),
        ([0, 1, 0, 1, 0, 1], 1.0, 2.0, "A tie: the far point is lowest, and so is the near point."),
        ([0, 2, 2, 0, 0, 0], 1.5, 2.0, "the loss is lowest everywhere from θ ="),
    ]
    for (*_, sentence), verdict in zip(settings, verdicts(node, [row[:3] for row in settings]), strict=True):
        assert sentence in verdict


def test_every_draw_has_a_verdict(node):
    for (*_, found), verdict in zip(zip(DRAWS, EXTREMA, strict=True), verdicts(node, DRAWS), strict=True):
        assert "undefined" not in verdict and "NaN" not in verdict and verdict.endswith((".", "!"))
        far = found[-1]
        stays = far.kind == "minimum" and far.whole and far.theta[1] == math.pi
        assert ("has left the line" in verdict or "other side" in verdict or "All of the circle" in verdict) != stays


def test_alt_text_says_where_the_loss_is_lowest():
    assert "of which 0 do not rise" in monotone().alt and "an angle of 180°" in monotone().alt
    bump = monotone([0, 1.8, 2.2, 2, 1.6, 1.25])
    assert "of which 3 do not rise" in bump.alt and "an angle of 68°" in bump.alt
    assert "68° to 180°" in monotone([0, 0.9, 1.8, 1.8, 1.8, 1.8]).alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"heights": [0, 1, 2]}, "^heights must be 6 numbers, found 3"),
        ({"heights": [0, 1, 2, 3, 4, 5]}, "^heights must lie in 0 … 3, found 4"),
        ({"heights": [0, 1, math.nan, 1, 1, 1]}, "^heights must lie in 0 … 3, found nan"),
        ({"radius": 0.0}, "^radius must lie on its slider, in 0.1 … 2.5, found 0"),
        ({"separation": 3}, "^separation must lie on its slider, in 0.1 … 2.5, found 3"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        monotone(**arguments)

"""What the explorer shows of pairs and class means is what dmlkit computes, and what numpy makes of every pair."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dmlkit.explorers import class_means, host
from dmlkit.explorers.class_means import DISTANCES, to_class
from dmlkit.geometry import unit_rows
from dmlkit.metrics import silhouette_samples


def draws() -> list[dict]:
    """Points of the unit circle in three classes of any size, singletons and equal points among them."""
    random = np.random.default_rng(5)
    found = []
    for k in range(200):
        turns = random.uniform(0, 2 * np.pi, 11)
        if k % 10 == 0:
            turns[:4] = turns[0]
        labels = [0, 1, 2, *random.choice(3, 8, p=random.dirichlet([0.7, 0.7, 0.7])).tolist()]
        points = np.stack([np.cos(turns), np.sin(turns)], axis=1).tolist()
        found.append({"points": points, "labels": labels, "chosen": int(random.integers(11)), "to": k % 3})
    return found


DRAWS = draws()


@pytest.fixture(scope="module", params=DISTANCES)
def measured(request, node, root):
    arithmetic = (root / "dmlkit/explorers/class_means_arithmetic.js").as_uri()
    found = node(f"""
        import {{ toClass }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(
          (draw) => toClass(draw.points, draw.labels, draw.chosen, draw.to, "{request.param}"))));
    """)
    return request.param, found


def test_draws_have_singletons():
    alone = [draw["labels"].count(draw["to"]) == 1 and draw["labels"][draw["chosen"]] == draw["to"] for draw in DRAWS]
    assert 0 < sum(alone) < 100


def test_both_ways_equal_dmlkits(measured):
    distance, found = measured
    for draw, one in zip(DRAWS, found, strict=True):
        rows = torch.tensor(draw["points"], dtype=torch.float64)
        expected = to_class(rows, torch.tensor(draw["labels"]), draw["chosen"], draw["to"], distance=distance)
        assert one["others"] == expected.others.tolist()
        if not one["others"]:
            assert one["byPairs"] is one["byMean"] is one["center"] is one["length"] is one["foot"] is None
            continue
        assert one["byPairs"] == pytest.approx(expected.by_pairs, abs=1e-9)
        assert one["byMean"] == pytest.approx(expected.by_mean, abs=1e-9)


def test_pairs_equal_a_loop_over_points(measured):
    """`to_class` is not compared with itself only."""
    distance, found = measured
    for draw, one in zip(DRAWS, found, strict=True):
        points, labels = np.array(draw["points"]), np.array(draw["labels"])
        there = [j for j in range(len(points)) if labels[j] == draw["to"] and j != draw["chosen"]]
        here = points[draw["chosen"]]
        if distance == "cosine":
            expected = [1 - here @ points[j] for j in there]
        else:
            expected = [np.sqrt(((here - points[j]) ** 2).sum()) for j in there]
        assert one["distances"] == pytest.approx(expected, abs=1e-12)
        if there:
            assert one["byPairs"] == pytest.approx(np.mean(expected), abs=1e-12)
            assert one["center"] == pytest.approx(points[there].mean(axis=0).tolist(), abs=1e-12)
            assert one["length"] == pytest.approx(np.linalg.norm(points[there].mean(axis=0)), abs=1e-12)


def test_class_mean_is_exact_for_cosine_and_too_short_for_euclid(measured):
    distance, found = measured
    gaps = [one["byPairs"] - one["byMean"] for one in found if one["others"]]
    if distance == "cosine":
        assert max(map(abs, gaps)) < 1e-14
    else:
        assert min(gaps) > -1e-14 and sum(gap > 0.01 for gap in gaps) > 100


def test_foot_cuts_off_the_cosine_distance(measured):
    """The picture draws the distance as the way from the foot to the chosen point."""
    distance, found = measured
    for one in found:
        if one["others"] and distance == "cosine":
            assert 1 - one["foot"] == pytest.approx(one["byPairs"], abs=1e-12)


def test_silhouette_follows_from_the_distances(node, root):
    """a to the own class and b, the smallest to another, give dmlkit's silhouette of the chosen point."""
    arithmetic = (root / "dmlkit/explorers/class_means_arithmetic.js").as_uri()
    found = node(f"""
        import {{ toClass }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map((draw) => [0, 1, 2].map(
          (label) => toClass(draw.points, draw.labels, draw.chosen, label, "cosine").byMean))));
    """)
    for draw, means in zip(DRAWS, found, strict=True):
        own = draw["labels"][draw["chosen"]]
        a, b = means[own], min(value for label, value in enumerate(means) if label != own)
        rows = torch.tensor(draw["points"], dtype=torch.float64)
        expected = silhouette_samples(rows, torch.tensor(draw["labels"]))[draw["chosen"]].item()
        shown = 0.0 if a is None or max(a, b) < 1e-12 else (b - a) / max(a, b)
        assert shown == pytest.approx(expected, abs=1e-6)


def verdicts(node, *settings: dict) -> list[str]:
    """What the explorer says for settings of {points: degrees, labels, chosen, to, distance}."""
    return node(
        host.bundle("class_means")
        + f"""
        const says = ({{ degrees, ...state }}) => {{
          const points = degrees.map((turn) => [Math.cos((turn * Math.PI) / 180), Math.sin((turn * Math.PI) / 180)]);
          const found = toClass(points, state.labels, state.chosen, state.to, state.distance);
          return verdictOn(state, state.labels, found);
        }};
        console.log(JSON.stringify({json.dumps(settings)}.map(says)));
        """
    )


def test_verdict_says_what_is_there(node):
    four = {"degrees": [10, 20, 30, 0, 90, 180, 270], "labels": [0, 0, 1, 2, 2, 2, 2], "chosen": 0}
    alike, short, even, alone, one = verdicts(
        node,
        {**four, "to": 0, "distance": "cosine"},
        {**four, "to": 2, "distance": "euclidean"},
        {**four, "to": 2, "distance": "cosine"},
        {**four, "chosen": 2, "to": 1, "distance": "cosine"},
        {**four, "to": 1, "distance": "euclidean"},
    )
    assert "the others of its class A, either way" in alike and alike.startswith("One pair")
    assert "too short" in short and short.startswith("The pairs say")
    assert even.startswith("Four pairs") and "every point of the circle is about 1 away" in even
    assert alone.startswith("Point 3 is alone in class B")
    assert "Here the class mean is right" in one and "in one direction only" in one


def test_starts_where_the_keyboard_moves_every_point():
    """An arrow key pushes along one axis; on the other axis it would not turn a point."""
    points = torch.tensor(class_means().state["points"])
    assert points.abs().min() > 0.1


def test_state_lies_on_the_circle_and_alt_text_tells_the_numbers():
    explorer = class_means(distance="euclidean", way="mean", chosen=1, to=2)
    rows = torch.tensor(explorer.state["points"], dtype=torch.float64)
    torch.testing.assert_close(rows, unit_rows(rows), rtol=0, atol=1e-15)
    found = to_class(rows, torch.tensor(explorer.state["labels"]), 1, 2, distance="euclidean")
    assert found.by_mean < found.by_pairs
    for text in ("11 points of three classes", "Point 2", "class C", "Euclidean", f"{found.by_pairs:.2f}"):
        assert text in explorer.alt
    assert "no other point" in class_means(((0.0,), (90.0,), (180.0,)), chosen=0, to=0).alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"distance": "manhattan"}, "^distance must be one of"),
        ({"way": "sideways"}, "^way must be one of"),
        (
            {"angles": ((0.0,), (1.0,))},
            r"^angles must hold one to six points for each of three classes, found \[1, 1\]",
        ),
        ({"angles": ((0.0,), (), (1.0,))}, "^angles must hold one to six points"),
        ({"angles": ((0.0,) * 7, (2.0,), (1.0,))}, "^angles must hold one to six points"),
        ({"angles": ((0.0,), (float("nan"),), (1.0,))}, "^angles must be finite"),
        ({"chosen": 11}, "^chosen must lie in 0 … 10, found 11"),
        ({"to": -1}, "^to must lie in 0 … 2, found -1"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        class_means(**arguments)

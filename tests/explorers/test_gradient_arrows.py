"""The explorer's losses and slopes are those of dmlkit and its autograd, and its steps go downhill."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pytest
import torch

from dmlkit.explorers import gradients, host
from dmlkit.explorers.gradients import FOLLOWS, RANGES, losses_of, on_circle, slopes
from dmlkit.metrics import silhouette_score


def draws() -> list[dict]:
    """Points anywhere or in tight groups, classes of any size, singletons and equal points among them."""
    random = np.random.default_rng(5)
    found = []
    for k in range(150):
        count = int(random.integers(3, 14))
        turns = random.uniform(-math.pi, math.pi, count)
        if k % 3 == 0:  # in three tight groups
            turns = turns[:3][random.integers(0, 3, count)] + 0.05 * random.normal(size=count)
        if k % 10 == 0:
            turns[:2] = turns[0]
        labels = [0, 1, 0, *random.choice(3, count - 3, p=random.dirichlet([0.7, 0.7, 0.7])).tolist()]
        found.append(
            {
                "turns": turns.tolist(),
                "labels": labels,
                "tau": float(10 ** random.uniform(-1.7, 0.7)),
                "softness": float(10 ** random.uniform(-1.7, 0.3)),
                "weight": float(random.uniform(0, 20)),
                "follow": FOLLOWS[k % 3],
            }
        )
    return found


DRAWS = draws()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/gradients_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def measured(node, arithmetic):
    return node(f"""
        import {{ followed, alignment, stepDown }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ turns, labels, ...setting }}) => {{
          const found = followed(turns, labels, setting);
          return {{
            ...found,
            cosine: alignment(found.con.slopes, found.sil.slopes),
            moved: stepDown(turns, labels, setting),
          }};
        }})));
    """)


def tensors(draw: dict) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.tensor(draw["turns"], dtype=torch.float64), torch.tensor(draw["labels"])


def by_dmlkit(draw: dict) -> dict:
    return losses_of(draw["tau"], draw["softness"], draw["weight"])


def test_draws_have_singletons_and_two_and_three_classes():
    sizes = [np.bincount(draw["labels"], minlength=3) for draw in DRAWS]
    assert sum(1 in size for size in sizes) > 20
    assert 20 < sum(0 in size for size in sizes) < 130


@pytest.mark.parametrize("name", ["con", "sil"])
def test_each_loss_and_its_slopes_equal_dmlkits(measured, name):
    for draw, found in zip(DRAWS, measured, strict=True):
        turns, labels = tensors(draw)
        loss = by_dmlkit(draw)[name]
        assert found[name]["loss"] == pytest.approx(loss(on_circle(turns), labels).item(), rel=1e-9, abs=1e-9)
        expected = slopes(turns, labels, loss).tolist()
        assert found[name]["slopes"] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_what_is_followed_equals_dmlkits(measured):
    for draw, found in zip(DRAWS, measured, strict=True):
        turns, labels = tensors(draw)
        loss = by_dmlkit(draw)[draw["follow"]]
        assert found["loss"] == pytest.approx(loss(on_circle(turns), labels).item(), rel=1e-9, abs=1e-9)
        assert found["slopes"] == pytest.approx(slopes(turns, labels, loss).tolist(), rel=1e-9, abs=1e-8)


def test_slopes_are_those_of_the_values(node, arithmetic):
    """Autograd is not the only witness: a difference of the values themselves."""
    draw = {**DRAWS[1], "tau": 0.3, "softness": 0.3, "follow": "both"}
    h = 1e-5
    losses, expected = node(f"""
        import {{ followed }} from "{arithmetic}";
        const {{ turns, labels, ...setting }} = {json.dumps(draw)};
        const at = (k, by) => followed(turns.map((turn, j) => (j === k ? turn + by : turn)), labels, setting).loss;
        const differences = turns.map((_, k) => (at(k, {h}) - at(k, -{h})) / {2 * h});
        console.log(JSON.stringify([differences, followed(turns, labels, setting).slopes]));
    """)
    assert losses == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_cosine_is_that_of_the_slopes(measured):
    compared = 0
    for draw, found in zip(DRAWS, measured, strict=True):
        turns, labels = tensors(draw)
        con, sil = (slopes(turns, labels, by_dmlkit(draw)[name]) for name in ("con", "sil"))
        if min(con.norm(), sil.norm()) < 1e-9:  # a slope of rounding only has no direction
            assert found["cosine"] is None
        elif min(con.norm(), sil.norm()) > 1e-6:
            compared += 1
            assert found["cosine"] == pytest.approx((con @ sil / (con.norm() * sil.norm())).item(), abs=1e-6)
    assert compared > 120


def test_a_step_lowers_the_loss_and_goes_no_farther_than_it_says(measured):
    moves = 0
    for draw, found in zip(DRAWS, measured, strict=True):
        if found["moved"] is None:
            continue
        moves += 1
        turns, labels = tensors(draw)
        moved = torch.tensor(found["moved"], dtype=torch.float64)
        loss = by_dmlkit(draw)[draw["follow"]]
        assert loss(on_circle(moved), labels) < loss(on_circle(turns), labels)
        assert 0 < (moved - turns).abs().max() <= 0.04 + 1e-12
    assert moves > 140


def let_go(node, arithmetic, state: dict, steps: int = 800) -> dict:
    """Points after so many steps: silhouette, and how many steps there were."""
    done = node(f"""
        import {{ stepDown }} from "{arithmetic}";
        const {{ angles, labels, ...setting }} = {json.dumps(state)};
        let turns = angles.map((angle) => (angle * Math.PI) / 180);
        let step = 0;
        for (; step < {steps}; step++) {{
          const moved = stepDown(turns, labels, setting);
          if (!moved) break;
          turns = moved;
        }}
        console.log(JSON.stringify({{ turns, step }}));
    """)
    turns = torch.tensor(done["turns"], dtype=torch.float64)
    return {"silhouette": silhouette_score(on_circle(turns), torch.tensor(state["labels"])), "steps": done["step"]}


def test_let_go_from_two_pieces_supcon_joins_them_and_the_silhouette_does_not(node, arithmetic):
    """What the chapter says of the explorer's start."""
    start = gradients().state
    con = let_go(node, arithmetic, {**start, "follow": "con"})
    sil = let_go(node, arithmetic, {**start, "follow": "sil"})
    both = let_go(node, arithmetic, {**start, "follow": "both"})
    assert con["silhouette"] > 0.9 and both["silhouette"] > 0.9
    # Both pieces of A between B and C, opposite each other: s = −1/4 for its four points, 1 for the other eight.
    assert sil["silhouette"] == pytest.approx(7 / 12, abs=0.01)
    assert sil["steps"] < 800  # at rest


def test_supcon_joins_at_both_ends_of_its_slider(node, arithmetic):
    start = gradients().state
    for tau in RANGES["tau"]:
        assert let_go(node, arithmetic, {**start, "tau": tau, "follow": "con"})["silhouette"] > 0.99


def test_lengths_at_the_start_and_the_stray_point_are_as_the_chapter_says(node):
    """SupCon's gradient is about nine times as long; the stray point is the most urgent for SupCon only."""
    start, stray = node(
        host.bundle("gradients")
        + f"""
        const at = (preset) => followed(radians(preset.angles), preset.labels, {json.dumps(gradients().state)});
        console.log(JSON.stringify([at(PRESETS["one class in two pieces"]), at(PRESETS["a stray point"])]));
        """
    )
    ratio = np.linalg.norm(start["con"]["slopes"]) / np.linalg.norm(start["sil"]["slopes"])
    assert ratio == pytest.approx(9, abs=0.3)
    con, sil = (np.abs(stray[name]["slopes"]) for name in ("con", "sil"))
    assert con.argmax() == 3 and con[3] > 1.5 * np.sort(con)[-2]
    assert sil[3] < min(sil[[4, 7, 8, 11]])  # the rims of B and C


def test_presets_begin_with_where_python_starts(node):
    found = node(host.bundle("gradients") + "\nconsole.log(JSON.stringify(PRESETS));")
    first = next(iter(found.values()))
    assert first == {key: gradients().state[key] for key in ("angles", "labels")}
    for preset in found.values():
        assert len(preset["angles"]) == len(preset["labels"])
        # On an axis, two of the four arrow keys would not turn a point.
        assert all(angle % 90 for angle in preset["angles"])


def verdict(node, state: dict) -> str:
    return node(
        host.bundle("gradients")
        + f"""
        const {{ angles, labels, ...setting }} = {json.dumps(state)};
        const turns = radians(angles);
        const found = followed(turns, labels, setting);
        const cosine = alignment(found.con.slopes, found.sil.slopes);
        console.log(JSON.stringify(verdictOn(turns, labels, setting, found, cosine)));
        """
    )


def test_verdict_says_what_happens(node):
    start = gradients().state
    assert re.search(r"SupCon's slope is [\d.]+ times as steep.* Now: class A in pieces\.$", verdict(node, start))
    assert "the silhouette is" in verdict(node, {**start, "tau": 5.0, "weight": 20.0})
    assert "steep" not in verdict(node, {**start, "follow": "sil"})
    for weight in (1.0, 2.0):  # λ counts: twice the weight, half the ratio
        told = re.search(r"SupCon's slope is ([\d.]+) times", verdict(node, {**start, "weight": weight})).group(1)
        assert float(told) == pytest.approx(8.93 / weight, abs=0.06)
    rims = [76.0, 78.0, 82.0, 84.0, -44.0, -42.0, -38.0, -36.0, 196.0, 198.0, 202.0, 204.0]
    assert verdict(node, {**start, "angles": rims}).endswith("Now: each class in one place.")
    together = {**start, "angles": [80.0] * 4 + [-40.0] * 4 + [200.0] * 4}
    assert verdict(node, together) == "The sum is at rest, with each class in one place."
    crossed = {**start, "follow": "sil", "angles": [90.0] * 2 + [-90.0] * 2 + [0.0] * 4 + [180.0] * 4}
    assert verdict(node, crossed) == "The silhouette is at rest, with class A in pieces."
    assert "of one class" in verdict(node, {**start, "labels": [0] * 12})


def test_one_class_has_no_silhouette(node, arithmetic):
    found = node(f"""
        import {{ softSilhouetteAt, supConAt }} from "{arithmetic}";
        console.log(JSON.stringify([softSilhouetteAt([0, 1, 2], [0, 0, 0], 0.1), supConAt([0, 1], [0, 1], 0.1)]));
    """)
    assert [one["loss"] for one in found] == [0, 0]
    assert [[abs(slope) for slope in one["slopes"]] for one in found] == [[0, 0, 0], [0, 0]]


def test_sliders_of_python_and_javascript_have_the_same_range(root):
    source = (root / "dmlkit/explorers/gradients.js").read_text(encoding="utf-8")
    found = dict(re.findall(r"(min: [\d.]+, max: [\d.]+),[^}]*\},\n\s*onKey\(model, \"(\w+)\"\)", source))
    assert {name: text for text, name in found.items()} == {
        name: f"min: {low:g}, max: {high:g}" for name, (low, high) in RANGES.items()
    }


def test_alt_text_tells_the_numbers():
    explorer = gradients(tau=0.2)
    assert "12 points of 3 classes" in explorer.alt and "τ = 0.2" in explorer.alt
    assert gradients(((10, 20), (100, 130)), follow="sil").alt.startswith("4 points of 2 classes")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"follow": "up"}, "^follow must be one of"),
        ({"tau": 0.01}, r"^tau must lie on its slider, in 0.02 … 5, found 0.01"),
        ({"tau": float("nan")}, "^tau must lie on its slider"),
        ({"softness": 2.5}, r"^softness must lie on its slider, in 0.02 … 2, found 2.5"),
        ({"weight": -1}, r"^weight must lie on its slider, in 0 … 20, found -1"),
        (
            {"angles": ((1.0, 2.0),)},
            r"^angles must hold one to eight points for each of two or three classes, found \[2",
        ),
        ({"angles": ((1.0,) * 9, (2.0,))}, "^angles must hold one to eight points"),
        ({"angles": ((1.0,), (float("inf"),))}, "^angles must be finite"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        gradients(**arguments)

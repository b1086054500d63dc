"""The explorer's losses, slopes and classifier are those of dmlkit and its autograd, and its points go downhill."""

from __future__ import annotations

import functools
import json
import re

import numpy as np
import pytest
import torch

from dmlkit import losses
from dmlkit.explorers import host, three_losses
from dmlkit.explorers.three_losses import LABELS, NAMES, RANGES, classifier, slopes


def draws() -> list[dict]:
    """Points of every size, λ and steps of the classifier over their sliders and beyond."""
    random = np.random.default_rng(4)
    found = []
    for k in range(120):
        points = 10 ** random.uniform(-1, 0.5) * random.normal(size=(12, 2))
        if k % 4 == 0:  # classes apart
            points += 2 * np.array([[1, 0], [-0.5, 0.8], [-0.5, -0.8]])[list(LABELS)]
        found.append(
            {
                "points": points.tolist(),
                "labels": list(LABELS),
                "lam": float(10 ** random.uniform(-1.3, 0.7)),
                "fit": int(random.choice([0, 1, 5, 20, 60])),
            }
        )
    return found


DRAWS = draws()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/three_losses_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def measured(node, arithmetic):
    return node(f"""
        import {{ threeAt, cosineOf, stepOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ points, labels, ...setting }}) => {{
          const found = threeAt(points, labels, setting);
          const moved = ["ce", "spce", "pce"].map((key) => stepOf(points, found[key].slopes));
          return {{ ...found, cosine: cosineOf(found.ce.slopes, found.spce.slopes), moved }};
        }})));
    """)


@functools.cache
def _weights(k: int) -> torch.Tensor:
    points, labels = torch.tensor(DRAWS[k]["points"], dtype=torch.float64), torch.tensor(DRAWS[k]["labels"])
    return classifier(points, labels, DRAWS[k]["fit"])


def tensors(draw: dict) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    points, labels = torch.tensor(draw["points"], dtype=torch.float64), torch.tensor(draw["labels"])
    return points, labels, _weights(DRAWS.index(draw)).clone()


def test_classifier_equals_descent_with_dmlkits_cross_entropy(measured):
    for draw, found in zip(DRAWS, measured, strict=True):
        assert np.allclose(found["weights"], tensors(draw)[2], rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", NAMES)
def test_each_loss_and_its_slopes_equal_dmlkits(measured, name):
    for draw, found in zip(DRAWS, measured, strict=True):
        value, slope = slopes(*tensors(draw), draw["lam"], name)
        scale = max(1.0, abs(value), slope.abs().max().item())
        assert found[name]["loss"] == pytest.approx(value, rel=1e-9, abs=1e-9 * scale)
        assert np.allclose(found[name]["slopes"], slope, rtol=1e-9, atol=1e-9 * scale)


def test_misfit_is_the_squared_gradient_of_cross_entropy_by_the_classifier(measured):
    for draw, found in zip(DRAWS, measured, strict=True):
        points, labels, weights = tensors(draw)
        weights.requires_grad_()
        (slope,) = torch.autograd.grad(losses.linear_cross_entropy(points, labels, weights), weights)
        assert found["misfit"] == pytest.approx(slope.square().sum().item() / (2 * draw["lam"]), rel=1e-8, abs=1e-9)


def test_draws_reach_below_zero_and_close_to_fitted(measured):
    assert sum(found["pce"]["loss"] < -0.1 for found in measured) > 5
    assert sum(found["misfit"] < 0.01 for found in measured) > 10


def test_cosine_is_that_of_the_slopes(measured):
    for draw, found in zip(DRAWS, measured, strict=True):
        one, other = (slopes(*tensors(draw), draw["lam"], name)[1].flatten() for name in ("ce", "spce"))
        if one.norm() < 1e-9:
            assert draw["fit"] == 0 and found["cosine"] is None
        else:
            assert found["cosine"] == pytest.approx((one @ other / (one.norm() * other.norm())).item(), abs=1e-9)


def test_a_step_goes_downhill_and_no_farther_than_it_says(measured):
    moves = 0
    for draw, found in zip(DRAWS, measured, strict=True):
        points = torch.tensor(draw["points"], dtype=torch.float64)
        for name, moved in zip(NAMES, found["moved"], strict=True):
            if moved is None:
                continue
            moves += 1
            step = torch.tensor(moved, dtype=torch.float64) - points
            slope = torch.tensor(found[name]["slopes"], dtype=torch.float64)
            assert (step * slope).sum() < 0
            assert step.norm(dim=1).max() <= 0.1 + 1e-12
    assert moves > 300


def let_go(node, arithmetic, follow: str, **changes) -> list[dict]:
    """What Play does from the start: the three losses, the size of the cloud and the misfit at every step."""
    state = {**three_losses().state, **changes}
    return node(f"""
        import {{ threeAt, sizeOf, stepOf }} from "{arithmetic}";
        const {{ points: start, labels, lam, fit }} = {json.dumps(state)};
        let points = start;
        const rows = [];
        for (let step = 0; step <= 400; step++) {{
          const found = threeAt(points, labels, {{ lam, fit }});
          const values = Object.fromEntries(["ce", "spce", "pce"].map((key) => [key, found[key].loss]));
          const farthest = Math.max(...points.flat().map(Math.abs));
          rows.push({{ ...values, misfit: found.misfit, size: sizeOf(points), farthest }});
          const moved = farthest > 3.85 ? null : stepOf(points, found["{follow}"].slopes);
          if (!moved) break;
          points = moved;
        }}
        console.log(JSON.stringify(rows));
    """)


@pytest.mark.parametrize("follow", NAMES)
def test_each_loss_falls_and_so_do_the_others(node, arithmetic, follow):
    """What the chapter says of the explorer's start: whichever is minimised, all three end lower."""
    rows = let_go(node, arithmetic, follow)
    for name in NAMES:
        assert rows[-1][name] < 0.3 * rows[0][name], name


def test_spce_needs_a_larger_cloud_than_cross_entropy(node, arithmetic):
    def size_at(follow, level):
        return next(row["size"] for row in let_go(node, arithmetic, follow) if row[follow] < level)

    assert size_at("spce", 0.1) > 1.5 * size_at("ce", 0.1)


def test_a_classifier_at_zero_pays_for_growth(node, arithmetic):
    """m = 0: PCE falls far below 0 while the points run to the rim, and cross-entropy has no slope at all."""
    rows = let_go(node, arithmetic, "pce", fit=0)
    assert rows[-1]["pce"] < -1 and rows[-1]["farthest"] > 3.85
    assert len(let_go(node, arithmetic, "ce", fit=0)) == 1


def test_a_small_lambda_makes_pce_the_faster(node, arithmetic):
    def steps(lam):
        return next(k for k, row in enumerate(let_go(node, arithmetic, "pce", lam=lam)) if row["ce"] < 0.05)

    assert steps(0.2) < steps(1.0)


def verdict(node, **changes) -> str:
    state = {**three_losses().state, **changes}
    return node(
        host.bundle("three_losses")
        + f"""
        const {{ points, labels, ...setting }} = {json.dumps(state)};
        const found = {{ ...threeAt(points, labels, setting), labels }};
        console.log(JSON.stringify(verdictOf(setting, points, found, found[setting.follow].slopes)));
        """
    )


def test_verdict_says_what_happens(node):
    points = three_losses().state["points"]
    assert "fits, and PCE is nearly SPCE" in verdict(node)
    assert "in another unit of length" in verdict(node, lam=0.05, fit=60)
    assert "cross-entropy has no slope" in verdict(node, follow="ce", fit=0)
    large = [[5 * x, 5 * y] for x, y in points]
    assert "PCE is below 0" in verdict(node, follow="pce", fit=0, points=large)
    assert "The classifier lags" in verdict(node, fit=0)
    assert "The classifier lags" in verdict(node, fit=1, follow="ce")
    assert "reached the rim" in verdict(node, points=[[3.9, 0.1], *points[1:]])
    assert verdict(node).endswith("points correctly.")
    together = [[0.0, 0.0]] * 12
    assert verdict(node, points=together).startswith("SPCE is at rest.")


def test_presets_begin_with_where_python_starts(node):
    found = node(host.bundle("three_losses") + "\nconsole.log(JSON.stringify(PRESETS));")
    assert next(iter(found.values()))["points"] == three_losses().state["points"]
    for preset in found.values():
        three_losses(preset["points"])
        assert all(value for point in preset["points"] for value in point)


def test_sliders_of_python_and_javascript_have_the_same_range(root):
    source = (root / "dmlkit/explorers/three_losses.js").read_text(encoding="utf-8")
    found = dict(re.findall(r"(min: [\d.]+, max: [\d.]+),[^}]*\},\n\s*onKey\(model, \"(\w+)\"\)", source))
    assert {name: text for text, name in found.items()} == {
        name: f"min: {low:g}, max: {high:g}" for name, (low, high) in RANGES.items()
    }


def test_alt_text_tells_the_numbers():
    assert "SPCE 1.00" in three_losses().alt and "of 20 steps and λ = 1" in three_losses().alt
    assert "descent on PCE" in three_losses(follow="pce", lam=0.5).alt


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"follow": "CE"}, ValueError, "^follow must be one of"),
        ({"lam": 0.01}, ValueError, "^lam must lie on its slider, in 0.05 … 5, found 0.01"),
        ({"lam": float("nan")}, ValueError, "^lam must lie on its slider"),
        ({"fit": 61}, ValueError, "^fit must lie on its slider, in 0 … 60, found 61"),
        ({"fit": 2.0}, TypeError, "^fit must be a whole number, found 2.0"),
        ({"fit": True}, TypeError, "^fit must be a whole number, found True"),
        ({"points": [(0.0, 1.0)] * 3}, ValueError, "^points must be 12 points of the plane, found 3"),
        ({"points": [(0.0, 1.0, 2.0)] * 12}, ValueError, "^points must be 12 points of the plane"),
        ({"points": [(0.0, 4.5)] * 12}, ValueError, "^points must lie within ±4"),
        ({"points": [(0.0, float("nan"))] * 12}, ValueError, "^points must lie within ±4"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        three_losses(**arguments)

"""The numbers of the explorer are those of dmlkit's soft silhouette, value and slope."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from dmlkit import losses
from dmlkit.explorers import host, softening
from dmlkit.explorers.softening import EPS, FORMS, NEAREST, RANGES, TAU, soft_minimum

IN_DMLKIT = ("logsumexp", "weighted_mean")


def draws() -> list[dict]:
    """Distances to the own and to 2 … 60 other classes, and both temperatures, small and large."""
    random = np.random.default_rng(5)
    found = [{"a": 0.2, "others": [0.4] * 7, "tau": 0.1, "tau_b": 0.1}]
    for _ in range(80):
        count = int(random.integers(2, 60))
        spread = random.uniform(0.01, 1.4)
        found.append(
            {
                "a": float(random.uniform(0.001, 1.5)),
                "others": (random.uniform(0.02, 0.5) + spread * random.random(count)).tolist(),
                "tau": float(10 ** random.uniform(-1.5, 0)),
                "tau_b": float(10 ** random.uniform(-2, 0.3)),
            }
        )
    return found


DRAWS = draws()


def at_distances(own: torch.Tensor, others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit rows of which the first has one mate at cosine distance `own`, and one row of each other class."""
    distances = torch.cat([own.reshape(1), others])
    cosines = 1 - distances
    rows = torch.cat([cosines.unsqueeze(1), torch.diag(torch.sqrt(1 - cosines**2))], dim=1)
    anchor = torch.nn.functional.one_hot(torch.tensor([0]), rows.shape[1]).to(rows)
    labels = torch.tensor([0, 0, *range(1, len(others) + 1)])
    return torch.cat([anchor, rows]), labels


def by_dmlkit(draw: dict, form: str) -> tuple[float, float, list[float]]:
    """The loss of the image, and its slopes in a and in each distance to another class."""
    own = torch.tensor(draw["a"], dtype=torch.float64, requires_grad=True)
    others = torch.tensor(draw["others"], dtype=torch.float64, requires_grad=True)
    rows, labels = at_distances(own, others)
    loss = losses.soft_silhouette(
        rows,
        labels,
        temperature=draw["tau"],
        nearest_temperature=draw["tau_b"],
        soft_min=form,
        eps=EPS,
        reduction="none",
    )[0]
    by_own, by_others = torch.autograd.grad(loss, [own, others])
    return loss.item(), by_own.item(), by_others.tolist()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/softening_arithmetic.js").as_uri()


@pytest.mark.parametrize("form", IN_DMLKIT)
def test_loss_and_its_slopes_equal_dmlkits(node, arithmetic, form):
    measured = node(f"""
        import {{ softMinimum, softScore, slopesOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ a, others, tau, tau_b }}) => {{
          const {{ b, shares }} = softMinimum(others, tau_b, "{form}");
          const setting = {{ tau, eps: {EPS} }};
          const [byOwn, byB] = slopesOf(a, b, setting);
          return {{ loss: 1 - softScore(a, b, setting), own: -byOwn, others: shares.map((s) => -byB * s) }};
        }})));
    """)
    for draw, found in zip(DRAWS, measured, strict=True):
        loss, by_own, by_others = by_dmlkit(draw, form)
        scale = max(1.0, abs(loss), abs(by_own), max(map(abs, by_others)))
        assert found["loss"] == pytest.approx(loss, rel=1e-9)
        assert found["own"] == pytest.approx(by_own, rel=1e-8, abs=1e-9 * scale)
        assert found["others"] == pytest.approx(by_others, rel=1e-8, abs=1e-9 * scale)


def test_draws_reach_beyond_zero():
    """Negative b, reversed pull and negative shares are among the draws, or the test above would say little."""
    found = [by_dmlkit(draw, form) for form in IN_DMLKIT for draw in DRAWS]
    assert sum(loss > 2 for loss, _, _ in found) > 10
    assert sum(by_own < 0 for _, by_own, _ in found) > 10
    assert sum(max(by_others) > 0 for _, _, by_others in found) > 10


@pytest.mark.parametrize("form", FORMS)
def test_python_and_javascript_have_the_same_soft_minima(node, arithmetic, form):
    measured = node(f"""
        import {{ softMinimum }} from "{arithmetic}";
        const found = {json.dumps(DRAWS)}.map(({{ others, tau_b }}) => softMinimum(others, tau_b, "{form}"));
        console.log(JSON.stringify(found));
    """)
    for draw, found in zip(DRAWS, measured, strict=True):
        others = torch.tensor(draw["others"], dtype=torch.float64)
        assert found["b"] == pytest.approx(soft_minimum(others, draw["tau_b"], form), abs=1e-12)
        assert sum(found["shares"]) == pytest.approx(1, abs=1e-12)


def test_log_mean_exp_lies_a_constant_above_log_sum_exp(node, arithmetic):
    measured = node(f"""
        import {{ softMinimum }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ others, tau_b }}) =>
          ["logsumexp", "logmeanexp"].map((form) => softMinimum(others, tau_b, form)))));
    """)
    for draw, (total, mean) in zip(DRAWS, measured, strict=True):
        shift = draw["tau_b"] * math.log(len(draw["others"]))
        assert mean["b"] - total["b"] == pytest.approx(shift, abs=1e-12)
        assert mean["shares"] == total["shares"]


def test_turning_point_is_where_the_slope_changes_its_sign(node, arithmetic):
    depths = [-1.0, -0.2, -0.05, -0.03, -0.01, -1e-3, -1e-5, 0.0, 0.2]
    measured = node(f"""
        import {{ slopesOf, turningPoint }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(depths)}.map((b) => {{
          const turn = turningPoint(b);
          const near = turn ? [turn - 1e-6, turn + 1e-6] : [0, 1e-3, 0.1, 0.5, 1, 2];
          return [turn, near.map((a) => slopesOf(a, b)[0])];
        }})));
    """)
    inside = 0
    for b, (turn, slopes) in zip(depths, measured, strict=True):
        if b >= 0:
            assert turn is None and max(slopes) < 0
        elif b < -TAU * math.log(2):
            assert turn == 0 and min(slopes) > 0
        elif turn:
            inside += 1
            assert 0 < turn < 2 and slopes[0] < 0 < slopes[1]
    assert inside >= 3


def test_true_score_is_the_silhouette(node, arithmetic):
    measured = node(f"""
        import {{ trueScore }} from "{arithmetic}";
        console.log(JSON.stringify([[0.1, 0.4], [0.4, 0.1], [0.3, 0.3], [0, 0], [0, 0.2]].map((p) => trueScore(...p))));
    """)
    assert measured == pytest.approx([0.75, -0.75, 0, 0, 1])


def test_scene_is_the_same_in_python_and_javascript(node, arithmetic):
    fixed, distances = node(f"""
        import {{ FIXED, standings }} from "{arithmetic}";
        console.log(JSON.stringify([FIXED, standings(4, 0.2)]));
    """)
    assert fixed == {"nearest": NEAREST, "tau": TAU, "eps": EPS}
    assert distances == pytest.approx([0.3, 0.5, 0.5, 0.5])


def test_sliders_and_forms_of_python_and_javascript_are_the_same(node):
    knobs, forms = node(host.bundle("softening") + "\nconsole.log(JSON.stringify([KNOBS, FORMS]));")
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert forms == FORMS


def test_verdict_names_a_negative_minimum(node):
    """The sentence follows the numbers: below zero, too low, close, outvoted, drawn in."""
    settings = [(199, 0.0, 0.1, "logsumexp"), (20, 0.1, 0.1, "logsumexp"), (5, 0.5, 0.03, "logsumexp")]
    settings += [(200, 0.1, 0.1, "logmeanexp"), (100, 0.3, 0.08, "weighted_mean"), (40, 0.0, 0.1, "logsumexp")]
    settings += [(22, 0.0, 0.1, "logsumexp")]
    verdicts = node(
        host.bundle("softening")
        + f"""
        console.log(JSON.stringify({json.dumps(settings)}.map(([others, gap, tau, form]) => {{
          const found = softMinimum(standings(others, gap), tau, form);
          return verdictOf(found, form, turningPoint(found.b));
        }})));
    """
    )
    assert "at −0.23, a distance below zero. Whatever a is, the loss falls as a grows" in verdicts[0]
    assert "at 0.09, though it stands at 0.30: every further class lowers b" in verdicts[1]
    assert "close to where it stands" in verdicts[2]
    assert "outvote it" in verdicts[3] and "negative" not in verdicts[3]
    assert "outvote it" in verdicts[4] and "its share is negative" in verdicts[4]
    assert "below zero" in verdicts[5] and "From a = " in verdicts[6]


def test_alt_text_tells_the_numbers():
    explorer = softening(0.1, 199, 0.0)
    assert "199 distances" in explorer.alt and "log-sum-exp -0.23" in explorer.alt
    assert "weighted mean 0.30" in explorer.alt


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"soft_min": "hard"}, ValueError, "^soft_min must be one of"),
        ({"nearest_temperature": 0.001}, ValueError, "^nearest_temperature must lie on its slider, in 0.01 … 1, found"),
        ({"nearest_temperature": float("nan")}, ValueError, "^nearest_temperature must lie on its slider"),
        ({"others": 1}, ValueError, "^others must lie on its slider, in 2 … 200, found 1"),
        ({"others": 201}, ValueError, "^others must lie on its slider"),
        ({"others": 20.0}, TypeError, "^others must be a whole number, found 20.0"),
        ({"others": True}, TypeError, "^others must be a whole number, found True"),
        ({"gap": 0.7}, ValueError, "^gap must lie on its slider, in 0 … 0.6, found 0.7"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        softening(**arguments)

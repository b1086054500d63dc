"""The forces of the explorer are those of dmlkit; its verdicts follow the numbers."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from dmlkit import losses
from dmlkit.explorers import forces, host
from dmlkit.explorers.forces import KINDS, POINTS, SCALE, X, Y, forces_between
from dmlkit.landscape import softmax_forces


def draws() -> list[dict]:
    random = np.random.default_rng(7)
    found = [{"points": [list(p) for p in POINTS], "T": 1.0}]
    for k in range(120):
        points = random.uniform(-3, 3, (3 + k % 2, 2))
        if k % 10 == 3:
            points[0] = points[1] + 1e-7  # next to its own proxy
        if k % 10 == 5:
            points[0] = points[1] + 40 * (points[1] - points[2])  # far behind it
        found.append({"points": points.tolist(), "T": float(10 ** random.uniform(-0.7, 0.7))})
    return found


DRAWS = draws()


def in_node(node, root, kind: str) -> list[dict]:
    arithmetic = (root / "dmlkit/explorers/forces_arithmetic.js").as_uri()
    return node(f"""
        import {{ forcesAt }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ points: [embedding, own, ...others], T }}) =>
          forcesAt({{ embedding, own, others }}, "{kind}", T))));
    """)


@pytest.mark.parametrize("kind", KINDS)
def test_forces_equal_dmlkits(node, root, kind):
    for draw, found in zip(DRAWS, in_node(node, root, kind), strict=True):
        points = torch.tensor(draw["points"], dtype=torch.float64)
        expected = forces_between(points, kind, draw["T"])
        close = {"rel": 1e-8, "abs": 1e-10}
        assert found["f1"] == pytest.approx(expected.f1[0].tolist(), **close)
        assert found["f3"] == pytest.approx(expected.f3[0].tolist(), **close)
        assert found["f4"] == pytest.approx(expected.f4[0].tolist(), **close)
        assert np.ravel(found["f2"]) == pytest.approx(expected.f2[0, 1:].flatten().numpy(), **close)
        assert found["p"] == pytest.approx(expected.probabilities[0].tolist(), **close)
        assert found["net"] == pytest.approx(expected.on_embeddings[0].tolist(), **close)
        if max(map(abs, found["net"])) > 1e-6:
            assert found["cancelled"] == pytest.approx(expected.cancelled.item(), abs=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradient_are_those_of_the_losses(node, root, kind):
    """Independent of how the forces are split: all of them together are minus the gradient of the published loss."""
    for draw, found in zip(DRAWS, in_node(node, root, kind), strict=True):
        points = torch.tensor(draw["points"], dtype=torch.float64)
        embedding, proxies = points[:1].requires_grad_(), points[1:].detach().requires_grad_()
        label = torch.zeros(1, dtype=torch.long)
        if kind == "cosine":
            loss = losses.norm_softmax(embedding, label, proxies, temperature=1 / draw["T"])
        else:
            f = torch.square if kind == "square" else (lambda d: d)
            loss = losses.monotone_softmax(embedding, label, proxies, f_own=f, f_other=f, scale=draw["T"])
        by_embedding, by_proxies = torch.autograd.grad(loss, [embedding, proxies])
        assert found["loss"] == pytest.approx(loss.item(), rel=1e-8, abs=1e-12)
        assert found["net"] == pytest.approx((-by_embedding[0]).tolist(), rel=1e-6, abs=1e-9)
        assert np.array([found["f4"], *found["f2"]]) == pytest.approx(-by_proxies.numpy(), rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_map_has_the_same_loss(node, root, kind):
    arithmetic = (root / "dmlkit/explorers/forces_arithmetic.js").as_uri()
    found = node(f"""
        import {{ forcesAt, gapAt }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ points: [embedding, own, ...others], T }}) => [
          forcesAt({{ embedding, own, others }}, "{kind}", T).loss,
          gapAt(...embedding, {{ own, others }}, "{kind}", T),
        ])));
    """)
    for loss, gap in found:
        assert loss == pytest.approx(np.logaddexp(0, gap), rel=1e-7, abs=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_nan_where_points_meet(node, root, kind):
    arithmetic = (root / "dmlkit/explorers/forces_arithmetic.js").as_uri()
    scenes = [
        [[1, 0], [1, 0], [-1, 0]],
        [[-1, 0], [1, 0], [-1, 0]],
        [[0, 0], [1, 0], [-1, 0]],
        [[1, 1], [0, 0], [0, 0]],
    ]
    found = node(f"""
        import {{ forcesAt }} from "{arithmetic}";
        const flat = ({{ loss, p, f1, f2, f3, f4, net }}) => [loss, ...p, ...f1, ...f2.flat(), ...f3, ...f4, ...net];
        console.log(JSON.stringify({json.dumps(scenes)}.map(([embedding, own, ...others]) =>
          flat(forcesAt({{ embedding, own, others }}, "{kind}", 1)))));
    """)
    assert all(value is not None for numbers in found for value in numbers)  # JSON has null for NaN
    if kind == "plain":
        proxies = torch.tensor(scenes[0][1:], dtype=torch.float64)
        expected = softmax_forces(proxies[:1], torch.tensor([0]), proxies)
        assert found[0][-2:] == pytest.approx(expected.on_embeddings[0].tolist())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("free", [False, True])
def test_letting_go_lowers_the_loss(node, root, kind, free):
    arithmetic = (root / "dmlkit/explorers/forces_arithmetic.js").as_uri()
    found = node(f"""
        import {{ forcesAt, letGo }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS[:40])}.map(({{ points: [embedding, own, ...others], T }}) => {{
          const before = {{ embedding, own, others }};
          const after = letGo(before, "{kind}", T, {json.dumps(free)});
          const loss = (scene) => forcesAt(scene, "{kind}", T).loss;
          return after && [loss(before), loss(after), before.own, after.own];
        }})));
    """)
    moved = [one for one in found if one]
    assert len(moved) > 30
    for before, after, own, own_after in moved:
        assert after < before
        assert free or own == own_after


def test_behind_its_proxy_the_embedding_rests_and_proxies_do_not(node, root):
    arithmetic = (root / "dmlkit/explorers/forces_arithmetic.js").as_uri()
    alone, everything = node(f"""
        import {{ letGo }} from "{arithmetic}";
        const scene = {{ embedding: [2.5, 0], own: [1, 0], others: [[-1, 0]] }};
        console.log(JSON.stringify([false, true].map((free) => letGo(scene, "plain", 1, free))));
    """)
    assert alone is None
    assert everything["own"][0] > 1 and everything["others"][0][0] < -1
    assert everything["embedding"] == pytest.approx([2.5, 0])


def test_start_fields_and_sliders_of_python_and_javascript_are_the_same(node):
    presets, field, knob, kinds, third = node(
        host.bundle("forces") + "\nconsole.log(JSON.stringify([PRESETS, FIELD, SCALE, KINDS, THIRD]));"
    )
    assert next(iter(presets.values()))["points"] == forces().state["points"]
    assert (tuple(field["x"]), tuple(field["y"])) == (X, Y)
    assert (knob["min"], knob["max"]) == SCALE
    assert tuple(kinds) == KINDS
    for preset in [*presets.values(), {"points": [*POINTS, third]}]:
        places = [list(point) for point in preset["points"]]
        assert forces(places).state["points"] == places  # inside the picture


def verdict(node, points, kind="plain", scale=1.0) -> str:
    return node(
        host.bundle("forces")
        + f"""
        const scene = sceneOf({json.dumps(points)});
        console.log(JSON.stringify(verdictOf(scene, "{kind}", forcesAt(scene, "{kind}", {scale}))));
        """
    )


def test_verdict_says_what_the_embedding_does(node):
    pair = [[1, 0], [-1, 0]]
    assert verdict(node, [[2.5, 0], *pair]).startswith("Stands still: F1 and F3 have sizes 0.12 and 0.12 and cancel.")
    assert verdict(node, [[-2.5, 0], *pair]).startswith("Stands still, on a ridge")
    assert verdict(node, [[0, 0], *pair]) == "Driven: F1 and F3 point the same way and add up to 1."
    assert "Slides: " in verdict(node, [[1, 1], *pair]) and "curves of equal loss" in verdict(node, [[1, 1], *pair])
    assert "to its own proxy in the end" in verdict(node, [[2.5, 0.3], [1, 0], [-1, 1], [-1, -1.2]])
    assert "no F3" in verdict(node, [[1, 0], *pair]) and "wakes" in verdict(node, [[1, 0], *pair])
    assert verdict(node, [[2.5, 0], *pair], scale=5.0).startswith("Hardly any force: p_y is nearly 1")
    assert "weighted mean" in verdict(node, [[1, 1], [1, 0], [-1, 1], [-1, -1.2]], "square")
    assert "straight from the other proxy" in verdict(node, [[0.2, 2], *pair], "square")
    assert "right angle" in verdict(node, [[1, 1], [1, 0.5], [-1, 0.3]], "cosine")
    assert "lie on one line" in verdict(node, [[2.5, 0], *pair], "cosine")
    # The cosine rests halfway between its own proxy and the antipode of the other (here 30° and 150°, antipode −30°).
    at = [[math.cos(math.radians(a)), math.sin(math.radians(a))] for a in (0, 30, 150)]
    assert verdict(node, at, "cosine").startswith("Stands still")
    # An own proxy between the others: the squared softmax has a resting place.
    assert verdict(node, [[0, 0], [0, 0], [2, 0], [-2, 0]], "square").startswith(("On its own", "Hardly"))
    assert verdict(node, [[0, 1], [0, 0], [1, 0], [-1, 0]], "square") == "Stands still: F1 and F3 balance here."


def test_alt_text_tells_the_numbers():
    assert (
        "F1 of size 0.50 away from the others, F3 of size 0.50 to its own proxy, together 1.00"
        in forces(((0, 0), (1, 0), (-1, 0))).alt
    )
    assert "cosines" in forces(kind="cosine").alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kind": "manhattan"}, "^kind must be one of"),
        ({"free": "none"}, "^free must be one of"),
        ({"scale": 0.1}, "^scale must lie on its slider, in 0.2 … 5, found 0.1"),
        ({"scale": math.nan}, "^scale must lie on its slider"),
        ({"points": ((0, 0), (1, 0))}, "^points must be an embedding, its own proxy and one or two others"),
        ({"points": ((0, 0, 0), (1, 0, 0), (2, 0, 0))}, "^points must be an embedding"),
        ({"points": ((0, 0), (1, 0), (9, 0))}, "^points must lie in -3.6 … 3.6"),
        ({"points": ((0, 0), (1, 0), (0, math.nan))}, "^points must lie in"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        forces(**arguments)

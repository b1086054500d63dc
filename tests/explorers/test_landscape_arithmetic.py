"""The explorer's script, run outside the browser, computes what dmlkit computes."""

from __future__ import annotations

import itertools
import json

import pytest
import torch

from dmlkit import losses
from dmlkit.explorers import landscape as landscape_function
from dmlkit.explorers.landscape import CELL, OTHER, OWN, VIEWS, X, Y, loss_at

ALPHAS, BETAS, RADII, MARGINS = (0.0, 0.3, 0.8, 1.0, 1.4), (0.6, 1.0, 1.2, 2.5), (0.0, 0.05, 1.5, 3.0), (1.0, 1.5)
SETTINGS = [
    dict(zip(("alpha", "beta", "r", "margin"), values, strict=True))
    for values in itertools.product(ALPHAS, BETAS, RADII, MARGINS)
]
# The proxies themselves, points near them, the rim of the circle, and points all over the map.
POINTS = [OWN, OTHER, (1.0 + 1e-6, 0.0), (2.5, 0.0), (4.0, 0.0), (0.0, 0.0), (-0.5, 1e-3)] + [
    (x, y) for x in (-3.0, -1.7, 0.3, 1.9, 5.0) for y in (-2.5, -0.4, 0.7, 2.5)
]


@pytest.fixture(scope="module")
def warp_js(root):
    return (root / "dmlkit/explorers/warp.js").as_uri()


@pytest.mark.parametrize("view", VIEWS)
def test_loss_equals_dmlkits(node, warp_js, view):
    measured = node(f"""
        import {{ lossAt }} from "{warp_js}";
        const settings = {json.dumps(SETTINGS)}, points = {json.dumps(POINTS)};
        console.log(JSON.stringify(settings.map((s) => points.map(([x, y]) => lossAt(x, y, s, "{view}")))));
    """)
    points = torch.tensor(POINTS, dtype=torch.float64)
    for setting, values in zip(SETTINGS, measured, strict=True):
        expected = loss_at(points, **setting, view=view)
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), expected, rtol=1e-6, atol=0)


def test_value_view_is_the_loss_itself(node, warp_js):
    """`loss_at` is not compared with itself only: the value is `warped_softmax`, called here directly."""
    measured = node(f"""
        import {{ lossAt }} from "{warp_js}";
        console.log(JSON.stringify(lossAt(2.2, 0.7, {{ alpha: 0.4, beta: 1.7, r: 1.1, margin: 1.3 }}, "value")));
    """)
    expected = losses.warped_softmax(
        torch.tensor([[2.2, 0.7]], dtype=torch.float64),
        torch.tensor([0]),
        torch.tensor([OWN, OTHER], dtype=torch.float64),
        alpha=0.4,
        beta=1.7,
        r=1.1,
        margin=1.3,
    )
    assert measured == pytest.approx(expected.item(), rel=1e-12)


def test_force_is_minus_the_gradient_that_training_gets(node, warp_js):
    points = [p for p in POINTS if p not in (OWN, OTHER)]  # on a proxy the direction to it does not exist
    measured = node(f"""
        import {{ forceAt }} from "{warp_js}";
        const settings = {json.dumps(SETTINGS)}, points = {json.dumps(points)};
        console.log(JSON.stringify(settings.map((s) => points.map(([x, y]) => forceAt(x, y, s)))));
    """)
    for setting, values in zip(SETTINGS, measured, strict=True):
        embeddings = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        proxies = torch.tensor([OWN, OTHER], dtype=torch.float64)
        labels = torch.zeros(len(points), dtype=torch.int64)
        losses.warped_softmax(embeddings, labels, proxies, **setting, reduction="sum").backward()
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), -embeddings.grad, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("beta", [1.05, 1.5, 2.5])
def test_minimum_lies_at_r_behind_the_own_proxy(node, warp_js, alpha, beta):
    radii = [0.05 * k for k in range(1, 61)] + [0.525, 1.2345]  # every stop of the slider, and two between
    found = node(f"""
        import {{ findMinimum }} from "{warp_js}";
        const search = (r) => findMinimum({{ alpha: {alpha}, beta: {beta}, r }});
        console.log(JSON.stringify({json.dumps(radii)}.map(search)));
    """)
    for r, minimum in zip(radii, found, strict=True):
        assert minimum["point"] == pytest.approx([OWN[0] + r, 0.0], abs=1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "expected"),
    [
        (0.5, 0.9, {"point": None, "valley": None}),  # outward for ever
        (1.0, 1.0, {"point": None, "valley": [1.0, 5.0]}),  # the plain softmax
        (1.0, 1.5, {"point": None, "valley": [1.0, 2.5]}),  # forces cancel inside r
        (0.5, 1.0, {"point": None, "valley": [2.5, 5.0]}),  # forces cancel outside r
        (1.2, 1.5, {"point": [1.0, 0.0], "valley": None}),  # glued to the proxy
    ],
)
def test_other_settings_have_no_minimum_at_r(node, warp_js, alpha, beta, expected):
    found = node(f"""
        import {{ findMinimum }} from "{warp_js}";
        console.log(JSON.stringify(findMinimum({{ alpha: {alpha}, beta: {beta}, r: 1.5 }})));
    """)
    for key, value in expected.items():
        assert found[key] == (None if value is None else pytest.approx(value, abs=1e-5))


def test_scene_is_the_same_in_python_and_javascript(node, warp_js):
    scene = node(f'import {{ SCENE }} from "{warp_js}"; console.log(JSON.stringify(SCENE));')
    assert scene == {"own": list(OWN), "other": list(OTHER), "x": list(X), "y": list(Y), "cell": CELL}


def test_sliders_of_python_and_javascript_have_the_same_range(root):
    """`landscape` refuses what its sliders cannot show."""
    source = (root / "dmlkit/explorers/landscape.js").read_text(encoding="utf-8")
    for name, low, high in (("alpha", 0, 1.5), ("beta", 0.5, 2.5), ("r", 0, 3)):
        line = next(line for line in source.splitlines() if line.strip().startswith(f"{name}: {{"))
        assert f"min: {low:g}, max: {high:g}," in line
        for outside in (low - 0.01, high + 0.01):
            with pytest.raises(ValueError, match=f"^{name} must lie on its slider"):
                landscape_function(**{name: outside})

"""The explorer's script, run outside the browser, computes what dmlkit computes; its links carry what they may."""

from __future__ import annotations

import itertools
import json
import math
from urllib.parse import quote

import pytest
import torch

from dmlkit import landscape, losses
from dmlkit.explorers import landscape as landscape_function
from dmlkit.explorers.landscape import APART, CELL, MOST, SLIDERS, TWO, VIEWS, X, Y, loss_at

ALPHAS, BETAS, RADII, MARGINS = (0.0, 0.3, 0.8, 1.0, 1.4), (0.6, 1.0, 1.2, 2.5), (0.0, 0.05, 1.5, 3.0), (1.0, 1.5)
SETTINGS = [
    dict(zip(("alpha", "beta", "r", "margin"), values, strict=True))
    for values in itertools.product(ALPHAS, BETAS, RADII, MARGINS)
]
TRIANGLE = ((1.0, 0.0), (-0.732, 1.0), (-0.732, -1.0))
AMONG = ((1.0, 0.0), (1.0, 1.6), (-0.386, -0.8), (2.386, -0.8))
SCENES = [{"proxies": TWO, "own": 0}, {"proxies": TRIANGLE, "own": 2}, {"proxies": AMONG, "own": 0}]
# The proxies themselves, points near them, the rim of the circle, and points all over the map.
POINTS = [*TWO, *AMONG, (1.0 + 1e-6, 0.0), (2.5, 0.0), (4.0, 0.0), (0.0, 0.0), (-0.5, 1e-3)] + [
    (x, y) for x in (-3.0, -1.7, 0.3, 1.9, 5.0) for y in (-2.5, -0.4, 0.7, 2.5)
]
each_scene = pytest.mark.parametrize("scene", SCENES, ids=["two", "three", "four"])


@pytest.fixture(scope="module")
def script(node, root):
    """Run lines with everything of landscape_arithmetic.js as `A`, `settings`, `points`; return what `found` is."""
    arithmetic = (root / "dmlkit/explorers/landscape_arithmetic.js").as_uri()

    def run(lines: str, **names):
        given = "".join(
            f"const {name} = {json.dumps(value)};"
            for name, value in {"settings": SETTINGS, "points": POINTS, **names}.items()
        )
        return node(f'import * as A from "{arithmetic}"; {given} {lines} console.log(JSON.stringify(found));')

    return run


@each_scene
@pytest.mark.parametrize("view", ["effective", "value"])
def test_loss_equals_dmlkits(script, scene, view):
    measured = script(
        f'const found = settings.map((s) => points.map(([x, y]) => A.lossAt(x, y, scene, s, "{view}")));', scene=scene
    )
    points = torch.tensor(POINTS, dtype=torch.float64)
    for setting, values in zip(SETTINGS, measured, strict=True):
        expected = loss_at(points, **setting, **scene, view=view)
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), expected, rtol=1e-6, atol=0)


def test_value_view_is_the_loss_itself(script):
    """`loss_at` is not compared with itself only: the value is `warped_softmax`, called here directly."""
    setting = {"alpha": 0.4, "beta": 1.7, "r": 1.1, "margin": 1.3}
    scene = {"proxies": AMONG, "own": 3}
    measured = script('const found = A.lossAt(2.2, 0.7, scene, setting, "value");', scene=scene, setting=setting)
    row, proxies = torch.tensor([[2.2, 0.7]], dtype=torch.float64), torch.tensor(AMONG, dtype=torch.float64)
    expected = losses.warped_softmax(row, torch.tensor([3]), proxies, **setting)
    assert measured == pytest.approx(expected.item(), rel=1e-12)


@each_scene
def test_force_is_minus_the_gradient_that_training_gets(script, scene):
    points = [p for p in POINTS if p not in scene["proxies"]]  # on a proxy the direction to it does not exist
    measured = script(
        "const found = settings.map((s) => places.map(([x, y]) => A.forceAt(x, y, scene, s)));",
        scene=scene,
        places=points,
    )
    for setting, values in zip(SETTINGS, measured, strict=True):
        embeddings = torch.tensor(points, dtype=torch.float64, requires_grad=True)
        proxies = torch.tensor(scene["proxies"], dtype=torch.float64)
        labels = torch.full((len(points),), scene["own"])
        losses.warped_softmax(embeddings, labels, proxies, **setting, reduction="sum").backward()
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), -embeddings.grad, rtol=1e-6, atol=1e-12)


@each_scene
def test_rival_distance_and_pull_equal_dmlkits(script, scene):
    rivals, pulls = script(
        "const found = [A.rivalDistance, A.outwardPull].map((of) => points.map((p) => of(...p, scene)));",
        scene=scene,
    )
    rows, proxies = (torch.tensor(x, dtype=torch.float64) for x in (POINTS, scene["proxies"]))
    labels = torch.full((len(rows),), scene["own"])
    for values, function in ((rivals, landscape.rival_distance), (pulls, landscape.outward_pull)):
        expected = function(rows, labels, proxies)
        torch.testing.assert_close(torch.tensor(values, dtype=torch.float64), expected, rtol=1e-9, atol=1e-12)


@each_scene
@pytest.mark.parametrize("view", VIEWS)
def test_map_equals_the_loss_at_its_nodes(script, scene, view):
    """Also after a proxy was dragged to and fro, when the map is made from what was kept."""
    setting = {"alpha": 0.3, "beta": 1.7, "r": 1.23, "margin": 1.2}
    measured = script(
        """
        const map = A.mapOf();
        const away = { ...scene, proxies: scene.proxies.map(([x, y], k) => (k ? [x, y] : [x + 0.4, y - 0.3])) };
        for (const one of [away, { ...away, proxies: away.proxies.slice(0, 2), own: 0 }])
          A.logGrid(map(one), one, setting, view);
        const logs = A.logGrid(map(scene), scene, setting, view);
        const found = [...logs].filter((_, k) => k % 37 === 0);
        """,
        scene=scene,
        setting=setting,
        view=view,
    )
    x, y = (torch.arange(round((high - low) / CELL) + 1, dtype=torch.float64) * CELL + low for low, high in (X, Y))
    nodes = torch.stack(torch.meshgrid(y, x, indexing="ij"), dim=-1).reshape(-1, 2).flip(1)[::37]
    expected = loss_at(nodes, **setting, **scene, view=view)
    # On a proxy there is no direction; at r rounding decides on which side a node lies.
    places = torch.tensor(scene["proxies"], dtype=torch.float64)
    apart = torch.cdist(nodes, places)
    clear = (apart.min(dim=1).values > 1e-6) & ((apart[:, scene["own"]] - setting["r"]).abs() > 1e-6)
    assert clear.double().mean() > 0.95
    torch.testing.assert_close(torch.tensor(measured).double().exp()[clear], expected[clear], rtol=1e-6, atol=1e-9)


FIND = "const find = (scene, s) => A.findMinima(A.mapOf()(scene), scene, s);"


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.95])
@pytest.mark.parametrize("beta", [1.05, 1.5, 2.5])
def test_minimum_of_two_classes_lies_at_r_behind_the_own_proxy(script, alpha, beta):
    radii = [0.05 * k for k in range(1, 61, 3)] + [0.525, 1.2345]  # stops of the slider, and two between
    found = script(
        f"{FIND} const found = radii.map((r) => find(scene, {{ alpha: {alpha}, beta: {beta}, r }}));",
        radii=radii,
        scene=SCENES[0],
    )
    for r, minima in zip(radii, found, strict=True):
        assert [one["kind"] for one in minima] == ["at r"]
        assert minima[0]["point"] == pytest.approx([1 + r, 0.0], abs=1e-5)


@pytest.mark.parametrize(
    ("alpha", "beta", "r", "valley", "kinds"),
    [
        (0.5, 0.9, 1.5, None, []),  # outward for ever
        (1.2, 0.9, 1.5, None, ["own proxy"]),  # a dip, and outward for ever beyond r
        (1.0, 1.0, 1.5, [0, None], None),  # the plain softmax; JSON has no infinity
        (1.0, 1.5, 1.5, [0, 1.5], None),  # forces cancel inside r
        (0.5, 1.0, 1.5, [1.5, None], None),  # forces cancel outside r
        (0.5, 1.0, 0, [0, None], None),
        (1.2, 1.0, 1.5, None, ["own proxy"]),
        (1.2, 1.5, 1.5, None, ["own proxy"]),  # glued to the proxy
        (0.5, 1.5, 0, None, ["own proxy"]),
    ],
)
def test_other_settings_of_two_classes(script, alpha, beta, r, valley, kinds):
    setting = {"alpha": alpha, "beta": beta, "r": r}
    flat, minima = script(
        f"{FIND} const found = [A.valleyOf(scene, setting), find(scene, setting)];", scene=SCENES[0], setting=setting
    )
    assert flat == valley
    if kinds is not None:
        assert [one["kind"] for one in minima] == kinds


def test_minima_of_random_scenes_equal_dmlkits(script):
    generator = torch.Generator().manual_seed(0)
    cases = []
    while len(cases) < 24:
        u = torch.rand(12, generator=generator).tolist()
        proxies = [[-2 + 5 * u[2 * k], -2 + 4 * u[2 * k + 1]] for k in range(3 + len(cases) % 2)]
        if min(math.dist(a, b) for a, b in itertools.combinations(proxies, 2)) < 0.5:
            continue
        setting = {"alpha": (0.4, 0.8, 0.93)[len(cases) % 3], "beta": 1.05 + u[10], "r": 0.2 + 2.8 * u[11]}
        cases.append({"scene": {"proxies": proxies, "own": len(cases) % 3}, "setting": setting})
    measured = script(f"{FIND} const found = cases.map(({{ scene, setting }}) => find(scene, setting));", cases=cases)
    several = 0
    for case, minima in zip(cases, measured, strict=True):
        proxies = torch.tensor(case["scene"]["proxies"], dtype=torch.float64)
        expected = landscape.equilibria(case["scene"]["own"], proxies, **case["setting"], starts=48)
        several += len(expected) > 1
        assert sorted(one["kind"] for one in minima) == sorted(one.kind for one in expected), case
        places = torch.tensor([one["point"] for one in minima], dtype=torch.float64)
        for one in expected:
            gaps = (places - one.point).norm(dim=1)
            assert gaps.min() < 1e-3, case
            assert minima[gaps.argmin()]["pull"] == pytest.approx(one.pull, abs=1e-3)
        assert [one["gap"] for one in minima] == sorted(one["gap"] for one in minima)
    assert several > 3


def test_scene_is_the_same_in_python_and_javascript(script):
    scene, sliders, views = script("const found = [A.SCENE, A.SLIDERS, A.VIEW_NAMES];")
    assert scene == {"x": list(X), "y": list(Y), "cell": CELL, "apart": APART, "most": MOST}
    assert sliders == {name: list(ends) for name, ends in SLIDERS.items()}
    assert views == list(VIEWS)


STATE = {
    "alpha": 0.93,
    "beta": 1.5,
    "r": 1.25,
    "margin": 1.3,
    "view": "field",
    "forces": True,
    "own": 2,
    "proxies": [[1.0, 0.0], [-0.732, 1.0], [-0.732, -1.0]],
}
LINK = "alpha_0.93~beta_1.5~r_1.25~margin_1.3~view_field~forces_1~own_2~proxies_1_0_-0.732_1_-0.732_-1"


def test_link_carries_the_state_there_and_back(script):
    written, read = script(
        "const text = A.writeLink(state), found = [text, A.readLink(`?x=1&landscape=${encodeURIComponent(text)}`)];",
        state=STATE,
    )
    assert written == LINK
    assert read == {"state": STATE}


def test_address_without_a_link_is_left_alone(script):
    found = script('const found = ["", "?", "?highlight=warp", "?landscapes=1"].map(A.readLink);')
    assert found == [None] * 4


REFUSED = [
    "",
    "alpha_0.5",
    LINK + "~view_field",  # twice
    LINK + "~colour_1",  # an unknown name
    LINK.replace("~own_2", ""),  # one is missing
    LINK.replace("own_2", "__proto___2"),
    LINK.replace("alpha_0.93", "alpha_1.6"),  # off the slider
    LINK.replace("alpha_0.93", "alpha_-0.1"),
    LINK.replace("alpha_0.93", "alpha_NaN"),
    LINK.replace("alpha_0.93", "alpha_Infinity"),
    LINK.replace("alpha_0.93", "alpha_1e0"),
    LINK.replace("alpha_0.93", "alpha_0x1"),
    LINK.replace("alpha_0.93", "alpha_"),
    LINK.replace("alpha_0.93", "alpha_ 0.5"),
    LINK.replace("alpha_0.93", "alpha_0.5_0.6"),
    LINK.replace("view_field", "view_<img src=x onerror=alert(1)>"),
    LINK.replace("view_field", "view_toString"),
    LINK.replace("forces_1", "forces_0.5"),
    LINK.replace("own_2", "own_3"),  # there are three
    LINK.replace("own_2", "own_1.5"),
    LINK.replace("_-0.732_-1", "_-0.732"),  # half a point
    LINK.replace("proxies_1_0", "proxies_5.1_0"),  # outside the scene
    LINK.replace("proxies_1_0", "proxies_-0.732_1.05"),  # upon another
    LINK.replace("proxies_1_0_-0.732_1_-0.732_-1", "proxies_1_0").replace("own_2", "own_0"),  # one alone
    LINK + "_2_2_3_2",  # five
    LINK + "0" * 300,
]


def test_any_other_link_is_refused_as_a_whole(script):
    found = script(
        "const found = values.map((value) => A.readLink(`?landscape=${value}`));", values=[quote(v) for v in REFUSED]
    )
    assert found == [{"refused": True}] * len(REFUSED)
    twice = script("const found = A.readLink(`?landscape=${link}&landscape=${link}`);", link=LINK)
    assert twice == {"refused": True}


@pytest.mark.parametrize(("name", "low", "high"), [(name, *ends) for name, ends in SLIDERS.items()])
def test_outside_its_sliders_nothing_starts(name, low, high):
    says = "^margin must " if name == "margin" else f"^{name} must lie on its slider"
    for outside in (low - 0.01, high + 0.01, math.nan):
        with pytest.raises(ValueError, match=says):
            landscape_function(**{name: outside})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"proxies": [(0, 0)]}, "^proxies must be two to four points"),
        ({"proxies": [(0, 0)] * 5}, "^proxies must be two to four points"),
        ({"proxies": [(0, 0), (1, 0, 0)]}, "^proxies must be two to four points"),
        ({"proxies": [(0, 0), (5.5, 0)]}, "^proxies must lie in x"),
        ({"proxies": [(0, 0), (0, math.nan)]}, "^proxies must lie in x"),
        ({"proxies": [(0, 0), (0.05, 0)]}, "^proxies must stand at least 0.1 apart"),
        ({"own": 2}, "^own must lie in 0 … 1, found 2"),
        ({"own": True}, "^own must lie in"),
        ({"view": "sideways"}, "^view must be one of"),
    ],
)
def test_wrong_scenes_are_refused(arguments, says):
    with pytest.raises(ValueError, match=says):
        landscape_function(**arguments)


def test_words_name_the_scene():
    explorer = landscape_function(proxies=AMONG, view="field", own=3)
    assert "4 proxies" in explorer.alt and "size of the training step" in explorer.alt
    assert explorer.state["own"] == 3 and explorer.state["proxies"] == [list(p) for p in AMONG]

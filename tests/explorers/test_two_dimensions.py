"""The points of the explorer are Python's, and what it says of them is dmlkit's measures."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dmlkit import metrics
from dmlkit.explorers import host, two_dimensions
from dmlkit.explorers.two_dimensions import CLASSES, EACH, RANGES, START, measures_in_plane, ten_rays
from dmlkit.metrics.ranking import DISTANCES


def draws() -> list[dict]:
    """Knobs anywhere on their sliders, the ends among them."""
    random = np.random.default_rng(3)
    ends = [{"length": 0, "width": 0.05, "zoom": 0.1}, {"length": 12, "width": 2, "zoom": 10}]
    return ends + [{name: float(random.uniform(*ends)) for name, ends in RANGES.items()} for _ in range(40)]


DRAWS = draws()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/two_dimensions_arithmetic.js").as_uri()


def test_scene_is_the_same_in_python_and_javascript(node, arithmetic):
    fixed, drawn = node(f"""
        import {{ SCENE, scene }} from "{arithmetic}";
        console.log(JSON.stringify([SCENE, {json.dumps(DRAWS)}.map(scene)]));
    """)
    assert fixed == {"classes": CLASSES, "each": EACH, "start": START}
    for knobs, found in zip(DRAWS, drawn, strict=True):
        points, labels = ten_rays(**knobs)
        torch.testing.assert_close(torch.tensor(found["points"], dtype=torch.float64), points, rtol=1e-9, atol=1e-9)
        assert found["labels"] == labels.tolist()


@pytest.mark.parametrize("distance", DISTANCES)
def test_measures_equal_dmlkits(node, arithmetic, distance):
    """On the scene, and on random points of random classes, where nearest neighbours are often of another one."""
    random = np.random.default_rng(4)
    clouds = [(points.tolist(), labels.tolist()) for points, labels in (ten_rays(**knobs) for knobs in DRAWS)]
    for _ in range(40):
        labels = np.concatenate([np.repeat(np.arange(4), 2), random.integers(0, 4, 20)])
        centres = random.normal(size=(4, 2)) * random.uniform(0, 4)
        clouds.append(((random.normal(size=(28, 2)) + centres[labels]).tolist(), labels.tolist()))
    measured = node(f"""
        import {{ measuresOf }} from "{arithmetic}";
        const clouds = {json.dumps(clouds)};
        console.log(JSON.stringify(clouds.map(([points, labels]) => measuresOf(points, labels, "{distance}"))));
    """)
    recalls = set()
    for (points, labels), found in zip(clouds, measured, strict=True):
        rows, names = torch.tensor(points, dtype=torch.float64), torch.tensor(labels)
        apart = metrics.class_distances(rows, names, distance=distance)
        recalls.add(metrics.recall_at_k(rows, names, ks=(1,), distance=distance)[1])
        assert found["intra"] == pytest.approx(apart.intra, rel=1e-9)
        assert found["inter"] == pytest.approx(apart.inter, rel=1e-9)
        assert found["ratio"] == pytest.approx(apart.ratio, rel=1e-9)
        assert found["silhouette"] == pytest.approx(
            metrics.silhouette_score(rows, names, distance=distance), rel=1e-9, abs=1e-12
        )
        assert found["recall"] == metrics.recall_at_k(rows, names, ks=(1,), distance=distance)[1]
        assert measures_in_plane(rows, names, distance=distance).ratio == apart.ratio
    assert len(recalls) > 10  # or one number would do for all


def test_sliders_and_first_preset_are_those_of_python(node):
    knobs, first, presets = node(
        host.bundle("two_dimensions") + "\nconsole.log(JSON.stringify([KNOBS, FIRST, PRESETS]));"
    )
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert two_dimensions().state == {**first, "distance": "euclidean"}
    assert presets["ten blobs"] == first
    for setting in presets.values():
        two_dimensions(**setting)


def test_verdict_follows_the_numbers(node):
    """Nothing moved, another unit, a star, wide classes; by angle the unit and the star's length are not seen."""
    cases = [
        ({"length": 1, "width": 0.3, "zoom": 1}, "euclidean"),
        ({"length": 1, "width": 0.3, "zoom": 4}, "euclidean"),
        ({"length": 9, "width": 0.3, "zoom": 1}, "euclidean"),
        ({"length": 1, "width": 1, "zoom": 0.5}, "euclidean"),
        ({"length": 1, "width": 0.3, "zoom": 4}, "cosine"),
        ({"length": 9, "width": 0.3, "zoom": 1}, "cosine"),
        ({"length": 1.3, "width": 0.3, "zoom": 1}, "cosine"),
    ]
    said = node(
        host.bundle("two_dimensions")
        + f"""
        console.log(JSON.stringify({json.dumps(cases)}.map(([knobs, distance]) => {{
          const {{ points, labels }} = scene(knobs);
          return verdictOf({{ ...knobs, distance }}, measuresOf(points, labels, distance));
        }})));
    """
    )
    assert "Ten blobs" in said[0]
    assert "intra and inter are 4 times what they were" in said[1]
    assert "Nearly every point" in said[2] and "the ratio rose" in said[2] and "the silhouette fell" in said[2]
    assert "19 % of the points" in said[3] and "The zoom is in intra and inter alone" in said[3]
    assert "no angle" in said[4]
    assert "one direction" in said[5] and "rose" not in said[5].split("silhouette")[0]
    assert "much the same" in said[6]


def test_alt_text_tells_the_numbers():
    alt = two_dimensions(9, 0.3, 10).alt
    found = measures_in_plane(*ten_rays(9, 0.3, 10), distance="euclidean")
    assert f"intra {found.intra:.3g}" in alt and f"Recall@1 {found.recall:.2f}" in alt
    assert found.intra > 30  # the zoom is in it


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"distance": "manhattan"}, "^distance must be one of"),
        ({"length": -1}, "^length must lie on its slider, in 0 … 12, found -1"),
        ({"width": 0}, "^width must lie on its slider, in 0.05 … 2, found 0"),
        ({"zoom": float("nan")}, "^zoom must lie on its slider, in 0.1 … 10"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        two_dimensions(**arguments)

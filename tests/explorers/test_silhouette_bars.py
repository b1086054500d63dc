"""The bars of the explorer are the silhouettes of dmlkit, and of scikit-learn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_samples as sklearn_samples

from dmlkit.explorers import host, silhouette_bars
from dmlkit.explorers.silhouette_bars import DISTANCES, POINTS, X, Y
from dmlkit.metrics import silhouette_samples


def draws() -> list[tuple[list, list]]:
    """Points and labels of 2 to 3 classes of any size, singletons among them; one point lies at the origin."""
    random = np.random.default_rng(3)
    found = []
    while len(found) < 60:
        points = random.uniform(X[0], X[1], (12, 2))
        points[0] = 0 if len(found) == 0 else points[0]
        labels = random.choice(3, 12, p=random.dirichlet([0.5, 0.5, 0.5]))
        if len(set(labels)) > 1:
            found.append((points.tolist(), labels.tolist()))
    return found


DRAWS = draws()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/silhouette_arithmetic.js").as_uri()


@pytest.fixture(scope="module", params=DISTANCES)
def measured(request, node, arithmetic):
    found = node(f"""
        import {{ silhouettes }} from "{arithmetic}";
        const draws = {json.dumps(DRAWS)};
        console.log(JSON.stringify(draws.map(([points, labels]) => silhouettes(points, labels, "{request.param}"))));
    """)
    return request.param, found


def test_draws_have_singletons_and_two_classes_too():
    sizes = [[labels.count(label) for label in set(labels)] for _, labels in DRAWS]
    assert any(1 in counts for counts in sizes) and any(len(counts) == 2 for counts in sizes)


def test_bars_equal_dmlkit_and_scikit_learn(measured):
    distance, found = measured
    for (points, labels), one in zip(DRAWS, found, strict=True):
        bars = [row["s"] for row in one["rows"]]
        rows = torch.tensor(points, dtype=torch.float64)
        expected = silhouette_samples(rows, torch.tensor(labels), distance=distance)
        np.testing.assert_allclose(bars, expected, rtol=0, atol=1e-9)
        np.testing.assert_allclose(bars, sklearn_samples(rows, labels, metric=distance), rtol=0, atol=1e-9)
        assert one["mean"] == pytest.approx(expected.mean().item(), abs=1e-9)
        by_class = [expected[torch.tensor(labels) == label].mean().item() for label in sorted(set(labels))]
        assert one["means"] == pytest.approx(by_class, abs=1e-9)


def test_a_and_b_are_mean_distances(measured):
    """a, b and the nearest class are shown to the reader, so they are held by themselves, not through s alone."""
    distance, found = measured
    for (points, labels), one in zip(DRAWS[:10], found, strict=False):
        points, labels = np.array(points), np.array(labels)
        if distance == "euclidean":
            pairs = np.linalg.norm(points[:, None] - points[None], axis=2)
        else:
            lengths = np.linalg.norm(points, axis=1)
            unit = points / np.where(lengths > 0, lengths, 1)[:, None]
            pairs = 1 - unit @ unit.T
        for i, row in enumerate(one["rows"]):
            others = (labels == labels[i]) & (np.arange(len(labels)) != i)
            assert row["a"] == (pytest.approx(pairs[i, others].mean(), abs=1e-9) if others.any() else None)
            means = {int(c): pairs[i, labels == c].mean() for c in set(labels) if c != labels[i]}
            assert row["b"] == pytest.approx(min(means.values()), abs=1e-9)
            assert row["nearest"] == min(means, key=means.get)


def test_one_class_has_a_message_and_no_bars(node, arithmetic):
    found = node(f"""
        import {{ silhouettes }} from "{arithmetic}";
        console.log(JSON.stringify(silhouettes([[0, 0], [1, 0]], [2, 2], "euclidean")));
    """)
    assert found["rows"] == [] and found["message"] == "The silhouette needs at least two classes."


@pytest.mark.parametrize("distance", DISTANCES)
def test_points_in_one_place_and_singletons_have_a_bar_of_0(node, arithmetic, distance):
    found = node(f"""
        import {{ silhouettes }} from "{arithmetic}";
        const here = [0.3, 0.7];
        console.log(JSON.stringify([
          silhouettes([here, here, here, here], [0, 0, 1, 1], "{distance}"),
          silhouettes([here, [1, 1], [-1, 0.2]], [0, 1, 2], "{distance}"),
        ].map(({{ rows }}) => rows.map(({{ s }}) => s))));
    """)
    assert found == [[0, 0, 0, 0], [0, 0, 0]]


def test_bars_run_by_class_from_the_largest(node, arithmetic):
    order = node(f"""
        import {{ barOrder }} from "{arithmetic}";
        const rows = [0.1, 0.9, -0.5, 0.3, 0.9].map((s) => ({{ s }}));
        console.log(JSON.stringify(barOrder(rows, [1, 0, 0, 1, 1])));
    """)
    assert order == [1, 2, 4, 3, 0]


def test_presets_are_what_their_names_say(node):
    presets = node(host.bundle("silhouette_bars") + "\nconsole.log(JSON.stringify(PRESETS));")
    assert presets["three tight classes"]["points"] == [list(point) for point in POINTS]
    assert presets["three tight classes"]["labels"] == silhouette_bars().state["labels"]
    values, by_class = {}, {}
    for name, start in presets.items():
        rows, labels = torch.tensor(start["points"], dtype=torch.float64), torch.tensor(start["labels"])
        assert rows.shape == (12, 2) and rows[:, 0].abs().max() <= X[1] and rows[:, 1].abs().max() <= Y[1]
        values[name] = silhouette_samples(rows, labels, distance="euclidean")
        by_class[name] = [values[name][labels == c].mean().item() for c in range(3)]
    assert values["three tight classes"].min() > 0.6
    merged = by_class["two classes merged"]
    assert max(merged[:2]) < 0.2 and merged[2] > 0.6
    split = by_class["one class in two pieces"]
    assert split[2] < 0 and min(split[:2]) > 0.5
    assert values["a singleton"][-1] == 0 and values["a singleton"][:-1].min() > 0.4


def test_alt_text_tells_the_numbers():
    explorer = silhouette_bars(distance="cosine")
    rows = torch.tensor(POINTS, dtype=torch.float64)
    mean = silhouette_samples(rows, torch.arange(12) // 4, distance="cosine").mean().item()
    assert "cosine" in explorer.alt and f"{mean:.2f}" in explorer.alt and "12 points of 3 classes" in explorer.alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"distance": "manhattan"}, "^distance must be one of"),
        ({"points": [(0, 0)]}, "^points must be at least two, found 1"),
        ({"points": [(0, 0), (2.5, 0)]}, "^points must lie in -2 … 2 by -1.5 … 1.5, found"),
        ({"points": [(0, 0), (float("nan"), 0)]}, "^points must lie in"),
        ({"points": [(0, 0), (1, 0, 1)]}, "^points must lie in"),
        ({"labels": [0, 1]}, "^labels must be as many as points, 12, found 2"),
        ({"labels": [0] * 12}, "^labels must be two or three of the classes 0, 1, 2, found"),
        ({"labels": [0] * 11 + [3]}, "^labels must be two or three of the classes 0, 1, 2, found"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        silhouette_bars(**arguments)

"""The bars of the explorer are dmlkit's tightness and contrast, and lemma 1 on its scene is what it says."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from dmlkit import losses
from dmlkit.explorers import host, tightness_contrast
from dmlkit.explorers.tightness_contrast import (
    COLOURS,
    FIXED,
    NAMES,
    RANGES,
    SCENE,
    classifier,
    in_one_unit,
    on_one_scale,
    scene,
)


def draws() -> list[dict]:
    """Points of one to four dimensions and any length in classes of any sizes, singletons among them."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(150):
        dim, classes, extra = (int(random.integers(1, 5)) for _ in range(3))
        labels = [*range(classes), *random.integers(0, classes, 2 + 2 * extra).tolist()]
        size = 10 ** random.uniform(-1, 0.7)
        found.append(
            {
                "points": (size * random.standard_normal((len(labels), dim))).tolist(),
                "labels": labels,
                "weight": random.standard_normal((classes, dim)).tolist(),
                "setting": {
                    "margin": float(random.uniform(0, 2 * size)),
                    "temperature": float(10 ** random.uniform(-2, 1)),
                    "alpha": float(10 ** random.uniform(-1, 1.5)),
                    "beta": float(10 ** random.uniform(-1, 2)),
                    "cosine": float(random.uniform(-1, 1)),
                    "lam": float(10 ** random.uniform(-1.5, 1)),
                },
            }
        )
    return found


DRAWS = draws()
KNOBS = [
    {"gap": float(gap), "spread": float(spread), "length": float(length)}
    for gap, spread, length in zip(
        *(np.random.default_rng(3).uniform(low, high, 60) for low, high in RANGES.values()), strict=True
    )
]


def options_of(half: str, name: str, draw: dict) -> dict:
    setting = draw["setting"]
    weight = torch.tensor(draw["weight"], dtype=torch.float64)
    lam = {"lam": setting["lam"]} if name == "pairwise_cross_entropy" else {}
    if half == "contrast" and name in ("center", "pairwise_cross_entropy"):
        return {"weight": weight, **lam}
    return lam | {
        "snca": {"temperature": setting["temperature"]},
        "multi_similarity": {
            "margin": setting["cosine"],
            **({"alpha": setting["alpha"]} if half == "tightness" else {"beta": setting["beta"]}),
        },
        "contrastive": {"margin": setting["margin"]} if half == "contrast" else {},
    }.get(name, {})


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/tightness_contrast_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def measured(node, arithmetic):
    return node(f"""
        import {{ partsOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(({{ points, labels, weight, setting }}) =>
          partsOf(points, labels, weight, setting))));
    """)


@pytest.mark.parametrize("half", ["tightness", "contrast"])
@pytest.mark.parametrize("name", NAMES)
def test_parts_equal_dmlkits(measured, half, name):
    for draw, found in zip(DRAWS, measured, strict=True):
        rows = torch.tensor(draw["points"], dtype=torch.float64)
        labels = torch.tensor(draw["labels"])
        expected = getattr(losses, half)(name)(rows, labels, **options_of(half, name, draw)).item()
        assert found[half][name] == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_draws_reach_the_hinge_from_both_sides(measured):
    hinges = [found["contrast"]["contrastive"] for found in measured]
    assert sum(value == 0 for value in hinges) > 10 and sum(value > 0 for value in hinges) > 10


def test_bars_of_python_and_javascript_are_the_same(node, arithmetic):
    """The scene, the classifier, lemma 1's unit, and the scale of the contrasts."""
    measured = node(f"""
        import {{ FIXED, classifierOf, measure }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(KNOBS)}.map((state) => {{
          const found = measure(state);
          return {{ ...found, weight: classifierOf(found.points, found.labels, 3, FIXED.lam) }};
        }})));
    """)
    for state, found in zip(KNOBS, measured, strict=True):
        points, labels = scene(**state)
        np.testing.assert_allclose(found["points"], points, atol=1e-12)
        assert found["labels"] == labels.tolist()
        np.testing.assert_allclose(found["weight"], classifier(points, labels, 3), atol=1e-12)
        assert found["tightness"] == pytest.approx(in_one_unit(points, labels), abs=1e-9)
        assert found["contrast"] == pytest.approx(on_one_scale(points, labels), abs=1e-9)
        i, j, apart = found["closest"]
        distances = torch.cdist(points, points)[labels.unsqueeze(1) != labels]
        assert labels[i] != labels[j] and apart == pytest.approx(distances.min().item())


def test_felt_is_what_ten_degrees_change(node, arithmetic):
    """At the classifier of now: the contrasts that need none change as the bars do."""
    measured = node(f"""
        import {{ measure }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(KNOBS)}.map((state) =>
          [measure(state).felt, measure(state).contrast, measure({{ ...state, gap: state.gap - 10 }}).contrast])));
    """)
    for felt, now, then in measured:
        for name in ("contrastive", "snca", "multi_similarity"):
            assert felt[name] == pytest.approx(then[name] - now[name], abs=1e-12)
        assert felt["center"] != pytest.approx(then["center"] - now["center"], abs=1e-9)


@pytest.mark.parametrize("state", KNOBS)
def test_lemma_1_on_unit_circles(state):
    points, labels = scene(**{**state, "length": 1.0})
    t = in_one_unit(points, labels)
    assert t["snca"] <= t["contrastive"] + 1e-12 <= t["multi_similarity"] + 2e-12
    assert t["center"] == pytest.approx(t["contrastive"], abs=1e-12)
    assert t["pairwise_cross_entropy"] == pytest.approx(t["contrastive"], abs=1e-12)


def test_ends_of_the_scale_are_what_they_are_called():
    ideal, labels = scene(120, 0, 1.0, width=0)
    assert on_one_scale(ideal, labels) == pytest.approx(dict.fromkeys(NAMES, 0), abs=1e-12)
    alone = torch.ones(12, 1, dtype=torch.float64) * torch.tensor([0.6, 0.8], dtype=torch.float64)
    assert on_one_scale(alone, labels) == pytest.approx(dict.fromkeys(NAMES, 1), abs=1e-12)


def test_scene_and_sliders_of_python_and_javascript_are_the_same(node):
    fixed, fixture, knobs, names, colours = node(
        host.bundle("tightness_contrast") + "\nconsole.log(JSON.stringify([FIXED, SCENE, KNOBS, NAMES, COLOURS]));"
    )
    assert (fixed, fixture, names) == (FIXED, SCENE, NAMES)
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert list(names) == list(NAMES) and tuple(colours[name] for name in NAMES) == COLOURS


def test_verdict_follows_the_bars(node):
    """The hinge met and not; faint and felt; the chain, and what breaks it on either side."""
    settings = [(120, 12, 1), (70, 20, 1), (120, 12, 0.5), (120, 60, 1.5), (88, 12, 1)]
    verdicts = node(
        host.bundle("tightness_contrast")
        + f"""
        console.log(JSON.stringify({json.dumps(settings)}.map(([gap, spread, length]) => {{
          const state = {{ gap, spread, length }};
          return verdictOf(state, measure(state));
        }})));
    """
    )
    assert "1.49 apart, well beyond the margin 1: the hinge is exactly 0." in verdicts[0]
    assert "Hardly felt: SNCA and MS. Still felt: center (cross-entropy) and PCE." in verdicts[0]
    assert "Lemma 1: SNCA 0.17 ≤ center = contrastive = PCE 0.19 ≤ MS 2.19." in verdicts[0]
    assert "0.65 apart: the hinge pushes." in verdicts[1] and "Hardly" not in verdicts[1]
    assert "lemma 1 breaks: PCE leaves the other two; SNCA lies above them." in verdicts[2]
    assert "lemma 1 breaks: PCE leaves the other two" in verdicts[3] and "SNCA" not in verdicts[3].split("breaks")[1]
    assert "the hinge is at its edge" in verdicts[4]


def test_alt_text_tells_the_numbers():
    explorer = tightness_contrast(70, 20)
    assert "A 70° from B" in explorer.alt and "contrastive 0.30, PCE 0.30, MS 2.27" in explorer.alt
    assert len(explorer.html()) < 60_000


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"gap": 9}, "^gap must lie on its slider, in 10 … 120, found 9"),
        ({"gap": float("nan")}, "^gap must lie on its slider"),
        ({"spread": 91}, "^spread must lie on its slider, in 0 … 90, found 91"),
        ({"length": 0.4}, "^length must lie on its slider, in 0.5 … 1.5, found 0.4"),
        ({"length": 1.6}, "^length must lie on its slider"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        tightness_contrast(**arguments)

"""The numbers of the explorer are the binomial's and those of dmlkit's samplers; its sentences follow them."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from scipy import stats

from dmlkit.data import CATALOGUE
from dmlkit.data.samplers import ClassBalanced, Shuffled
from dmlkit.explorers import host, positives
from dmlkit.explorers.positives import IMAGES, RANGES, partner_chances


def draws() -> list[dict]:
    """The corners of the three sliders, and places between them."""
    found = [
        {"batch": batch, "classes": classes, "images": images}
        for batch in RANGES["batch"]
        for classes in RANGES["classes"]
        for images in RANGES["images"]
    ]
    random = np.random.default_rng(4)
    for _ in range(80):
        batch, classes = (int(np.exp(random.uniform(*np.log(RANGES[name])))) for name in ("batch", "classes"))
        found.append({"batch": max(8, batch), "classes": max(2, classes), "images": int(random.choice(IMAGES))})
    return found


DRAWS = draws()


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/positives_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def found(node, arithmetic):
    return node(f"""
        import {{ partnersOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(partnersOf)));
    """)


def test_chances_are_the_binomials(found):
    tried = 0
    for draw, here in zip(DRAWS, found, strict=True):
        if draw["images"] > 1:
            continue
        tried += 1
        n, c = draw["batch"], draw["classes"]
        expected = stats.binom.pmf(np.arange(n), n - 1, 1 / c)
        assert here["chances"] == pytest.approx(expected.tolist(), rel=1e-9, abs=1e-12)
        assert here["alone"] == pytest.approx(expected[0], rel=1e-9)
        assert here["pairs"] == pytest.approx(n * np.arange(n) @ expected / 2, rel=1e-9)
        assert here["present"] == pytest.approx(c * stats.binom.sf(0, n, 1 / c), rel=1e-9)
        birthday = np.prod(1 - np.arange(n) / c) if n <= c else 0
        assert here["noPair"] == pytest.approx(birthday, rel=1e-9, abs=1e-300)
    assert tried >= 9


def test_python_and_javascript_have_the_same_chances(found):
    for draw, here in zip(DRAWS, found, strict=True):
        assert here["chances"] == pytest.approx(partner_chances(**draw).tolist(), rel=1e-9, abs=1e-12)


def test_composition_is_what_the_class_balanced_sampler_draws(found):
    tried = 0
    for draw, here in zip(DRAWS, found, strict=True):
        if draw["images"] == 1 or draw["classes"] > 500:
            continue
        tried += 1
        assert here["rows"] == here["groups"] * here["each"] <= draw["batch"]
        labels = torch.arange(draw["classes"]).repeat_interleave(here["each"])
        batch = next(iter(ClassBalanced(labels, here["groups"], here["each"], batches=1)))
        drawn = labels[batch]
        partners = (drawn[:, None] == drawn).sum(dim=1) - 1
        assert here["chances"][partners[0]] == 1 and (partners == partners[0]).all()
        assert here["present"] == len(drawn.unique())
        assert here["pairs"] == partners.sum().item() / 2
    assert tried >= 9


def test_random_batches_of_dmlkit_agree(node, arithmetic):
    """A simulation with large classes, where drawing without repetition hardly matters."""
    alone = node(f"""
        import {{ partnersOf }} from "{arithmetic}";
        console.log(JSON.stringify(partnersOf({{ batch: 64, classes: 60, images: 1 }}).alone));
    """)
    labels = torch.arange(60).repeat_interleave(500)
    drawn = torch.stack([labels[b] for b in Shuffled(len(labels), 64)])
    partners = (drawn[:, :, None] == drawn[:, None]).sum(dim=2) - 1
    assert (partners == 0).double().mean().item() == pytest.approx(alone, abs=0.015)


def test_sliders_and_presets(node):
    knobs, presets = node(host.bundle("positives") + "\nconsole.log(JSON.stringify([KNOBS, PRESETS]));")
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    sets = {"CUB": "cub200", "SOP": "sop", "In-Shop": "in-shop", "Fashion-MNIST": "fashion-mnist"}
    for text, setting in presets.items():
        positives(**setting)  # each can be shown
        name, said = text.split(", ")
        assert setting["classes"] == CATALOGUE[sets[name]].counts["train"].classes
        assert setting["batch"] == int(re.match(r"\d+", said).group())
        if (made := re.search(r"(\d+) classes × (\d+)", said)) is not None:
            assert (setting["batch"] // setting["images"], setting["images"]) == tuple(map(int, made.groups()))


def test_verdict_follows_the_numbers(node):
    settings = [(128, 100, 1), (128, 11318, 1), (8, 20000, 1), (128, 11318, 4), (1024, 2, 1), (8, 2, 32), (8, 20, 2)]
    states = [dict(zip(("batch", "classes", "images"), setting, strict=True)) for setting in settings]
    verdicts = node(
        host.bundle("positives")
        + f"\nconsole.log(JSON.stringify({json.dumps(states)}.map((state) => verdictOf(state, partnersOf(state)))));"
    )
    assert "On average 92 of 128 rows have a partner; for the other 36" in verdicts[0]
    assert "On average 1.4 of 128 rows have a partner, and 48.6 % of such batches have no pair" in verdicts[1]
    assert "99.9 % of such batches have no pair at all" in verdicts[2]
    assert "Every row has 3 partners" in verdicts[3] and "32 of 11,318 classes" in verdicts[3]
    assert "random draws are enough" in verdicts[4]
    assert "of one class" in verdicts[5]
    assert "Every row has 1 partner:" in verdicts[6]
    assert all(re.search(r"A classifier has a term for all [\d,]+\.$", verdict) for verdict in verdicts)


def test_alt_text_tells_the_numbers():
    assert "128 rows drawn at random from 100 classes" in positives().alt and "27.9 %" in positives().alt
    assert "0.0 % of cases" in positives(128, 100, 4).alt


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"batch": 4}, ValueError, "^batch must lie on its slider, in 8 … 1024, found 4"),
        ({"batch": 64.0}, TypeError, "^batch must be a whole number, found 64.0"),
        ({"classes": 1}, ValueError, "^classes must lie on its slider, in 2 … 20000, found 1"),
        ({"classes": True}, TypeError, "^classes must be a whole number, found True"),
        ({"images": 0}, ValueError, "^images must lie on its slider, in 1 … 32, found 0"),
        ({"images": 3}, ValueError, "^images must be one of 1, 2, 4, 8, 16, 32, found 3"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        positives(**arguments)

"""The explorer shows dmlkit's corruptions, and its means, intervals and differences are those of dmlkit.records."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest
import torch

from dmlkit import explorers
from dmlkit.data import digits
from dmlkit.data.corruptions import Corruption
from dmlkit.explorers import host
from dmlkit.explorers.corruptions import SPOILT
from dmlkit.records import estimate

NAMES = ("gaussian_noise", "cutout", "affine_shear")
ARMS = ("cosine one", "Euclidean one", "a third")
TESTED, SEEDS = 540, 5


def measured(seed=0):
    """As a chapter measures it, at random: whole numbers of right neighbours."""
    random = np.random.default_rng(seed)
    clean = {arm: (random.integers(480, 540, SEEDS) / TESTED).tolist() for arm in ARMS}
    return {
        spoilt: {
            name: {arm: [clean[arm], *(random.integers(50, 500, (5, SEEDS)) / TESTED).tolist()] for arm in ARMS}
            for name in NAMES
        }
        for spoilt in SPOILT
    }


IMAGES = digits("plain").test_images[:4]


def make(recall=None, images=IMAGES, **settings):
    return explorers.corruptions(recall or measured(), images, **{"tested": TESTED, "pair": ARMS[:2], **settings})


@pytest.fixture(scope="module")
def arithmetic():
    return (host.FOLDER / "corruptions_arithmetic.js").as_uri()


def test_estimates_and_differences_are_dmlkits(node, arithmetic):
    recall = measured(3)
    state = make(recall).state
    settings = [(p, c, s) for p in range(2) for c in range(3) for s in range(6)]
    found = node(f"""
        import {{ comparison, estimateOf, recallOf }} from "{arithmetic}";
        const state = {json.dumps(state)};
        console.log(JSON.stringify({json.dumps(settings)}.map(([spoilt, corruption, severity]) => {{
          const now = {{ ...state, spoilt, corruption, severity }};
          const arms = [0, 1, 2].map((arm) => estimateOf(recallOf(now, {{ ...now, arm }}), now.t));
          return {{ arms, ...comparison(now) }};
        }})));
    """)
    for (p, c, s), answer in zip(settings, found, strict=True):
        curves = recall[SPOILT[p]][NAMES[c]]
        for arm, got in zip(ARMS, answer["arms"], strict=True):
            expected = estimate(curves[arm][s])
            assert (got["mean"], got["half"]) == pytest.approx((expected.mean, expected.half_width), abs=1e-12)
        first, second = (curves[arm] for arm in ARMS[:2])
        left = [b - a for a, b in zip(first[s], second[s], strict=True)]
        lost = [(b0 - b) - (a0 - a) for a0, a, b0, b in zip(first[0], first[s], second[0], second[s], strict=True)]
        for key, values in (("left", left), ("lost", lost)):
            assert answer[key]["mean"] == pytest.approx(statistics.fmean(values), abs=1e-12)
            assert answer[key]["half"] == pytest.approx(estimate(values).half_width, abs=1e-12)


def test_pictures_are_the_corrupted_images(node, arithmetic):
    state = make().state
    found = node(f"""
        import {{ levelsOf }} from "{arithmetic}";
        const wanted = [[0, 0], ...[0, 1, 2].flatMap((k) => [1, 2, 3, 4, 5].map((s) => [k, s]))];
        console.log(JSON.stringify({json.dumps(state["pictures"])}.map((text) =>
          wanted.map(([corruption, severity]) => levelsOf(text, {{ corruption, severity }})))));
    """)
    assert len(found) == len(IMAGES)
    for image, versions in zip(IMAGES, found, strict=True):
        expected = [image, *(Corruption(name, s)(image) for name in NAMES for s in range(1, 6))]
        assert len(versions) == len(expected) == 16
        for levels, pixels in zip(versions, expected, strict=True):
            got = torch.tensor(levels).reshape(8, 8) / 15
            assert (got - pixels.squeeze(0)).abs().max() <= 0.5 / 15 + 1e-6


def test_verdict_tells_what_is_left_from_what_was_lost(node):
    """The second arm begins lower and ends level: nothing more is left, less was lost."""
    recall = measured()
    for curves in recall.values():
        for name in NAMES:
            wobble = [k / TESTED for k in range(SEEDS)]
            cosine = [[520 / TESTED + w for w in wobble], *[[300 / TESTED + w for w in wobble]] * 5]
            euclid = [[500 / TESTED + w for w in wobble], *[[300 / TESTED + w for w in reversed(wobble)]] * 5]
            curves[name] = dict(zip(ARMS, (cosine, euclid, cosine), strict=True))
    state = make(recall, severity=2).state
    verdict, at_zero, other_way = node(
        host.bundle("corruptions")
        + f"""
        const state = {json.dumps(state)};
        const swapped = {{ ...state, pair: [1, 0] }};
        console.log(JSON.stringify([state, {{ ...state, severity: 0 }}, swapped].map(verdictOf)));
    """
    )
    assert "What is left: no difference beyond chance (+0.000 ± " in verdict
    assert "What was lost: the Euclidean one loses less (−0.037 ± 0.00" in verdict
    assert at_zero.startswith("Clean images.") and "the Euclidean one is behind (−0.037 ± 0.000)" in at_zero
    assert "the cosine one loses more (+0.037" in other_way


def test_state_follows_the_arguments():
    shown = make(corruption="cutout", severity=5, spoilt="queries only", pair=(ARMS[2], ARMS[0]))
    state = shown.state
    assert (state["corruption"], state["severity"], state["spoilt"], state["pair"]) == (1, 5, 1, [2, 0])
    value = estimate(measured()["queries only"]["cutout"]["a third"][5])
    assert f"a third {value}" in shown.alt and "severity 5" in shown.alt
    assert shown.still.startswith(b"\x89PNG") and shown.still != make().still
    assert make(severity=0).still.startswith(b"\x89PNG")


def broken(change):
    recall = measured()
    change(recall)
    return recall


@pytest.mark.parametrize(
    ("recall", "settings", "sentence"),
    [
        ({"all": {}}, {}, "^recall must have the keys queries and gallery, queries only, found all"),
        (broken(lambda r: r[SPOILT[1]].pop("cutout")), {}, "^recall must have six lists for each of .* under cutout"),
        (broken(lambda r: r[SPOILT[0]]["cutout"]["a third"].pop()), {}, "^recall must have six lists"),
        (
            broken(lambda r: r[SPOILT[0]]["cutout"]["a third"][2].pop()),
            {},
            "^recall must have the same two or more seeds",
        ),
        (broken(lambda r: r[SPOILT[1]]["cutout"].update({ARMS[0]: [[0.5] * 5] * 6})), {}, "the same clean values"),
        (broken(lambda r: r[SPOILT[0]]["cutout"]["a third"][3].__setitem__(0, 0.1234)), {}, "shares of tested = 540"),
        (None, {"images": IMAGES.squeeze(1)}, r"^images must have shape \(n, 1, 8, 8\), found \(4, 8, 8\)"),
        (None, {"severity": 6}, "^severity must lie on its slider, in 0 … 5, found 6"),
        (None, {"corruption": "jigsaw"}, "^corruption must be"),
        (None, {"pair": ("cosine one", "HIST")}, "^arm must be"),
        (None, {"spoilt": "gallery"}, "^spoilt must be"),
    ],
)
def test_wrong_arguments_are_refused(recall, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        make(recall, **settings)


def test_a_corruption_that_does_not_exist_is_refused():
    recall = {spoilt: {"fog": curves["cutout"]} for spoilt, curves in measured().items()}
    with pytest.raises(ValueError, match="^corruption must be"):
        make(recall)

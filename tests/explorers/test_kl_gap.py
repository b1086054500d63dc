"""The numbers of the explorer are those of dmlkit: the information, the bound of a classifier, and the gap between."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from dmlkit.explorers import host, kl_gap
from dmlkit.explorers.kl_gap import RANGES, gap_of
from dmlkit.information import mixture_mutual_information, posterior_logits
from dmlkit.losses import cross_entropy

STARTS = {
    "overconfident ×3": {"separation": 2, "slope": 6, "shift": 0},
    "timid": {"separation": 2, "slope": 0.5, "shift": 0},
    "shifted": {"separation": 2, "slope": 2, "shift": 1},
    "the posterior": {"separation": 2, "slope": 2, "shift": 0},
}


def settings() -> list[dict[str, float]]:
    """All corners of the sliders, and sixty places between."""
    random = np.random.default_rng(11)
    corners = [
        dict(zip(RANGES, (a, b, c), strict=True))
        for a in RANGES["separation"]
        for b in RANGES["slope"]
        for c in (*RANGES["shift"], 0)
    ]
    between = [
        {
            "separation": float(random.uniform(*RANGES["separation"])),
            "slope": float(np.exp(random.uniform(*np.log(RANGES["slope"])))),
            "shift": float(random.uniform(*RANGES["shift"])),
        }
        for _ in range(60)
    ]
    return [*STARTS.values(), *corners, *between]


SETTINGS = settings()


def means(separation: float) -> Tensor:
    return torch.tensor([[-separation / 2], [separation / 2]], dtype=torch.float64)


def by_dmlkit(separation: float, slope: float, shift: float) -> dict[str, float]:
    """I from the mixture; the cross-entropy as the mean of dmlkit's loss over both classes, on a grid of its own."""
    centers = means(separation)
    t = torch.linspace(-9.5, 9.5, 6001, dtype=torch.float64).unsqueeze(1)
    mass = torch.softmax(-(t**2).squeeze(1) / 2, dim=0)
    total = gap = 0.0
    for label, center in enumerate(centers):
        z = center + t
        said = torch.cat([torch.zeros_like(z), slope * (z - shift)], dim=1)
        labels = torch.full((len(z),), label)
        total += 0.5 * (mass @ cross_entropy(said, labels, reduction="none")).item()
        truth = posterior_logits(z, centers, 1.0).log_softmax(dim=1)
        gap += 0.5 * (mass @ (truth - said.log_softmax(dim=1))[:, label]).item()
    information = mixture_mutual_information(centers, 1.0)
    return {
        "conditional": math.log(2) - information,
        "kl": gap,
        "crossEntropy": total,
        "information": information,
        "bound": math.log(2) - total,
    }


@pytest.fixture(scope="module")
def arithmetic(root):
    return (root / "dmlkit/explorers/kl_gap_arithmetic.js").as_uri()


@pytest.fixture(scope="module")
def measured(node, arithmetic):
    return node(f"""
        import {{ faultOf, gapOf }} from "{arithmetic}";
        const measure = (setting) => ({{ ...gapOf(setting), fault: faultOf(setting, gapOf(setting)) }});
        console.log(JSON.stringify({json.dumps(SETTINGS)}.map(measure)));
    """)


def test_numbers_equal_dmlkits(measured):
    for setting, found in zip(SETTINGS, measured, strict=True):
        expected = by_dmlkit(**setting)
        assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9), setting


def test_lemma_2_holds_at_every_place(measured):
    """Cross-entropy is H(Y|Z) + KL, so the bound never passes I and meets it at the posterior alone."""
    for setting, found in zip(SETTINGS, measured, strict=True):
        assert found["crossEntropy"] == pytest.approx(found["conditional"] + found["kl"], abs=1e-12)
        assert found["bound"] <= found["information"] + 1e-12
        at_posterior = setting["slope"] == setting["separation"] and setting["shift"] == 0
        assert (found["kl"] < 1e-12) == at_posterior


def test_python_and_javascript_have_the_same_parts(measured):
    for setting, found in zip(SETTINGS, measured, strict=True):
        assert gap_of(**setting) == pytest.approx((found["conditional"], found["kl"]), abs=1e-9)


def test_areas_are_the_integrals(node, arithmetic):
    """What is drawn point by point adds up to what the readout says."""
    setting = {"separation": 1.5, "slope": 4, "shift": -0.7}
    conditional, kl, mass = node(f"""
        import {{ densityAt, partsAt }} from "{arithmetic}";
        const sums = [0, 0, 0];
        for (let z = -12; z <= 12; z += 0.01) {{
          const [p, {{ entropy, kl }}] = [densityAt(z, 1.5), partsAt(z, {json.dumps(setting)})];
          [p * entropy, p * kl, p].forEach((part, k) => (sums[k] += 0.01 * part));
        }}
        console.log(JSON.stringify(sums));
    """)
    expected = by_dmlkit(**setting)
    assert (conditional, kl, mass) == pytest.approx((expected["conditional"], expected["kl"], 1), abs=1e-9)


def test_the_fault_is_named(measured):
    named = {json.dumps(setting): found["fault"] for setting, found in zip(SETTINGS, measured, strict=True)}
    assert [named[json.dumps(start)] for start in STARTS.values()] == ["confident", "timid", "shifted", "posterior"]
    for setting, found in zip(SETTINGS, measured, strict=True):
        if found["fault"] in ("confident", "timid"):
            assert (found["fault"] == "confident") == (setting["slope"] > setting["separation"])
        assert (found["fault"] == "posterior") == (found["kl"] < 5e-4)
        if found["fault"] != "posterior":
            unshifted = gap_of(**{**setting, "shift": 0})[1]
            assert (found["fault"] == "shifted") == (unshifted < found["kl"] / 3)
    assert {found["fault"] for found in measured} == {"posterior", "confident", "timid", "shifted"}


def test_verdict_says_the_fault_and_its_price(node):
    starts = [*STARTS.values(), {"separation": 2, "slope": 20, "shift": -2}, {"separation": 4, "slope": 4, "shift": 0}]
    verdicts = node(
        host.bundle("kl_gap")
        + f"""
        console.log(JSON.stringify({json.dumps(starts)}.map((setting) => {{
          const found = gapOf(setting);
          return verdictOf(setting, found, faultOf(setting, found));
        }})));
    """
    )
    assert "Too confident: its slope is 3 times" in verdicts[0] and "of the 0.337 nats" in verdicts[0]
    assert "Too timid: the posterior's slope is 4 times" in verdicts[1] and "gives away" in verdicts[1]
    assert "Shifted: the threshold stands 1.0 σ to the right" in verdicts[2]
    assert "At the posterior" in verdicts[3] and "the bound is I = 0.337 nats" in verdicts[3]
    assert "below 0" in verdicts[4] and "gives away" not in verdicts[4]
    assert "At the posterior" in verdicts[5]


def test_sliders_and_presets_of_python_and_javascript_are_the_same(node):
    knobs, starts = node(host.bundle("kl_gap") + "\nconsole.log(JSON.stringify([KNOBS, STARTS]));")
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES
    assert starts == STARTS
    assert kl_gap().state == starts["the posterior"]


def test_alt_text_tells_the_numbers():
    found = by_dmlkit(2, 6, 0.5)
    explorer = kl_gap(2, 6, 0.5)
    for name in ("crossEntropy", "conditional", "kl"):
        assert f"{found[name]:.3f}" in explorer.alt


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"separation": 0.1}, "^separation must lie on its slider, in 0.2 … 6, found 0.1"),
        ({"separation": float("nan")}, "^separation must lie on its slider"),
        ({"slope": 0.0}, "^slope must lie on its slider, in 0.02 … 20, found 0"),
        ({"slope": 21}, "^slope must lie on its slider"),
        ({"shift": 3.5}, "^shift must lie on its slider, in -3 … 3, found 3.5"),
    ],
)
def test_wrong_arguments_are_refused(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        kl_gap(**arguments)

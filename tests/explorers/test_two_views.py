"""The numbers of the explorer are those of dmlkit's mixture_entropies; its sentences follow them."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch

from dmlkit.explorers import host, two_views
from dmlkit.explorers.two_views import RANGES
from dmlkit.information import mixture_entropies, mixture_mutual_information


def draws() -> list[dict]:
    """The corners of the three sliders, and places between them."""
    corners = [
        {"separation": separation, "spread": spread, "classes": classes}
        for separation in RANGES["separation"]
        for spread in RANGES["spread"]
        for classes in RANGES["classes"]
    ]
    random = np.random.default_rng(3)
    between = [
        {
            "separation": float(random.uniform(*RANGES["separation"])),
            "spread": float(np.exp(random.uniform(*np.log(RANGES["spread"])))),
            "classes": int(random.integers(RANGES["classes"][0], RANGES["classes"][1] + 1)),
        }
        for _ in range(100)
    ]
    return corners + between


DRAWS = draws()


def means_of(draw: dict) -> torch.Tensor:
    """Classes at steps of δσ, from 0 on: where they begin plays no part."""
    return draw["separation"] * draw["spread"] * torch.arange(draw["classes"], dtype=torch.float64).unsqueeze(1)


@pytest.fixture(scope="module")
def found(node, root):
    arithmetic = (root / "dmlkit/explorers/two_views_arithmetic.js").as_uri()
    return node(f"""
        import {{ entropiesOf }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(DRAWS)}.map(entropiesOf)));
    """)


def test_entropies_equal_dmlkits(found):
    for draw, here in zip(DRAWS, found, strict=True):
        expected = mixture_entropies(means_of(draw), draw["spread"])
        names = ("label", "labelGiven", "embedding", "embeddingGiven")
        assert [here[name] for name in names] == pytest.approx(list(expected), abs=1e-10)


def test_both_views_are_the_mutual_information(found):
    """Equation 1 of paper M, in JavaScript against mixture_mutual_information."""
    for draw, here in zip(DRAWS, found, strict=True):
        expected = mixture_mutual_information(means_of(draw), draw["spread"])
        assert here["label"] - here["labelGiven"] == pytest.approx(expected, abs=1e-10)
        assert here["embedding"] - here["embeddingGiven"] == pytest.approx(expected, abs=1e-10)


def test_draws_reach_both_ends():
    """No information, nearly all of it, and negative entropies are among them, or the tests above would say little."""
    entropies = [mixture_entropies(means_of(draw), draw["spread"]) for draw in DRAWS]
    shares = [entropy.discriminative / entropy.label for entropy in entropies]
    assert min(shares) < 1e-12 and max(shares) > 0.999
    assert sum(0.1 < share < 0.9 for share in shares) > 20
    assert sum(entropy.embedding < 0 for entropy in entropies) > 5


def test_density_is_the_mixtures(node, root):
    arithmetic = (root / "dmlkit/explorers/two_views_arithmetic.js").as_uri()
    z = np.linspace(-9, 9, 401)
    values = node(f"""
        import {{ logJoint, logSum, meansOf }} from "{arithmetic}";
        const means = meansOf(2.5, 4);
        console.log(JSON.stringify({json.dumps(z.tolist())}.map((z) => [means, logSum(logJoint(z, means))])));
    """)
    means = values[0][0]
    assert means == [-3.75, -1.25, 1.25, 3.75]
    density = np.mean([np.exp(-((z - mean) ** 2) / 2) / math.sqrt(2 * math.pi) for mean in means], axis=0)
    assert np.exp([value for _, value in values]) == pytest.approx(density, rel=1e-12)


def test_sliders_of_python_and_javascript_are_the_same(node):
    knobs = node(host.bundle("two_views") + "\nconsole.log(JSON.stringify(KNOBS));")
    assert {name: (knob["min"], knob["max"]) for name, knob in knobs.items()} == RANGES


def test_entropies_fit_their_axis(node):
    low, high = node(host.bundle("two_views") + "\nconsole.log(JSON.stringify(NATS));")
    entropies = [value for draw in DRAWS for value in mixture_entropies(means_of(draw), draw["spread"])]
    assert low < min(entropies) and max(entropies) < high


def test_verdict_says_what_limits_the_information(node):
    settings = [(0, 1, 3), (0.5, 1, 3), (2, 1, 3), (8, 1, 3), (2, 0.5, 3), (2, 0.2, 3), (0.5, 0.1, 2)]
    states = [dict(zip(RANGES, setting, strict=True)) for setting in settings]
    verdicts = node(
        host.bundle("two_views")
        + f"\nconsole.log(JSON.stringify({json.dumps(states)}.map((s) => verdictOf(s, entropiesOf(s)))));"
    )
    assert "All classes coincide" in verdicts[0] and "I = 0" in verdicts[0]
    assert "overlap so much" in verdicts[1]
    left = mixture_entropies(means_of(states[2]), 1.0)
    assert verdicts[2] == (
        f"I = {left.discriminative:.2f} of at most log K = 1.10 nats: {left.label_given_embedding:.2f} nats of the "
        "label are still a guess."
    )
    assert "saturated" in verdicts[3]
    assert verdicts[4].endswith("log σ = −0.69, I does not.")
    assert "H(Z|Y) is negative" in verdicts[5]
    assert "H(Z) and H(Z|Y) are negative now" in verdicts[6]


def test_alt_text_tells_the_numbers():
    alt = two_views(2.0, 1.0, 3).alt
    entropies = mixture_entropies(torch.tensor([[-2.0], [0.0], [2.0]]), 1.0)
    assert all(f"{value:.2f}" in alt for value in (*entropies, entropies.generative))


def test_it_travels_light():
    assert len(two_views().html()) < 60_000


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"separation": -0.1}, ValueError, "^separation must lie on its slider, in 0 … 8, found -0.1"),
        ({"separation": float("nan")}, ValueError, "^separation must lie on its slider"),
        ({"spread": 3.0}, ValueError, "^spread must lie on its slider, in 0.1 … 2, found 3"),
        ({"classes": 6}, ValueError, "^classes must lie on its slider, in 2 … 5, found 6"),
        ({"classes": 3.0}, TypeError, "^classes must be a whole number, found 3.0"),
        ({"classes": True}, TypeError, "^classes must be a whole number, found True"),
    ],
)
def test_wrong_arguments_are_refused(arguments, error, sentence):
    with pytest.raises(error, match=sentence):
        two_views(**arguments)

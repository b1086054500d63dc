"""The explorer's expected scores, places and Kendall's τ are those of dmlkit.comparison."""

from __future__ import annotations

import json
import random

import pytest

from dmlkit import explorers
from dmlkit.comparison import CANDIDATES, FAMILIES, MEASURES, Study, agreement, expected_test
from dmlkit.explorers import host

NAMES = ("CosFace", "Triplet", "SNCA", "CE + Center", "WarpedSoftmax")
TRIALS = 8


def made(seed=0, name="a set", names=NAMES, trials=TRIALS):
    """A study at random; some trials diverged, some validate alike."""
    draw = random.Random(seed)
    losses = {}
    for loss in names:
        found = [
            {"validation": round(draw.uniform(0.1, 0.9), 1), "test": round(draw.uniform(0.1, 0.9), 5)}
            for _ in range(trials)
        ]
        for place in draw.sample(range(1, trials), draw.randint(0, trials // 2)):
            found[place] = {"reason": "the loss is nan"}
        losses[loss] = {"trials": found, "chosen": 0, "final": [], "default": []}
    baselines = {
        head: {measure: round(draw.uniform(0.2, 0.8), 5) for measure in MEASURES}
        for head in ("rows", "first head", "first head, euclidean")
    }
    return Study(name, {}, {"trials": trials}, baselines, losses, {}, "cpu", {})


STUDIES = [made(seed, f"set {seed}") for seed in range(6)]


def flattered(trials):
    return [{**t, "validation": t["test"]} if "test" in t else t for t in trials]


@pytest.fixture(scope="module")
def arithmetic():
    return (host.FOLDER / "budgets_arithmetic.js").as_uri()


def test_scores_places_and_agreement_are_dmlkits(node, arithmetic):
    state = explorers.budgets(STUDIES).state
    assert any(len(tests) < TRIALS for found in state["tests"] for tests in found)
    settings = [(d, b, f) for d in range(len(STUDIES)) for b in range(1, TRIALS + 1) for f in (0, 1)]
    found = node(f"""
        import {{ kendall, moved, scoresOf }} from "{arithmetic}";
        const state = {json.dumps(state)};
        console.log(JSON.stringify({json.dumps(settings)}.map(([data, budget, flattered]) => {{
          const scores = scoresOf(state, {{ data, budget, flattered }});
          const full = scoresOf(state, {{ data, budget: state.trials, flattered: 0 }});
          return [scores, kendall(scores, full), moved(scores, full)];
        }})));
    """)
    seen = set()
    for (d, b, f), (scores, tau, places) in zip(settings, found, strict=True):
        trials = [STUDIES[d].losses[name]["trials"] for name in NAMES]
        expected = [expected_test(flattered(one) if f else one, b) for one in trials]
        full = [expected_test(one, TRIALS) for one in trials]
        assert scores == pytest.approx(expected, abs=1e-12)
        assert tau == pytest.approx(agreement(dict(enumerate(expected)), dict(enumerate(full))), abs=1e-12)
        orders = [sorted(range(len(NAMES)), key=lambda k: -values[k]) for values in (expected, full)]
        assert places == sum(one != other for one, other in zip(*orders, strict=True))
        seen.add(places)
    assert 0 in seen and len(seen) > 2


def test_kendalls_tau_with_ties_is_dmlkits(node, arithmetic):
    draw = random.Random(1)
    pairs = [[[draw.randint(0, 4) for _ in range(9)] for _ in range(2)] for _ in range(60)]
    found = node(f"""
        import {{ kendall }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(pairs)}.map(([a, b]) => kendall(a, b))));
    """)
    for (one, other), tau in zip(pairs, found, strict=True):
        assert tau == pytest.approx(agreement(dict(enumerate(one)), dict(enumerate(other))), abs=1e-12)


def test_verdict_names_leader_lead_and_what_moved(node):
    """Two losses whose first trial is bad, and one whose trials are alike."""
    study = made(names=NAMES[:3], trials=2)
    scores = {"CosFace": (0.3, 0.9), "Triplet": (0.5, 0.6), "SNCA": (0.7, 0.7)}
    for name, pair in scores.items():
        study.losses[name]["trials"] = [{"validation": v, "test": v} for v in pair]
    # By its own distance the Triplet's baseline is another one.
    study.baselines["first head"]["MAP@R"], study.baselines["first head, euclidean"]["MAP@R"] = 0.65, 0.5
    state = explorers.budgets([study]).state
    once, whole, cheating = node(
        host.bundle("budgets")
        + f"""
        const state = {json.dumps(state)};
        const full = scoresOf(state, {{ ...state, budget: 2 }});
        const states = [state, {{ ...state, budget: 2 }}, {{ ...state, budget: 2, flattered: 1 }}];
        console.log(JSON.stringify(states.map((one) => verdictOf(one, scoresOf(one, one), full))));
    """
    )
    assert once.startswith("With one trial each, SNCA leads (0.700 expected), 0.100 before CosFace. 2 losses stand at")
    assert once.endswith("Kendall's τ 0.33. Above the untrained head: 2 of 3.")
    assert whole.startswith("With 2 trials each, CosFace leads (0.900 expected), 0.200 before SNCA. This is the whole")
    assert whole.endswith("Above the untrained head: 3 of 3.")
    assert "0 losses stand at another place" in cheating and "τ 1.00" in cheating


def test_state_follows_the_studies():
    shown = explorers.budgets(STUDIES[:3], 3, data="set 1", looks_at="test")
    state = shown.state
    assert (state["data"], state["budget"], state["flattered"], state["trials"]) == (1, 3, 1, TRIALS)
    assert [state["families"][k] for k in state["family"]] == [CANDIDATES[name].family for name in NAMES]
    assert [state["names"][k] for k, euclidean in enumerate(state["euclidean"]) if euclidean] == ["Triplet", "Warped"]
    assert state["starts"][1][1] == round(1e5 * STUDIES[1].baselines["first head, euclidean"]["MAP@R"])
    scores = {name: expected_test(flattered(STUDIES[1].losses[name]["trials"]), 3) for name in NAMES}
    best = max(scores, key=scores.get)
    assert f"{best} leads with {scores[best]:.3f}" in shown.alt and "on set 1 after a search of 3 of 8" in shown.alt
    assert shown.still.startswith(b"\x89PNG") and shown.still != explorers.budgets(STUDIES[:3]).still


def test_all_losses_of_four_sets_stay_below_60_kilobytes():
    studies = [made(seed, name, tuple(CANDIDATES), 16) for seed, name in enumerate("abcd")]
    assert len(explorers.budgets(studies).html().encode()) < 60_000
    assert set(explorers.budgets(studies).state["family"]) == set(range(len(FAMILIES)))


def without_score():
    study = made()
    study.losses["SNCA"]["trials"] = [{"reason": "the loss is nan"}] * TRIALS
    return study


@pytest.mark.parametrize(
    ("studies", "settings", "error", "sentence"),
    [
        ([], {}, ValueError, "^studies must hold at least one, found none"),
        ([made(), made(1, "less", NAMES[:2])], {}, ValueError, "^studies must have the same .* found others in less"),
        (
            [made(), made(1, "longer", trials=9)],
            {},
            ValueError,
            "^studies must have the same .* found others in longer",
        ),
        ([made(names=NAMES[:1])], {}, ValueError, "^studies must hold at least two losses, found 1"),
        ([without_score()], {}, ValueError, "^each loss must have a trial with a score, found none of SNCA in a set"),
        (STUDIES, {"budget": 0}, ValueError, "^budget must lie on its slider, in 1 … 8, found 0"),
        (STUDIES, {"budget": 9}, ValueError, "^budget must lie on its slider, in 1 … 8, found 9"),
        (STUDIES, {"budget": 2.0}, TypeError, "^budget must be a whole number, found 2.0"),
        (STUDIES, {"budget": True}, TypeError, "^budget must be a whole number, found True"),
        (STUDIES, {"data": "cars"}, ValueError, "^data must be"),
        (STUDIES, {"looks_at": "train"}, ValueError, "^looks_at must be"),
    ],
)
def test_wrong_arguments_are_refused(studies, settings, error, sentence):
    with pytest.raises(error, match=sentence):
        explorers.budgets(studies, **settings)

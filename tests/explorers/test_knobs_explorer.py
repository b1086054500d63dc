"""The explorer's means, intervals and reaches are those of dmlkit.comparison; its sentences say what they show."""

from __future__ import annotations

import json
import random

import pytest

from dmlkit import explorers
from dmlkit.comparison import CANDIDATES, MEASURES, SWEEPS, Protocol, SweepStudy, against, sensitivity
from dmlkit.explorers import host
from dmlkit.explorers.knobs import WORDS
from dmlkit.records import estimate

BASELINES = {
    head: dict.fromkeys(MEASURES, value)
    for head, value in (("rows", 0.1), ("first head", 0.25), ("first head, euclidean", 0.35))
}


def made(sweeps, name="clusters"):
    """A file of (loss, knob, default, {value: runs}); all measures are the same."""
    content = {
        f"{loss} {knob}": {
            "loss": loss,
            "knob": knob,
            "default": default,
            "points": [
                {"value": value, "runs": [dict.fromkeys(MEASURES, run) for run in runs]}
                for value, runs in points.items()
            ],
            "seconds": 1.0,
        }
        for loss, knob, default, points in sweeps
    }
    return SweepStudy(name, {}, {}, BASELINES, content, {}, "cpu", {})


def at_random(seed, seeds=3):
    """Every sweep that there is, with numbers at random."""
    draw = random.Random(seed)
    return made(
        [
            (
                sweep.loss,
                sweep.knob,
                sweep.default(Protocol()),
                {
                    value: [round(0.2 + 0.02 * k + draw.uniform(0, 0.03), 5) for _ in range(seeds)]
                    for k, value in enumerate(dict.fromkeys((*sweep.values, sweep.default(Protocol()))))
                },
            )
            for sweep in SWEEPS.values()
        ],
        f"set {seed}",
    )


STUDIES = [at_random(0), at_random(1, seeds=5)]
TEMPERATURES = {0.05: [0.28, 0.29, 0.29], 0.1: [0.30, 0.32, 0.31], 0.2: [0.40, 0.43, 0.41], 0.5: [0.31, 0.34, 0.325]}


@pytest.fixture(scope="module")
def arithmetic():
    return (host.FOLDER / "knobs_arithmetic.js").as_uri()


def test_differences_reaches_and_spreads_are_dmlkits(node, arithmetic):
    state = explorers.knobs(STUDIES).state
    found = node(f"""
        import {{ meansOf, pairedOf, reachOf, runsOf, seedOf, sideOf }} from "{arithmetic}";
        const state = {json.dumps(state)};
        console.log(JSON.stringify(state.runs.map((text, k) => {{
          const points = runsOf(text, 2);
          const usual = points[state.defaults[k]];
          const pairs = points.map((runs) => pairedOf(runs, usual, state.together[k]));
          const plain = points.map((runs) => pairedOf(runs, usual, state.quantiles[k]));
          return [meansOf(points), reachOf(points), seedOf(points), pairs, plain, pairs.map(sideOf)];
        }})));
    """)
    every = [(study, name) for study in STUDIES for name in study.sweeps]
    sides = set()
    assert len(every) == len(found) == 2 * len(SWEEPS)
    for (study, name), (means, reach, seed, pairs, plain, where) in zip(every, found, strict=True):
        known = sensitivity(study, name, "NMI")
        assert means == pytest.approx(list(known.means.values()), abs=1e-12)
        assert (reach, seed) == pytest.approx((known.reach, known.seed), abs=1e-12)
        for looked, of in ((True, pairs), (False, plain)):
            differences = against(study.curve(name, "NMI"), known.default, together=looked)
            for value, pair in zip(known.means, of, strict=True):
                if value != known.default:
                    wanted = (differences[value].mean, differences[value].half_width)
                    assert (pair["mean"], pair["half"]) == pytest.approx(wanted, abs=1e-8)
        told = dict(zip(known.means, where, strict=True))
        assert tuple(value for value, side in told.items() if side == 1) == known.above
        assert tuple(value for value, side in told.items() if side == -1) == known.below
        sides |= set(where)
    assert sides == {-1, 0, 1}


@pytest.fixture(scope="module")
def verdicts(node):
    def of(*states):
        return node(
            host.bundle("knobs")
            + f"\nconsole.log(JSON.stringify({json.dumps(states)}.map((one) => verdictOfKnobs(one))));"
        )

    return of


def shown(place, points=None, default=0.1, **settings):
    studies = [made([("SupCon", "temperature", default, points or TEMPERATURES)])]
    return explorers.knobs(studies, place=place, **settings).state


def test_verdict_tells_the_default_the_looks_and_the_start(verdicts):
    low, usual, high, middle = verdicts(*(shown(place) for place in range(4)))
    pair = estimate(run - base for run, base in zip(TEMPERATURES[0.2], TEMPERATURES[0.1], strict=True))
    start = estimate(run - 0.25 for run in TEMPERATURES[0.2])
    assert high == (
        f"τ = 0.2 is clearly above the default 0.1 (+{pair.mean:.3f} ± {pair.half_width:.3f}, paired over 3 seeds, "
        f"95 %; also as one of 3 looks). It is clearly above the untrained network "
        f"(+{start.mean:.3f} ± {start.half_width:.3f})."
    )
    assert usual.startswith("τ = 0.1 is the default. It is clearly above the untrained network (+0.060 ± 0.025).")
    pair = estimate(run - base for run, base in zip(TEMPERATURES[0.05], TEMPERATURES[0.1], strict=True))
    assert f"clearly below the default 0.1 (−{-pair.mean:.3f} ± {pair.half_width:.3f}" in low
    assert "95 %; not as one of 3 looks)" in low and "95 %; not as one of 3 looks)" in middle


def test_verdict_where_intervals_hold_zero_or_a_seed_diverged(verdicts):
    points = {0.1: [0.2, 0.3, 0.25], 0.2: [0.3, 0.2, 0.26], 0.5: []}
    usual, same, lost = verdicts(*(shown(place, points) for place in range(3)))
    assert "is the default. It is not told apart from the untrained network (0.000 ± 0.124)." in usual
    assert same.startswith("τ = 0.2 is not told apart from the default 0.1 (+0.003 ± ") and "looks" not in same
    assert lost == "τ = 0.5: a seed diverged, so there is no mean."


def test_state_follows_the_studies():
    found = explorers.knobs(STUDIES, "SphereFace rate", data="set 1", measure="NMI", place=0)
    state = found.state
    count = len(SWEEPS)
    at = count + list(SWEEPS).index("SphereFace rate")
    assert (state["shown"], state["measure"], state["places"][at]) == (at, 2, 0)
    assert state["names"][state["kind"][at]] == "SphereFace rate" and len(state["names"]) == count
    assert state["symbols"][state["kind"][0]] == "α"
    assert state["of"] == [0] * count + [1] * count and state["sets"] == ["set 0", "set 1"]
    assert state["places"][:at] == state["defaults"][:at]
    for k, name in enumerate(SWEEPS):
        default = STUDIES[0].sweeps[name]["default"]
        assert state["values"][k][state["defaults"][k]] == default
        distance = CANDIDATES[SWEEPS[name].loss].distance
        assert state["starts"][k] == [35000 if distance == "euclidean" else 25000] * 4
        first = [str(round(1e5 * run)) for run in STUDIES[0].curve(name)[state["values"][k][0]]]
        assert state["runs"][k].split(";")[0] == ",".join(first)
    assert "NMI on set 1 over the values of SphereFace rate" in found.alt and "the untrained network" in found.alt
    start = explorers.knobs(STUDIES)
    assert (start.state["shown"], start.state["measure"]) == (0, 0)
    assert found.still.startswith(b"\x89PNG") and found.still != start.still


def test_every_knob_has_words_that_fit():
    assert {sweep.knob for sweep in SWEEPS.values()} == set(WORDS)
    assert max(map(len, explorers.knobs(STUDIES).state["names"])) <= 20


def test_two_data_sets_with_all_sweeps_stay_below_60_kilobytes():
    assert len(explorers.knobs([at_random(0), at_random(2)]).html().encode()) < 60_000


@pytest.mark.parametrize(
    ("studies", "settings", "sentence"),
    [
        ([], {}, "^studies must hold at least one, found none"),
        ([made([])], {}, "^each study must have a sweep, found none in clusters"),
        ([made([("SupCon", "temperature", 0.3, TEMPERATURES)])], {}, "^each sweep must have its default and another"),
        ([made([("SupCon", "temperature", 0.1, {0.1: [0.1, 0.2]})])], {}, "^each sweep must have its default and"),
        ([made([("SNCA", "temperature", 0.1, {0.1: [0.1], 0.2: [0.1]})])], {}, "^each sweep must have at least two"),
        (STUDIES, {"sweep": "SNCA temperature"}, "^sweep must be"),
        (STUDIES, {"data": "cars"}, "^data must be"),
        (STUDIES, {"measure": "R-Precision"}, "^measure must be"),
        (STUDIES, {"place": 6}, "^place must lie on its slider"),
    ],
)
def test_wrong_arguments_are_refused(studies, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        explorers.knobs(studies, **settings)

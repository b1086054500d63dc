"""The explorer's places, Kendall's τ and its interval are those of dmlkit.comparison and of the jackknife."""

from __future__ import annotations

import json
import math
import random
import statistics

import pytest
from scipy import stats

from dmlkit import explorers
from dmlkit.comparison import CANDIDATES, FAMILIES, MEASURES, Study, agreement
from dmlkit.explorers import host

NAMES = ("CosFace", "Triplet", "SNCA", "CE + Center", "WarpedSoftmax", "SupCon", "Circle")


def made(seed=0, names=NAMES, scores=None):
    """A study at random, or with these scores."""
    draw = random.Random(seed)
    scores = scores or {name: draw.uniform(0.1, 0.9) for name in names}
    losses = {
        name: {
            "trials": [],
            "chosen": 0,
            "final": [dict.fromkeys(MEASURES, round(score + draw.uniform(-0.01, 0.01), 5)) for _ in range(3)],
            "default": [],
        }
        for name, score in scores.items()
    }
    heads = ("rows", "first head", "first head, euclidean")
    baselines = {head: dict.fromkeys(MEASURES, round(draw.uniform(0.2, 0.8), 5)) for head in heads}
    return Study(f"set {seed}", {}, {}, baselines, losses, {}, "cpu", {})


STUDIES = {f"study {seed}": made(seed) for seed in range(6)}


def means(study):
    return {name: statistics.fmean(values) for name, values in study.finals().items()}


def margin_of(one, other):
    """Half of the jackknife's interval."""
    names = list(one)
    taus = [
        agreement({n: one[n] for n in names if n != left_out}, {n: other[n] for n in names if n != left_out})
        for left_out in names
    ]
    variance = (len(names) - 1) * statistics.pvariance(taus)
    return stats.t.ppf(0.975, len(names) - 1) * math.sqrt(variance)


@pytest.fixture(scope="module")
def arithmetic():
    return (host.FOLDER / "orders_arithmetic.js").as_uri()


def test_places_climbs_pairs_and_interval_are_dmlkits(node, arithmetic):
    state = explorers.orders(STUDIES).state
    both = [(a, b) for a in range(len(STUDIES)) for b in range(len(STUDIES))]
    found = node(f"""
        import {{ climbsOf, middlePlace, placesOf, samePairs, tauMargin }} from "{arithmetic}";
        const state = {json.dumps(state)};
        console.log(JSON.stringify({json.dumps(both)}.map(([left, right]) => {{
          const [one, other] = [state.scores[left], state.scores[right]];
          const places = placesOf(one);
          const middles = [0, 1, 2].map((k) => middlePlace(places, state.family, k));
          return [places, climbsOf(one, other), samePairs(one, other), tauMargin(one, other, state.quantile), middles];
        }})));
    """)
    tables = [means(study) for study in STUDIES.values()]
    for (a, b), (places, climbs, pairs, margin, middles) in zip(both, found, strict=True):
        ranks = [stats.rankdata([-tables[k][name] for name in NAMES]) for k in (a, b)]
        assert places == list(ranks[0])
        assert climbs == list(ranks[0] - ranks[1])
        count = len(NAMES) * (len(NAMES) - 1) / 2
        assert (2 * pairs - count) / count == pytest.approx(agreement(tables[a], tables[b]), abs=1e-12)
        assert margin == pytest.approx(margin_of(tables[a], tables[b]), abs=1e-9)
        assert middles == [
            statistics.median(ranks[0][k] for k, name in enumerate(NAMES) if CANDIDATES[name].family == family)
            for family in FAMILIES
        ]
    assert max(margin for *_, margin, _ in found) > 0.3 and found[0][3] == 0


@pytest.fixture(scope="module")
def verdicts(node):
    def of(*states):
        return node(
            host.bundle("orders")
            + f"\nconsole.log(JSON.stringify({json.dumps(states)}.map((one) => verdictOfOrders(one))));"
        )

    return of


def test_verdict_tells_relation_climb_and_fall(verdicts):
    line = {name: 0.9 - 0.1 * place for place, name in enumerate(NAMES)}
    first = {name: score for name, score in line.items()}
    # The last goes to the front: the others fall by one place, and one of them is named.
    climbed = {**line, "Circle": 1.2}
    studies = {
        "a": made(0, scores=first),
        "b": made(1, scores=climbed),
        "c": made(2, scores={name: -score for name, score in line.items()}),
    }
    tau = agreement(means(studies["a"]), means(studies["b"]))
    states = [
        explorers.orders(studies, *sides, marked=marked).state
        for sides, marked in ((("a", "b"), FAMILIES[1]), (("a", "c"), "all three"), (("a", "a"), FAMILIES[0]))
    ]
    one, reverse, same = verdicts(*states)
    assert tau == pytest.approx(9 / 21) and f"(Kendall's τ {tau:.2f}, 95 %: " in one
    assert one.startswith("The interval holds 0")
    assert "Largest climb: Circle, 6 places (from 7 to 1). Largest fall: CosFace, 1 place (from 1 to 2)." in one
    # Triplet, SNCA, SupCon, Circle: places 2, 3, 6, 7 and 3, 4, 7, 1.
    assert one.endswith("Middle place of pairs and tuples: 4.5 and 3.5.")
    assert reverse.startswith("The orders run against each other (Kendall's τ −1.00, 95 %: −1.00 to −1.00).")
    assert "Middle place" not in reverse
    assert same == "Twice the same order, a: τ is 1. Choose another study on one side."


def test_verdict_of_one_order_in_two_studies(verdicts):
    line = {name: 0.9 - 0.1 * place for place, name in enumerate(NAMES)}
    (same,) = verdicts(explorers.orders({"a": made(0, scores=line), "b": made(1, scores=line)}).state)
    assert same.startswith(
        "The first order tells something of the second (Kendall's τ 1.00, 95 %: 1.00 to 1.00). No loss"
    )


def test_losses_above_the_start_are_counted_by_their_own_distance(node):
    study = made(0, scores=dict.fromkeys(NAMES, 0.5))
    study.baselines["first head"]["MAP@R"], study.baselines["first head, euclidean"]["MAP@R"] = 0.6, 0.4
    state = explorers.orders({"a": study, "b": STUDIES["study 1"]}).state
    found = node(host.bundle("orders") + f"\nconsole.log(aboveStart({json.dumps(state)}, 0));")
    assert found == sum(CANDIDATES[name].distance == "euclidean" for name in NAMES) == 2


def test_state_follows_the_studies():
    shown = explorers.orders(STUDIES, "study 1", "study 4", marked="joined")
    state = shown.state
    assert (state["left"], state["right"], state["marked"]) == (1, 4, 2)
    assert [state["families"][k] for k in state["family"]] == [CANDIDATES[name].family for name in NAMES]
    assert state["scores"][4][2] == round(1e6 * means(STUDIES["study 4"])["SNCA"])
    tables = [means(STUDIES[label]) for label in ("study 1", "study 4")]
    leaders = [max(table, key=table.get) for table in tables]
    assert f"on the left study 1, where {leaders[0]} leads" in shown.alt
    assert f"on the right study 4, where {leaders[1]} leads" in shown.alt
    assert f"{agreement(*tables):.2f}" in shown.alt
    start = explorers.orders(STUDIES)
    assert (start.state["left"], start.state["right"], start.state["marked"]) == (0, 5, 3)
    assert shown.still.startswith(b"\x89PNG") and shown.still != start.still


def test_all_losses_of_seven_studies_stay_below_60_kilobytes():
    studies = {f"networks, set {seed}": made(seed, tuple(CANDIDATES)) for seed in range(7)}
    assert len(explorers.orders(studies).html().encode()) < 60_000


def without_runs():
    study = made()
    study.losses["SNCA"]["final"] = []
    return study


@pytest.mark.parametrize(
    ("studies", "settings", "sentence"),
    [
        ({"a": made()}, {}, "^studies must hold at least two, found 1"),
        ({"a": made(), "b": made(1, NAMES[:3])}, {}, "^studies must have the same losses, found others in b"),
        ({"a": made(0, NAMES[:2]), "b": made(1, NAMES[:2])}, {}, "^studies must hold at least three losses, found 2"),
        ({"a": made(), "b": without_runs()}, {}, "^each loss must have final runs, found none of SNCA in b"),
        (STUDIES, {"left": "cars"}, "^left must be"),
        (STUDIES, {"right": "cars"}, "^right must be"),
        (STUDIES, {"marked": "pairs"}, "^marked must be"),
    ],
)
def test_wrong_arguments_are_refused(studies, settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        explorers.orders(studies, **settings)

"""How far a number moves a measure: intervals that hold together, exchanges within seeds, what a table says."""

from __future__ import annotations

import doctest
import itertools
import json
import statistics

import numpy as np
import pytest
from scipy import stats

from dmlkit.comparison import (
    MEASURES,
    SWEEPS,
    SweepStudy,
    against,
    by_chance,
    sensitivity,
    sensitivity_table,
    untrained,
    widened,
)
from dmlkit.comparison import sensitivities as module
from dmlkit.records import estimate

CURVE = {0.1: [0.30, 0.32, 0.31], 0.2: [0.40, 0.43, 0.41], 0.5: [0.30, 0.31, 0.32], 1.0: [0.20, 0.22, 0.21]}


def study(points=None, *, loss="SupCon", knob="temperature", default=0.1):
    """A file with one sweep; a value without runs diverged."""
    points = CURVE if points is None else points
    made = [
        {"value": value, "runs": [dict.fromkeys(MEASURES, run) for run in runs]}
        | ({} if runs else {"reason": "seed 0"})
        for value, runs in points.items()
    ]
    heads = (("rows", 0.1), ("first head", 0.27), ("first head, euclidean", 0.35))
    return SweepStudy(
        "clusters",
        {},
        {},
        {head: dict.fromkeys(MEASURES, value) for head, value in heads},
        {f"{loss} {knob}": {"loss": loss, "knob": knob, "default": default, "points": made, "seconds": 1.0}},
        {},
        "cpu",
        {},
    )


# intervals


def test_one_look_is_the_plain_interval_and_more_are_wider():
    values = [0.1, 0.25, 0.2, 0.3]
    assert widened(values) == estimate(values)
    found = widened(values, looks=6)
    wide = stats.t.ppf(1 - 0.05 / 12, 3) * statistics.stdev(values) / 2
    assert (found.mean, found.runs) == (estimate(values).mean, 4)
    assert found.half_width == pytest.approx(wide, rel=1e-12)


def test_all_intervals_hold_together_where_plain_ones_do_not():
    """Five values of one seed each pair, nothing true: how often some interval misses 0."""
    draws = np.random.default_rng(0)
    missed = {True: 0, False: 0}
    for _ in range(400):
        runs = draws.normal(size=(6, 3)).tolist()
        for together in missed:
            found = against(dict(enumerate(runs)), 0, together=together)
            missed[together] += any(abs(one.mean) > one.half_width for one in found.values())
    assert missed[True] / 400 < 0.06 and missed[False] / 400 > 0.1


def test_differences_are_paired_over_seeds():
    found = against(CURVE, 0.1, together=False)
    assert list(found) == [0.2, 0.5, 1.0]
    assert found[0.2] == estimate([0.40 - 0.30, 0.43 - 0.32, 0.41 - 0.31])
    together = against(CURVE, 0.1)
    assert together[0.2] == widened([0.40 - 0.30, 0.43 - 0.32, 0.41 - 0.31], looks=3)


# exchanges


def exact(curve):
    """Over all exchanges within seeds."""
    seeds = np.array(list(curve.values())).T
    orders = [list(itertools.permutations(runs)) for runs in seeds]
    spreads = np.array([np.var(np.mean(chosen, axis=0)) for chosen in itertools.product(*orders)])
    return np.mean(spreads >= np.var(seeds.mean(axis=0)) - 1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_chance_is_the_share_of_all_exchanges(seed):
    draws = np.random.default_rng(seed)
    curve = {k: (draws.normal(size=3) + 0.5 * k).tolist() for k in range(3)}
    assert by_chance(curve) == pytest.approx(exact(curve), abs=0.015)
    assert by_chance(curve) == by_chance(curve)


def test_exchanges_stay_within_a_seed():
    """Seeds far apart, the same order in each: 24 of all 24³ exchanges are as far."""
    curve = {k: [0.1 * k, 10 + 0.1 * k, 20 + 0.1 * k] for k in range(4)}
    assert by_chance(curve) == pytest.approx(1 / 24**2, abs=0.001)


def test_nothing_there_is_one_and_the_seen_one_counts():
    assert by_chance({1: [0.5, 0.5], 2: [0.5, 0.5]}) == 1
    curve = {k: [float(k)] * 6 for k in range(5)}
    assert by_chance(curve, exchanges=99) == 0.01


# what a sweep shows


def test_says_reach_spread_and_who_is_clearly_where():
    found = sensitivity(study(), "SupCon temperature")
    assert (found.loss, found.knob, found.default) == ("SupCon", "temperature", 0.1)
    assert found.means == {value: pytest.approx(statistics.fmean(runs)) for value, runs in CURVE.items()}
    assert found.reach == pytest.approx(statistics.fmean(CURVE[0.2]) - 0.21)
    pooled = statistics.fmean(statistics.variance(runs) for runs in CURVE.values()) ** 0.5
    assert found.seed == pytest.approx(pooled) and found.spreads == pytest.approx(found.reach / pooled)
    assert found.chance == by_chance(CURVE) < 0.05
    assert (found.above, found.below) == ((0.2,), (1.0,))
    assert (found.untrained, found.over, found.under) == (0.27, (0.2,), (1.0,))
    assert found.diverged == ()


def test_a_distance_is_measured_against_its_own_start():
    assert untrained(study(loss="Contrastive", knob="margin"), "Contrastive margin") == 0.35
    assert untrained(study(), "SupCon temperature", "NMI") == 0.27


def test_a_value_that_diverged_has_no_mean_and_is_named():
    found = sensitivity(study({**CURVE, 2.0: []}), "SupCon temperature")
    assert found.diverged == (2.0,) and 2.0 not in found.means
    assert (found.above, found.below) == ((0.2,), (1.0,))
    assert "| SupCon temperature | 4 (1 diverged) |" in sensitivity_table(study({**CURVE, 2.0: []}))


def test_where_seeds_agree_wholly_the_reach_is_endless_spreads():
    assert sensitivity(study({0.1: [0.3, 0.3], 0.2: [0.4, 0.4]}), "SupCon temperature").spreads == float("inf")
    assert sensitivity(study({0.1: [0.3, 0.3], 0.2: [0.3, 0.3]}), "SupCon temperature").spreads == 0


def test_table_has_the_farthest_number_on_top():
    one, other = study({0.1: [0.3, 0.31, 0.32], 0.2: [0.3, 0.32, 0.31]}), study(loss="SNCA")
    both = SweepStudy(**{**vars(one), "sweeps": {**one.sweeps, **other.sweeps}})
    lines = sensitivity_table(both).splitlines()
    assert lines[2].startswith("| SNCA temperature | 4 | 20.3 | ")
    assert lines[2].endswith(" | 1, 1 of 3 | 1 of 4 |")
    assert lines[3] == "| SupCon temperature | 2 | 0.0 | 0.0 | 1.000 | 0, 0 of 1 | 2 of 2 |"
    assert len(lines) == 4


def test_the_files_own_form_is_read(tmp_path):
    path = tmp_path / "clusters.json"
    path.write_text(json.dumps(vars(study())), encoding="utf-8")
    assert sensitivity(SweepStudy.load(path), "SupCon temperature") == sensitivity(study(), "SupCon temperature")
    assert set(study().sweeps) <= set(SWEEPS)


# faults


@pytest.mark.parametrize(
    ("act", "sentence"),
    [
        (lambda: widened([0.1, 0.2], looks=0), "^looks must be at least 1"),
        (lambda: widened([0.1]), "at least two runs"),
        (lambda: against(CURVE, 0.3), "^default must be one of the values of the curve"),
        (lambda: against({1: [0.1, 0.2], 2: [0.1, 0.2, 0.3]}, 1), "^curve must have as many seeds"),
        (lambda: by_chance({1: [0.1, 0.2]}), "^curve must have at least two values, found 1"),
        (lambda: by_chance({1: [0.1, 0.2], 2: [0.1]}), "^curve must have as many seeds"),
        (lambda: by_chance(CURVE, exchanges=0), "^exchanges must be at least 1"),
        (lambda: sensitivity(study(), "SNCA temperature"), "^name must be one of the file's sweeps"),
        (lambda: sensitivity(study({0.1: [], 0.2: [0.1, 0.2]}), "SupCon temperature"), "^default must be one of"),
        (lambda: sensitivity(study({0.1: [0.1, 0.2], 0.2: []}), "SupCon temperature"), "^curve must have at least two"),
    ],
)
def test_wrong_arguments_are_refused_in_one_sentence(act, sentence):
    with pytest.raises(ValueError, match=sentence):
        act()


def test_examples_run():
    assert doctest.testmod(module).failed == 0

"""Ranks and budgets against the published example, a count over all subsets, and what must hold by symmetry."""

from __future__ import annotations

import doctest
import itertools
import random
import statistics

import pytest

from dmlkit.comparison import agreement, alike, critical_difference, expected_test, friedman, mean_ranks, ranks

# Demšar (2006), Table 6: four classifiers on fourteen data sets.
DEMSAR = {
    "C4.5": (0.763, 0.599, 0.954, 0.628, 0.882, 0.936, 0.661, 0.583, 0.775, 1.000, 0.940, 0.619, 0.972, 0.957),
    "C4.5+m": (0.768, 0.591, 0.971, 0.661, 0.888, 0.931, 0.668, 0.583, 0.838, 1.000, 0.962, 0.666, 0.981, 0.978),
    "C4.5+cf": (0.771, 0.590, 0.968, 0.654, 0.886, 0.916, 0.609, 0.563, 0.866, 1.000, 0.965, 0.614, 0.9751, 0.946),
    "C4.5+m+cf": (0.798, 0.569, 0.967, 0.657, 0.898, 0.931, 0.685, 0.625, 0.875, 1.000, 0.962, 0.669, 0.975, 0.970),
}
TABLES = [{name: values[row] for name, values in DEMSAR.items()} for row in range(14)]


def test_the_published_example():
    found = mean_ranks(TABLES)
    assert {name: round(rank, 3) for name, rank in found.items()} == {
        "C4.5+m+cf": 1.964,
        "C4.5+m": 2.000,
        "C4.5+cf": 2.893,
        "C4.5": 3.143,
    }
    assert list(found) == ["C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5"]
    assert 0.01 < friedman(TABLES) < 0.0258  # chi-square 9.28 gives .0258; the ties, which scipy minds, make it smaller
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    # 3.143 − 1.964 = 1.179: the test cannot tell any two of the four apart at level 0.05, but can at 0.10 (CD 1.12).
    assert alike(found, critical_difference(4, 14)) == [tuple(found)]
    assert len(alike(found, critical_difference(4, 14, level=0.1))) == 2


@pytest.mark.parametrize(("names", "quantile"), [(2, 1.960), (5, 2.728), (10, 3.164)])
def test_the_table_of_critical_values(names, quantile):
    """Demšar's Table 5a: CD = q √(k (k + 1) / 6 n)."""
    assert critical_difference(names, 6) == pytest.approx(quantile * (names * (names + 1) / 36) ** 0.5, rel=1e-3)


def test_a_reversed_score_reverses_the_ranks():
    found = mean_ranks(TABLES)
    reversed_ranks = mean_ranks([{name: -value for name, value in table.items()} for table in TABLES])
    assert all(reversed_ranks[name] == pytest.approx(5 - rank) for name, rank in found.items())


def test_groups_are_the_largest_and_not_within_another():
    chain = {name: float(place) for place, name in enumerate("abcdef")}
    assert alike(chain, 0.5) == []
    assert alike(chain, 2.5) == [tuple("abc"), tuple("bcd"), tuple("cde"), tuple("def")]
    assert alike(chain, 99) == [tuple("abcdef")]


def counted(trials, budget):
    """Every subset, one by one."""
    best = []
    for subset in itertools.combinations(trials, budget):
        scored = [trial for trial in subset if "validation" in trial]
        if scored:
            best.append(max(scored, key=lambda trial: trial["validation"])["test"])
    return statistics.fmean(best)


@pytest.mark.parametrize("diverged", [0, 3])
@pytest.mark.parametrize("budget", range(1, 9))
def test_expected_test_is_the_mean_over_all_subsets(budget, diverged):
    numbers = random.Random(budget)
    trials = [{"validation": numbers.random(), "test": numbers.random()} for _ in range(8 - diverged)]
    trials += [{"reason": "it diverged"}] * diverged
    numbers.shuffle(trials)
    assert expected_test(trials, budget) == pytest.approx(counted(trials, budget), abs=1e-12)


def test_the_whole_budget_is_what_the_search_chose():
    trials = [{"validation": v, "test": t} for v, t in ((0.1, 0.9), (0.8, 0.3), (0.5, 0.5))]
    assert expected_test(trials, 3) == 0.3


def test_agreement():
    one = {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0}
    assert agreement(one, one) == pytest.approx(1)
    assert agreement(one, {name: -value for name, value in one.items()}) == pytest.approx(-1)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: mean_ranks([]), "tables must hold at least one, found none"),
        (lambda: mean_ranks([{"a": 1}, {"b": 1}]), r"tables must have the same names, found \['a', 'b'\]"),
        (lambda: friedman([{"a": 1, "b": 2, "c": 3}]), "at least two of three names, found 1 of 3"),
        (lambda: critical_difference(1, 5), "at least two names and one table, found 1 and 5"),
        (lambda: critical_difference(3, 5, level=1), r"level must lie in \(0, 1\), found 1"),
        (lambda: expected_test([{"validation": 1, "test": 1}], 2), "budget must lie in 1 … 1"),
        (lambda: expected_test([{"reason": "x"}], 1), "at least one with a score, found none"),
    ],
)
def test_bad_input(call, said):
    with pytest.raises(ValueError, match=said):
        call()


def test_examples():
    done = doctest.testmod(ranks)
    assert done.attempted > 5 and done.failed == 0

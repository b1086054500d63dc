"""What a study says about losses: mean ranks over data sets, which of them differ, and what a smaller search had found.

Sources: Demšar, "Statistical Comparisons of Classifiers over Multiple Data Sets", JMLR 2006 (ranks and critical
difference); Dodge et al., "Show Your Work", EMNLP 2019 (expected result of a search by its budget).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from math import comb
from typing import Any

from scipy import stats


def mean_ranks(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean rank of each name over tables, 1 for the largest score; equal scores share their ranks.

    Args:
        tables: one a data set: name → score. All have the same names.

    Returns:
        Name → mean rank, the best first.

    Raises:
        ValueError: no table, or tables with other names.

    Example:
        >>> mean_ranks([{"a": 0.9, "b": 0.8, "c": 0.7}, {"a": 0.5, "b": 0.6, "c": 0.5}])
        {'b': 1.5, 'a': 1.75, 'c': 2.75}

    Explained in the chapter "A fair comparison".
    """
    names = _names(tables)
    ranks = [stats.rankdata([-table[name] for name in names]) for table in tables]
    means = {name: float(sum(row[place] for row in ranks) / len(ranks)) for place, name in enumerate(names)}
    return dict(sorted(means.items(), key=lambda item: item[1]))


def friedman(tables: Sequence[Mapping[str, float]]) -> float:
    """The probability that ranks differ this much where all names are equally good (Friedman's test).

    Args:
        tables: as in `mean_ranks`, at least two with at least three names.

    Raises:
        ValueError: too few, or other names.
    """
    names = _names(tables)
    if len(tables) < 2 or len(names) < 3:
        raise ValueError(f"tables must be at least two of three names, found {len(tables)} of {len(names)}")
    return float(stats.friedmanchisquare(*([table[name] for table in tables] for name in names)).pvalue)


def critical_difference(names: int, tables: int, *, level: float = 0.05) -> float:
    r"""How far apart two mean ranks must be to differ, when every pair is asked about (Nemenyi's test).

    $$ \mathrm{CD} = \frac{q_{1 - \text{level}}(k, \infty)}{\sqrt 2} \sqrt{\frac{k (k + 1)}{6 n}} $$

    with k names, n tables, and q of the studentised range.

    Args:
        names: k, at least 2.
        tables: n, at least 1; they must be independent of each other: data sets, not seeds of one.
        level: probability of at least one wrong difference.

    Raises:
        ValueError: too few, or a level outside of (0, 1).

    Example:
        >>> round(critical_difference(4, 14), 2)  # Demšar's example
        1.25

    Explained in the chapter "A fair comparison".
    """
    if names < 2 or tables < 1:
        raise ValueError(f"a difference needs at least two names and one table, found {names} and {tables}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), found {level}")
    quantile = float(stats.studentized_range.ppf(1 - level, names, math.inf))
    return quantile / math.sqrt(2) * math.sqrt(names * (names + 1) / (6 * tables))


def alike(ranks: Mapping[str, float], difference: float) -> list[tuple[str, ...]]:
    """The largest groups of names, next to each other, whose ranks are less than a critical difference apart.

    Args:
        ranks: of `mean_ranks`.
        difference: of `critical_difference`.

    Returns:
        Groups of at least two, none within another; the best first.

    Example:
        >>> alike({"a": 1.0, "b": 2.0, "c": 3.5}, 1.8)
        [('a', 'b'), ('b', 'c')]
    """
    names = sorted(ranks, key=ranks.get)
    groups: list[tuple[str, ...]] = []
    reached = 0
    for start, first in enumerate(names):
        end = start
        while end < len(names) and ranks[names[end]] - ranks[first] < difference:
            end += 1
        if end > reached and end - start > 1:
            groups.append(tuple(names[start:end]))
        reached = max(reached, end)
    return groups


def expected_test(trials: Sequence[Mapping[str, Any]], budget: int) -> float:
    r"""The test score to expect of a search with fewer trials: of the one that validates best among so many.

    Over all subsets of b of the n trials, equally likely. With the trials in the order of their validation score, the
    i-th from 0 is the best of $\binom{n - 1 - i}{b - 1}$ of the $\binom n b$ subsets. Trials that diverged come last;
    where all of a subset did, the search is repeated.

    Args:
        trials: of `Study.losses[...]["trials"]`: "validation" and "test", or neither.
        budget: b, in 1 … n.

    Raises:
        ValueError: a budget outside of that, or no trial with a score.

    Example:
        >>> trials = [{"validation": 0.5, "test": 0.4}, {"validation": 0.7, "test": 0.6}]
        >>> expected_test(trials, 1), expected_test(trials, 2)
        (0.5, 0.6)

    Explained in the chapter "A fair comparison".
    """
    if not 1 <= budget <= len(trials):
        raise ValueError(f"budget must lie in 1 … {len(trials)}, the number of trials, found {budget}")
    scored = sorted((t for t in trials if "validation" in t), key=lambda trial: -trial["validation"])
    if not scored:
        raise ValueError("trials must hold at least one with a score, found none")
    last = len(trials) - 1
    weights = [comb(last - place, budget - 1) for place in range(len(scored))]
    return sum(weight * trial["test"] for weight, trial in zip(weights, scored, strict=True)) / sum(weights)


def agreement(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Kendall's τ of two scores of the same names: 1 for the same order, −1 for the reverse, about 0 for no relation.

    Raises:
        ValueError: other names.

    Example:
        >>> round(agreement({"a": 1, "b": 2, "c": 3}, {"a": 10, "b": 30, "c": 20}), 3)
        0.333
    """
    names = _names([one, other])
    return float(stats.kendalltau([one[name] for name in names], [other[name] for name in names]).statistic)


def _names(tables: Sequence[Mapping[str, float]]) -> list[str]:
    if not tables:
        raise ValueError("tables must hold at least one, found none")
    for table in tables[1:]:
        if set(table) != set(tables[0]):
            raise ValueError(
                f"tables must have the same names, found {sorted(set(table) ^ set(tables[0]))} in one only"
            )
    return list(tables[0])

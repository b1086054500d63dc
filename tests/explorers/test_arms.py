"""The numbers of the explorer are those of the published table, the catalogue and a binomial distribution."""

from __future__ import annotations

import doctest
import json
import re

import numpy as np
import pytest
from scipy import stats

from dmlkit import explorers
from dmlkit.data import CATALOGUE
from dmlkit.explorers import host
from dmlkit.explorers.arms import half_width, half_width_of_difference, table_1
from dmlkit.published import read_published

module = __import__("dmlkit.explorers.arms", fromlist=["arms"])


@pytest.fixture(scope="module")
def arithmetic():
    return (host.FOLDER / "arms_arithmetic.js").as_uri()


def tables(count: int = 60) -> list[dict]:
    """Accuracies of two to seven arms on one to nine sets, some missing, some equal, with sizes."""
    random = np.random.default_rng(11)
    found = []
    for _ in range(count):
        arms, sets = int(random.integers(2, 8)), int(random.integers(1, 10))
        values = random.random((arms, sets)).round(int(random.integers(1, 5))).tolist()
        values = [[None if random.random() < 0.1 else value for value in row] for row in values]
        found.append({"values": values, "sizes": random.integers(1, 20_000, sets).tolist()})
    return found


TABLES = tables()


def test_half_widths_are_dmlkits(node, arithmetic):
    random = np.random.default_rng(3)
    draws = [[*random.random(2), float(random.integers(1, 50_000))] for _ in range(300)] + [[0.0, 1.0, 1.0]]
    measured = node(f"""
        import {{ halfWidth, halfWidthOfDifference }} from "{arithmetic}";
        const draws = {json.dumps(draws)};
        console.log(JSON.stringify(draws.map(([p, q, n]) => [halfWidth(p, n), halfWidthOfDifference(p, q, n)])));
    """)
    expected = [[half_width(p, n), half_width_of_difference(p, q, n)] for p, q, n in draws]
    np.testing.assert_allclose(measured, expected, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(("p", "q", "n"), [(0.5, 0.5, 400), (0.2, 0.27, 1735), (0.05, 0.06, 8041)])
def test_a_difference_of_equals_stays_inside_95_times_in_a_hundred(p, q, n):
    random = np.random.default_rng(0)
    found = (random.binomial(n, p, 40_000) - random.binomial(n, q, 40_000)) / n
    inside = np.mean(np.abs(found - (p - q)) <= half_width_of_difference(p, q, n))
    assert inside == pytest.approx(0.95, abs=0.006)


def test_the_width_of_one_share_is_that_of_the_normal_approximation():
    low, high = stats.norm.interval(0.95, loc=0.3, scale=stats.binom.std(1000, 0.3) / 1000)
    assert half_width(0.3, 1000) == pytest.approx((high - low) / 2, rel=1e-12)


def test_dots_and_tallies_on_random_tables(node, arithmetic):
    measured = node(f"""
        import {{ dots, tally }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(TABLES)}.map(({{ values, sizes }}) => {{
          const found = dots(values[1], values[0], sizes);
          return {{ dots: found, alone: dots(values[1], null, sizes), ...tally(found) }};
        }})));
    """)
    for table, found in zip(TABLES, measured, strict=True):
        (q, p), sizes = table["values"][:2], table["sizes"]
        both = [k for k in range(len(sizes)) if p[k] is not None and q[k] is not None]
        assert [k for k, dot in enumerate(found["dots"]) if dot] == both
        assert [k for k, dot in enumerate(found["alone"]) if dot] == [
            k for k, value in enumerate(p) if value is not None
        ]
        for k in both:
            assert found["dots"][k]["value"] == pytest.approx(p[k] - q[k], abs=1e-12)
            assert found["dots"][k]["half"] == pytest.approx(half_width_of_difference(p[k], q[k], sizes[k]), rel=1e-12)
            assert found["alone"][k] == pytest.approx({"value": p[k], "half": half_width(p[k], sizes[k])}, rel=1e-12)
        gap = [p[k] - q[k] for k in both]
        half = [half_width_of_difference(p[k], q[k], sizes[k]) for k in both]
        assert found["sets"] == len(both)
        assert found["above"] == sum(g > 0 for g in gap)
        assert found["below"] == sum(g < 0 for g in gap)
        assert found["clearlyAbove"] == sum(g > h for g, h in zip(gap, half, strict=True))
        assert found["clearlyBelow"] == sum(g < -h for g, h in zip(gap, half, strict=True))
        if both:
            assert found["mean"] == pytest.approx(np.mean(gap), abs=1e-12)


def test_leaders_on_random_tables(node, arithmetic):
    measured = node(f"""
        import {{ leaders }} from "{arithmetic}";
        console.log(JSON.stringify({json.dumps(TABLES)}.map(({{ values, sizes }}) => {{
          const {{ wins, clear }} = leaders(values, values.map((_, k) => k), sizes);
          return {{ wins: [...wins.values()], clear }};
        }})));
    """)
    for table, found in zip(TABLES, measured, strict=True):
        values, sizes = table["values"], table["sizes"]
        wins, clear = [0] * len(values), 0
        for s, n in enumerate(sizes):
            there = {k: row[s] for k, row in enumerate(values) if row[s] is not None}
            if not there:
                continue
            wins[max(there, key=there.get)] += 1  # the first of equals
            top = sorted(there.values(), reverse=True)
            clear += len(top) > 1 and top[0] - top[1] > half_width_of_difference(top[0], top[1], n)
        assert found == {"wins": wins, "clear": clear}


def test_state_is_the_published_table(root):
    state = explorers.arms().state
    rows = read_published(root / "book/published/silhouette_table_1.csv")
    benchmarks = list(dict.fromkeys(row.benchmark for row in rows))[:-1]
    assert state["sizes"] == [CATALOGUE[name].counts["test"].images for name in benchmarks]
    seen = 0
    for row in rows:
        if row.benchmark != "average":
            values = state["top1" if row.measure == "top-1" else "top5"]
            assert values[state["arms"].index(row.method)][benchmarks.index(row.benchmark)] == row.value
            seen += 1
    assert seen == 7 * 13
    assert state["top5"][state["arms"].index("ProxyNCA")] == [None] * 7


def test_the_answer_to_the_first_question(node, arithmetic):
    """CE+SIL against CE, as the chapter's prose has it."""
    names, values = table_1()
    sizes = explorers.arms().state["sizes"]
    found = node(f"""
        import {{ dots, tally }} from "{arithmetic}";
        const table = {json.dumps(values["top-1"])}, at = {names.index("CE")}, of = {names.index("CE+SIL")};
        console.log(JSON.stringify(tally(dots(table[of], table[at], {sizes}))));
    """)
    assert (found["above"], found["clearlyAbove"], found["below"], found["clearlyBelow"]) == (5, 2, 2, 0)
    assert found["mean"] == pytest.approx(0.0121, abs=1e-4)


def test_state_follows_the_arguments():
    shown = explorers.arms("SupCon2", shown=["Center", "CE"], measure="top-5", whiskers=True)
    assert shown.state["base"] == shown.state["arms"].index("SupCon2")
    assert [name for name, on in zip(shown.state["arms"], shown.state["shown"], strict=True) if on] == ["CE", "Center"]
    assert (shown.state["measure"], shown.state["whiskers"]) == ("top-5", True)
    assert "differences of top-5 accuracy to SupCon2" in shown.alt and "95 % intervals" in shown.alt
    assert shown.still != explorers.arms("SupCon2", shown=["Center", "CE"], measure="top-5").still


@pytest.mark.parametrize("base", [None, "CE", "ProxyNCA"])
def test_an_arm_without_top_5_is_left_out_of_the_still_picture(base):
    """ProxyNCA has none, as arm and as base."""
    shown = explorers.arms(base, shown=("CE", "ProxyNCA"), measure="top-5", whiskers=True)
    assert shown.still.startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"measure": "top-2"}, "measure must be"),
        ({"base": "Sil"}, "arm must be"),
        ({"shown": ["CE", "SIL"]}, "arm must be"),
    ],
)
def test_refuses_what_the_table_lacks(arguments, sentence):
    with pytest.raises(ValueError, match=f"^{sentence}"):
        explorers.arms(**arguments)


@pytest.mark.parametrize(
    ("p", "q", "n", "sentence"),
    [
        (1.01, 0.5, 10, "p must be a share, at most 1, found 1.01"),
        (0.5, -0.1, 10, "q must be at least 0"),
        (0.5, 2, 10, "q must be a share"),
        (0.5, 0.5, 0, "n must be at least 1"),
    ],
)
def test_refuses_what_is_no_share(p, q, n, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence)):
        half_width_of_difference(p, q, n)


def test_examples():
    assert doctest.testmod(module).failed == 0

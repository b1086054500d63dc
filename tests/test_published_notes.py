"""Notes on published numbers: each says something that the tables themselves bear out."""

import statistics
from pathlib import Path

from dmlkit.published import read_published

ROWS = read_published(Path(__file__).parents[1] / "book" / "published")
NOTES = {(row.table, row.benchmark, row.method, row.measure): row.note for row in ROWS if row.note}


def of(table):
    return [row for row in ROWS if row.table == table]


def test_every_note_is_one_of_those_below():
    """A new note needs a test of its own."""
    assert len(ROWS) == 827
    numbers = {table: sum(key[0] == table for key in NOTES) for table in {row.table for row in ROWS}}
    assert numbers == {"1": 3, "4": 14, "I": 0, "III": 4, "IV": 4, "V": 0, "VI": 0, "VII": 0, "VIII": 5}


def test_averages_that_are_no_means():
    """The three printed averages of the silhouette paper that are not those of their columns."""
    columns = {}
    for row in of("1"):
        columns.setdefault((row.method, row.measure), {})[row.benchmark] = row
    for (method, measure), column in columns.items():
        printed = column.pop("average")
        mean = statistics.fmean(row.value for row in column.values())
        wrong = abs(printed.value - mean) > 0.0001
        assert printed.note == (f"the mean of the seven sets above it is {mean:.4f}" if wrong else ""), (
            method,
            measure,
        )
    assert {key[1] for key in NOTES if key[0] == "1"} == {"average"}


def test_multi_similarity_is_quoted_differently():
    (theirs,) = [r for r in of("I") if (r.benchmark, r.method, r.measure) == ("cub200", "Multi-Sim", "R@4")]
    assert f"quotes {100 * theirs.value:.1f} " in NOTES["4", "cub200", "Multi-Similarity", "R@4"]


def test_numbers_broken_by_a_blank():
    broken = {row.note.partition("“")[2].rstrip("”"): row.value for row in of("4") if "blank" in row.note}
    assert len([row for row in of("4") if "blank" in row.note]) == 6
    for text, value in broken.items():
        assert float(text.replace(" ", "")) == round(100 * value, 1)


def test_a_step_that_is_too_large():
    """From R@4 to R@8 Proxy-NCA rises on CUB as no other row of the table does."""
    value = {(row.benchmark, row.method, row.setting, row.measure): row.value for row in of("4")}
    steps = sorted(
        (round(100 * (value[key] - value[*key[:3], "R@4"]), 1), key)
        for key in value
        if key[0] == "cub200" and key[3] == "R@8"
    )
    largest, key = steps[-1]
    assert key[:2] == ("cub200", "Proxy-NCA")
    assert NOTES["4", "cub200", "Proxy-NCA", "R@8"].startswith(f"{largest} points above R@4")
    assert f"rises by more than {steps[-2][0]}:" in NOTES["4", "cub200", "Proxy-NCA", "R@8"]


def test_what_is_left_out_is_said_in_its_row():
    sop = [row for row in of("4") if row.benchmark == "sop"]
    told = {row.method for row in sop if row.note.startswith("R@100 of this row is left out")}
    assert told == {row.method for row in sop} - {row.method for row in sop if row.measure == "R@100"}


def test_the_robustness_table_and_table_i():
    """Without corruption its four losses are not quite those of Table I."""
    names = {"HIST": "HIST", "ProxyNCA++": "ProxyNCA++", "Regular Softmax": "Softmax (Eq. 4)"}
    names |= {"Warped Softmax": "Warped-Softmax"}
    clean = [row for row in of("IV") if row.measure == "R@1"]
    assert {row.method for row in clean} == set(names)
    for row in clean:
        first = [
            f"{100 * other.value:.1f}"
            for other in of("I")
            if (other.benchmark, other.measure, other.method) == ("cub200", "R@1", names[row.method])
            and "large" not in other.setting
        ]
        assert first and all(value in row.note for value in first)
        assert f"{100 * row.value:.1f}" not in first


def test_intervals_that_stand_out():
    rows = [row for row in ROWS if row.interval is not None]
    wide = [row for row in rows if row.note.startswith("unstable")]
    assert min(row.interval for row in wide) == 0.0907
    assert max(row.interval for row in rows if row not in wide) == 0.0082
    assert all(f"{100 * row.interval:.2f} points" in row.note for row in wide)
    # The intervals of MAP@R and R-Precision, of the same runs, differ nowhere else by a factor of 2.
    pairs = {}
    for row in rows:
        if row.measure in ("MAP@R", "R-Precision"):
            pairs.setdefault((row.table, row.method, row.setting), []).append(row.interval)
    odd = [key for key, both in pairs.items() if max(both) > 2 * min(both)]
    assert odd == [("VIII", "Arcface", "aggregate; 128-d; BN-Inception")]
    assert "perhaps a misprint" in NOTES["VIII", "sop", "Arcface", "MAP@R"]


def test_lost_labels():
    rows = of("III")
    assert {row.method for row in rows if row.note} == {row.method for row in rows if "****" in row.method}
    far = sorted((row for row in rows if row.measure == "AvgDTP"), key=lambda row: row.value)[-2:]
    assert all("numerical instability" in row.note for row in far)

"""The book's own files: no stand-in beside a printed number, and a results page that leaves out no benchmark."""

from __future__ import annotations

import json
import re

import pytest
from built_book import ROOT

from dmlkit import results
from dmlkit.data import CATALOGUE
from dmlkit.published import read_published
from dmlkit.records import load_all
from dmlkit.results import MEASURED, NO_RECIPE, NOT_RUN

BENCHMARKS = results.benchmarks(published=ROOT / "book/published", runs=ROOT / "book/runs")


@pytest.fixture(autouse=True)
def known_cost(monkeypatch):
    """Counting every network takes seconds, and costs have tests of their own."""
    monkeypatch.setattr("dmlkit.costs.phrase", lambda config: "estimated")


def read(benchmark):
    return results.read(benchmark, published=ROOT / "book/published", runs=ROOT / "book/runs")


def numbers(table: str) -> set[str]:
    """Every decimal number of the table's rows."""
    rows = "\n".join(line for line in table.splitlines() if line.startswith("|"))
    return set(re.findall(r"\d+\.\d{3,4}", rows))


def test_no_printed_number_and_no_run_is_lost():
    found = [read(name) for name in BENCHMARKS]
    rows = read_published(ROOT / "book/published")
    assert sum(len(one.published) for one in found) == sum(row.benchmark != "average" for row in rows) > 700
    assert sum(len(one.runs) for one in found) == len(load_all(ROOT / "book/runs")) > 50


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_each_printed_number_has_one_state(benchmark):
    found = read(benchmark)
    listed = [answer for answer in results.answers(found) if answer.row is not None]
    assert [answer.row for answer in listed] == list(found.published)
    for answer in listed:
        assert (answer.state == NO_RECIPE) == (answer.row.recipe is None)
        assert (answer.state == MEASURED) == bool(answer.runs)
        assert answer.state in (MEASURED, NOT_RUN, NO_RECIPE)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_only_full_runs_on_the_benchmark_itself_stand_beside_a_printed_number(benchmark):
    """Asked of the records directly, not of the rule that made the table."""
    found = read(benchmark)
    beside = [run for answer in results.answers(found) for run in answer.runs]
    for run in beside:
        assert run.config["scale"] == "full" and not run.stopped and "changes" not in run.config
        assert run.data["name"] == benchmark and run.data["stands in for"] is None
        for split in {"test", "query", "gallery"} & CATALOGUE[benchmark].counts.keys():
            assert run.data[split] == CATALOGUE[benchmark].counts[split].images
    apart = [run for run in found.runs if all(run is not other for other in beside)]
    table = results.answers_table(found)
    columns = [line.split(" | ") for line in table.splitlines() if line.startswith("|")][2:]
    if not beside:
        assert all(cells[3] == "–" for cells in columns)
    stand_ins = results.stand_in_table(found)
    assert ("| recipe |" in stand_ins) == any(run.metrics for run in apart)
    for run in apart:
        assert f"`{run.name}`" in stand_ins and f"`{run.name}` |" not in table


def test_a_stand_in_s_numbers_are_in_its_own_table_alone():
    """The runs on CUB's stand-in, which somebody could take for CUB's."""
    found = read("cub200")
    stand_in = [run for run in found.runs if run.data["stands in for"] == "cub200"]
    assert len(stand_in) >= 3
    told = numbers(results.stand_in_table(found))
    beside = numbers(results.answers_table(found))
    assert told and beside
    for run in stand_in:
        for value in run.metrics.values():
            assert f"{value:.4f}" not in beside
    printed = {f"{row.value:.3f}" for row in found.published if row.recipe is not None}
    assert printed & beside and not told & {f"{row.value:.4f}" for row in found.published}


def test_stand_in_tables_never_tell_seconds():
    for name in BENCHMARKS:
        found = read(name)
        table = results.stand_in_table(found)
        for run in found.runs:
            assert not re.search(rf"\b{run.seconds:.0f}\b s", table)
        assert "second" not in table


def test_the_page_shows_every_benchmark_once():
    cells = json.loads((ROOT / "book/benchmarks/results.ipynb").read_text(encoding="utf-8"))["cells"]
    shown = [re.fullmatch(r'show\("([\w-]+)"\)', "".join(cell["source"])) for cell in cells]
    names = [match[1] for match in shown if match]
    assert sorted(names) == sorted(BENCHMARKS)
    for cell, match in zip(cells[:-1], shown[1:], strict=True):
        if match:  # under a heading that readers can link to
            assert "".join(cell["source"]).splitlines()[-1] == f"### {CATALOGUE[match[1]].title}"


def test_the_page_types_no_result_by_hand():
    """Its tables come from code; prose has no number that a table, a run or a paper could contradict."""
    cells = json.loads((ROOT / "book/benchmarks/results.ipynb").read_text(encoding="utf-8"))["cells"]
    prose = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    prose = prose[: prose.index("## References")]
    assert not re.search(r"\b0\.\d{3,}|\b\d+(\.\d+)? (GPU )?hours", prose)

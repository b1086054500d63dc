"""The pages of one benchmark each: one switch, the same steps in the same order, never more than seconds unasked."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from test_notebooks import BENCHMARKS, TRAINING, read, sources

HEADINGS = (
    "## The idea",
    "## Predict, then run",
    "### Split and protocol",
    "## What the papers print",
    "## The full run",
    "## The run",
    "## Recorded runs",
    "## An experiment: ",
    "## What to make of it",
    "## Exercises",
    "## Quiz",
    "## Summary",
    "## References",
)
# Where it runs; what is printed; what is missing here and what a full run costs, before the run; then what is recorded.
STEPS = (
    "environment.describe(",
    "results.read(",
    "results.published_table(",
    "training.missing(",
    "costs.table(",
    "training.run_recipes(",
    "results.answers_table(",
    "results.stand_in_table(",
)


def code_of(notebook: dict) -> str:
    return "\n".join(sources(notebook, "code"))


def headings(notebook: dict) -> list[str]:
    return re.findall(r"^##+ .+$", "\n".join(sources(notebook, "markdown")), re.MULTILINE)


def in_order(wanted, found: list[str]) -> list[str]:
    """Those of `wanted` that no entry of `found` begins with, after the one before."""
    rest, missing = iter(found), []
    for one in wanted:
        if not any(entry.startswith(one) if one.endswith(" ") else entry == one for entry in rest):
            missing.append(one)
            break  # what comes after it has no place to be looked for
    return missing


def tree_of(code: str) -> ast.Module:
    """Parsed, with a magic command as an empty statement."""
    return ast.parse(re.sub(r"^(\s*)%.*$", r"\1pass", code, flags=re.MULTILINE))


def values(code: str, name: str) -> list[str]:
    """The lines that give `name` a value, in whatever way."""
    stored = [
        node
        for node in ast.walk(tree_of(code))
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]
    return [code.splitlines()[node.lineno - 1] for node in stored]


def options(code: str, function: str) -> list[dict[str, str]]:
    """The named options of each call of a function of a module."""
    calls = [node for node in ast.walk(tree_of(code)) if isinstance(node, ast.Call)]
    named = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == function]
    return [{option.arg: ast.unparse(option.value) for option in call.keywords if option.arg} for call in named]


def test_there_are_benchmarks():
    assert {Path(name).stem for name in BENCHMARKS} >= {"the_benchmarks"}


def test_the_helpers_find_what_is_wrong():
    assert in_order(("## A", "## B: "), ["## A", "## C", "## B: x"]) == []
    assert in_order(("## A", "## B: "), ["## B: x", "## A"]) == ["## B: "]
    assert in_order(("## A",), ["## A and more"]) == ["## A"]
    assert values('%pip install x\nSCALE = "smoke"\nif SCALE == "full": pass', "SCALE") == ['SCALE = "smoke"']
    others = 'if 1:\n    SCALE: str = "full"\nif (SCALE := "small"): pass\nSCALE, x = 1, 2\nfor SCALE in "ab": pass'
    assert len(values(others, "SCALE")) == 4
    assert options('a.run("x", scale=SCALE, **more)\nrun(scale=1)', "run") == [{"scale": "SCALE"}]


@pytest.mark.parametrize("name", TRAINING)
def test_has_the_headings_of_a_benchmark_in_their_order(name):
    assert in_order(HEADINGS, headings(read(name))) == []
    assert all(headings(read(name)).count(one) == 1 for one in HEADINGS if not one.endswith(" "))


@pytest.mark.parametrize("name", TRAINING)
def test_takes_the_steps_of_a_benchmark_in_their_order(name):
    code = code_of(read(name))
    places = [code.find(step) for step in STEPS]
    assert -1 not in places, [step for step, place in zip(STEPS, places, strict=True) if place < 0]
    assert places == sorted(places)


@pytest.mark.parametrize("name", TRAINING)
def test_has_one_switch_that_is_committed_at_smoke(name):
    """A page that is opened must not begin to train for hours."""
    code = code_of(read(name))
    assert values(code, "SCALE") == ['SCALE = "smoke"']
    assert values(code, "SEEDS") == ["SEEDS = (0,)"]
    assert values(code, "RUNS") == ["RUNS = None"]
    for given in options(code, "run_recipes"):
        assert (given["scale"], given["seeds"], given["runs"]) == ("SCALE", "SEEDS", "RUNS")


@pytest.mark.parametrize("name", TRAINING)
def test_has_three_exercises_of_which_one_runs(name):
    text = "\n".join(sources(read(name), "markdown"))
    exercises = text[text.index("## Exercises") : text.index("## Quiz")]
    assert len(re.findall(r"^\*\*\d\.\*\*", exercises, re.MULTILINE)) >= 3
    assert any(source.startswith("# @title Solution") for source in sources(read(name), "code"))


@pytest.mark.parametrize("name", sorted({*BENCHMARKS} - {*TRAINING}))
def test_no_other_page_of_the_part_has_a_switch(name):
    assert values(code_of(read(name)), "SCALE") == []

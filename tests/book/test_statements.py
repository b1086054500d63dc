"""The index of the papers' statements: complete, and pointing at functions, tests and chapters that exist."""

from __future__ import annotations

import ast
import importlib
import json
import re
import runpy

import pytest
from built_book import ROOT

statements = runpy.run_path(str(ROOT / "tools/statements.py"))
ROWS = statements["read_statements"](ROOT)

# What each part of the book must cover, (kind, number) by paper.
EXPECTED = {
    "S": {("equation", str(k)) for k in range(1, 16)} | {("table", "1")},
    "M": {("equation", str(k)) for k in range(1, 16)}
    | {("table", "1"), ("table", "2"), ("table", "4"), ("lemma", "1"), ("lemma", "2"), ("proposition", "1")},
    "W": {("equation", str(k)) for k in range(1, 17)}
    | {("figure", str(k)) for k in range(1, 11)}
    | {("lemma", "III.1"), ("proposition", "III.2"), ("table", "III")},
}


def name(row: dict[str, str]) -> str:
    return f"{row['paper']} {row['kind']} {row['number']}"


@pytest.mark.parametrize("paper", EXPECTED)
def test_every_statement_has_one_row(paper):
    found = [(row["kind"], row["number"]) for row in ROWS if row["paper"] == paper]
    assert len(found) == len(set(found))
    assert set(found) == EXPECTED[paper]


def test_no_cell_is_empty():
    assert {row["paper"] for row in ROWS} == set(EXPECTED)
    for row in ROWS:
        assert list(row) == ["paper", "number", "kind", "statement", "function", "test", "chapter"]
        assert all(row.values()), row


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_function_exists(row):
    module, _, function = row["function"].rpartition(".")
    assert callable(getattr(importlib.import_module(module), function))


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_test_exists_and_is_about_the_function(row):
    file, _, test = row["test"].partition("::")
    source = (ROOT / file).read_text(encoding="utf-8")
    assert test in {node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)}
    assert re.search(rf"\b{row['function'].rpartition('.')[2]}\b", source)


def numbers(text: str, word: str = r"eqs?\.") -> set[str]:
    """What a text names: of "paper S, eq. 8", "eqs. 10, 11 and 13", "eqs. 10–14", "Figures 1, 3a and 4" the numbers."""
    found: set[str] = set()
    for listed in re.findall(rf"\b{word}\s+((?:\d+[a-d]?(?:\s*(?:,|and|to|or|–|-)\s*)*)+)", text):
        for first, last in re.findall(r"(\d+)[a-d]?(?:\s*(?:–|-|to)\s*(\d+))?", listed):
            found |= {str(k) for k in range(int(first), int(last or first) + 1)}
    return found


def test_ranges_and_lists_are_read():
    assert numbers("(paper S, eqs. 10, 11 and 13–15; see eq. 2)") == {"10", "11", "13", "14", "15", "2"}
    assert numbers("equal 7 times") == set()
    assert numbers("(after paper W, Figures 1, 3a and 4), Figure 11b", "Figures?") == {"1", "3", "4", "11"}


@pytest.mark.parametrize("row", ROWS, ids=name)
def test_the_chapter_names_it_and_calls_the_function(row):
    path = (ROOT / row["chapter"]).with_suffix(".ipynb")
    assert path.exists(), f"{row['chapter']} is no chapter"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    if row["kind"] == "equation":
        assert row["number"] in numbers(text), f"{row['chapter']} does not name eq. {row['number']}"
    elif row["kind"] == "figure":
        assert row["number"] in numbers(text, "Figures?"), f"{row['chapter']} does not name Figure {row['number']}"
    else:
        assert re.search(rf"\b{row['kind']}\s+{row['number']}\b", text, re.IGNORECASE)
    assert re.search(rf"\b{row['function'].rpartition('.')[2]}\b", code), f"{row['function']} is not called"


def test_the_page_has_a_line_for_each():
    page = statements["tables"](ROOT)
    assert page.count("\n| ") - 1 * len(EXPECTED) >= len(ROWS)
    for row in ROWS:
        assert row["statement"] in page and row["function"] in page
    assert statements["HERE"] in (ROOT / "book/appendix/statements.md").read_text(encoding="utf-8")

"""How to cite: BibTeX that a BibTeX program reads, with exactly what CITATION.cff says."""

from __future__ import annotations

import re
import sys

import pytest
import yaml
from built_book import ROOT
from pybtex.database import parse_string

sys.path.insert(0, str(ROOT / "tools"))  # the tools are no package: they import each other as they lie there
import citation

CITED = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
MADE = citation.entries(CITED)
PAGE = (ROOT / "book/cite.md").read_text(encoding="utf-8")


def read(text: str):
    """The one entry of a text, as a BibTeX program sees it."""
    (entry,) = parse_string(text, "bibtex").entries.values()
    return entry


def people(entry) -> list[str]:
    return [str(person).strip("{}") for person in entry.persons["author"]]


def test_every_entry_has_one_place_in_the_page():
    assert re.findall(r"^<!-- bibtex: (\w+) -->$", PAGE, re.MULTILINE) == list(MADE)
    assert "@misc" not in PAGE  # nothing is typed by hand


@pytest.mark.parametrize(("place", "where"), [("book", "github.io/"), ("module", "github.com/")])
def test_book_and_module_have_version_and_address(place, where):
    entry = read(MADE[place])
    assert CITED["title"] in entry.fields["title"] and where in entry.fields["url"]
    assert CITED["version"] in entry.fields["note"] and str(CITED["date-released"]).startswith(entry.fields["year"])
    assert people(entry) == [author["name"] for author in CITED["authors"]]


def test_book_and_module_are_two_entries():
    keys = [key for text in MADE.values() for key in parse_string(text, "bibtex").entries]
    assert len(set(keys)) == len(keys) == 5


@pytest.mark.parametrize(("place", "paper"), list(zip("SMW", CITED["references"], strict=True)))
def test_a_paper_has_its_title_authors_and_number(place, paper):
    entry = read(MADE[place])
    assert entry.fields["title"] == f"{{{paper['title']}}}"
    assert (entry.fields["year"], entry.fields["url"]) == (str(paper["year"]), paper["url"])
    assert paper["url"].endswith(entry.fields["eprint"])
    expected = [a.get("name") or f"{a['family-names']}, {a['given-names']}" for a in paper["authors"]]
    assert people(entry) == expected
    assert (entry.type == "inproceedings") == ("conference" in paper) == ("booktitle" in entry.fields)


def test_the_page_names_the_papers_as_the_book_does():
    """S, M and W are the papers that the introduction calls so."""
    intro = (ROOT / "book/intro.ipynb").read_text(encoding="utf-8")
    for place in "SMW":
        entry = read(MADE[place])
        assert entry.fields["eprint"] in re.search(rf"\*\*Paper {place}\.\*\*[^\n]*", intro)[0]


def test_another_version_changes_the_entry():
    changed = citation.entries({**CITED, "version": "9.9.9", "repository-code": "https://github.com/new/name"})
    assert "Version 9.9.9" in changed["module"] and "https://new.github.io/name" in changed["book"]
    assert changed["W"] == MADE["W"]

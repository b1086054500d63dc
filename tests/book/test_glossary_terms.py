"""The glossary's page, and the marks that its terms get in other pages."""

from __future__ import annotations

import json
import re
import sys

import pytest
import yaml
from built_book import ROOT
from docutils import nodes
from docutils.core import publish_doctree
from sphinx import addnodes

sys.path.insert(0, str(ROOT / "tools"))  # the tools are no package: they import each other as they lie there
import glossary_terms

TEXT = (ROOT / "book/glossary.md").read_text(encoding="utf-8")
OTHER_WORDS = yaml.safe_load(TEXT.split("---")[1])["glossary"]
LISTED = re.search(r"^```\{glossary\}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[1]
# Each entry: lines that begin at the margin, then paragraphs that are indented.
ENTRIES = {term: text for term, text in re.findall(r"^(\S.*)\n((?:(?:  .*)?\n)+)", LISTED, re.MULTILINE)}
LINK = re.compile(r"Explained in \[(.+)\]\(([^)]+)\)")


def prose() -> str:
    """The Markdown of all notebooks in the table of contents."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]
    notebooks = [json.loads(p.read_text(encoding="utf-8")) for f in files if (p := ROOT / f"{f}.ipynb").exists()]
    return "\n".join("".join(c["source"]) for n in notebooks for c in n["cells"] if c["cell_type"] == "markdown")


def title(target: str) -> str:
    cells = json.loads((ROOT / "book" / target).read_text(encoding="utf-8"))["cells"]
    return "".join(cells[0]["source"]).partition("\n")[0].removeprefix("# ")


def test_entries_are_many_and_in_alphabetical_order_without_a_repetition():
    terms = re.findall(r"^(\S.*)$", LISTED, re.MULTILINE)
    assert len(terms) == len(ENTRIES) >= 60
    assert terms == sorted(set(terms), key=str.casefold)


@pytest.mark.parametrize("term", ENTRIES)
def test_an_entry_is_short_and_names_an_existing_chapter(term):
    definition, chapter = ENTRIES[term].strip().split("\n\n")
    words = re.sub(r"\$[^$]+\$", "x", definition)
    assert 1 <= len(re.findall(r"[.!?](?=\s|$)", words)) <= 3 and len(words) < 320
    named, target = LINK.fullmatch(chapter.strip()).groups()
    assert named == title(target)


def test_other_words_are_of_entries():
    assert set(OTHER_WORDS) <= set(ENTRIES)
    words = [word for term in ENTRIES for word in OTHER_WORDS.get(term, [term])]
    assert len(words) == len(set(words))


@pytest.mark.parametrize("term", [term for term in ENTRIES if OTHER_WORDS.get(term) != []])
def test_what_is_marked_occurs_in_the_book(term):
    known = glossary_terms.spellings({term: OTHER_WORDS.get(term, [term])})
    assert any(re.search(rf"(?<!\w){re.escape(one)}(?!\w)", prose_of_all) for one in known)


prose_of_all = " ".join(prose().split())


FORMS = {
    "silhouette": ["silhouette"],
    "soft": ["soft silhouette"],
    "proxy": ["proxy"],
    "loss": ["pairwise loss"],
    "recall": ["Recall@K", "Recall@1"],
    "tar": ["TAR"],
}


def marked(source: str) -> list[tuple[str, str]]:
    """(text, address) of every mark in a page written in reStructuredText."""
    document = publish_doctree(source, settings_overrides={"doctitle_xform": False, "report_level": 5})
    found = glossary_terms.mark(document, glossary_terms.spellings(FORMS), "g.html")
    links = [
        (link.astext(), link["refuri"])
        for link in document.findall(nodes.reference)
        if "glossary-term" in link["classes"]
    ]
    assert [f"g.html#{key}" for key in found] == [address for _, address in links]
    return links


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("A silhouette, and a silhouette again.\n\nAnd a silhouette.", ["silhouette"]),  # once
        ("The soft silhouette is a silhouette.", ["soft silhouette", "silhouette"]),  # the longest term wins
        ("The soft\nsilhouette; a soft silhouette.", ["soft\nsilhouette"]),  # over two lines; nothing of the second
        ("Proxies, proxy.", ["Proxies"]),  # plural, capital
        ("Two pairwise losses.", ["pairwise losses"]),
        ("A proxy-based loss, a non-proxy, proxyless.", []),  # parts of other words
        ("tar is no TAR.", ["TAR"]),  # capitals within a term count
        ("SILHOUETTE", []),
        ("Recall@1, then Recall@K.", ["Recall@1"]),  # two ways to write one entry
        ("Recall@10 is another number.", []),
        ("The **proxy** and the *silhouette*", ["proxy", "silhouette"]),
        ("* in a list: proxy\n* silhouette", ["proxy", "silhouette"]),
        ("======= =====\na proxy x\n======= =====", ["proxy"]),
        ("proxy\n=====\n\nA silhouette", ["silhouette"]),  # not in a heading
        ("`proxy <x.html>`_ and ``proxy`` and :math:`proxy` and proxy", ["proxy"]),
        (".. code::\n\n   proxy\n\n.. math::\n\n   proxy\n\n.. raw:: html\n\n   proxy", []),
        (".. image:: x.png\n   :alt: proxy\n\n.. comment proxy", []),
        (".. container:: cell\n\n   a proxy printed by code\n\nthen proxy", ["proxy"]),
        ("One\n===\n\nx\n\nQuiz\n====\n\nIs a proxy right?\n\nSummary\n=======\n\nproxy", ["proxy"]),
        ("References\n==========\n\nA. Author: *Soft silhouette*", []),
    ],
)  # fmt: skip
def test_marks_the_first_occurrence_in_prose(source, words):
    assert [text for text, _ in marked(source)] == words


def test_the_mark_stands_where_the_word_stood():
    document = publish_doctree("Before a *soft* proxy, after a proxy and proxies.")
    glossary_terms.mark(document, glossary_terms.spellings(FORMS), "g.html")
    assert document.astext() == "Before a soft proxy, after a proxy and proxies."
    assert [type(node).__name__ for node in document[0].children] == ["Text", "emphasis", "Text", "reference", "Text"]


def test_a_second_pass_marks_nothing_in_a_link():
    document = publish_doctree("proxy")
    known = glossary_terms.spellings(FORMS)
    assert glossary_terms.mark(document, known, "g.html") == ["proxy"]
    assert glossary_terms.mark(document, known, "g.html") == []


def test_a_link_that_sphinx_has_not_resolved_is_left_alone():
    document = publish_doctree("x")
    document[0].replace_self(nodes.paragraph("", "", addnodes.pending_xref("", nodes.Text("proxy"))))
    assert glossary_terms.mark(document, glossary_terms.spellings(FORMS), "g.html") == []


def test_a_definition_becomes_a_tooltip_without_links():
    item = nodes.definition_list_item("", nodes.term("", "alpha", ids=["term-alpha"]))
    reference = addnodes.pending_xref("", nodes.Text("Chapter"))
    item += nodes.definition(
        "", nodes.paragraph("", "A slope."), nodes.paragraph("", "Explained in ", reference, nodes.Text("."))
    )
    document = publish_doctree("")
    document += nodes.definition_list("", item)
    forms, definitions = glossary_terms.read_entries(document, {})
    assert forms == {"term-alpha": ["alpha"]}
    assert glossary_terms.read_entries(document, {"alpha": []})[0] == {"term-alpha": []}
    shown = glossary_terms.definition_in_html(definitions["term-alpha"], lambda node: node.astext())
    assert shown == "<p>A slope.</p><p>Explained in Chapter.</p>"
    assert list(document.findall(addnodes.pending_xref))  # the page itself keeps its link

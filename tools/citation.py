"""The page on citing: BibTeX, made from CITATION.cff as Sphinx reads the page, so that the two cannot differ."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml
from address import site
from sphinx.application import Sphinx

PAGE = "book/cite"
# One a place in the page: <!-- bibtex: book -->. The papers have the order of CITATION.cff.
PLACES = ("book", "module", "S", "M", "W")


def entries(cited: dict[str, Any]) -> dict[str, str]:
    """BibTeX for each place of the page, from what CITATION.cff says."""
    released = datetime.date.fromisoformat(str(cited["date-released"]))
    own = {
        "author": _authors(cited["authors"]),
        "year": str(released.year),
        "note": f"Version {cited['version']}, released {released}",
    }
    owner_and_name = urlsplit(cited["repository-code"]).path.strip("/")
    made = [
        _entry("misc", "metriclearningbook", {"title": cited["title"], **own, "url": site(owner_and_name)}),
        _entry(
            "misc",
            "dmlkit",
            {"title": f"dmlkit, the module of {cited['title']}", **own, "url": cited["repository-code"]},
        ),
        *map(_paper, cited["references"]),
    ]
    return dict(zip(PLACES, made, strict=True))


def _paper(paper: dict[str, Any]) -> str:
    arxiv = paper["url"].rpartition("/")[2]
    first = paper["authors"][0].get("family-names") or paper["title"]
    fields = {"title": paper["title"], "author": _authors(paper["authors"]), "year": str(paper["year"])}
    if "conference" in paper:
        fields["booktitle"] = paper["conference"]["name"]
    fields |= {"eprint": arxiv, "archiveprefix": "arXiv", "url": paper["url"]}
    kind = "inproceedings" if "conference" in paper else "misc"
    return _entry(kind, f"{first.split()[0].lower()}{paper['year']}", fields)


def _authors(people: list[dict[str, str]]) -> str:
    """Persons as "family, given"; a group in braces, which keep it from being taken for a person."""
    return " and ".join(
        f"{person['family-names']}, {person['given-names']}" if "family-names" in person else f"{{{person['name']}}}"
        for person in people
    )


def _entry(kind: str, key: str, fields: dict[str, str]) -> str:
    # A title has a second pair of braces, which keep its capitals.
    braced = {name: f"{{{text}}}" if name == "title" else text for name, text in fields.items()}
    return "\n".join([f"@{kind}{{{key},", *(f"  {name} = {{{text}}}," for name, text in braced.items()), "}"])


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the entries where the page asks for them."""
    if docname == PAGE:
        file = Path(app.srcdir, "CITATION.cff")
        app.env.note_dependency(str(file))
        for place, text in entries(yaml.safe_load(file.read_text(encoding="utf-8"))).items():
            source[0] = source[0].replace(f"<!-- bibtex: {place} -->", f"```bibtex\n{text}\n```")


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}

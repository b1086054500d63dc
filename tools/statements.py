"""The page of all statements: the papers' equations, tables, lemmas and propositions, and where each is code and text.

`book/statements.csv` is the one source; the page's Markdown is made from it as Sphinx reads the page.
"""

from __future__ import annotations

import csv
import os
from itertools import groupby
from pathlib import Path

from sphinx.application import Sphinx

PAGE = "book/appendix/statements"
HERE = "<!-- the tables -->"
PAPERS = {
    "S": "Silhouette Loss (arXiv 2604.08573)",
    "M": "A unifying mutual information view of metric learning (arXiv 2003.08983)",
    "W": "Realigned Softmax Warping (arXiv 2408.15656)",
}
SHORT = {"equation": "eq.", "table": "Table", "figure": "Fig.", "lemma": "Lemma", "proposition": "Proposition"}


def read_statements(root: Path) -> list[dict[str, str]]:
    """The rows of the CSV as dictionaries."""
    with open(root / "book/statements.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def tables(root: Path) -> str:
    """One Markdown table a paper."""
    parts = []
    for paper, rows in groupby(read_statements(root), key=lambda row: row["paper"]):
        lines = ["| | says | explained in | in dmlkit | checked by |", "|---|---|---|---|---|", *map(_line, rows)]
        parts.append(f"## Paper {paper}: {PAPERS[paper]}\n\n" + "\n".join(lines))
    return "\n\n".join(parts)


def _line(row: dict[str, str]) -> str:
    chapter = os.path.relpath(row["chapter"], Path(PAGE).parent)
    test = row["test"].partition("::")[2]
    cells = (
        f"{SHORT[row['kind']]} {row['number']}",
        row["statement"],
        f"[]({chapter}.ipynb)",
        f"{{py:obj}}`{row['function'].rpartition('.')[2]} <{row['function']}>`",
        f"`{test}`",
    )
    return "| " + " | ".join(cells) + " |"


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """Put the tables where the page asks for them."""
    if docname == PAGE:
        app.env.note_dependency(str(Path(app.srcdir) / "book/statements.csv"))
        source[0] = source[0].replace(HERE, tables(Path(app.srcdir)))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}

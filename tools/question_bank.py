"""The question bank: the quizzes of all chapters in two files that learning systems import, GIFT and QTI 2.1.

    python tools/question_bank.py --out DIR                          write both files into a folder
    python tools/question_bank.py --out DIR --only softening forces  take these chapters' questions only

The build of the book writes them too: as it reads the page of the question bank, which offers them for download and
lists what is in them. Same questions, same bytes.
"""

from __future__ import annotations

import argparse
import os
import posixpath
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from gift import to_gift
from qti import to_qti
from quizzes import Bank, QuizError, read_bank

if TYPE_CHECKING:  # by hand it runs without Sphinx
    from sphinx.application import Sphinx

ROOT = Path(__file__).parent.parent
PAGE = "book/teaching/question_bank"
DOWNLOADS = "<!-- the downloads -->"
TABLE = "<!-- the table -->"
# Moodle takes GIFT from a file that ends in .txt only.
GIFT, QTI = "questions.gift.txt", "questions.qti.zip"


def only(bank: Bank, chapters: Sequence[str]) -> Bank:
    """The bank with the questions of these chapters, named by their files, in the book's order."""
    known = {question.chapter for question in bank.questions}
    unknown = [chapter for chapter in chapters if chapter not in known]
    if unknown:
        raise QuizError(f"a chapter must be one of {', '.join(sorted(known))}, found {', '.join(unknown)}")
    return replace(bank, questions=tuple(question for question in bank.questions if question.chapter in chapters))


def write(bank: Bank, folder: Path) -> tuple[Path, Path]:
    """Write both files; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    gift, qti = folder / GIFT, folder / QTI
    gift.write_bytes(to_gift(bank).encode())
    qti.write_bytes(to_qti(bank))
    return gift, qti


def table(bank: Bank) -> str:
    """How many questions each chapter has, in Markdown, with links from the page; each part's first row names it."""
    lines = ["| part | chapter | name | questions |", "|---|---|---|--:|"]
    before = None
    for (part, file), questions in groupby(bank.questions, key=lambda question: (question.part, question.file)):
        link = posixpath.relpath(file, posixpath.dirname(PAGE))
        cells = ("" if part == before else part, f"[]({link})", f"`{Path(file).stem}`", f"{len(list(questions))}")
        lines.append(f"| {' | '.join(cells)} |")
        before = part
    return "\n".join([*lines, f"| **together** | | | **{len(bank.questions)}** |"])


def fill(app: Sphinx, docname: str, source: list[str]) -> None:
    """As Sphinx reads the page: write the files and put links and table where the page asks for them.

    The files lie with what Sphinx remembers of the page, so that neither is there without the other.
    """
    if docname != PAGE:
        return
    root = Path(app.srcdir)
    bank = read_bank(root)
    gift, qti = (
        os.path.relpath(file, (root / PAGE).parent).replace(os.sep, "/")
        for file in write(bank, Path(app.doctreedir) / "question_bank")
    )
    links = f"- [GIFT, for Moodle]({gift})\n- [QTI 2.1, for Canvas and others]({qti})"
    source[0] = source[0].replace(DOWNLOADS, links).replace(TABLE, table(bank))
    made_of = [*root.glob("_*.yml"), *root.glob("book/*/*.ipynb"), *Path(__file__).parent.glob("*.py")]
    for file in made_of:
        app.env.note_dependency(str(file))


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", fill)
    return {"parallel_read_safe": True}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files as the command line says; the exit status."""
    parser = argparse.ArgumentParser(description="The quizzes of all chapters for a learning system.")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--only", nargs="+", metavar="CHAPTER", help="chapters by their files' names, without ending")
    options = parser.parse_args(arguments)
    try:
        bank = read_bank(ROOT)
        bank = only(bank, options.only) if options.only else bank
        files = write(bank, options.out)
    except QuizError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(bank.questions)} questions in {files[0]} and {files[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

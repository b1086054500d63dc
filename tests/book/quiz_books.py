"""The questions of the book, and a book of one chapter to try other quizzes on."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from built_book import ROOT

sys.path.insert(0, str(ROOT / "tools"))  # the tools are no package: they import each other as they lie there

import question_bank
from gift import to_gift
from qti import to_qti
from quizzes import Bank, Option, Question, QuizError, read_bank

__all__ = ["Bank", "Option", "Question", "QuizError", "question_bank", "read_bank", "to_gift", "to_qti"]

BANK = read_bank(ROOT)

A = "<details><summary>A. Yes &amp; 1 &lt; 2</summary>\n\n**Right.** Because.\n\n</details>\n\n"
B = "<details>\n<summary>B. No</summary>\n\n**Not quite.** Why not.\n\n</details>\n\n"
GOOD = f"**Q1.** Is it?\n\n{A}{B}"


def small_book(folder: Path, quiz: str, name: str = "x") -> Path:
    """A book with one chapter, whose quiz this is."""
    cells = ["# A *small* chapter", f"## Quiz\n\nOpen one.\n\n{quiz}\n\n## Summary\n\n- No quiz."]
    notebook = {"cells": [{"cell_type": "markdown", "source": [cell]} for cell in cells]}
    (folder / "book/part").mkdir(parents=True, exist_ok=True)
    (folder / f"book/part/{name}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    (folder / "book/part/other.md").write_text("# Other\n")
    chapters = f"{{file: book/part/{name}}}, {{file: book/part/other}}"
    (folder / "_toc.yml").write_text(f"root: book/intro\nparts: [{{caption: A part, chapters: [{chapters}]}}]\n")
    (folder / "_config.yml").write_text("title: T\nauthor: Us\nrepository: {url: https://github.com/new/book}\n")
    return folder

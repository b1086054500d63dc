"""The build itself, on a book of one page: what fails it, and what makes a notebook run again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
MAIN = "from jupyter_book.cli.main import main; main()"
CODE = "import dmlkit.answer\nprint('the answer is', dmlkit.answer.ANSWER)"


def notebook(code: str, text: str = "# A page") -> str:
    markdown = {"id": "a", "cell_type": "markdown", "metadata": {}, "source": text}
    run = {"id": "b", "cell_type": "code", "metadata": {}, "source": code, "outputs": [], "execution_count": None}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return json.dumps(
        {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kernelspec": kernel}, "cells": [markdown, run]}
    )


@pytest.fixture
def small_book(tmp_path):
    """The project's own settings and build extension around one notebook and a dmlkit of one line."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    del config["sphinx"]["config"]["html_static_path"], config["sphinx"]["config"]["html_css_files"]
    (tmp_path / "_config.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: page\n")
    (tmp_path / "page.ipynb").write_text(notebook(CODE), encoding="utf-8")
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    (tmp_path / "dmlkit").mkdir()
    (tmp_path / "dmlkit/__init__.py").write_text("")
    (tmp_path / "dmlkit/answer.py").write_text("ANSWER = 41\n")
    return tmp_path


def build(book: Path) -> tuple[int, str, str]:
    """Exit status, what the build said, and the page."""
    command = [sys.executable, "-c", MAIN, "build", ".", "-W", "--keep-going"]
    environment = {**os.environ, "PYTHONPATH": str(book)}  # this dmlkit, not the installed one
    done = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, timeout=240)
    page = book / "_build/html/page.html"
    return done.returncode, done.stdout + done.stderr, page.read_text(encoding="utf-8") if page.exists() else ""


def test_a_changed_helper_runs_the_notebook_again_and_nothing_else_does(small_book):
    status, said, page = build(small_book)
    assert status == 0, said
    assert "the answer is 41" in page and "Executed notebook" in said

    status, said, page = build(small_book)
    assert status == 0 and "Executed notebook" not in said

    (small_book / "dmlkit/answer.py").write_text("ANSWER = 42\n")
    status, said, page = build(small_book)
    assert status == 0, said
    assert "the answer is 42" in page and "Executed notebook" in said
    assert len(list((small_book / "_build/.jupyter_cache").iterdir())) == 1  # the outdated one is gone


def test_reads_the_pages_of_the_table_of_contents_only(small_book):
    """Packages in .venv carry pages of their own, hundreds of them."""
    for folder in (".venv/lib/package", "notes"):
        (small_book / folder).mkdir(parents=True)
        (small_book / folder / "README.md").write_text("# Not a page of this book")
    status, said, _ = build(small_book)
    assert status == 0, said
    assert "README" not in said


@pytest.mark.parametrize(
    ("code", "text"),
    [("raise RuntimeError('broken')", "# A page"), ("1", "# A page\n\n[nowhere](missing.md)")],
    ids=["failing cell", "warning"],
)
def test_failing_cell_and_warning_fail_the_build(small_book, code, text):
    (small_book / "page.ipynb").write_text(notebook(code, text), encoding="utf-8")
    status, said, _ = build(small_book)
    assert status != 0, said

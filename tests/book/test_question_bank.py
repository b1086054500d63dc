"""The files of the question bank: the same bytes for the same book, by hand and on the book's page."""

from __future__ import annotations

import re
import zipfile

from built_book import ROOT
from gift_parser import read_gift
from quiz_books import BANK, GOOD, question_bank, read_bank, small_book


def test_the_same_book_makes_the_same_bytes(tmp_path):
    first, second = (question_bank.write(read_bank(ROOT), tmp_path / name) for name in "ab")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    with zipfile.ZipFile(second[1]) as package:
        for entry in package.infolist():  # nothing of the day, the machine or its compression
            assert (entry.date_time, entry.compress_type, entry.create_system) == ((1980, 1, 1, 0, 0, 0), 0, 3)


def test_by_hand_with_some_chapters_only(tmp_path, capsys):
    assert question_bank.main(["--out", str(tmp_path / "new"), "--only", "softening", "forces"]) == 0
    names = [name for _, name, *_ in read_gift((tmp_path / "new/questions.gift.txt").read_text(encoding="utf-8"))]
    assert {name.split()[0] for name in names} == {"softening", "forces"}
    with zipfile.ZipFile(tmp_path / "new/questions.qti.zip") as package:
        assert len(package.namelist()) == len(names) + 1
    assert question_bank.main(["--out", str(tmp_path / "none"), "--only", "hardening"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("a chapter must be one of ") and told.endswith("found hardening\n")
    assert not (tmp_path / "none").exists()


def test_the_table_counts_what_is_in_the_files():
    rows = [row.split(" | ") for row in question_bank.table(BANK).strip().splitlines()[2:]]
    counted = [int(row[-1].strip(" |*")) for row in rows]
    assert sum(counted[:-1]) == counted[-1] == len(BANK.questions)
    assert len(rows) - 1 == len({question.file for question in BANK.questions})
    for link in re.findall(r"\]\(([^)]+)\)", question_bank.table(BANK)):
        assert (ROOT / question_bank.PAGE).parent.joinpath(link).exists(), link


def test_the_page_offers_the_files_that_the_build_has_made(tmp_path):
    """On a book of one chapter, with Sphinx alone."""
    from sphinx.application import Sphinx

    page = (ROOT / f"{question_bank.PAGE}.md").read_text(encoding="utf-8")
    assert question_bank.DOWNLOADS in page and question_bank.TABLE in page
    book = small_book(tmp_path / "book", GOOD)
    (book / "book/teaching").mkdir()
    (book / f"{question_bank.PAGE}.md").write_text(page, encoding="utf-8")
    settings = {
        "extensions": ["myst_parser", "question_bank"],
        "master_doc": question_bank.PAGE,
        "exclude_patterns": ["_build", "book/part"],
        "myst_heading_anchors": 3,
    }
    where = (book, None, book / "_build/html", book / "_build/.doctrees")
    Sphinx(*where, "html", confoverrides=settings, status=None, warning=None, warningiserror=True).build()
    made = question_bank.write(read_bank(book), tmp_path / "again")
    text = (book / f"_build/html/{question_bank.PAGE}.html").read_text(encoding="utf-8")
    for file in made:
        (link,) = re.findall(rf'href="([^"]*/{re.escape(file.name)})"', text)
        assert (book / f"_build/html/{question_bank.PAGE}.html").parent.joinpath(link).read_bytes() == file.read_bytes()
    assert "<code" in text and ">1</p></td>" in text and "<!-- the" not in text

"""Reading the quizzes: all of the book, with nothing lost, and none that is not of the one form."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from built_book import ROOT
from quiz_books import BANK, GOOD, A, B, QuizError, read_bank, small_book, to_qti


def quizzes_of_the_book() -> dict[str, str]:
    """The quiz of each notebook as it stands there, found without the tool."""
    found = {}
    for path in sorted(ROOT.glob("book/*/*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
        if "## Quiz" in text:
            found[path.relative_to(ROOT).as_posix()] = text[text.index("## Quiz") : text.index("## Summary")]
    return found


def test_every_question_and_option_of_the_book_is_in_the_bank():
    contents = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    expected = {
        file: (quiz.count("**Q"), quiz.count("<details>"), quiz.count("**Right.**"))
        for file, quiz in quizzes_of_the_book().items()
        if f"{file.removesuffix('.ipynb')}\n" in contents
    }
    assert len(expected) > 30
    found = {}
    for file in {question.file for question in BANK.questions}:
        options = [question.options for question in BANK.questions if question.file == file]
        right = sum(option.right for group in options for option in group)
        found[file] = (len(options), sum(map(len, options)), right)
    assert found == expected


def test_each_question_has_one_right_answer_and_says_why_to_each():
    for question in BANK.questions:
        assert [option.right for option in question.options].count(True) == 1
        for option in question.options:
            verdict = "<p><strong>Right.</strong> " if option.right else "<p><strong>Not quite.</strong> "
            assert option.feedback.startswith(verdict) and len(option.feedback) > len(verdict) + 20
    assert len({question.name for question in BANK.questions}) == len(BANK.questions)


def test_nothing_of_markdown_is_left():
    for question in BANK.questions:
        for text in (question.text, *(option.feedback for option in question.options)):
            prose = re.sub(r"\\\(.*?\\\)|<code>.*?</code>", "", text)
            assert not re.search(r"\*[^ *][^*]*\*|`|\$|\]\(", prose), f"{question.name}: {prose}"


def test_options_can_be_shuffled():
    """The package asks systems to shuffle: no option may speak of its place."""
    for question in BANK.questions:
        for option in question.options:
            text = option.text.lower()
            assert not re.search(r"\b(all|none|both|any) of (the above|these answers)|answers? [a-e]\b", text), option


def test_markdown_becomes_html_and_a_link_leads_there_from_anywhere(tmp_path):
    text = (
        "Is *it* **so**, `a<b`, $a<b$, [here](#ideas), [there](other.md#x) or [far](https://x.y/z)?  \nSo?\n\n"
        "| a | b |\n|---|--:|\n| 1 | $\\beta$ |\n\n$$ x^2 $$"
    )
    (question,) = read_bank(small_book(tmp_path, GOOD.replace("Is it?", text))).questions
    page = "https://new.github.io/book/book/part"
    assert question.text == (
        r"<p>Is <em>it</em> <strong>so</strong>, <code>a&lt;b</code>, \(a&lt;b\), "
        f'<a href="{page}/x.html#ideas">here</a>, <a href="{page}/other.html#x">there</a> or '
        '<a href="https://x.y/z">far</a>?<br />\nSo?</p>\n'
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n"
        "<tbody>\n<tr>\n<td>1</td>\n<td>\\(\\beta\\)</td>\n</tr>\n</tbody>\n</table>\n<p>\\[x^2\\]</p>"
    )
    assert (question.title, question.name, question.address) == ("A small chapter", "x Q1", f"{page}/x.html#quiz")
    assert [option.text for option in question.options] == ["Yes & 1 < 2", "No"]
    ET.fromstring(f"<x>{question.text}</x>")


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("**Q1.**", "**Q2.**", "book/part/x.ipynb, Q2: the number must be 1"),
        ("**Q1.** Is", "Q1. Is", "book/part/x.ipynb: a quiz must begin with **Q1.**, found “Open one. Q1. Is it"),
        ("Is it?", "", "book/part/x.ipynb, Q1: a question must have a text, found none"),
        ("Is it?", "<b>Is</b> it?", "book/part/x.ipynb, Q1: raw HTML cannot be exported, found “<b>”"),
        ("Is it?", "![Is](it.png)", "book/part/x.ipynb, Q1: a picture cannot be exported, found “Is”"),
        ("Is it?", "[Is](it.md)", "Q1: a link must lead to a page of the book or another site, found it.md"),
        ("Is it?", "[Is](../../../x.md)", "a page of the book or another site, found ../../../x.md"),
        ("B. No", "C. No", "book/part/x.ipynb, Q1: option B must stand here as a fold of its own, found “<details>"),
        ("B. No", "B. <b>No</b>", "book/part/x.ipynb, Q1: option B must be plain text, found “<b>No</b>”"),
        ("B. No", "B. $x$", "book/part/x.ipynb, Q1: option B must be plain text, found “$x$”"),
        ("**Not quite.**", "**Right.**", "Q1: of two or more options one must be right, found 2 of 2"),
        ("**Right.**", "**Not quite.**", "Q1: of two or more options one must be right, found 0 of 2"),
        (B, "", None),
        (
            "**Not quite.** Why not.",
            "Why not.",
            "option B must say **Right.** or **Not quite.** and why, found “Why",
        ),
        ("**Not quite.** Why not.", "**Not quite.**", "option B must say **Right.** or **Not quite.** and why"),
        ("Why not.\n\n</details>", "Why not.", "Q1: option B must stand here as a fold of its own, found “<details>"),
        ("Because.\n\n</details>\n\n", "Because.\n\n", "Q1: option A must say **Right.** or **Not quite.** and why"),
        (A, f"{A}And so on.\n\n", "Q1: option B must stand here as a fold of its own, found “And so on. <details>"),
        (B, f"{B}And so on.", "Q1: option C must stand here as a fold of its own, found “And so on.”"),
        (B, f"{B}## Quiz\n\n", "book/part/x.ipynb: there must be one section ## Quiz, found 2"),
    ],
)
def test_a_broken_quiz_is_told_in_one_sentence(tmp_path, old, new, error):
    assert old in GOOD
    expected = error or "Q1: of two or more options one must be right, found 1 of 1"
    with pytest.raises(QuizError) as caught:
        read_bank(small_book(tmp_path, GOOD.replace(old, new, 1)))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_quiz_without_its_heading_is_not_overlooked(tmp_path):
    book = small_book(tmp_path, GOOD)
    file = book / "book/part/x.ipynb"
    file.write_text(file.read_text(encoding="utf-8").replace("## Quiz", "## Test"), encoding="utf-8")
    with pytest.raises(QuizError, match=re.escape("book/part/x.ipynb: there must be one section ## Quiz, found 0")):
        read_bank(book)


@pytest.mark.parametrize("name", ["1st", "a chapter", "a" * 30])
def test_a_file_name_that_makes_no_identifier_is_refused(tmp_path, name):
    with pytest.raises(QuizError, match=rf"^{name}\.ipynb: the file name .* found {name}-q1$"):
        to_qti(read_bank(small_book(tmp_path, GOOD, name)))

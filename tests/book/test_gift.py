"""The question bank in GIFT: a parser that knows nothing of the writer finds the same questions."""

from __future__ import annotations

import html
from dataclasses import replace

from gift_parser import read_gift
from hypothesis import given, settings
from hypothesis import strategies as st
from quiz_books import BANK, Bank, Option, Question, to_gift


def as_paragraph(text: str) -> str:
    return f"<p>{html.escape(text, quote=False)}</p>"


def as_gift_says(bank: Bank) -> list[tuple]:
    return [
        (
            ["top", bank.title, question.part, question.title],
            question.name,
            question.text,
            [(option.right, as_paragraph(option.text), option.feedback) for option in question.options],
            bank.source(question),
        )
        for question in bank.questions
    ]


def test_gift_holds_the_same_questions():
    assert read_gift(to_gift(BANK)) == as_gift_says(BANK)


NASTY = st.text(st.sampled_from("\\~=#{}:n/[]%$<>&-\"' ax1\n"), max_size=12)


@settings(max_examples=60, deadline=None)
@given(NASTY, NASTY, NASTY, st.text(st.sampled_from("=#~:{}/ab?"), min_size=1).map(lambda title: f"a{title}b"))
def test_gift_brings_any_text_through(asked, offered, why, title):
    options = (Option(offered.replace("\n", " "), as_paragraph(why), True), Option("no", as_paragraph(asked), False))
    question = Question("A part/half", "book/a/x.ipynb", title, "https://x.y/z", 1, as_paragraph(asked), options)
    bank = Bank("A book", "We & you", "https://x.y", (question,))
    assert read_gift(to_gift(bank)) == as_gift_says(bank)


def test_every_sign_of_gift_is_escaped():
    question = replace(BANK.questions[0], text="<p>~ = # { } : \\ / %</p>")
    assert r"[html]<p>\~ \= \# \{ \} \: \\ / %</p>{" in to_gift(replace(BANK, questions=(question,)))


def test_a_formula_is_not_taken_for_a_line_break():
    """Moodle reads \\n as one, so \\nabla must come with two backslashes."""
    question = replace(BANK.questions[0], text=r"<p>\(\nabla f = 0\)</p>")
    assert r"\\(\\nabla f \= 0\\)" in to_gift(replace(BANK, questions=(question,)))

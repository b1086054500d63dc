"""Questions as GIFT, the text format that Moodle imports.

Escaped as Moodle's own export does: the signs that GIFT uses, and the backslash, since Moodle would read the `\\n` of
`\\nabla` as the end of a line. The file must be called .txt: Moodle refuses another ending.
"""

from __future__ import annotations

import html
from itertools import groupby

from quizzes import LICENCE, LICENCE_ADDRESS, Bank, Question

ESCAPES = str.maketrans({sign: f"\\{sign}" for sign in "\\~=#{}:"} | {"\n": "\\n"})


def to_gift(bank: Bank) -> str:
    """One file, with a category `book/part/chapter` for each chapter."""
    blocks = [f"// {bank.title}, {bank.author}, {bank.address}\n// {LICENCE}, {LICENCE_ADDRESS}"]
    for (part, title), questions in groupby(bank.questions, key=lambda question: (question.part, question.title)):
        # In a category Moodle takes off no escapes; a slash of a name is doubled.
        category = "/".join(name.replace("/", "//") for name in ("top", bank.title, part, title))
        blocks.append(f"$CATEGORY: {category}")
        blocks += [_question(question, bank.source(question)) for question in questions]
    return "\n\n".join(blocks) + "\n"


def _question(question: Question, source: str) -> str:
    lines = [f"::{question.name.translate(ESCAPES)}::[html]{question.text.translate(ESCAPES)}{{"]
    for option in question.options:
        # In a paragraph, so that no text begins with a sign that means something at the beginning, such as % or [.
        text = f"<p>{html.escape(option.text, quote=False)}</p>"
        lines.append(f"\t{'=' if option.right else '~'}{text.translate(ESCAPES)}#{option.feedback.translate(ESCAPES)}")
    return "\n".join([*lines, f"\t####{source.translate(ESCAPES)}", "}"])

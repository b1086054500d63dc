"""GIFT read back, as far as the question bank uses it, written from Moodle's description of the format alone."""

from __future__ import annotations

import re


def signs(text: str) -> list[tuple[bool, str]]:
    """The characters, each with whether it is GIFT's own sign; escapes are taken off."""
    found, k = [], 0
    while k < len(text):
        if text[k] == "\\" and k + 1 < len(text) and text[k + 1] in "\\~=#{}:n":
            found.append((False, "\n" if text[k + 1] == "n" else text[k + 1]))
            k += 2
        else:
            found.append((text[k] in "~=#{}:", text[k]))
            k += 1
    return found


def cut(text: list[tuple[bool, str]], sign: str) -> tuple[list[tuple[bool, str]], list[tuple[bool, str]]]:
    """What stands before and after the first place where the sign is GIFT's own."""
    wanted = [(True, character) for character in sign]
    for k in range(len(text)):
        if text[k : k + len(wanted)] == wanted:
            return text[:k], text[k + len(wanted) :]
    raise AssertionError(f"no {sign} in {plain(text)}")


def plain(text: list[tuple[bool, str]]) -> str:
    return "".join(character for _, character in text).strip()


def read_gift(text: str) -> list[tuple]:
    """(categories, name, text, [(right, text, feedback)], general feedback) of each question."""
    questions, categories = [], []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = [line.strip() for line in block.split("\n") if not line.strip().startswith("//")]
        if not lines:
            continue
        if lines[0].startswith("$CATEGORY:"):
            path = lines[0].removeprefix("$CATEGORY:").strip().replace("//", "\0")
            categories = [name.replace("\0", "/") for name in path.split("/")]
            assert len(lines) == 1
            continue
        empty, rest = cut(signs("\n".join(lines)), "::")
        name, rest = cut(rest, "::")
        asked, rest = cut(rest, "{")
        answers, after = cut(rest, "}")
        answers, general = cut(answers, "####")
        assert plain(empty) == plain(after) == ""
        assert plain(asked).startswith("[html]")
        options = []
        while plain(answers):
            while answers[0] not in [(True, "="), (True, "~")]:
                assert answers.pop(0)[1].isspace()
            right = answers.pop(0)[1] == "="
            end = next((k for k, sign in enumerate(answers) if sign in [(True, "="), (True, "~")]), len(answers))
            offered, feedback = cut(answers[:end], "#")
            options.append((right, plain(offered), plain(feedback)))
            answers = answers[end:]
        questions.append((categories, plain(name), plain(asked).removeprefix("[html]"), options, plain(general)))
    return questions

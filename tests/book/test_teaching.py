"""The teachers' pages say what is in the chapters: each link, explorer, control, exercise, question and quiz option."""

from __future__ import annotations

import os
import re
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from built_book import ROOT
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from myst_parser.mdit_to_docutils.base import default_slugify
from test_notebooks import questions, read, sources

GUIDE, NOTES = "book/teaching/guide.md", "book/teaching/chapter_notes.md"
NOT_TAUGHT = ("Teaching", "Appendix")
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
DEEPEST = CONFIG["sphinx"]["config"]["myst_heading_anchors"]

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")


@cache
def taught() -> dict[str, list[str]]:
    """Caption of a part → its chapters' files, as far as they are there to be taught."""
    parts = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    return {
        part["caption"]: [name for chapter in part["chapters"] if (name := file_of(chapter["file"]))]
        for part in parts
        if part["caption"] not in NOT_TAUGHT
    }


def file_of(name: str) -> str | None:
    return next((f"{name}{kind}" for kind in (".ipynb", ".md") if (ROOT / f"{name}{kind}").exists()), None)


@cache
def text_of(name: str) -> str:
    if name.endswith(".ipynb"):
        return "\n\n".join(sources(read(name), "markdown"))
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def anchors_in(text: str) -> set[str]:
    """What MyST lets a link end in: its headings' words, numbered where they repeat."""
    tokens = MarkdownIt("commonmark").use(dollarmath_plugin).enable("table").parse(text)
    found: set[str] = set()
    for heading, inline in pairwise(tokens):
        if heading.type != "heading_open" or int(heading.tag[1]) > DEEPEST:
            continue
        words = "".join(c.content for c in inline.children if c.type in ("text", "code_inline"))
        slug = wanted = default_slugify(words)
        count = 1
        while slug in found:
            slug, count = f"{wanted}-{count}", count + 1
        found.add(slug)
    return found


def target_of(page: str, link: str) -> str:
    """A link's file as a path from the project's root."""
    return os.path.normpath(Path(page).parent / link).replace(os.sep, "/") if link else page


def broken_links(page: str, text: str) -> list[str]:
    """Links to a file or to a section that is not there."""
    found = []
    for link, anchor in LINK.findall(text):
        if "://" in link:
            continue
        target = target_of(page, link)
        if not (ROOT / target).is_file():
            found.append(link)
        elif anchor and unquote(anchor) not in anchors_in(text_of(target)):
            found.append(f"{link}#{anchor}")
    return found


def linked_chapters(page: str, text: str) -> list[str]:
    targets = [target_of(page, link) for link, _ in LINK.findall(text) if "://" not in link]
    chapters = {name for part in taught().values() for name in part}
    return [name for name in dict.fromkeys(targets) if name in chapters]


@cache
def explorers_of(chapter: str) -> dict[str, str]:
    """Title → where the words of its controls come from, of each explorer that a chapter calls."""
    found = {}
    for cell in sources(read(chapter), "code") if chapter.endswith(".ipynb") else []:
        for name in re.findall(r"^explorers\.(\w+)\(", cell, re.MULTILINE):
            source = (ROOT / f"dmlkit/explorers/{name}.js").read_text(encoding="utf-8")
            title = re.search(r'stage\(\{.*?\n    title: "([^"]+)"', source, re.DOTALL).group(1)
            # Names of data sets, losses and the like come with the state, from Python or from the cell.
            found[title] = source + (ROOT / f"dmlkit/explorers/{name}.py").read_text(encoding="utf-8") + cell
    return found


def exercises_of(chapter: str) -> set[int]:
    _, _, rest = text_of(chapter).partition("## Exercises")
    return {int(k) for k in re.findall(r"^\*\*(\d+)\.\*\*", rest.partition("## Quiz")[0], re.MULTILINE)}


def predictions_of(chapter: str) -> set[int]:
    _, _, rest = text_of(chapter).partition("\n## Predict, then ")
    asked = re.split(r"^(?:<details>|## )", rest, flags=re.MULTILINE)[0]
    return {int(k) for k in re.findall(r"^(\d+)\. ", asked, re.MULTILINE)}


def quiz_of(chapter: str) -> list[dict[str, str]]:
    """For each question: letter → what unfolds."""
    if "## Quiz" not in text_of(chapter):
        return []
    return [{offered[0]: answer for offered, answer in options} for options in questions(text_of(chapter))]


def numbers(listed: str) -> set[int]:
    """Of "1, 2 and 5" or "1 to 4" the numbers."""
    found = {int(k) for k in re.findall(r"\d+", listed)}
    for first, last in re.findall(r"(\d+) to (\d+)", listed):
        found |= set(range(int(first), int(last) + 1))
    return found


LIST = r"(\d+(?:(?:, | and | to )\d+)*)"


def labelled(word: str, source: str) -> bool:
    """Is it a label in an explorer's source? A short word would be found in any, so it must stand where labels do."""
    if len(word) > 6:
        return word in source
    text = f'"{re.escape(word)}"'
    return re.search(rf'(?:\w ?: |\["\w+", |\}}, |\w\(\s*){text}|{text}: \{{', source) is not None


def without_ground(text: str, chapters: list[str]) -> list[str]:
    """What `text` names that no one of `chapters` has: exercises, questions of a prediction, of the quiz, controls."""
    exercises = set().union(*map(exercises_of, chapters))
    asked = set().union(*map(predictions_of, chapters))
    quiz = max((len(quiz_of(chapter)) for chapter in chapters), default=0)
    shown = "\n".join(source for chapter in chapters for source in explorers_of(chapter).values())
    missing = []
    for listed in re.findall(rf"[Ee]xercises? {LIST}", text):
        missing += [f"exercise {k}" for k in sorted(numbers(listed) - exercises)]
    for listed in re.findall(rf"\b[Qq]uestions? {LIST}", text):
        missing += [f"question {k}" for k in sorted(numbers(listed) - asked)]
    missing += [f"Q{k}" for k in re.findall(r"\bQ(\d)\b", text) if int(k) > quiz]
    if shown:
        missing += [word for word in re.findall(r"`([^`]+)`", text) if not labelled(word, shown)]
    return missing


def not_misconceptions(text: str, chapter: str) -> list[str]:
    """Quiz options named as a mistake that are not there, or are right."""
    quiz, found = quiz_of(chapter), []
    for question, option in re.findall(r"Quiz Q(\d), option ([A-E])", text):
        answer = quiz[int(question) - 1].get(option, "") if int(question) <= len(quiz) else ""
        if not answer.startswith("**Not quite.**"):
            found.append(f"Q{question} {option}")
    return found


def notes() -> dict[str, str]:
    """Chapter → its notes; those of a table are its line."""
    found: dict[str, str] = {}
    for block in re.split(r"^(?=### )", text_of(NOTES), flags=re.MULTILINE)[1:]:
        heading, _, body = block.partition("\n")
        body = re.split(r"^## ", body, flags=re.MULTILINE)[0]
        for chapter in linked_chapters(NOTES, heading):
            found[chapter] = body
        for line in re.findall(r"^\| \[.*$", body, re.MULTILINE):
            found[linked_chapters(NOTES, line.split("|")[1])[0]] = line
    return found


OWN = [name for caption, part in taught().items() if caption != "Benchmarks" for name in part]


def part_of(body: str, name: str) -> str:
    """What stands under a bold word of the notes, up to the next one."""
    _, _, rest = body.partition(f"**{name}")
    return re.split(r"^\*\*", rest, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("page", [GUIDE, NOTES])
def test_links_lead_to_a_section_that_is_there(page):
    assert LINK.findall(text_of(page))
    assert broken_links(page, text_of(page)) == []


@pytest.mark.parametrize("caption", taught())
def test_every_chapter_has_its_notes(caption):
    assert set(taught()[caption]) <= set(notes())


def test_notes_stand_in_the_order_of_the_book():
    assert list(notes()) == [name for part in taught().values() for name in part]


@pytest.mark.parametrize("chapter", OWN)
def test_notes_are_whole(chapter):
    body = notes()[chapter]
    assert len(part_of(body, "Aim.**").strip().splitlines()) == 1
    assert re.search(r"\d+ minutes", part_of(body, "Time (suggested).**"))
    wrong = re.findall(r"^- .+$", part_of(body, "What students get wrong**"), re.MULTILINE)
    assert 2 <= len(wrong) <= 4
    for line in wrong:
        assert re.match(r'- \*".+?"\*', line)  # as students say it, then the cure
        assert re.search(r"Quiz Q\d, option [A-E]|\.ipynb#", line), line
    assert re.findall(r"^(\d)\. ", part_of(body, "To discuss.**"), re.MULTILINE) == ["1", "2"]
    assert part_of(body, "Show.**").strip()


@pytest.mark.parametrize("chapter", OWN)
def test_notes_name_the_explorers_of_the_chapter(chapter):
    named = re.findall(r"\*Explorer: ([^*]+)\*", notes()[chapter])
    assert named == list(explorers_of(chapter))


@pytest.mark.parametrize("chapter", notes())
def test_notes_name_only_what_the_chapter_has(chapter):
    body = notes()[chapter]
    assert not_misconceptions(body, chapter) == []
    assert without_ground(body, [chapter]) == []


SYLLABI = re.findall(
    r"^##+ ([^\n]*\((\d+) minutes\))\n(.*?)(?=^## |^### |\Z)", text_of(GUIDE), re.MULTILINE | re.DOTALL
)


def test_there_are_three_syllabi():
    assert [int(minutes) for _, minutes, _ in SYLLABI] == [90] + [120] * 5 + [90] * 14


def minutes_in(table: str) -> int:
    return sum(int(minutes) for minutes in re.findall(r"^\| *(\d+) \|", table, re.MULTILINE))


@pytest.mark.parametrize(("heading", "minutes", "body"), SYLLABI, ids=[heading for heading, _, _ in SYLLABI])
def test_minutes_add_up_and_all_that_is_named_is_there(heading, minutes, body):
    assert minutes_in(body) == int(minutes)
    for row in re.findall(r"^\| *\d+ \|.*$", body, re.MULTILINE):
        assert row.count("|") == 5
        assert without_ground(row, linked_chapters(GUIDE, row)) == [], row
    homework = re.findall(rf"exercises? {LIST} of \[[^\]]+\]\(([^)#]+)#exercises\)", body)
    assert body.count("**Homework:**") == 1
    line = body[body.index("**Homework:**") :].partition("\n")[0]
    assert line.count("exercise ") + line.count("exercises ") == len(homework) > 0
    for listed, link in homework:
        assert numbers(listed) <= exercises_of(target_of(GUIDE, link)), (listed, link)


def test_every_part_is_in_the_tables_of_what_to_keep_and_what_to_know():
    text = text_of(GUIDE)
    known = text[text.index("## What students should know before") : text.index("## How to assess")]
    assert re.findall(r"^\| ([A-Z][\w ]+) \|", known, re.MULTILINE) == list(taught())


def test_the_helpers_find_what_is_wrong():
    """Each on a text that is right but for one thing, with a chapter of which we know what it has."""
    chapter, page = "book/silhouette/softening.ipynb", "book/teaching/guide.md"
    here = "../silhouette/softening.ipynb"
    assert anchors_in("# A b\n\n## It's `x` $y$ (z)\n\n## A b\n\n#### Deep") == {"a-b", "its-x--z", "a-b-1"}
    assert broken_links(page, f"[a]({here}#pull-and-push) [b]({here}) [c](#a)") == ["#a"]
    assert broken_links(page, f"[a]({here}#pull) [b](../gone.ipynb)") == [f"{here}#pull", "../gone.ipynb"]
    assert list(explorers_of(chapter)) == ["three soft minima and the loss"]
    assert numbers("1, 2 and 5") == {1, 2, 5} and numbers("2 to 4") == {2, 3, 4}
    assert without_ground("exercises 1 and 5, questions 1 to 4, quiz Q4, `C − 1`", [chapter]) == []
    assert without_ground("exercises 5 and 6", [chapter]) == ["exercise 6"]
    assert without_ground("question 5; quiz Q5; `gapped`, `g`", [chapter]) == ["question 5", "Q5", "gapped", "g"]
    assert without_ground("exercise 1", []) == ["exercise 1"]
    assert not_misconceptions("Quiz Q1, option C", chapter) == []
    assert not_misconceptions("Quiz Q1, option B, Quiz Q1, option E, Quiz Q9, option A", chapter) == [
        "Q1 B",
        "Q1 E",
        "Q9 A",
    ]
    assert minutes_in("| minutes | x |\n|---:|---|\n| 10 | a |\n| 5 | b 30 |") == 15

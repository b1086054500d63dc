"""The quizzes of all chapters as plain data, read from the notebooks of `_toc.yml`.

A quiz is a Markdown section `## Quiz`: questions `**Q1.** …`, each followed by its options, folds that begin with a
letter and say **Right.** or **Not quite.** and why. Reading is strict: what is not of this form, or could not be shown
outside the book, is an error that names notebook and question in one sentence. So nothing is lost on the way.
"""

from __future__ import annotations

import html
import json
import posixpath
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from address import address, site
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

QUESTION = re.compile(r"^\*\*Q(\d+)\.\*\*", re.MULTILINE)
OPTION = re.compile(r"<details>\s*<summary>([A-Z])\. (.+?)</summary>\n\n(.+?)\n\n</details>\s*", re.DOTALL)
VERDICT = re.compile(r"\*\*(Right|Not quite)\.\*\* (?=\S)")


LICENCE = "CC BY 4.0"  # of everything under book/
LICENCE_ADDRESS = "https://creativecommons.org/licenses/by/4.0/"


class QuizError(ValueError):
    """A quiz that cannot be read, told in one sentence."""


@dataclass(frozen=True)
class Option:
    """One answer: its text, what is said to who chooses it, in HTML, and whether it is the right one."""

    text: str
    feedback: str
    right: bool


@dataclass(frozen=True)
class Question:
    """One question in HTML, with part, notebook, title and public address of the chapter that it is from."""

    part: str
    file: str
    title: str
    address: str
    number: int
    text: str
    options: tuple[Option, ...]

    @property
    def chapter(self) -> str:
        """The chapter's name among files."""
        return Path(self.file).stem

    @property
    def name(self) -> str:
        """What the question is called wherever it is imported; it stays as long as chapter and number do."""
        return f"{self.chapter} Q{self.number}"


@dataclass(frozen=True)
class Bank:
    """The questions of a book, in its order, with what the licence asks to be named."""

    title: str
    author: str
    address: str
    questions: tuple[Question, ...]

    def source(self, question: Question) -> str:
        """In HTML: where a question is from and under which licence; it also leads to what the question refers to."""
        chapter = f'<a href="{html.escape(question.address)}">{html.escape(question.title, quote=False)}</a>'
        licence = f'<a href="{LICENCE_ADDRESS}">{LICENCE}</a>'
        whose = html.escape(f"{self.title}, {self.author}", quote=False)
        return f"<p>From the chapter {chapter} of {whose}, {licence}.</p>"


def read_bank(root: Path) -> Bank:
    """All quizzes of the book in this folder.

    Raises:
        QuizError: a quiz is not of the one form, or two chapters' files have one name, on which names and identifiers
            of questions are built.
    """
    contents = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    files = [
        (part["caption"], f"{chapter['file']}.ipynb")
        for part in contents.get("parts", [])
        for chapter in part["chapters"]
        if (root / f"{chapter['file']}.ipynb").exists()
    ]
    quizzes = {file: _read_notebook(root, part, file) for part, file in files}
    names = Counter(Path(file).name for file, questions in quizzes.items() if questions)
    for name, count in names.items():
        if count > 1:
            raise QuizError(f"{name}: a chapter with a quiz must have a file name of its own, found {count}")
    config = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))
    return Bank(
        title=config["title"],
        author=config["author"],
        address=site(address(root)),
        questions=tuple(question for questions in quizzes.values() for question in questions),
    )


def _read_notebook(root: Path, part: str, file: str) -> list[Question]:
    cells = json.loads((root / file).read_text(encoding="utf-8"))["cells"]
    text = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    quizzes = re.findall(r"^## Quiz[ \t]*$(.*?)(?=^#{1,2} |\Z)", text, re.MULTILINE | re.DOTALL)
    if not quizzes and not QUESTION.search(text):
        return []  # the pages before the first chapter have no quiz
    if len(quizzes) != 1:
        raise QuizError(f"{file}: there must be one section ## Quiz, found {len(quizzes)}")
    before, *parts = QUESTION.split(quizzes[0])
    if "<details>" in before or not parts:
        raise QuizError(f"{file}: a quiz must begin with **Q1.**, found {_start(before)}")
    page = f"{site(address(root))}/{file.removesuffix('.ipynb')}.html"
    questions = []
    for k, (number, chunk) in enumerate(zip(parts[::2], parts[1::2], strict=True), 1):
        where = f"{file}, Q{number}"
        if int(number) != k:
            raise QuizError(f"{where}: the number must be {k}")
        asked, options = _options(where, chunk)
        markdown = _Markdown(root, file, where)
        questions.append(
            Question(
                part=part,
                file=file,
                title=_title(file, text),
                address=f"{page}#quiz",
                number=k,
                text=markdown.to_html(asked),
                options=tuple(Option(offered, markdown.to_html(why), right) for offered, why, right in options),
            )
        )
    return questions


def _options(where: str, chunk: str) -> tuple[str, list[tuple[str, str, bool]]]:
    """A question's Markdown, and of each option (what is offered, the Markdown that explains, whether it is right)."""
    asked, fold, rest = chunk.partition("<details>")
    if not asked.strip():
        raise QuizError(f"{where}: a question must have a text, found none")
    options, rest = [], fold + rest
    while rest:
        letter = chr(ord("A") + len(options))
        match = OPTION.match(rest)
        if match is None or match[1] != letter:
            raise QuizError(f"{where}: option {letter} must stand here as a fold of its own, found {_start(rest)}")
        verdict = VERDICT.match(match[3])
        if verdict is None or "details>" in match[3]:
            raise QuizError(
                f"{where}: option {letter} must say **Right.** or **Not quite.** and why, found {_start(match[3])}"
            )
        # A summary is HTML, not Markdown; of HTML nothing but text has been needed.
        if re.search(r"<|\$", match[2]):
            raise QuizError(f"{where}: option {letter} must be plain text, found {_start(match[2])}")
        options.append((html.unescape(" ".join(match[2].split())), match[3], verdict[1] == "Right"))
        rest = rest[match.end() :]
    right = sum(option[2] for option in options)
    if len(options) < 2 or right != 1:
        raise QuizError(f"{where}: of two or more options one must be right, found {right} of {len(options)}")
    return asked.strip(), options


def _title(file: str, text: str) -> str:
    """The chapter's heading without its markup."""
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise QuizError(f"{file}: a chapter must have a heading, found none")
    return "".join(child.content for child in _parser().parseInline(heading[1])[0].children or [])


def _start(text: str) -> str:
    """The first words of a text, for an error."""
    words = " ".join(text.split())
    return f"“{words[:60]}…”" if len(words) > 60 else f"“{words}”"


@cache
def _parser() -> MarkdownIt:
    """Markdown as the book's pages are read (the same switches as MyST), with formulas as learning systems take them.

    `\\( … \\)` is what MathJax finds in a page by default; single dollars it leaves alone.
    """
    parser = MarkdownIt("commonmark", {"xhtmlOut": True}).enable("table")
    dollarmath_plugin(parser, allow_labels=False, allow_space=True, allow_digits=True, double_inline=False)
    formula = {"math_inline": r"\({}\)", "math_block": "<p>\\[{}\\]</p>\n"}
    for kind, form in formula.items():
        parser.add_render_rule(
            kind,
            lambda self, tokens, k, options, env, form=form: form.format(
                html.escape(tokens[k].content.strip(), quote=False)
            ),
        )
    return parser


class _Markdown:
    """Turns Markdown of one question into HTML that needs nothing of the book."""

    def __init__(self, root: Path, file: str, where: str) -> None:
        self.root, self.file, self.where = root, file, where
        self.parser = _parser()

    def to_html(self, markdown: str) -> str:
        """HTML that is XML too, with absolute links, and no attribute besides them."""
        tokens = self.parser.parse(markdown)
        for token in tokens:
            for inner in (token, *(token.children or [])):
                self._export(inner)
        return self.parser.renderer.render(tokens, self.parser.options, {}).strip()

    def _export(self, token: Token) -> None:
        if token.type in ("html_inline", "html_block", "image"):
            what = "a picture" if token.type == "image" else "raw HTML"
            raise QuizError(f"{self.where}: {what} cannot be exported, found {_start(token.content)}")
        token.attrs = {"href": self._link(str(token.attrs["href"]))} if token.type == "link_open" else {}

    def _link(self, target: str) -> str:
        """A link that leads from anywhere to where it leads from the notebook."""
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            return target
        path, hash_, fragment = target.partition("#")
        file = posixpath.normpath(posixpath.join(posixpath.dirname(self.file), path)) if path else self.file
        page, kind = posixpath.splitext(file)
        if file.startswith("..") or kind not in (".ipynb", ".md") or not (self.root / file).exists():
            raise QuizError(f"{self.where}: a link must lead to a page of the book or another site, found {target}")
        return f"{site(address(self.root))}/{page}.html{hash_}{fragment}"

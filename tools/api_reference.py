"""The API reference: dmlkit's docstrings as pages of the book.

The docstrings are written to be read in an editor and in Colab: Markdown, with `$…$` for mathematics and single
backticks for code. Sphinx's autodoc expects reStructuredText, so each docstring is translated on its way in.
"""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

DISPLAY = re.compile(r"^( *)\$\$(.+?)\$\$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"(?<![\\$])\$(?!\$)(.+?)(?<![\\$])\$(?!\$)", re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")
QUOTED = re.compile(r'"([\w-]+)"')
NAME = re.compile(r"[A-Za-z_][\w.]*")


def to_rest(docstring: str) -> str:
    """One docstring from Markdown to reStructuredText.

    `name` becomes a link where the reference knows the name, any other `code` stays code; text in an example stays as
    it is.
    """
    return "\n".join(text if is_example else _prose(text) for is_example, text in _split(docstring))


def _split(docstring: str) -> list[tuple[bool, str]]:
    """Runs of lines: examples, from >>> to the next empty line, and what stands between them."""
    runs: list[tuple[bool, list[str]]] = [(False, [])]
    for line in docstring.split("\n"):
        starts = line.lstrip().startswith(">>>")
        if starts and not runs[-1][0]:
            runs.append((True, []))
        elif runs[-1][0] and not line.strip():
            runs.append((False, []))
        runs[-1][1].append(line)
    return [(is_example, "\n".join(lines)) for is_example, lines in runs if lines]


def _prose(text: str) -> str:
    def display(match: re.Match) -> str:
        indent, formula = match[1], " ".join(match[2].split())
        return f"{indent}.. math::\n\n{indent}   {formula}"

    def inline(match: re.Match) -> str:
        return f":math:`{' '.join(match[1].split())}`"

    def code(match: re.Match) -> str:
        return f":py:obj:`{match[1]}`" if NAME.fullmatch(match[1]) else f"``{match[1]}``"

    # Code first: afterwards there are backticks around formulas too. An option such as "mean" is code: as text it would
    # get curly quotation marks.
    text = QUOTED.sub(r'``"\1"``', CODE.sub(code, text))
    return INLINE.sub(inline, DISPLAY.sub(display, text))


def translate(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Before Napoleon reads the sections of the docstring."""
    lines[:] = to_rest("\n".join(lines)).split("\n")


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    for extension in ("sphinx.ext.autodoc", "sphinx.ext.napoleon"):
        app.setup_extension(extension)
    app.connect("autodoc-process-docstring", translate, priority=100)
    return {"parallel_read_safe": True}

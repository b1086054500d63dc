"""Words of the glossary, marked where a page first uses them.

Chapters are plain Markdown and name no term. As a page is written, the first occurrence of each entry of
`book/glossary.md` in its prose becomes a link to the entry, and the page carries the definition, which
`book/_static/glossary.js` shows beside the word. Without scripts the link is left.

What of an entry is marked: its terms, with plurals, and with a capital at the start of a sentence. The page's front
matter names other words for it, or none where the term is too common a word (`batch: []`).
"""

from __future__ import annotations

import functools
import hashlib
import html
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

PAGE = "book/glossary"
# Pages that explain the words themselves, and those that nobody reads from top to bottom.
UNMARKED = (PAGE, "book/appendix/", "book/troubleshooting", "book/cite")
# Parts of a page without marks: an answer must not be a tap away, and a cited title is not ours.
SECTIONS = {"quiz", "references", "what it rests on"}
NOT_PROSE = (
    nodes.title,
    nodes.reference,
    nodes.literal,
    nodes.literal_block,
    nodes.math,
    nodes.math_block,
    nodes.raw,
    nodes.comment,
    nodes.image,
    nodes.rubric,
    addnodes.pending_xref,
    addnodes.download_reference,
    addnodes.toctree,
)


def spellings(forms: dict[str, list[str]]) -> dict[str, str]:
    """Every way to write the forms of each entry (id → forms) → id."""
    found: dict[str, str] = {}
    for key, written in forms.items():
        for form in written:
            for one in (form, _plural(form)):
                found[one] = key
                if one == one.lower():
                    found[one[0].upper() + one[1:]] = key
    return found


def _plural(form: str) -> str:
    if re.search(r"[^aeiou]y$", form):
        return f"{form[:-1]}ies"
    return form + ("es" if re.search(r"(s|x|ch|sh)$", form) else "s")


def mark(document: nodes.Element, known: dict[str, str], address: str) -> list[str]:
    """Make the first occurrence of each entry in a document's prose a link.

    Args:
        document: changed in place.
        known: of `spellings`.
        address: of the glossary's page, as seen from this one.

    Returns:
        The ids of the entries that were found, in the order of the text.
    """
    longest_first = sorted(known, key=len, reverse=True)
    words = "|".join(r"\s+".join(map(re.escape, one.split())) for one in longest_first)
    pattern = re.compile(rf"(?<![\w@-])(?:{words})(?![\w@]|-\w)")
    done: list[str] = []
    for text in list(_prose(document)) if known else []:
        parts: list[nodes.Node] = []
        rest = 0
        for match in pattern.finditer(text):
            key = known[" ".join(match[0].split())]
            if key not in done:
                done.append(key)
                link = nodes.reference(
                    "", match[0], internal=True, refuri=f"{address}#{key}", classes=["glossary-term"]
                )
                parts += [nodes.Text(text[rest : match.start()]), link]
                rest = match.end()
        if parts:
            text.parent.replace(text, [*parts, nodes.Text(text[rest:])])
    return done


def _prose(node: nodes.Element) -> Iterator[nodes.Text]:
    """Texts that a reader reads in one go: no headings, links, code, formulas, cells with their outputs, quizzes."""
    for child in node.children:
        if isinstance(child, nodes.Text):
            yield child
        elif isinstance(child, NOT_PROSE) or "cell" in child.get("classes", ()):
            continue
        elif isinstance(child, nodes.section) and child[0].astext().lower() in SECTIONS:
            continue
        else:
            yield from _prose(child)


def read_entries(document: nodes.document, other_words: dict[str, list[str]]) -> tuple[dict, dict]:
    """The glossary's page → the forms of each entry and its definition, both by the entry's id."""
    forms: dict[str, list[str]] = {}
    definitions: dict[str, nodes.definition] = {}
    for item in document.findall(nodes.definition_list_item):
        terms = [term for term in item.children if isinstance(term, nodes.term)]
        key = terms[0]["ids"][0]
        names = [term.astext() for term in terms]
        forms[key] = next((other_words[name] for name in names if name in other_words), names)
        definitions[key] = item[-1]
    return forms, definitions


def definition_in_html(definition: nodes.definition, render: Callable[[nodes.Node], str]) -> str:
    """A definition for a tooltip, in which nothing can be followed: links become their text."""
    copy = definition.deepcopy()
    for link in list(copy.findall(lambda node: isinstance(node, (nodes.reference, addnodes.pending_xref)))):
        link.replace_self(nodes.Text(link.astext()))
    return "".join(f"<p>{render(nodes.inline('', '', *part.children))}</p>" for part in copy.children)


@functools.cache
def _glossary(app: Sphinx) -> tuple[dict, dict]:
    """Read once a process, after all pages were read."""
    other_words = json.loads(app.env.metadata[PAGE].get("glossary", "{}"))
    return read_entries(app.env.get_doctree(PAGE), other_words)


@functools.cache
def _tip(app: Sphinx, key: str) -> str:
    text = definition_in_html(_glossary(app)[1][key], lambda node: app.builder.render_partial(node)["fragment"])
    return f'<div class="glossary-tip" role="tooltip" popover="manual" id="tip-{html.escape(key)}">{text}</div>'


class MarkTerms(SphinxPostTransform):
    """Mark the terms of a page, once all its references are resolved."""

    default_priority = 900
    formats = ("html",)

    def run(self, **options: Any) -> None:
        docname = self.env.docname
        if PAGE not in self.env.found_docs or docname.startswith(UNMARKED):
            return
        forms, definitions = _glossary(self.app)
        address = self.app.builder.get_relative_uri(docname, PAGE)
        found = mark(self.document, spellings(forms), address)
        if any(True for key in found for _ in definitions[key].findall(nodes.math)):
            # A page gets MathJax if it has a formula; one in a definition counts.
            self.env.get_domain("math").data["has_equations"][docname] = True


def carry_definitions(app: Sphinx, page: str, template: str, context: dict[str, Any], document: Any) -> None:
    """At the end of a page: the definitions of the terms that were marked in it, and the script that shows them."""
    if document is None or "body" not in context:
        return
    marked = (link for link in document.findall(nodes.reference) if "glossary-term" in link["classes"])
    tips = "".join(_tip(app, link["refuri"].rpartition("#")[2]) for link in marked)
    if tips:
        context["body"] += f'<div class="glossary-tips" hidden>{tips}</div>'
        app.add_css_file("glossary.css")
        app.add_js_file("glossary.js", loading_method="defer")


def write_all_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """A changed glossary changes the pages that use its words, though their sources are as they were."""
    file = Path(app.srcdir, f"{PAGE}.md")
    digest = hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""
    before, env.glossary_digest = getattr(env, "glossary_digest", digest), digest
    return sorted(env.found_docs) if digest != before else []


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.add_post_transform(MarkTerms)
    app.connect("env-updated", write_all_again)
    app.connect("html-page-context", carry_definitions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

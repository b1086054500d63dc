"""Every page of the built book: self-contained, quiet, legible at three widths, described for who cannot see it."""

from __future__ import annotations

import json
from urllib.parse import urlsplit

import pytest
import yaml
from built_book import ROOT, WIDTHS, chapters, pages, written

pytestmark = pytest.mark.browser

# Pictures without a text that says what they show. A picture with alt="" is decoration by the standard, and none of
# ours is; an explorer's canvas and an inline figure speak through aria-label.
UNDESCRIBED = """() => [
  ...[...document.querySelectorAll("article img")].filter((e) => !e.getAttribute("alt")?.trim()),
  ...[...document.querySelectorAll("article svg, article canvas")].filter((e) =>
     !e.closest(".headerlink, mjx-container, button") &&
     !(e.getAttribute("role") === "img" && e.getAttribute("aria-label")?.trim())),
].map((e) => e.outerHTML.slice(0, 120))"""

# What reaches beyond the right edge of the window without a scroll bar of its own around it.
OVERFLOW = """() => document.documentElement.scrollWidth - document.documentElement.clientWidth"""


def test_there_are_pages():
    assert {"book/intro.html", "book/notation.html"} <= set(chapters())
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    listed = {contents["root"]} | {chapter["file"] for part in contents["parts"] for chapter in part["chapters"]}
    assert {f"{name}.html" for name in listed} == set(written())


# The only pages without a formula: the introduction, the index of statements, what the benchmarks write, the question
# bank, troubleshooting, citing, and Sphinx's.
MEASURED = ("loss_speed", "measure_speed", "search", "data_speed", "training_speed")
PLAIN = {
    "book/intro.html",
    "book/teaching/question_bank.html",
    "book/troubleshooting.html",
    "book/cite.html",
    "book/appendix/statements.html",
    *(f"book/appendix/{name}.html" for name in MEASURED),
}


@pytest.mark.parametrize("how", ["http", "file"])
@pytest.mark.parametrize("path", pages())
def test_loads_by_itself_without_an_error(visit, path, how):
    """No other host is asked, nothing is complained of, and formulas are typeset from the page's own folder."""
    page, heard = visit(path, how=how)
    if path in written() and path not in PLAIN:
        page.wait_for_selector("mjx-container", timeout=15_000)
        page.evaluate("() => MathJax.startup.promise")  # long pages are typeset in parts
        assert page.locator("mjx-merror").count() == 0
        assert page.locator("article").evaluate("e => /\\$[^$]+\\$/.test(e.innerText)") is False
    page.wait_for_timeout(600)  # scripts that start after the load
    assert heard.foreign == []
    if how == "file" and "search" in path:
        # Sphinx's search needs a server for its own index; that is its known limit.
        return
    assert heard.errors == []


def test_a_picture_without_description_would_be_found(visit):
    page, _ = visit("book/intro.html")
    page.set_content('<article><img src="x.png"><img src="y.png" alt=" "><svg></svg><canvas></canvas></article>')
    assert len(page.evaluate(UNDESCRIBED)) == 4


@pytest.mark.parametrize("path", written())
def test_fits_the_window_and_describes_its_pictures(visit, path):
    """Loaded on a phone, then on windows that grow, in light and in dark."""
    page, _ = visit(path, width=WIDTHS[0])
    page.wait_for_timeout(300)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(100)
            assert page.evaluate(OVERFLOW) <= 0, f"{width} pixels, {scheme}"
    assert page.evaluate(UNDESCRIBED) == []


@pytest.mark.parametrize("path", chapters())
def test_a_chapter_says_where_it_comes_from(visit, path):
    """A button opens its notebook in Colab; it says how long it ran, and on which data, in the data set's own words."""
    page, _ = visit(path)
    repository = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]
    owner_and_name = urlsplit(repository["url"]).path.strip("/")
    name = path.replace(".html", ".ipynb")
    expected = f"https://colab.research.google.com/github/{owner_and_name}/blob/{repository['branch']}/{name}"
    assert page.locator(f'a[href="{expected}"]').count() == 1
    assert "Measured: all cells of this page ran in" in page.locator(".measured-time").inner_text()
    notebook = json.loads((ROOT / name).read_text(encoding="utf-8"))
    uses_data = any("data.digits(" in "".join(cell["source"]) for cell in notebook["cells"])
    # Not inner_text, which leaves out what is folded: a solution's data is told where the solution is.
    assert ("source: 8×8 handwritten digits" in page.locator("article").text_content()) == uses_data


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", [p for p in chapters() if "embedding" in p or "landscape" in p])
def test_figures_take_the_ink_and_the_ground_of_the_page(visit, path, dark):
    page, _ = visit(path, dark=dark)
    page.wait_for_timeout(300)
    figures = page.locator("svg.dmlkit-figure")
    assert figures.count() > 0
    for figure in figures.all():
        ink, text, ground = figure.evaluate(
            "e => [getComputedStyle(e).color, getComputedStyle(document.querySelector('article')).color,"
            " getComputedStyle(e.closest('.text_html')).backgroundColor]"
        )
        assert ink == text
        assert ground == "rgba(0, 0, 0, 0)"

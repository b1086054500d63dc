"""The glossary in a real browser: a definition appears by mouse, keyboard and finger, stays, and goes away."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from posixpath import normpath

import pytest
from built_book import SITE, WIDTHS, written

pytestmark = pytest.mark.browser

PAGE = "book/start/first_embedding.html"
OPEN = "() => [...document.querySelectorAll('.glossary-tip:popover-open')].map((e) => e.id)"
MARK = re.compile(r'<a class="glossary-term[^"]*" href="([^"#]+)#([^"]+)"')


def test_every_mark_leads_to_an_entry_and_has_its_definition_once():
    ids = set(re.findall(r'<dt id="([^"]+)"', (SITE / "book/glossary.html").read_text(encoding="utf-8")))
    marks = 0
    for path in written():
        text = (SITE / path).read_text(encoding="utf-8")
        found = MARK.findall(text)
        assert len({key for _, key in found}) == len(found), path  # once a page
        for address, key in found:
            assert normpath(PurePosixPath(path).parent / address) == "book/glossary.html"
            assert key in ids
            assert text.count(f'id="tip-{key}"') == 1
        assert text.count("glossary.js") == bool(found)
        marks += len(found)
        if path.startswith("book/appendix/") or path == "book/glossary.html":
            assert not found
    assert marks > 100


@pytest.fixture
def term(visit):
    """term(name, …) → page, the marked word of that entry."""

    def find(name: str = "term-proxy", path: str = PAGE, **options):
        page, heard = visit(path, **options)
        page.wait_for_function("() => !document.querySelector('.glossary-tips').hidden")
        word = page.locator(f'a.glossary-term[href$="#{name}"]')
        word.scroll_into_view_if_needed()
        assert page.evaluate(OPEN) == []
        return page, word, heard

    return find


def shown(page, name: str = "tip-term-proxy") -> bool:
    """Whether this definition shows, and no other."""
    found = page.evaluate(OPEN)
    assert found in ([], [name])
    return bool(found)


@pytest.mark.parametrize("how", ["http", "file"])
def test_mouse(term, how):
    page, word, heard = term(how=how)
    word.hover()
    page.wait_for_function("() => document.querySelector(':popover-open')")
    assert shown(page)
    tip = page.locator("#tip-term-proxy")
    assert "stands for a class" in tip.inner_text()
    # Hoverable: the pointer crosses the gap and rests on the definition.
    tip.hover()
    page.wait_for_timeout(700)
    assert shown(page)
    # Dismissable without moving the pointer; it comes again only when the pointer does.
    page.keyboard.press("Escape")
    assert not shown(page)
    page.mouse.move(5, 5)
    word.hover()
    page.wait_for_timeout(400)
    assert shown(page)
    page.mouse.move(5, 5)
    page.wait_for_timeout(700)
    assert not shown(page)
    assert heard.foreign == [] and heard.errors == []


def test_a_pointer_that_only_crosses_opens_nothing(term):
    page, word, _ = term()
    word.hover()
    page.mouse.move(5, 5)
    page.wait_for_timeout(500)
    assert not shown(page)


def test_keyboard(term):
    page, word, _ = term()
    word.evaluate("e => { const all = [...document.querySelectorAll('a[href], button, input, summary')]"
                  ".filter((x) => x.checkVisibility()); all[all.indexOf(e) - 1].focus(); }")  # fmt: skip
    page.keyboard.press("Tab")
    assert word.evaluate("e => e === document.activeElement")
    assert shown(page)
    page.wait_for_timeout(1500)
    assert shown(page)  # it does not go by itself
    page.keyboard.press("Escape")
    assert not shown(page)
    assert word.evaluate("e => e === document.activeElement")  # the place is kept
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Tab")
    assert shown(page)
    page.keyboard.press("Shift+Tab")
    page.wait_for_timeout(100)
    assert "tip-term-proxy" not in page.evaluate(OPEN)  # the place before may be another term
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/book/glossary.html#term-proxy")


def test_finger(term):
    page, word, _ = term(width=360, has_touch=True, is_mobile=True)
    word.tap()
    page.wait_for_timeout(100)
    assert shown(page) and page.url.endswith(PAGE)
    page.touchscreen.tap(5, 400)
    page.wait_for_timeout(100)
    assert not shown(page)
    word.tap()
    page.wait_for_timeout(100)
    assert shown(page)
    word.tap()
    page.wait_for_url("**/book/glossary.html#term-proxy")


def test_a_screen_reader_hears_the_definition(term):
    page, word, _ = term()
    assert word.get_attribute("aria-describedby") == "tip-term-proxy"
    assert page.locator("#tip-term-proxy").get_attribute("role") == "tooltip"
    session = page.context.new_cdp_session(page)
    session.send("Accessibility.enable")
    found = session.send("Runtime.evaluate", {"expression": "document.querySelector('a[href$=\"#term-proxy\"]')"})
    node = session.send("Accessibility.getPartialAXTree", {"objectId": found["result"]["objectId"]})["nodes"][0]
    assert node["role"]["value"] == "link"
    assert "stands for a class" in node["description"]["value"]


@pytest.mark.parametrize(("width", "dark"), [*((width, False) for width in WIDTHS), (WIDTHS[0], True)])
def test_a_definition_lies_within_the_window_near_its_word_and_is_legible(term, width, dark):
    page, _, _ = term(width=width, dark=dark)
    for word in page.locator("a.glossary-term").all():
        if not word.is_visible():  # in a closed fold
            continue
        word.scroll_into_view_if_needed()
        page.mouse.move(1, 1)
        box = word.evaluate("e => { const r = e.getClientRects()[0]; return [r.x + r.width / 2, r.y + r.height / 2]; }")
        page.mouse.move(*box)
        page.wait_for_timeout(250)
        place = page.evaluate(
            """([x, y]) => {
              const tip = document.querySelector(":popover-open");
              if (!tip) return null;
              const r = tip.getBoundingClientRect();
              const inside = r.left >= 0 && r.right <= document.documentElement.clientWidth && r.bottom > 0;
              const inks = [...tip.children].map((e) => getComputedStyle(e).color);
              return { inside, inks, away: Math.max(r.top - y, y - r.bottom),
                       ground: getComputedStyle(tip).backgroundColor,
                       scroll: tip.scrollWidth - tip.clientWidth, raw: tip.innerText.includes("\\\\(") };
            }""",
            box,
        )
        assert place is not None, word.inner_text()
        assert place["inside"] and 0 < place["away"] < 60 and place["scroll"] <= 0 and not place["raw"]
        assert len(place["inks"]) == 2
        assert all(contrast(ink, place["ground"]) > 4.5 for ink in place["inks"])
        page.keyboard.press("Escape")


def contrast(one: str, two: str) -> float:
    """Of two CSS colours, by WCAG's formula."""

    def light(colour: str) -> float:
        red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (red, green, blue)]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(two)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_without_scripts_the_word_is_a_link(visit):
    page, _ = visit(PAGE, java_script_enabled=False)
    assert not page.locator(".glossary-tips").is_visible()
    page.locator('a.glossary-term[href$="#term-proxy"]').click()
    page.wait_for_url("**/book/glossary.html#term-proxy")

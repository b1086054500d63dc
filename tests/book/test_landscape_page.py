"""What is special to the landscape in its page: minima, views, arrows, classes, links. The rest: test_explorers.py."""

from __future__ import annotations

import itertools

import pytest

pytestmark = pytest.mark.browser

PAGE = "book/warped_softmax/landscape.html"
EXPLORER = ".dmlkit-explorer .dml-landscape"

# Set sliders as a hand does (value, then an input event), wait for the redraw, return what it reports.
MOVE = """async (root, values) => {
  const done = new Promise((resolve, reject) => {
    root.addEventListener("redraw", (e) => resolve(e.detail), { once: true });
    setTimeout(() => reject(new Error(`no redraw after ${JSON.stringify(values)}`)), 5000);
  });
  for (const [label, value] of Object.entries(values)) {
    const input = root.querySelector(`input[type=range][aria-label^="${label},"]`);
    input.value = value;
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  return await done;
}"""
FRAME = "() => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)))"
PIXELS = "root => root.querySelector('canvas.map').toDataURL()"


@pytest.fixture(params=["http", "file"])
def explorer(visit, request):
    page, _ = visit(PAGE, how=request.param)
    root = page.locator(EXPLORER)
    root.wait_for()
    root.scroll_into_view_if_needed()
    return page, root


def readout(root) -> dict[str, str]:
    rows = root.locator("table tr")
    return dict(rows.evaluate_all("rows => rows.map(r => [r.cells[0].innerText, r.cells[1].innerText])"))


def test_sliders_move_map_readout_and_minimum(explorer):
    _, root = explorer
    pictures = {root.evaluate(PIXELS)}
    for name, value in (("alpha", 0.2), ("beta", 2.0), ("r", 2.25)):
        root.evaluate(MOVE, {name: value})
        pictures.add(root.evaluate(PIXELS))
    assert len(pictures) == 4
    assert readout(root)["lowest minimum, from own proxy"] == "2.25"


@pytest.mark.parametrize("view", ["effective", "value"])
def test_marked_minimum_lies_at_r_within_one_cell(visit, view):
    page, _ = visit(PAGE)
    root = page.locator(EXPLORER)
    root.locator(f"input[value={view}]").check()
    root.evaluate(FRAME)
    for alpha, beta, r in itertools.product((0.0, 0.5, 0.95), (1.05, 1.5, 2.5), (0.1, 0.75, 1.4, 2.95)):
        drawn = root.evaluate(MOVE, {"alpha": alpha, "beta": beta, "r": r})
        (minimum,) = drawn["minima"]
        x, y = minimum["point"]
        distance = ((x - 1) ** 2 + y**2) ** 0.5
        assert abs(distance - r) <= drawn["cell"] and x > 1  # behind: away from the other proxy at (−1, 0)


def test_switch_between_value_and_effective_landscape(explorer):
    _, root = explorer
    effective = root.evaluate(PIXELS)
    root.locator("input[value=value]").check()
    root.evaluate(FRAME)
    value = root.evaluate(PIXELS)
    assert value != effective
    # With m = 1 the value inside r does not depend on α, and α has no effect outside: the picture must stand still.
    root.evaluate(MOVE, {"alpha": 0.2})
    assert root.evaluate(PIXELS) == value
    assert "The value does not show it" in root.locator(".verdict").inner_text()


def test_hands_set_a_slider_to_what_it_says(explorer):
    """Keyboard and mouse, to the number; that they work at all is tested for every explorer."""
    page, root = explorer
    slider = root.get_by_label("r, distance where the slope changes")
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("e => e.getAttribute('aria-valuetext') === 'r 1.55'", arg=slider.element_handle())
    page.keyboard.press("Home")
    page.wait_for_function("e => e.getAttribute('aria-valuetext') === 'r 0.00'", arg=slider.element_handle())
    slider = root.get_by_label("alpha, slope inside r")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] / 2, steps=5)
    page.mouse.up()
    page.wait_for_function("e => Number(e.value) > 1.2", arg=slider.element_handle())


def test_steep_pull_keeps_the_minimum_on_the_proxy(explorer):
    _, root = explorer
    root.evaluate(MOVE, {"alpha": 1.3, "beta": 1.5, "r": 1.5})
    assert "own proxy itself" in root.locator(".verdict").inner_text()


def test_arrows_can_be_switched_on(explorer):
    _, root = explorer
    before = root.evaluate(PIXELS)
    root.get_by_text("Arrows:").click()
    root.evaluate(FRAME)
    assert root.evaluate(PIXELS) != before


def test_screen_reader_hears_what_changes(explorer):
    _, root = explorer
    root.evaluate(MOVE, {"r": 0.8})
    said = root.locator("canvas.map").get_attribute("aria-label")
    assert "r 0.80. The minimum lies 0.80 behind the own proxy" in said


def test_classes_are_chosen_dragged_and_made_the_own_one(explorer):
    page, root = explorer
    root.get_by_label("3", exact=True).check()
    root.evaluate(FRAME)
    handles = root.locator("button.handle")
    assert handles.count() == 3
    assert "own class" in handles.nth(0).get_attribute("aria-label")
    assert readout(root)["outward pull at own proxy"] == "0.87"
    handles.nth(1).focus()
    before = root.evaluate(PIXELS)
    page.keyboard.press("ArrowUp")
    root.evaluate(FRAME)
    assert root.evaluate(PIXELS) != before
    page.keyboard.press("Enter")
    root.evaluate(FRAME)
    assert "own class" in handles.nth(1).get_attribute("aria-label")
    assert "own class" not in handles.nth(0).get_attribute("aria-label")


def test_proxies_do_not_meet(explorer):
    page, root = explorer
    handle = root.locator("button.handle").nth(1)
    handle.focus()
    for _ in range(40):
        page.keyboard.press("ArrowRight")
    root.evaluate(FRAME)
    places = root.locator("button.handle").evaluate_all("all => all.map((e) => e.style.left + e.style.top)")
    assert len(set(places)) == 2


def choose(root, preset: str) -> None:
    root.locator("select").select_option(preset)
    root.evaluate(FRAME)


def test_presets_show_one_two_and_the_wrong_minimum(explorer):
    _, root = explorer
    for preset, says in (
        ("plain (Figure 3a)", "A flat valley"),
        ("four classes (Figure 5)", "The only minimum lies at r"),
        ("three classes, α = 0.93", "Two minima: the own proxy, and one at r"),
        ("own among the others", "The only minimum is the own proxy itself"),
    ):
        choose(root, preset)
        assert root.locator(".verdict").inner_text().startswith(says)


def test_field_draws_the_size_of_the_step(explorer):
    _, root = explorer
    before = root.evaluate(PIXELS)
    root.locator("input[value=field]").check()
    root.evaluate(FRAME)
    assert root.evaluate(PIXELS) != before
    assert "size of the training step" in root.locator("canvas.map").get_attribute("aria-label")


# A link is copied on one page and opened on another; where the clipboard is refused the address is shown instead.
COPIED = """async (root) => {
  let written;
  const clipboard = { writeText: async (text) => { written = text; } };
  Object.defineProperty(navigator, "clipboard", { value: clipboard, configurable: true });
  [...root.querySelectorAll("button")].find((e) => e.textContent === "Copy link").click();
  await new Promise((resolve) => setTimeout(resolve));
  return written;
}"""


def test_link_carries_what_was_made(visit):
    page, _ = visit(PAGE)
    root = page.locator(EXPLORER)
    choose(root, "own among the others")
    root.evaluate(MOVE, {"alpha": 0.31, "r": 1.05})
    left = root.locator("button.handle").evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))")
    address = root.evaluate(COPIED)
    assert "landscape=alpha_0.31" in address and address.startswith(page.url.split("?")[0])
    assert root.get_by_role("button", name="Link copied").is_visible()
    page.goto(address)
    root = page.locator(EXPLORER)
    root.wait_for()
    root.scroll_into_view_if_needed()
    root.evaluate(FRAME)
    there = root.locator("button.handle").evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))")
    assert there == left
    assert root.get_by_label("alpha, slope inside r").get_attribute("aria-valuetext") == "α 0.31"


@pytest.mark.parametrize("how", ["http", "file"])
def test_broken_link_leaves_the_default_and_says_so(visit, how):
    page, heard = visit(PAGE, how=how)
    page.goto(page.url + "?landscape=alpha_9~view_%3Cimg%20src=x%20onerror=alert(1)%3E")
    root = page.locator(EXPLORER)
    root.wait_for()
    root.scroll_into_view_if_needed()
    root.evaluate(FRAME)
    assert root.get_by_text("could not be read").is_visible()
    assert root.get_by_label("alpha, slope inside r").get_attribute("aria-valuetext") == "α 0.50"
    assert root.locator("img").count() == 0 and heard.errors == []


def test_address_is_shown_where_the_clipboard_is_refused(explorer):
    _, root = explorer
    root.evaluate("() => Object.defineProperty(navigator, 'clipboard', { value: undefined, configurable: true })")
    shown = root.get_by_label("Link to this setting")
    assert not shown.is_visible()
    root.get_by_role("button", name="Copy link").click()
    assert "?landscape=alpha_0.5" in shown.input_value()
    root.evaluate(MOVE, {"r": 0.8})
    assert not shown.is_visible()

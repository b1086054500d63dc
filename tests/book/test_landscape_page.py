"""What is special to the landscape in its page: the minimum, the two views, the arrows. The rest: test_explorers.py."""

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
    assert readout(root)["minimum behind own proxy"] == "2.25"


@pytest.mark.parametrize("view", ["effective", "value"])
def test_marked_minimum_lies_at_r_within_one_cell(visit, view):
    page, _ = visit(PAGE)
    root = page.locator(EXPLORER)
    root.locator(f"input[value={view}]").check()
    root.evaluate(FRAME)
    for alpha, beta, r in itertools.product((0.0, 0.5, 0.95), (1.05, 1.5, 2.5), (0.1, 0.75, 1.4, 2.95)):
        drawn = root.evaluate(MOVE, {"alpha": alpha, "beta": beta, "r": r})
        x, y = drawn["minimum"]["point"]
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
    root.get_by_text("Arrows").click()
    root.evaluate(FRAME)
    assert root.evaluate(PIXELS) != before


def test_screen_reader_hears_what_changes(explorer):
    _, root = explorer
    root.evaluate(MOVE, {"r": 0.8})
    said = root.locator("canvas.map").get_attribute("aria-label")
    assert "r 0.80. The minimum lies 0.80 behind the own proxy" in said

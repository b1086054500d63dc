"""What is special to the silhouette plot: hands change classes, lines and words follow. On a page of its own."""

from __future__ import annotations

import pytest
import torch

from dmlkit import explorers
from dmlkit.metrics import silhouette_score

pytestmark = pytest.mark.browser

FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"


@pytest.fixture
def opened(visit, tmp_path):
    """The explorer on a bare page: page, root."""

    def open_page(**arguments):
        file = tmp_path / "page.html"
        file.write_text(f"<!doctype html><meta charset=utf-8>{explorers.silhouette_bars(**arguments).html()}", "utf-8")
        page, heard = visit(str(file), how="file")
        root = page.locator(".dml-silhouette_bars")
        root.wait_for()
        assert heard.errors == []
        return page, root

    return open_page


def readout(root) -> dict[str, str]:
    rows = root.locator("table tr")
    return dict(rows.evaluate_all("rows => rows.map(r => [r.cells[0].innerText, r.cells[1].innerText])"))


def test_starts_from_the_first_preset(opened):
    _, root = opened()
    assert root.locator("select").input_value() == "three tight classes"
    assert readout(root)["mean of s"] == "0.767" and readout(root)["negative bars"] == "0 of 12"


def test_enter_and_double_click_give_the_next_class_and_a_click_does_not(opened):
    page, root = opened()
    first, fifth = root.locator("button.handle").nth(0), root.locator("button.handle").nth(4)
    first.focus()
    page.keyboard.press("Enter")
    page.evaluate(FRAMES)
    assert first.get_attribute("aria-label").startswith("point 1, class B")
    assert root.locator(".verdict").inner_text() == "Point 1 is nearer to class A than to its own class B: s < 0."
    assert root.locator("select").input_value() == ""
    assert root.locator("input[value='1']").is_checked()
    fifth.click()
    page.evaluate(FRAMES)
    assert readout(root)["chosen point"] == "5, class B"
    fifth.dblclick()
    page.evaluate(FRAMES)
    assert readout(root)["chosen point"] == "5, class C"


def test_radio_buttons_give_the_chosen_point_a_class(opened):
    page, root = opened()
    root.locator("button.handle").nth(8).focus()
    root.get_by_label("B", exact=True).check()
    page.evaluate(FRAMES)
    assert readout(root)["chosen point"] == "9, class B"


def test_drag_takes_the_point_along(opened):
    page, root = opened()
    handle, canvas = root.locator("button.handle").nth(0), root.locator(".plane canvas")
    handle.scroll_into_view_if_needed()
    box, field = handle.bounding_box(), canvas.bounding_box()
    # To (1, 0), beyond the window's edge after it: the point stays on the plane.
    page.mouse.move(box["x"] + 9, box["y"] + 9)
    page.mouse.down()
    to_x, to_y = field["x"] + 0.75 * field["width"], field["y"] + 0.5 * field["height"]
    page.mouse.move(to_x - 5, to_y - 5, steps=3)
    page.evaluate(FRAMES)
    _, x, y = handle.get_attribute("aria-label").rsplit(" ", 2)
    assert float(x.strip(",")) == pytest.approx(1, abs=0.02) and float(y.replace("−", "-")) == pytest.approx(
        0, abs=0.02
    )
    page.mouse.move(field["x"] + field["width"] + 200, to_y, steps=3)
    page.mouse.up()
    page.evaluate(FRAMES)
    assert ", at 2.00," in handle.get_attribute("aria-label")


def test_shift_takes_larger_steps(opened):
    page, root = opened()
    handle = root.locator("button.handle").nth(0)
    handle.focus()
    for key, label in (("ArrowRight", "at −1.27, 0.55"), ("Shift+ArrowDown", "at −1.27, 0.15")):
        page.keyboard.press(key)
        page.evaluate(FRAMES)
        assert handle.get_attribute("aria-label").endswith(label)


def test_singleton_and_single_class_are_explained(opened):
    page, root = opened()
    root.locator("select").select_option("a singleton")
    root.locator("button.handle").nth(11).focus()
    page.evaluate(FRAMES)
    assert "alone in class C: there is no a, and s = 0" in root.locator(".verdict").inner_text()
    assert readout(root)["a, mean distance to own class"] == "–"
    page, root = opened(points=[(0, 0), (1, 1)], labels=[0, 1])
    root.get_by_label("B", exact=True).check()
    page.evaluate(FRAMES)
    assert root.locator(".verdict").inner_text().startswith("The silhouette needs at least two classes.")
    assert readout(root)["mean of s"] == "–"


def test_numbers_follow_the_distance(opened):
    page, root = opened()
    before = readout(root)["mean of s"]
    root.get_by_label("cosine").check()
    page.evaluate(FRAMES)
    state = explorers.silhouette_bars().state
    expected = silhouette_score(torch.tensor(state["points"]), torch.tensor(state["labels"]), distance="cosine")
    assert readout(root)["mean of s"] == f"{expected:.3f}" != before

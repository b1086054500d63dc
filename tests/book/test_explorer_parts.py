"""Parts of explorers, on a page of their own: logarithmic sliders, Play, points on a circle, the clean end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dmlkit.explorers import host

pytestmark = pytest.mark.browser

FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
OWN = host.FOLDER
STATE = {"scale": 1.0, "count": 5, "turn": 0, "points": [[1.0, 0.0], [0.0, 1.0], [-0.6, -0.8]]}


@pytest.fixture
def opened(visit, tmp_path, monkeypatch):
    """The explorer of demo_explorer.js: page, root, complaints."""

    def open_page(**options):
        folder = tmp_path / "explorers"
        shutil.copytree(OWN, folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        shutil.copy(Path(__file__).parent / "demo_explorer.js", folder)
        monkeypatch.setattr(host, "FOLDER", folder)
        page = tmp_path / "page.html"
        body = host.Explorer("demo_explorer", STATE, b"", "The demo.").html()
        page.write_text(f"<!doctype html><meta charset=utf-8><body>{body}", encoding="utf-8")
        page, heard = visit(str(page), how="file", **options)
        root = page.locator(".dml-demo_explorer")
        root.wait_for()
        return page, root, heard

    return open_page


def turns(root) -> int:
    return int(root.locator("td").inner_text())


def test_all_parts_draw_without_error_on_a_narrow_page(opened):
    for width in (320, 1280):
        _, root, heard = opened(width=width)
        assert heard.errors == []
        assert root.evaluate("e => e.scrollWidth <= e.clientWidth")


def test_logarithmic_slider_moves_in_even_factors(opened):
    page, root, _ = opened()
    slider = root.get_by_label("sigma, scale")
    assert slider.get_attribute("aria-valuetext") == "σ 1"
    slider.focus()
    for _ in range(20):
        page.keyboard.press("ArrowRight")
    page.evaluate(FRAMES)
    assert slider.get_attribute("aria-valuetext") == "σ 10"
    page.keyboard.press("Home")
    page.evaluate(FRAMES)
    assert slider.get_attribute("aria-valuetext") == "σ 0.01"


def test_slider_shows_its_own_digits_and_unit(opened):
    page, root, _ = opened()
    slider = root.get_by_label("n, count")
    slider.press("ArrowRight")
    page.evaluate(FRAMES)
    assert slider.get_attribute("aria-valuetext") == "n 6 points"


def test_play_waits_pauses_and_ends(opened):
    page, root, _ = opened()
    page.wait_for_timeout(200)
    assert turns(root) == 0
    play = root.locator(".player button").first
    seen = root.evaluate("""root => new Promise((done) => {
      const seen = [];
      root.addEventListener("redraw", (event) => { seen.push(event.detail.turn); if (seen.length === 5) done(seen); });
      root.querySelector(".player button").click();
    })""")
    assert seen == [1, 2, 3, 4, 5], "one step a frame, one redraw a step"
    assert play.inner_text() in ("Pause", "Play")
    root.page.wait_for_function("e => e.innerText === '20'", arg=root.locator("td").element_handle())
    assert play.inner_text() == "Play"
    root.get_by_role("button", name="Step").click()
    page.evaluate(FRAMES)
    assert turns(root) == 21


def test_reset_stops_play(opened):
    _, root, _ = opened()
    root.evaluate("""root => new Promise((done) => {
      root.querySelector(".player button").click();
      const reset = () => {
        root.querySelector(".reset").click();
        setTimeout(done, 200);
      };
      root.addEventListener("redraw", reset, { once: true });
    })""")
    assert turns(root) == 0


def test_who_wants_less_motion_gets_steps(opened):
    page, root, _ = opened(reduced_motion="reduce")
    assert [button.is_visible() for button in root.locator(".player button").all()] == [False, True]
    root.get_by_role("button", name="Step").click()
    page.evaluate(FRAMES)
    assert turns(root) == 1


def test_points_stay_on_the_circle(opened):
    page, root, _ = opened()
    handle = root.locator("button.handle").first
    handle.focus()
    for _ in range(12):
        page.keyboard.press("ArrowUp")
        page.evaluate(FRAMES)
    x, y = (
        float(part.replace("−", "-")) for part in handle.get_attribute("aria-label").rsplit(" at ", 1)[1].split(", ")
    )
    assert x**2 + y**2 == pytest.approx(1, abs=0.02) and y > 0.3


def test_a_list_changed_in_place_fails_loudly(opened):
    _, root, _ = opened()
    frozen = root.evaluate(
        """async (root) => {
          const host = root.closest(".dmlkit-explorer");
          const source = host.querySelector("script[type=module]").textContent;
          const make = new Function(`${source.slice(0, source.indexOf("for (const host of"))}; return standInModel;`)();
          const model = make({ points: [[0, 1]] });
          const heard = [];
          model.on("change:points", () => heard.push(JSON.stringify(model.get("points"))));
          model.set("points", [[2, 3]]);
          model.save_changes();
          const refused = [];
          for (const act of [() => model.get("points").push(1), () => (model.get("points")[0][0] = 5)])
            try { (() => { "use strict"; act(); })(); } catch (error) { refused.push(error.name); }
          return [heard, JSON.stringify(model.get("points")), refused[0]];
        }"""
    )
    assert frozen == [["[[2,3]]"], "[[2,3]]", "TypeError"]


def test_end_takes_everything_down(opened):
    page, root, heard = opened()
    live = page.locator(".explorer-live")
    root.locator(".player button").first.click()
    live.evaluate("e => e.takeDown()")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(200)
    assert live.evaluate("e => e.childElementCount") == 0 and heard.errors == []

"""What holds for every explorer in the published page; explorer_list.py says which there are.

It moves by mouse, finger and keyboard, redraws within a frame, comes back on Reset, reads in light and dark on any
width, speaks to a screen reader, and has a stand-in.
"""

from __future__ import annotations

import re
import statistics

import pytest
from built_book import SITE, WIDTHS, written
from explorer_list import PAGES

pytestmark = pytest.mark.browser


@pytest.fixture(params=sorted(PAGES))
def name(request):
    if not (SITE / PAGES[request.param]).exists():
        pytest.fail(
            f"{request.param}: the book has no page {PAGES[request.param]}: run `make book`, or correct the line"
        )
    return request.param


@pytest.fixture(params=["http", "file"])
def how(request):
    return request.param


@pytest.fixture
def show(visit, name):
    """Open the page of an explorer: page, its root on screen, what the page complained of."""

    def opened(**options):
        page, heard = visit(PAGES[name], **options)
        root = page.locator(f".dmlkit-explorer .dml-{name}").first
        root.wait_for(timeout=15_000)
        root.scroll_into_view_if_needed()
        page.evaluate(FRAMES)
        return page, root, heard

    return opened


FRAMES = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"

# Everything that a reader sees change: pixels, and the words of the readout.
LOOK = """root => [
  ...[...root.querySelectorAll("canvas")].map((canvas) => canvas.toDataURL()),
  ...[...root.querySelectorAll("td")].map((cell) => cell.textContent),
]"""

# Do something to each control in turn, as a hand does, and wait for the redraw that follows; "no redraw" is an error.
HANDS = """
  const redrawn = (act, what) => new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no redraw after ${what}`)), 3000);
    root.addEventListener("redraw", (event) => { clearTimeout(late); resolve(event.detail); }, { once: true });
    act();
  });
  const sliders = [...root.querySelectorAll("input[type=range]")];
  const handles = [...root.querySelectorAll("button.handle")];
  const slide = (slider, fraction) => redrawn(() => {
    const [low, high] = [Number(slider.min), Number(slider.max)];
    slider.value = low + fraction * (high - low);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, slider.ariaLabel);
  const push = (handle, key) => redrawn(
    () => handle.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true })),
    handle.ariaLabel,
  );
"""
FAR = "const far = (slider) => (Number(slider.value) - slider.min > (slider.max - slider.min) / 2 ? 0 : 1);"


QUIET = """root => new Promise((done) => {
  root.addEventListener("redraw", () => done(false));
  setTimeout(done, 400, true);
})"""


def look(root) -> list[str]:
    return root.evaluate(LOOK)


def test_starts_and_logs_no_error(show, how):
    _, root, heard = show(how=how)
    assert root.locator("canvas").count() > 0
    assert heard.errors == [] and heard.foreign == []
    assert root.evaluate(QUIET), "nothing may move before the reader asks for it"


def test_every_slider_moves_what_is_shown(show, how):
    _, root, _ = show(how=how)
    for k in range(root.locator("input[type=range]").count()):
        before = look(root)
        root.evaluate(f"async (root, k) => {{ {HANDS} {FAR} await slide(sliders[k], far(sliders[k])); }}", k)
        assert look(root) != before, f"slider {k} changes neither picture nor readout"
        root.get_by_role("button", name="Reset").click()
        root.page.evaluate(FRAMES)


def test_keyboard_moves_every_slider_and_every_handle(show):
    page, root, _ = show()
    for slider in root.locator("input[type=range]").all():
        before = slider.get_attribute("aria-valuetext")
        at_end = slider.evaluate("e => Number(e.value) >= Number(e.max)")
        slider.focus()
        page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        page.evaluate(FRAMES)
        assert slider.get_attribute("aria-valuetext") != before
    for handle in root.locator("button.handle").all():
        before = handle.get_attribute("aria-label")
        handle.focus()
        for key in ("ArrowUp", "ArrowLeft"):
            page.keyboard.press(key)
            page.evaluate(FRAMES)
        assert handle.get_attribute("aria-label") != before


def test_mouse_and_finger_drag_handles_and_sliders(show):
    page, root, _ = show(has_touch=True)
    page.add_style_tag(content="html { scroll-behavior: auto !important; }")
    touch = page.context.new_cdp_session(page)

    def finger(kind: str, *points: tuple[float, float]) -> None:
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    moved = root.locator("input[type=range]").all()[:1] + root.locator("button.handle").all()[-1:]
    for control in moved:
        for by in ("mouse", "finger"):
            control.scroll_into_view_if_needed()
            says = "e => e.getAttribute('aria-valuetext') ?? e.getAttribute('aria-label')"
            before, box = control.evaluate(says), control.bounding_box()
            middle = box["y"] + box["height"] / 2
            if control.evaluate("e => e.matches('.handle')"):
                start = box["x"] + box["width"] / 2
                end = (start + (-40 if by == "mouse" else 25), middle + (-25 if by == "mouse" else 20))
            else:
                start = box["x"] + box["width"] * 0.5
                end = (box["x"] + box["width"] * (0.9 if by == "mouse" else 0.1), middle)
            if by == "mouse":
                page.mouse.move(start, middle)
                page.mouse.down()
                page.mouse.move(*end, steps=4)
                page.mouse.up()
            else:
                finger("touchStart", (start, middle))
                for part in (0.3, 0.6, 1.0):
                    finger("touchMove", (start + part * (end[0] - start), middle + part * (end[1] - middle)))
                finger("touchEnd")
            page.evaluate(FRAMES)
            assert control.evaluate(says) != before, f"{before} does not follow the {by}"


TIMED_MOVES = f"""async (root) => {{ {HANDS} {FAR}
  const canvases = [...root.querySelectorAll("canvas")];
  const read = (canvas) => canvas.getContext("2d").getImageData(0, 0, 1, 1);
  const radios = [...root.querySelectorAll("input[type=radio], input[type=checkbox]")];
  const times = [];
  for (let k = 0; k < 100; k++) {{
    let drawn, began;
    root.addEventListener("redraw", () => {{
      began = performance.now();
      canvases.forEach(read);
      began = performance.now() - began;
    }}, {{ once: true }});
    const movers = [...sliders, ...handles];
    const mover = movers[k % Math.max(1, movers.length)];
    if (!mover) {{
      const radio = radios.filter((one) => !one.checked || one.type === "checkbox")[0];
      drawn = await redrawn(() => radio.click(), "a choice");
    }} else if (mover.matches(".handle")) {{
      drawn = await push(mover, ["ArrowUp", "ArrowLeft", "ArrowDown", "ArrowRight"][Math.floor(k / movers.length) % 4]);
    }} else {{
      const few = (mover.max - mover.min) / mover.step < 58;  // the next fraction may be the same place
      drawn = await slide(mover, few ? far(mover) : ((k * 7) % 59) / 58);
    }}
    times.push(drawn.milliseconds + began);
  }}
  return times;
}}"""


@pytest.mark.timed
def test_redraw_takes_less_than_a_frame(show, name):
    """Median over 100 moves of the whole redraw, until its pixels can be read back: that waits for all drawing."""
    _, root, _ = show()
    times = root.evaluate(TIMED_MOVES)
    assert len(times) == 100
    print(f"{name}: redraw median {statistics.median(times):.1f} ms, largest {max(times):.1f} ms")
    assert statistics.median(times) < 16


# Move everything: sliders, handles, lists, boxes, the last of each group of radio buttons.
MOVE_ALL = f"""async (root) => {{ {HANDS} {FAR}
  for (const slider of sliders) await slide(slider, far(slider));
  for (const handle of handles) await push(handle, "ArrowUp");
  for (const box of root.querySelectorAll("input[type=checkbox]")) await redrawn(() => box.click(), "a checkbox");
  for (const group of root.querySelectorAll("fieldset")) {{
    const others = [...group.querySelectorAll("input[type=radio]:not(:checked)")];
    if (others.length) await redrawn(() => others.at(-1).click(), "a choice");
  }}
}}"""
# A preset that is where the explorer stands changes nothing: a slider moves away from it first.
CHOOSE_ALL = f"""async (root) => {{ {HANDS} {FAR}
  for (const select of root.querySelectorAll("select"))
    for (const option of select.querySelectorAll("option:not([hidden])")) {{
      if (sliders.length) await slide(sliders[0], far(sliders[0]));
      await redrawn(() => {{
        select.value = option.value;
        select.dispatchEvent(new Event("change", {{ bubbles: true }}));
      }}, option.value);
    }}
}}"""
CONTROLS = """root => [...root.querySelectorAll("input, select, button.handle")].map(
  (e) => [e.value, e.checked, e.getAttribute("aria-label"), e.getAttribute("aria-valuetext"), e.style.cssText])"""


def test_reset_returns_to_the_start_pixel_for_pixel(show, how):
    page, root, _ = show(how=how)
    start = look(root), root.evaluate(CONTROLS)
    for moves in (MOVE_ALL, CHOOSE_ALL):
        root.evaluate(moves)
        if moves == MOVE_ALL:
            assert look(root) != start[0]
        root.get_by_role("button", name="Reset").click()
        page.evaluate(FRAMES)
        assert (look(root), root.evaluate(CONTROLS)) == start


def test_ink_follows_the_switch_between_light_and_dark(show):
    page, root, _ = show()
    light = look(root)
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    page.wait_for_timeout(300)
    dark = look(root)
    assert light != dark
    page.evaluate("document.documentElement.dataset.theme = 'light'")
    page.wait_for_timeout(300)
    assert look(root) == light


EDGES = """root => [...root.querySelectorAll("*")].map((e) => e.getBoundingClientRect())
  .filter((box) => box.width > 0).map((box) => [box.left, box.right])"""


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_stands_inside_the_window(show, dark):
    """Loaded on a phone, then on windows that grow: the drawing must follow."""
    page, root, _ = show(width=WIDTHS[0], dark=dark)
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(200)
        edges = root.evaluate(EDGES)
        assert min(left for left, _ in edges) >= 0 and max(right for _, right in edges) <= width, f"{width} pixels"
        assert root.locator("canvas").first.bounding_box()["width"] >= 280, f"{width} pixels"


UNLABELLED = """root => [...root.querySelectorAll("input, select, button, canvas")].filter((e) => {
  const label = e.getAttribute("aria-label") ?? e.closest("label")?.innerText ?? e.innerText;
  return !label?.trim() || (e.matches("canvas") && e.getAttribute("role") !== "img");
}).map((e) => e.outerHTML)"""
SMALL = """root => [...root.querySelectorAll("input[type=range], select, button")].filter((e) => !e.hidden)
  .map((e) => e.getBoundingClientRect()).filter((box) => box.width < 24 || box.height < 24).length"""


def test_screen_reader_finds_a_label_on_everything_and_one_live_region(show):
    _, root, _ = show()
    assert root.evaluate(UNLABELLED) == []
    assert root.locator("[aria-live=polite]").count() == 1
    assert root.locator("[aria-live=polite]").inner_text().strip()
    labels = root.locator("canvas").evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))")
    root.evaluate(MOVE_ALL)
    assert root.locator("canvas").evaluate_all("all => all.map((e) => e.getAttribute('aria-label'))") != labels


def test_targets_are_large_enough_for_a_finger(show):
    """WCAG 2.2, target size: 24 by 24 pixels."""
    _, root, _ = show(width=360, has_touch=True, is_mobile=True)
    assert root.evaluate(SMALL) == 0


def hosts(page, name: str):
    return page.locator(f".dmlkit-explorer[data-explorer={name}]")


def still_and_live(host) -> tuple[bool, bool]:
    return host.locator("img.still").is_visible(), host.locator(".explorer-live").is_visible()


def test_still_picture_stands_in_without_scripts(visit, name):
    page, _ = visit(PAGES[name], java_script_enabled=False)
    assert hosts(page, name).count() > 0
    for host in hosts(page, name).all():
        assert still_and_live(host) == (True, False)
        assert host.locator("img.still").get_attribute("alt")


def test_still_picture_stands_in_for_print(show, name):
    page, _, _ = show()
    host = hosts(page, name).first
    assert still_and_live(host) == (False, True)
    page.emulate_media(media="print")
    assert still_and_live(host) == (True, False)


def test_adds_less_than_60_kilobytes(visit, name):
    page, _ = visit(PAGES[name], java_script_enabled=False)
    size = "all => all.map((e) => new TextEncoder().encode(e.outerHTML).length)"
    sizes = hosts(page, name).evaluate_all(size)
    print(f"{name}: {', '.join(f'{size / 1000:.1f} kB' for size in sizes)}")
    assert 0 < max(sizes) < 60_000


def test_every_explorer_of_the_book_is_tested():
    shown = {
        (name, page)
        for page in written()
        for name in re.findall(r'data-explorer="(\w+)"', (SITE / page).read_text(encoding="utf-8"))
    }
    assert {name for name, _ in shown} == set(PAGES), shown

"""Figures: readable on white and on dark, to the colour-blind and to a screen reader, and alone with their ids."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from dmlkit.plotting import INK, MARKERS, PALETTE, Picture, picture, style

PAGES = {"light": "#ffffff", "dark": "#14181e"}


@pytest.fixture(autouse=True)
def headless():
    backend = mpl.get_backend()
    plt.switch_backend("agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


def drawing(height=4.0, title="Loss"):
    with style():
        figure, axes = plt.subplots()
        axes.plot([1, 2, 3], [3, height, 2], marker="o", label="a line")
        axes.scatter([1, 2], [2, 3], marker="s")
        axes.set_title(title)
        axes.set_xlabel("distance")
        axes.legend()
    return figure


def ids(svg):
    return re.findall(r'\bid="([^"]*)"', svg)


# colours


def luminance(colour):
    """Relative luminance, as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted([luminance(one), luminance(other)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_formula():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize("colour", PALETTE)
def test_every_colour_reads_on_every_page(colour, page):
    """3:1 is what WCAG asks of graphics."""
    assert contrast(colour, page) >= 3


def test_colours_and_markers_differ():
    assert len(set(PALETTE)) == len(PALETTE)
    assert len(set(MARKERS)) == len(MARKERS) >= len(PALETTE)
    assert INK not in PALETTE


# style


def test_style_changes_nothing_outside_its_block():
    before = dict(mpl.rcParams)
    with style():
        assert mpl.rcParams["text.color"] == INK
        assert dict(mpl.rcParams) != before
    assert dict(mpl.rcParams) == before


def test_style_is_undone_by_an_error_too():
    before = dict(mpl.rcParams)
    with pytest.raises(RuntimeError), style():
        raise RuntimeError
    assert dict(mpl.rcParams) == before


def test_picture_leaves_the_settings_too():
    before = dict(mpl.rcParams)
    picture(drawing(), "a line")
    assert dict(mpl.rcParams) == before


# picture


@pytest.mark.parametrize("alt", ["", "  \n"])
def test_alt_text_is_required(alt):
    with pytest.raises(ValueError, match="alt is empty"):
        picture(drawing(), alt)


def test_picture_closes_the_figure():
    figure = drawing()
    picture(figure, "a line")
    assert not plt.fignum_exists(figure.number)


def test_svg_is_an_image_with_a_name():
    alt = 'α < β & "r" > 0 \\1'
    root = ElementTree.fromstring(picture(drawing(), alt).svg)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert root.get("role") == "img"
    assert root.get("aria-label") == alt


def test_svg_stands_inside_a_page():
    svg = picture(drawing(), "a line").svg
    assert svg.startswith("<svg ")
    assert svg.endswith("</svg>")
    assert "<style" not in svg  # it would style the page around it
    assert "<metadata" not in svg
    assert "<!DOCTYPE" not in svg


def test_svg_is_fluid_and_keeps_its_shape():
    figure = drawing()
    width, height = (72 * inches for inches in figure.get_size_inches())
    root = ElementTree.fromstring(picture(figure, "a line").svg)
    assert root.get("width") is None
    assert root.get("height") is None
    assert [float(number) for number in root.get("viewBox").split()] == pytest.approx([0, 0, width, height])
    assert "width: 100%" in root.get("style")
    assert float(re.search(r"max-width: (\d+)px", root.get("style")).group(1)) >= width


def test_ink_takes_the_colour_of_the_text_around():
    svg = picture(drawing(), "a line").svg
    assert INK not in svg
    assert "currentColor" in svg
    assert PALETTE[0] in svg  # and data keep their own


def test_letters_are_outlines():
    """Text would be set in whatever font the reader has, and overlap what Matplotlib placed beside it."""
    root = ElementTree.fromstring(picture(drawing(title="Loss"), "a line").svg)
    assert not list(root.iter("{http://www.w3.org/2000/svg}text"))


def test_ids_of_two_figures_differ():
    one, other = picture(drawing(4.0), "a line").svg, picture(drawing(5.0), "a line").svg
    assert ids(one)
    assert not set(ids(one)) & set(ids(other))


def test_references_meet_their_ids():
    svg = picture(drawing(), "a line").svg
    references = re.findall(r'url\(#([^)]*)\)|href="#([^"]*)"', svg)
    assert references
    assert {a or b for a, b in references} <= set(ids(svg))
    assert len(ids(svg)) == len(set(ids(svg)))


def test_the_same_drawing_gives_the_same_bytes():
    one, other = picture(drawing(), "a line"), picture(drawing(), "a line")
    assert one.svg == other.svg
    assert one.png == other.png


def test_png_is_on_white():
    figure = drawing()
    width, height = figure.get_size_inches()
    pixels = plt.imread(io.BytesIO(picture(figure, "a line").png))
    assert pixels[0, 0].tolist() == [1, 1, 1, 1]
    assert pixels.shape[:2] == pytest.approx((130 * height, 130 * width), abs=1)


def test_a_notebook_gets_svg_png_and_words():
    shown = picture(drawing(), "a line that falls")
    assert isinstance(shown, Picture)
    assert shown._repr_mimebundle_() == {
        "text/html": shown.svg,
        "image/png": base64.b64encode(shown.png).decode(),
        "text/plain": "a line that falls",
    }

"""A cell with sliders: live where a kernel is, a still picture in the page."""

from __future__ import annotations

import sys

import matplotlib.pyplot as plt
import pytest

from dmlkit.interactive import Still, interact
from dmlkit.plotting import Picture, picture, style


@pytest.fixture
def drawn():
    """A function to draw with, and the settings that it was drawn for."""
    settings = []

    def draw(**setting) -> Picture:
        settings.append(setting)
        with style():
            figure, axes = plt.subplots()
            axes.plot([0, 1])
            return picture(figure, "A line.")

    draw.settings = settings
    return draw


def test_page_has_the_picture_of_the_first_setting_and_says_so(drawn, monkeypatch):
    monkeypatch.setenv("DMLKIT_BOOK", "1")
    shown = interact(drawn, temperature=(0.01, 1.0, 0.1), classes=(2, 10, 3), form=["log-sum-exp", "mean"])
    assert drawn.settings == [{"temperature": 0.1, "classes": 3, "form": "log-sum-exp"}]
    bundle = shown._repr_mimebundle_()
    assert set(bundle) == {"text/html", "image/png", "text/plain"}
    assert "temperature = 0.1, classes = 3, form = log-sum-exp" in bundle["text/html"]
    assert "<svg" in bundle["text/html"] and "application/vnd" not in str(bundle.keys())


def test_kernel_has_sliders_that_draw_anew(drawn, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    box = interact(drawn, temperature=(0.01, 1.0, 0.1), classes=(2, 10, 3), form=["log-sum-exp", "mean"])
    temperature, classes, form, _ = box.children
    assert (temperature.value, classes.value, form.value) == (0.1, 3, "log-sum-exp")
    assert (type(classes).__name__, type(form).__name__) == ("IntSlider", "Dropdown")
    temperature.value = 0.5
    form.value = "mean"
    assert drawn.settings[-2:] == [
        {"temperature": 0.5, "classes": 3, "form": "log-sum-exp"},
        {"temperature": 0.5, "classes": 3, "form": "mean"},
    ]


def test_logarithmic_slider_runs_from_lowest_to_highest(drawn, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    slider = interact(drawn, log=["temperature"], temperature=(0.01, 1.0, 0.1)).children[0]
    assert (slider.base**slider.min, slider.base**slider.max) == (pytest.approx(0.01), pytest.approx(1.0))


def test_without_ipywidgets_the_picture_stands_in(drawn, monkeypatch):
    monkeypatch.delenv("DMLKIT_BOOK", raising=False)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    assert isinstance(interact(drawn, temperature=(0.01, 1.0, 0.1)), Still)


@pytest.mark.parametrize(
    ("knobs", "log", "sentence"),
    [
        ({"t": (0.0, 1.0, 2.0)}, (), "^t must begin within its slider, 0 … 1, found 2"),
        ({"t": (1.0, 1.0, 1.0)}, (), "^t must begin within its slider"),
        ({"t": (0.0, 1.0, 0.5)}, ("t",), "^t must stay above 0 on a logarithmic slider"),
        ({"t": ["a", "b"]}, ("t",), "^log must name sliders, found 't'"),
        ({"t": (0.1, 1.0, 0.5)}, ("u",), "^log must name sliders, found 'u'"),
        ({"t": []}, (), "^t must be"),
        ({"t": "abc"}, (), "^t must be"),
        ({"t": (0.0, 1.0)}, (), "^t must be"),
    ],
)
def test_wrong_knobs_are_refused(drawn, knobs, log, sentence):
    with pytest.raises(ValueError, match=sentence):
        interact(drawn, log=log, **knobs)


def test_draw_that_returns_no_picture_is_refused(monkeypatch):
    monkeypatch.setenv("DMLKIT_BOOK", "1")
    with pytest.raises(TypeError, match="^draw must return a Picture, found NoneType"):
        interact(lambda t: None, t=(0.0, 1.0, 0.5))

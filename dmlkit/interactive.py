"""Cells whose numbers can be moved: sliders where a kernel computes, a still picture in the page.

An explorer (`dmlkit.explorers`) works without a kernel, since it computes in the browser. `interact` is for what only
dmlkit itself can compute: a function of Python, drawn anew for every setting.
"""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any

from dmlkit.environment import building_book
from dmlkit.plotting import Picture

# Drawn in less, a picture follows the hand; drawn in more, it waits until the slider is let go.
_FOLLOWS_THE_HAND = 0.15

Knob = tuple[float, float, float] | Sequence[str]


def interact(draw: Callable[..., Picture], *, log: Sequence[str] = (), **knobs: Knob) -> Any:
    """Show a picture with a slider for each of its settings; in the built book, the picture for the first setting.

    Args:
        draw: called with one keyword a knob; returns a `Picture`.
        log: knobs whose sliders move in even steps of the logarithm.
        **knobs: name → (lowest, highest, first) for a slider, of whole numbers if all three are, or a list of texts
            for a menu that begins with the first.

    Returns:
        What a notebook shows as the last line of a cell.

    Raises:
        ValueError: a slider whose first value lies outside it, a logarithmic one that reaches 0, an empty menu, or a
            name in `log` that is no slider.

    Example:
        >>> from dmlkit.plotting import picture, style
        >>> import matplotlib.pyplot as plt
        >>> def line(slope):
        ...     with style():
        ...         figure, axes = plt.subplots()
        ...         axes.plot([0, 1], [0, slope])
        ...         return picture(figure, f"A line of slope {slope:g}.")
        >>> shown = interact(line, slope=(0.0, 2.0, 1.0))

    Used in the chapters on the silhouette.
    """
    first = {name: _first(name, knob, name in log) for name, knob in knobs.items()}
    for name in log:
        if name not in knobs or isinstance(first[name], str):
            raise ValueError(f"log must name sliders, found {name!r}")
    if building_book():
        return Still(draw(**first), first)
    try:
        import ipywidgets
    except ImportError:  # the picture alone is better than none
        return Still(draw(**first), first)
    return _with_sliders(ipywidgets, draw, first, knobs, log)


class Still:
    """A picture for one setting, with a line that says which, and that a kernel has sliders for it."""

    def __init__(self, shown: Picture, setting: Mapping[str, Any]) -> None:
        if not isinstance(shown, Picture):
            raise TypeError(f"draw must return a Picture, found {type(shown).__name__}: end it in picture(figure, alt)")
        self.shown = shown
        values = ", ".join(f"{name} = {_text(value)}" for name, value in setting.items())
        self.text = f"Drawn for {values}. In Colab or Jupyter this cell has sliders."

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.shown._repr_mimebundle_()
        caption = f'<p class="dmlkit-still-note">{html.escape(self.text)}</p>'
        return {
            **bundle,
            "text/html": f"<div>{bundle['text/html']}{caption}</div>",
            "text/plain": f"{bundle['text/plain']} {self.text}",
        }


def _first(name: str, knob: Knob, log: bool) -> Any:
    """The value that a knob begins with."""
    if isinstance(knob, str) or not len(knob):
        raise ValueError(f"{name} must be (lowest, highest, first) or a list of texts, found {knob!r}")
    if all(isinstance(value, str) for value in knob):
        return knob[0]
    if len(knob) != 3 or any(isinstance(value, str) for value in knob):
        raise ValueError(f"{name} must be (lowest, highest, first) or a list of texts, found {knob!r}")
    low, high, first = knob
    if not low <= first <= high or low == high:
        raise ValueError(f"{name} must begin within its slider, {low:g} … {high:g}, found {first:g}")
    if log and low <= 0:
        raise ValueError(f"{name} must stay above 0 on a logarithmic slider, found {low:g}")
    return first


def _text(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}"


def _with_sliders(
    ipywidgets: Any,
    draw: Callable[..., Picture],
    first: Mapping[str, Any],
    knobs: Mapping[str, Knob],
    log: Sequence[str],
) -> Any:
    from IPython.display import clear_output, display

    began = time.perf_counter()
    shown = draw(**first)
    follows = time.perf_counter() - began < _FOLLOWS_THE_HAND
    wide = {"style": {"description_width": "initial"}, "layout": {"width": "28em", "max_width": "95%"}}

    def control(name: str) -> Any:
        knob, what = knobs[name], {"description": name.replace("_", " "), "value": first[name], **wide}
        if isinstance(first[name], str):
            return ipywidgets.Dropdown(options=list(knob), **what)
        low, high, _ = knob
        what["continuous_update"] = follows
        if name in log:
            return ipywidgets.FloatLogSlider(min=log10(low), max=log10(high), step=0.02, readout_format=".3g", **what)
        if all(isinstance(value, int) for value in knob):
            return ipywidgets.IntSlider(min=low, max=high, **what)
        return ipywidgets.FloatSlider(min=low, max=high, step=(high - low) / 100, readout_format=".3g", **what)

    controls = {name: control(name) for name in knobs}
    place = ipywidgets.Output()
    with place:
        display(shown)

    def redraw(_: Any = None) -> None:
        with place:
            clear_output(wait=True)
            display(draw(**{name: control.value for name, control in controls.items()}))

    for one in controls.values():
        one.observe(redraw, names="value")
    return ipywidgets.VBox([*controls.values(), place])

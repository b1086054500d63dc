"""The host with a kernel: an anywidget made from an explorer's module and state. Needs anywidget."""

from __future__ import annotations

from typing import Any

import anywidget
import traitlets

_TRAITS = {
    bool: traitlets.Bool,
    float: traitlets.Float,
    int: traitlets.Int,
    str: traitlets.Unicode,
    list: traitlets.List,
}


def widget(name: str, esm: str, state: dict[str, Any]) -> anywidget.AnyWidget:
    """An AnyWidget with one synchronised attribute for each entry of `state`.

    Of a list only a new one is noticed: `w.points = [*w.points[:-1], [0, 1]]`, not `w.points[-1] = [0, 1]`.
    """
    traits = {key: _TRAITS[type(value)](value).tag(sync=True) for key, value in state.items()}
    return type(name.capitalize(), (anywidget.AnyWidget,), {"_esm": esm, **traits})()

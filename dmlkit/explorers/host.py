"""One explorer, two hosts: a live widget where a kernel and anywidget are there, a self-contained page otherwise."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dmlkit.environment import building_book

FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./([a-z_]+\.js)";\n', re.MULTILINE)
_CSS = """
.dmlkit-explorer img.still { max-width: 100%; height: auto; }
.dmlkit-explorer.is-live img.still, .dmlkit-explorer:not(.is-live) .explorer-live { display: none; }
@media print {
  .dmlkit-explorer.is-live img.still { display: block; }
  .dmlkit-explorer.is-live .explorer-live { display: none; }
}
"""


def bundle(name: str) -> str:
    """The explorer `name`.js as one ES module: the files that it imports from beside it stand in it, once each.

    A page opened from a disk may not import one file from another, and anywidget takes one source; so the parts are
    joined here. They share one scope: names must differ, and the browser refuses the module if two do not.
    """
    parts: dict[str, str] = {}

    def add(file: str) -> None:
        if file in parts:
            return
        source = (FOLDER / file).read_text(encoding="utf-8")
        for imported in _IMPORT.findall(source):
            add(imported)
        parts[file] = _IMPORT.sub("", source)

    add(f"{name}.js")
    own = parts.pop(f"{name}.js")
    shared = re.sub(r"^export ", "", "\n".join(parts.values()), flags=re.MULTILINE)
    return f"{shared}\n{own}"


def check_on_slider(name: str, value: float, low: float, high: float) -> None:
    """Require a starting value that the explorer's slider can show; NaN is refused, too.

    Raises:
        ValueError: outside.
    """
    if not low <= value <= high:
        raise ValueError(f"{name} must lie on its slider, in {low:g} … {high:g}, found {value:g}")


@dataclass(frozen=True)
class Explorer:
    """What a notebook cell shows: `_repr_mimebundle_` picks the host at the moment of display.

    Attributes:
        name: of the ES module beside this file.
        state: what the module's model starts from: numbers, texts, booleans, and lists of numbers or of such lists
            (points of the plane: `[[x, y], …]`). A list is replaced, never changed in place: on either side only a new
            list is a change that others hear of.
        still: PNG that stands in where scripts are off, in print and in a PDF.
        alt: what the still picture shows, in words.
    """

    name: str
    state: dict[str, Any]
    still: bytes
    alt: str

    def widget(self) -> Any:
        """A live widget whose attributes follow the reader's hand: `w = explorer.widget(); w; w.alpha`.

        Raises:
            ImportError: anywidget is not installed.
        """
        from dmlkit.explorers.live import widget

        return widget(self.name, bundle(self.name), self.state)

    def html(self) -> str:
        """Everything in one piece of HTML: the still picture, the module, a stand-in for the kernel.

        The module travels deflated, at about a third of its size; static.js inflates it. In base64 nothing in it can
        end the script element, either.
        """
        picture = base64.b64encode(self.still).decode()
        source = base64.b64encode(zlib.compress(bundle(self.name).encode(), level=9)).decode()
        start = (FOLDER / "static.js").read_text(encoding="utf-8")
        state = html.escape(json.dumps(self.state))
        return (
            f'<div class="dmlkit-explorer" data-explorer="{self.name}" data-state="{state}">'
            f"<style>{_CSS}</style>"
            f'<img class="still" alt="{html.escape(self.alt)}" src="data:image/png;base64,{picture}">'
            '<div class="explorer-live"></div>'
            f'<script type="text/plain" class="explorer-source">{source}</script>'
            f'<script type="module">{start}</script>'
            "</div>"
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        if not building_book():
            try:
                return self.widget()._repr_mimebundle_(include=include, exclude=exclude)
            except ImportError:
                pass  # without anywidget the page form works in a notebook too; only Python cannot read the sliders
        return {
            "text/html": self.html(),
            "image/png": base64.b64encode(self.still).decode(),
            "text/plain": f"<Explorer {self.name}>",
        }

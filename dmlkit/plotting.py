"""Figures with one style that read in light and dark, to the colour-blind, and to a screen reader."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito's colours for the colour-blind, darkened or lightened until each has contrast on white and on black.
PALETTE = ("#1f83c1", "#cf6a12", "#159a74", "#c2649b", "#8a7a1f", "#4493b8", "#b5543c", "#7a7a7a")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")
# Text, ticks and spines are drawn in this ink; in a page it becomes the colour of the text around the figure.
INK = "#010203"

_STYLE = {
    "figure.figsize": (5.4, 3.4),
    "figure.dpi": 100,
    "figure.facecolor": "none",
    "figure.constrained_layout.use": True,
    "axes.facecolor": "none",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": "medium",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": mpl.cycler(color=PALETTE),
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "font.size": 10.0,
    "font.family": "sans-serif",
    "svg.fonttype": "path",  # letters as outlines: the layout holds with every reader's fonts
    "svg.hashsalt": "dmlkit",
}


def style() -> AbstractContextManager:
    """The book's style, for a `with` block: nothing outside it changes.

    Example:
        >>> with style():
        ...     figure, axes = plt.subplots()
        >>> plt.close(figure)
    """
    return mpl.rc_context(_STYLE)


@dataclass(frozen=True)
class Picture:
    """A finished figure: SVG that takes the colours of the page, PNG on white for PDF and print, words for the rest."""

    svg: str
    png: bytes
    alt: str

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return {
            "text/html": self.svg,
            "image/png": base64.b64encode(self.png).decode(),
            "text/plain": self.alt,
        }


def picture(figure: Figure, alt: str) -> Picture:
    """Turn a Matplotlib figure into a `Picture` and close it; as the last line of a cell it shows itself.

    Args:
        figure: drawn in `style()`; its ink follows the page's text, so it reads in light and dark.
        alt: what the figure shows, for who cannot see it: the point, not "a plot".

    Raises:
        ValueError: no alt text.

    Used in every chapter.
    """
    if not alt.strip():
        raise ValueError("alt is empty: say in words what the figure shows")
    with mpl.rc_context(_STYLE):
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
        pixels = io.BytesIO()
        figure.savefig(pixels, format="png", dpi=130, facecolor="white")
    plt.close(figure)
    return Picture(_inline_svg(text.getvalue(), alt), pixels.getvalue(), alt)


def _inline_svg(svg: str, alt: str) -> str:
    """One <svg> to stand inside a page: fluid, labelled, in the page's ink, its ids unlike those of other figures."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    # Matplotlib's style sheet says * {…}: inside a page it would reach every element. The root's own style does.
    svg = re.sub(r'<style type="text/css">.*?</style>', "", svg, flags=re.DOTALL)
    prefix = "f" + hashlib.sha256(svg.encode()).hexdigest()[:8]
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'href="#', f'href="#{prefix}-', svg)
    svg = svg.replace(INK, "currentColor")
    width = re.search(r'width="([\d.]+)pt"', svg).group(1)
    opening = f'<svg role="img" aria-label="{html.escape(alt)}" class="dmlkit-figure" '
    svg = re.sub(r'^<svg([^>]*?) width="[\d.]+pt"', r"<svg\1", svg)
    svg = re.sub(r'^<svg([^>]*?) height="[\d.]+pt"', r"<svg\1", svg)
    # A figure of 5.4 inches fills the text column of a wide screen, and its letters are still legible on a phone.
    css = f"width: 100%; max-width: {float(width) * 1.6:.0f}px; height: auto; stroke-linejoin: round"
    return svg.replace("<svg ", f'{opening}style="{css}" ', 1).strip()

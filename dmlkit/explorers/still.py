"""Still pictures of explorers: what stands in where scripts are off, in print and in a PDF."""

from __future__ import annotations

import io

from matplotlib.figure import Figure
from PIL import Image


def small_png(figure: Figure, *, colours: int = 48, dpi: int = 80) -> bytes:
    """A figure as a PNG of few colours, on white, since it travels inside the page: 10 to 20 kB.

    Args:
        figure: a `Figure` of its own, not pyplot's: showing an explorer must not touch the notebook's current figure.
        colours: of the PNG's palette.
        dpi: pixels per inch; a figure of 6.4 inches is then as wide as 512 pixels.
    """
    full, small = io.BytesIO(), io.BytesIO()
    figure.savefig(full, format="png", dpi=dpi, facecolor="white")
    Image.open(full).convert("RGB").quantize(colours, dither=Image.Dither.NONE).save(small, format="png", optimize=True)
    return small.getvalue()

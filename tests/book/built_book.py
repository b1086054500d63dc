"""Where the built book lies, which pages it has, and on which windows it is read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
SITE = ROOT / "_build/html"

# A phone, a tablet and a laptop, in pixels.
WIDTHS = (360, 768, 1280)


def pages() -> list[str]:
    """Every page of the built book, as paths below its root."""
    return sorted(p.relative_to(SITE).as_posix() for p in SITE.rglob("*.html") if "_static" not in p.parts)


def chapters() -> list[str]:
    """The pages that come from notebooks."""
    return [page for page in pages() if (ROOT / page).with_suffix(".ipynb").exists()]


def written() -> list[str]:
    """The pages of the table of contents: chapters, and what the appendix has in Markdown."""
    return [page for page in pages() if any((ROOT / page).with_suffix(kind).exists() for kind in (".ipynb", ".md"))]

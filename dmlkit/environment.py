"""Where the code runs: in the book's build, or in a reader's own session."""

from __future__ import annotations

import os


def building_book() -> bool:
    """True while the book is built: the build sets DMLKIT_BOOK=1, so that figures and explorers print themselves
    as they must stand in a static page, and progress bars keep silent."""
    return os.environ.get("DMLKIT_BOOK") == "1"

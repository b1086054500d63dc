"""Where data lies on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from platformdirs import user_cache_path


def data_root() -> Path:
    """Where every data set is prepared: `DMLKIT_DATA`, else `dmlkit` in the platform's cache folder."""
    named = os.environ.get("DMLKIT_DATA")
    return Path(named).expanduser().absolute() if named else user_cache_path("dmlkit", appauthor=False)


def packs_folder() -> Path | None:
    """The folder `DMLKIT_PACKS` with small packs of real images (chapter "The benchmarks"), or None."""
    named = os.environ.get("DMLKIT_PACKS")
    return Path(named).expanduser().absolute() if named else None

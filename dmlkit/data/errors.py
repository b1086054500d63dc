"""What goes wrong with data on the way to an experiment."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path


class DataError(RuntimeError):
    """One sentence: what is wrong with the data, and what to do."""


def disk_is_full(error: OSError) -> bool:
    """True where a write failed because the disk, or the user's share of it, has no room left."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def check_room(folder: Path, needed: int) -> None:
    """Require room for `needed` bytes on the disk that holds `folder`.

    Raises:
        DataError: there is less; it says how much is needed and how much is free.
    """
    if shutil.disk_usage(folder).free < needed:
        raise full_disk(folder, needed)


def full_disk(folder: Path, needed: int | None = None) -> DataError:
    """The error for a disk without room for `needed` more bytes (None: nobody knows how many), ready to be raised."""
    free = f"{shutil.disk_usage(folder).free:,} bytes are free"
    room = f"{free}, more are needed" if needed is None else f"{needed:,} bytes are needed, {free}"
    return DataError(f"the disk of {folder} is full: {room}; make room and run again")

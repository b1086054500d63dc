"""A lock between processes: one prepares a file, the others wait for it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dmlkit.data.errors import DataError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

_PAUSE = 0.05  # seconds between two looks at a lock that another holds


def _try_lock(lock: Path) -> int | None:
    """The open and locked file, or None where another holds it."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        if os.name == "nt":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            return descriptor
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # The one before may have deleted the name between our open and our lock: then we hold a lock nobody looks at.
        if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
            return descriptor
    except (BlockingIOError, PermissionError, FileNotFoundError):
        pass
    except OSError as error:
        os.close(descriptor)
        raise DataError(f"{lock} cannot be locked ({error.strerror}): choose a folder on another disk") from error
    os.close(descriptor)
    return None


def _release(descriptor: int, lock: Path) -> None:
    if os.name == "nt":
        # The empty file stays: Windows cannot delete it while another process looks at it.
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)
    else:
        # While the lock is still ours, so that nobody's name but our own goes.
        lock.unlink(missing_ok=True)
        # Said, not left to close(): a forked child may hold the same open file for long.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
    os.close(descriptor)


@contextmanager
def locked(path: str | Path, timeout: float | None = None) -> Iterator[None]:
    """Hold the lock of `path`, the file `<path>.lock` beside it, as long as the block runs.

    The lock is the kernel's (`flock`, on Windows `LockFile`), so it goes with the process that holds it, however that
    ends. It is not re-entrant: whoever asks for a lock that the same process holds waits for itself.

    Args:
        path: what the lock is for; it need not exist, its folder must.
        timeout: seconds to wait while another process or thread holds it; None waits as long as it takes.

    Raises:
        DataError: not free in time, or a file system without locks.
        OSError: the folder is not there or cannot be written.
    """
    path = Path(path)
    lock = path.with_name(f"{path.name}.lock")
    until = None if timeout is None else time.monotonic() + timeout
    while (descriptor := _try_lock(lock)) is None:
        if until is not None and time.monotonic() >= until:
            raise DataError(f"another process has held {lock} for {timeout:g} s: wait until it has ended and run again")
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        _release(descriptor, lock)

"""Where the code runs: in the book's build or in a reader's own session, from which commit, in how much memory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import torch


def building_book() -> bool:
    """True while the book is built: the build sets DMLKIT_BOOK=1, so that figures and explorers print themselves
    as they must stand in a static page, and progress bars keep silent."""
    return os.environ.get("DMLKIT_BOOK") == "1"


def source_code() -> dict[str, Any]:
    """The commit that dmlkit runs from, and whether its files differ from it; empty where it is not a checkout."""
    here = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # Installed into an environment inside another project, dmlkit would be given that project's commit.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        return {}
    return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}


def peak_memory(device: torch.device) -> float:
    """The most memory that this process has held, in MB: on the device where that is a GPU, else on the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if os.uname().sysname == "Darwin" else peak / 2**10  # macOS counts bytes, Linux kilobytes

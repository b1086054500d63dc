"""Where the code runs: in the book's build or in a reader's own session, from which commit, in how much memory."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Any

import torch

import dmlkit


def building_book() -> bool:
    """True while the book is built: the build sets DMLKIT_BOOK=1, so that figures and explorers print themselves
    as they must stand in a static page, and progress bars keep silent."""
    return os.environ.get("DMLKIT_BOOK") == "1"


def describe() -> str:
    """Versions and device in two lines, for the first cell of a chapter that reports numbers.

    The device is the one that `dmlkit.training.run` takes where none is named.

    Example:
        >>> print(describe())  # doctest: +ELLIPSIS
        Python ..., torch ..., torchvision ..., dmlkit ...
        ...
    """
    try:
        torchvision = version("torchvision")  # importing it takes a second
    except PackageNotFoundError:
        torchvision = "not installed"
    versions = {"torch": torch.__version__, "torchvision": torchvision, "dmlkit": dmlkit.__version__}
    named = ", ".join(f"{name} {number}" for name, number in versions.items())
    return f"Python {platform.python_version()}, {named}\n{_device_in_words()}"


def _device_in_words() -> str:
    if torch.cuda.is_available():
        found = torch.cuda.get_device_properties(torch.cuda.current_device())
        return f"{found.name}, {found.total_memory / 2**30:.0f} GiB"
    threads = torch.get_num_threads()
    return f"CPU, {threads} thread{'s' * (threads != 1)}"


def installed_from() -> dict[str, Any]:
    """What pip noted of where dmlkit came from (direct_url.json); {} where it came from an index or no pip."""
    try:
        text = distribution("dmlkit").read_text("direct_url.json")
        noted = json.loads(text) if text else {}
    except (PackageNotFoundError, ValueError):
        return {}
    return noted if isinstance(noted, dict) and isinstance(noted.get("url"), str) else {}


def source_code() -> dict[str, Any]:
    """The commit that dmlkit runs from, and whether its files differ from it.

    In a checkout git says so. Where pip installed it from the repository, as in Colab, pip's note has the commit, and
    installed files are those of it. Empty where neither knows.
    """
    here = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    # Installed into an environment inside another project, dmlkit would be given that project's commit.
    if git("ls-files", "--error-unmatch", Path(__file__).name) is None:
        commit = installed_from().get("vcs_info", {}).get("commit_id")
        return {"commit": commit, "changed": False} if commit else {}
    return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain", "--", "."))}


def cores() -> int:
    """How many processor cores this process may use: in a container fewer than the machine has."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        return os.cpu_count() or 1


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

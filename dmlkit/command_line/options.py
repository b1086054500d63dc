"""What several commands share: numbers and devices as arguments, and what is printed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from typing import TextIO

HEADLINES = ("top-1", "R@1", "MAP@R", "NMI")


def say(text: str, file: TextIO | None = None) -> None:
    """Print at once, of several processes from the first one only."""
    if os.environ.get("RANK", "0") == "0":
        print(text, file=sys.stdout if file is None else file, flush=True)


def whole_number(least: int) -> Callable[[str], int]:
    """The type of an argument that is a whole number, at least `least`."""

    def read(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number, at least {least}, found {text!r}")
        return int(text)

    return read


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Where data is, what computes, and how images are read."""
    parser.add_argument("--root", metavar="DIR", help="where data sets are prepared (default: as DMLKIT_DATA says)")
    parser.add_argument("--device", metavar="D", help="cpu, cuda, mps … (default: a GPU where there is one)")
    parser.add_argument(
        "--workers", type=whole_number(0), metavar="N", help="processes that read images (default: cores, on a CPU 0)"
    )


def check_device(name: str | None) -> None:
    """Require a device that torch knows and this machine has.

    Raises:
        ValueError: neither.
    """
    if name is None:
        return
    import torch

    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as fault:
        raise ValueError(f"device {name!r} cannot be used here: {str(fault).splitlines()[0]}") from None


def headlines(metrics: Mapping[str, float]) -> dict[str, float]:
    """The few metrics that tell how a run went; all where none of them is there."""
    return {name: value for name, value in metrics.items() if name in HEADLINES or name.endswith(" accuracy")} or dict(
        metrics
    )

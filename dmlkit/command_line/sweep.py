"""`sweep`: one number of a loss at a time, all else as it was, into one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dmlkit.command_line.options import say

HELP = "one number of a loss at a time: temperatures, weights, the warp, the size of a batch"

EPILOG = """\
a worked example, without any data:
  python -m dmlkit sweep digits --sweeps "SupCon temperature" "WarpedSoftmax r" --out sweeps

  A linear head is trained with every value over three seeds; all else is the loss's default, and every value sees the
  same batches. sweeps/digits.json has the measures of each seed on the test classes; the same line goes on where it
  was interrupted, and several lines with sweeps of their own may share the file.

networks instead of heads, every sweep:
  python -m dmlkit sweep cub50 omniglot --networks --out sweeps/networks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="data sets; a wrong one is told which there are")
    parser.add_argument("--networks", action="store_true", help="each value trains a network, see below")
    parser.add_argument("--sweeps", metavar="SWEEP", nargs="+", help="of dmlkit.comparison.SWEEPS (default: all)")
    parser.add_argument("--seeds", metavar="N", type=int, default=3, help="trainings of each value (default: 3)")
    parser.add_argument("--out", metavar="DIR", default="sweeps", help="where the files are kept (default: sweeps)")
    parser.add_argument("--root", metavar="DIR", help="where data sets are prepared (default: as DMLKIT_DATA says)")


def main(arguments: argparse.Namespace) -> int:
    """Make or finish the sweeps of each data set; print where each curve is lowest, highest and by default."""
    from dmlkit.comparison import SWEEPS, images, rows, sweep

    read = images if arguments.networks else rows
    for name in arguments.names:
        found = sweep(
            read(name, root=arguments.root),
            Path(arguments.out) / f"{name}.json",
            names=arguments.sweeps or SWEEPS,
            seeds=arguments.seeds,
            progress=None if sys.stderr.isatty() else False,
        )
        for asked in arguments.sweeps or SWEEPS:
            say(f"{name}, {asked}: {_told(found.curve(asked), found.sweeps[asked]['default'])}")
    return 0


def _told(curve: dict[float, list[float]], default: float) -> str:
    """The curve in a few words."""
    means = {value: sum(runs) / len(runs) for value, runs in curve.items()}
    if not means:
        return "every value diverged"
    low, high = min(means, key=means.get), max(means, key=means.get)
    by_default = f"{means[default]:.3f}" if default in means else "diverged"
    return f"MAP@R {means[low]:.3f} at {low:g} to {means[high]:.3f} at {high:g}, by default ({default:g}) {by_default}"

"""`study`: every loss under one protocol with one budget, into one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dmlkit.command_line.options import say

HELP = "compare losses by searches of equal budget, on fixed features or with networks that train"

EPILOG = """\
a worked example, without any data:
  python -m dmlkit study digits --losses NormSoftmax SupCon --out studies

  A linear head is trained by each loss on the rows of a data set: the pixels of digits, else the features of a frozen
  MobileNetV2, computed once. Of each loss sixteen settings are tried, the best one on held-out classes is trained over
  five seeds. studies/digits.json has it all; the same line goes on where it was interrupted. All losses take about a
  quarter of an hour of one processor core.

networks instead of heads: four settings and three seeds of each loss
  python -m dmlkit study cub50 cars98 omniglot --networks --out studies/networks
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("names", metavar="NAME", nargs="+", help="data sets; a wrong one is told which there are")
    parser.add_argument("--networks", action="store_true", help="each loss trains a network, see below")
    parser.add_argument("--losses", metavar="LOSS", nargs="+", help="of dmlkit.comparison.CANDIDATES (default: all)")
    parser.add_argument("--out", metavar="DIR", default="studies", help="where the files are kept (default: studies)")
    parser.add_argument("--root", metavar="DIR", help="where data sets are prepared (default: as DMLKIT_DATA says)")


def main(arguments: argparse.Namespace) -> int:
    """Make or finish a study of each data set; print the three best losses of each."""
    from dmlkit.comparison import CANDIDATES, images, rows, study
    from dmlkit.records import estimate

    read = images if arguments.networks else rows
    for name in arguments.names:
        found = study(
            read(name, root=arguments.root),
            Path(arguments.out) / f"{name}.json",
            names=arguments.losses or CANDIDATES,
            progress=None if sys.stderr.isatty() else False,
        )
        finals = {loss: estimate(values) for loss, values in found.finals().items()}
        best = sorted(finals, key=lambda loss: -finals[loss].mean)[:3]
        start = found.baselines["first head"]["MAP@R"]
        say(f"{name}: MAP@R {', '.join(f'{loss} {finals[loss]}' for loss in best)}; untrained {start:.3f}")
    return 0

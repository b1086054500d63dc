"""`faces`: every loss trains on eight of LFW's ten folds and verifies another, into one file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from dmlkit.command_line.options import say

HELP = "train with every loss on eight of LFW's ten folds, and verify pairs of people that it never saw"

EPILOG = """\
a worked example; it needs the images of lfw-a-96 and the weights of the pack's MobileNetV2:
  python -m dmlkit faces --losses NormSoftmax SupCon --out studies

  Up to sixteen trainings a loss, of the late layers of the network: eight choose a learning rate, for either half of
  the folds in the other one. Each tests a fold of pairs whose people it has not seen, with a threshold that another
  such fold chooses.
  studies/lfw-a-96.json has the measures of every fold; the same line goes on where it was interrupted, and several
  lines with losses of their own may share the file.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument(
        "--losses", metavar="LOSS", nargs="+", help="of dmlkit.comparison.CANDIDATES (default: FACE_LOSSES there)"
    )
    parser.add_argument("--out", metavar="DIR", default="studies", help="where the file is kept (default: studies)")
    parser.add_argument("--root", metavar="DIR", help="where data sets are prepared (default: as DMLKIT_DATA says)")


def main(arguments: argparse.Namespace) -> int:
    """Make or finish the study; print the accuracy of each loss that was asked for, and without training."""
    from dmlkit.comparison import FACE_LOSSES, face_pairs, face_study

    names = arguments.losses or FACE_LOSSES
    data = face_pairs(root=arguments.root)
    found = face_study(
        data,
        Path(arguments.out) / f"{data.name}.json",
        names=names,
        progress=None if sys.stderr.isatty() else False,
    )
    accuracies = found.folds()
    for name in ("rows", "first head", *names):
        if name in accuracies:
            mean = sum(accuracies[name]) / len(accuracies[name])
            say(f"{data.name}, {name}: accuracy {mean:.3f}, {min(accuracies[name]):.3f} … {max(accuracies[name]):.3f}")
        else:
            say(f"{data.name}, {name}: {found.losses[name]['reason']}")
    return 0

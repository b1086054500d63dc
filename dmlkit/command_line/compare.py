"""`compare`: the records below a folder beside published numbers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from dmlkit.command_line.options import headlines

if TYPE_CHECKING:
    from dmlkit.records import RunRecord

HELP = "print records beside published numbers, as Markdown"

EPILOG = """\
a worked example, in a checkout of the book:
  python -m dmlkit train cub200 --recipe warped_softmax --scale full --seeds 5
  python -m dmlkit compare runs --published book/published --metric R@1

  Each published method is a row; a full run of its recipe stands beside it as mean ± 95 % interval over seeds.
  Runs at a smaller scale, on miniatures or on stand-ins are never put beside a published number: they follow in
  a table of their own.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("folder", metavar="FOLDER", help="every record.json below it is read")
    parser.add_argument("--published", metavar="PATH", help="a CSV of published numbers, or a folder of them")
    parser.add_argument("--metric", metavar="NAME", help="e.g. R@1 (default: top-1 or R@1, as each run has it)")
    parser.add_argument("--best", action="store_true", help="take the epoch that each run chose, not its last one")


def main(arguments: argparse.Namespace) -> int:
    """Print a table for each metric."""
    from dmlkit.published import read_published
    from dmlkit.records import compare, load_all

    published = [] if arguments.published is None else read_published(arguments.published)
    runs = load_all(arguments.folder)
    if not runs:
        raise ValueError(f"no record.json below {arguments.folder}: `python -m dmlkit train` writes them")
    by_metric: dict[str, list[RunRecord]] = {}
    for run in runs:
        metric = arguments.metric or next(iter(headlines(run.metrics)), "R@1")
        by_metric.setdefault(metric, []).append(run)
    epoch = "best" if arguments.best else "last"
    print("\n\n".join(compare(published, group, metric, epoch=epoch) for metric, group in by_metric.items()))
    return 0

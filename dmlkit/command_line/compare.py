"""`compare`: the records and studies below a folder as tables, beside published numbers."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dmlkit.command_line.options import HEADLINES, headlines

if TYPE_CHECKING:
    from dmlkit.records import RunRecord

HELP = "print records and studies as Markdown, beside published numbers"

EPILOG = """\
a worked example, in a checkout of the book:
  python -m dmlkit train cub200 --recipe warped_softmax --scale full --seeds 5
  python -m dmlkit compare runs --published book/published --metric R@1

  Each published method is a row; a full run of its recipe stands beside it as mean ± 95 % interval over seeds.
  Runs at a smaller scale, on miniatures or on stand-ins are never put beside a published number: they follow in
  a table of their own.

all that the book has recorded:
  python -m dmlkit compare book/runs book/studies
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("folders", metavar="FOLDER", nargs="+", help="every record.json and study below it is read")
    parser.add_argument("--published", metavar="PATH", help="a CSV of published numbers, or a folder of them")
    parser.add_argument("--metric", metavar="NAME", help="of runs, e.g. R@1 (default: all of the headlines they have)")
    parser.add_argument("--best", action="store_true", help="take the epoch that each run chose, not its last one")


def main(arguments: argparse.Namespace) -> int:
    """Print a table of runs for each metric, what stopped, and a table of each study."""
    from dmlkit.comparison import read_study, table
    from dmlkit.published import read_published
    from dmlkit.records import compare, load_all

    published = [] if arguments.published is None else read_published(arguments.published)
    runs = [run for folder in arguments.folders for run in load_all(folder)]
    studies = [path for folder in arguments.folders for path in _studies(Path(folder))]
    if not runs and not studies:
        raise ValueError(
            f"no record.json and no study below {' or '.join(arguments.folders)}: `python -m dmlkit train` writes them"
        )
    epoch = "best" if arguments.best else "last"
    ended = [run for run in runs if not run.stopped]
    parts = [compare(published, group, metric, epoch=epoch) for metric, group in _by_metric(ended, arguments.metric)]
    parts += [f"{run.name}, seed {run.seed}: stopped, {run.stopped}" for run in runs if run.stopped]
    parts += [table(read_study(path)) for path in studies]
    print("\n\n".join(parts))
    return 0


def _by_metric(runs: list[RunRecord], asked: str | None) -> list[tuple[str, list[RunRecord]]]:
    """The runs for each metric: the one that is asked for, of all of them, or each headline, of those that have it."""
    if asked is not None:
        return [(asked, runs)] if runs else []
    found: dict[str, list[RunRecord]] = {}
    for run in runs:
        for metric in headlines(run.metrics):
            found.setdefault(metric, []).append(run)
    known = [name for name in HEADLINES if name in found]
    return [(name, found[name]) for name in [*known, *(name for name in found if name not in known)]]


def _studies(folder: Path) -> list[Path]:
    """JSON files below a folder that are no records."""
    return [path for path in sorted(folder.rglob("*.json")) if path.name != "record.json"]

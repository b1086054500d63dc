"""The command line: `python -m dmlkit train …`, one file a subcommand.

- `train`       a recipe on a benchmark, over seeds
- `record`      many runs of a list, as far as the time goes
- `evaluate`    measures kept weights again and holds the record against them
- `compare`     records beside published numbers, as Markdown
- `study`       losses under one protocol, with searches of equal budget
- `sweep`       one number of a loss at a time, all else as it was
- `faces`       verification of people that were not trained on, every loss
- `benchmarks`  the catalogue, and what of it is on this machine

Exit status: 0 done; 1 it could not be done, one sentence on stderr; 2 wrong usage; 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shlex
import sys
from collections.abc import Sequence

from dmlkit.command_line import benchmarks, compare, evaluate, faces, record, study, sweep, train

# Each has HELP, EPILOG, add_arguments(parser) and main(arguments) → exit status.
COMMANDS = {
    "train": train,
    "record": record,
    "evaluate": evaluate,
    "compare": compare,
    "study": study,
    "sweep": sweep,
    "faces": faces,
    "benchmarks": benchmarks,
}

EPILOG = """\
a first run, in seconds and without any data:
  python -m dmlkit train cub200 --recipe warped_softmax --scale smoke --seeds 3
  python -m dmlkit compare runs

every command has its own help:
  python -m dmlkit train --help
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after `python -m dmlkit`; None takes those of this process.

    Returns:
        The exit status.

    Raises:
        SystemExit: of argparse, for --help (0) and wrong usage (2).
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    arguments = _parser(argv).parse_args(argv)
    # Only now: torch takes seconds to import, and help should not.
    from dmlkit.data.errors import DataError
    from dmlkit.training.distributed import RankFailed

    try:
        return arguments.main(arguments)
    except KeyboardInterrupt:
        _fail(f"interrupted{_how_to_resume(arguments.command, argv)}")
        return 130
    except (DataError, ValueError, FloatingPointError, RankFailed, ImportError) as fault:
        _fail(str(fault))
        return 1


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m dmlkit",
        description="Train and measure the metric-learning book's recipes.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, command in COMMANDS.items():
        added = commands.add_parser(
            name,
            help=command.HELP,
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=command.EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.add_arguments(added)
        added.set_defaults(main=command.main)
    if importlib.util.find_spec("dmlkit.search") is not None:
        added = commands.add_parser(
            "search",
            help="search hyper-parameters by cross-validation over training classes",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if "search" in argv[:1]:  # it imports torch, which the help of the others need not wait for
            from dmlkit import search

            search.add_arguments(added)
            added.set_defaults(main=lambda arguments: search.main(arguments) or 0)
    return parser


def _fail(sentence: str) -> None:
    """One line on stderr; of several processes from each, as torchrun ends the others before they can tell."""
    rank = os.environ.get("RANK", "0")
    print(f"dmlkit{'' if rank == '0' else f', rank {rank}'}: {' '.join(sentence.split())}", file=sys.stderr, flush=True)


def _how_to_resume(command: str, argv: Sequence[str]) -> str:
    if command != "train":
        return ""
    again = [*argv] if "--resume" in argv else [*argv, "--resume"]
    return f"; to go on: python -m dmlkit {shlex.join(again)}"

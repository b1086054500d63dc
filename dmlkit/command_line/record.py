"""`record`: many runs, one after the other, as far as the time goes; called again, those that are missing."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import statistics
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dmlkit.command_line import train
from dmlkit.command_line.options import add_reading, check_device, say, whole_number

if TYPE_CHECKING:
    from dmlkit.recipes.config import Config

HELP = "make the runs of a list that have no record yet, as far as the time goes"

EPILOG = """\
a list is a text file; a line is what stands behind `train`, a line that begins with # is a remark:
  fashion-mnist --recipe silhouette --arm CE --scale small --seeds 5
  cub200 --loss cross_entropy --scale small --seeds 3 --set size=96

a worked example: what is missing and how long it may take, then an hour of it
  python -m dmlkit record book/runs/list.txt --runs book/runs --list
  python -m dmlkit record book/runs/list.txt --runs book/runs --minutes 60

  Runs are made seed by seed: the first seed of all lines before the second of any. When the time is over, the run that
  is under way writes a checkpoint, with which the same command goes on. Several processes, here or on machines that
  share the folder, may work on one list: each takes a run that no other has. Where a run diverges, that is its record;
  where its data is missing, a sentence says so and the next one follows.
"""

SECONDS = 60  # of a minute; tests have shorter ones


class Planned(NamedTuple):
    """One run of a list.

    Attributes:
        benchmark: as it was asked for.
        config: of the run.
        folder: where its record is, or will be.
    """

    benchmark: str
    config: Config
    folder: Path

    @property
    def record(self) -> Path:
        """The file of its record."""
        return self.folder / "record.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("plan", metavar="LIST", help="a text file of runs, see below")
    parser.add_argument("--runs", metavar="DIR", default="runs", help="where runs are kept (default: runs)")
    parser.add_argument("--list", action="store_true", help="say what is missing, and run nothing")
    parser.add_argument("--minutes", type=whole_number(1), metavar="M", help="stop after so many (default: never)")
    parser.add_argument(
        "--uncommitted",
        action="store_true",
        help="run although dmlkit differs from its commit: nobody can make such records again",
    )
    add_reading(parser)
    parser.add_argument("--compile", action="store_true", help="compile the step by torch.compile")


def main(arguments: argparse.Namespace) -> int:
    """Say what is missing, or make it; 1 where runs could not be made."""
    plan = read_plan(arguments.plan, arguments.runs)
    missing = [run for run in plan if not run.record.is_file()]
    if arguments.list:
        return _list(plan, missing)
    check_device(arguments.device)
    _check_code(arguments.uncommitted)
    failed = 0
    try:
        with _limit(arguments.minutes) as over:
            for planned in missing:
                failed += not _made(planned, arguments)
                if over.is_set():  # while the run measured itself, when nothing can interrupt it
                    raise TimeoutError
    except TimeoutError:
        say("the time is over: the same command goes on")
    left = sum(not run.record.is_file() for run in plan)
    say(f"{len(plan) - left} of {len(plan)} runs are recorded in {arguments.runs}")
    return 1 if failed else 0


def read_plan(path: str | Path, runs: str | Path) -> list[Planned]:
    """The runs of a list, the first seeds of all lines before the second of any.

    Args:
        path: of the list.
        runs: the folder of all runs.

    Raises:
        ValueError: no such file, a line that `train` would not take (its number is told), or one run twice.
    """
    from dmlkit.training import run_folder

    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as fault:
        raise ValueError(f"{path} cannot be read: {fault.strerror or fault}") from None
    parser = _Line(prog="", add_help=False)
    train.add_arguments(parser)
    found: list[Planned] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            given = parser.parse_args(shlex.split(line))
            for config in train.configs(given):
                found.append(Planned(given.benchmark, config, run_folder(runs, given.benchmark, config)))
        except ValueError as fault:
            raise ValueError(f"{path}, line {number}: {fault}") from None
        if found[-1].folder in {run.folder for run in found[:-1]}:
            raise ValueError(f"{path}, line {number}: this run stands in an earlier line already")
    return sorted(found, key=lambda run: run.config.seed)


class _Line(argparse.ArgumentParser):
    """A parser whose faults are exceptions."""

    def error(self, message: str) -> None:
        raise ValueError(message)


def _list(plan: list[Planned], missing: list[Planned]) -> int:
    """Runs that are missing, line by line, with the time that their siblings took."""
    from dmlkit.records import RunRecord

    took: dict[Path, list[float]] = {}
    for run in plan:
        if run.record.is_file():
            took.setdefault(run.folder.parent, []).append(RunRecord.load(run.record).seconds)
    for run in missing:
        known = took.get(run.folder.parent)
        say(f"{run.folder}" + (f"  about {statistics.median(known) / 60:.1f} min" if known else ""))
    known = [statistics.median(took[run.folder.parent]) for run in missing if run.folder.parent in took]
    about = f", {len(known)} of them about {sum(known) / 60:.0f} min by the seeds that are there" if known else ""
    say(f"{len(plan) - len(missing)} of {len(plan)} runs are recorded, {len(missing)} are missing{about}")
    return 0


def _check_code(uncommitted: bool) -> None:
    from dmlkit.environment import source_code

    code = source_code()
    if not uncommitted and code.get("changed", True):
        why = "differs from its commit" if code else "does not know its commit"
        raise ValueError(f"dmlkit {why}, so a record could not say what ran: commit first, or add --uncommitted")


def _made(planned: Planned, arguments: argparse.Namespace) -> bool:
    """Make a run unless another process does; whether nothing stood in its way."""
    from dmlkit.data.errors import DataError
    from dmlkit.data.locks import locked

    planned.folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(locked(planned.folder / "run", timeout=0))
        except DataError:  # another process is at it
            return True
        return planned.record.is_file() or _ran(planned, arguments)


def _ran(planned: Planned, arguments: argparse.Namespace) -> bool:
    from dmlkit.data.errors import DataError
    from dmlkit.training import run

    try:
        record = run(
            planned.config,
            root=arguments.root,
            folder=planned.folder,
            resume=True,
            device=arguments.device,
            workers=arguments.workers,
            compile=arguments.compile,
            progress=None if sys.stderr.isatty() else False,
        )
    except FloatingPointError as fault:
        say(f"{planned.folder}: stopped, {fault}")
        return True
    except (DataError, ValueError) as fault:
        say(f"{planned.folder}: {fault}")
        return False
    say(f"{planned.folder}: {record.seconds:.0f} s")
    return True


@contextmanager
def _limit(minutes: int | None) -> Iterator[threading.Event]:
    """After so many minutes the run that is under way is interrupted, as Ctrl-C does: it writes a checkpoint.

    Raises:
        TimeoutError: the time was over.
    """
    over = threading.Event()
    if minutes is None:
        yield over
        return

    def stop() -> None:
        over.set()
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(SECONDS * minutes, stop)
    timer.daemon = True
    timer.start()
    try:
        yield over
    except KeyboardInterrupt:
        if not over.is_set():
            raise
        raise TimeoutError from None
    finally:
        timer.cancel()

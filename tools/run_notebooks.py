"""Run every notebook of the table of contents from top to bottom, as a reader's own Jupyter would.

    python tools/run_notebooks.py          in a fresh virtual environment, in a temporary folder
    python tools/run_notebooks.py --here   with this Python, which then needs dmlkit, nbclient and ipykernel

The book's build runs the same notebooks, but with everything the build needs installed, with data where there is some,
and in the form for a static page. Here is what a reader has: dmlkit with its extra `live`, no data, no settings. The
notebooks run in a copy of `book/`, so that they leave nothing in the checkout. Prints a line a notebook; the exit
status is 1 if one failed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fnmatch
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Seconds that a page may take on an idle machine. A benchmark's page only shows that its run works.
LIMIT, LIMITS = 90.0, {"book/benchmarks/": 60.0}
# Machines are shared and slow ones exist; but what takes so many times its limit hangs, and is stopped.
PATIENCE = 10
# What pip needs to build dmlkit. Built from a copy, as pip would leave `build/` in the checkout and read an old one.
PACKAGE = ("dmlkit", "pyproject.toml", "README.md", "LICENSE")


@dataclass(frozen=True)
class Outcome:
    """How one notebook ran; `failure` is empty where it ran through."""

    page: str
    seconds: float
    cells: int
    limit: float
    failure: str = ""

    def line(self) -> str:
        """What is printed."""
        if self.failure:
            return f"{self.page}  FAILED after {self.seconds:.0f} s, {self.failure}"
        slow = f"  above its limit of {self.limit:g} s" if self.seconds > self.limit else ""
        return f"{self.page}  {self.seconds:.1f} s  {self.cells} cells{slow}"


def pages(root: Path, only: Sequence[str] = ("",)) -> list[str]:
    """The notebooks of `_toc.yml`, in its order, without their suffix; `only` has parts of names, * is allowed."""
    toc = (root / "_toc.yml").read_text(encoding="utf-8")  # read without a YAML parser, which a reader may not have
    names = re.findall(r"^[\s-]*(?:root|file):\s*(\S+)", toc, re.MULTILINE)
    wanted = [name for name in names if any(fnmatch.fnmatch(name, f"*{part}*") for part in only)]
    return [name for name in wanted if (root / f"{name}.ipynb").exists()]


def limit_of(page: str, given: float | None) -> float:
    """The seconds that a page may take."""
    return given or next((seconds for folder, seconds in LIMITS.items() if page.startswith(folder)), LIMIT)


def reader_environment(work: Path, page: str = "") -> dict[str, str]:
    """The environment's variables without what a developer may have set, with an empty data root for each page."""
    leave = ("DMLKIT_", "PYTHONPATH", "PYTHONHOME", "JUPYTER_PATH", "MPLBACKEND")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(leave)}
    data = work / "data" / page
    data.mkdir(parents=True, exist_ok=True)
    # One thread, as in the build. A profile of IPython's own: a reader's start-up files are not ours to run.
    return variables | {"DMLKIT_DATA": str(data), "OMP_NUM_THREADS": "1", "IPYTHONDIR": str(work / "ipython")}


def new_environment(work: Path, root: Path, newest: bool) -> Path:
    """A virtual environment with what a reader installs and what runs a notebook; its Python."""
    source = work / "source"
    source.mkdir(parents=True)
    for name in PACKAGE:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", str(work / "venv")], check=True)
    python = work / "venv" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    pins = [] if newest else ["--constraint", str(root / "constraints.txt")]
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pins]
    subprocess.run(
        [*install, f"{source}[live]", "nbclient", "ipykernel"], check=True, env=reader_environment(work), cwd=work
    )
    shutil.rmtree(source)  # from here on nothing but what was installed can be found
    return python


def stop(*_: object) -> None:
    """End in order: whoever stops this program must not be left with gigabytes in the temporary folder."""
    sys.exit(143)


async def run_page(page: str, work: Path, limit: float) -> Outcome:
    """Run the copied notebook in its own folder."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    file = work / f"{page}.ipynb"
    notebook = nbformat.read(file, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        resources={"metadata": {"path": str(file.parent)}},
        timeout=None,
        shutdown_kernel="immediate",
        extra_arguments=["--log-level=ERROR"],  # each kernel warns that it speaks over a socket
    )
    began, cell, clock, failure = time.perf_counter(), None, None, ""
    try:
        async with client.async_setup_kernel(env=reader_environment(work, page)):
            # nbclient catches both to end its kernel, and the next notebook would begin.
            for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGTERM, stop)):
                with contextlib.suppress(NotImplementedError):  # Windows
                    asyncio.get_running_loop().remove_signal_handler(number)
                signal.signal(number, handler)
            began = time.perf_counter()  # starting the kernel is not the page's fault
            async with asyncio.timeout(PATIENCE * limit) as clock:
                for k, cell in enumerate(notebook.cells):
                    await client.async_execute_cell(cell, k)
    except Exception as error:  # whatever happens to one page, the others run
        if asyncio.current_task().cancelling():  # all of it is being stopped
            raise asyncio.CancelledError from error
        what = f"{error.ename}: {error.evalue}" if isinstance(error, CellExecutionError) else repr(error)
        # nbclient takes being stopped for the kernel's death.
        failure = "stopped: it hangs" if clock and clock.expired() else what.strip(": \n").splitlines()[-1]
    seconds = time.perf_counter() - began
    if failure:
        place = "before its first cell" if cell is None else "in the cell\n    " + cell.source.partition("\n")[0]
        failure = f"{place}\n    {failure}"
    return Outcome(page, seconds, sum(one.cell_type == "code" for one in notebook.cells), limit, failure)


async def run_pages(names: list[str], work: Path, processes: int, limit: float | None) -> list[Outcome]:
    """Run them all, so many at a time; each line is printed when its notebook is done."""
    free = asyncio.Semaphore(processes)

    async def one(page: str) -> Outcome:
        async with free:
            outcome = await run_page(page, work, limit_of(page, limit))
        print(outcome.line(), flush=True)
        return outcome

    return await asyncio.gather(*map(one, names))


def run_here(names: list[str], root: Path, processes: int, limit: float | None, strict_time: bool) -> int:
    """Run the notebooks with this Python; the exit status."""
    # The kernel of this environment, and not one of the same name in somebody's home folder.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ.pop("JUPYTER_PATH", None)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(root / "book", work / "book", ignore=shutil.ignore_patterns("*.pt", ".ipynb_checkpoints"))
        outcomes = asyncio.run(run_pages(names, work, processes, limit))
    failed = [one.page for one in outcomes if one.failure]
    slow = [one.page for one in outcomes if not one.failure and one.seconds > one.limit]
    print(f"{len(outcomes)} notebooks, {len(failed)} failed, {len(slow)} above their limit of time")
    return int(bool(failed or (strict_time and slow)))


def main(arguments: list[str]) -> int:
    """Run what the command line asks for; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="PATTERN", help="what is in their name; * is allowed"
    )
    parser.add_argument("--limit", type=float, metavar="SECONDS", help="for each notebook; default 90, benchmarks 60")
    parser.add_argument("--strict-time", action="store_true", help="fail above the limit; else above ten times it")
    parser.add_argument("-j", dest="processes", type=int, default=2, metavar="N", help="notebooks at a time, default 2")
    parser.add_argument("--here", action="store_true", help="no new environment: run with this Python")
    parser.add_argument("--newest", action="store_true", help="newest versions instead of those in constraints.txt")
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout, default the one of this file")
    asked = parser.parse_args(arguments)
    if asked.processes < 1 or (asked.limit is not None and asked.limit <= 0):
        parser.error(f"-j and --limit must be positive, found {asked.processes} and {asked.limit}")
    root = asked.root.resolve()
    names = pages(root, asked.only)
    if not names:
        parser.error(f"--only must match a notebook of _toc.yml, found none for {' '.join(asked.only)}")
    if asked.here:
        return run_here(names, root, asked.processes, asked.limit, asked.strict_time)
    signal.signal(signal.SIGTERM, stop)
    with tempfile.TemporaryDirectory() as folder:
        work, began = Path(folder), time.perf_counter()
        python = new_environment(work, root, asked.newest)
        print(f"a fresh environment took {time.perf_counter() - began:.0f} s to install", flush=True)
        again = [str(python), str(Path(__file__).resolve()), "--here", *arguments]
        return subprocess.run(again, env=reader_environment(work), check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""tools/run_notebooks.py on books of a page or three, with this Python instead of a fresh environment."""

from __future__ import annotations

import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).parents[1]
RUNNER = ROOT / "tools" / "run_notebooks.py"
runner = runpy.run_path(str(RUNNER))

READER = """
import os, sys
from pathlib import Path

assert Path(sys.prefix) == Path({prefix!r})
assert not [name for name in os.environ if name.startswith("DMLKIT_") and name != "DMLKIT_DATA"]
assert list(Path(os.environ["DMLKIT_DATA"]).iterdir()) == []
assert os.environ["OMP_NUM_THREADS"] == "1"
assert Path("beside.txt").read_text() == "beside"
Path("left.txt").write_text("what a page leaves behind")
Path(os.environ["DMLKIT_DATA"], "data").touch()
"""
# Each runs in a copy of its folder, with a data root of its own.
PAGES = {
    "start/broken": ["a = 0", "# What fails\nb = 1\nb / a", "raise SystemExit('never reached')"],
    "start/hangs": [
        "import os, time\nopen(os.environ['DMLKIT_DATA'] + '/began', 'w').close()",
        "while True: time.sleep(0.01)",
    ],
    "start/good": ["# # A title", READER, "x = 1", "assert x == 1"],
}


@pytest.fixture
def book(tmp_path):
    """A checkout of three pages."""
    (tmp_path / "_toc.yml").write_text(
        "format: jb-book\nroot: book/intro\nparts:\n  - chapters:\n"
        + "".join(f"      - file: book/{page}\n" for page in [*PAGES, "appendix/text"])
    )
    (tmp_path / "book/start").mkdir(parents=True)
    (tmp_path / "book/start/beside.txt").write_text("beside")
    for page, cells in PAGES.items():
        notebook = nbformat.v4.new_notebook()
        made = [nbformat.v4.new_code_cell(cell.format(prefix=sys.prefix)) for cell in cells]
        notebook.cells = [nbformat.v4.new_markdown_cell("# A page"), *made]
        nbformat.write(notebook, tmp_path / f"book/{page}.ipynb")
    return tmp_path


def run(book: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(RUNNER), "--here", "--root", str(book), *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        env=os.environ | environment,
    )


def test_a_page_passes_in_a_readers_surroundings_and_leaves_nothing(book):
    done = run(book, "--only", "good", DMLKIT_BOOK="1", DMLKIT_PACKS="x", DMLKIT_DATA="x", OMP_NUM_THREADS="7")
    assert done.returncode == 0, done.stdout + done.stderr
    line, summary = done.stdout.splitlines()
    assert line.startswith("book/start/good  ") and "  4 cells" in line
    assert summary == "1 notebooks, 0 failed, 0 above their limit of time"
    assert sorted(path.name for path in (book / "book/start").iterdir() if path.suffix == ".txt") == ["beside.txt"]


def test_a_failing_cell_is_named_and_what_hangs_is_stopped_while_the_others_run(book):
    """A limit of 0.6 s lets a page hang for ten times as long."""
    done = run(book, "--limit", "0.6", "-j", "3")
    assert done.returncode == 1, done.stdout + done.stderr
    text = done.stdout
    assert "book/start/broken  FAILED after" in text
    assert "in the cell\n    # What fails\n    ZeroDivisionError: division by zero\n" in text
    hangs = r"book/start/hangs  FAILED after (\d+) s, in the cell\n    while True: time.sleep\(0.01\)\n    stopped"
    assert 6 <= int(re.search(hangs, text)[1]) < 60
    assert "book/start/good  " in text and "good  FAILED" not in text
    assert "3 notebooks, 2 failed" in text
    assert "Traceback" not in done.stderr and "WARNING" not in done.stderr


def test_a_slow_page_fails_only_where_time_is_strict(book):
    slow = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("import time; time.sleep(1.2)")])
    nbformat.write(slow, book / "book/start/good.ipynb")
    arguments = ("--only", "good", "--limit", "1")
    lenient, strict = run(book, *arguments), run(book, *arguments, "--strict-time")
    assert (lenient.returncode, strict.returncode) == (0, 1)
    for done in (lenient, strict):
        assert "above its limit of 1 s" in done.stdout and "0 failed, 1 above" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_stops_it_stops_all_of_it(book, number):
    """Not one page only; and the copy, or a whole environment, does not stay in the temporary folder."""
    (book / "temporary").mkdir()
    with subprocess.Popen(
        [sys.executable, str(RUNNER), "--here", "--root", str(book), "-j", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(book / "temporary")},
    ) as running:
        until = time.monotonic() + 120
        while not list((book / "temporary").glob("*/data/book/start/hangs/began")) and time.monotonic() < until:
            time.sleep(0.1)
        running.send_signal(number)
        text, _ = running.communicate(timeout=60)
    assert running.returncode == (143 if number == signal.SIGTERM else -signal.SIGINT)
    assert "broken  FAILED" in text and "hangs" not in text and "good" not in text  # the page before it, and no other
    assert not list((book / "temporary").glob("*/book"))


@pytest.mark.parametrize("wrong", [("--only", "nothing"), ("-j", "0"), ("--limit", "-1")])
def test_what_cannot_be_run_is_refused(book, wrong, capsys):
    with pytest.raises(SystemExit) as refused:
        runner["main"](["--here", "--root", str(book), *wrong])
    assert refused.value.code == 2
    assert "must" in capsys.readouterr().err


def test_runs_the_notebooks_of_the_table_of_contents():
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    names = [toc["root"], *(chapter["file"] for part in toc["parts"] for chapter in part["chapters"])]
    wanted = [name for name in names if (ROOT / f"{name}.ipynb").exists()]
    assert runner["pages"](ROOT) == wanted and len(wanted) > 20
    assert runner["pages"](ROOT, ["forces", "soft*ning"]) == ["book/silhouette/softening", "book/warped_softmax/forces"]


def test_a_benchmark_has_less_time():
    limit_of = runner["limit_of"]
    assert limit_of("book/benchmarks/cub200", None) == 60
    assert limit_of("book/silhouette/softening", None) == 90
    assert limit_of("book/benchmarks/cub200", 5.0) == 5


def test_a_fresh_environment_has_what_a_reader_installs(tmp_path, monkeypatch):
    """What is run, without running it: an environment takes minutes."""
    called = []
    monkeypatch.setattr(subprocess, "run", lambda command, **options: called.append((command, options)))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    for folder, newest in (("pinned", False), ("newest", True)):
        python = runner["new_environment"](tmp_path / folder, ROOT, newest)
        assert python.is_relative_to(tmp_path / folder)
        (made, _), (install, options) = called[-2:]
        assert made[1:3] == ["-m", "venv"] and install[:4] == [str(python), "-m", "pip", "install"]
        assert [str(tmp_path / folder / "source") + "[live]", "nbclient", "ipykernel"] == install[-3:]
        assert ("--constraint" in install) is not newest
        assert "PYTHONPATH" not in options["env"]
        assert not (tmp_path / folder / "source").exists()  # nothing but what was installed can be found

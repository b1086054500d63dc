"""One address and one version: in every install cell, in the README, as a tag in the repository."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

import dmlkit

ROOT = Path(__file__).parent.parent.parent
address = runpy.run_path(str(ROOT / "tools/address.py"))


def test_one_address_everywhere():
    assert address["main"](["--check"]) == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("git clone https://github.com/old/name.git\n", "git clone https://github.com/new/book.git\n"),
        ('"dmlkit[live] @ git+https://github.com/old/na-me"', '"dmlkit[live] @ git+https://github.com/new/book"'),
        ("research.google.com/github/old/name/blob/main/x", "research.google.com/github/old/name/blob/main/x"),
        ("colab.research.google.com/github/old/name/blob/main", "colab.research.google.com/github/new/book/blob/main"),
        ("[x](https://old.github.io/name)", "[x](https://new.github.io/book)"),
        ("git+https://github.com/old/name@v0.1.0", "git+https://github.com/new/book@v0.1.0"),
        ("git clone https://github.com/old/name.git@v1 x", "git clone https://github.com/new/book.git@v1 x"),
        ("rev of https://github.com/astral-sh/ruff-pre-commit", "rev of https://github.com/astral-sh/ruff-pre-commit"),
    ],
)
def test_another_address_is_carried_through(before, after):
    assert address["carried"](before, "new/book") == after


def test_address_finds_every_file_that_spells_it(tmp_path):
    """Whatever file of the project names the repository is either carried along or the one place."""
    owner_and_name = address["address"]()
    covered = {p for pattern in address["_FILES"] for p in ROOT.glob(pattern)} | {ROOT / "_config.yml"}
    for folder in (".", "book", "dmlkit", "tools", "tests", ".github", ".ci"):
        files = ROOT.glob("*") if folder == "." else (ROOT / folder).rglob("*")
        for file in files:
            if file.suffix in {".py", ".md", ".ipynb", ".yml", ".toml", ".cff", ".txt", ".js", ""} and file.is_file():
                text = file.read_text(encoding="utf-8", errors="ignore")
                assert owner_and_name not in text or file in covered, file


PIP = '%pip install --quiet "dmlkit[live] @ git+https://github.com/new/book'


@pytest.mark.parametrize("before", ["", "@v0.0.9", "@main", "@v0.1.0"])
@pytest.mark.parametrize("end", ['"', r'\"\n"', "\n"])
def test_a_tag_is_carried_through(before, end):
    assert address["tagged"](PIP + before + end, "v0.1.0") == PIP + "@v0.1.0" + end
    assert address["tagged"](PIP + before + end, "") == PIP + end
    assert address["tagged"](f"{PIP}.git{before}{end}", "v0.1.0") == f"{PIP}.git@v0.1.0{end}"
    assert address["tagged"]("uses: actions/checkout@v4", "v0.1.0") == "uses: actions/checkout@v4"


@pytest.fixture
def project(tmp_path):
    """A project with one notebook, a README and a version."""
    (tmp_path / "_config.yml").write_text("repository: {url: https://github.com/new/book}\n")
    (tmp_path / "dmlkit").mkdir()
    (tmp_path / "dmlkit/__init__.py").write_text('"""A module."""\n\n__version__ = "0.2.0"\n')
    (tmp_path / "README.md").write_text('pip install "dmlkit[live] @ git+https://github.com/new/book"\n')
    (tmp_path / "CITATION.cff").write_text("cff-version: 1.2.0\nversion: 0.1.0\n")
    (tmp_path / "book/part").mkdir(parents=True)
    cell = {"cell_type": "code", "source": ["if x:\n", f'    {PIP}@v0.1.0"']}
    (tmp_path / "book/part/page.ipynb").write_text(json.dumps({"cells": [cell]}, indent=1))
    return tmp_path


def test_a_new_version_reaches_every_notebook(project, monkeypatch, capsys):
    monkeypatch.setitem(address["main"].__globals__, "ROOT", project)
    assert address["main"](["--check"]) == 1
    assert capsys.readouterr().out.endswith("run `make address`: CITATION.cff, book/part/page.ipynb\n")
    assert "@v0.1.0" in (project / "book/part/page.ipynb").read_text()  # looked at, not changed
    assert address["main"]([]) == 0
    assert json.loads((project / "book/part/page.ipynb").read_text())["cells"][0]["source"][1] == f'    {PIP}@v0.2.0"'
    assert (project / "CITATION.cff").read_text() == "cff-version: 1.2.0\nversion: 0.2.0\n"
    assert "@v" not in (project / "README.md").read_text()  # who follows the README wants the newest
    assert address["main"](["--check"]) == 0


def test_the_version_is_that_of_dmlkit(project):
    assert address["version"]() == dmlkit.__version__
    (project / "dmlkit/__init__.py").write_text("version = 1\n")
    with pytest.raises(ValueError, match="must have a line __version__"):
        address["version"](project)


# What the publishing workflow runs before it deploys, tried on repositories of our own.
WORKFLOW = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8"))["jobs"]


def git(folder: Path, *arguments: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def tag(checkout: Path) -> str:
    script = next(step["run"] for step in WORKFLOW["tag"]["steps"] if "run" in step)
    # What GitHub runs a step with.
    done = subprocess.run(["bash", "-e", "-c", script], cwd=checkout, capture_output=True, text=True, check=True)
    return done.stdout


def test_a_version_without_a_tag_is_tagged_once(tmp_path, project):
    origin, checkout = tmp_path / "origin.git", tmp_path / "checkout"
    git(tmp_path, "init", "--quiet", "--bare", str(origin))
    git(tmp_path, "clone", "--quiet", str(origin), str(checkout))
    shutil.copytree(project / "dmlkit", checkout / "dmlkit")
    commit = ("commit", "--quiet", "--all", "--message", "x")
    git(checkout, "add", ".")
    git(checkout, *commit)
    git(checkout, "push", "--quiet", "origin", "HEAD:main")
    first = git(checkout, "rev-parse", "HEAD")

    def tags() -> dict[str, str]:
        return {name: at for at, name in (line.split() for line in git(origin, "show-ref", "--tags").splitlines())}

    tag(checkout)
    assert tags() == {"refs/tags/v0.2.0": first}

    git(checkout, "tag", "--delete", "v0.2.0")  # a runner's checkout has no tags
    assert "::warning" not in tag(checkout)
    (checkout / "dmlkit/__init__.py").write_text('"""Another module."""\n\n__version__ = "0.2.0"\n')
    git(checkout, *commit)
    assert "::warning::dmlkit is not what v0.2.0 names" in tag(checkout)
    assert tags() == {"refs/tags/v0.2.0": first}  # a tag never moves

    (checkout / "dmlkit/__init__.py").write_text('__version__ = "0.3.0"\n')
    git(checkout, *commit)
    tag(checkout)
    assert tags()["refs/tags/v0.3.0"] == git(checkout, "rev-parse", "HEAD")

    (checkout / "dmlkit/__init__.py").write_text("version = 1\n")
    with pytest.raises(subprocess.CalledProcessError):
        tag(checkout)


def test_what_is_published_has_its_tag():
    """The tag is made after the build and before the page; only its job may write to the repository."""
    assert WORKFLOW["publish"]["needs"] == "tag" and WORKFLOW["tag"]["needs"] == "build"
    assert any("deploy-pages" in step.get("uses", "") for step in WORKFLOW["publish"]["steps"])
    writers = [name for name, job in WORKFLOW.items() if job.get("permissions", {}).get("contents") == "write"]
    assert writers == ["tag"]

"""Carry the book's address and dmlkit's version to where they must stand in full.

    python tools/address.py          rewrite the files that name another address or version
    python tools/address.py --check  change nothing; exit 1 and name the files that would change

`_config.yml` is the one place that spells the address, `dmlkit/__init__.py` the one that spells the version. A notebook
opened in Colab has nothing but itself, so its install cell must hold both: it installs dmlkit at the tag of the version
that the chapter was written for, and goes on working when dmlkit changes. README.md and CITATION.cff are read outside
the book; who follows the README wants the newest, so its pip line has no tag.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
# https://github.com/OWNER/NAME as it stands in an install cell, a Colab link, a badge or a clone command.
_GITHUB = re.compile(r"(?<=github\.com/)[\w.-]+/[\w-]+(?=(?:\.git)?[\s\"'/)>\\@]|$)", re.MULTILINE)
_COLAB = re.compile(r"(?<=colab\.research\.google\.com/github/)[\w.-]+/[\w-]+")
# The Pages site that GitHub gives to that repository.
_PAGES = re.compile(r"https://[\w-]+\.github\.io/[\w-]+")
# What pip is told to install, with or without the tag after its address.
_INSTALL = re.compile(r"(dmlkit(?:\[[\w,]+\])? @ git\+https://github\.com/[\w.-]+/[\w-]+(?:\.git)?)(?:@[^\s\"'\\]*)?")
_CITED = re.compile(r"^(version: ).*$", re.MULTILINE)
_FILES = ("README.md", "CITATION.cff", "CONTRIBUTING.md", "book/**/*.ipynb")
# Other people's repositories are not ours to rename.
_FOREIGN = re.compile(r"github\.com/(?:astral-sh|kynan|pre-commit|actions)/")


def address(root: Path = ROOT) -> str:
    """`owner/name` of the repository, from `_config.yml`."""
    url = yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]
    match = re.fullmatch(r"https://github\.com/([\w.-]+/[\w-]+)", url)
    if match is None:
        raise ValueError(f"repository.url in _config.yml must read https://github.com/OWNER/NAME, found {url}")
    return match.group(1)


def site(owner_and_name: str) -> str:
    """Where GitHub publishes the built book of that repository."""
    owner, name = owner_and_name.split("/")
    return f"https://{owner}.github.io/{name}"


def version(root: Path = ROOT) -> str:
    """The version of dmlkit, read as text: importing dmlkit would import torch."""
    text = (root / "dmlkit" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "(\d[\w.]*)"$', text, re.MULTILINE)
    if match is None:
        raise ValueError('dmlkit/__init__.py must have a line __version__ = "…", found none')
    return match.group(1)


def carried(text: str, owner_and_name: str) -> str:
    """`text` with every mention of the book's address replaced."""
    lines = []
    for line in text.splitlines(keepends=True):
        if not _FOREIGN.search(line):
            line = _GITHUB.sub(owner_and_name, line)
            line = _COLAB.sub(owner_and_name, line)
            line = _PAGES.sub(site(owner_and_name), line)
        lines.append(line)
    return "".join(lines)


def tagged(text: str, tag: str) -> str:
    """`text` with every dmlkit that pip is told to install at this tag; with "" at none, which is the newest."""
    return _INSTALL.sub(rf"\1@{tag}" if tag else r"\1", text)


def right(file: Path, owner_and_name: str, number: str) -> str:
    """What must stand in a file for this address and this version."""
    text = tagged(
        carried(file.read_text(encoding="utf-8"), owner_and_name), f"v{number}" if file.suffix == ".ipynb" else ""
    )
    return _CITED.sub(rf"\g<1>{number}", text) if file.suffix == ".cff" else text


def main(arguments: list[str]) -> int:
    """Rewrite or check all files; the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    wrong = []
    for file in sorted({file for pattern in _FILES for file in ROOT.glob(pattern)}):
        text = right(file, address(ROOT), version(ROOT))
        if text != file.read_text(encoding="utf-8"):
            wrong.append(file.relative_to(ROOT).as_posix())
            if not arguments:
                file.write_text(text, encoding="utf-8")
    if wrong:
        what = "these spell another address or version, run `make address`: " if arguments else "rewritten: "
        print(what + ", ".join(wrong))
    return 1 if wrong and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Carry the book's public address from `_config.yml`, the one place that spells it, to where it must stand in full.

    python tools/address.py          rewrite the files that name another address
    python tools/address.py --check  change nothing; exit 1 and name the files that would change

A notebook opened in Colab has nothing but itself, so its install cell must hold the address; README.md and
CITATION.cff are read outside the book.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
# https://github.com/OWNER/NAME as it stands in an install cell, a Colab link, a badge or a clone command.
_GITHUB = re.compile(r"(?<=github\.com/)[\w.-]+/[\w-]+(?=(?:\.git)?[\s\"'/)>\\]|\.git@|$)", re.MULTILINE)
_COLAB = re.compile(r"(?<=colab\.research\.google\.com/github/)[\w.-]+/[\w-]+")
# The Pages site that GitHub gives to that repository.
_PAGES = re.compile(r"https://[\w-]+\.github\.io/[\w-]+")
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


def carried(text: str, owner_and_name: str) -> str:
    """`text` with every mention of the book's address replaced."""
    owner, name = owner_and_name.split("/")
    lines = []
    for line in text.splitlines(keepends=True):
        if not _FOREIGN.search(line):
            line = _GITHUB.sub(owner_and_name, line)
            line = _COLAB.sub(owner_and_name, line)
            line = _PAGES.sub(f"https://{owner}.github.io/{name}", line)
        lines.append(line)
    return "".join(lines)


def main(arguments: list[str]) -> int:
    """Rewrite or check all files; the exit status."""
    if arguments not in ([], ["--check"]):
        print(__doc__)
        return 2
    wrong = []
    for file in sorted({file for pattern in _FILES for file in ROOT.glob(pattern)}):
        text = file.read_text(encoding="utf-8")
        right = carried(text, address())
        if right != text:
            wrong.append(file.relative_to(ROOT).as_posix())
            if not arguments:
                file.write_text(right, encoding="utf-8")
    if wrong:
        print(
            ("rewritten: " if not arguments else "these spell another address, run `make address`: ") + ", ".join(wrong)
        )
    return 1 if wrong and arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

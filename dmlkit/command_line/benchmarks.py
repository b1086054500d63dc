"""`benchmarks`: the catalogue, and what of it is on this machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dmlkit.data.entry import Entry

HELP = "list the data sets, or tell all about one"

EPILOG = """\
a worked example:
  python -m dmlkit benchmarks
  python -m dmlkit benchmarks cub200

  The first lists every data set with what it is for and whether it is here. The second says how many images each
  split has, who used it, its licence, whom to cite, and how to get it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("name", metavar="NAME", nargs="?", help="of a data set")
    parser.add_argument("--root", metavar="DIR", help="where data sets are prepared (default: as DMLKIT_DATA says)")


def main(arguments: argparse.Namespace) -> int:
    """Print the list, or one entry."""
    from dmlkit.data.catalogue import find
    from dmlkit.data.places import data_root

    root = data_root() if arguments.root is None else Path(arguments.root).expanduser().absolute()
    if arguments.name is None:
        print(_list(root))
    else:
        print(_details(find(arguments.name), root))
    return 0


def _list(root: Path) -> str:
    from dmlkit.data import overview
    from dmlkit.data.catalogue import CATALOGUE
    from dmlkit.data.entry import TASKS

    name, title = (max(len(getattr(e, field)) for e in CATALOGUE.values()) for field in ("name", "title"))
    parts = []
    for heading, entries in (*((task, overview.official(task)) for task in TASKS), ("stand-ins", overview.stand_ins())):
        lines = [f"  {e.name:{name}}  {e.title:{title}}  {_state(e, root)}".rstrip() for e in entries]
        parts.append("\n".join([heading, *lines]))
    parts.append(f"prepared in {root}; numbers on stand-ins are not comparable with papers")
    return "\n\n".join(parts)


def _details(entry: Entry, root: Path) -> str:
    from dmlkit.data import overview

    told = (overview.size_table, overview.descriptions, overview.how_to_get, overview.citations)
    here = {
        "prepared": f"prepared, in {root / entry.name}",
        "at hand": "not prepared yet; its files are at hand, and the first use prepares it",
        "": "not prepared, and its files are not at hand",
    }
    return "\n\n".join([*(tell([entry]) for tell in told), f"On this machine: {here[_state(entry, root)]}."])


def _state(entry: Entry, root: Path) -> str:
    """What is on this machine: "prepared", "at hand" where its files only need unpacking, or nothing."""
    from dmlkit.data.prepare import MANIFEST, absent

    if (root / entry.name / MANIFEST).is_file():
        return "prepared"
    return "" if absent(entry, root) else "at hand"

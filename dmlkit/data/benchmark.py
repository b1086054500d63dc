"""`benchmark(name)`: a data set of the papers with its official split, checked; `miniature(name)`: the same, drawn."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from dmlkit.data.catalogue import find
from dmlkit.data.entry import Entry
from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.places import data_root
from dmlkit.data.prepare import MANIFEST, check_manifest, check_splits, inspect, open_in_place, prepare, write_manifest


@dataclass(frozen=True, eq=False)  # == of images has no single answer
class Benchmark:
    """A data set with its official split.

    Attributes:
        name: of the catalogue; a miniature says so: "cub200 (miniature)".
        entry: what the catalogue knows: task, licence, citation, where the papers use it.
        splits: "train", "test" and what else the data set has: "val", "query", "gallery", "pairs".
        checksum: over every byte of every file, for the records of runs.
    """

    name: str
    entry: Entry
    splits: Mapping[str, ImageSet | Pairs]
    checksum: str

    def __getitem__(self, split: str) -> ImageSet | Pairs:
        """`benchmark["train"]`.

        Raises:
            KeyError: no such split; it names those there are.
        """
        if split not in self.splits:
            raise KeyError(f"{self.name} has no split {split!r}, it has {', '.join(self.splits)}")
        return self.splits[split]

    @property
    def train(self) -> ImageSet:
        """The official training split."""
        return self["train"]

    @property
    def test(self) -> ImageSet:
        """The official test split."""
        return self["test"]

    def __str__(self) -> str:
        lines = [f"{self.entry.title} ({self.name}), {self.entry.task}"]
        lines += [f"  {name}: {split!r}" for name, split in self.splits.items()]
        lines += [f"  licence: {self.entry.licence}", f"  cite: {self.entry.citation}"]
        if self.entry.note:
            lines.append(f"  note: {self.entry.note}")
        if self.entry.stands_in_for is not None:
            lines.append(f"  a stand-in for {self.entry.stands_in_for}: its numbers are not comparable with papers")
        return "\n".join(lines)


def benchmark(
    name: str, *, root: str | Path | None = None, folder: str | Path | None = None, download: bool = False
) -> Benchmark:
    """A data set of the catalogue with its official split, every file accounted for.

    The first call unpacks the official archives, which were downloaded or placed by hand, decodes each image once and
    keeps a manifest; later calls hold the folder against it. Nothing is ever half there.

    Args:
        name: of the catalogue, e.g. "cub200"; `catalogue.CATALOGUE` lists all.
        root: where data lies; by default the folder `DMLKIT_DATA`, else `dmlkit` in the platform's cache folder.
        folder: a copy that lies unpacked somewhere, in the official layout; it is read in place.
        download: fetch what is missing, where its site allows.

    Returns:
        A `Benchmark`.

    Raises:
        ValueError: an unknown name; the nearest ones are said.
        DataError: one sentence: what is missing or wrong, and what to do.

    Explained in the chapter "The benchmarks".
    """
    entry = find(name)
    root = data_root() if root is None else Path(root).expanduser().absolute()
    if folder is not None:
        folder = Path(folder).expanduser().absolute()
        checksum = open_in_place(entry, folder, root)
    else:
        folder = prepare(entry, root, fetch=download)
        checksum = check_manifest(folder, entry.name, folder / MANIFEST)
    splits = entry.read(folder)
    check_splits(entry, splits, folder, entry.counts)
    return Benchmark(entry.name, entry, splits, checksum)


def miniature(name: str, *, folder: str | Path | None = None) -> Benchmark:
    """A few images a class drawn by code in a benchmark's official layout, read by the very same loader.

    For smoke runs, tests and readers without the data. The same call draws the same images everywhere.

    Args:
        name: of the catalogue.
        folder: an empty or new folder to draw into; by default one that is removed when the process ends.

    Returns:
        A `Benchmark` whose name says that it is a miniature.

    Raises:
        ValueError: an unknown name.
        DataError: a folder that is not empty.
    """
    entry = find(name)
    if folder is None:
        folder = Path(tempfile.mkdtemp(prefix=f"dmlkit-{name}-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    folder = Path(folder).expanduser().absolute()
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise DataError(f"{folder} is not empty: a miniature needs a folder of its own")
    splits = inspect(entry, folder, entry.draw(folder, entry.miniature))
    write_manifest(folder, entry.name, splits, folder / MANIFEST)
    return Benchmark(f"{name} (miniature)", entry, splits, check_manifest(folder, entry.name, folder / MANIFEST))

"""Miniatures, ways to damage them, and what must then be said."""

import dataclasses
import shutil
import tarfile
from functools import lru_cache
from pathlib import Path

import numpy
import pytest

from dmlkit.data.errors import DataError
from dmlkit.data.prepare import IMAGE_ENDINGS, inspect, prepare


def entry_named(entries, name):
    return next(entry for entry in entries if entry.name == name)


def drawn(entry, folder):
    """A miniature's counts and splits, inspected as a prepared data set is."""
    counts = entry.draw(folder, entry.miniature)
    return counts, inspect(entry, folder, counts)


def refused(entry, folder, counts, *parts):
    """The data set must be refused in one sentence that has these parts; it is returned."""
    with pytest.raises(DataError) as error:
        inspect(entry, folder, counts)
    said = str(error.value)
    assert "\n" not in said
    for part in parts:
        assert str(part) in said, said
    return said


def prepared(entry, folder, members):
    """A miniature's splits, packed as the official archives are (`members`: what each holds) and prepared from them."""
    counts = entry.draw(folder / "drawn", entry.miniature)
    archives = folder / "root" / "archives"
    archives.mkdir(parents=True)
    for source in entry.sources:
        inside = folder / "drawn" / source.into
        if source.unpack:
            with tarfile.open(archives / source.file, "w:gz") as archive:
                archive.add(inside / members[source.file], members[source.file])
        else:
            shutil.copyfile(inside / source.file, archives / source.file)
    sources = tuple(dataclasses.replace(source, url=None, checksum=None, size=None) for source in entry.sources)
    entry = dataclasses.replace(entry, sources=sources, counts=counts)
    return entry.read(prepare(entry, folder / "root", fetch=False))


def drawn_as(image, drawing):
    """The class and the number that an image was drawn for: those whose drawing is nearest to it."""
    pixels = numpy.asarray(image, float).ravel()
    return divmod(int(numpy.abs(_templates(drawing) - pixels).mean(axis=1).argmin()), drawing.per_class)


@lru_cache
def _templates(drawing):
    every = [(label, number) for label in range(drawing.classes) for number in range(drawing.per_class)]
    return numpy.stack([numpy.asarray(drawing.image(*one), float).ravel() for one in every])


def images_of(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_ENDINGS)


def remove_image(folder: Path) -> tuple[Path, str]:
    path = images_of(folder)[3]
    path.unlink()
    return path, "is missing"


def add_image(folder: Path) -> tuple[Path, str]:
    path = images_of(folder)[3]
    added = path.with_name(f"zz{path.name}")
    added.write_bytes(path.read_bytes())
    return added, "does not belong to the data set"


def truncate_image(folder: Path) -> tuple[Path, str]:
    path = images_of(folder)[3]
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path, "cannot be read as an image"


def no_image(folder: Path) -> tuple[Path, str]:
    path = images_of(folder)[3]
    path.write_text("<html>404 Not Found</html>", encoding="utf-8")
    return path, "cannot be read as an image"


DAMAGES = [remove_image, add_image, truncate_image, no_image]


def replace(path: Path, old: str, new: str) -> None:
    """Change the first place in a text file where `old` stands, which there must be."""
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")

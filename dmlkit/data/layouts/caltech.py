"""Caltech-101 and Caltech-256: a folder a class, whose images are numbered from 1. Neither has an official split."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from dmlkit.data.download import check_file
from dmlkit.data.errors import DataError
from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, folders_in, reading, refuse, split_by_name
from dmlkit.data.unpack import unpack

if TYPE_CHECKING:
    from torchvision.datasets import VisionDataset

FOLDER_101 = "caltech101/101_ObjectCategories"
FOLDER_256 = "caltech256/256_ObjectCategories"
BACKGROUND = "BACKGROUND_Google"
_INNER_MD5 = "md5:b224c7392d521a49829488ab0f1120d9"


def _check_names(folder: Path, category: str, expected: list[str]) -> None:
    """torchvision counts the files of a class and makes up their names: here they must be there."""
    there = set(os.listdir(folder / category))
    missing = set(expected) - there
    # Other things may lie there (Caltech-256 has a few), but for Caltech-101 torchvision counts them as images.
    strange = {name for name in there - set(expected) if missing or name.endswith(".jpg")}
    if missing or strange:
        found = [f"{min(missing)} is missing"] * bool(missing) + [f"{min(strange)} is there"] * bool(strange)
        refuse(folder / category, f"its images must be numbered from 1 without a gap, but {' and '.join(found)}")


def _split(root: Path, folder: str, listed: VisionDataset, files: list[str]) -> dict[str, ImageSet]:
    """Check the names that torchvision made up, and split by them."""
    expected: list[list[str]] = [[] for _ in listed.categories]
    for label, file in zip(listed.y, files, strict=True):
        expected[label].append(file)
    for category, names in zip(listed.categories, expected, strict=True):
        _check_names(root / folder, category, names)
    names = [f"{listed.categories[label]}/{file}" for label, file in zip(listed.y, files, strict=True)]
    store = Files(root, [f"{folder}/{name}" for name in names])
    return split_by_name(ImageSet(store, listed.y, listed.categories), names)


def read_101(root: Path) -> dict[str, ImageSet]:
    """Our split (`split_by_name`) of the 101 classes; the folder BACKGROUND_Google is none of them.

    Raises:
        DataError: a missing folder, or files of a class that are not numbered from 1 without a gap.
    """
    from torchvision.datasets import Caltech101  # slow to import

    folder = root / FOLDER_101
    # torchvision says only that a list lacks something.
    if BACKGROUND not in folders_in(folder):
        raise DataError(f"{folder / BACKGROUND} is missing: torchvision reads no Caltech-101 without it")
    with reading(folder):
        listed = Caltech101(root)
    return _split(root, FOLDER_101, listed, [f"image_{number:04d}.jpg" for number in listed.index])


def read_256(root: Path) -> dict[str, ImageSet]:
    """Our split (`split_by_name`) of all 257 folders, as torchvision has them: the last one is clutter.

    Raises:
        DataError: as `read_101`.
    """
    from torchvision.datasets import Caltech256  # slow to import

    with reading(root / FOLDER_256):  # looked at first: torchvision makes the folder above
        listed = Caltech256(root)
    files = [f"{label + 1:03d}_{number:04d}.jpg" for label, number in zip(listed.y, listed.index, strict=True)]
    return _split(root, FOLDER_256, listed, files)


def unpack_inner(root: Path) -> None:
    """Caltech-101's zip holds another archive with the images, and annotations that classification does not need."""
    outer = root / "caltech101" / "caltech-101"
    inner = outer / "101_ObjectCategories.tar.gz"
    check_file(inner, _INNER_MD5)
    unpacked = unpack(inner, root / ".inner")
    os.replace(unpacked / "101_ObjectCategories", root / FOLDER_101)
    shutil.rmtree(unpacked)
    shutil.rmtree(outer)


def add_background(root: Path) -> None:
    """A stand-in has no images of the background, but torchvision cannot read the classes without its folder."""
    (root / FOLDER_101 / BACKGROUND).mkdir()


def draw_101(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in the layout of Caltech-101, with an image of the background that no split uses."""
    for label in range(drawing.classes):
        for k in range(drawing.per_class):
            drawing.save(root / FOLDER_101 / f"drawn_{label + 1:03d}" / f"image_{k + 1:04d}.jpg", label, k)
    drawing.save(root / FOLDER_101 / BACKGROUND / "image_0001.jpg", drawing.classes, 0)
    return drawing.fifths()


def draw_256(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in the layout of Caltech-256."""
    for label in range(drawing.classes):
        for k in range(drawing.per_class):
            folder = root / FOLDER_256 / f"{label + 1:03d}.drawn-{label + 1}"
            drawing.save(folder / f"{label + 1:03d}_{k + 1:04d}.jpg", label, k)
    return drawing.fifths()

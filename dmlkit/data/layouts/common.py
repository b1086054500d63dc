"""What the layouts share: reading annotation files, splitting by class, drawing images."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from PIL import Image
from scipy.io import loadmat, savemat

from dmlkit.data.errors import DataError
from dmlkit.data.images import Files, ImageSet


def refuse(path: Path, why: str) -> NoReturn:
    """Say which annotation file is wrong, and why.

    Raises:
        DataError: always.
    """
    raise DataError(f"{path} is not the official file: {' '.join(why.split())}")  # what a parser says may have lines


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of which file torchvision's reader complains: it raises what its parsing happens to meet.

    Raises:
        DataError: the file or folder is missing, or whatever else was raised.
    """
    if not path.exists():
        raise DataError(f"{path} is missing: the data set cannot be read without it")
    try:
        yield
    except Exception as fault:
        refuse(path, f"torchvision cannot read it ({type(fault).__name__}: {fault})")


def check_once(path: Path, names: Iterable[str]) -> None:
    """Require that no name comes twice in an annotation file.

    Raises:
        DataError: the first that does.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            refuse(path, f"{name} is listed twice")
        seen.add(name)


def lines_of(path: Path) -> list[str]:
    """Lines of a text file that are not blank, without their ends.

    Raises:
        DataError: the file is missing or not text.
    """
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise DataError(f"{path} is missing: the data set cannot be read without it") from None
    except UnicodeDecodeError:
        refuse(path, "it is not text")
    except OSError as fault:  # a folder of that name, or a file that may not be read
        refuse(path, f"it cannot be read ({fault.strerror})")


def numbered_lines(path: Path) -> dict[int, str]:
    """Lines "number text" as {number: text}.

    Raises:
        DataError: the file is missing, a line is not of this form, or a number comes twice.
    """
    found: dict[int, str] = {}
    for line in lines_of(path):
        number, _, text = line.partition(" ")
        if not number.isdecimal() or not text.strip():
            refuse(path, f"a line must be a number and a text, found {line!r}")
        if int(number) in found:
            refuse(path, f"the number {number} comes twice")
        found[int(number)] = text.strip()
    return found


def matlab(path: Path, *names: str) -> list[np.ndarray]:
    """Variables of a MATLAB file.

    Raises:
        DataError: the file is missing, is not MATLAB's, or lacks a variable.
    """
    if not path.is_file():
        raise DataError(f"{path} is missing: the data set cannot be read without it")
    try:
        variables = loadmat(path, squeeze_me=True, variable_names=list(names))
        return [variables[name] for name in names]
    except KeyError as missing:
        refuse(path, f"it has no variable {missing}")
    except Exception as fault:  # scipy raises what its parser happens to meet
        refuse(path, f"MATLAB's format cannot be read ({fault})")


def write_matlab(path: Path, **variables: Any) -> None:
    """Write a MATLAB file for a miniature, whose bytes are the same wherever and whenever it is drawn."""
    written = io.BytesIO()
    savemat(written, variables)
    # The header's text names the platform and the time of writing.
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(116) + written.getvalue()[116:])


def one_after_another(
    root: Path, listed: Mapping[str, tuple[Sequence[str], Sequence[int]]], classes: Sequence[str]
) -> dict[str, ImageSet]:
    """Splits of image names and labels, as parts of one store, so that they can be joined.

    Args:
        root: what the names are relative to.
        listed: split → names and labels.
        classes: names, `classes[label]`.
    """
    store = Files(root, [name for names, _ in listed.values() for name in names])
    images = ImageSet(store, [label for _, labels in listed.values() for label in labels], classes)
    parts = torch.arange(len(store)).split([len(names) for names, _ in listed.values()])
    return {split: images.subset(part) for split, part in zip(listed, parts, strict=True)}


def folders_in(path: Path) -> list[str]:
    """Names of the folders in a folder, sorted, so that labels do not depend on the disk.

    Raises:
        DataError: the folder is missing.
    """
    if not path.is_dir():
        raise DataError(f"{path} is missing: the data set cannot be read without it")
    return sorted(item.name for item in path.iterdir() if item.is_dir())


def split_by_name(images: ImageSet, names: Sequence[str]) -> dict[str, ImageSet]:
    """Our split for sets that have no official one: four fifths of each class train, one fifth tests.

    The images of a class stand in the order of the SHA-256 of "class/file name", and every fifth tests, counted on from
    class to class. So the split depends on names alone, not on a random generator or the disk, and N images
    have ⌊N/5⌋ for testing, however large the classes are; of n images of a class that is n/5, rounded up or down.

    Args:
        images: all of them, in any order.
        names: "class/file name" of each.
    """
    by_class = sorted(
        range(len(names)), key=lambda n: (int(images.labels[n]), hashlib.sha256(names[n].encode()).hexdigest())
    )
    tests = set(by_class[4::5])
    return {
        "train": images.subset([n for n in range(len(names)) if n not in tests]),
        "test": images.subset(sorted(tests)),
    }


def first_half_of_classes(images: ImageSet) -> dict[str, ImageSet]:
    """The zero-shot split of CUB and Cars: the first half of the classes trains, the second half tests."""
    half = len(images.classes) // 2
    return {"train": images.of_classes(range(half)), "test": images.of_classes(range(half, len(images.classes)))}


@dataclass(frozen=True)
class Count:
    """How many images and classes a split has; for verification images and pairs."""

    images: int
    classes: int | None = None
    pairs: int | None = None

    def __str__(self) -> str:
        parts = [f"{self.images:,} images"]
        if self.classes is not None:
            parts.append(f"{self.classes:,} classes")
        if self.pairs is not None:
            parts.append(f"{self.pairs:,} pairs")
        return ", ".join(parts)


@dataclass(frozen=True)
class Drawing:
    """How a miniature is drawn: how many classes, images a class, pixels a side, and the seed."""

    classes: int
    per_class: int
    size: int = 32
    seed: int = 0

    def image(self, label: int, number: int, *, grey: bool = False, size: tuple[int, int] | None = None) -> Image.Image:
        """A disc and a stripe whose colours and places belong to the class, on noise that belongs to the image.

        Images of a class resemble each other, so a few steps of training lower a loss on them.
        """
        width, height = size or (self.size, self.size)
        own = np.random.default_rng([self.seed, label])
        any_ = np.random.default_rng([self.seed, label, number + 1])
        y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
        ground, disc, stripe = own.uniform(30, 225, (3, 3))
        shift = any_.uniform(-0.06, 0.06, 2)
        centre, radius, angle = own.uniform(0.3, 0.7, 2) + shift, own.uniform(0.12, 0.3), own.uniform(0, np.pi)
        pixels = np.broadcast_to(ground, (height, width, 3)).copy()
        across = np.cos(angle) * (x - 0.5) + np.sin(angle) * (y - 0.5)
        pixels[np.abs(across - shift[0]) < 0.08] = stripe
        pixels[(x - centre[0]) ** 2 + (y - centre[1]) ** 2 < radius**2] = disc
        pixels += any_.normal(0, 8, pixels.shape)
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        return image.convert("L") if grey else image

    def save(self, path: Path, label: int, number: int, **options) -> None:
        """Draw an image into a file, whose ending says the format."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image(label, number, **options).save(path, quality=90)

    def halves(self) -> dict[str, Count]:
        """What a zero-shot split by halves of the classes has."""
        half = self.classes // 2
        return {
            "train": Count(half * self.per_class, half),
            "test": Count((self.classes - half) * self.per_class, self.classes - half),
        }

    def fifths(self) -> dict[str, Count]:
        """What `split_by_name` has."""
        images = self.classes * self.per_class
        trained = {place // self.per_class for place in range(images) if place % 5 != 4}
        tested = {place // self.per_class for place in range(4, images, 5)}
        return {"train": Count(images - images // 5, len(trained)), "test": Count(images // 5, len(tested))}

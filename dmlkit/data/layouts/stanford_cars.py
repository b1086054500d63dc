"""Stanford Cars for classification, as torchvision reads it: `devkit`, `cars_train`, `cars_test` and their annotations.

Also the training half alone, split by classes: a small stand-in for Cars-196.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import (
    Count,
    Drawing,
    check_once,
    first_half_of_classes,
    matlab,
    one_after_another,
    reading,
    refuse,
    write_matlab,
)

FOLDER = "stanford_cars"
ANNOTATIONS = {"train": "devkit/cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}


def class_names(path: Path) -> list[str]:
    """The variable `class_names` of a MATLAB file.

    Raises:
        DataError: the file is missing, has no such variable, or its names are not texts that differ.
    """
    (found,) = matlab(path, "class_names")
    names = np.atleast_1d(found).tolist()
    if not all(isinstance(name, str) for name in names):
        refuse(path, "its class_names must be texts")
    check_once(path, names)
    return names


def annotations(path: Path, field: str, classes: list[str]) -> tuple[list[str], list[int]]:
    """Image names, which lie in `field`, and labels from 0, of the struct array `annotations` of a MATLAB file.

    Raises:
        DataError: the file is missing or another one, an image is listed twice, or a class has no name.
    """
    (found,) = matlab(path, "annotations")
    found = np.atleast_1d(found)
    for needed in (field, "class"):
        if needed not in (found.dtype.names or ()):
            refuse(path, f"its annotations have no field {needed!r}")
    names, numbers = found[field].tolist(), found["class"].tolist()
    for name, number in zip(names, numbers, strict=True):
        if not isinstance(name, str):
            refuse(path, f"a {field} must be a text, found {name!r}")
        if not isinstance(number, int | np.integer) or not 1 <= number <= len(classes):
            refuse(path, f"{name} has the class {number!r}, expected 1 … {len(classes)}")
    check_once(path, names)
    return names, [int(number) - 1 for number in numbers]


def read(root: Path) -> dict[str, ImageSet]:
    """The official split; train and test have the same classes.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    from torchvision.datasets import StanfordCars  # slow to import

    folder = root / FOLDER
    classes = class_names(folder / "devkit" / "cars_meta.mat")
    listed = {split: annotations(folder / file, "fname", classes) for split, file in ANNOTATIONS.items()}
    # Both number their images from 1: the training file in the other's place would find an image for each of its names.
    if listed["train"] == listed["test"]:
        refuse(folder / ANNOTATIONS["test"], f"it labels the images of {ANNOTATIONS['train']}")
    # What the checks above have read, torchvision reads once more: names and labels are its own.
    for split, file in ANNOTATIONS.items():
        with reading(folder / file):
            samples = StanfordCars(root, split, download=False)._samples
        names = [Path(path).relative_to(root).as_posix() for path, _ in samples]
        listed[split] = names, [int(label) for _, label in samples]
    return one_after_another(root, listed, classes)


def read_train_half(root: Path) -> dict[str, ImageSet]:
    """The zero-shot split of the training half: the first half of the classes trains, the second half tests.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    classes = class_names(root / "devkit" / "cars_meta.mat")
    names, labels = annotations(root / "devkit" / "cars_train_annos.mat", "fname", classes)
    return first_half_of_classes(ImageSet(Files(root, [f"cars_train/{name}" for name in names]), labels, classes))


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: two thirds of each class's images train."""
    folder = root / FOLDER
    test = max(1, drawing.per_class // 3)
    numbers = {"train": range(test, drawing.per_class), "test": range(test)}
    _write_names(folder / "devkit" / "cars_meta.mat", drawing)
    for split, file in ANNOTATIONS.items():
        _draw_images(folder / f"cars_{split}", folder / file, drawing, numbers[split])
    return {split: Count(drawing.classes * len(numbers[split]), drawing.classes) for split in ANNOTATIONS}


def draw_train_half(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature of the training half."""
    _write_names(root / "devkit" / "cars_meta.mat", drawing)
    _draw_images(root / "cars_train", root / "devkit" / "cars_train_annos.mat", drawing, range(drawing.per_class))
    return drawing.halves()


def _write_names(path: Path, drawing: Drawing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    names = np.array([f"Drawn Car Sedan {2000 + label}" for label in range(drawing.classes)], dtype=object)
    write_matlab(path, class_names=names)


def _draw_images(images: Path, file: Path, drawing: Drawing, numbers: range) -> None:
    fields = [(name, object) for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    rows = []
    # One image of each class, then the next: the official files are not sorted by class either.
    for number in numbers:
        for label in range(drawing.classes):
            name = f"{len(rows) + 1:05d}.jpg"
            drawing.save(images / name, label, number)
            rows.append((1, 1, drawing.size, drawing.size, label + 1, name))
    write_matlab(file, annotations=np.array(rows, dtype=fields))

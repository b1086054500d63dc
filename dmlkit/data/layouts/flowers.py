"""Oxford Flowers-102, as torchvision reads it: `flowers-102` with `jpg`, `imagelabels.mat` and `setid.mat`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmlkit.data.images import ImageSet
from dmlkit.data.layouts.common import (
    Count,
    Drawing,
    check_once,
    matlab,
    one_after_another,
    reading,
    refuse,
    write_matlab,
)

FOLDER = "flowers-102"
SPLITS = {"train": "trnid", "val": "valid", "test": "tstid"}
NUM_CLASSES = 102


def read(root: Path) -> dict[str, ImageSet]:
    """The official split.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    from torchvision.datasets import Flowers102  # slow to import

    # torchvision wants the official bytes. They are checked when they are taken; a miniature cannot have them.
    unchecked = {"_file_dict": {kind: (file, None) for kind, (file, _) in Flowers102._file_dict.items()}}
    reader = type("Flowers102", (Flowers102,), unchecked)
    folder = root / FOLDER
    _check(folder / "imagelabels.mat", folder / "setid.mat")
    listed = {}
    for split in SPLITS:
        with reading(folder / "setid.mat"):
            flowers = reader(root, split, download=False)
        listed[split] = [path.relative_to(root).as_posix() for path in flowers._image_files], list(flowers._labels)
    # torchvision 0.21 does not know the names yet.
    classes = getattr(Flowers102, "classes", [f"flower {number}" for number in range(1, NUM_CLASSES + 1)])
    return one_after_another(root, listed, classes)


def _check(labels_file: Path, sets_file: Path) -> None:
    """What torchvision does not look at: labels that exist, and each image in one split.

    Raises:
        DataError: a file is missing or another one, a label is out of range, or an image is in no split or in two.
    """
    (labels,) = matlab(labels_file, "labels")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        refuse(labels_file, f"its labels must be a row of integers, found {labels.dtype} of shape {labels.shape}")
    if labels.min() < 1 or labels.max() > NUM_CLASSES:
        refuse(labels_file, f"its labels must lie in 1 … {NUM_CLASSES}, found {labels.min()} … {labels.max()}")
    images = np.concatenate([np.atleast_1d(numbers) for numbers in matlab(sets_file, *SPLITS.values())])
    check_once(sets_file, (f"image {number}" for number in images))
    if images.dtype.kind not in "iu" or not np.array_equal(np.sort(images), np.arange(1, len(labels) + 1)):
        refuse(sets_file, f"it must list the {len(labels):,} images that {labels_file.name} has labels for")


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: a quarter of each class's images to train, a quarter for val, the rest for test."""
    folder = root / FOLDER
    quarter = drawing.per_class // 4
    labels: list[int] = []
    images: dict[str, list[int]] = {split: [] for split in SPLITS}
    for label in range(drawing.classes):
        for number in range(drawing.per_class):
            labels.append(label + 1)
            split = "train" if number < quarter else "val" if number < 2 * quarter else "test"
            images[split].append(len(labels))
            drawing.save(folder / "jpg" / f"image_{len(labels):05d}.jpg", label, number)
    write_matlab(folder / "imagelabels.mat", labels=np.array(labels, dtype=np.uint8))
    sets = {SPLITS[split]: np.array(numbers, dtype=np.uint16) for split, numbers in images.items()}
    write_matlab(folder / "setid.mat", **sets)
    return {split: Count(len(numbers), drawing.classes) for split, numbers in images.items()}

"""Fashion-MNIST: four IDX files in `FashionMNIST/raw`, grey, 28×28."""

from __future__ import annotations

import gzip
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.layouts.common import Count, Drawing, reading, refuse

FOLDER = "FashionMNIST/raw"
CLASSES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_PREFIXES = {"train": "train", "test": "t10k"}


def _read_split(folder: Path, prefix: str) -> tuple[Tensor, Tensor]:
    """Pixels (N, H, W) and labels (N,)."""
    from torchvision.datasets.mnist import read_image_file, read_label_file  # slow to import

    images, labels = folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte"
    with reading(images):
        pixels = read_image_file(str(images))
    with reading(labels):
        numbers = read_label_file(str(labels))
    if len(pixels) != len(numbers):
        refuse(labels, f"it has {len(numbers)} labels for {len(pixels)} images")
    if len(numbers) and int(numbers.max()) >= len(CLASSES):
        refuse(labels, f"it has the label {int(numbers.max())}, not in 0 … {len(CLASSES) - 1}")
    return pixels, numbers


def read(root: Path) -> dict[str, ImageSet]:
    """The official split.

    Raises:
        DataError: a missing or damaged file, or labels that do not fit the images.
    """
    parts = {split: _read_split(root / FOLDER, prefix) for split, prefix in _PREFIXES.items()}
    (train_pixels, train_labels), (test_pixels, test_labels) = parts["train"], parts["test"]
    if train_pixels.shape[1:] != test_pixels.shape[1:]:
        sizes = f"{tuple(train_pixels.shape[1:])} in training, {tuple(test_pixels.shape[1:])} in test"
        refuse(root / FOLDER, f"its images have different sizes, {sizes}")
    store = Pixels(torch.cat([train_pixels, test_pixels]))
    images = ImageSet(store, torch.cat([train_labels, test_labels]), CLASSES)
    trains = len(train_labels)
    return {"train": images.subset(range(trains)), "test": images.subset(range(trains, len(images)))}


def unzip(root: Path) -> None:
    """Unpack the four official files where they lie; torchvision does so only when it downloads them."""
    for packed in sorted((root / FOLDER).glob("*.gz")):
        unpacked = packed.with_suffix("")
        part = packed.with_suffix(".part")
        with gzip.open(packed) as source, open(part, "wb") as target:
            shutil.copyfileobj(source, target, 2**20)
        os.replace(part, unpacked)
        packed.unlink()


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout, of at most ten classes; half as many test images a class, at least one."""
    folder = root / FOLDER
    folder.mkdir(parents=True)
    tests = max(1, drawing.per_class // 2)
    numbers = {"train": range(drawing.per_class), "test": range(drawing.per_class, drawing.per_class + tests)}
    for split, prefix in _PREFIXES.items():
        members = [(label, number) for number in numbers[split] for label in range(drawing.classes)]
        pixels = np.stack([np.asarray(drawing.image(*member, grey=True)) for member in members])
        _write_idx(folder / f"{prefix}-images-idx3-ubyte", pixels)
        _write_idx(folder / f"{prefix}-labels-idx1-ubyte", np.array([label for label, _ in members], dtype=np.uint8))
    return {split: Count(len(numbers[split]) * drawing.classes, drawing.classes) for split in _PREFIXES}


def _write_idx(path: Path, values: np.ndarray) -> None:
    """Two zero bytes, 8 for unsigned bytes, the number of dimensions, each of them, and the values."""
    sizes = np.array(values.shape, dtype=">u4").tobytes()
    path.write_bytes(bytes([0, 0, 8, values.ndim]) + sizes + values.tobytes())

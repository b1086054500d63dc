"""What the comparison trains on: rows of numbers that no loss may change, of classes that are split for retrieval."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from dmlkit.data import benchmark, digits
from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet
from dmlkit.data.locks import locked
from dmlkit.data.places import data_root
from dmlkit.data.transforms import evaluation_transform
from dmlkit.models import build
from dmlkit.recipes.config import Network
from dmlkit.training import checkpoints
from dmlkit.training.evaluation import embed_images

BACKBONE = "mobilenet_v2_pack"


@dataclass(frozen=True)
class Source:
    """How the rows of a data set are made.

    Attributes:
        benchmarks: names of the catalogue, of which the first that is here is taken.
        size: side of the images in pixels, as the frozen backbone sees them.
        classes: (training, test) classes, taken from the two halves of the benchmark at even steps; None takes all.
            A benchmark whose training and test images have the same classes gives its first classes to training and
            as many others to the test.
        per_class: images of each, at even steps; None takes all.
        whole: the image is scaled to that size; else scaled a little larger and its centre cut out, as photographs are.
    """

    benchmarks: tuple[str, ...]
    size: int
    classes: tuple[int, int] | None = None
    per_class: int | None = None
    whole: bool = True


# The grey images are few enough that every loss can be searched for on two processor cores.
SOURCES: dict[str, Source] = {
    "fashion-mnist": Source(("fashion-mnist",), 64, (5, 5), 400),
    "omniglot": Source(("omniglot", "omniglot-rezipped"), 64, (200, 200), 20),
    "cub50": Source(("cub50",), 160, whole=False),
}
NAMES = ("digits", *SOURCES)


@dataclass(frozen=True, eq=False)  # == of tensors has no single answer
class Rows:
    """Rows of numbers with labels, in training classes and in test classes that are others.

    Attributes:
        name: one of `NAMES`.
        train, test: (N, F) and (M, F), float32.
        train_labels, test_labels: (N,) and (M,), int64; those of training are 0 … C − 1.
        source: one sentence: what the rows are.
    """

    name: str
    train: Tensor
    train_labels: Tensor
    test: Tensor
    test_labels: Tensor
    source: str

    @property
    def train_classes(self) -> int:
        """How many classes training has."""
        return int(self.train_labels.max()) + 1

    @property
    def checksum(self) -> str:
        """SHA-256 over the labels and the rows, rounded to three digits: one machine's last bits are not another's."""
        digest = hashlib.sha256()
        for labels in (self.train_labels, self.test_labels):
            digest.update(labels.numpy().tobytes())
        for rows in (self.train, self.test):
            digest.update((rows * 1000).round().to(torch.int32).numpy().tobytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        test_classes = len(self.test_labels.unique())
        return (
            f"{self.name}: {len(self.train):,} rows of {self.train_classes} classes to train on, "
            f"{len(self.test):,} of {test_classes} others to test on, {self.train.shape[1]} numbers each; {self.source}"
        )


def rows(name: str, *, root: str | Path | None = None) -> Rows:
    """The rows of a data set: pixels of digits, else what a frozen MobileNetV2 makes of the images.

    The digits need nothing. The others need their images and the backbone's weights, see `dmlkit.data.benchmark` and
    `dmlkit.models.build`; their rows are computed once and kept in the folder `features` of the data root.

    Args:
        name: one of `NAMES`.
        root: the data root; by default as `dmlkit.data.benchmark`.

    Raises:
        ValueError: an unknown name.
        DataError: images or weights are not here; the sentence says what to do.

    Example:
        >>> print(rows("digits").train_classes, rows("digits").train.shape[1])
        5 64

    Used in the chapter "A fair comparison".
    """
    if name not in NAMES:
        raise ValueError(f"name must be one of {', '.join(NAMES)}, found {name!r}")
    if name == "digits":
        found = digits("zero_shot")
        return Rows(
            name,
            found.train_images.flatten(1),
            found.train_labels,
            found.test_images.flatten(1),
            found.test_labels - 5,
            "the 64 pixels of each image themselves",
        )
    fingerprint = _fingerprint(SOURCES[name])
    kept = (data_root() if root is None else Path(root)) / "features" / f"{name}-{fingerprint}.pt"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with locked(kept):
        if not kept.is_file():
            checkpoints.save(kept, fingerprint, _computed(SOURCES[name], root))
        parts = checkpoints.load(kept, fingerprint)
    del parts["fingerprint"]
    source = f"features of a {BACKBONE} trained on ImageNet, of images of {SOURCES[name].size} pixels"
    return Rows(name, **parts, source=source)


def _fingerprint(source: Source) -> str:
    return hashlib.sha256(f"{BACKBONE} {source}".encode()).hexdigest()[:8]


def _computed(source: Source, root: str | Path | None) -> dict[str, Tensor]:
    """Rows and labels of both splits."""
    splits = split_images(source, root)
    network = build(Network(BACKBONE, pretrained=True, head="none", embedding_dim=None), size=source.size)
    parts: dict[str, Tensor] = {}
    for split, images in splits.items():
        features, _ = embed_images(network, images)
        _, labels = images.labels.unique(return_inverse=True)
        parts |= {split: features.contiguous(), f"{split}_labels": labels}
    return parts


def split_images(source: Source, root: str | Path | None = None) -> dict[str, ImageSet]:
    """The "train" and "test" images of a source, in classes that have nothing in common, as they are read.

    Raises:
        DataError: the images are not here; the sentence says what to do.
    """
    found, fault = None, None
    for name in source.benchmarks:
        try:
            found = benchmark(name, root=root)
            break
        except DataError as missing:
            fault = fault or missing
    if found is None:
        raise fault
    reading = _whole(source.size) if source.whole else evaluation_transform("warped", size=source.size, channels=3)
    halves = _halves(found.train, found["test"], source)
    return {split: images.with_transform(reading) for split, images in halves.items()}


def _whole(size: int) -> Callable[[Image.Image], Tensor]:
    from torchvision.transforms import v2  # slow to import

    return v2.Compose([v2.Lambda(lambda image: image.convert("RGB")), v2.Resize((size, size)), v2.PILToTensor()])


def _halves(train: ImageSet, test: ImageSet, source: Source) -> dict[str, ImageSet]:
    """Training and test images of classes that have nothing in common."""
    first, last = train.labels.unique().tolist(), test.labels.unique().tolist()
    if set(first) & set(last):
        half = len(first) // 2
        first, last = first[:half], last[half:]
    if source.classes is not None:
        first, last = (_even(of, count) for of, count in zip((first, last), source.classes, strict=True))
    return {
        "train": _few(train.of_classes(first), source.per_class),
        "test": _few(test.of_classes(last), source.per_class),
    }


def _even(values: list[int], count: int) -> list[int]:
    """So many of them, at even steps."""
    return [values[place * len(values) // count] for place in range(min(count, len(values)))]


def _few(images: ImageSet, per_class: int | None) -> ImageSet:
    if per_class is None:
        return images
    chosen = [
        place
        for label in images.labels.unique()
        for place in _even((images.labels == label).nonzero().squeeze(1).tolist(), per_class)
    ]
    return images.subset(torch.tensor(sorted(chosen)))

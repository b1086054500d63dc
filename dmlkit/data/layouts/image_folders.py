"""Images in folders: `train/<class>/…` and `test/<class>/…`."""

from __future__ import annotations

from pathlib import Path

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, folders_in, reading, refuse

_SPLITS = ("train", "test")


def read(root: Path) -> dict[str, ImageSet]:
    """The split that the folders say; classes are sorted by name.

    Raises:
        DataError: a missing folder, a class without an image, or other classes in test than in train.
    """
    from torchvision.datasets import ImageFolder  # slow to import

    names, labels, ends, classes = [], [], [0], folders_in(root / "train")
    for split in _SPLITS:
        if folders_in(root / split) != classes:
            different = min(set(classes) ^ set(folders_in(root / split)))
            refuse(root / split, f"the class {different!r} must be in both train and test or in neither")
        with reading(root / split):
            found = ImageFolder(root / split).samples
        names += [Path(path).relative_to(root).as_posix() for path, _ in found]
        labels += [label for _, label in found]
        ends.append(len(names))
    images = ImageSet(Files(root, names), labels, classes)
    return {split: images.subset(range(ends[k], ends[k + 1])) for k, split in enumerate(_SPLITS)}


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout; half as many test images a class, at least one."""
    sizes = {"train": drawing.per_class, "test": max(1, drawing.per_class // 2)}
    for split in _SPLITS:
        first = 0 if split == "train" else sizes["train"]
        for label in range(drawing.classes):
            for k in range(sizes[split]):
                drawing.save(root / split / f"drawn_{label + 1:03d}" / f"{k:04d}.jpg", label, first + k)
    return {split: Count(size * drawing.classes, drawing.classes) for split, size in sizes.items()}

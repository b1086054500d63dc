"""FGVC-Aircraft, as torchvision reads it: `fgvc-aircraft-2013b/data` with a list for each split and level."""

from __future__ import annotations

from pathlib import Path

from dmlkit.data.images import ImageSet
from dmlkit.data.layouts.common import Count, Drawing, check_once, lines_of, one_after_another, reading, refuse

FOLDER = "fgvc-aircraft-2013b"
SPLITS = ("train", "val", "test")


def read(root: Path) -> dict[str, ImageSet]:
    """The official split, with the variants as classes.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    variants = root / FOLDER / "data" / "variants.txt"
    classes = lines_of(variants)
    check_once(variants, classes)
    listed: dict[str, tuple[list[str], list[int]]] = {}
    names: list[str] = []
    for split in SPLITS:
        listed[split] = _listed(root, split, classes)
        names += listed[split][0]
        check_once(_list(root, split), names)
    together = {name: label for split in ("train", "val") for name, label in zip(*listed[split], strict=True)}
    if dict(zip(*_listed(root, "trainval", classes), strict=True)) != together:
        refuse(_list(root, "trainval"), "it must list the images of train and val, with the same variants")
    return one_after_another(root, listed, classes)


def _list(root: Path, split: str) -> Path:
    return root / FOLDER / "data" / f"images_variant_{split}.txt"


def _listed(root: Path, split: str, classes: list[str]) -> tuple[list[str], list[int]]:
    """Image names and labels of a split, from torchvision.

    Raises:
        DataError: its list is missing, or is not one of images and variants.
    """
    from torchvision.datasets import FGVCAircraft  # slow to import

    path = _list(root, split)
    for line in lines_of(path):
        image, _, variant = line.partition(" ")
        if variant not in classes:
            refuse(path, f"{image} has the variant {variant!r}, which variants.txt does not know")
    with reading(path):
        aircraft = FGVCAircraft(root, split, "variant", download=False)
    # It keeps blank lines, which would shift the labels.
    if aircraft.classes != classes:
        refuse(root / FOLDER / "data" / "variants.txt", "it has blank lines")
    return [Path(image).relative_to(root).as_posix() for image in aircraft._image_files], list(aircraft._labels)


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: a third of each variant's images for each split, what remains for test."""
    data = root / FOLDER / "data"
    third = drawing.per_class // 3
    lines: dict[str, list[tuple[str, int]]] = {split: [] for split in SPLITS}
    for label in range(drawing.classes):
        for number in range(drawing.per_class):
            image = f"{34309 + label * drawing.per_class + number:07d}"
            drawing.save(data / "images" / f"{image}.jpg", label, number)
            lines[SPLITS[min(number // third, 2)]].append((image, label))
    variants = [f"Drawn {700 + 100 * label}" for label in range(drawing.classes)]
    (data / "variants.txt").write_text("\n".join(variants) + "\n", encoding="utf-8")
    for split, rows in {**lines, "trainval": sorted(lines["train"] + lines["val"])}.items():
        text = "".join(f"{image} {variants[label]}\n" for image, label in rows)
        _list(root, split).write_text(text, encoding="utf-8")
    return {split: Count(len(rows), drawing.classes) for split, rows in lines.items()}

"""CUB-200-2011: `images.txt`, `image_class_labels.txt`, `classes.txt`, `train_test_split.txt` and a folder a class."""

from __future__ import annotations

from pathlib import Path

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, check_once, first_half_of_classes, numbered_lines, refuse

FOLDER = "CUB_200_2011"


def read(root: Path) -> dict[str, ImageSet]:
    """The zero-shot split: the first half of the classes trains, the second half tests.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    folder = root / FOLDER
    classes = numbered_lines(folder / "classes.txt")
    names = numbered_lines(folder / "images.txt")
    numbers = numbered_lines(folder / "image_class_labels.txt")
    if list(classes) != list(range(1, len(classes) + 1)):
        refuse(folder / "classes.txt", "its classes must be numbered from 1 without a gap")
    if names.keys() != numbers.keys():
        refuse(folder / "image_class_labels.txt", "it must label exactly the images of images.txt")
    check_once(folder / "images.txt", names.values())
    labels = []
    for image, name in names.items():
        if not numbers[image].isdecimal() or int(numbers[image]) not in classes:
            refuse(folder / "image_class_labels.txt", f"image {image} has the class {numbers[image]!r}")
        # The folder says the class too: an annotation file of another release would not agree.
        if name.split("/")[0] != classes[int(numbers[image])]:
            refuse(folder / "image_class_labels.txt", f"image {image} lies in {name.split('/')[0]}, not in its class")
        labels.append(int(numbers[image]) - 1)
    store = Files(root, [f"{FOLDER}/images/{name}" for name in names.values()])
    return first_half_of_classes(ImageSet(store, labels, list(classes.values())))


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout."""
    folder = root / FOLDER
    names, numbers, flags = [], [], []
    for label in range(drawing.classes):
        for k in range(drawing.per_class):
            name = f"{label + 1:03d}.Drawn_Bird_{label + 1}/Drawn_Bird_{label + 1}_{k + 1:04d}_{1000 * label + k}.jpg"
            drawing.save(folder / "images" / name, label, k)
            names.append(name)
            numbers.append(label + 1)
            flags.append(k % 2)
    lines = {
        "images.txt": names,
        "image_class_labels.txt": numbers,
        "train_test_split.txt": flags,
        "classes.txt": [f"{label + 1:03d}.Drawn_Bird_{label + 1}" for label in range(drawing.classes)],
        "bounding_boxes.txt": [f"0.0 0.0 {drawing.size:.1f} {drawing.size:.1f}"] * len(names),
    }
    for file, values in lines.items():
        (folder / file).write_text("".join(f"{i} {value}\n" for i, value in enumerate(values, 1)), encoding="utf-8")
    return drawing.halves()

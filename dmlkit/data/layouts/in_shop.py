"""DeepFashion's In-shop Clothes Retrieval: `Eval/list_eval_partition.txt` and the folder `img`."""

from __future__ import annotations

from pathlib import Path

import torch

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, check_once, lines_of, refuse

PARTITION = "Eval/list_eval_partition.txt"
HEADER = "image_name item_id evaluation_status"
SPLITS = ("train", "query", "gallery")


def read(root: Path) -> dict[str, ImageSet]:
    """The official split: for each image of "query" the item is looked for in "gallery".

    Labels number the training items first, each part in the order of the item ids.

    Raises:
        DataError: a missing partition file, or one that contradicts itself.
    """
    path = root / PARTITION
    names, items, splits = _columns(path)
    check_once(path, names)
    items_of = {split: {item for item, s in zip(items, splits, strict=True) if s == split} for split in SPLITS}
    if items_of["query"] - items_of["gallery"]:
        refuse(path, f"{min(items_of['query'] - items_of['gallery'])} is a query without an image in the gallery")
    tested = items_of["query"] | items_of["gallery"]
    classes = [*sorted(items_of["train"]), *sorted(tested - items_of["train"])]
    label_of = {item: label for label, item in enumerate(classes)}
    images = ImageSet(Files(root, names), [label_of[item] for item in items], classes)
    return {split: images.subset(torch.tensor([s == split for s in splits]).nonzero().squeeze(1)) for split in SPLITS}


def _columns(path: Path) -> tuple[list[str], list[str], list[str]]:
    """Image names, item ids and splits of all lines.

    Raises:
        DataError: the file is missing, or is not such a list.
    """
    lines = lines_of(path)
    if len(lines) < 2 or not lines[0].isdecimal() or lines[1].split() != HEADER.split():
        refuse(path, f"its first two lines must be the number of images and {HEADER!r}")
    if int(lines[0]) != len(lines) - 2:
        refuse(path, f"it promises {int(lines[0]):,} images and lists {len(lines) - 2:,}")
    rows = []
    for line in lines[2:]:
        parts = line.split()
        if len(parts) != 3 or parts[2] not in SPLITS:
            refuse(path, f"a line must be an image, an item and one of {', '.join(SPLITS)}, found {line!r}")
        # The folder says the item too.
        if parts[1] not in parts[0].split("/")[:-1]:
            refuse(path, f"{parts[0]} does not lie in the folder of its item {parts[1]}")
        rows.append(parts)
    if not rows:
        refuse(path, "it lists no images")
    names, items, splits = zip(*rows, strict=True)
    return list(names), list(items), list(splits)


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: every second item trains, the first half of the others' images are queries."""
    queries = drawing.per_class // 2
    lines = []
    images = dict.fromkeys(SPLITS, 0)
    items = {"train": (drawing.classes + 1) // 2, "query": drawing.classes // 2, "gallery": drawing.classes // 2}
    for label in range(drawing.classes):
        item = f"id_{label + 1:08d}"
        for number in range(drawing.per_class):
            split = "train" if label % 2 == 0 else "query" if number < queries else "gallery"
            name = f"img/{('WOMEN/Dresses', 'MEN/Denim')[label // 2 % 2]}/{item}/{number + 1:02d}_1_front.jpg"
            drawing.save(root / name, label, number)
            lines.append(f"{name:<70} {item} {split:<10}")  # in columns, as the official file is
            images[split] += 1
    (root / PARTITION).parent.mkdir(parents=True, exist_ok=True)
    (root / PARTITION).write_text("\n".join([str(len(lines)), HEADER, *lines]) + "\n", encoding="utf-8")
    return {split: Count(images[split], items[split]) for split in SPLITS}

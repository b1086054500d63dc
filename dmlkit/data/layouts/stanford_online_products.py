"""Stanford Online Products: `Ebay_train.txt`, `Ebay_test.txt` and a folder for each kind of product."""

from __future__ import annotations

from pathlib import Path

from dmlkit.data.images import ImageSet
from dmlkit.data.layouts.common import Count, Drawing, check_once, lines_of, one_after_another, refuse

FOLDER = "Stanford_Online_Products"
SPLITS = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}
HEADER = "image_id class_id super_class_id path"
_KINDS = ("bicycle_final", "cabinet_final", "chair_final")


def read(root: Path) -> dict[str, ImageSet]:
    """The official zero-shot split; a class is one product, named by its kind and its official number.

    Raises:
        DataError: a missing annotation file, or annotations that contradict each other.
    """
    folder = root / FOLDER
    listed: dict[str, tuple[list[str], list[int]]] = {}
    names: list[str] = []
    kinds: dict[int, str] = {}  # of each product
    kind_numbers: dict[str, int] = {}
    for split, file in SPLITS.items():
        rows = _rows(folder / file)
        for number, kind_number, name in rows:
            kind = name.split("/")[0]
            if kinds.setdefault(number, kind) != kind:
                refuse(folder / file, f"class {number} lies in {kinds[number]} and in {kind}")
            if kind_numbers.setdefault(kind, kind_number) != kind_number:
                refuse(folder / file, f"{name} has the super class {kind_number}, others there {kind_numbers[kind]}")
        names += [name for *_, name in rows]
        check_once(folder / file, names)
        listed[split] = [f"{FOLDER}/{name}" for *_, name in rows], [number - 1 for number, *_ in rows]
    if sorted(kinds) != list(range(1, len(kinds) + 1)):
        refuse(
            folder / SPLITS["train"],
            f"with {SPLITS['test']} it must number the classes from 1 without a gap, "
            f"found {len(kinds):,} classes up to {max(kinds):,}",
        )
    return one_after_another(root, listed, [f"{kinds[number]}/{number}" for number in sorted(kinds)])


def _rows(path: Path) -> list[tuple[int, int, str]]:
    """Class, super class and path of each line, after the header.

    Raises:
        DataError: the file is missing, or is not such a list.
    """
    lines = lines_of(path)
    if not lines or lines[0].split() != HEADER.split():
        refuse(path, f"its first line must be {HEADER!r}, found {repr(lines[0]) if lines else 'nothing'}")
    rows = []
    for line in lines[1:]:
        parts = line.split()
        if len(parts) != 4 or not all(part.isdecimal() and int(part) > 0 for part in parts[:3]):
            refuse(path, f"a line must be three numbers from 1 and a path, found {line!r}")
        rows.append((int(parts[1]), int(parts[2]), parts[3]))
    return rows


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout."""
    folder = root / FOLDER
    half = drawing.classes // 2
    rows: dict[str, list[str]] = {split: [] for split in SPLITS}
    image = 0
    for label in range(drawing.classes):
        kind = label % len(_KINDS)
        for number in range(drawing.per_class):
            image += 1
            name = f"{_KINDS[kind]}/{111000000000 + label}_{number}.JPG"
            drawing.save(folder / name, label, number)
            rows["train" if label < half else "test"].append(f"{image} {label + 1} {kind + 1} {name}")
    files = {SPLITS[split]: lines for split, lines in rows.items()}
    files["Ebay_info.txt"] = rows["train"] + rows["test"]
    for file, lines in files.items():
        (folder / file).write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return drawing.halves()

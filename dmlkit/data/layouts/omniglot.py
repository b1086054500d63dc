"""Omniglot: `omniglot-py/images_background` and `…/images_evaluation`, a folder an alphabet, in it one a character."""

from __future__ import annotations

import re
from pathlib import Path

from dmlkit.data.images import Files, ImageSet
from dmlkit.data.layouts.common import Count, Drawing, folders_in, refuse

FOLDER = "omniglot-py"
_SETS = {"train": "images_background", "test": "images_evaluation"}
_SIDE = 105
_NAME = re.compile(r"(\d+)_(\d+)\.png")


def _drawers(folder: Path) -> list[str]:
    """Files of one character in the order of its drawers.

    Raises:
        DataError: a name of another form, of another character, or a drawer that is left out.
    """
    files = sorted(path.name for path in folder.iterdir() if path.name.endswith(".png") and path.is_file())
    parts = [_NAME.fullmatch(file) for file in files]
    if None in parts:
        refuse(folder, f"a file must be named NNNN_DD.png, found {files[parts.index(None)]}")
    if len({part[1] for part in parts}) > 1:
        refuse(folder, f"{files[0]} and {files[-1]} are two characters")
    if [int(part[2]) for part in parts] != list(range(1, len(files) + 1)):
        refuse(folder, f"its drawers must be numbered from 1 without a gap, found {', '.join(files)}")
    return files


def read(root: Path) -> dict[str, ImageSet]:
    """The zero-shot split: characters of the background alphabets train, those of the evaluation alphabets test.

    torchvision's class can read only a folder that still holds the official zips. It lists characters in the order of
    the disk; here they are sorted, "Alphabet/character01" first, and those of the evaluation set follow.

    Raises:
        DataError: a missing folder, an alphabet in both sets, or images of a character that are not numbered
            by its drawers.
    """
    names, labels, classes, sizes = [], [], [], []
    alphabets = {split: folders_in(root / FOLDER / part) for split, part in _SETS.items()}
    for alphabet in sorted(set(alphabets["train"]) & set(alphabets["test"])):
        refuse(root / FOLDER / _SETS["test"], f"the alphabet {alphabet} is in {_SETS['train']} too")
    for split, part in _SETS.items():
        for alphabet in alphabets[split]:
            for character in folders_in(root / FOLDER / part / alphabet):
                files = _drawers(root / FOLDER / part / alphabet / character)
                names += [f"{FOLDER}/{part}/{alphabet}/{character}/{file}" for file in files]
                labels += [len(classes)] * len(files)
                classes.append(f"{alphabet}/{character}")
        sizes.append(len(names))
    images = ImageSet(Files(root, names, mode="L"), labels, classes)
    return {"train": images.subset(range(sizes[0])), "test": images.subset(range(sizes[0], sizes[1]))}


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: the first half of the classes is background, two characters an alphabet."""
    half = drawing.classes // 2
    for label in range(drawing.classes):
        part, number = ("train", label) if label < half else ("test", label - half)
        alphabet = f"Drawn_{'background' if part == 'train' else 'evaluation'}_{number // 2 + 1}"
        folder = root / FOLDER / _SETS[part] / alphabet / f"character{number % 2 + 1:02d}"
        for k in range(drawing.per_class):
            drawing.save(folder / f"{label + 1:04d}_{k + 1:02d}.png", label, k, grey=True, size=(_SIDE, _SIDE))
    return drawing.halves()

"""Labeled Faces in the Wild: `lfw-py/lfw/<Name>/<Name>_0001.jpg` and the pairs of its ten folds, `lfw-py/pairs.txt`."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from dmlkit.data.images import Files, ImageSet, Pairs
from dmlkit.data.layouts.common import Count, Drawing, folders_in, lines_of, refuse

FOLDER = "lfw-py"


def _people(folder: Path) -> dict[str, int]:
    """How many images each person has.

    Raises:
        DataError: images of a person that are not numbered from 1 without a gap.
    """
    people = {}
    for person in folders_in(folder):
        files = sorted(file for file in os.listdir(folder / person) if file.endswith(".jpg"))
        for number, file in enumerate(files, 1):
            if file != f"{person}_{number:04d}.jpg":
                refuse(folder / person, f"{person}_{number:04d}.jpg must come where {file} is")
        people[person] = len(files)
    return people


def _folds(path: Path, lines: list[str]) -> tuple[int, int]:
    """The number of folds, and of pairs of each kind in one, as the first line has them.

    Raises:
        DataError: it has anything else, or there are other numbers of pairs.
    """
    header = lines[0].split("\t") if lines else []
    if len(header) != 2 or not all(field.isdecimal() and int(field) > 0 for field in header):
        refuse(path, f"its first line must be the number of folds and of pairs, found {' '.join(header)!r}")
    folds, half = map(int, header)
    if len(lines) - 1 != folds * 2 * half:
        refuse(path, f"its first line promises {folds} folds of {half} + {half} pairs, found {len(lines) - 1} pairs")
    return folds, half


def _pair(path: Path, line: str, same: bool, people: dict[str, int]) -> tuple[tuple[str, int], tuple[str, int]]:
    """Person and number of the two images that a line names.

    Raises:
        DataError: a line of another form, or an image that is not there.
    """
    fields = line.split("\t")
    if len(fields) != (3 if same else 4):
        form = "a name and two numbers" if same else "twice a name and a number"
        refuse(path, f"a pair of this half of its fold must be {form}, found {line!r}")
    ends = ((fields[0], fields[1]), (fields[0 if same else 2], fields[-1]))
    for person, number in ends:
        if person not in people:
            refuse(path, f"{line!r} names {person!r}, who has no folder")
        if not number.isdecimal() or not 1 <= int(number) <= people[person]:
            refuse(path, f"{line!r} names image {number} of {person}, who has {people[person]}")
    (one, first), (other, second) = ((person, int(number)) for person, number in ends)
    if (same and first == second) or (not same and one == other):
        refuse(path, f"{line!r} must be {'two images of one person' if same else 'of two people'}")
    return (one, first), (other, second)


def read(root: Path) -> dict[str, Pairs]:
    """All images, and the pairs of the folds: in each first the same person, then different ones (Huang et al., 2007).

    The threshold of a fold is chosen on the others (`dmlkit.metrics.verification_accuracy`); identities serve for
    nothing but to name the people.

    Raises:
        DataError: a missing file, images that are not numbered from 1, or pairs that contradict images or their count.
    """
    folder, path = root / FOLDER / "lfw", root / FOLDER / "pairs.txt"
    people = _people(folder)
    lines = lines_of(path)
    folds, half = _folds(path, lines)
    images = [(person, number) for person, count in people.items() for number in range(1, count + 1)]
    place = {image: n for n, image in enumerate(images)}
    same = (torch.arange(folds * 2 * half) % (2 * half)) < half
    pairs = [_pair(path, line, kind, people) for line, kind in zip(lines[1:], same.tolist(), strict=True)]
    first, second = torch.tensor([[place[one], place[other]] for one, other in pairs]).T
    label = {person: n for n, person in enumerate(people)}
    store = Files(root, [f"{FOLDER}/lfw/{person}/{person}_{number:04d}.jpg" for person, number in images])
    everyone = ImageSet(store, [label[person] for person, _ in images], list(people))
    return {"pairs": Pairs(everyone, first, second, same, torch.arange(folds).repeat_interleave(2 * half))}


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout: ten folds of two pairs that are the same and two that are not."""
    people = [f"Drawn_Person_{label + 1:03d}" for label in range(drawing.classes)]
    for label, person in enumerate(people):
        for k in range(drawing.per_class):
            drawing.save(root / FOLDER / "lfw" / person / f"{person}_{k + 1:04d}.jpg", label, k)
    folds, half = 10, 2
    lines = [f"{folds}\t{half}"]
    for fold in range(folds):
        # From image k to the next one, round in a circle, and likewise from person to person.
        turns = [(people[(fold + n) % len(people)], (fold + n) % drawing.per_class) for n in range(half + 1)]
        lines += [f"{person}\t{k + 1}\t{(k + 1) % drawing.per_class + 1}" for person, k in turns[:half]]
        lines += [f"{turns[n][0]}\t{turns[n][1] + 1}\t{turns[n + 1][0]}\t{turns[n + 1][1] + 1}" for n in range(half)]
    (root / FOLDER / "pairs.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"pairs": Count(drawing.classes * drawing.per_class, pairs=folds * 2 * half)}

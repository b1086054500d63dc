"""InsightFace's verification files, `lfw.bin` and others: pickled images, and which pairs of them are the same."""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from dmlkit.data.errors import DataError
from dmlkit.data.images import Encoded, ImageSet, Pairs
from dmlkit.data.layouts.common import Count, Drawing, refuse
from dmlkit.data.pickles import load_pairs_pickle

FOLDS = 10


def reader(file: str) -> Callable[[Path], dict[str, Pairs]]:
    """A function that reads this file in a folder; see `read`."""
    return partial(read, file=file)


def drawer(file: str) -> Callable[[Path, Drawing], dict[str, Count]]:
    """A function that draws this file; see `draw`."""
    return partial(draw, file=file)


def read(root: Path, file: str) -> dict[str, Pairs]:
    """The pairs in the order of the file, in ten folds of equal size; identities are not known.

    Raises:
        DataError: a missing file, a pickle that is anything else, or pairs that cannot be divided into ten folds.
    """
    path = root / file
    if not path.is_file():
        raise DataError(f"{path} is missing: the data set cannot be read without it")
    encoded, same = load_pairs_pickle(path)
    if not len(same) or len(same) % FOLDS:
        refuse(path, f"it must have pairs for {FOLDS} folds of equal size, found {len(same)}")
    store = Encoded(encoded, source=str(path))
    images = ImageSet(store, torch.arange(len(encoded)), [f"image {number}" for number in range(len(encoded))])
    first = torch.arange(0, len(encoded), 2)
    fold = torch.arange(FOLDS).repeat_interleave(len(same) // FOLDS)
    return {"pairs": Pairs(images, first, first + 1, torch.as_tensor(same.copy(), dtype=torch.bool), fold)}


def draw(root: Path, drawing: Drawing, file: str) -> dict[str, Count]:
    """A miniature in this layout: in each fold `per_class` pairs that are the same, then as many that are not."""
    encoded, same = [], []
    for fold in range(FOLDS):
        for k in range(2 * drawing.per_class):
            same.append(k < drawing.per_class)
            person = (fold + k) % drawing.classes
            for other in (person, person if same[-1] else (person + 1) % drawing.classes):
                stream = io.BytesIO()
                drawing.image(other, len(encoded)).save(stream, format="JPEG", quality=90)
                encoded.append(stream.getvalue())
    part = root / f"{file}.part"
    part.write_bytes(pickle.dumps((encoded, same), protocol=4))
    os.replace(part, root / file)
    return {"pairs": Count(len(encoded), pairs=len(same))}

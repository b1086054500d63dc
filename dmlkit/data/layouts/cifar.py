"""CIFAR-10 and CIFAR-100: pickled batches of 32×32 images in `cifar-10-batches-py` and `cifar-100-python`."""

from __future__ import annotations

import pickle
import pickletools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.layouts.common import Count, Drawing, reading, refuse

if TYPE_CHECKING:
    from torchvision.datasets import CIFAR10

_SIDE = 32
# All that an array in a pickle calls; numpy renamed its own module in version 2.
_HARMLESS = {
    "numpy.core.multiarray _reconstruct",
    "numpy._core.multiarray _reconstruct",
    "numpy ndarray",
    "numpy dtype",
}
# Other ways than GLOBAL to name what is called; neither the official files nor ours have them.
_HIDDEN = {"STACK_GLOBAL", "INST", "OBJ", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"}


def _without_checksums(kind: type[CIFAR10]) -> type[CIFAR10]:
    """torchvision's class for files that `_check_batch` has passed: a miniature has other bytes than the original."""
    changed = {
        "train_list": [[file, None] for file, _ in kind.train_list],
        "test_list": [[file, None] for file, _ in kind.test_list],
        "meta": {**kind.meta, "md5": None},
    }
    return type(kind.__name__, (kind,), changed)


def _check_batch(path: Path, md5: str) -> None:
    """Require the official bytes, or a pickle that calls nothing: torchvision's reader runs whatever stands there.

    Raises:
        DataError: neither.
    """
    from torchvision.datasets.utils import check_integrity  # slow to import

    if not path.is_file():
        raise DataError(f"{path} is missing: the data set cannot be read without it")
    if check_integrity(path, md5):
        return
    try:
        with open(path, "rb") as stream:
            for opcode, argument, _ in pickletools.genops(stream):
                if opcode.name in _HIDDEN or (opcode.name == "GLOBAL" and argument not in _HARMLESS):
                    refuse(path, f"it would run {argument or opcode.name!r}")
    except (ValueError, IndexError) as fault:
        refuse(path, f"it is no whole pickle ({fault})")


def _read(root: Path, kind: type[CIFAR10]) -> dict[str, ImageSet]:
    folder = root / kind.base_folder
    for file, md5 in (*kind.train_list, *kind.test_list, (kind.meta["filename"], kind.meta["md5"])):
        _check_batch(folder / file, md5)
    with reading(folder):
        train, test = (_without_checksums(kind)(root, train=train) for train in (True, False))
    for name, split in (("training", train), ("test", test)):
        if len(split.data) != len(split.targets):
            refuse(folder, f"it has {len(split.data)} {name} images and {len(split.targets)} labels")
        for number, label in enumerate(split.targets):
            if not isinstance(label, int) or not 0 <= label < len(split.classes):
                refuse(folder, f"{name} image {number} has the label {label!r}, not in 0 … {len(split.classes) - 1}")
    pixels = torch.from_numpy(np.concatenate([train.data, test.data]))
    images = ImageSet(Pixels(pixels), train.targets + test.targets, train.classes)
    return {"train": images.subset(range(len(train))), "test": images.subset(range(len(train), len(images)))}


def read_cifar10(root: Path) -> dict[str, ImageSet]:
    """The official split of CIFAR-10.

    Raises:
        DataError: a missing or damaged batch, a pickle that would run code, or a label without a class.
    """
    from torchvision.datasets import CIFAR10

    return _read(root, CIFAR10)


def read_cifar100(root: Path) -> dict[str, ImageSet]:
    """The official split of CIFAR-100 into its 100 fine classes.

    Raises:
        DataError: as `read_cifar10`.
    """
    from torchvision.datasets import CIFAR100

    return _read(root, CIFAR100)


def _draw(root: Path, drawing: Drawing, kind: type[CIFAR10], labels_key: str) -> dict[str, Count]:
    """Half as many test images as training images a class, at least one; the layout fixes the size at 32×32."""
    folder = root / kind.base_folder
    folder.mkdir(parents=True)
    tests = max(1, drawing.per_class // 2)
    everything = [(label, number) for number in range(drawing.per_class + tests) for label in range(drawing.classes)]
    trains = drawing.per_class * drawing.classes
    batches = {file: everything[k : trains : len(kind.train_list)] for k, (file, _) in enumerate(kind.train_list)}
    batches[kind.test_list[0][0]] = everything[trains:]
    for file, members in batches.items():
        images = [np.asarray(drawing.image(*member, size=(_SIDE, _SIDE))) for member in members]
        data = np.array(images, dtype=np.uint8).reshape(-1, _SIDE, _SIDE, 3).transpose(0, 3, 1, 2)
        _write(
            folder / file,
            {"data": data.reshape(len(members), 3 * _SIDE**2), labels_key: [label for label, _ in members]},
        )
    classes = [f"drawn_{label}" for label in range(drawing.classes)]
    _write(folder / kind.meta["filename"], {kind.meta["key"]: classes})
    return {"train": Count(trains, drawing.classes), "test": Count(tests * drawing.classes, drawing.classes)}


def _write(path: Path, content: dict) -> None:
    # Protocol 3 has bytes, which 2 builds by a call, and spells out what it calls, which 4 hides.
    path.write_bytes(pickle.dumps(content, protocol=3))


def draw_cifar10(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in the layout of CIFAR-10."""
    from torchvision.datasets import CIFAR10

    return _draw(root, drawing, CIFAR10, "labels")


def draw_cifar100(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in the layout of CIFAR-100."""
    from torchvision.datasets import CIFAR100

    return _draw(root, drawing, CIFAR100, "fine_labels")

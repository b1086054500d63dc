"""The digits inside scikit-learn: no files at all."""

from __future__ import annotations

from pathlib import Path

import torch

from dmlkit.data.digits import digits
from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.layouts.common import Count, Drawing


def read(root: Path) -> dict[str, ImageSet]:
    """The split "plain" of `dmlkit.data.digits`, which holds out 30 % of each digit; the folder is not looked at.

    Ink of 0 … 16 becomes 0 … 255, rounded.
    """
    split = digits("plain")
    pixels = torch.cat([split.train_images, split.test_images]).squeeze(1)
    labels = torch.cat([split.train_labels, split.test_labels])
    images = ImageSet(Pixels((pixels * 255).round().to(torch.uint8)), labels, [str(digit) for digit in range(10)])
    trains = len(split.train_labels)
    return {"train": images.subset(range(trains)), "test": images.subset(range(trains, len(images)))}


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """Nothing to draw: the real digits are as small as a miniature."""
    return {name: Count(len(split), split.num_classes) for name, split in read(root).items()}

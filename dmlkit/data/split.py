"""What every data set hands to training: images and labels of a train and a test half, and where they come from."""

from __future__ import annotations

import hashlib
import textwrap
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, eq=False)  # == of tensors has no single answer
class ImageSplit:
    """Images in memory, split into train and test.

    Attributes:
        name: data set and split, e.g. "digits/zero_shot".
        train_images, test_images: (N, channels, height, width), float32 in [0, 1].
        train_labels, test_labels: (N,), int64.
        source: one sentence: what the images are, where they come from, under which licence.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    source: str

    @property
    def train_classes(self) -> int:
        """How many classes the training half has; its labels are 0 … train_classes − 1."""
        return int(self.train_labels.max()) + 1

    @property
    def checksum(self) -> str:
        """SHA-256 over dtype, shape and bytes of all four arrays: the same split gives the same sum everywhere."""
        digest = hashlib.sha256()
        for array in (self.train_images, self.train_labels, self.test_images, self.test_labels):
            digest.update(f"{array.dtype} {tuple(array.shape)}".encode())
            digest.update(array.numpy().tobytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        train, test = sorted(set(self.train_labels.tolist())), sorted(set(self.test_labels.tolist()))
        return (
            f"{self.name}\n"
            f"  training: {len(self.train_images)} images of classes {_span(train)}\n"
            f"  test:     {len(self.test_images)} images of classes {_span(test)}\n"
            + textwrap.fill(f"source: {self.source}", 70, initial_indent="  ", subsequent_indent="            ")
        )


def _span(classes: list[int]) -> str:
    contiguous = len(classes) > 1 and classes == list(range(classes[0], classes[-1] + 1))
    return f"{classes[0]}–{classes[-1]}" if contiguous else ", ".join(map(str, classes))

"""Handwritten digits that come with scikit-learn: real images, no download."""

from __future__ import annotations

import numpy as np
import torch

from dmlkit.checks import check_choice
from dmlkit.data.split import ImageSplit

SPLITS = ("zero_shot", "plain")
_SOURCE = (
    "8×8 handwritten digits shipped inside scikit-learn: the test set of UCI's Optical Recognition of Handwritten "
    "Digits (Alpaydin and Kaynak 1998, CC BY 4.0)."
)


def digits(split: str = "zero_shot", *, seed: int = 0) -> ImageSplit:
    """1,797 real images of the digits 0 to 9 in grey, 8×8 pixels.

    Args:
        split: "zero_shot" trains on the digits 0–4 and tests on 5–9, which training never saw, as the retrieval
            benchmarks do; "plain" holds out 30 % of each digit.
        seed: which images "plain" holds out.

    Returns:
        An `ImageSplit` with images (N, 1, 8, 8) in [0, 1].

    Raises:
        ValueError: an unknown split.

    Used in the chapter "A first embedding".
    """
    from sklearn.datasets import load_digits  # slow to import
    from sklearn.model_selection import train_test_split

    check_choice("split", split, SPLITS)
    bunch = load_digits()
    images = torch.from_numpy((bunch.images / 16).astype(np.float32)).unsqueeze(1)
    labels = torch.from_numpy(bunch.target.astype(np.int64))
    if split == "zero_shot":
        train, test = torch.nonzero(labels <= 4).squeeze(1), torch.nonzero(labels >= 5).squeeze(1)
    else:
        halves = train_test_split(np.arange(len(labels)), test_size=0.3, stratify=labels.numpy(), random_state=seed)
        train, test = (torch.from_numpy(np.sort(half)) for half in halves)
    return ImageSplit(
        name=f"digits/{split}",
        train_images=images[train],
        train_labels=labels[train],
        test_images=images[test],
        test_labels=labels[test],
        source=_SOURCE,
    )

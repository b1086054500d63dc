"""Recall@1 on corrupted test images, under each of the nine corruptions: Table IV of the warped softmax's paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from dmlkit import metrics
from dmlkit.data.corruptions import CORRUPTIONS, Corruption
from dmlkit.data.images import ImageSet

SEVERITY = 3
"""The middle one of five. Ours: the paper's own strengths are not printed and belong to no single severity."""

NAMES = tuple(f"R@1 under {name}" for name in CORRUPTIONS)
"""The numbers by their names in a record, which are those of the published table."""


class Corrupted:
    """An evaluation transform with a corruption behind it; a class because worker processes are sent it.

    Args:
        transform: from a PIL image to a (C, H, W) uint8 tensor, not yet normalised.
        corruption: of `dmlkit.data.corruptions`.
    """

    def __init__(self, transform: Callable, corruption: Callable[[Tensor], Tensor]) -> None:
        self.transform, self.corruption = transform, corruption

    def __call__(self, image: object) -> Tensor:
        return self.corruption(self.transform(image))


def corrupted(images: ImageSet, name: str, severity: int = SEVERITY) -> ImageSet:
    """A set of images as the network sees them, but corrupted: after resize and crop, before normalising.

    Each image is corrupted in the same way in every run, on every machine, in whatever order or batch, as
    `dmlkit.data.corruptions.Corruption` explains.

    Args:
        images: in files or in memory, with an evaluation transform.
        name: one of `CORRUPTIONS`.
        severity: 1 … 5.

    Raises:
        TypeError, ValueError: another name or severity, or images without a transform.
    """
    if images.transform is None:
        raise ValueError("images must have an evaluation transform: use images.with_transform(...), found none")
    return images.with_transform(Corrupted(images.transform, Corruption(name, severity)))


def robustness(
    embed: Callable[[ImageSet], Tensor],
    splits: Mapping[str, ImageSet],
    *,
    distance: str = "cosine",
    severity: int = SEVERITY,
) -> dict[str, float]:
    """Recall@1 under each of nine corruptions (paper W, Table IV).

    All test images are corrupted, queries and gallery alike. The paper does not say which it corrupted; this is what
    its evaluation does where one test split is both.

    Args:
        embed: a set of images to its (N, d) embeddings, in order.
        splits: "test", or "query" and "gallery"; each with an evaluation transform.
        distance: "cosine" or "euclidean".
        severity: 1 … 5, of all nine.

    Returns:
        "R@1 under gaussian_noise" … → a number in [0, 1], in the order of `NAMES`.

    Raises:
        TypeError, ValueError: another severity or distance, or images without a transform.

    Example:
        >>> import torch
        >>> from dmlkit.data import miniature
        >>> from dmlkit.data.transforms import evaluation_transform
        >>> birds = miniature("cub200").test.with_transform(evaluation_transform("warped", size=32))
        >>> def mean_colour(images):
        ...     return torch.stack([image.double().mean(dim=(1, 2)) for image, _ in images])
        >>> found = robustness(mean_colour, {"test": birds}, distance="euclidean")
        >>> list(found)[:2]
        ['R@1 under gaussian_noise', 'R@1 under uniform_noise']

    Explained in the chapter "Robustness".
    """
    found = {}
    for name, key in zip(CORRUPTIONS, NAMES, strict=True):
        spoilt = {split: corrupted(images, name, severity) for split, images in splits.items()}
        gallery = spoilt["gallery" if "gallery" in spoilt else "test"]
        rows, asked = embed(gallery), {}
        if "gallery" in spoilt:
            queries = embed(spoilt["query"])
            asked = {"queries": queries, "query_labels": spoilt["query"].labels.to(queries.device)}
        ranked = metrics.retrieval(rows, gallery.labels.to(rows.device), ks=(1,), distance=distance, **asked)
        found[key] = ranked.recall[1]
    return found

"""Batches of a run: read by workers, or, where the set is small and its augmentation simple, kept on the device."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import torch
from torch import Tensor

from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.loading import loader
from dmlkit.data.resident import Augmentation, Resident
from dmlkit.data.samplers import ClassBalanced, Shuffled
from dmlkit.data.transforms import Recipe, Statistics, TwoViews, evaluation_transform, recipe, train_transform
from dmlkit.recipes.config import Batches, Config

# Bytes of pixels that are kept on a device: CIFAR's 154 MB, not a folder of photographs.
_MOST = 2 * 2**30


class EpochBatches(Protocol):
    """What the loop iterates over: (images, labels), an epoch at a time."""

    steps: int

    def set_epoch(self, epoch: int, start: int = 0) -> None: ...
    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]: ...


def batch_sampler(images: ImageSet, how: Batches, seed: int, rank: int = 0, world_size: int = 1):
    """Which images are a step.

    Raises:
        ValueError: a batch that the data cannot fill, or that the processes cannot share.
    """
    if how.classes is None:
        return Shuffled(len(images), how.size, seed=seed, rank=rank, world_size=world_size)
    if how.size % how.classes:
        raise ValueError(f"a batch of {how.size} images cannot have {how.classes} classes with equally many images")
    return ClassBalanced(images.labels, how.classes, how.images_per_class, seed=seed, rank=rank, world_size=world_size)


def training_batches(
    images: ImageSet,
    name: str,
    config: Config,
    statistics: Statistics,
    device: torch.device,
    *,
    workers: int = 0,
    rank: int = 0,
    world_size: int = 1,
) -> EpochBatches:
    """The training batches of a config, augmented by its transforms.

    Args:
        images: the training split, without a transform.
        name: of the benchmark that the transforms are for.
        config: of the run.
        statistics: of the network's backbone.
        device: where batches are put.
        workers: processes that read images; a resident set needs none.
        rank, world_size: which process this is, of how many.
    """
    order = batch_sampler(images, config.batches, config.seed, rank, world_size)
    found = recipe(config.transforms, name, size=config.size)
    if _fits(images, found):
        reading = evaluation_transform(config.transforms, name, size=config.size, channels=3)
        how = Augmentation(padding=found.padding if found.crop == "padded" else 0, flip=found.flip)
        return _ResidentBatches(
            Resident(images.with_transform(reading), device=device),
            order,
            how,
            # Each rank draws its own augmentation.
            {"seed": config.seed * world_size + rank, "views": config.batches.views, "statistics": statistics},
        )
    augmenting = train_transform(config.transforms, name, size=config.size, channels=3)
    augmented = images.with_transform(TwoViews(augmenting) if config.batches.views == 2 else augmenting)
    return _ReadBatches(
        loader(
            augmented,
            order,
            workers=workers,
            seed=config.seed,
            device=device,
            statistics=statistics,
            channels_last=True,
        )
    )


def _fits(images: ImageSet, found: Recipe) -> bool:
    """A set in memory, small enough, whose augmentation is at most a padded crop and a flip."""
    if not isinstance(images.store, Pixels):
        return False
    height, width = images.store.pixels.shape[1:3]
    size = found.size or max(height, width)
    simple = found.crop in (None, "padded") and found.policy is None and found.jitter is None and not found.grey_chance
    return simple and 3 * size**2 * len(images) <= _MOST


class _ReadBatches:
    """Batches of a `Loader`."""

    def __init__(self, batches) -> None:
        self.batches, self.steps = batches, len(batches.batch_sampler)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        self.batches.set_epoch(epoch, start)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return iter(self.batches)


class _ResidentBatches:
    """Batches of a `Resident` set."""

    def __init__(self, kept: Resident, order, how: Augmentation, options: dict) -> None:
        self.kept, self.order, self.how, self.options = kept, order, how, options
        self.steps = len(order)
        self.set_epoch(0)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.kept.batches(
            self.order, self.how, epoch=self.epoch, start=self.start, channels_last=True, **self.options
        )

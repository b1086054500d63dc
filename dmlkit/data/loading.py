"""Batches of images for a network: the same ones for the same seed and epoch, whatever the number of workers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, default_collate

from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet
from dmlkit.data.samplers import check_whole
from dmlkit.data.transforms import IMAGENET, Statistics, merge_views, normalise


def loader(
    images: ImageSet,
    batch_sampler: Sampler[list[int]],
    *,
    workers: int = 0,
    seed: int = 0,
    start: int = 0,
    device: str | torch.device = "cpu",
    statistics: Statistics | None = IMAGENET,
    channels_last: bool = False,
) -> Loader:
    """A DataLoader of (images, labels) for a network: decoded by workers, normalised as a batch on the device.

    The random numbers of an image's transform follow from the seed, the epoch and the image's position in the epoch.
    So neither the number of workers nor the point at which a run was resumed changes a batch, and with the samplers of
    `dmlkit.data.samplers` the ranks of several processes have exactly the parts of the batch that one would have. The
    caller's random state is left as it was. All this holds for transforms that draw from torch's global state, as
    torchvision's do.

    Args:
        images: with a transform that makes uint8 tensors of one shape, as those of `dmlkit.data.transforms` do. With
            `TwoViews` the views become rows of their own, as `merge_views` orders them.
        batch_sampler: which images are a batch, those of `dmlkit.data.samplers` or any other.
        workers: processes that read images; 0 reads them in this one.
        seed: of the augmentation; the sampler has its own.
        start: the batch of the first epoch to begin with, to resume a run; later epochs begin at 0.
        device: where batches are put and normalised.
        statistics: for `normalise`; None leaves batches as the transform makes them.
        channels_last: in memory, which convolutions on a GPU prefer.

    Returns:
        A `Loader`. Its batches: images (N, C, H, W) float32 and labels (N,) int64, on the device.

    Raises:
        TypeError, ValueError: a number that is negative or no integer, or images without a transform.
        DataError: when its turn comes, an image that cannot be read.

    Example:
        >>> from dmlkit.data.images import ImageSet, Pixels
        >>> from dmlkit.data.samplers import Shuffled
        >>> from dmlkit.data.transforms import UNIT, train_transform
        >>> images = ImageSet(Pixels(torch.zeros(8, 28, 28, dtype=torch.uint8)), torch.arange(8) % 2, ("a", "b"))
        >>> batches = loader(images.with_transform(train_transform("plain")), Shuffled(8, 4), statistics=UNIT)
        >>> for epoch in range(2):
        ...     batches.set_epoch(epoch)
        ...     for pictures, labels in batches:
        ...         print(epoch, tuple(pictures.shape), tuple(labels.shape))
        0 (4, 1, 28, 28) (4,)
        0 (4, 1, 28, 28) (4,)
        1 (4, 1, 28, 28) (4,)
        1 (4, 1, 28, 28) (4,)
    """
    check_whole("workers", workers)
    check_whole("seed", seed)
    if images.transform is None:
        raise ValueError("images must have a transform that makes tensors: use images.with_transform(...), found none")
    return Loader(images, _Seeded(batch_sampler, seed, start), workers, torch.device(device), statistics, channels_last)


class Loader(DataLoader):
    """What `loader` returns: a DataLoader that knows epochs and hands out batches ready for the network."""

    def __init__(
        self,
        images: ImageSet,
        batch_sampler: _Seeded,
        workers: int,
        device: torch.device,
        statistics: Statistics | None,
        channels_last: bool,
    ) -> None:
        super().__init__(
            _Augmented(images),
            batch_sampler=batch_sampler,
            num_workers=workers,
            collate_fn=_collate,
            pin_memory=device.type == "cuda",
            persistent_workers=workers > 0,
            # A DataLoader draws a number when it begins, from torch's global state unless it has its own.
            generator=torch.Generator().manual_seed(0),
        )
        self._device, self._statistics, self._channels_last = device, statistics, channels_last

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        """Choose the epoch that the next iteration gives, from its batch number `start` on.

        Raises:
            TypeError, ValueError: not an integer, negative, or past the last batch.
        """
        self.batch_sampler.set_epoch(epoch, start)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in super().__iter__():
            if isinstance(batch, Exception):
                raise batch
            images, labels = batch
            # To a GPU the copy runs beside the network's work; only from pinned memory is that safe.
            beside = self._device.type == "cuda"
            images, labels = (part.to(self._device, non_blocking=beside) for part in (images, labels))
            if images.ndim == 5:
                images, labels = merge_views(images, labels)
            if self._channels_last:
                images = images.contiguous(memory_format=torch.channels_last)
            yield (images if self._statistics is None else normalise(images, self._statistics)), labels


def numbered_batches(batch_sampler: Iterable[list[int]]) -> Iterator[tuple[int, list[int]]]:
    """Batches behind the position in the epoch at which they begin, from any sampler."""
    if hasattr(batch_sampler, "numbered"):
        yield from batch_sampler.numbered()
        return
    position = 0
    for batch in batch_sampler:
        yield position, batch
        position += len(batch)


def seed_of(*numbers: int) -> int:
    """One seed from several numbers; neighbours have nothing in common."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest(), "little", signed=True)


class _Seeded(Sampler):
    """Batches of (seed, number): the worker that gets one needs to know neither epoch nor position."""

    def __init__(self, batch_sampler: Sampler[list[int]], seed: int, start: int) -> None:
        self.batch_sampler, self.seed = batch_sampler, seed
        self.set_epoch(getattr(batch_sampler, "epoch", 0), start)

    def set_epoch(self, epoch: int, start: int = 0) -> None:
        check_whole("epoch", epoch)
        check_whole("start", start)
        if start > len(self.batch_sampler):
            raise ValueError(f"start must be at most {len(self.batch_sampler)}, the number of batches, found {start}")
        if hasattr(self.batch_sampler, "set_epoch"):
            self.batch_sampler.set_epoch(epoch)
        self.epoch, self.start = epoch, start

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        epoch = self.epoch
        start, self.start = self.start, 0
        for position, batch in islice(numbered_batches(self.batch_sampler), start, None):
            yield [(seed_of(self.seed, epoch, position + place), number) for place, number in enumerate(batch)]

    def __len__(self) -> int:
        return len(self.batch_sampler) - self.start


class _Augmented(Dataset):
    """Images by (seed, number): the transform draws its random numbers from that seed."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, item: tuple[int, int]) -> tuple[Any, int]:
        seed, number = item
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that also sets the GPU's state, which belongs to the caller, and takes longer.
            torch.default_generator.manual_seed(seed)
            try:
                return self.images[number]
            except DataError as fault:
                # What a worker raises arrives wrapped in its traceback; handed over, it is the same one sentence.
                return fault, number


def _collate(items: list[tuple[Any, int]]) -> tuple[Tensor, Tensor] | Exception:
    """A batch of what the transform made, or why there is none."""
    faults = [image for image, _ in items if isinstance(image, DataError)]
    if faults:
        return faults[0]
    kinds = {tuple(image.shape) if isinstance(image, Tensor) else type(image).__name__ for image, _ in items}
    if len(kinds) != 1 or not isinstance(items[0][0], Tensor):
        found = ", ".join(sorted(map(str, kinds)))
        return ValueError(f"the images' transform must make tensors of one shape, found {found}")
    return tuple(default_collate(items))

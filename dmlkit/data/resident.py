"""Small sets whole on the device, as uint8, and augmented there: no worker, no file, no copy while training.

CIFAR-10's 50,000 training images take 154 MB, Fashion-MNIST's 60,000 take 47 MB. An augmentation is a draw (`draw`)
and its application (`augmented`), both of a whole batch at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from dmlkit.checks import check_labels, check_number
from dmlkit.data.images import ImageSet
from dmlkit.data.loading import numbered_batches, seed_of
from dmlkit.data.samplers import check_whole
from dmlkit.data.transforms import IMAGENET, Statistics, normalise


@dataclass(frozen=True)
class Augmentation:
    """What may happen to an image, each image for itself.

    Args:
        padding: black pixels around the image, out of which a crop of the image's own size is cut, anywhere.
        flip: chance of a horizontal flip.
        cutout: side in pixels of a square that is set to zero after normalisation, where the mean colour lies; its
            centre is anywhere in the image, so a part may lie outside. 0 covers nothing.

    Raises:
        TypeError, ValueError: a number that is no whole one, negative, or a chance above 1.

    Source: He et al., "Deep Residual Learning for Image Recognition", 2016, section 4.2 (padding of 4, flip); DeVries
    and Taylor, "Improved Regularization of Convolutional Neural Networks with Cutout", 2017.
    """

    padding: int = 4
    flip: float = 0.5
    cutout: int = 0

    def __post_init__(self) -> None:
        check_whole("padding", self.padding)
        check_whole("cutout", self.cutout)
        check_number("flip", self.flip, least=0)
        if self.flip > 1:
            raise ValueError(f"flip must be at most 1, found {self.flip:g}")


class Drawn(NamedTuple):
    """What happens to each of N images.

    Attributes:
        top, left: (N,) int64, 0 … 2·padding: where the crop begins in the padded image.
        flip: (N,) booleans.
        row, column: (N,) int64: the centre of the covered square, in the flipped crop.
    """

    top: Tensor
    left: Tensor
    flip: Tensor
    row: Tensor
    column: Tensor


def draw(count: int, height: int, width: int, how: Augmentation, generator: torch.Generator) -> Drawn:
    """Draw what happens to `count` images of this size, on the generator's device; all places are equally likely."""

    def whole(below: int) -> Tensor:
        return torch.randint(below, (count,), generator=generator, device=generator.device)

    room = 2 * how.padding + 1
    chance = torch.rand(count, generator=generator, device=generator.device)
    return Drawn(whole(room), whole(room), chance < how.flip, whole(height), whole(width))


def augmented(
    pixels: Tensor, places: Tensor, drawn: Drawn, how: Augmentation, statistics: Statistics = IMAGENET
) -> Tensor:
    """The images at `places`, cropped, flipped, normalised and covered as drawn, without a loop over images.

    Args:
        pixels: (N, H, W, C) uint8.
        places: (B,) int64, on the same device.
        drawn: for B images.
        how: its padding and cutout; the flips are drawn.
        statistics: for `normalise`.

    Returns:
        (B, C, H, W) float32, in the memory format `channels_last`.
    """
    _, height, width, channels = pixels.shape
    rows = torch.arange(height, device=pixels.device)
    columns = torch.arange(width, device=pixels.device)
    mirrored = torch.where(drawn.flip.unsqueeze(1), width - 1 - columns, columns)
    # Rows and columns of the stored image, for those of the result: (B, H) and (B, W).
    y = rows + drawn.top.unsqueeze(1) - how.padding
    x = mirrored + drawn.left.unsqueeze(1) - how.padding
    inside = _grid((y >= 0) & (y < height), (x >= 0) & (x < width))
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    # One number a pixel into the flat store: all channels of a pixel lie together.
    flat = (places.unsqueeze(1) * height + y).unsqueeze(2) * width + x.unsqueeze(1)
    found = pixels.view(-1, channels).index_select(0, flat.view(-1)).view(*flat.shape, channels)
    images = normalise((found * inside.unsqueeze(3)).permute(0, 3, 1, 2), statistics)
    if how.cutout:
        # The square of an even side reaches one pixel further up and to the left.
        y, x = rows - drawn.row.unsqueeze(1) + how.cutout // 2, columns - drawn.column.unsqueeze(1) + how.cutout // 2
        covered = _grid((y >= 0) & (y < how.cutout), (x >= 0) & (x < how.cutout))
        images.masked_fill_(covered.unsqueeze(1), 0)
    return images


def _grid(rows: Tensor, columns: Tensor) -> Tensor:
    """Both at once: (B, H) and (B, W) to (B, H, W)."""
    return rows.unsqueeze(2) & columns.unsqueeze(1)


class Resident:
    """Images as uint8 on a device, with batches that are augmented there.

    Memory: N·H·W·C bytes for the set, and for a batch of B images about B·H·W·(4·C + 8) bytes at the time: the result
    and one index a pixel.

    Args:
        images: (N, C, H, W) uint8, or an `ImageSet`: of `Pixels`, or with a transform that makes uint8 tensors of one
            shape, such as an `evaluation_transform`, which is applied once, here.
        labels: (N,) integers; an `ImageSet` brings its own.
        device: where they are kept.

    Raises:
        TypeError, ValueError: another dtype or shape, or another number of labels.

    Example:
        >>> from dmlkit.data.samplers import Shuffled
        >>> from dmlkit.data.transforms import UNIT
        >>> kept = Resident(torch.zeros(10, 1, 28, 28, dtype=torch.uint8), torch.arange(10) % 2)
        >>> for images, labels in kept.batches(Shuffled(10, 5), Augmentation(padding=2), epoch=0, statistics=UNIT):
        ...     print(tuple(images.shape), tuple(labels.shape))
        (5, 1, 28, 28) (5,)
        (5, 1, 28, 28) (5,)
    """

    def __init__(
        self, images: Tensor | ImageSet, labels: Tensor | None = None, device: str | torch.device = "cpu"
    ) -> None:
        if isinstance(images, ImageSet):
            if labels is not None:
                raise ValueError("labels must be left out for an ImageSet, which brings its own")
            images, labels = _pixels(images), images.labels
        if not isinstance(images, Tensor) or images.dtype != torch.uint8:
            found = images.dtype if isinstance(images, Tensor) else type(images).__name__
            raise TypeError(f"images must be an ImageSet or a tensor of dtype torch.uint8, found {found}")
        if images.ndim != 4 or not images.numel():
            raise ValueError(f"images must have shape (N, C, H, W) and not be empty, found {tuple(images.shape)}")
        check_labels(labels, len(images))
        self.pixels = images.permute(0, 2, 3, 1).contiguous().to(device)
        self.labels = labels.to(device, torch.int64)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self,
        batch_sampler: Sampler[list[int]],
        how: Augmentation | None = None,
        *,
        epoch: int = 0,
        start: int = 0,
        seed: int = 0,
        views: int = 1,
        statistics: Statistics = IMAGENET,
        channels_last: bool = False,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """The batches of an epoch.

        A batch follows from the seed, the epoch and its position in the epoch, so a resumed run has the same ones. A
        GPU draws other numbers than the CPU, and ranks other ones than a single process.

        Args:
            batch_sampler: which images are a batch; its epoch is set.
            how: the augmentation; None only normalises.
            epoch: its number, from 0.
            start: the batch to begin with, to resume a run.
            seed: of the augmentation; the sampler has its own.
            views: of each image, as rows of their own: the first view of all images, then the second of all.
            statistics: for `normalise`.
            channels_last: in memory, which convolutions on a GPU prefer.

        Yields:
            images (views·B, C, H, W) float32 and labels (views·B,) int64, on the device.

        Raises:
            TypeError, ValueError: a number that is negative or no integer, no view, or a start past the last batch.
        """
        check_whole("epoch", epoch)
        check_whole("start", start)
        check_whole("seed", seed)
        check_whole("views", views, least=1)
        if start > len(batch_sampler):
            raise ValueError(f"start must be at most {len(batch_sampler)}, the number of batches, found {start}")
        if hasattr(batch_sampler, "set_epoch"):
            batch_sampler.set_epoch(epoch)
        how = Augmentation(padding=0, flip=0.0) if how is None else how
        memory = torch.channels_last if channels_last else torch.contiguous_format
        return self._batches(batch_sampler, how, epoch, start, seed, views, statistics, memory)

    def _batches(
        self,
        batch_sampler: Sampler[list[int]],
        how: Augmentation,
        epoch: int,
        start: int,
        seed: int,
        views: int,
        statistics: Statistics,
        memory: torch.memory_format,
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Behind the checks, which a generator would put off until its first batch."""
        device = self.pixels.device
        generator = torch.Generator(device)
        for position, batch in islice(numbered_batches(batch_sampler), start, None):
            generator.manual_seed(seed_of(seed, epoch, position))
            places = torch.tensor(batch, device=device).repeat(views)
            drawn = draw(len(places), *self.pixels.shape[1:3], how, generator)
            images = augmented(self.pixels, places, drawn, how, statistics)
            yield images.contiguous(memory_format=memory), self.labels[places]


def _pixels(images: ImageSet) -> Tensor:
    """All images of a set, (N, C, H, W)."""
    stored = getattr(images.store, "pixels", None)
    if images.transform is None and stored is not None:
        found = stored[images.places]
        return found.unsqueeze(1) if found.ndim == 3 else found.permute(0, 3, 1, 2)
    if images.transform is None:
        raise ValueError("images from files must have a transform that makes uint8 tensors of one shape, found none")
    first, _ = images[0]
    if not isinstance(first, Tensor):
        raise TypeError(f"the images' transform must make tensors of dtype torch.uint8, found {type(first).__name__}")
    # Filled row by row: a list of images and their stack would need the memory twice.
    found = first.new_empty(len(images), *first.shape)
    for number in range(len(images)):
        image, _ = images[number]
        if image.shape != first.shape:
            raise ValueError(
                f"the images' transform must make tensors of one shape, found {tuple(first.shape)} and "
                f"{tuple(image.shape)}"
            )
        found[number] = image
    return found

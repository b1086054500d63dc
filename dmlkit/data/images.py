"""Labelled images, in files or in memory, and pairs of images for verification."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset

from dmlkit.data.errors import DataError


class Store(Protocol):
    """Where images come from: a length, and the image at a place as PIL has it."""

    def __len__(self) -> int: ...
    def __getitem__(self, place: int) -> Image.Image: ...


class Files:
    """Images in the files `names`, relative to `folder`; read when asked for.

    Args:
        folder: where the files lie.
        names: one a picture, with forward slashes.
        mode: "RGB", or "L" for grey: what each image is turned into.
    """

    def __init__(self, folder: Path, names: Sequence[str], mode: str = "RGB") -> None:
        self.folder, self.names, self.mode = Path(folder), list(names), mode

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, place: int) -> Image.Image:
        path = self.folder / self.names[place]
        try:
            return decoded(path, self.mode)
        except FileNotFoundError:
            raise DataError(f"{path} is missing: remove {self.folder} and prepare the data set again") from None
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
            raise DataError(
                f"{path} cannot be read as an image ({fault}): remove {self.folder} and prepare the data set again"
            ) from None


class Pixels:
    """Images in memory: (N, H, W) grey or (N, H, W, 3) colour, uint8."""

    def __init__(self, pixels: Tensor) -> None:
        if pixels.dtype != torch.uint8 or pixels.ndim not in (3, 4) or (pixels.ndim == 4 and pixels.shape[3] != 3):
            raise ValueError(
                f"pixels must be uint8 of shape (N, H, W) or (N, H, W, 3), found {pixels.dtype} {tuple(pixels.shape)}"
            )
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, place: int) -> Image.Image:
        return Image.fromarray(self.pixels[place].numpy())


class Encoded:
    """Images in memory as the bytes of JPEG or PNG files."""

    def __init__(self, encoded: Sequence[bytes], mode: str = "RGB", *, source: str = "the file") -> None:
        self.encoded, self.mode, self.source = list(encoded), mode, source

    def __len__(self) -> int:
        return len(self.encoded)

    def __getitem__(self, place: int) -> Image.Image:
        try:
            return decoded(io.BytesIO(self.encoded[place]), self.mode)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
            raise DataError(f"image {place} of {self.source} cannot be read ({fault})") from None


def decoded(file: Path | io.BytesIO, mode: str) -> Image.Image:
    """The whole image, in this mode; a truncated file raises OSError."""
    with Image.open(file) as image:
        image.load()
        return image if image.mode == mode else image.convert(mode)


class ImageSet(Dataset):
    """Images with labels: `images[i]` is (image, label), the image as `transform` leaves it, the label an int.

    Args:
        store: the images, `Files`, `Pixels` or `Encoded`.
        labels: (N,) integers, one an image of the store.
        classes: names, `classes[label]`.
        transform: what happens to a PIL image when it is read; None leaves it.
        places: (n,), which images of the store belong to this set and in which order; all of them by default.

    Attributes:
        labels: (n,) int64, of this set's images.
        classes: as given; a set of some classes keeps the names of all, so that labels mean the same in each split.
        store, places, transform: as given.

    Raises:
        ValueError: lengths that do not fit, a label without a name, or a place outside the store.
    """

    def __init__(
        self,
        store: Store,
        labels: Tensor,
        classes: Sequence[str],
        transform: Callable[[Any], Any] | None = None,
        places: Tensor | None = None,
    ) -> None:
        labels = torch.as_tensor(labels, dtype=torch.int64)
        if labels.shape != (len(store),):
            raise ValueError(f"labels must have shape ({len(store)},), one an image, found {tuple(labels.shape)}")
        if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= len(classes)):
            raise ValueError(
                f"labels must lie in 0 … {len(classes) - 1}, found {int(labels.min())} … {int(labels.max())}"
            )
        places = torch.arange(len(store)) if places is None else torch.as_tensor(places, dtype=torch.int64)
        if len(places) and (int(places.min()) < 0 or int(places.max()) >= len(store)):
            raise ValueError(f"places must lie in 0 … {len(store) - 1}")
        self.store, self.places, self.transform = store, places, transform
        self.classes = tuple(classes)
        self.labels = labels[places]
        self._all_labels = labels

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, number: int) -> tuple[Any, int]:
        image = self.image(number)
        return (image if self.transform is None else self.transform(image)), int(self.labels[number])

    def image(self, number: int) -> Image.Image:
        """The image without the transform."""
        return self.store[int(self.places[number])]

    def with_transform(self, transform: Callable[[Any], Any] | None) -> ImageSet:
        """The same images with another transform."""
        return ImageSet(self.store, self._all_labels, self.classes, transform, self.places)

    def subset(self, numbers: Tensor | Sequence[int]) -> ImageSet:
        """Some of the images, in this order."""
        numbers = torch.as_tensor(numbers, dtype=torch.int64)
        return ImageSet(self.store, self._all_labels, self.classes, self.transform, self.places[numbers])

    def of_classes(self, labels: Iterable[int]) -> ImageSet:
        """The images whose label is among these."""
        wanted = torch.tensor(sorted(labels), dtype=torch.int64)
        return self.subset(torch.isin(self.labels, wanted).nonzero().squeeze(1))

    def join(self, other: ImageSet) -> ImageSet:
        """This set's images, then another's from the same store: train and val make trainval."""
        if other.store is not self.store:
            raise ValueError("only sets of one data set can be joined: these come from different stores")
        places = torch.cat([self.places, other.places])
        return ImageSet(self.store, self._all_labels, self.classes, self.transform, places)

    @property
    def num_classes(self) -> int:
        """How many classes have an image in this set."""
        return len(self.labels.unique())

    def __repr__(self) -> str:
        return f"ImageSet({len(self)} images, {self.num_classes} classes)"


@dataclass(frozen=True, eq=False, repr=False)  # == of tensors has no single answer
class Pairs:
    """Pairs of images and whether they show the same person, as verification benchmarks have them.

    Attributes:
        images: all images; where identities are unknown each image has a label of its own.
        first, second: (P,), numbers into `images`.
        same: (P,), booleans.
        fold: (P,), the fold of each pair, from 0.
    """

    images: ImageSet
    first: Tensor
    second: Tensor
    same: Tensor
    fold: Tensor

    def __len__(self) -> int:
        return len(self.same)

    def __repr__(self) -> str:
        return f"Pairs({len(self)} pairs of {len(self.images)} images)"

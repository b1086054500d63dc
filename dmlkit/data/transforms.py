"""The papers' image transforms, from one table: a PIL image in, a uint8 tensor out.

Transforms end in whole numbers, (C, H, W) uint8: a quarter of the memory on the way from the worker that reads an image
to the device that trains on it. `normalise` then makes a whole batch a floating-point one, there where it is used;
`dmlkit.data.loading.loader` and `dmlkit.data.resident.Resident` do so by themselves. Forgetting it is no silent
mistake: a network refuses uint8.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from PIL import Image
from torch import Tensor

from dmlkit.checks import check_choice


class Statistics(NamedTuple):
    """What `normalise` subtracts and divides by, a channel, for pixels in [0, 1]; one number serves all channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


IMAGENET = Statistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Of torchvision's networks."""

HALVES = Statistics((0.5,), (0.5,))
"""To [−1, 1], as MobileNetV2 of TensorFlow was trained; `dmlkit.models.MobileNetV2` does it itself and wants `UNIT`."""

UNIT = Statistics((0.0,), (1.0,))
"""To [0, 1] and no further."""


@dataclass(frozen=True)
class Recipe:
    """How a paper prepares its images. Sides in pixels, chances in [0, 1].

    Attributes:
        size: side of the square that the network sees.
        resize: before the test's centre crop: a number for the short side, or (height, width); None leaves images as
            they are, for sets whose images have the right size.
        resize_train: the same before the training crop.
        crop: "random resized" (a part of the image, scaled to `size`), "padded" (black pixels around, then a crop) or
            None.
        padding: how many pixels around.
        scale: smallest and largest share of the area that a random resized crop takes.
        ratio: smallest and largest ratio of its width to its height.
        flip: chance of a horizontal flip.
        policy: of AutoAugment: "imagenet", "cifar10" or None.
        jitter: of brightness, contrast, saturation and hue; None leaves colours.
        jitter_chance, grey_chance: of jitter, and of a grey image.
    """

    size: int | None
    resize: int | tuple[int, int] | None
    resize_train: int | tuple[int, int] | None = None
    crop: str | None = "random resized"
    padding: int = 4
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    flip: float = 0.5
    policy: str | None = None
    jitter: tuple[float, float, float, float] | None = None
    jitter_chance: float = 1.0
    grey_chance: float = 0.0


_SQUARE = (256, 256)
_M = Recipe(224, _SQUARE, _SQUARE, scale=(0.16, 1.0))
_SUPCON = Recipe(224, 256, scale=(0.2, 1.0), jitter=(0.4, 0.4, 0.4, 0.1), jitter_chance=0.8, grey_chance=0.2)
_SILHOUETTE = Recipe(224, 256, policy="imagenet")
_SILHOUETTE_32 = Recipe(32, None, crop="padded", policy="cifar10")
_SUPCON_32 = replace(_SUPCON, size=32, resize=None)

# recipe → data set → parameters; "" stands for every data set that is not named. Scale and ratio are torchvision's
# defaults where a paper prints none.
RECIPES: dict[str, dict[str, Recipe]] = {
    # Boudiaf et al. (2020). Colours change after the crop; the order is not printed.
    "mutual_information": {
        "cub200": replace(_M, resize=256, resize_train=256, jitter=(0.25, 0.25, 0.25, 0.0)),
        "cars196": replace(_M, ratio=(1.0, 1.0), jitter=(0.3, 0.3, 0.3, 0.1)),
        "sop": _M,
        "in-shop": _M,
    },
    # The warped softmax, and its large size.
    "warped": {"": Recipe(224, 256)},
    "warped_large": {"": Recipe(256, 288)},
    # The soft silhouette names AutoAugment alone. Ours are the resolution, the crop, the flip and the policies.
    # Fashion-MNIST, which it does not use, gets no policy: shears and colours of photographs suit no 28 grey pixels,
    # and garments that fill the frame bear no larger shift.
    "silhouette": {
        "": _SILHOUETTE,
        "cifar10": _SILHOUETTE_32,
        "cifar100": _SILHOUETTE_32,
        "fashion-mnist": Recipe(28, None, crop="padded", padding=2),
    },
    # Teh et al. (2020) and Kim et al. (2020).
    "proxy_nca++": {"": Recipe(256, 288)},
    "proxy_anchor": {"": Recipe(224, 256)},
    # Khosla et al. (2020). CIFAR's images are not resized for the test.
    "supcon": {"": _SUPCON, "cifar10": _SUPCON_32, "cifar100": _SUPCON_32},
    # Small images, shifted and flipped: He et al. (2016), section 4.2.
    "padded": {"": Recipe(32, None, crop="padded")},
    # Small images as they are.
    "plain": {"": Recipe(None, None, crop=None, flip=0.0)},
}


def recipe(name: str, data_set: str | None = None, *, size: int | None = None) -> Recipe:
    """The parameters of a recipe on a data set.

    Args:
        name: a key of `RECIPES`.
        data_set: its name in the catalogue; None, or one the recipe does not name, gives the recipe's general form.
            "mutual_information" has none: its parameters were chosen for each of four data sets.
        size: another side in pixels; sides of what is resized before change in proportion.

    Raises:
        ValueError: no such recipe, a recipe that does not know the data set, or a size that is not positive.

    Example:
        >>> recipe("warped").resize, recipe("warped", size=112).resize
        (256, 128)
    """
    if name not in RECIPES:
        near = difflib.get_close_matches(str(name), RECIPES, n=1) or list(RECIPES)
        raise ValueError(f"there is no recipe {name!r}: did you mean {' or '.join(map(repr, near))}?")
    known = RECIPES[name]
    found = known.get(data_set or "", known.get(""))
    if found is None:
        raise ValueError(f"the recipe {name!r} is for {', '.join(known)}; found {data_set!r}: name one of these")
    if size is None:
        return found
    if size < 1:
        raise ValueError(f"size must be at least 1, found {size}")
    if found.size is None:
        return replace(found, size=size, resize=(size, size), resize_train=(size, size))
    share = size / found.size
    return replace(
        found, size=size, resize=_scaled(found.resize, share), resize_train=_scaled(found.resize_train, share)
    )


def _scaled(side: int | tuple[int, int] | None, share: float) -> int | tuple[int, int] | None:
    """Sides in proportion."""
    if side is None:
        return None
    return round(side * share) if isinstance(side, int) else (round(side[0] * share), round(side[1] * share))


Transform = Callable[[Image.Image], Tensor]


def train_transform(
    name: str, data_set: str | None = None, *, size: int | None = None, channels: int | None = None
) -> Transform:
    """What a recipe does to a training image. Random numbers come from torch's global state, as in torchvision.

    Args:
        name, data_set, size: as in `recipe`.
        channels: 3 makes grey images colour ones, for a network that wants three channels; 1 makes colour images
            grey; None leaves them.

    Returns:
        A callable, PIL image to (C, size, size) uint8; "plain" leaves the size.

    Raises:
        ValueError: as in `recipe`, or another number of channels.

    Example:
        >>> image = Image.new("L", (40, 30), 255)
        >>> train_transform("proxy_anchor", size=24, channels=3)(image).shape
        torch.Size([3, 24, 24])
    """
    from torchvision.transforms import v2  # slow to import

    found = recipe(name, data_set, size=size)
    steps = _mode(channels)
    if found.resize_train is not None:
        steps.append(v2.Resize(found.resize_train))
    if found.crop == "random resized":
        steps.append(v2.RandomResizedCrop(found.size, found.scale, found.ratio))
    elif found.crop == "padded":
        steps.append(v2.RandomCrop(found.size, padding=found.padding))
    if found.flip:
        steps.append(v2.RandomHorizontalFlip(found.flip))
    if found.policy is not None:
        steps.append(v2.AutoAugment(v2.AutoAugmentPolicy(found.policy)))
    if found.jitter is not None:
        jitter = v2.ColorJitter(*found.jitter)
        steps.append(jitter if found.jitter_chance == 1 else v2.RandomApply([jitter], found.jitter_chance))
    if found.grey_chance:
        steps.append(v2.RandomGrayscale(found.grey_chance))
    return v2.Compose([*steps, v2.PILToTensor()])


def evaluation_transform(
    name: str, data_set: str | None = None, *, size: int | None = None, channels: int | None = None
) -> Transform:
    """What a recipe does to a test image: resize, then cut the centre out. Nothing is random.

    Args, Returns, Raises: as `train_transform`.
    """
    from torchvision.transforms import v2  # slow to import

    found = recipe(name, data_set, size=size)
    steps = _mode(channels)
    if found.resize is not None:
        steps.append(v2.Resize(found.resize))
    if found.size is not None:
        steps.append(v2.CenterCrop(found.size))
    return v2.Compose([*steps, v2.PILToTensor()])


def _mode(channels: int | None) -> list[Callable]:
    """The first step, where images are to have this many channels."""
    check_choice("channels", channels, (None, 1, 3))
    return [] if channels is None else [_Mode("L" if channels == 1 else "RGB")]


class _Mode:
    """Grey or colour; a class because a worker process cannot be sent a lambda."""

    def __init__(self, mode: str) -> None:
        self.mode = mode

    def __call__(self, image: Image.Image) -> Image.Image:
        return image if image.mode == self.mode else image.convert(self.mode)


class TwoViews:
    """Apply a random transform twice: an image becomes (2, C, H, W), two views of it.

    `merge_views` then makes a batch of them one of twice as many rows; `loader` does so by itself.

    Args:
        transform: what makes a tensor of an image.

    Source: Chen et al., "A Simple Framework for Contrastive Learning of Visual Representations", ICML 2020.
    """

    def __init__(self, transform: Transform) -> None:
        self.transform = transform

    def __call__(self, image: Image.Image) -> Tensor:
        return torch.stack([self.transform(image), self.transform(image)])


def merge_views(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The views of a batch as rows of their own: the first view of all images, then the second of all.

    Args:
        images: (N, V, C, H, W), V views of each image.
        labels: (N,).

    Returns:
        images: (V·N, C, H, W).
        labels: (V·N,), repeated in that order.

    Raises:
        ValueError: images without views, or another number of labels.

    Example:
        >>> images, labels = merge_views(torch.arange(4).view(2, 2, 1, 1, 1), torch.tensor([7, 8]))
        >>> images.flatten().tolist(), labels.tolist()
        ([0, 2, 1, 3], [7, 8, 7, 8])
    """
    if images.ndim != 5:
        raise ValueError(f"images must have shape (N, views, C, H, W), found {tuple(images.shape)}")
    if labels.shape != images.shape[:1]:
        raise ValueError(f"labels must have shape ({len(images)},), one an image, found {tuple(labels.shape)}")
    return images.transpose(0, 1).flatten(0, 1), labels.repeat(images.shape[1])


def normalise(images: Tensor, statistics: Statistics = IMAGENET) -> Tensor:
    r"""Pixels to floating point: $(x / 255 - \text{mean}) / \text{std}$, on the device of the images.

    On the CPU the numbers are those of torchvision's ToTensor and Normalize to the last bit.

    Args:
        images: (..., C, H, W) uint8.
        statistics: of each channel.

    Returns:
        float32, of the same shape and memory format.

    Raises:
        TypeError: not uint8; what is floating point was normalised already.
        ValueError: another number of channels.

    Example:
        >>> normalise(torch.tensor([[[0, 255]]], dtype=torch.uint8), HALVES)
        tensor([[[-1.,  1.]]])
    """
    if not isinstance(images, Tensor) or images.dtype != torch.uint8:
        found = images.dtype if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"images must be a tensor of dtype torch.uint8, found {found}")
    channels = images.shape[-3] if images.ndim >= 3 else 0
    if not channels or {len(statistics.mean), len(statistics.std)} - {1, channels}:
        raise ValueError(
            f"images must have shape (..., C, H, W) with the {len(statistics.mean)} channels of the statistics, "
            f"found {tuple(images.shape)}"
        )
    mean, std = (images.new_tensor(row, dtype=torch.float32).view(-1, 1, 1) for row in statistics)
    return images.to(torch.float32).div_(255).sub_(mean).div_(std)

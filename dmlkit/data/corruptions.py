r"""Nine ways to spoil an image, each in five severities: how well does an embedding trained on clean images hold?

The kinds are those of the robustness table of the warped softmax (Table IV of *Realigned Softmax Warping for Deep
Metric Learning*, arXiv 2408.15656). That paper applied the library imgaug with "the default settings for most of the
corruptions" and prints no strengths. imgaug's own defaults draw a strength at random for each image, so its results
belong to no single severity; `SEVERITIES` says where each of ours comes from.

- A corruption is a pure function `(image, severity, generator)` over tensors, listed by name in `CORRUPTIONS`.
- `Corruption` is the same as a transform, whose randomness follows from the image and not from the order of images.

`dmlkit.data.drawn_bird` draws a picture to try them on.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import PIL.Image
import torch
from torch import Tensor

# Strengths for the severities 1 … 5. "ImageNet-C" is Hendrycks and Dietterich (2019), Benchmarking neural network
# robustness to common corruptions and perturbations; imgaug is version 0.4, named for comparison with the paper.
# Values are for pixels in [0, 1], lengths are shares of the image, so that the same severity suits every size.
SEVERITIES: dict[str, tuple] = {
    # Standard deviation. ImageNet-C; imgaug draws one up to 15/255 = 0.059.
    "gaussian_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    # Half the width. Ours: the numbers of the Gaussian, at 1/√3 of its deviation; 0.08 is imgaug's 20/255.
    "uniform_noise": (0.08, 0.12, 0.18, 0.26, 0.38),
    # Share of pixels, half of them white. ImageNet-C's impulse noise; imgaug draws one up to 0.03.
    "salt_and_pepper": (0.03, 0.06, 0.09, 0.17, 0.27),
    # Share of pixels. Ours, from the end of imgaug's range (0.05) upwards.
    "pixel_dropout": (0.05, 0.10, 0.20, 0.30, 0.50),
    # Side of the square over the short side of the image. Ours, from imgaug's 0.2 upwards.
    "cutout": (0.2, 0.3, 0.4, 0.5, 0.6),
    # Degrees, to the left or to the right. Ours, up to the end of imgaug's range (±30).
    "affine_shear": (10, 15, 20, 25, 30),
    # Pieces a side. Ours, over imgaug's range (3 … 10).
    "jigsaw": (3, 4, 6, 8, 10),
    # Hue in degrees and saturation in [0, 1], both up or down. Ours; imgaug draws them up to ±56° and ±0.157.
    "hue_and_saturation": ((15, 0.05), (30, 0.10), (45, 0.15), (60, 0.20), (90, 0.30)),
    # Radius in pixels of an image whose short side is 224. ImageNet-C.
    "defocus_blur": (3, 4, 6, 8, 10),
}


def gaussian_noise(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    r"""Add independent Gaussian noise to every value: $x' = x + \sigma\varepsilon$, $\varepsilon \sim N(0, 1)$.

    Like all nine: computed in float64 on the CPU, so that every machine gives the same picture, clipped to [0, 1],
    and for uint8 rounded to the nearest level. The images of a batch are corrupted one after the other, each with the
    next random numbers.

    Args:
        image: (C, H, W) or (N, C, H, W) with C = 1 or 3, of any size; uint8 in 0 … 255 or floating point in [0, 1].
            It is not changed.
        severity: 1 … 5; σ is `SEVERITIES["gaussian_noise"][severity - 1]`.
        generator: on the CPU; it moves on.

    Returns:
        Of the shape, dtype and device of the image.

    Raises:
        TypeError, ValueError: another dtype, shape or range, another severity, or no generator on the CPU.

    Example:
        >>> image = torch.full((1, 2, 2), 128, dtype=torch.uint8)
        >>> noisy = gaussian_noise(image, 1, torch.Generator().manual_seed(0))
        >>> noisy.shape, noisy.dtype
        (torch.Size([1, 2, 2]), torch.uint8)
    """
    deviation = _strength("gaussian_noise", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        return pixels + deviation * torch.randn(pixels.shape, generator=generator, dtype=torch.float64)

    return _corrupted(image, generator, corrupt)


def uniform_noise(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    r"""Add independent uniform noise to every value: $x' = x + u$, $u \sim U(-a, a)$, of variance $a^2/3$.

    Args, Returns, Raises: as `gaussian_noise`; a is `SEVERITIES["uniform_noise"][severity - 1]`.
    """
    half = _strength("uniform_noise", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        return pixels + half * (2 * _uniform(pixels.shape, generator) - 1)

    return _corrupted(image, generator, corrupt)


def salt_and_pepper(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Turn a share p of the pixels black or white, with p/2 for each; all channels of a pixel together.

    Args, Returns, Raises: as `gaussian_noise`; p is `SEVERITIES["salt_and_pepper"][severity - 1]`.
    """
    share = _strength("salt_and_pepper", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        chance = _uniform(pixels.shape[1:], generator)
        peppered = torch.where(chance < share / 2, 0.0, pixels)
        return torch.where(chance >= 1 - share / 2, 1.0, peppered)

    return _corrupted(image, generator, corrupt)


def pixel_dropout(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Turn a share p of the pixels black; all channels of a pixel together.

    Args, Returns, Raises: as `gaussian_noise`; p is `SEVERITIES["pixel_dropout"][severity - 1]`.
    """
    share = _strength("pixel_dropout", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        return torch.where(_uniform(pixels.shape[1:], generator) < share, 0.0, pixels)

    return _corrupted(image, generator, corrupt)


def cutout(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Cover one square with mid-grey (DeVries and Taylor, 2017), anywhere, but wholly inside the image.

    Its side is a share of the short side of the image, rounded to pixels, at least one.

    Args, Returns, Raises: as `gaussian_noise`; the share is `SEVERITIES["cutout"][severity - 1]`.
    """
    share = _strength("cutout", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        side = max(1, round(share * min(pixels.shape[1:])))
        room = torch.tensor(pixels.shape[1:]) - side + 1
        top, left = (_uniform((2,), generator) * room).long().tolist()
        covered = pixels.clone()
        covered[:, top : top + side, left : left + side] = 0.5
        return covered

    return _corrupted(image, generator, corrupt)


def affine_shear(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    r"""Slant the image about its centre: each row slides by $\tan\varphi$ of its distance from the middle row.

    To the left or to the right with equal chance; bilinear, black where the image has left its frame.

    Args, Returns, Raises: as `gaussian_noise`; φ is `SEVERITIES["affine_shear"][severity - 1]` in degrees.
    """
    from torchvision.transforms.v2 import functional  # slow to import

    degrees = _strength("affine_shear", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        shear = [degrees * _sign(generator), 0.0]
        mode = functional.InterpolationMode.BILINEAR
        return functional.affine(pixels, angle=0.0, translate=[0, 0], scale=1.0, shear=shear, interpolation=mode)

    return _corrupted(image, generator, corrupt)


def jigsaw(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Cut the image into g × g equal pieces and mix them, so that no piece stays where it was.

    Pixels are moved, never lost or invented. Where g does not divide the height, the H mod g rows that are left over
    stay in place at the top and bottom, and likewise the columns; a side of fewer than g pixels is cut into
    single ones. An image of one pixel is returned as it is.

    The permutation is one random cycle through all pieces. Severity tells how small the pieces are that stay
    whole; how much the pixels change on average hardly depends on it.

    Args, Returns, Raises: as `gaussian_noise`; g is `SEVERITIES["jigsaw"][severity - 1]`.
    """
    grid = _strength("jigsaw", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        channels, height, width = pixels.shape
        rows, columns = min(grid, height), min(grid, width)
        tall, wide = height // rows, width // columns
        top, left = height % rows // 2, width % columns // 2
        mixed = pixels.clone()
        inside = mixed[:, top : top + rows * tall, left : left + columns * wide]
        pieces = inside.reshape(channels, rows, tall, columns, wide).transpose(2, 3).flatten(1, 2)
        # Sorting numbers that torch draws from whole bits gives the same order on every machine and in every version.
        order = _uniform((rows * columns,), generator).argsort()
        moved = torch.empty_like(pieces)
        moved[:, order] = pieces[:, order.roll(1)]
        inside.copy_(moved.unflatten(1, (rows, columns)).transpose(2, 3).reshape(inside.shape))
        return mixed

    return _corrupted(image, generator, corrupt)


def hue_and_saturation(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    """Turn the hue of all pixels by one angle and move their saturation by one amount (HSV), each up or down.

    The value V of a pixel is kept. Grey has no hue that could be turned: grey pixels stay as they are, and an image
    of one channel is returned unchanged.

    Args, Returns, Raises: as `gaussian_noise`; the angle in degrees and the amount in [0, 1] are
        `SEVERITIES["hue_and_saturation"][severity - 1]`.
    """
    degrees, amount = _strength("hue_and_saturation", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        turn, change = degrees * _sign(generator), amount * _sign(generator)
        if len(pixels) == 1:
            return pixels
        red, green, blue = pixels
        value, chroma = pixels.amax(0), pixels.amax(0) - pixels.amin(0)
        coloured = chroma > 0
        divisor = torch.where(coloured, chroma, 1)
        # Hue in sixths of the circle, counted from the largest channel.
        hue = torch.where(
            value == red,
            (green - blue) / divisor,
            torch.where(value == green, 2 + (blue - red) / divisor, 4 + (red - green) / divisor),
        )
        saturation = (chroma / torch.where(coloured, value, 1) + change).clamp(0, 1)
        sector = (torch.tensor([5, 3, 1]).view(3, 1, 1) + hue + turn / 60) % 6
        changed = value - value * saturation * torch.minimum(sector, 4 - sector).clamp(0, 1)
        return torch.where(coloured, changed, pixels)

    return _corrupted(image, generator, corrupt)


def defocus_blur(image: Tensor, severity: int, generator: torch.Generator) -> Tensor:
    r"""Average over a disc, as a lens out of focus does, with the border mirrored.

    $$ x'_p = \sum_q k_q\, x_{p+q}, \qquad k_q \propto \min(1, \max(0,\; r + \tfrac12 - \lVert q \rVert)) $$

    with $q$ in pixels; the half makes the edge of the disc smooth. The radius is scaled with the short side of the
    image over 224: the same blur at every resolution, and none where it is less than half a pixel. By Fourier
    transform, whose time does not depend on the radius. Nothing is drawn from the generator.

    Args, Returns, Raises: as `gaussian_noise`; r is `SEVERITIES["defocus_blur"][severity - 1]` at 224 pixels.
    """
    radius_at_224 = _strength("defocus_blur", severity)

    def corrupt(pixels: Tensor) -> Tensor:
        height, width = pixels.shape[1:]
        radius = radius_at_224 * min(height, width) / 224
        reach = int(radius + 0.5)
        away = torch.arange(-reach, reach + 1, dtype=torch.float64)
        disc = (radius + 0.5 - torch.hypot(away.unsqueeze(1), away)).clamp(0, 1)
        padded = pixels[:, _mirrored(height, reach)][:, :, _mirrored(width, reach)]
        size = padded.shape[1:]
        # The disc is its own mirror image, so convolution and correlation are the same.
        spectrum = torch.fft.rfft2(padded) * torch.fft.rfft2(disc / disc.sum(), s=size)
        return torch.fft.irfft2(spectrum, s=size)[:, 2 * reach :, 2 * reach :]

    return _corrupted(image, generator, corrupt)


CORRUPTIONS: dict[str, Callable[[Tensor, int, torch.Generator], Tensor]] = {
    function.__name__: function
    for function in (
        gaussian_noise,
        uniform_noise,
        salt_and_pepper,
        pixel_dropout,
        cutout,
        affine_shear,
        jigsaw,
        hue_and_saturation,
        defocus_blur,
    )
}


@dataclass(frozen=True)
class Corruption:
    """A corruption as a transform, for use in `torchvision.transforms.v2.Compose` before normalising.

    The random numbers of an image follow from the seed, the name, and the image itself: the generator is seeded with
    a BLAKE2b digest of these, of the shape, and of the pixels in 8 bits. So an image is corrupted in the same way on
    every machine, in whatever order, batch or number of workers, as PIL image, uint8 or float. Severity is left
    out: the same noise grows with it, and a curve over severities compares nothing but strength.

    Args:
        name: one of `CORRUPTIONS`.
        severity: 1 … 5.
        seed: another seed, other random numbers for every image.

    Calling it takes a PIL image of mode RGB or L, or a tensor as the functions take it (also `tv_tensors.Image`), and
    returns the same kind. In a batch each image has its own random numbers, as if it came alone.

    Raises:
        TypeError, ValueError: an unknown name, another severity or seed; on calling, another image.

    Example:
        >>> dropout = Corruption("pixel_dropout", severity=5)
        >>> from dmlkit.data.drawn_bird import example_image
        >>> picture = example_image(64)
        >>> bool((dropout(picture) == dropout(picture)).all())
        True
        >>> bool((dropout(picture) == Corruption("pixel_dropout", severity=5, seed=1)(picture)).all())
        False
    """

    name: str
    severity: int
    seed: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, found {type(self.name).__name__}")
        if self.name not in CORRUPTIONS:
            nearest = difflib.get_close_matches(self.name, CORRUPTIONS, n=1)
            hint = f": did you mean {nearest[0]!r}?" if nearest else ""
            raise ValueError(f"name must be one of {', '.join(CORRUPTIONS)}, found {self.name!r}{hint}")
        _strength(self.name, self.severity)
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise TypeError(f"seed must be an integer, found {type(self.seed).__name__}")

    def __call__(self, image: PIL.Image.Image | Tensor) -> PIL.Image.Image | Tensor:
        """Corrupt one image or a batch of them."""
        if isinstance(image, PIL.Image.Image):
            if image.mode not in ("RGB", "L"):
                raise ValueError(f"image must be a PIL image of mode RGB or L, found {image.mode}")
            from torchvision.transforms.v2 import functional  # slow to import

            return functional.to_pil_image(self(functional.pil_to_tensor(image)))
        if not isinstance(image, Tensor):
            raise TypeError(f"image must be a PIL image or a torch.Tensor, found {type(image).__name__}")
        _check_image(image)
        if image.ndim == 3:
            return CORRUPTIONS[self.name](image, self.severity, self._generator(image))
        corrupted = torch.stack([self(one) for one in image])
        return _wrapped_like(image, corrupted)

    def _generator(self, image: Tensor) -> torch.Generator:
        digest = hashlib.blake2b(f"{self.seed} {self.name} {tuple(image.shape)}".encode(), digest_size=8)
        digest.update(_levels(_pixels(image)).numpy().tobytes())
        return torch.Generator().manual_seed(int.from_bytes(digest.digest(), "little"))


def _wrapped_like(image: Tensor, corrupted: Tensor) -> Tensor:
    """`corrupted` as torchvision's kind of tensor where `image` is one."""
    if type(image) is Tensor:
        return corrupted
    from torchvision import tv_tensors  # slow to import

    return tv_tensors.wrap(corrupted, like=image) if isinstance(image, tv_tensors.TVTensor) else corrupted


def _corrupted(image: Tensor, generator: torch.Generator, corrupt: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply `corrupt` to the pixels of each image, (C, H, W) in [0, 1] and float64, and give back what came in."""
    _check_image(image)
    if not isinstance(generator, torch.Generator):
        raise TypeError(f"generator must be a torch.Generator, found {type(generator).__name__}")
    if generator.device.type != "cpu":
        raise ValueError(f"generator must be on the CPU, found {generator.device}")
    pixels = _pixels(image)
    images = pixels.reshape(-1, *pixels.shape[-3:])
    corrupted = torch.stack([corrupt(one) for one in images]).clamp(0, 1).reshape(image.shape)
    corrupted = _levels(corrupted) if image.dtype == torch.uint8 else corrupted.to(image.dtype)
    corrupted = corrupted.to(image.device)
    return _wrapped_like(image, corrupted)


def _pixels(image: Tensor) -> Tensor:
    """In [0, 1], float64, on the CPU."""
    pixels = image.detach().as_subclass(Tensor).cpu().double()
    return pixels / 255 if image.dtype == torch.uint8 else pixels


def _levels(pixels: Tensor) -> Tensor:
    """In 0 … 255, uint8."""
    # Halves go up even where another machine's arithmetic left them a last bit lower.
    return (pixels * 255 + 0.5 + 1e-9).floor().to(torch.uint8)


def _uniform(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, dtype=torch.float64)


def _sign(generator: torch.Generator) -> int:
    return 1 if _uniform((), generator) < 0.5 else -1


def _mirrored(length: int, reach: int) -> Tensor:
    """Indices −reach … length + reach − 1 mirrored at the first and last pixel, as often as a short side needs."""
    last = max(length - 1, 1)
    index = torch.arange(-reach, length + reach).remainder(2 * last)
    return torch.minimum(index, 2 * last - index).clamp(max=length - 1)


def _strength(name: str, severity: int) -> Any:
    if isinstance(severity, bool) or not isinstance(severity, int):
        raise TypeError(f"severity must be an integer, found {type(severity).__name__}")
    if not 1 <= severity <= 5:
        raise ValueError(f"severity must lie in 1 … 5, found {severity}")
    return SEVERITIES[name][severity - 1]


def _check_image(image: Tensor) -> None:
    if not isinstance(image, Tensor):
        raise TypeError(f"image must be a torch.Tensor, found {type(image).__name__}")
    if image.dtype != torch.uint8 and not image.is_floating_point():
        raise TypeError(f"image must have dtype uint8 or a floating-point dtype, found {image.dtype}")
    if image.ndim not in (3, 4) or image.shape[-3] not in (1, 3) or image.numel() == 0:
        shape = tuple(image.shape)
        raise ValueError(f"image must have shape (C, H, W) or (N, C, H, W) with 1 or 3 channels, found {shape}")
    if image.is_floating_point() and not ((image >= 0) & (image <= 1)).all():
        low, high = image.min().item(), image.max().item()
        raise ValueError(f"image must lie in 0 … 1 (corrupt before normalising), found {low:g} … {high:g}")

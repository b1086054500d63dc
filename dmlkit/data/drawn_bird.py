"""A picture drawn by code: something to try corruptions on where no photo is at hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def example_image(size: int = 224) -> Tensor:
    """A small bird on a twig before a wood out of focus, drawn by code: the same picture at every size.

    It has what corruptions act on: smooth gradients, edges, fine texture, strong and weak colours.

    Args:
        size: height and width in pixels, at least 1.

    Returns:
        (3, size, size), uint8.

    Raises:
        TypeError, ValueError: not an integer, or less than 1.

    Example:
        >>> example_image(32).shape
        torch.Size([3, 32, 32])
    """
    if isinstance(size, bool) or not isinstance(size, int):
        raise TypeError(f"size must be an integer, found {type(size).__name__}")
    if size < 1:
        raise ValueError(f"size must be at least 1, found {size}")
    # Drawn twice as fine and averaged: thin strokes stay smooth.
    fine = 2 * size
    x, y = np.meshgrid((np.arange(fine) + 0.5) / fine, (np.arange(fine) + 0.5) / fine)
    picture = _wood(x, y)
    picture = _twig(picture, x, y)
    picture = _bird(picture, x, y)
    picture = picture.reshape(size, 2, size, 2, 3).mean(axis=(1, 3))
    # Halves go up even where another machine's arithmetic left them a last bit lower.
    levels = (torch.from_numpy(picture).permute(2, 0, 1).clamp(0, 1) * 255 + 0.5 + 1e-9).floor()
    return levels.to(torch.uint8).contiguous()


def _wood(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    haze = 0.5 + 0.5 * np.sin(2.1 * x - 1.3 * y + 0.4)
    sky, moss, shade = np.array([0.80, 0.86, 0.70]), np.array([0.36, 0.52, 0.30]), np.array([0.13, 0.24, 0.19])
    down = np.clip(1.15 * y + 0.25 * haze - 0.1, 0, 1)[..., None]
    picture = sky * (1 - down) ** 2 + moss * 2 * down * (1 - down) * 1.15 + shade * down**2
    # Discs of light between leaves, as a wide lens shows them.
    for place in range(26):
        u, v, w = (float(_hashed(np.float64(place), np.float64(row))) for row in (1, 2, 3))
        radius = 0.03 + 0.06 * w
        light = np.array([0.95, 0.93, 0.62]) if place % 3 else np.array([0.98, 0.80, 0.52])
        edge = np.hypot(x - u, y - 0.95 * v) - radius
        picture = _over(picture, light, edge, 0.012, (0.10 + 0.22 * w) * (1 - 0.6 * v))
    return picture


def _twig(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    middle = 0.785 - 0.10 * x + 0.025 * np.sin(5.5 * x)
    half = 0.033 - 0.012 * x
    across = (y - middle) / half
    grain = _noise(x * 22, across * 5) + 0.6 * _noise(x * 70, across * 9)
    tone = 0.62 - 0.36 * across + 0.30 * (grain - 0.8)
    bark = np.array([0.46, 0.34, 0.25]) * np.clip(tone, 0.15, 1.3)[..., None] * 1.25
    picture = _over(picture, bark, np.abs(y - middle) - half, 0.004)
    for u, v, angle, length in ((0.80, 0.62, -0.9, 0.105), (0.925, 0.735, 0.5, 0.085), (0.10, 0.86, 2.2, 0.10)):
        along, side = _turned(x, y, u, v, angle)
        # Two arcs that meet in two points.
        edge = np.abs(side) - 0.42 * length * (1 - (along / length) ** 2)
        vein = np.exp(-((side / 0.004) ** 2)) + 0.35 * (np.abs(np.sin(75 * (along - np.abs(side)))) > 0.93)
        tint = 0.85 + 0.9 * side / length + 0.25 * vein
        picture = _over(picture, np.array([0.45, 0.62, 0.17]) * tint[..., None], edge, 0.004)
    return picture


def _bird(picture: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    slate, rust, cream = np.array([0.27, 0.37, 0.47]), np.array([0.88, 0.44, 0.15]), np.array([0.95, 0.90, 0.82])
    dark = np.array([0.10, 0.11, 0.13])
    down = _noise(x * 55 + y * 20, y * 26 - x * 10) + _noise(x * 120 + y * 40, y * 60 - x * 25)
    # Tail and legs first: the body lies over them.
    along, side = _turned(x, y, 0.235, 0.735, 2.42)
    feather = 0.75 + 0.25 * np.sin(330 * side + 9 * along)
    tail = np.maximum(np.abs(side) - 0.036 - 0.10 * np.clip(along, 0, 1), np.abs(along) - 0.135)
    picture = _over(picture, slate * 0.75 * feather[..., None], tail, 0.004)
    for foot in (0.455, 0.525):
        leg = np.maximum(np.abs(x - foot - 0.25 * (y - 0.72)) - 0.0065, np.abs(y - 0.705) - 0.045)
        picture = _over(picture, dark + 0.12, leg, 0.003)
    # Body and head melt into one outline.
    body = _ellipse(x, y, 0.455, 0.535, 0.225, 0.155, -0.62)
    head = _ellipse(x, y, 0.600, 0.315, 0.112, 0.104, -0.2)
    blend = np.clip(0.5 + (head - body) / 0.16, 0, 1)
    outline = head * (1 - blend) + body * blend - 0.08 * blend * (1 - blend)
    along, side = _turned(x, y, 0.455, 0.535, -0.62)
    breast = _step(_ellipse(x, y, 0.600, 0.455, 0.125, 0.205, 0.28), 0.05)[..., None]
    belly = _step(_ellipse(x, y, 0.505, 0.655, 0.125, 0.090, -0.3), 0.06)[..., None]
    coat = slate * (1 - breast) + rust * breast
    coat = coat * (1 - belly) + cream * belly
    light = 1.02 + 0.55 * np.clip(-outline, 0, 0.10) / 0.10 * (0.62 - y) + 0.16 * (down - 1)
    light = light - 0.30 * np.clip(1 + outline / 0.035, 0, 1) ** 2
    picture = _over(picture, coat * light[..., None], outline, 0.005)
    # The wing: rows of feathers, each with a pale rim.
    along, side = _turned(x, y, 0.385, 0.545, -0.72 + np.pi)
    reach = np.clip(along / 0.215, -1, 1)
    wing = np.maximum(np.abs(side) - 0.092 * (1 - reach**2) ** np.where(reach < 0, 0.45, 1), np.abs(along) - 0.215)
    rows = 26 * along + 9 * np.abs(side + 0.02) * (1 + along)
    rim = np.clip(1.4 * np.abs(2 * (rows % 1) - 1) - 0.9, 0, 1) * _step(-along - 0.15, 0.05)
    quill = 0.5 + 0.5 * np.sin(210 * side + 14 * along)
    feathers = slate * (0.62 + 0.30 * quill + 0.12 * (down - 1))[..., None] + 0.30 * rim[..., None] * cream
    picture = _over(picture, dark, wing - 0.006, 0.012, 0.55)
    picture = _over(picture, feathers, wing, 0.005)
    # Beak, and an eye with the window of sky in it.
    along, side = _turned(x, y, 0.700, 0.318, 0.10)
    beak = np.maximum(np.abs(side) - 0.026 * (1 - along / 0.085), -along - 0.01)
    picture = _over(picture, dark + (0.20 - 4 * side)[..., None] * 0.6, beak, 0.003)
    for radius, colour in ((0.0275, rust * 0.75 + 0.15), (0.0225, dark * 0.5)):
        picture = _over(picture, colour, np.hypot(x - 0.638, y - 0.292) - radius, 0.003)
    return _over(picture, cream + 0.1, np.hypot(x - 0.646, y - 0.284) - 0.0065, 0.003)


def _over(picture: np.ndarray, colour: np.ndarray, edge: np.ndarray, soft: float, cover: float = 1.0) -> np.ndarray:
    """Paint the colour where the distance from the `edge` is negative."""
    alpha = cover * _step(edge, soft)[..., None]
    return picture * (1 - alpha) + colour * alpha


def _step(edge: np.ndarray, soft: float) -> np.ndarray:
    """From 1 inside to 0 outside over a width `soft`."""
    inside = np.clip(0.5 - edge / soft, 0, 1)
    return inside * inside * (3 - 2 * inside)


def _turned(x: np.ndarray, y: np.ndarray, u: float, v: float, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates along and across a direction through (u, v)."""
    cos, sin = np.cos(angle), np.sin(angle)
    return cos * (x - u) + sin * (y - v), -sin * (x - u) + cos * (y - v)


def _ellipse(x: np.ndarray, y: np.ndarray, u: float, v: float, a: float, b: float, angle: float) -> np.ndarray:
    along, across = _turned(x, y, u, v, angle)
    return (np.hypot(along / a, across / b) - 1) * min(a, b)


def _hashed(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Numbers in [0, 1) that look random, one for each pair of whole numbers."""
    return np.sin(x * 12.9898 + y * 78.233) * 4375.8545 % 1


def _noise(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Smooth noise in [0, 1] with one bump for each unit square."""
    left, top = np.floor(x), np.floor(y)
    u, v = ((t - np.floor(t)) ** 2 * (3 - 2 * (t - np.floor(t))) for t in (x, y))
    above = _hashed(left, top) * (1 - u) + _hashed(left + 1, top) * u
    below = _hashed(left, top + 1) * (1 - u) + _hashed(left + 1, top + 1) * u
    return above * (1 - v) + below * v

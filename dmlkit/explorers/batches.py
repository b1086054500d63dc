"""The explorer of the chapter "Mini-batches: an estimate of an estimate": silhouettes of batches beside the whole."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer
from dmlkit.explorers.still import small_png
from dmlkit.metrics import silhouette_samples, silhouette_score
from dmlkit.plotting import MARKERS, PALETTE

# As in batches_arithmetic.js; a test holds the two together.
POINTS, SCALE = 960, 0.13
BATCHES = (8, 16, 32, 64, 128, 256, 512)
IMAGES = (0, 2, 4, 8, 16, 32)
CLASSES, DRAWS = (2, 24), (1, 2000)


def batches(batch: int = 32, images: int = 0, classes: int = 12, *, draws: int = 1) -> Explorer:
    """Batches from 960 points of the unit circle, one after the other, and the silhouette that each has of itself.

    Args:
        batch: B, images in a batch: a power of two, 8 … 512.
        images: m, images per class in a batch: 2, 4, 8, 16 or 32 of randomly chosen classes; 0 draws any images.
        classes: C, classes in the data set, 2 … 24.
        draws: batches drawn at the start, 1 … 2000.

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        TypeError: a number that is not whole.
        ValueError: a setting that the sliders do not have.
    """
    check_choice("batch", batch, BATCHES)
    check_choice("images", images, IMAGES)
    for name, value, (low, high) in (("classes", classes, CLASSES), ("draws", draws, DRAWS)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, found {value!r}")
        if not low <= value <= high:
            raise ValueError(f"{name} must lie in {low} … {high}, found {value}")
    state = {"batch": int(batch), "images": int(images), "classes": classes, "draws": draws}
    points, labels = data_set(classes)
    whole = silhouette_score(points, labels)
    chosen = _draws(labels, state, 200)
    values = [value for value in (batch_silhouette(points[rows], labels[rows]) for rows in chosen) if value is not None]
    made = f"{batch} at random" if images == 0 else f"{images} of a class"
    alt = (
        f"{POINTS} points of {classes} classes on a circle, with a batch of {len(chosen[-1])}, {made}; below, the "
        f"silhouettes of {len(chosen)} such batches. Their mean is {np.mean(values):.2f}; the data set has {whole:.2f}."
    )
    return Explorer("batches", state, _still(points, labels, chosen[-1], values, whole), alt)


def data_set(classes: int) -> tuple[Tensor, Tensor]:
    """The points (960, 2) and their classes, as `dataSet` in batches_arithmetic.js: logistic quantiles of the angle."""
    begins = [c * POINTS // classes for c in range(classes + 1)]
    sizes = torch.tensor(begins).diff()
    labels = torch.arange(classes).repeat_interleave(sizes)
    share = torch.cat([(torch.arange(int(size), dtype=torch.float64) + 0.5) / size for size in sizes])
    angle = 2 * torch.pi * labels.double() / classes + SCALE * torch.log(share / (1 - share))
    return torch.stack([angle.cos(), angle.sin()], dim=1), labels


def batch_silhouette(points: Tensor, labels: Tensor) -> float | None:
    """Mean silhouette of the rows that have another row of their class; None where there is none, or one class only."""
    _, index, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    counted = counts[index] > 1
    if len(counts) < 2 or not counted.any():
        return None
    return silhouette_samples(points, labels)[counted].mean().item()


def _draws(labels: Tensor, setting: dict[str, int], count: int) -> list[Tensor]:
    """Batches for the still picture: drawn alike, but not the very ones that the reader's browser draws."""
    random = np.random.default_rng(0)
    batch, images, classes = setting["batch"], setting["images"], setting["classes"]
    if images == 0:
        return [torch.from_numpy(random.permutation(POINTS)[:batch]) for _ in range(count)]
    per_batch = min(classes, max(2, batch // images))
    members = [torch.nonzero(labels == c).squeeze(1).numpy() for c in range(classes)]

    def one() -> Tensor:
        chosen = random.permutation(classes)[:per_batch]
        return torch.from_numpy(np.concatenate([random.permutation(members[c])[: batch // per_batch] for c in chosen]))

    return [one() for _ in range(count)]


def _still(points: Tensor, labels: Tensor, latest: Tensor, values: list[float], whole: float) -> bytes:
    """The ring with a batch, and the histogram."""
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    ring, histogram = figure.subplots(1, 2)
    out = 0.74 + 0.26 * ((torch.arange(POINTS) * 0.618034) % 1)
    placed = points * out.unsqueeze(1)
    for c in range(int(labels.max()) + 1):
        colour, marker = PALETTE[c % len(PALETTE)], MARKERS[(c + c // len(PALETTE)) % 8]
        ring.plot(*placed[labels == c].T, ".", color=colour, markersize=2, alpha=0.4)
        ring.plot(*placed[latest[labels[latest] == c]].T, marker, color=colour, markeredgecolor="black", markersize=6)
    ring.set(aspect="equal", title="data set and one batch")
    ring.axis("off")
    histogram.hist(values, bins=np.linspace(-1, 1, 81), color=PALETTE[5])
    histogram.axvline(whole, color="black", label=f"data set {whole:.2f}")
    mean = float(np.mean(values))
    histogram.axvline(mean, color=PALETTE[1], linestyle="--", label=f"mean of {len(values)} batches {mean:.2f}")
    histogram.set(xlim=(-1, 1), xlabel="silhouette of a batch", ylabel="batches")
    histogram.legend(loc="upper left", fontsize=8)
    return small_png(figure)

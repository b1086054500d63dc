"""The explorer of the chapter "Pairwise losses taken apart": tightness and contrast of five losses, side by side."""

from __future__ import annotations

import math

import torch
from matplotlib.figure import Figure

from dmlkit import losses
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.geometry import class_sums
from dmlkit.plotting import MARKERS, PALETTE

# As FIXED, SCENE, NAMES and COLOURS in the JavaScript; tests hold them together.
FIXED = {"margin": 1.0, "temperature": 0.1, "alpha": 2.0, "beta": 50.0, "cosine": 0.5, "lam": 0.1}
SCENE = {"b": 210, "c": 330, "width": 12, "each": 4}
NAMES = {
    "snca": "SNCA",
    "center": "center",
    "contrastive": "contrastive",
    "pairwise_cross_entropy": "PCE",
    "multi_similarity": "MS",
}
COLOURS = (2, 0, 1, 4, 3)
RANGES = {"gap": (10, 120), "spread": (0, 90), "length": (0.5, 1.5)}


def tightness_contrast(gap: float = 70, spread: float = 20, length: float = 1.0) -> Explorer:
    """Three classes on a circle, one of them to move and to widen; tightness and contrast of five losses as bars.

    Tightness is shown in the unit of the contrastive loss's, by the constants of lemma 1 of paper M; contrast as a
    share of the way from three points 120° apart to everything in one point.

    Args:
        gap: angle between the middles of A and B at the start, in degrees (10 … 120).
        spread: from the middle of A to its outermost points, in degrees (0 … 90).
        length: of all embeddings (0.5 … 1.5); the lemma takes 1.

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: a parameter outside its slider.
    """
    state = {"gap": float(gap), "spread": float(spread), "length": float(length)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    points, labels = scene(**state)
    tight, apart = in_one_unit(points, labels), on_one_scale(points, labels)
    bars = [", ".join(f"{NAMES[name]} {value:.2f}" for name, value in values.items()) for values in (tight, apart)]
    alt = (
        f"Three classes on a circle, A {gap:g}° from B and spread by {spread:g}° to each side. Tightness in units of "
        f"the contrastive loss's: {bars[0]}. Contrast from 0 (ideal) to 1 (everything in one point): {bars[1]}."
    )
    return Explorer("tightness_contrast", state, _still(points, labels, tight, apart), alt)


def scene(gap: float, spread: float, length: float, width: float = SCENE["width"]) -> tuple[torch.Tensor, torch.Tensor]:
    """The twelve points and their labels, as `sceneOf` in tightness_contrast_arithmetic.js."""
    offsets = torch.linspace(-1, 1, SCENE["each"], dtype=torch.float64)
    middles = [(SCENE["b"] - gap, spread), (SCENE["b"], width), (SCENE["c"], width)]
    turns = torch.deg2rad(torch.cat([middle + wide * offsets for middle, wide in middles]))
    labels = torch.arange(3).repeat_interleave(SCENE["each"])
    return length * torch.stack([turns.cos(), turns.sin()], dim=1), labels


def classifier(points: torch.Tensor, labels: torch.Tensor, classes: int) -> torch.Tensor:
    """θ_k = 1/(λn) Σ z_i over class k."""
    return class_sums(points, labels, classes) / (FIXED["lam"] * len(points))


def in_one_unit(points: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Tightness of each loss in the unit of the contrastive loss's, by lemma 1's constants."""
    n, classes = len(points), len(labels.unique())
    m, sigma, alpha, lam = n / classes, FIXED["temperature"], FIXED["alpha"], FIXED["lam"]
    options = {
        "snca": {"temperature": sigma},
        "center": {},
        "contrastive": {},
        "pairwise_cross_entropy": {"lam": lam},
        "multi_similarity": {"alpha": alpha, "margin": FIXED["cosine"]},
    }
    t = {name: losses.tightness(name)(points, labels, **option).item() for name, option in options.items()}
    return {
        "snca": 2 * sigma * m * (t["snca"] + math.log(m) + 1 / sigma),
        "center": 4 / classes * t["center"],
        "contrastive": t["contrastive"],
        "pairwise_cross_entropy": 4 * lam * n * (t["pairwise_cross_entropy"] + 1 / (2 * lam * classes)),
        "multi_similarity": 2 * m * (t["multi_similarity"] - math.log(m) / alpha - FIXED["cosine"] + 1),
    }


def contrasts(points: torch.Tensor, labels: torch.Tensor, weight: torch.Tensor) -> dict[str, float]:
    """Contrast of each loss."""
    lam, cosine = FIXED["lam"], FIXED["cosine"]
    options = {
        "snca": {"temperature": FIXED["temperature"]},
        "center": {"weight": weight},
        "contrastive": {"margin": FIXED["margin"]},
        "pairwise_cross_entropy": {"weight": weight, "lam": lam},
        "multi_similarity": {"beta": FIXED["beta"], "margin": cosine},
    }
    return {name: losses.contrast(name)(points, labels, **option).item() for name, option in options.items()}


def on_one_scale(points: torch.Tensor, labels: torch.Tensor) -> dict[str, float]:
    """Contrasts from 0 (three points 120° apart) to 1 (everything in one point)."""
    ideal, _ = scene(120, 0, 1.0, width=0)
    ends = [
        contrasts(rows, labels, classifier(rows, labels, 3))
        for rows in (ideal, torch.ones_like(ideal[:, :1]) * ideal[0])
    ]
    found = contrasts(points, labels, classifier(points, labels, 3))
    return {name: (value - ends[0][name]) / (ends[1][name] - ends[0][name]) for name, value in found.items()}


def _still(points: torch.Tensor, labels: torch.Tensor, tight: dict[str, float], apart: dict[str, float]) -> bytes:
    """The circle, and the two charts of bars."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    grid = figure.add_gridspec(2, 2, width_ratios=(1, 1.3))
    circle, upper, lower = (
        figure.add_subplot(grid[:, 0]),
        figure.add_subplot(grid[0, 1]),
        figure.add_subplot(grid[1, 1]),
    )
    turn = torch.linspace(0, 2 * math.pi, 200)
    circle.plot(turn.cos(), turn.sin(), color=PALETTE[7], linestyle="--", linewidth=1)
    for c, name in enumerate("ABC"):
        own = points[labels == c]
        circle.plot(*own.T, MARKERS[c], color=PALETTE[c], markersize=7, label=name)
    circle.set(aspect="equal", xlim=(-1.7, 1.7), ylim=(-1.7, 1.7))
    circle.legend(loc="upper center", ncols=3, fontsize=8)
    for axes, values, title in (
        (upper, tight, "tightness, in units of T_contrast"),
        (lower, apart, "contrast: 0 ideal, 1 all in one point"),
    ):
        names = list(NAMES.values())
        bars = axes.barh(names, list(values.values()), color=[PALETTE[k] for k in COLOURS], height=0.6)
        axes.bar_label(bars, fmt="%.2f", fontsize=8, padding=2)
        axes.axvline(0, color="black", linewidth=1)
        axes.invert_yaxis()
        axes.margins(x=0.2)
        axes.set_xlabel(title)
    return small_png(figure)

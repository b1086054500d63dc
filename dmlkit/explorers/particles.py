"""The explorer of the chapter "Watch it train": three losses move hundreds of embeddings and their proxies."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.landscape.particles import ParticleRun, train_particles
from dmlkit.losses import euclidean_softmax, norm_softmax, warped_softmax
from dmlkit.plotting import MARKERS, PALETTE

# As in particles.js; a test holds the two together.
RANGES = {"alpha": (0, 1.5), "beta": (0.5, 2.5), "r": (0, 3), "count": (10, 500), "classes": (2, 5)}
CHOICES = {
    "optimizer": ("sgd", "adam", "adam1"),
    "pace": (0, 0.05, 0.2, 1, 10),
    "scale": (1, 2, 4),
    "margin": (1, 1.5, 3),
}
RATES = {"sgd": 0.05, "adam": 0.01, "adam1": 0.05}
SHARPER = 5
STILL_STEPS = 150


def particles(
    alpha: float = 0.5,
    beta: float = 1.5,
    r: float = 1.5,
    *,
    classes: int = 3,
    count: int = 300,
    optimizer: str = "sgd",
    scale: float = 1,
    margin: float = 1,
    pace: float = 0.2,
    phases: bool = False,
    seed: int = 1,
) -> Explorer:
    """Embeddings and proxies that train in the plane: Euclidean, cosine and warped softmax, from the same start.

    Args:
        alpha, beta, r: of the warped panel, where the sliders start (0 … 1.5, 0.5 … 2.5, 0 … 3).
        classes: 2 … 5.
        count: how many embeddings a panel has, 10 … 500.
        optimizer: "sgd" at rate 0.05, "adam" at 0.01, or "adam1" at 0.05 with ε = 1.
        scale: T, 1, 2 or 4; the cosine softmax has τ = 1/(5 T).
        margin: m of γ, 1, 1.5 or 3.
        pace: learning rate of the proxies over that of the embeddings: 0, 0.05, 0.2, 1 or 10.
        phases: whether r, T and the proxies' rate fall at step 300.
        seed: of the start.

    Returns:
        An `Explorer`; its state is the arguments and `steps`, how many have been taken.

    Raises:
        TypeError: a count, a number of classes or a seed that is not whole.
        ValueError: an unknown choice, or a value outside its slider.
    """
    for name, value in (("classes", classes), ("count", count), ("seed", seed)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, found {value!r}")
    given = {"alpha": alpha, "beta": beta, "r": r, "count": count, "classes": classes}
    for name, value in given.items():
        check_on_slider(name, value, *RANGES[name])
    chosen = {"optimizer": optimizer, "scale": scale, "margin": margin, "pace": pace}
    for name, value in chosen.items():
        check_choice(name, value, CHOICES[name])
    state = {"alpha": float(alpha), "beta": float(beta), "r": float(r), "optimizer": optimizer}
    state |= {name: float(chosen[name]) for name in ("scale", "margin", "pace")}
    state |= {"phases": bool(phases), "classes": classes, "count": count, "seed": seed}

    points, labels, proxies = scatter(classes, count, seed)
    runs = {
        name: run_of(points, labels, proxies, name, STILL_STEPS, every=STILL_STEPS, **state)
        for name in ("Euclidean", "cosine", "warped")
    }
    reached = ", ".join(f"{name} {run.distance[-1].item():.2f}" for name, run in runs.items())
    alt = (
        f"{count} embeddings of {classes} classes and their proxies after {STILL_STEPS} steps with three losses, for "
        f"α = {alpha:g}, β = {beta:g}, r = {r:g}. Average distance to proxy: {reached}."
    )
    return Explorer("particles", {**state, "steps": 0}, _still(runs, labels, r), alt)


def run_of(
    points: Tensor,
    labels: Tensor,
    proxies: Tensor,
    name: str,
    steps: int,
    *,
    alpha: float,
    beta: float,
    r: float,
    margin: float = 1.0,
    scale: float = 1.0,
    optimizer: str = "sgd",
    pace: float = 1.0,
    every: int = 1,
    **_: object,
) -> ParticleRun:
    """One panel of the explorer, by dmlkit: "Euclidean", "cosine" or "warped"."""
    options = {
        "Euclidean": {"loss": euclidean_softmax, "scale": scale},
        "cosine": {"loss": norm_softmax, "temperature": 1 / (SHARPER * scale)},
        "warped": {"loss": warped_softmax, "alpha": alpha, "beta": beta, "r": r, "margin": margin, "scale": scale},
    }[name]
    lr = RATES[optimizer]
    rule = (
        {"optimizer": "sgd"}
        if optimizer == "sgd"
        else {"optimizer": "adam", "eps": 1 if optimizer == "adam1" else 1e-8}
    )
    return train_particles(
        points, labels, proxies, lr=lr, proxy_lr=pace * lr, steps=steps, every=every, **rule, **options
    )


def uniforms(seed: int) -> Iterator[float]:
    """Numbers in [0, 1), the same as in particles_arithmetic.js (mulberry32)."""
    word = 0xFFFFFFFF
    state = seed & word
    while True:
        state = (state + 0x6D2B79F5) & word
        mixed = (state ^ (state >> 15)) * (state | 1) & word
        mixed = ((mixed + ((mixed ^ (mixed >> 7)) * (mixed | 61) & word)) & word) ^ mixed
        yield (mixed ^ (mixed >> 14)) / 2**32


def scatter(classes: int, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The start of all three panels: overlapping classes around a small circle, and proxies beside their middles."""
    draw = uniforms(seed)

    def normal() -> float:
        radius = math.sqrt(-2 * math.log(1 - next(draw)))
        return radius * math.cos(2 * math.pi * next(draw))

    middles = [(math.cos(turn), math.sin(turn)) for turn in (2 * math.pi * c / classes + 0.4 for c in range(classes))]
    proxies = [[0.8 * x + 0.25 * normal() for x in middle] for middle in middles]
    labels = [i % classes for i in range(count)]
    points = [[1.4 * x + 0.75 * normal() for x in middles[c]] for c in labels]
    kind = {"dtype": torch.float64}
    return torch.tensor(points, **kind), torch.tensor(labels), torch.tensor(proxies, **kind)


def _still(runs: dict[str, ParticleRun], labels: Tensor, r: float) -> bytes:
    """The three panels after a while."""
    figure = Figure(figsize=(7.2, 2.7), layout="constrained")
    reach = 1.05 * max(kept.abs().max().item() for run in runs.values() for kept in (run.points, run.proxies))
    for axes, (name, run) in zip(figure.subplots(1, 3, sharey=True), runs.items(), strict=True):
        points, proxies = run.points[-1], run.proxies[-1]
        for c in range(len(proxies)):
            axes.plot(*points[labels == c].T, MARKERS[c], color=PALETTE[c], markersize=2)
            axes.plot(*proxies[c], MARKERS[c], color=PALETTE[c], markersize=8, markeredgecolor="black")
            if name == "warped":
                turn = torch.linspace(0, 2 * math.pi, 60)
                x, y = proxies[c, 0] + r * turn.cos(), proxies[c, 1] + r * turn.sin()
                axes.plot(x, y, "--", color="0.4", linewidth=0.8)
        axes.set(title=f"{name} softmax", xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    return small_png(figure)

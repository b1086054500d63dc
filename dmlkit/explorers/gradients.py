"""The explorer of the chapter "Local and global": where two losses push the points of the unit circle."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.losses import soft_silhouette, sup_con
from dmlkit.metrics import silhouette_score
from dmlkit.plotting import MARKERS, PALETTE

CLASSES = ("A", "B", "C")
FOLLOWS = ("con", "sil", "both")
# Degrees; the first of PRESETS in gradients.js: class A in two pieces, B between them, C behind. A test holds the two
# together.
ANGLES = ((58, 74, -60, -76), (-19, -5, 9, 21), (162, 172, 187, 199))
RANGES = {"tau": (0.02, 5), "softness": (0.02, 2), "weight": (0, 20)}


def gradients(
    angles: Sequence[Sequence[float]] = ANGLES,
    tau: float = 0.1,
    softness: float = 0.1,
    weight: float = 1.0,
    *,
    follow: str = "both",
) -> Explorer:
    """Points on the unit circle to drag and to let go, with the downhill arrows of SupCon and of the soft silhouette.

    Args:
        angles: for each of two or three classes the angles of its points in degrees, from the x-axis; one to eight a
            class.
        tau: temperature of SupCon, 0.02 … 5.
        softness: temperature of the silhouette's soft maximum and soft minimum, 0.02 … 2.
        weight: λ of the silhouette in the sum, 0 … 20.
        follow: whose arrows are drawn, and along which the points go: "con", "sil", or "both" for the sum.

    Returns:
        An `Explorer`; its state is `angles` and `labels` (one a point), `tau`, `softness`, `weight` and `follow`.

    Raises:
        ValueError: another number of classes or points, an angle that is no number, a value outside its slider, or an
            unknown `follow`.
    """
    check_choice("follow", follow, FOLLOWS)
    for name, value in (("tau", tau), ("softness", softness), ("weight", weight)):
        check_on_slider(name, value, *RANGES[name])
    sizes = [len(own) for own in angles]
    if len(sizes) not in (2, 3) or not all(1 <= size <= 8 for size in sizes):
        raise ValueError(f"angles must hold one to eight points for each of two or three classes, found {sizes}")
    degrees = [float(angle) for own in angles for angle in own]
    if not all(map(math.isfinite, degrees)):
        raise ValueError(f"angles must be finite, found {[list(own) for own in angles]}")
    labels = [c for c, size in enumerate(sizes) for _ in range(size)]
    state = {"angles": degrees, "labels": labels}
    state |= {"tau": float(tau), "softness": float(softness), "weight": float(weight), "follow": follow}

    turns, classes = torch.tensor(degrees, dtype=torch.float64).deg2rad(), torch.tensor(labels)
    fields = {name: slopes(turns, classes, loss) for name, loss in losses_of(tau, softness, weight).items()}
    cosine = torch.nn.functional.cosine_similarity(fields["con"], fields["sil"], dim=0).item()
    alt = (
        f"{len(labels)} points of {len(sizes)} classes on the unit circle, mean silhouette "
        f"{silhouette_score(on_circle(turns), classes):.2f}. Arrows along the circle show where gradient descent moves "
        f"each point under SupCon at τ = {tau:g} and under the soft silhouette; the cosine of the two gradients is "
        f"{cosine:.2f}."
    )
    return Explorer("gradients", state, _still(turns, classes, fields, follow), alt)


def on_circle(turns: Tensor) -> Tensor:
    """Points of the unit circle (N, 2) at angles (N,) in radians."""
    return torch.stack([turns.cos(), turns.sin()], dim=1)


def losses_of(tau: float, softness: float, weight: float) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
    """The three losses that the explorer follows, by their names in its state (paper S, eqs. 5, 14 and 15)."""

    def con(embeddings: Tensor, labels: Tensor) -> Tensor:
        return sup_con(embeddings, labels, temperature=tau)

    def sil(embeddings: Tensor, labels: Tensor) -> Tensor:
        return soft_silhouette(embeddings, labels, temperature=softness, nearest_temperature=softness)

    return {"con": con, "sil": sil, "both": lambda rows, labels: con(rows, labels) + weight * sil(rows, labels)}


def slopes(turns: Tensor, labels: Tensor, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """The slope of a loss by each point's angle: (N,), in units of the loss a radian."""
    turns = turns.detach().requires_grad_()
    return torch.autograd.grad(loss(on_circle(turns), labels), turns)[0]


def _still(turns: Tensor, labels: Tensor, fields: dict[str, Tensor], follow: str) -> bytes:
    """The circle with its arrows: SupCon's outside, the silhouette's inside, their sum at the points."""
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    axes = figure.subplots()
    around = torch.linspace(0, 2 * torch.pi, 100, dtype=torch.float64)
    axes.plot(*on_circle(around).T, "--", color="0.6", linewidth=1)
    looks = {
        "con": (1.16, PALETTE[3], "SupCon (outside)"),
        "sil": (0.84, PALETTE[4], "silhouette (inside)"),
        "both": (1.0, "black", "their sum"),
    }
    for name in FOLLOWS if follow == "both" else (follow,):
        radius, colour, text = looks[name]
        push = -fields[name] * len(turns)
        length = push.sign() * (0.13 * push.abs().sqrt()).clamp(max=0.5)
        across = torch.stack([-turns.sin(), turns.cos()], dim=1) * length.unsqueeze(1)
        start = radius * on_circle(turns)
        options = {"angles": "xy", "scale_units": "xy", "scale": 1, "width": 0.008 if name == "both" else 0.005}
        axes.quiver(*start.T, *across.T, color=colour, label=text, **options)
    for c in labels.unique().tolist():
        axes.plot(*on_circle(turns[labels == c]).T, MARKERS[c], color=PALETTE[c], label=f"class {CLASSES[c]}")
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=9)
    axes.set(xlim=(-1.5, 1.5), ylim=(-1.4, 1.4), aspect="equal")
    axes.axis("off")
    return small_png(figure)

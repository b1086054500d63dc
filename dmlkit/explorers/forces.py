"""The explorer of the chapter "Forces in a Euclidean softmax": one embedding, its proxies, and who pulls whom."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.geometry import unit_rows
from dmlkit.landscape import SoftmaxForces, softmax_forces
from dmlkit.plotting import PALETTE

KINDS = ("plain", "square", "cosine")
FREE = ("embedding", "all")
# As FIELD, SCALE and the first of PRESETS in forces.js; a test holds them together.
X, Y = (-3.6, 3.6), (-2.7, 2.7)
SCALE = (0.2, 5.0)
POINTS = ((0.3, 1.7), (1.0, 0.0), (-1.0, 0.0))


def forces(
    points: Sequence[Sequence[float]] = POINTS,
    scale: float = 1.0,
    *,
    kind: str = "plain",
    free: str = "embedding",
) -> Explorer:
    """An embedding and its proxies to drag and to let go, with an arrow for each of the four forces of paper W.

    Args:
        points: of the plane: the embedding, its own proxy, and one or two others; inside −3.6 … 3.6 by −2.7 … 2.7.
        scale: where the slider of T starts, the inverse temperature (0.2 … 5).
        kind: what the softmax is taken over: "plain" distances, "square" for squared ones, or "cosine".
        free: what moves when let go: the "embedding" alone, or "all".

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: another number of points, a point outside the picture, an unknown choice, or a scale outside its
            slider.
    """
    check_choice("kind", kind, KINDS)
    check_choice("free", free, FREE)
    check_on_slider("scale", scale, *SCALE)
    places = [[float(value) for value in point] for point in points]
    if len(places) not in (3, 4) or any(len(place) != 2 for place in places):
        raise ValueError(
            f"points must be an embedding, its own proxy and one or two others, each (x, y), found {places}"
        )
    if not all(X[0] <= x <= X[1] and Y[0] <= y <= Y[1] for x, y in places):
        raise ValueError(f"points must lie in {X[0]:g} … {X[1]:g} by {Y[0]:g} … {Y[1]:g}, found {places}")
    found = forces_between(torch.tensor(places, dtype=torch.float64), kind, scale)
    sizes = [math.hypot(*force.tolist()) for force in (found.f1[0], found.f3[0], found.on_embeddings[0])]
    over = {"plain": "Euclidean distances", "square": "squared distances", "cosine": "cosines"}[kind]
    alt = (
        f"An embedding, its own proxy and {len(places) - 2} other, with arrows for the forces of a softmax over "
        f"{over} at T = {scale:g}. On the embedding: F1 of size {sizes[0]:.2f} away from the others, "
        f"F3 of size {sizes[1]:.2f} to its own proxy, together {sizes[2]:.2f}."
    )
    state = {"points": places, "kind": kind, "scale": float(scale), "free": free}
    return Explorer("forces", state, _still(places, found), alt)


def forces_between(points: Tensor, kind: str, scale: float) -> SoftmaxForces:
    """The forces of the first of `points` (3 or 4, 2), with the second as its own proxy, for each kind of softmax."""
    embedding, proxies, labels = points[:1], points[1:], torch.zeros(1, dtype=torch.long)
    if kind != "cosine":
        f = torch.square if kind == "square" else None
        return softmax_forces(embedding, labels, proxies, f_own=f, f_other=f, scale=scale)
    # By autograd: each pair's cosine has a leaf of its own on either side.
    pairs = len(proxies)
    left, right = (rows.clone().requires_grad_() for rows in (embedding.expand(pairs, 2), proxies))
    logits = scale * (unit_rows(left) * unit_rows(right)).sum(dim=1)
    loss = -logits.log_softmax(dim=0)[0]
    on_e, on_p = (-gradient for gradient in torch.autograd.grad(loss, [left, right]))
    f2 = on_p.clone()
    f2[0] = 0
    return SoftmaxForces(
        on_e[1:].sum(dim=0, keepdim=True),
        f2.unsqueeze(0),
        on_e[:1],
        on_p[:1],
        logits.detach().softmax(dim=0).unsqueeze(0),
        labels,
    )


def _still(points: list[list[float]], found: SoftmaxForces) -> bytes:
    """Points and arrows; as in forces.js an arrow is as long as the square root of its force."""
    figure = Figure(figsize=(6.4, 4.5), layout="constrained")
    axes = figure.subplots()
    (embedding, own, *others) = points
    arrows = [(other, force, PALETTE[2], ":", "F2") for other, force in zip(others, found.f2[0, 1:], strict=True)]
    arrows += [
        (own, found.f4[0], PALETTE[3], "-.", "F4"),
        (embedding, found.on_embeddings[0], "black", "-", "F1+F3"),
        (embedding, found.f1[0], PALETTE[0], "--", "F1"),
        (embedding, found.f3[0], PALETTE[1], "-", "F3"),
    ]
    for (x, y), force, colour, line, text in arrows:
        size = math.hypot(*force.tolist())
        if size < 1e-9:
            continue
        length = min(2.0, 1.6 * math.sqrt(size))
        ux, uy = (force / size).tolist()
        tip = (x + length * ux, y + length * uy)
        look = {"arrowstyle": "-|>", "color": colour, "linestyle": line, "shrinkA": 0, "shrinkB": 0, "linewidth": 1.8}
        axes.annotate("", tip, (x, y), arrowprops=look)
        reach = 0.15 + 0.05 * len(text) * abs(ux)
        axes.text(tip[0] + reach * ux, tip[1] + reach * uy, text, color=colour, ha="center", va="center", fontsize=9)
    marks = [("*", PALETTE[7], "e"), ("s", PALETTE[1], "own"), *[("o", PALETTE[0], "other")] * len(others)]
    for (x, y), (mark, colour, text) in zip(points, marks, strict=True):
        axes.plot(x, y, mark, color=colour, markeredgecolor="black", markersize=9)
        axes.text(x + 0.12, y - 0.3, text, fontsize=9)
    axes.set(xlim=X, ylim=Y, aspect="equal", xlabel="distance", ylabel="distance")
    return small_png(figure)

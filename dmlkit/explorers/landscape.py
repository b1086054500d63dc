"""The explorer of the chapter "A landscape you can move": the warped loss of two classes in the plane."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from dmlkit.checks import check_choice, check_number
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.losses import effective_warp, warped_softmax

VIEWS = ("effective", "value")
# As SCENE in warp.js; a test holds the two together.
OWN, OTHER = (1.0, 0.0), (-1.0, 0.0)
X, Y, CELL = (-3.0, 5.0), (-2.5, 2.5), 0.05


def landscape(
    alpha: float = 0.5,
    beta: float = 1.5,
    r: float = 1.5,
    *,
    view: str = "effective",
    margin: float = 1.0,
    forces: bool = False,
) -> Explorer:
    """The landscape of one embedding between its own proxy at (1, 0) and another at (−1, 0), with α, β, r to move.

    Args:
        alpha, beta, r: where the sliders start (0 … 1.5, 0.5 … 2.5, 0 … 3).
        view: "effective" (the slopes that training follows) or "value" (the loss itself, with γ).
        margin: m of γ, fixed.
        forces: draw the steps of gradient descent as arrows.

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: an unknown view, or a parameter outside its slider.
    """
    check_choice("view", view, VIEWS)
    for name, value, low, high in (("alpha", alpha, 0, 1.5), ("beta", beta, 0.5, 2.5), ("r", r, 0, 3)):
        check_on_slider(name, value, low, high)
    check_number("margin", margin, least=0)
    state = {"alpha": float(alpha), "beta": float(beta), "r": float(r)}
    state |= {"margin": float(margin), "view": view, "forces": bool(forces)}
    alt = (
        f"Map of the warped loss around two proxies for α = {alpha:g}, β = {beta:g}, r = {r:g}, "
        f"{'slopes that training follows' if view == 'effective' else 'value of the loss'}; "
        f"a dashed circle of radius r around the own proxy."
    )
    return Explorer("landscape", state, _still(alpha, beta, r, margin, view), alt)


def loss_at(points: torch.Tensor, *, alpha: float, beta: float, r: float, margin: float, view: str) -> torch.Tensor:
    """The loss of embeddings (N, 2) of the own class in the scene of the explorer: (N,) in nats."""
    proxies = points.new_tensor([OWN, OTHER])
    if view == "value":
        labels = torch.zeros(len(points), dtype=torch.int64)
        return warped_softmax(points, labels, proxies, alpha=alpha, beta=beta, r=r, margin=margin, reduction="none")
    own, other = torch.cdist(points, proxies).unbind(dim=1)
    return torch.nn.functional.softplus(effective_warp(own, alpha=alpha, beta=beta, r=r) - other)


def _still(alpha: float, beta: float, r: float, margin: float, view: str) -> bytes:
    """The map as a small PNG (48 colours), for pages without scripts and for print."""
    x, y = np.arange(X[0], X[1] + CELL / 2, CELL), np.arange(Y[0], Y[1] + CELL / 2, CELL)
    points = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    loss = loss_at(points, alpha=alpha, beta=beta, r=r, margin=margin, view=view).reshape(len(y), len(x)).numpy()
    # A Figure of its own, not pyplot's: showing an explorer must not touch the notebook's current figure.
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    image = axes.pcolormesh(x, y, loss, norm=LogNorm(0.008, 8), cmap="viridis", shading="nearest", rasterized=True)
    axes.contour(x, y, np.log(loss), levels=14, colors="white", linewidths=0.5, linestyles="solid")
    angle = np.linspace(0, 2 * np.pi, 100)
    axes.plot(OWN[0] + r * np.cos(angle), OWN[1] + r * np.sin(angle), "w--", linewidth=1)
    axes.plot(*OWN, "o", color="white", markeredgecolor="black")
    axes.plot(*OTHER, "o", color="black", markeredgecolor="white")
    for (px, py), text in ((OWN, "own"), (OTHER, "other")):
        axes.annotate(text, (px, py), (px, py + 0.15), color="white", ha="center")
    axes.set(xlim=X, ylim=Y, aspect="equal", xlabel="distance", ylabel="distance")
    figure.colorbar(image, label="loss (nats)")
    return small_png(figure)

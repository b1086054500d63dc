"""The explorer of the chapter "A landscape you can move": the warped loss of two to four classes in the plane."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from torch import Tensor

from dmlkit.checks import check_choice, check_number
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.landscape.several import equilibria
from dmlkit.losses import effective_warp, monotone_softmax, warped_softmax

VIEWS = ("effective", "value", "field")
# As SCENE and SLIDERS in landscape_arithmetic.js; a test holds them together.
X, Y, CELL, APART, MOST = (-3.0, 5.0), (-2.5, 2.5), 0.05, 0.1, 4
SLIDERS = {"alpha": (0, 1.5), "beta": (0.5, 2.5), "r": (0, 3), "margin": (0, 10)}
TWO = ((1.0, 0.0), (-1.0, 0.0))
_SAYS = {
    "effective": "slopes that training follows",
    "value": "value of the loss",
    "field": "size of the training step",
}


def landscape(
    alpha: float = 0.5,
    beta: float = 1.5,
    r: float = 1.5,
    *,
    view: str = "effective",
    margin: float = 1.0,
    forces: bool = False,
    proxies: Sequence[Sequence[float]] = TWO,
    own: int = 0,
) -> Explorer:
    """The landscape of one embedding between its own proxy and one to three others, with α, β, r and proxies to move.

    Args:
        alpha, beta, r: where the sliders start (0 … 1.5, 0.5 … 2.5, 0 … 3).
        view: "effective" (the slopes that training follows), "value" (the loss itself, with γ) or "field" (how long a
            step of training is, with arrows).
        margin: m of γ (0 … 10), fixed.
        forces: draw the steps of gradient descent as arrows in any view.
        proxies: two to four points (x, y) with x in −3 … 5 and y in −2.5 … 2.5, at least 0.1 from each other.
        own: which of them is the own class's, counted from 0.

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: an unknown view, a parameter outside its slider, or proxies that cannot stand there.
    """
    check_choice("view", view, VIEWS)
    check_number("margin", margin, least=0)
    numbers = {"alpha": alpha, "beta": beta, "r": r, "margin": margin}
    for name, value in numbers.items():
        check_on_slider(name, value, *SLIDERS[name])
    points = _checked(proxies)
    if isinstance(own, bool) or own not in range(len(points)):
        raise ValueError(f"own must lie in 0 … {len(points) - 1}, found {own!r}")
    state = {name: float(value) for name, value in numbers.items()}
    state |= {"view": view, "forces": bool(forces), "own": int(own), "proxies": points}
    alt = (
        f"Map of the warped loss around {len(points)} proxies for α = {alpha:g}, β = {beta:g}, r = {r:g}, "
        f"{_SAYS[view]}; a dashed circle of radius r around the own proxy, diamonds where embeddings come to rest."
    )
    return Explorer("landscape", state, _still(state), alt)


def _checked(proxies: Sequence[Sequence[float]]) -> list[list[float]]:
    points = [[float(value) for value in point] for point in proxies]
    if not 2 <= len(points) <= MOST or any(len(point) != 2 for point in points):
        raise ValueError(f"proxies must be two to four points (x, y), found {proxies!r}")
    for x, y in points:
        if not (X[0] <= x <= X[1] and Y[0] <= y <= Y[1]):
            raise ValueError(f"proxies must lie in x = −3 … 5 and y = −2.5 … 2.5, found ({x:g}, {y:g})")
    for k, point in enumerate(points):
        if any(math.dist(point, other) < APART for other in points[:k]):
            raise ValueError(f"proxies must stand at least {APART:g} apart, found {proxies!r}")
    return points


def loss_at(
    points: Tensor,
    *,
    alpha: float,
    beta: float,
    r: float,
    margin: float = 1.0,
    view: str = "effective",
    proxies: Sequence[Sequence[float]] = TWO,
    own: int = 0,
) -> Tensor:
    """What the map shows for embeddings (N, 2) of the own class: (N,) in nats; "field" in nats a unit of distance."""
    places, labels = points.new_tensor(proxies), torch.full((len(points),), own)
    if view == "effective":
        f_own = partial(effective_warp, alpha=alpha, beta=beta, r=r)
        return monotone_softmax(points, labels, places, f_own=f_own, f_other=lambda d: d, reduction="none")
    rows = points.detach().requires_grad_()
    loss = warped_softmax(rows, labels, places, alpha=alpha, beta=beta, r=r, margin=margin, reduction="none")
    if view == "value":
        return loss.detach()
    return torch.autograd.grad(loss.sum(), rows)[0].norm(dim=1)


def _still(state: dict) -> bytes:
    """The map as a small PNG (48 colours), for pages without scripts and for print."""
    alpha, beta, r = state["alpha"], state["beta"], state["r"]
    x, y = np.arange(X[0], X[1] + CELL / 2, CELL), np.arange(Y[0], Y[1] + CELL / 2, CELL)
    points = torch.from_numpy(np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2))
    shown = {name: value for name, value in state.items() if name != "forces"}
    loss = loss_at(points, **shown).reshape(len(y), len(x)).numpy().clip(1e-12)
    # A Figure of its own, not pyplot's: showing an explorer must not touch the notebook's current figure.
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    image = axes.pcolormesh(x, y, loss, norm=LogNorm(0.008, 8), cmap="viridis", shading="nearest", rasterized=True)
    if state["view"] != "field":
        axes.contour(x, y, np.log(loss), levels=14, colors="white", linewidths=0.5, linestyles="solid")
    own, angle = state["proxies"][state["own"]], np.linspace(0, 2 * np.pi, 100)
    axes.plot(own[0] + r * np.cos(angle), own[1] + r * np.sin(angle), "w--", linewidth=1)
    for k, (px, py) in enumerate(state["proxies"]):
        mine = k == state["own"]
        axes.plot(px, py, "o", color="white" if mine else "black", markeredgecolor="black" if mine else "white")
        axes.annotate("own" if mine else "other", (px, py), (px, py + 0.15), color="white", ha="center")
    if beta > 1 and alpha != 1:
        places = torch.tensor(state["proxies"], dtype=torch.float64)
        for found in equilibria(state["own"], places, alpha=alpha, beta=beta, r=r, starts=16):
            axes.plot(*found.point, "D", color="#ff9a4d", markeredgecolor="black")
    axes.set(xlim=X, ylim=Y, aspect="equal", xlabel="distance", ylabel="distance")
    label = "step (nats per distance)" if state["view"] == "field" else "loss (nats)"
    figure.colorbar(image, label=label)
    return small_png(figure)

"""The explorer of the chapter "Two views of one quantity": Gaussian classes, four entropies, one difference."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.information import mixture_entropies
from dmlkit.information.mixtures import MixtureEntropies
from dmlkit.plotting import PALETTE

RANGES = {"separation": (0.0, 8.0), "spread": (0.1, 2.0), "classes": (2, 5)}


def two_views(separation: float = 2.0, spread: float = 1.0, classes: int = 3) -> Explorer:
    """Balanced Gaussian classes on a line, and the entropies of both views of I(Z; Y), in nats.

    Args:
        separation: where the slider of δ starts, the distance of neighbouring means in units of σ (0 … 8).
        spread: σ, in units of z (0.1 … 2).
        classes: K (2 … 5).

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        TypeError: a number of classes that is not whole.
        ValueError: a parameter outside its slider.
    """
    if isinstance(classes, bool) or not isinstance(classes, int):
        raise TypeError(f"classes must be a whole number, found {classes!r}")
    state = {"separation": float(separation), "spread": float(spread), "classes": classes}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    found = mixture_entropies(_means(separation, spread, classes), spread)
    alt = (
        f"Densities of {classes} Gaussian classes at steps of {separation:g} standard deviations, and their mixture. "
        f"Below, bars in nats: H(Y) {found.label:.2f}, H(Y|Z) {found.label_given_embedding:.2f}; "
        f"H(Z) {found.embedding:.2f}, H(Z|Y) {found.embedding_given_label:.2f}. Either pair differs by the mutual "
        f"information, {found.discriminative:.2f}."
    )
    return Explorer("two_views", state, _still(separation, spread, classes, found), alt)


def _means(separation: float, spread: float, classes: int) -> torch.Tensor:
    """(K, 1), around 0."""
    places = torch.arange(classes, dtype=torch.float64) - (classes - 1) / 2
    return (separation * spread * places).unsqueeze(1)


def _still(separation: float, spread: float, classes: int, found: MixtureEntropies) -> bytes:
    """Densities and bars, one above the other."""
    figure = Figure(figsize=(6.4, 5.4), layout="constrained")
    densities, bars = figure.subplots(2, 1)
    means = _means(separation, spread, classes).squeeze(1).numpy()
    half = max(5.2 * spread, means[-1] + 3.6 * spread)
    z = np.linspace(-half, half, 401)
    parts = np.exp(-(((z - means[:, None]) / spread) ** 2) / 2) / (np.sqrt(2 * np.pi) * spread * classes)
    for c, part in enumerate(parts):
        densities.plot(z, part, color=PALETTE[c], linestyle=("--", ":", "-.")[c % 3])
    densities.plot(z, parts.sum(axis=0), color="black")
    densities.set(xlabel="embedding z (any unit)", ylabel="density (1 / unit of z)")
    rows = {
        "H(Y)": (0, found.label, PALETTE[0]),
        "H(Y|Z)": (0, found.label_given_embedding, PALETTE[0]),
        "I ": (found.label_given_embedding, found.label, PALETTE[1]),
        "H(Z)": (0, found.embedding, PALETTE[2]),
        "H(Z|Y)": (0, found.embedding_given_label, PALETTE[2]),
        "I": (found.embedding_given_label, found.embedding, PALETTE[1]),
    }
    for name, (low, high, colour) in rows.items():
        bars.barh(name, high - low, left=low, color=colour)
    bars.axvline(0, color="black", linewidth=1)
    bars.invert_yaxis()
    bars.set(xlim=(-1, 4), xlabel="entropy (nats)")
    return small_png(figure)

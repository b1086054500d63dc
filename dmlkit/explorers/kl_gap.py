"""The explorer of the chapter "Cross-entropy maximises the mutual information": the gap that a classifier leaves."""

from __future__ import annotations

import math

import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, logsigmoid

from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import PALETTE

RANGES = {"separation": (0.2, 6), "slope": (0.02, 20), "shift": (-3, 3)}


def kl_gap(separation: float = 2.0, slope: float = 2.0, shift: float = 0.0) -> Explorer:
    """Two Gaussian classes on a line and a logistic classifier: cross-entropy as conditional entropy plus a gap.

    The classes are N(∓δ/2, 1), equally frequent, so that the posterior of class 1 is σ(δz).

    Args:
        separation: δ, the distance of the means, in standard deviations (0.2 … 6).
        slope: w of the classifier σ(w(z − t)), per standard deviation (0.02 … 20); the posterior has w = δ.
        shift: t, its threshold, in standard deviations (−3 … 3); the posterior has t = 0.

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        ValueError: a parameter outside its slider.
    """
    state = {"separation": float(separation), "slope": float(slope), "shift": float(shift)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    conditional, gap = gap_of(**state)
    alt = (
        f"Two Gaussian classes {separation:g} standard deviations apart: their posterior, and a logistic classifier of "
        f"slope {slope:g} with its threshold at {shift:g}. The area below is the cross-entropy, "
        f"{conditional + gap:.3f} nats: {conditional:.3f} that the embedding cannot tell, and {gap:.3f} that the "
        f"classifier gives away."
    )
    return Explorer("kl_gap", state, _still(**state), alt)


def parts_at(z: Tensor, separation: float, slope: float, shift: float) -> tuple[Tensor, Tensor, Tensor]:
    """At each z: the density, the entropy of the posterior, and the KL divergence of the classifier from it."""
    truth, said = separation * z, slope * (z - shift)  # logits
    p = truth.sigmoid()
    bells = torch.exp(-((z - separation / 2) ** 2) / 2) + torch.exp(-((z + separation / 2) ** 2) / 2)
    entropy = -p * logsigmoid(truth) - (1 - p) * logsigmoid(-truth)
    gap = binary_cross_entropy_with_logits(said, p, reduction="none") - entropy
    return bells / math.sqrt(8 * math.pi), entropy, gap


def gap_of(separation: float, slope: float, shift: float, *, points: int = 4001) -> tuple[float, float]:
    """H(Y|Z) and the gap of the classifier, by the trapezoid rule, as `gapOf` in kl_gap_arithmetic.js."""
    z = torch.linspace(-separation / 2 - 9, separation / 2 + 9, points, dtype=torch.float64)
    density, entropy, gap = parts_at(z, separation, slope, shift)
    step = (z[1] - z[0]).item()
    return (density @ entropy).item() * step, (density @ gap).item() * step


def _still(separation: float, slope: float, shift: float) -> bytes:
    """Both charts, one above the other."""
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    curves, areas = figure.subplots(2, 1, sharex=True)
    z = torch.linspace(-6, 6, 241, dtype=torch.float64)
    density, entropy, gap = parts_at(z, separation, slope, shift)
    curves.fill_between(z, 0, density, color=PALETTE[7], alpha=0.25, label="density of z")
    curves.plot(z, (separation * z).sigmoid(), color=PALETTE[0], lw=2.6, label="posterior")
    curves.plot(z, (slope * (z - shift)).sigmoid(), color=PALETTE[1], lw=2, ls="--", label="classifier")
    curves.set(ylim=(0, 1), xlim=(-6, 6), ylabel="probability of class 1")
    low, high = density * entropy, density * (entropy + gap)
    areas.fill_between(z, 0, low, color=PALETTE[0], alpha=0.3, label="area H(Y|Z)")
    areas.fill_between(z, low, high, color=PALETTE[1], alpha=0.4, label="area KL")
    areas.plot(z, high, color=PALETTE[1], ls="--", lw=1.6)
    areas.set(ylim=(0, None), xlabel="embedding z (σ)", ylabel="nats per σ of z")
    for axes in (curves, areas):
        axes.legend(fontsize=8, loc="upper left")
    return small_png(figure)

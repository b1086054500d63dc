"""The explorer of the chapter "Softening: from an index to a loss": three soft minima, and the loss they lead to."""

from __future__ import annotations

import numpy as np
import torch
from matplotlib.figure import Figure

from dmlkit.checks import check_choice
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import PALETTE

FORMS = {"logsumexp": "log-sum-exp", "logmeanexp": "log-mean-exp", "weighted_mean": "weighted mean"}
# As FIXED in softening_arithmetic.js; a test holds the two together.
NEAREST, TAU, EPS = 0.3, 0.1, 1e-8
RANGES = {"nearest_temperature": (0.01, 1.0), "others": (2, 200), "gap": (0.0, 0.6)}


def softening(
    nearest_temperature: float = 0.1,
    others: int = 20,
    gap: float = 0.2,
    *,
    soft_min: str = "logsumexp",
) -> Explorer:
    """Three soft minima against their temperature, and the loss of one image against its distance to its own class.

    The nearest other class stands at distance 0.3, all the rest a gap behind it; the soft maximum has τ = 0.1.

    Args:
        nearest_temperature: where the slider of τ_b starts (0.01 … 1).
        others: C − 1, the number of other classes (2 … 200).
        gap: how far the rest stand behind the nearest, in cosine distance (0 … 0.6).
        soft_min: which one the loss is drawn with: "logsumexp", "logmeanexp" or "weighted_mean".

    Returns:
        An `Explorer`: the last line of a cell shows it, live where anywidget and a kernel are there.

    Raises:
        TypeError: a number of classes that is not whole.
        ValueError: an unknown soft minimum, or a parameter outside its slider.
    """
    check_choice("soft_min", soft_min, tuple(FORMS))
    if isinstance(others, bool) or not isinstance(others, int):
        raise TypeError(f"others must be a whole number, found {others!r}")
    state = {"nearest_temperature": float(nearest_temperature), "others": others, "gap": float(gap)}
    for name, (low, high) in RANGES.items():
        check_on_slider(name, state[name], low, high)
    distances = torch.full((others,), NEAREST + gap, dtype=torch.float64)
    distances[0] = NEAREST
    values = ", ".join(
        f"{text} {soft_minimum(distances, nearest_temperature, form):.2f}" for form, text in FORMS.items()
    )
    alt = (
        f"Three soft minima of {others} distances, the smallest 0.3 and the rest {gap:g} behind it, against the "
        f"temperature; at {nearest_temperature:g} they are: {values}. Below, the loss with the {FORMS[soft_min]} "
        f"against the mean distance to the own class, beside the loss with true minimum and maximum."
    )
    return Explorer("softening", {**state, "soft_min": soft_min}, _still(distances, nearest_temperature, soft_min), alt)


def soft_minimum(distances: torch.Tensor, tau: float, form: str) -> float:
    """The soft minimum of distances (n,), as `softMinimum` in softening_arithmetic.js."""
    if form == "weighted_mean":
        return (torch.softmax(-distances / tau, dim=0) * distances).sum().item()
    shift = torch.log(distances.new_tensor(len(distances))) if form == "logmeanexp" else 0.0
    return (-tau * (torch.logsumexp(-distances / tau, dim=0) - shift)).item()


def _still(distances: torch.Tensor, tau_b: float, chosen: str) -> bytes:
    """Both charts, one above the other."""
    figure = Figure(figsize=(6.4, 5.2), layout="constrained")
    minima, loss = figure.subplots(2, 1)
    temperatures = np.geomspace(*RANGES["nearest_temperature"], 81)
    for k, (form, text) in enumerate(FORMS.items()):
        values = [soft_minimum(distances, tau, form) for tau in temperatures]
        width = 2.6 if form == chosen else 1.2
        minima.semilogx(temperatures, values, color=PALETTE[k], linestyle=("-", "--", ":")[k], lw=width, label=text)
        minima.plot(tau_b, soft_minimum(distances, tau_b, form), "os^"[k], color=PALETTE[k])
    minima.axhline(NEAREST, color="black", linestyle="--", linewidth=1)
    minima.axhline(0, color="black", linestyle=":", linewidth=1)
    minima.set(ylim=(-1, 1), xlim=(0.01, 1), xlabel="temperature τ_b (units of distance)", ylabel="b (cosine distance)")
    minima.legend(fontsize=8)
    a = np.linspace(0, 1, 201)
    b = soft_minimum(distances, tau_b, chosen)
    soft = 1 - (b - a) / (TAU * np.logaddexp(a / TAU, b / TAU) + EPS)
    colour = PALETTE[list(FORMS).index(chosen)]
    loss.semilogy(a, soft, color=colour, label=f"with {FORMS[chosen]}")
    hard = 1 - (NEAREST - a) / np.maximum(a, NEAREST)
    loss.semilogy(a, hard, color=PALETTE[7], linestyle="--", label="true minimum and maximum")
    loss.set(xlim=(0, 1), ylim=(0.05, 200), xlabel="a, mean distance to the own class", ylabel="loss 1 − s̃ (τ = 0.1)")
    loss.legend(fontsize=8)
    return small_png(figure)

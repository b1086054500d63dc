"""The explorer of the chapter "Then why does it work better?": who has a partner in a batch."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import PALETTE

RANGES = {"batch": (8, 1024), "classes": (2, 20_000), "images": (1, 32)}
IMAGES = (1, 2, 4, 8, 16, 32)


def positives(batch: int = 128, classes: int = 100, images: int = 1) -> Explorer:
    r"""How many rows of a batch share their class with another row: all that a pairwise loss can draw together.

    Of $N$ rows drawn at random from $C$ equal and large classes, an anchor has $k$ partners with the probability
    $\binom{N-1}{k} C^{-k} (1 - 1/C)^{N-1-k}$. With $m$ images of each of $N/m$ classes it has $m - 1$.

    Args:
        batch: N, the rows of a batch (8 … 1024).
        classes: C, the classes of the training data (2 … 20,000).
        images: m, images per class in a batch: 2, 4, 8, 16 or 32; 1 stands for random draws.

    Returns:
        An `Explorer`; its state is `batch`, `classes` and `images`.

    Raises:
        TypeError: a number that is not whole.
        ValueError: a number outside its slider, or one of images that is no power of two.

    Example:
        >>> "27.9 %" in positives(128, 100).alt
        True

    Explained in the chapter "Then why does it work better?".
    """
    state = {"batch": batch, "classes": classes, "images": images}
    for name, value in state.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, found {value!r}")
        check_on_slider(name, value, *RANGES[name])
    if images not in IMAGES:
        raise ValueError(f"images must be one of {', '.join(map(str, IMAGES))}, found {images}")
    chances = partner_chances(batch, classes, images)
    how = f"{batch} rows drawn at random" if images == 1 else f"{batch} rows, {images} a class,"
    alt = (
        f"{how} from {classes} classes. Above, the probability that an anchor has 0, 1, 2, … partners: none in "
        f"{100 * chances[0]:.1f} % of cases. Below, the share of anchors without a partner against the number of rows."
    )
    return Explorer("positives", state, _still(batch, classes, chances), alt)


def partner_chances(batch: int, classes: int, images: int) -> np.ndarray:
    """The probabilities of 0, 1, 2, … partners, as `partnersOf` in positives_arithmetic.js."""
    if images == 1:
        return stats.binom.pmf(np.arange(batch), batch - 1, 1 / classes)
    groups = min(classes, max(1, batch // images))
    each = min(images, batch) if groups < classes else batch // classes
    return np.eye(each)[each - 1]


def _still(batch: int, classes: int, chances: np.ndarray) -> bytes:
    """Both charts, one above the other."""
    figure = Figure(figsize=(6.4, 4.8), layout="constrained")
    partners, alone = figure.subplots(2, 1)
    mean = float(np.arange(len(chances)) @ chances)
    most = max(6, int(mean + 5 * max(1.0, mean) ** 0.5))
    partners.bar(np.arange(len(chances)), chances, color=PALETTE[0])
    partners.bar(0, chances[0], color=PALETTE[6])
    partners.set(xlim=(-0.7, most + 0.7), xlabel="partners of an anchor, k", ylabel="probability")
    sizes = np.geomspace(*RANGES["batch"], 100)
    alone.semilogx(sizes, (1 - 1 / classes) ** (sizes - 1), color=PALETTE[6], label="random draws")
    alone.plot(batch, chances[0], "o", color=PALETTE[0], markersize=8, label="this batch")
    alone.set(xlabel="rows in a batch, N", ylabel="without a partner (share)", ylim=(0, 1.02))
    alone.legend(fontsize=8)
    return small_png(figure)

"""The critical-difference plot: ranks on a line, and bars over those that cannot be told apart."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from dmlkit.comparison.ranks import alike
from dmlkit.plotting import PALETTE


def critical_difference_plot(ranks: Mapping[str, float], difference: float) -> Figure:
    """Mean ranks, one line a name with the best on top, and beside them the groups that do not differ.

    The usual plot has all names on one axis; with two dozen of them the labels would not fit a phone. Here each name
    has a line of its own, and a group is an upright bar along its lines.

    Args:
        ranks: of `mean_ranks`.
        difference: of `critical_difference`.

    Returns:
        A figure for `dmlkit.plotting.picture`, drawn in the style that is set.

    Source: after Demšar, JMLR 2006, figure 1.

    Used in the chapter "A fair comparison".
    """
    names = sorted(ranks, key=ranks.get)
    places = {name: place for place, name in enumerate(names)}
    figure, ax = plt.subplots(figsize=(5.4, 1.0 + 0.19 * len(names)))
    ax.plot([ranks[name] for name in names], range(len(names)), "o", color=PALETTE[0])
    edge = max(ranks.values()) + 0.6
    for number, group in enumerate(alike(ranks, difference)):
        across = edge + 0.5 * number
        ax.plot([across] * 2, [places[group[0]] - 0.25, places[group[-1]] + 0.25], color=PALETTE[1], linewidth=2.5)
    ax.plot([1, 1 + difference], [-1.3, -1.3], color=PALETTE[1], linewidth=2.5, solid_capstyle="butt")
    ax.text(1 + difference, -1.3, f"  critical difference {difference:.1f}", va="center", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set_ylim(len(names) - 0.4, -2.2)
    ax.set_xlabel("mean rank (1 is best)")
    return figure

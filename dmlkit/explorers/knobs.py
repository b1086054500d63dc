"""The explorer of the chapter "Turning the knobs": a measure over the values of one number of a loss."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter
from scipy import stats

from dmlkit.checks import check_choice
from dmlkit.comparison import SweepStudy, sensitivity, untrained
from dmlkit.explorers.budgets import SHORT, whole
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import PALETTE

MEASURES = ("MAP@R", "P@1", "NMI", "silhouette")
# Symbol and words of a number, as the chapters write it.
WORDS = {
    "alpha": ("α", "slope within r"),
    "beta": ("β", "slope beyond r"),
    "r": ("r", "where the slope changes"),
    "margin": ("m", "margin"),
    "scale": ("T", "scale"),
    "weight": ("λ", "weight of the silhouette"),
    "temperature": ("τ", "temperature"),
    "batch": ("batch", "images of a batch"),
    "rate": ("rate", "factor of the learning rate"),
}


def knobs(
    studies: Sequence[SweepStudy],
    sweep: str | None = None,
    *,
    data: str | None = None,
    measure: str = "MAP@R",
    place: int | None = None,
) -> Explorer:
    """A measure over the values of one number of a loss, and how far all such numbers move it.

    Args:
        studies: of sweeps, one a data set; at each default no seed diverged, nor at one other value at least.
        sweep: name of the sweep to begin with; None takes the first.
        data: name of its study; None takes the first.
        measure: one of "MAP@R", "P@1", "NMI" and "silhouette".
        place: where its slider starts, 0 for the first value; None takes the default.

    Returns:
        An `Explorer`: the last line of a cell shows it.

    Raises:
        ValueError: no study, one without sweeps, fewer than two values without a divergence, fewer than two seeds, an
            unknown name, or a place outside its slider.
    """
    if not studies:
        raise ValueError("studies must hold at least one, found none")
    for study in studies:
        if not study.sweeps:
            raise ValueError(f"each study must have a sweep, found none in {study.name}")
    check_choice("measure", measure, MEASURES)
    check_choice("data", studies[0].name if data is None else data, tuple(study.name for study in studies))
    every = [(study, name) for study in studies for name in study.sweeps]
    chosen = next(study for study in studies if data in (None, study.name))
    name = next(iter(chosen.sweeps)) if sweep is None else sweep
    check_choice("sweep", name, tuple(chosen.sweeps))
    points = [study.sweeps[one]["points"] for study, one in every]
    defaults = []
    for (study, one), found in zip(every, points, strict=True):
        values = [point["value"] for point in found]
        if study.sweeps[one]["default"] not in study.curve(one) or len(study.curve(one)) < 2:
            raise ValueError(
                f"each sweep must have its default and another value, found {list(study.curve(one))} in {one}"
            )
        if any(len(point["runs"]) == 1 for point in found):
            raise ValueError(f"each sweep must have at least two seeds, found one in {one}")
        defaults.append(values.index(study.sweeps[one]["default"]))
    shown = next(k for k, (study, one) in enumerate(every) if study is chosen and one == name)
    places = list(defaults)
    if place is not None:
        check_on_slider("place", place, 0, len(points[shown]) - 1)
        places[shown] = place
    freedom = [len(next(point["runs"] for point in found if point["runs"])) - 1 for found in points]
    looks = [max(1, sum(bool(point["runs"]) for point in found) - 1) for found in points]
    kinds = {one: study for study, one in every}
    state = {
        # Two data sets mostly have the same sweeps, and a text weighs more in a page than a number.
        "names": [called(study, one) for one, study in kinds.items()],
        "symbols": [WORDS[study.sweeps[one]["knob"]][0] for one, study in kinds.items()],
        "titles": [_title(study, one) for one, study in kinds.items()],
        "kind": [list(kinds).index(one) for _, one in every],
        "sets": [study.name for study in studies],
        "of": [k for k, study in enumerate(studies) for _ in study.sweeps],
        "values": [[point["value"] for point in found] for found in points],
        "defaults": defaults,
        "measures": list(MEASURES),
        "runs": ["/".join(_in_short(found, what) for what in MEASURES) for found in points],
        "starts": [[whole(untrained(study, one, what)) for what in MEASURES] for study, one in every],
        "quantiles": [round(float(stats.t.ppf(0.975, n)), 9) for n in freedom],
        "together": [round(float(stats.t.ppf(1 - 0.025 / k, n)), 9) for n, k in zip(freedom, looks, strict=True)],
        "shown": shown,
        "measure": MEASURES.index(measure),
        "places": places,
    }
    return Explorer("knobs", state, _still(chosen, name, measure), _alt(chosen, name, measure))


def _in_short(points: list[dict[str, Any]], measure: str) -> str:
    """Runs of each value as "20512,20498;19870,19911": half as long as a list of lists of lists is in JSON."""
    return ";".join(",".join(str(whole(run[measure])) for run in point["runs"]) for point in points)


def called(study: SweepStudy, name: str) -> str:
    """A sweep in about fifteen letters: what fits beside a chart on a phone."""
    sweep = study.sweeps[name]
    return f"{SHORT.get(sweep['loss'], sweep['loss'])} {WORDS[sweep['knob']][0]}"


def _title(study: SweepStudy, name: str) -> str:
    sweep = study.sweeps[name]
    symbol, words = WORDS[sweep["knob"]]
    told = words if symbol in ("batch", "rate") else f"{symbol}, {words}"
    return f"{told} ({SHORT.get(sweep['loss'], sweep['loss'])})"


def _alt(study: SweepStudy, name: str, measure: str) -> str:
    found = sensitivity(study, name, measure)
    means = ", ".join(f"{mean:.3f} at {value:g}" for value, mean in found.means.items())
    return (
        f"{measure} on {study.name} over the values of {called(study, name)}, means of the seeds: {means}. The default "
        f"is {found.default:g}; the untrained network has {found.untrained:.3f}."
    )


def _still(study: SweepStudy, name: str, measure: str) -> bytes:
    """The curve, and beneath it how far every number of the data set reaches."""
    curve, values = study.curve(name, measure), [point["value"] for point in study.sweeps[name]["points"]]
    reaches = {}
    for one in study.sweeps:
        means = [statistics.fmean(runs) for runs in study.curve(one, measure).values()]
        reaches[one] = 100 * (max(means) - min(means))
    order = sorted(reaches, key=lambda one: -reaches[one])
    figure = Figure(figsize=(6.2, 3.4 + 0.2 * len(order)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[2.4, 0.8 + 0.2 * len(order)])
    at = {value: k for k, value in enumerate(values)}
    above.plot([at[v] for v in curve], [statistics.fmean(runs) for runs in curve.values()], "-s", color=PALETTE[0])
    for value, runs in curve.items():
        above.plot([at[value]] * len(runs), runs, "o", color=PALETTE[3], markersize=3)
    above.axhline(untrained(study, name, measure), color="black", linestyle="--", linewidth=1)
    above.axvline(at[study.sweeps[name]["default"]], color="black", linestyle=":", linewidth=1)
    above.set_xticks(range(len(values)), [f"{value:g}" for value in values])
    above.set_xlim(-0.5, len(values) - 0.5)
    above.set_xlabel(_title(study, name) + "; dotted: default, dashed: untrained")
    above.set_ylabel(measure)
    below.plot([max(0.01, reaches[one]) for one in order], range(len(order)), "o", color=PALETTE[0])
    below.plot(max(0.01, reaches[name]), order.index(name), "s", color=PALETTE[1])
    below.set_xscale("log")
    below.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    below.xaxis.set_minor_formatter(NullFormatter())
    below.grid(axis="y", linewidth=0.4)
    below.set_yticks(range(len(order)), [called(study, one) for one in order], fontsize=8)
    below.invert_yaxis()
    below.set_xlabel(f"best minus worst mean, points of {measure}, {study.name}")
    return small_png(figure, colours=28)

"""The explorer of the chapter "A fair comparison": what a search of a smaller budget had found of each loss."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from dmlkit.checks import check_choice
from dmlkit.comparison import CANDIDATES, FAMILIES, Study, expected_test
from dmlkit.explorers.host import Explorer, check_on_slider
from dmlkit.explorers.still import small_png
from dmlkit.plotting import MARKERS, PALETTE

# Beside a chart on a phone there is room for about fifteen letters.
SHORT = {
    "LinearCrossEntropy": "CE",
    "ProxyNCAPlusPlus": "ProxyNCA++",
    "EuclideanSoftmax": "Euclidean",
    "WarpedSoftmax": "Warped",
    "LiftedStructure": "Lifted",
    "SimplifiedPairwiseCrossEntropy": "SPCE",
    "FittedPairwiseCrossEntropy": "PCE",
    "CE + Silhouette": "CE + Sil",
    "SupCon + Silhouette": "SupCon + Sil",
}
LOOKS = ("validation", "test")
MEASURE = "MAP@R"


def budgets(
    studies: Sequence[Study], budget: int = 1, *, data: str | None = None, looks_at: str = "validation"
) -> Explorer:
    """Losses in the order that a search of one to all of the recorded trials had put them in.

    Args:
        studies: of the same losses with the same number of trials, one a data set.
        budget: where the slider starts, 1 … the number of trials.
        data: name of the study to begin with; None takes the first.
        looks_at: by what the search chooses: "validation", or "test", which flatters.

    Returns:
        An `Explorer`: the last line of a cell shows it.

    Raises:
        TypeError: a budget that is not whole.
        ValueError: no study, one of fewer than two losses, studies that differ in losses or trials, a loss without any
            score, an unknown name, or a budget outside its slider.
    """
    if not studies:
        raise ValueError("studies must hold at least one, found none")
    names, trials = list(studies[0].losses), studies[0].protocol["trials"]
    if len(names) < 2:
        raise ValueError(f"studies must hold at least two losses, found {len(names)}")
    for study in studies:
        if set(study.losses) != set(names) or study.protocol["trials"] != trials:
            raise ValueError(f"studies must have the same losses and trials, found others in {study.name}")
        for name in names:
            if not any("test" in trial for trial in study.losses[name]["trials"]):
                raise ValueError(f"each loss must have a trial with a score, found none of {name} in {study.name}")
    sets = [study.name for study in studies]
    if data is not None:
        check_choice("data", data, tuple(sets))
    check_choice("looks_at", looks_at, LOOKS)
    if isinstance(budget, bool) or not isinstance(budget, int):
        raise TypeError(f"budget must be a whole number, found {budget!r}")
    check_on_slider("budget", budget, 1, trials)
    state = {
        "names": [SHORT.get(name, name) for name in names],
        "families": list(FAMILIES),
        "family": [FAMILIES.index(CANDIDATES[name].family) for name in names],
        "euclidean": [int(CANDIDATES[name].distance == "euclidean") for name in names],
        "sets": sets,
        "starts": [
            [whole(study.baselines[head][MEASURE]) for head in ("first head", "first head, euclidean")]
            for study in studies
        ],
        "tests": [[by_validation(study, name) for name in names] for study in studies],
        "trials": trials,
        "data": 0 if data is None else sets.index(data),
        "budget": budget,
        "flattered": LOOKS.index(looks_at),
    }
    shown = studies[state["data"]]
    scores = {name: expected_test(seen_trials(shown, name, looks_at), budget) for name in names}
    best, second, *_ = sorted(scores, key=scores.get, reverse=True)
    alt = (
        f"Expected {MEASURE} of {len(names)} losses on {shown.name} after a search of {budget} of {trials} trials: "
        f"{best} leads with {scores[best]:.3f}, then {second} with {scores[second]:.3f}; the untrained head has "
        f"{shown.baselines['first head'][MEASURE]:.3f}."
    )
    return Explorer("budgets", state, _still(shown, scores), alt)


def whole(score: float) -> int:
    """A recorded score as a whole number of hundred-thousandths: studies keep five digits."""
    return round(1e5 * score)


def by_validation(study: Study, name: str) -> list[int]:
    """Test scores of a loss's trials in the order of their validation scores, the best first; the diverged left out."""
    scored = [trial for trial in study.losses[name]["trials"] if "test" in trial]
    return [whole(trial["test"]) for trial in sorted(scored, key=lambda trial: -trial["validation"])]


def seen_trials(study: Study, name: str, looks_at: str) -> list[dict]:
    """A loss's trials, with what the search looks at as their validation score."""
    trials = study.losses[name]["trials"]
    if looks_at == "validation":
        return trials
    return [{**trial, "validation": trial["test"]} if "test" in trial else trial for trial in trials]


def _still(study: Study, scores: dict[str, float]) -> bytes:
    """One row a loss, the best on top."""
    figure = Figure(figsize=(6.4, 1.2 + 0.18 * len(scores)), layout="constrained")
    axes = figure.subplots()
    order = sorted(scores, key=scores.get, reverse=True)
    for k, family in enumerate(FAMILIES):
        members = [name for name in order if CANDIDATES[name].family == family]
        if members:
            rows = [order.index(name) for name in members]
            axes.plot([scores[name] for name in members], rows, MARKERS[k], color=PALETTE[k], label=family)
    axes.axvline(study.baselines["first head"][MEASURE], color="black", linestyle="--", linewidth=1)
    axes.set_yticks(range(len(order)), [SHORT.get(name, name) for name in order], fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel(f"expected {MEASURE} on {study.name} (dashed: untrained)")
    axes.legend(fontsize=8)
    return small_png(figure, colours=48)

"""A study: for every loss a search of equal budget and final runs, kept in one file that can be gone on with."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.features import Rows
from dmlkit.comparison.files import gone_on, header, keep, loaded, rounded
from dmlkit.comparison.networks import IMAGES, Images, NetworkProtocol, image_course
from dmlkit.comparison.protocol import (
    MEASURES,
    Course,
    Protocol,
    course,
    embeddings_of_test,
    map_at_r,
    measured,
    validation_scores,
)
from dmlkit.environment import building_book


@dataclass(frozen=True)
class Study:
    """What a study found on one data set.

    Attributes:
        name: of the data set.
        data: counts, checksum and source of its rows.
        protocol: what all losses shared.
        baselines: measures without any training: of the "rows" themselves, and of the "first head", by both distances.
        losses: loss → "trials" (settings, validation scores of the folds and their mean, MAP@R on the test split, or
            the reason why there are none), "chosen" (the number of the trial with the best validation score), and
            "final" and "default": the measures of each seed with the chosen settings and with the loss's defaults (none
            where each loss trains a network), and the "seconds" that all this took.
        versions, device, code: of what ran.
    """

    name: str
    data: dict[str, Any]
    protocol: dict[str, Any]
    baselines: dict[str, dict[str, float]]
    losses: dict[str, dict[str, Any]]
    versions: dict[str, str]
    device: str
    code: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read what `study` wrote.

        Raises:
            ValueError: no such file, or it is none of a study.
        """
        return loaded(cls, path, "study")

    def finals(self, measure: str = "MAP@R", kind: str = "final") -> dict[str, list[float]]:
        """Loss → one number a seed, of the losses that have such runs.

        Args:
            measure: one of `MEASURES`.
            kind: "final" or "default".
        """
        return {name: [run[measure] for run in found[kind]] for name, found in self.losses.items() if found[kind]}


def study(
    data: Rows,
    path: str | Path,
    *,
    names: Iterable[str] = tuple(CANDIDATES),
    protocol: Protocol | None = None,
    progress: bool | None = None,
) -> Study:
    """Search for every loss with the same budget, then train it anew with the best settings over several seeds.

    The test split has no say in what is chosen. Of each trial the file also keeps its MAP@R there, so that a reader can
    see what a smaller budget would have come to. After each loss the file is written anew, whole; called again, the
    study goes on with the losses that are missing. Several processes, each with losses of its own, may share a file.

    Args:
        data: of `rows`, or of `images`: then every loss trains a whole network.
        path: of the JSON file.
        names: losses, of `CANDIDATES`.
        protocol: what all losses share; by default `Protocol()`, or that of the images.
        progress: show a bar; None shows one unless the book is being built.

    Returns:
        The `Study`.

    Raises:
        ValueError: an unknown loss, or a file that is none of a study.
        DataError: the file is of other data or another protocol.
    """
    path, names = Path(path), list(names)
    if protocol is None:
        protocol = IMAGES[data.name].protocol if isinstance(data, Images) else Protocol()
    for name in names:
        if name not in CANDIDATES:
            raise ValueError(f"names must be among {', '.join(CANDIDATES)}, found {name!r}")
    on = image_course(data, protocol) if isinstance(protocol, NetworkProtocol) else course(data, protocol)
    begun = Study(**header(data, on, protocol), losses={})
    found = gone_on(path, begun).losses
    hidden = building_book() if progress is None else not progress
    for name in tqdm([name for name in names if name not in found], desc=data.name, disable=hidden):
        keep(path, begun, "losses", name, one_loss(on, name, protocol), CANDIDATES)
    return Study.load(path)


def one_loss(on: Course, name: str, protocol: Protocol) -> dict[str, Any]:
    """Trials, choice and final runs of one loss, as `Study.losses` holds them."""
    began = time.perf_counter()
    candidate = CANDIDATES[name]
    trials = []
    for number in range(protocol.trials):
        settings = protocol.settings(candidate, number)
        try:
            scores = validation_scores(on, candidate, settings, protocol)
            tested = embeddings_of_test(on, candidate, settings, protocol) if protocol.thorough else None
        except FloatingPointError as fault:
            trials.append({"settings": settings, "reason": str(fault)})
            continue
        trial = {
            "settings": settings,
            "folds": rounded(scores),
            "validation": rounded(statistics.fmean(scores)),
        }
        if tested is not None:
            trial["test"] = rounded(map_at_r(tested, on.test_labels, candidate.distance))
        trials.append(trial)
    scored = [number for number, trial in enumerate(trials) if "validation" in trial]
    chosen = max(scored, key=lambda number: trials[number]["validation"]) if scored else None
    return {
        "trials": trials,
        "chosen": chosen,
        "final": [] if chosen is None else _runs(on, name, trials[chosen]["settings"], protocol),
        "default": _runs(on, name, trials[0]["settings"], protocol) if protocol.thorough and 0 in scored else [],
        "seconds": round(time.perf_counter() - began, 1),
    }


def _runs(on: Course, name: str, settings: Mapping[str, Any], protocol: Protocol) -> list[dict[str, float]]:
    """The measures of each seed; none where one of them diverges, as a mean over the others would flatter."""
    found = []
    for seed in range(protocol.seeds):
        try:
            rows = embeddings_of_test(on, CANDIDATES[name], settings, protocol, seed=seed)
        except FloatingPointError:
            return []
        found.append(rounded(measured(rows, on.test_labels, CANDIDATES[name].distance)))
    return found


__all__ = ["MEASURES", "Study", "one_loss", "study"]

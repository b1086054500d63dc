"""A study: for every loss a search of equal budget and final runs, kept in one file that can be gone on with."""

from __future__ import annotations

import json
import platform
import statistics
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

import dmlkit
from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.features import Rows
from dmlkit.comparison.networks import IMAGES, Images, NetworkProtocol, image_course
from dmlkit.comparison.protocol import (
    MEASURES,
    Course,
    Protocol,
    course,
    embedded,
    embeddings_of_test,
    map_at_r,
    measured,
    validation_scores,
)
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked
from dmlkit.environment import building_book, source_code
from dmlkit.records import write_whole


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
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as fault:
            raise ValueError(f"{path} is no study: {fault}") from fault

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
    begun = _begun(data, on, protocol)
    found = _gone_on(path, begun)["losses"]
    hidden = building_book() if progress is None else not progress
    for name in tqdm([name for name in names if name not in found], desc=data.name, disable=hidden):
        made = one_loss(on, name, protocol)
        path.parent.mkdir(parents=True, exist_ok=True)
        with locked(path):  # another process may be at other losses of the same study
            content = _gone_on(path, begun)
            kept = {**content["losses"], name: made}
            content["losses"] = {name: kept[name] for name in CANDIDATES if name in kept}
            write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
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
            "folds": _rounded(scores),
            "validation": _rounded(statistics.fmean(scores)),
        }
        if tested is not None:
            trial["test"] = _rounded(map_at_r(tested, on.test_labels, candidate.distance))
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
        found.append(_rounded(measured(rows, on.test_labels, CANDIDATES[name].distance)))
    return found


def _rounded(value: Any) -> Any:
    """Five digits after the point: what a table needs, in a file that a person can read."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list) else round(value, 5)


def _begun(data: Rows, on: Course, protocol: Protocol) -> dict[str, Any]:
    start = embedded(on.whole.head(), on.test)
    rows = on.whole.untrained(on.test)
    return {
        "name": data.name,
        "data": {
            "train": len(data.train),
            "train classes": data.train_classes,
            "test": len(data.test),
            "test classes": len(data.test_labels.unique()),
            "width": rows.shape[1],
            "checksum": data.checksum,
            "source": data.source,
        },
        "protocol": asdict(protocol),
        "baselines": _rounded(
            {
                "rows": measured(rows, on.test_labels, "cosine"),
                "first head": measured(start, on.test_labels, "cosine"),
                "first head, euclidean": measured(start, on.test_labels, "euclidean"),
            }
        ),
        "losses": {},
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "dmlkit": dmlkit.__version__},
        "device": "cpu",
        "code": source_code(),
    }


def _gone_on(path: Path, begun: dict[str, Any]) -> dict[str, Any]:
    """What the file has, if it is of the same study; where there is none, the beginning."""
    if not path.exists():
        return begun
    found = asdict(Study.load(path))
    for what in ("name", "data", "protocol"):
        if found[what] != begun[what]:
            raise DataError(f"{path} holds a study with another {what}: name another file")
    return found


__all__ = ["MEASURES", "Study", "one_loss", "study"]

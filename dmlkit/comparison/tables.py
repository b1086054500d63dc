"""What studies found as Markdown tables: the command `compare` prints them, from the files alone."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path

from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.face_studies import RATES, FaceStudy
from dmlkit.comparison.protocol import MEASURES
from dmlkit.comparison.studies import Study
from dmlkit.comparison.sweeps import SweepStudy
from dmlkit.records import estimate, in_markdown

AnyStudy = Study | SweepStudy | FaceStudy
FACE_MEASURES = ("accuracy", "AUC", "TAR@0.01", "TAR@0.1")


def read_study(path: str | Path) -> AnyStudy:
    """A study of any kind.

    Args:
        path: of the JSON file.

    Raises:
        ValueError: no such file, or it is none of a study.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as fault:
        raise ValueError(f"{path} is no study: {fault}") from fault
    if not isinstance(content, dict) or not {"losses", "sweeps"} & content.keys():
        raise ValueError(f"{path} is no study: it has neither losses nor sweeps")
    if "sweeps" in content:
        return SweepStudy.load(path)
    return (FaceStudy if "pairs" in content.get("data", {}) else Study).load(path)


def study_table(found: Study, measures: Sequence[str] = MEASURES) -> str:
    """All losses of a study, the best by the first measure on top, above what no training gives.

    Args:
        found: the study.
        measures: columns, of `MEASURES`.

    Returns:
        Markdown: mean ± 95 % interval over the final runs; a loss that diverged has none.
    """
    ended = {loss: runs["final"] for loss, runs in found.losses.items() if runs["final"]}
    order = sorted(ended, key=lambda loss: -statistics.fmean(run[measures[0]] for run in ended[loss]))
    rows = [
        (loss, *(_told([run[measure] for run in ended[loss]]) for measure in measures), CANDIDATES[loss].distance)
        for loss in order
    ]
    rows += [(loss, *["diverged"] * len(measures), CANDIDATES[loss].distance) for loss in found.losses.keys() - ended]
    return f"{_heading(found)}\n\n{in_markdown(('loss', *measures, 'distance'), rows + _untrained(found, measures))}"


def sweep_table(found: SweepStudy, measures: Sequence[str] = MEASURES) -> str:
    """All points of all sweeps, each beside what no training gives.

    Args:
        found: the sweeps.
        measures: columns, of `MEASURES`.
    """
    rows = []
    for content in found.sweeps.values():
        for point in content["points"]:
            default = " (default)" if point["value"] == content["default"] else ""
            cells = [
                _told([run[measure] for run in point["runs"]]) if point["runs"] else "diverged" for measure in measures
            ]
            distance = CANDIDATES[content["loss"]].distance
            rows.append((content["loss"], f"{content['knob']} = {point['value']:g}{default}", *cells, distance))
    start = [(name, "–", *cells) for name, *cells in _untrained(found, measures)]
    return f"{_heading(found)}\n\n{in_markdown(('loss', 'value', *measures, 'distance'), rows + start)}"


def face_table(found: FaceStudy, measures: Sequence[str] = FACE_MEASURES) -> str:
    """All losses of a study of faces: mean ± 95 % interval over its folds, which is no interval of a training.

    Args:
        found: the study.
        measures: columns.
    """
    data, by = found.data, {measure: found.folds(measure) for measure in measures}
    order = sorted(by[measures[0]], key=lambda name: -statistics.fmean(by[measures[0]][name]))
    rows = [
        (f"untrained: {name}" if name in found.baselines else name, *(_told(by[measure][name]) for measure in measures))
        for name in order
    ]
    rows += [(name, *["diverged"] * len(measures)) for name in found.losses.keys() - set(order)]
    heading = (
        f"{found.name}: {found.protocol['backbone']} trained with default settings and one of {len(RATES)} learning "
        f"rates, which other folds chose; {data['pairs']} pairs in {data['folds']} folds, of which two hold no person "
        f"that was trained on; {_commit(found)}"
    )
    return f"{heading}\n\n{in_markdown(('loss', *measures), rows)}"


def table(found: AnyStudy) -> str:
    """The table of a study of any kind."""
    if isinstance(found, FaceStudy):
        return face_table(found)
    return study_table(found) if isinstance(found, Study) else sweep_table(found)


def _commit(found: AnyStudy) -> str:
    return f"commit {str(found.code.get('commit', '?'))[:7]}"


def _heading(found: Study | SweepStudy) -> str:
    data, protocol = found.data, found.protocol
    trained = f"{protocol['backbone']} trained" if "backbone" in protocol else "heads on fixed rows"
    return (
        f"{found.name}: {trained}, {data['train classes']} classes, tested on {data['test']} images of "
        f"{data['test classes']} others; {protocol['trials']} settings tried, {protocol['seeds']} seeds; "
        f"{_commit(found)}"
    )


def _untrained(found: Study | SweepStudy, measures: Sequence[str]) -> list[tuple[str, ...]]:
    return [
        (
            f"untrained: {name.partition(',')[0]}",
            *(f"{values[measure]:.3f}" for measure in measures),
            "euclidean" if name.endswith("euclidean") else "cosine",
        )
        for name, values in found.baselines.items()
    ]


def _told(values: list[float]) -> str:
    return str(estimate(values)) if len(values) > 1 else f"{values[0]:.3f}"

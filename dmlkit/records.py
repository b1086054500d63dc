"""Run records: what was run, on what, with which result; written whole or not at all, and read beside the papers'."""

from __future__ import annotations

import json
import math
import os
import secrets
import statistics
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scipy import stats

from dmlkit.checks import check_choice
from dmlkit.published import Published


def write_whole(path: Path, text: str) -> None:
    """Write a file, and the folders above it, atomically: a reader sees the old file or the whole new one.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not tempfile's: that makes files which only their owner may read.
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@dataclass
class RunRecord:
    """One training run.

    Attributes:
        name: what the run is called in tables, e.g. "warped softmax".
        seed: of initialisation and batch order.
        config: everything that was set: loss, model, epochs, batch size, learning rates …
        data: name, checksum, counts and source of the images.
        versions: of Python, torch and dmlkit.
        device: what it ran on.
        curves: name → one number an epoch.
        metrics: name → final number.
        seconds: wall time of training and evaluation.
        best: of the best epoch: its number, on which split it was chosen, and its metrics on the test split.
        code: commit of the repository that ran, and whether its files were changed.
        speed: training images a second, and the peak of memory in MB.
        points: of the last epoch, for a picture: split → what `pack_points` made of its embeddings; read them with
            `points_of`. Empty unless the evaluation asked for "points".
        stopped: why the run ended before its last epoch, e.g. that its loss was no longer finite; such a run has curves
            and no metrics. "" for one that was finished.
    """

    name: str
    seed: int
    config: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    device: str
    curves: dict[str, list[float]] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    best: dict[str, Any] = field(default_factory=dict)
    code: dict[str, Any] = field(default_factory=dict)
    speed: dict[str, float] = field(default_factory=dict)
    points: dict[str, dict[str, Any]] = field(default_factory=dict)
    stopped: str = ""

    def save(self, path: str | Path) -> Path:
        """Write the record as JSON, atomically: a reader sees the old file or the whole new one, never half of it.

        Raises:
            ValueError: a number that JSON cannot hold (NaN or infinity).
            OSError: the folder cannot be written.
        """
        path = Path(path)
        text = json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        write_whole(path, text)
        return path

    @classmethod
    def load(cls, path: str | Path) -> RunRecord:
        """Read a record that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not JSON, or not the fields of a record.
        """
        try:
            record = cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:  # not UTF-8, not JSON; not an object, other fields
            raise ValueError(f"{path} is not a run record: {error}") from error
        for name in ("config", "data", "metrics", "best", "points"):
            if not isinstance(getattr(record, name), dict):
                raise ValueError(f"{path} is not a run record: {name} is no object")
        return record

    def points_of(self, split: str) -> tuple[list[list[float]], list[int]]:
        """Kept embeddings of a split and their labels.

        Args:
            split: "train", "test" or "proxies", which carry the number of their class.

        Returns:
            N rows of d numbers, and N labels.

        Raises:
            ValueError: the run kept none of them.

        Example:
            >>> kept = {"test": pack_points([[0.5, -1.0], [2.0, 0.0]], [3, 7])}
            >>> RunRecord("a run", 0, {}, {}, {}, "cpu", points=kept).points_of("test")
            ([[0.5, -1.0], [2.0, 0.0]], [3, 7])
        """
        if split not in self.points:
            kept = ", ".join(self.points) or "no points"
            raise ValueError(f"split must be one of which the run kept points, found {split!r}: it kept {kept}")
        labels, axes = self.points[split]["labels"], self.points[split]["axes"]
        columns = [[float(number) for number in axis.split()] for axis in axes]
        return [list(row) for row in zip(*columns, strict=True)], [int(label) for label in labels.split()]


def pack_points(rows: Iterable[Iterable[float]], labels: Iterable[int]) -> dict[str, Any]:
    """Points as JSON holds them in little room: a line of text for each axis, numbers to four significant digits.

    Args:
        rows: N rows of d numbers.
        labels: N integers.

    Returns:
        {"labels": "3 7 …", "axes": ["0.5 2 …", …]}.

    Raises:
        ValueError: rows of different lengths, or not one label a row.

    Example:
        >>> pack_points([[0.123456, -1.0], [2.0, 0.0]], [3, 7])
        {'labels': '3 7', 'axes': ['0.1235 2', '-1 0']}
    """
    rows, labels = [list(row) for row in rows], list(labels)
    if len(rows) != len(labels):
        raise ValueError(f"labels must hold one integer a row, found {len(labels)} for {len(rows)} rows")
    if len({len(row) for row in rows}) > 1:
        raise ValueError("rows must all have the same length, found several lengths")
    axes = [" ".join(f"{number:.4g}" for number in axis) for axis in zip(*rows, strict=True)]
    return {"labels": " ".join(str(int(label)) for label in labels), "axes": axes}


@dataclass(frozen=True)
class Estimate:
    """A mean over runs with its 95 % interval: mean ± half_width, from `runs` values."""

    mean: float
    half_width: float
    runs: int

    def __str__(self) -> str:
        return f"{self.mean:.3f} ± {self.half_width:.3f}"


def estimate(values: Iterable[float]) -> Estimate:
    r"""Mean and 95 % confidence interval of independent runs by Student's t: $\bar x \pm t_{.975,\,n-1}\, s/\sqrt n$.

    Raises:
        ValueError: fewer than two values (one run has no spread), or one that is not finite.
    """
    values = list(values)
    if len(values) < 2:
        raise ValueError(f"an interval needs at least two runs, found {len(values)}")
    if not all(map(math.isfinite, values)):
        raise ValueError(f"a run without a finite result has no mean, found {values}")
    spread = statistics.stdev(values) / math.sqrt(len(values))
    return Estimate(statistics.fmean(values), float(stats.t.ppf(0.975, len(values) - 1)) * spread, len(values))


def summarise(records: Iterable[RunRecord], metrics: Iterable[str]) -> dict[str, dict[str, Estimate]]:
    """Records of the same name together: {name: {metric: estimate over its seeds}}, names in order of appearance.

    Raises:
        ValueError: a name with fewer than two runs, or the same seed twice (it would count one run as two).
        KeyError: a metric that a record lacks.
    """
    metrics = list(metrics)
    runs: dict[str, list[RunRecord]] = {}
    for record in records:
        runs.setdefault(record.name, []).append(record)
    for name, group in runs.items():
        if len({record.seed for record in group}) < len(group):
            raise ValueError(f"{name!r} has two records of the same seed")
    return {
        name: {metric: estimate(record.metrics[metric] for record in group) for metric in metrics}
        for name, group in runs.items()
    }


def markdown_table(summary: dict[str, dict[str, Estimate]], *, first_column: str = "loss") -> str:
    """The result of `summarise` as a Markdown table, the best mean of each column in bold (larger is better).

    Raises:
        ValueError: nothing to tabulate.
    """
    metrics = list(next(iter(summary.values()), {}))
    if not metrics:
        raise ValueError("summary is empty: expected at least one name with one metric")
    best = {metric: max(row[metric].mean for row in summary.values()) for metric in metrics}
    lines = [
        "| " + " | ".join([first_column, *metrics, "runs"]) + " |",
        "|" + "---|" * (len(metrics) + 2),
    ]
    for name, row in summary.items():
        cells = [f"**{row[m]}**" if row[m].mean == best[m] else str(row[m]) for m in metrics]
        lines.append("| " + " | ".join([name, *cells, str(row[metrics[0]].runs)]) + " |")
    return "\n".join(lines)


def load_all(folder: str | Path) -> list[RunRecord]:
    """Every `record.json` below a folder, in the order of their paths.

    Raises:
        ValueError: no such folder, or files that are no run records; all of them are named.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"folder must be one that holds runs, found no folder {folder}")
    records, unreadable = [], []
    for path in sorted(folder.rglob("record.json")):
        try:
            records.append(RunRecord.load(path))
        except (OSError, ValueError):
            unreadable.append(str(path))
    if unreadable:
        raise ValueError(f"no run records, though their names say so: {', '.join(unreadable)}; repair or remove them")
    return records


def compare(published: Iterable[Published], runs: Iterable[RunRecord], metric: str, *, epoch: str = "last") -> str:
    """Published numbers beside runs of the same recipe on the same benchmark, as Markdown.

    A full run on a benchmark's own data stands beside what its recipe answers in a paper. A run on a stand-in or a
    miniature, or at a smaller scale, never does: such runs have a table of their own that says so.

    Args:
        published: of `dmlkit.published.read_published`; those of other benchmarks and measures are passed over.
        runs: of `load_all`; seeds of one name, benchmark and scale are one row, mean ± 95 % interval.
        metric: as in `RunRecord.metrics`, e.g. "R@1".
        epoch: "last", or "best" for the epoch that the run chose (`RunRecord.best` says on which split).

    Raises:
        ValueError: no runs, a metric or best epoch that a run lacks, the same seed twice (it would count one run as
            two), or other settings or data under one name.
    """
    check_choice("epoch", epoch, ("last", "best"))
    groups: dict[tuple, list[RunRecord]] = {}
    for run in runs:
        key = (benchmark_of(run), run.config.get("scale", "–"), run.data.get("stands in for"), run.name)
        groups.setdefault(key, []).append(run)
    if not groups:
        raise ValueError("runs must hold at least one run record, found none")
    ours: dict[str, dict[str, str]] = {}
    elsewhere: list[tuple[str, ...]] = []
    for (benchmark, scale, instead, name), group in groups.items():
        check_alike(group)
        values = [_metric(run, metric, epoch) for run in group]
        if scale == "full" and instead is None:
            ours.setdefault(benchmark, {})[name] = f"{_mean(values)} ({_count(values)}, full)"
        else:
            data = group[0].data.get("name", benchmark) + (f", for {instead}" if instead else "")
            elsewhere.append((name, data, scale, _mean(values), _count(values)))
    published = [row for row in published if row.measure == metric]
    parts = [_beside([row for row in published if row.benchmark == key], ours[key], key, metric) for key in ours]
    if elsewhere:
        parts.append(
            "Not comparable with published numbers, as these runs have other data or a smaller scale than the papers:"
            f"\n\n{in_markdown(('method', 'data', 'scale', metric, 'from'), elsewhere)}"
        )
    return "\n\n".join(parts)


def benchmark_of(run: RunRecord) -> str:
    """The data set that a run was asked to train on; a chapter's own runs name it in their data alone."""
    return run.config.get("benchmark") or run.data.get("name", "–")


def _metric(run: RunRecord, metric: str, epoch: str) -> float:
    found = run.metrics if epoch == "last" else run.best.get("metrics", {})
    if metric not in found:
        known = ", ".join(found) or f"no metrics of the {epoch} epoch"
        raise ValueError(
            f"metric must be one that every run has, found {metric!r}: {run.name!r} on {benchmark_of(run)}, seed "
            f"{run.seed}, has {known}"
        )
    return found[metric]


def check_alike(group: list[RunRecord]) -> None:
    """Require runs of one name to differ in their seed, and in nothing else that was set.

    Raises:
        ValueError: the same seed twice, or other settings or data.
    """
    first, where = group[0], f"{group[0].name!r} on {benchmark_of(group[0])}"
    if len({run.seed for run in group}) < len(group):
        raise ValueError(f"{where} has two records of the same seed: leave one out")
    for run in group[1:]:
        for what, one, other in (("config", first.config, run.config), ("data", first.data, run.data)):
            names = {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)} - {"seed"}
            if names:
                raise ValueError(
                    f"{where} has runs that differ in {what} ({', '.join(sorted(names))}): compare them apart, or "
                    "under different names"
                )


def _mean(values: list[float]) -> str:
    return str(estimate(values)) if len(values) > 1 else f"{values[0]:.3f}"


def _count(values: list[float]) -> str:
    return f"{len(values)} runs" if len(values) > 1 else "1 run"


def _beside(published: list[Published], ours: dict[str, str], benchmark: str, metric: str) -> str:
    """The table of one benchmark: what is printed, then runs that no paper has a number for."""
    rows = [
        (
            f"{row.method}, {row.setting}" if row.setting else row.method,
            f"{row.paper}, Table {row.table}",
            f"{row.value:g}" + (f" ± {row.interval:g}" if row.interval is not None else ""),
            ours.get(row.recipe, "–"),
        )
        for row in published
    ]
    answered = {row.recipe for row in published}
    rows += [(name, "–", "–", text) for name, text in ours.items() if name not in answered]
    return f"{metric} on {benchmark}:\n\n{in_markdown(('method', 'paper', 'published', 'ours'), rows)}"


def in_markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table of cells; a bar within one does not end it."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])

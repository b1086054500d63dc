"""Run records: what was run, on what, with which result; written whole or not at all."""

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

    def save(self, path: str | Path) -> Path:
        """Write the record as JSON, atomically: a reader sees the old file or the whole new one, never half of it.

        Raises:
            ValueError: a number that JSON cannot hold (NaN or infinity).
            OSError: the folder cannot be written.
        """
        path = Path(path)
        text = json.dumps(asdict(self), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
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
        return path

    @classmethod
    def load(cls, path: str | Path) -> RunRecord:
        """Read a record that `save` wrote.

        Raises:
            FileNotFoundError: no such file.
            ValueError: not JSON, or not the fields of a record.
        """
        try:
            return cls(**json.loads(Path(path).read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:  # not UTF-8, not JSON; not an object, other fields
            raise ValueError(f"{path} is not a run record: {error}") from error


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

"""What the papers print: their result tables, one number a row, for reading beside runs of one's own."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Published:
    """One printed number.

    Attributes:
        paper: that prints it: "silhouette", "mutual information" or "warped softmax".
        table: its number in the paper, as printed.
        benchmark: a name of `dmlkit.data.CATALOGUE`, or "average" for a paper's own average.
        method: as printed.
        setting: backbone, distance, group: what one must know to compare.
        measure: as in `RunRecord.metrics`: "top-1", "R@1", "MAP@R" …
        value: in [0, 1]; of "AvgDTP", which is a distance, any number from 0 on.
        interval: half-width of the printed 95 % interval, or None.
        recipe: the recipe whose full run answers this number, as in `Config.recipe`, or None.
        note: a slip, a misprint or a doubt of this number, in one short sentence, or "".
    """

    paper: str
    table: str
    benchmark: str
    method: str
    setting: str
    measure: str
    value: float
    interval: float | None
    recipe: str | None
    note: str = ""


_DISTANCES = ("AvgDTP",)
COLUMNS = tuple(column.name for column in fields(Published))


def read_published(
    path: str | Path, *, paper: str | None = None, benchmark: str | None = None, measure: str | None = None
) -> list[Published]:
    """The numbers of one CSV, or of every CSV in a folder: in a checkout of the book, `book/published`.

    Args:
        path: a file with the columns `COLUMNS`, or a folder of such files; they are read in the order of their names.
        paper, benchmark, measure: keep the rows that have this value; None keeps all.

    Raises:
        ValueError: no such file or folder, a folder without CSV files, other columns, or a cell that cannot be; the
            line is named.
    """
    path = Path(path)
    files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    if not files:
        raise ValueError(f"path must be a CSV file or a folder of them, found none in {path}")
    wanted = {"paper": paper, "benchmark": benchmark, "measure": measure}
    return [
        row
        for file in files
        for row in _rows(file)
        if all(value is None or getattr(row, name) == value for name, value in wanted.items())
    ]


def _rows(file: Path) -> list[Published]:
    try:
        with open(file, encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise ValueError(f"{file} must have the columns {', '.join(COLUMNS)}, found {reader.fieldnames}")
            return [_row(cells, f"{file}, line {reader.line_num}") for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as fault:
        raise ValueError(f"{file} is no table of published numbers: {fault}") from fault


def _row(cells: Mapping[str, str], where: str) -> Published:
    if None in cells or None in cells.values():
        raise ValueError(f"{where}: expected {len(COLUMNS)} cells")
    for name in ("paper", "table", "benchmark", "method", "measure"):
        if not cells[name]:
            raise ValueError(f"{where}: {name} is empty")
    if cells["note"] != " ".join(cells["note"].split()):
        raise ValueError(f"{where}: note must be one line with single blanks, found {cells['note']!r}")
    return Published(
        **{
            **cells,
            "value": _number(cells["value"], "value", where, most=math.inf if cells["measure"] in _DISTANCES else 1),
            "interval": _number(cells["interval"], "interval", where) if cells["interval"] else None,
            "recipe": cells["recipe"] or None,
        }
    )


def _number(text: str, name: str, where: str, most: float = 1) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not (0 <= value <= most and math.isfinite(value)):
        expected = "a number in [0, 1]" if most == 1 else "a distance, at least 0"
        raise ValueError(f"{where}: {name} must be {expected}, found {text!r}")
    return value

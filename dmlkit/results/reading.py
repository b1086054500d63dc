"""Published rows and recorded runs of a benchmark, and the rule which run may stand beside a printed number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dmlkit.book_files import book_file
from dmlkit.data.catalogue import CATALOGUE, find
from dmlkit.published import Published, read_published
from dmlkit.recipes import recipe
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord, benchmark_of, load_all

# Splits whose sizes a record has under their own names; "val" is never opened by a run.
_SPLITS = ("test", "query", "gallery")


@dataclass(frozen=True)
class Results:
    """What is known of a benchmark.

    Attributes:
        benchmark: a name of the catalogue.
        published: the papers' numbers on it.
        runs: recorded runs on it, on its stand-ins and miniatures, at any scale.
    """

    benchmark: str
    published: tuple[Published, ...]
    runs: tuple[RunRecord, ...]


def read(benchmark: str, *, published: str | Path | None = None, runs: str | Path | None = None) -> Results:
    """The printed numbers and the recorded runs of a benchmark.

    Args:
        benchmark: a name of the catalogue, not a stand-in: that one's runs come with what it stands in for.
        published: a CSV of printed numbers or a folder of them; by default the book's.
        runs: every `record.json` below this folder is read; by default the book's.

    Raises:
        ValueError: an unknown benchmark or a stand-in, or files that are no tables or no records.
        DataError: the book's files are not here and cannot be fetched.

    Example:
        >>> found = read("cub200")
        >>> {row.benchmark for row in found.published}, {run.data["name"] for run in found.runs} <= {"cub200", "cub50"}
        ({'cub200'}, True)

    Used in the chapters of the part "Benchmarks".
    """
    entry = find(benchmark)
    if entry.stands_in_for is not None:
        raise ValueError(f"benchmark must be no stand-in, found {benchmark!r}: read {entry.stands_in_for!r}")
    rows = read_published(book_file("published") if published is None else published, benchmark=benchmark)
    records = load_all(book_file("runs") if runs is None else runs)
    return Results(benchmark, tuple(rows), tuple(run for run in records if _answers_for(run) == benchmark))


def benchmarks(*, published: str | Path | None = None, runs: str | Path | None = None) -> tuple[str, ...]:
    """The benchmarks that have a printed number or a recorded run, in the catalogue's order.

    Args:
        published, runs: as in `read`.

    Raises:
        ValueError, DataError: as `read`.

    Example:
        >>> benchmarks()[:2]
        ('cifar10', 'cifar100')
    """
    there = {row.benchmark for row in read_published(book_file("published") if published is None else published)}
    there |= {_answers_for(run) for run in load_all(book_file("runs") if runs is None else runs)}
    return tuple(name for name in CATALOGUE if name in there)


def _answers_for(run: RunRecord) -> str:
    """The benchmark that a run belongs to: what its data stands in for, else its own."""
    name = benchmark_of(run)
    entry = CATALOGUE.get(name)
    return name if entry is None or entry.stands_in_for is None else entry.stands_in_for


def why_not_full(record: RunRecord) -> str:
    """Why a run may not stand beside a printed number; "" where it may.

    It may where it was finished, has the settings of its recipe at full scale as they are today, read all images of
    the benchmark itself, and came from a commit of the repository whose files were not changed.

    Args:
        record: of `dmlkit.training.run`.

    Returns:
        The first reason found, to follow "because"; or "".

    Example:
        >>> why_not_full(RunRecord("a run", 0, {"scale": "small"}, {}, {}, "cpu"))
        'its scale is small'
    """
    return _unfinished(record) or _other_settings(record) or _other_data(record) or _other_code(record)


def _unfinished(record: RunRecord) -> str:
    if record.stopped:
        return f"it stopped before its end: {record.stopped}"
    scale = record.config.get("scale")
    if scale != "full":
        return f"its scale is {scale}" if scale else "it names no scale"
    return "" if record.metrics else "it has no results"


def _other_settings(record: RunRecord) -> str:
    changes = record.config.get("changes")
    if changes:
        return "it departs from its recipe: " + ", ".join(f"{path}={value}" for path, value in changes.items())
    name, benchmark = record.config.get("recipe"), record.config.get("benchmark")
    try:
        today = recipe(str(name), str(benchmark), scale="full", seed=record.seed)
    except ValueError:
        return f"there is no recipe {name} on {benchmark}"
    return "" if record.config == to_json(today) else f"its settings are not those that {name} has today"


def _other_data(record: RunRecord) -> str:
    data, benchmark = record.data, record.config["benchmark"]
    if data.get("stands in for") is not None:
        return f"its data, {data.get('name')}, stands in for {data['stands in for']}"
    if data.get("name") != benchmark:
        return f"its data is {data.get('name')}, not {benchmark}"
    counts = CATALOGUE[benchmark].counts
    expected = {split: counts[split].images for split in _SPLITS if split in counts}
    # What is held out to validate is missing from the training split, and its size is nowhere in a record.
    if record.config["evaluation"]["validation"] is None:
        expected |= {"train": counts["train"].images, "classes": counts["train"].classes}
    for split, count in expected.items():
        if data.get(split) != count:
            what = "training classes" if split == "classes" else f"{split} images"
            return f"it has {data.get(split)} {what}, where {benchmark} has {count}"
    return "" if data.get("checksum") else "its data has no checksum"


def _other_code(record: RunRecord) -> str:
    if not record.code.get("commit"):
        return "it does not say from which commit it ran"
    return "" if record.code.get("changed") is False else "its code was changed after its commit"

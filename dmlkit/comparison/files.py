"""The file of a study: what ran on what, and what was found; written whole, gone on with, shared by processes."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import torch

import dmlkit
from dmlkit.comparison.features import Rows
from dmlkit.comparison.protocol import Course, Protocol, embedded, measured
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked
from dmlkit.environment import source_code
from dmlkit.records import write_whole

# A dataclass with the fields of `header`, and one more: name → what was found.
S = TypeVar("S")


def header(data: Rows, on: Course, protocol: Protocol) -> dict[str, Any]:
    """What a file says before anything is found: data, protocol, measures without training, versions."""
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
        "baselines": rounded(
            {
                "rows": measured(rows, on.test_labels, "cosine"),
                "first head": measured(start, on.test_labels, "cosine"),
                "first head, euclidean": measured(start, on.test_labels, "euclidean"),
            }
        ),
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "dmlkit": dmlkit.__version__},
        "device": "cpu",
        "code": source_code(),
    }


def loaded(kind: type[S], path: str | Path, called: str) -> S:
    """What a file holds.

    Args:
        kind: of the study.
        path: of the JSON file.
        called: what a reader is told that the file is not.

    Raises:
        ValueError: no such file, or it is none of that kind.
    """
    try:
        return kind(**json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as fault:
        raise ValueError(f"{path} is no {called}: {fault}") from fault


def gone_on(path: Path, begun: S) -> S:
    """What the file has, if it is of the same study; where there is none, the beginning.

    Raises:
        ValueError: a file of another kind.
        DataError: it is of other data or another protocol.
    """
    if not path.exists():
        return begun
    found = type(begun).load(path)
    for what in ("name", "data", "protocol"):
        if getattr(found, what) != getattr(begun, what):
            raise DataError(f"{path} holds a study with another {what}: name another file")
    return found


def keep(path: Path, begun: S, part: str, name: str, made: dict[str, Any], order: Iterable[str]) -> None:
    """Put what was found into the file; another process may be at other names of the same study.

    Args:
        path: of the JSON file; its folder is made.
        begun: what the file is where there is none.
        part: the field of name → what was found.
        name, made: what to add, or to put in the place of what was there.
        order: names as the file has them, this one among them; others are left out.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path):
        content = gone_on(path, begun)
        found = {**getattr(content, part), name: made}
        content = replace(content, **{part: {name: found[name] for name in order if name in found}})
        write_whole(path, json.dumps(asdict(content), indent=1, allow_nan=False) + "\n")


def rounded(value: Any) -> Any:
    """Five digits after the point: what a table needs, in a file that a person can read."""
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list) else round(value, 5)

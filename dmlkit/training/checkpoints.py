"""Checkpoints: written whole or not at all, read without running anything, refused where they belong to another run."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

from dmlkit.data.errors import DataError, disk_is_full, full_disk


def save(path: Path, fingerprint: str, state: dict[str, Any]) -> None:
    """Write a checkpoint: a reader, and a run that was killed meanwhile, sees the old file or the whole new one.

    Args:
        path: of the checkpoint.
        fingerprint: of the config that it belongs to.
        state: tensors, numbers, text, lists and dictionaries.

    Raises:
        DataError: the disk is full; the old checkpoint is still there.
    """
    temporary = path.with_name(f"{path.name}.part")
    try:
        with open(temporary, "wb") as file:
            torch.save({"fingerprint": fingerprint, **state}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as fault:
        temporary.unlink(missing_ok=True)
        if disk_is_full(fault):
            raise full_disk(path.parent) from fault
        raise
    except RuntimeError as fault:  # torch's zip writer says so of a write that failed
        temporary.unlink(missing_ok=True)
        raise DataError(f"{path} could not be written ({fault}): see whether the disk is full") from fault


def load(path: Path, fingerprint: str) -> dict[str, Any]:
    """Read a checkpoint of the same config.

    Raises:
        DataError: it is of another config, damaged, or holds more than tensors and plain values.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        found = state["fingerprint"]
    except (OSError, RuntimeError, pickle.UnpicklingError, zipfile.BadZipFile, EOFError, KeyError, TypeError) as fault:
        first = str(fault).split("\n")[0]
        raise DataError(f"{path} is not a checkpoint of dmlkit ({first}): remove it to begin anew") from fault
    if found != fingerprint:
        raise DataError(
            f"{path} belongs to a run with other settings (its fingerprint is {found}, expected {fingerprint}): "
            "give this run another folder, or remove the checkpoint"
        )
    return state

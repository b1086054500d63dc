"""The recorded runs of the book: whole, clean, and of recipes as they still are."""

from __future__ import annotations

import re

import pytest
from built_book import ROOT

from dmlkit.recipes import changed, recipe
from dmlkit.recipes.config import from_json, to_json
from dmlkit.records import RunRecord

FOLDER = ROOT / "book/runs"
RECORDS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json"))


def test_there_are_records_and_nothing_but_records():
    assert len(RECORDS) >= 10
    assert {path.name for path in FOLDER.rglob("*") if path.is_file()} - {"weights.pt"} == {"record.json", "README.md"}


@pytest.mark.parametrize("path", RECORDS)
def test_a_record_says_where_it_comes_from(path):
    record = RunRecord.load(FOLDER / path)
    assert re.fullmatch(r"[0-9a-f]{40}", record.code["commit"]) and record.code["changed"] is False
    assert re.fullmatch(r"[0-9a-f]{16,}", str(record.data["checksum"]).rpartition(":")[2])
    assert {"python", "torch", "dmlkit"} <= {name.lower() for name in record.versions}
    assert record.device and record.seconds > 0
    # A run that diverged stays in the book as what it is: it says why it stopped, and has no results.
    assert bool(record.metrics) != bool(record.stopped)
    epochs = sum(phase["epochs"] for phase in record.config["phases"])
    found = len(record.curves["loss"])
    assert found < epochs if record.stopped else found == epochs


@pytest.mark.parametrize("path", RECORDS)
def test_a_record_is_of_the_recipe_as_it_is(path):
    """A changed recipe asks for new runs: the book would show results of settings that nobody can ask for any more."""
    benchmark, folder, seed, _ = path.split("/")
    record = RunRecord.load(FOLDER / path)
    had = from_json(record.config)
    assert (record.name, record.seed) == (had.name, had.seed)
    assert (folder, seed) == (had.folder, f"seed-{had.seed}")
    today = changed(recipe(had.recipe, benchmark, scale=had.scale, seed=had.seed), had.changes)
    assert record.config == to_json(today)

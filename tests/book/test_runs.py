"""The recorded runs of the book: whole, clean, and of recipes as they still are."""

from __future__ import annotations

import re

import pytest
from built_book import ROOT

from dmlkit.command_line.record import read_plan
from dmlkit.data.places import packs_folder
from dmlkit.recipes import changed, recipe
from dmlkit.recipes.config import from_json, to_json
from dmlkit.records import RunRecord
from dmlkit.training import run

FOLDER = ROOT / "book/runs"
RECORDS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.json"))


def test_there_are_records_and_nothing_but_records():
    assert len(RECORDS) >= 10
    found = {path.name for path in FOLDER.rglob("*") if path.is_file()} - {"weights.pt"}
    assert found == {"record.json", "README.md", "list.txt"}


def test_every_record_is_of_the_list_and_seeds_are_whole():
    """Whoever follows the list makes this folder: no run that nobody can ask for, no seed left out without a reason."""
    planned = {run.record.relative_to(FOLDER).as_posix(): run for run in read_plan(FOLDER / "list.txt", FOLDER)}
    assert set(RECORDS) <= set(planned)
    seeds: dict[str, set[bool]] = {}
    for path in planned:
        seeds.setdefault(path.rpartition("/seed-")[0], set()).add(path in RECORDS)
    half = [folder for folder, there in seeds.items() if len(there) > 1]
    assert not half, "some seeds of these are recorded and others not"


@pytest.mark.skipif(packs_folder() is None, reason="the packs of images are not here: DMLKIT_PACKS names their folder")
def test_the_first_epoch_of_a_recorded_run_is_found_again(tmp_path, monkeypatch):
    """The same batches, weights and steps: the mean loss of that epoch, up to the rounding of another machine."""
    record = RunRecord.load(FOLDER / "omniglot-rezipped/function_ablation-square-small/seed-1/record.json")

    class Enough(Exception):
        pass

    found = []

    def measured(config, data, network, loss, state, *_):
        found.append((state.curves["loss"][0], data.benchmark.checksum))
        raise Enough

    monkeypatch.setattr("dmlkit.training.run._evaluate", measured)
    with pytest.raises(Enough):
        run(from_json(record.config), root=tmp_path, device="cpu", progress=False)
    ((value, checksum),) = found
    assert checksum == record.data["checksum"]
    assert value == pytest.approx(record.curves["loss"][0], rel=0.01)
    # Another seed is told apart.
    other = RunRecord.load(FOLDER / "omniglot-rezipped/function_ablation-square-small/seed-2/record.json")
    assert abs(value - record.curves["loss"][0]) < abs(value - other.curves["loss"][0])


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

"""`record`: runs of a list, the missing ones alone, within a time, by one process each."""

from __future__ import annotations

import time

import pytest

from dmlkit.command_line import main, record
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord

LIST = """\
# two lines, three runs
cub200 --recipe warped_softmax --scale smoke --seeds 2

cifar10 --recipe silhouette --arm CE+Sil --scale smoke --set phases.0.epochs=1
"""
FOLDERS = [
    "cub200/warped_softmax-smoke/seed-0",
    "cifar10/silhouette-CE+Sil-smoke,phases.0.epochs=1/seed-0",
    "cub200/warped_softmax-smoke/seed-1",
]


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text(LIST)
    return [str(path), "--runs", str(tmp_path / "runs")]


@pytest.fixture
def made(monkeypatch):
    """`run` replaced by one that leaves a record and notes where."""
    noted = []

    def run(config, *, folder, **options):
        noted.append(folder)
        found = RunRecord(config.name, config.seed, to_json(config), {"name": "x"}, {}, "cpu", seconds=90.0)
        found.save(folder / "record.json")
        return found

    monkeypatch.setattr("dmlkit.training.run", run)
    monkeypatch.setattr(record, "_check_code", lambda uncommitted: None)
    return noted


def below(tmp_path, folders):
    return [folder.relative_to(tmp_path / "runs").as_posix() for folder in folders]


def test_first_seeds_come_first(plan, made, tmp_path, capsys):
    assert main(["record", *plan]) == 0
    assert below(tmp_path, made) == FOLDERS
    assert capsys.readouterr().out.splitlines()[-1] == f"3 of 3 runs are recorded in {tmp_path / 'runs'}"


def test_only_what_is_missing_is_run(plan, made, tmp_path):
    assert main(["record", *plan]) == 0
    (tmp_path / "runs" / FOLDERS[1] / "record.json").unlink()
    made.clear()
    assert main(["record", *plan]) == 0
    assert below(tmp_path, made) == FOLDERS[1:2]


def test_the_list_runs_nothing_and_tells_the_time(plan, made, tmp_path, capsys):
    assert main(["record", *plan]) == 0
    (tmp_path / "runs" / FOLDERS[2] / "record.json").unlink()
    made.clear()
    capsys.readouterr()
    assert main(["record", *plan, "--list"]) == 0
    assert made == []
    first, last = capsys.readouterr().out.splitlines()
    assert first == f"{tmp_path / 'runs' / FOLDERS[2]}  about 1.5 min"  # the other seed took 90 s
    assert last == "2 of 3 runs are recorded, 1 are missing, 1 of them about 2 min by the seeds that are there"


def test_a_run_that_another_process_makes_is_left_to_it(plan, made, tmp_path):
    folder = tmp_path / "runs" / FOLDERS[0]
    folder.mkdir(parents=True)
    with locked(folder / "run"):
        assert main(["record", *plan]) == 0
    assert below(tmp_path, made) == FOLDERS[1:]


def test_a_run_that_diverges_or_has_no_data_does_not_stop_the_others(plan, monkeypatch, made, tmp_path, capsys):
    from dmlkit import training

    once = training.run

    def run(config, **options):
        if config.benchmark == "cifar10":
            raise DataError("CIFAR-10 is not here")
        if config.seed == 0:
            raise FloatingPointError("the loss is not finite")
        return once(config, **options)

    monkeypatch.setattr("dmlkit.training.run", run)
    assert main(["record", *plan]) == 1
    assert below(tmp_path, made) == FOLDERS[2:]
    said = capsys.readouterr().out
    assert "CIFAR-10 is not here" in said and "stopped, the loss is not finite" in said


def test_the_time_ends_a_run_with_a_checkpoint_and_the_same_command_goes_on(tmp_path, monkeypatch, capsys):
    """A real run of many epochs; a minute of the command is a fraction of a second here."""
    path = tmp_path / "list.txt"
    path.write_text("cifar10 --recipe silhouette --arm CE --scale smoke --set phases.0.epochs=4000\n")
    words = ["record", str(path), "--runs", str(tmp_path / "runs"), "--uncommitted"]
    monkeypatch.setattr(record, "SECONDS", 6)
    began = time.monotonic()
    assert main([*words, "--minutes", "1"]) == 0
    assert time.monotonic() - began < 60
    assert "the time is over: the same command goes on" in capsys.readouterr().out
    (kept,) = (tmp_path / "runs").rglob("checkpoint.pt")
    assert not kept.with_name("record.json").exists()


def test_code_that_no_commit_has_is_refused(plan, monkeypatch, tmp_path, capsys):
    for code, why in (({"commit": "a", "changed": True}, "differs from its commit"), ({}, "does not know its commit")):
        monkeypatch.setattr("dmlkit.environment.source_code", lambda code=code: code)
        assert main(["record", *plan]) == 1
        said = capsys.readouterr().err
        assert said.startswith(f"dmlkit: dmlkit {why}, so a record could not say what ran: commit first")
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cub200 --recipe warped_softmax\n", "line 1: the following arguments are required: --scale"),
        ("\n# x\ncub200 --recipe nothing --scale smoke\n", "line 3: "),
        ("cub200 --recipe warped_softmax --scale smoke\n" * 2, "line 2: this run stands in an earlier line already"),
    ],
)
def test_a_line_that_train_would_not_take_is_told(text, said, tmp_path, capsys):
    path = tmp_path / "list.txt"
    path.write_text(text)
    assert main(["record", str(path), "--runs", str(tmp_path / "runs")]) == 1
    assert f"list.txt, {said}" in capsys.readouterr().err


def test_no_list(tmp_path, capsys):
    assert main(["record", str(tmp_path / "none.txt")]) == 1
    assert "none.txt cannot be read: No such file" in capsys.readouterr().err

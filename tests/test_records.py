"""Run records: written whole or not at all, read back as they were, summarised with honest intervals."""

import json
import math
import os
import random

import pytest
from scipy import stats

from dmlkit.records import Estimate, RunRecord, estimate, markdown_table, pack_points, summarise


def record(name="warped softmax", seed=0, **metrics):
    return RunRecord(
        name=name,
        seed=seed,
        config={"loss": "WarpedSoftmax(α)", "lr": 0.003},
        data={"name": "toy", "train": 3},
        versions={"python": "3"},
        device="cpu",
        curves={"loss": [1.0, 0.1 + 0.2]},
        metrics=metrics,
        seconds=1.5,
    )


# save and load


def test_round_trip(tmp_path):
    path = record(score=0.1 + 0.2).save(tmp_path / "new" / "folder" / "run.json")
    assert path == tmp_path / "new" / "folder" / "run.json"
    assert RunRecord.load(path) == record(score=0.1 + 0.2)
    assert RunRecord.load(str(path)) == record(score=0.1 + 0.2)


def test_saving_again_replaces(tmp_path):
    path = tmp_path / "run.json"
    record(score=1.0).save(path)
    record(score=2.0).save(path)
    assert RunRecord.load(path).metrics == {"score": 2.0}
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_record_is_readable_json_that_ends_in_a_newline(tmp_path):
    text = record(score=1.0).save(tmp_path / "run.json").read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert json.loads(text)["metrics"] == {"score": 1.0}


class DiskFull:
    """A file that takes half of what it is given."""

    def __init__(self, file):
        self.file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.file.close()

    def write(self, text):
        self.file.write(text[: len(text) // 2])
        raise OSError(28, "No space left on device")


def fill_the_disk(monkeypatch):
    monkeypatch.setattr("dmlkit.records.open", lambda *args, **kwargs: DiskFull(open(*args, **kwargs)), raising=False)


def refuse_the_move(monkeypatch):
    def refuse(source, target):
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("dmlkit.records.os.replace", refuse)


def interrupt_the_move(monkeypatch):
    def interrupt(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr("dmlkit.records.os.replace", interrupt)


@pytest.mark.parametrize("fail", [fill_the_disk, refuse_the_move, interrupt_the_move])
@pytest.mark.parametrize("before", [True, False])
def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch, before, fail):
    path = tmp_path / "run.json"
    if before:
        record(score=1.0).save(path)
    with monkeypatch.context() as patch:
        fail(patch)
        with pytest.raises((OSError, KeyboardInterrupt)):
            record(score=2.0).save(path)
    assert os.listdir(tmp_path) == (["run.json"] if before else [])
    if before:
        assert RunRecord.load(path).metrics == {"score": 1.0}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_cannot_hold(tmp_path, number):
    path = record(score=1.0).save(tmp_path / "run.json")
    with pytest.raises(ValueError, match="JSON"):
        record(score=number).save(path)
    assert RunRecord.load(path).metrics == {"score": 1.0}
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.skipif(os.name != "posix", reason="umask is a POSIX matter")
def test_a_record_is_as_readable_as_any_other_file(tmp_path):
    """Not the 0600 of a temporary file: records are committed, served and read by others."""
    other = tmp_path / "other"
    other.write_text("")
    path = record().save(tmp_path / "run.json")
    assert oct(path.stat().st_mode) == oct(other.stat().st_mode)


@pytest.mark.parametrize(
    "text",
    [
        "",
        '{"name": "cut off',
        "[1, 2]",
        "null",
        "{}",
        '{"name": "a", "seed": 0}',
        json.dumps({**vars(record()), "colour": "blue"}),
    ],
)
def test_broken_files(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="run.json is not a run record"):
        RunRecord.load(path)


def test_file_that_is_no_text(tmp_path):
    path = tmp_path / "run.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="run.json is not a run record"):
        RunRecord.load(path)


def test_a_record_from_before_points_were_kept(tmp_path):
    old = vars(record(score=1.0)).copy()
    del old["points"]
    path = tmp_path / "run.json"
    path.write_text(json.dumps(old))
    assert RunRecord.load(path) == record(score=1.0)
    with pytest.raises(ValueError, match="points, found 'test': it kept no points"):
        RunRecord.load(path).points_of("test")


def test_points_come_back_to_four_digits(tmp_path):
    generator = random.Random(0)
    rows = [[generator.gauss(0, 20), generator.gauss(0, 1e-3)] for _ in range(1000)]
    labels = [generator.randrange(10) for _ in rows]
    kept = record(score=1.0)
    kept.points = {"train": pack_points(rows, labels), "test": pack_points(iter(rows), iter(labels))}
    path = kept.save(tmp_path / "run.json")
    assert path.stat().st_size < 40_000
    found, names = RunRecord.load(path).points_of("test")
    assert names == labels
    assert all(one == pytest.approx(other, rel=5.1e-4) for one, other in zip(found, rows, strict=True))
    with pytest.raises(ValueError, match="points, found 'query': it kept train, test"):
        kept.points_of("query")


def test_points_that_do_not_fit():
    with pytest.raises(ValueError, match="labels must hold one integer a row, found 1 for 2 rows"):
        pack_points([[1.0], [2.0]], [0])
    with pytest.raises(ValueError, match="rows must all have the same length"):
        pack_points([[1.0], [2.0, 3.0]], [0, 1])
    assert pack_points([], []) == {"labels": "", "axes": []}


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        RunRecord.load(tmp_path / "run.json")


# estimate, summarise, markdown_table


@pytest.mark.parametrize("values", [[0.5, 0.7], [0.61, 0.58, 0.66, 0.6, 0.59], [3, 3, 3, 4]])
def test_estimate_is_students_interval(values):
    result = estimate(iter(values))
    low, high = stats.t.interval(0.95, len(values) - 1, loc=sum(values) / len(values), scale=stats.sem(values))
    assert result.mean - result.half_width == pytest.approx(low, abs=1e-12)
    assert result.mean + result.half_width == pytest.approx(high, abs=1e-12)
    assert result.runs == len(values)


def test_estimate_of_equal_values():
    assert estimate([0.25, 0.25, 0.25]) == Estimate(0.25, 0.0, 3)


@pytest.mark.parametrize("values", [[], [0.5]])
def test_estimate_needs_two_runs(values):
    with pytest.raises(ValueError, match=f"at least two runs, found {len(values)}"):
        estimate(values)


def test_summarise():
    records = [
        record("b", 0, up=1.0, down=5.0),
        record("a", 0, up=2.0, down=6.0),
        record("b", 1, up=3.0, down=5.0),
        record("a", 1, up=2.0, down=8.0),
        record("a", 2, up=2.0, down=7.0),
    ]
    summary = summarise(iter(records), iter(["down", "up"]))
    assert list(summary) == ["b", "a"]
    assert list(summary["a"]) == ["down", "up"]
    assert summary["a"]["down"] == estimate([6.0, 8.0, 7.0])
    assert summary["b"]["up"] == estimate([1.0, 3.0])


def test_the_same_seed_twice_is_one_run():
    with pytest.raises(ValueError, match="'a' has two records of the same seed"):
        summarise([record("a", 0, up=1.0), record("b", 0, up=1.0), record("a", 0, up=1.1)], ["up"])


def test_summarise_needs_two_runs_of_each():
    with pytest.raises(ValueError, match="at least two runs"):
        summarise([record("a", 0, up=1.0), record("a", 1, up=1.0), record("b", 0, up=1.0)], ["up"])


def test_metric_that_a_record_lacks():
    with pytest.raises(KeyError, match="down"):
        summarise([record("a", 0, up=1.0), record("a", 1, up=1.0)], ["down"])


def test_markdown_table():
    summary = {
        "cross-entropy": {"R@1": Estimate(0.5, 0.0123, 3), "silhouette": Estimate(0.2, 0.1, 3)},
        "soft silhouette": {"R@1": Estimate(0.4999, 0.01, 5), "silhouette": Estimate(0.3, 0.02, 5)},
    }
    assert markdown_table(summary).splitlines() == [
        "| loss | R@1 | silhouette | runs |",
        "|---|---|---|---|",
        "| cross-entropy | **0.500 ± 0.012** | 0.200 ± 0.100 | 3 |",
        "| soft silhouette | 0.500 ± 0.010 | **0.300 ± 0.020** | 5 |",
    ]
    assert markdown_table(summary, first_column="method").startswith("| method |")

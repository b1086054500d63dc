"""Records of a folder, and runs beside published numbers: only what may be compared stands side by side."""

from pathlib import Path

import pytest

from dmlkit.published import Published, read_published
from dmlkit.records import RunRecord, compare, estimate, load_all

TABLES = Path(__file__).parents[1] / "book" / "published"


def record(
    name="warped_softmax", seed=0, value=0.7, *, benchmark="cub200", scale="full", stands=None, best=None, **config
):
    return RunRecord(
        name=name,
        seed=seed,
        config={"recipe": name, "benchmark": benchmark, "scale": scale, "seed": seed, "size": None, **config},
        data={"name": benchmark, "checksum": "sha256:1", "stands in for": stands},
        versions={},
        device="cpu",
        metrics={"R@1": value, "NMI": value / 2},
        best=best or {},
    )


def published(method="Warped-Softmax", value=0.726, interval=None, recipe="warped_softmax", benchmark="cub200"):
    return Published("warped softmax", "I", benchmark, method, "R512", "R@1", value, interval, recipe)


# load_all


def test_all_records_below_a_folder_in_order(tmp_path):
    record(seed=1).save(tmp_path / "b" / "seed-1" / "record.json")
    record(seed=0).save(tmp_path / "b" / "seed-0" / "record.json")
    record("a").save(tmp_path / "a" / "record.json")
    record("other").save(tmp_path / "a" / "something.json")
    assert [(run.name, run.seed) for run in load_all(tmp_path)] == [
        ("a", 0),
        ("warped_softmax", 0),
        ("warped_softmax", 1),
    ]
    assert load_all(str(tmp_path / "b" / "seed-1")) == [record(seed=1)]


def test_no_records(tmp_path):
    assert load_all(tmp_path) == []
    with pytest.raises(ValueError, match="folder must be one that holds runs, found no folder .*nothing"):
        load_all(tmp_path / "nothing")


def test_unreadable_records_are_all_named(tmp_path):
    record().save(tmp_path / "a" / "record.json")
    for name, text in {"b": "", "c": '{"name": 1}'}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "record.json").write_text(text)
    with pytest.raises(ValueError, match=r"b.record\.json, .*c.record\.json; repair or remove them") as fault:
        load_all(tmp_path)
    assert "a/record.json" not in Path(str(fault.value)).as_posix()
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize("field", ["config", "data", "metrics", "best"])
def test_a_record_whose_parts_are_no_objects(tmp_path, field):
    path = record().save(tmp_path / "record.json")
    broken = record()
    setattr(broken, field, None)
    broken.save(path)
    with pytest.raises(ValueError, match=f"record.json is not a run record: {field} is no object"):
        RunRecord.load(path)


# compare


def test_a_recipe_beside_its_published_number():
    values = [0.71, 0.72, 0.705]
    runs = [record(seed=seed, value=value) for seed, value in enumerate(values)]
    table = [published("HIST", 0.714, recipe=None), published(interval=0.0021)]
    assert compare(iter(table), iter(runs), "R@1").splitlines() == [
        "R@1 on cub200:",
        "",
        "| method | paper | published | ours |",
        "|---|---|---|---|",
        "| HIST, R512 | warped softmax, Table I | 0.714 | – |",
        f"| Warped-Softmax, R512 | warped softmax, Table I | 0.726 ± 0.0021 | {estimate(values)} (3 runs, full) |",
    ]


def test_one_run_has_no_interval():
    assert "| 0.700 (1 run, full) |" in compare([published()], [record()], "R@1")


def test_a_full_run_without_a_published_number_has_a_row():
    lines = compare([published()], [record("mine")], "R@1").splitlines()
    assert lines[-2:] == [
        "| Warped-Softmax, R512 | warped softmax, Table I | 0.726 | – |",
        "| mine | – | – | 0.700 (1 run, full) |",
    ]
    assert compare([], [record("mine")], "R@1").splitlines()[-1] == lines[-1]


def test_each_benchmark_has_its_own_table():
    runs = [record(), record(benchmark="sop", value=0.81)]
    told = compare([published(), published(benchmark="sop", value=0.819)], runs, "R@1")
    cub, sop = told.split("R@1 on sop:")
    assert "0.726 | 0.700 (1 run, full)" in cub and "0.819" not in cub
    assert "0.819 | 0.810 (1 run, full)" in sop and "0.726" not in sop


@pytest.mark.parametrize(
    ("other", "data"),
    [
        ({"scale": "small", "benchmark": "cub50", "stands": "cub200"}, "cub50, for cub200 | small"),
        ({"scale": "small", "benchmark": "cub200"}, "cub200 | small"),
        ({"scale": "smoke", "benchmark": "cub200"}, "cub200 | smoke"),
        ({"scale": "full", "benchmark": "cub50", "stands": "cub200"}, "cub50, for cub200 | full"),
        # A stand-in is one even where it goes by the name of what it stands for.
        ({"scale": "full", "benchmark": "cub200", "stands": "cub200"}, "cub200, for cub200 | full"),
    ],
)
def test_stand_ins_and_smaller_scales_stand_apart(other, data):
    """Alone, no published number is printed at all; beside a full run, they keep to their own table."""
    apart = record(value=0.9, **other)
    told = compare([published()], [apart], "R@1")
    assert "0.726" not in told and "Warped-Softmax" not in told
    assert told.startswith("Not comparable with published numbers")
    assert f"| warped_softmax | {data} | 0.900 | 1 run |" in told
    both = compare([published()], [apart, record()], "R@1")
    beside, _, below = both.partition("Not comparable with published numbers")
    assert "0.726 | 0.700 (1 run, full)" in beside and "0.900" not in beside
    assert "0.900" in below and "0.726" not in below


def test_scales_are_not_averaged():
    told = compare([], [record(scale="small", value=0.5), record(scale="smoke", seed=1, value=0.9)], "R@1")
    assert "| cub200 | small | 0.500 | 1 run |" in told and "| cub200 | smoke | 0.900 | 1 run |" in told


def test_records_of_chapters_have_no_scale():
    chapter = record()
    chapter.config = {"loss": "Warped"}
    assert "| warped_softmax | cub200 | – | 0.700 | 1 run |" in compare([published()], [chapter], "R@1")


def test_the_best_epoch():
    runs = [record(seed=seed, best={"epoch": 3, "metrics": {"R@1": 0.8 + seed / 10}}) for seed in (0, 1)]
    assert "0.850 ±" in compare([published()], runs, "R@1", epoch="best")
    assert "0.700 ±" in compare([published()], runs, "R@1")
    with pytest.raises(ValueError, match="epoch must be one of 'last', 'best', found 'first'"):
        compare([], runs, "R@1", epoch="first")
    with pytest.raises(ValueError, match="seed 0, has no metrics of the best epoch"):
        compare([], [record()], "R@1", epoch="best")


def test_the_same_seed_twice():
    with pytest.raises(ValueError, match="'warped_softmax' on cub200 has two records of the same seed"):
        compare([], [record(), record(value=0.8)], "R@1")


def test_the_same_seed_of_two_names_or_benchmarks_or_scales():
    compare([], [record(), record("a"), record(benchmark="sop"), record(scale="small")], "R@1")


def test_other_settings_under_one_name():
    with pytest.raises(ValueError, match=r"differ in config \(lr, size\): compare them apart"):
        compare([], [record(seed=0), record(seed=1), record(seed=2, size=64, lr=0.1)], "R@1")


def test_other_data_under_one_name():
    changed = record(seed=1)
    changed.data["checksum"] = "sha256:2"
    with pytest.raises(ValueError, match=r"differ in data \(checksum\)"):
        compare([], [record(), changed], "R@1")


def test_a_metric_that_a_run_lacks():
    with pytest.raises(ValueError, match=r"found 'MAP@R': 'warped_softmax' on cub200, seed 0, has R@1, NMI"):
        compare([], [record()], "MAP@R")


def test_no_runs():
    with pytest.raises(ValueError, match="runs must hold at least one run record, found none"):
        compare([published()], [], "R@1")


def test_a_bar_in_a_name_does_not_break_the_table():
    assert "| a\\|b |" in compare([], [record("a|b")], "R@1")


def test_with_the_books_tables():
    """Of CUB's numbers by Recall@1 every one is a row, and two of them are what the recipe answers."""
    told = compare(read_published(TABLES), [record(value=0.72)], "R@1")
    rows = [line for line in told.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(read_published(TABLES, benchmark="cub200", measure="R@1"))
    answered = [row for row in rows if "0.720 (1 run, full)" in row]
    assert [row.split(" | ")[2] for row in answered] == ["0.718", "0.726"]

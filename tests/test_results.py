"""Published, measured, not yet run: only a full run of a recipe as it is stands beside a printed number."""

from __future__ import annotations

import argparse
import math

import pytest

from dmlkit import recipes, results
from dmlkit.command_line import train
from dmlkit.costs import Cost
from dmlkit.costs.devices import Range
from dmlkit.data import CATALOGUE
from dmlkit.published import Published, read_published
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord, estimate
from dmlkit.results import MEASURED, NO_RECIPE, NOT_RUN, Results, answers, why_not_full
from dmlkit.training.evaluation import names_of

COST = "estimated 2 to 4 h on a device"


@pytest.fixture(autouse=True)
def known_cost(monkeypatch):
    """Costs have tests of their own."""
    monkeypatch.setattr("dmlkit.costs.phrase", lambda config: f"{COST}, {config.recipe} at scale {config.scale}")


def record(name="warped_softmax", benchmark="cub200", seed=0, *, scale="full", metrics=None, best=None, **settings):
    """A run as `dmlkit.training.run` describes it, by default one that may stand beside a printed number."""
    config = recipes.recipe(name, benchmark, scale=scale, seed=seed)
    entry = CATALOGUE[config.benchmark]
    data = {
        "name": config.benchmark,
        "checksum": "sha256:1",
        "train": entry.counts["train"].images,
        "classes": entry.counts["train"].classes,
        **{split: entry.counts[split].images for split in ("test", "query", "gallery") if split in entry.counts},
        "stands in for": entry.stands_in_for,
    }
    if scale == "smoke":
        data["name"] = f"{config.benchmark} (miniature)"
    return RunRecord(
        name=config.name,
        seed=seed,
        config=to_json(config),
        data=data,
        versions={},
        device="1 × some GPU",
        metrics={"R@1": 0.7, "NMI": 0.72} if metrics is None else metrics,
        seconds=123456.0,
        best=best or {},
        code={"commit": "a" * 40, "changed": False},
        **settings,
    )


def printed(
    method="Warped-Softmax",
    value=0.726,
    measure="R@1",
    recipe="warped_softmax",
    benchmark="cub200",
    interval=None,
    note="",
):
    return Published("warped softmax", "I", benchmark, method, "R512", measure, value, interval, recipe, note)


def found(rows=(), runs=(), benchmark="cub200"):
    return Results(benchmark, tuple(rows), tuple(runs))


def cells(table, first):
    """The cells of the one row that begins with this text."""
    (line,) = [line for line in table.splitlines() if line.startswith(f"| {first}")]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


# Which run may stand beside a printed number


@pytest.mark.parametrize(
    ("name", "benchmark"),
    [
        ("warped_softmax", "cub200"),
        ("cross_entropy/euclidean", "in-shop"),
        ("silhouette/CE+Sil", "fgvc-aircraft"),
        ("reality_check/Hist/complete", "cars196"),
        ("faces", "ms1mv2"),
    ],
)
def test_a_full_run_may(name, benchmark):
    assert why_not_full(record(name, benchmark, seed=3)) == ""


def test_the_counts_that_a_run_writes_are_those_asked_for(monkeypatch):
    """`record` above and `why_not_full` could agree on a form that no real run has: here one that training made."""
    from dmlkit import training

    made = training.run(recipes.recipe("warped_softmax", "cub200", scale="smoke"), device="cpu", progress=False)
    assert set(made.data) == set(record().data)
    assert set(made.code) >= {"commit", "changed"} or made.code == {}
    in_shop = training.run(recipes.recipe("cross_entropy", "in-shop", scale="smoke"), device="cpu", progress=False)
    assert set(in_shop.data) == set(record("cross_entropy", "in-shop").data)


def altered(**parts):
    """A full run with some cells of its dictionaries replaced; None removes one."""
    run = record()
    for part, values in parts.items():
        content = {**getattr(run, part), **values}
        setattr(run, part, {name: value for name, value in content.items() if value is not None})
    return run


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        (record(stopped="the loss is not finite"), "it stopped before its end: the loss is not finite"),
        (record(scale="small"), "its scale is small"),
        (record(scale="smoke"), "its scale is smoke"),
        (altered(config={"scale": None}), "it names no scale"),
        (record(metrics={}), "it has no results"),
        (altered(config={"changes": {"batches.size": 32}}), "it departs from its recipe: batches.size=32"),
        (altered(config={"recipe": "nothing"}), "there is no recipe nothing on cub200"),
        (altered(config={"size": 200}), "its settings are not those that warped_softmax has today"),
        (altered(config={"seed": 5}), "its settings are not those that warped_softmax has today"),
        (altered(data={"name": "cub50"}), "its data is cub50, not cub200"),
        (altered(data={"name": "cub200 (miniature)"}), "its data is cub200 (miniature), not cub200"),
        (altered(data={"name": "cub50", "stands in for": "cub200"}), "its data, cub50, stands in for cub200"),
        (altered(data={"train": 5863}), "it has 5863 train images, where cub200 has 5864"),
        (altered(data={"test": 5923}), "it has 5923 test images, where cub200 has 5924"),
        (altered(data={"test": None}), "it has None test images, where cub200 has 5924"),
        (altered(data={"classes": 99}), "it has 99 training classes, where cub200 has 100"),
        (altered(data={"checksum": ""}), "its data has no checksum"),
        (altered(data={"checksum": None}), "its data has no checksum"),
        (altered(code={"commit": None}), "it does not say from which commit it ran"),
        (altered(code={"changed": True}), "its code was changed after its commit"),
        (altered(code={"changed": None}), "its code was changed after its commit"),
    ],
)
def test_any_other_run_may_not(run, reason):
    assert why_not_full(run) == reason
    # … and has no place in the table of answers, but one in the other.
    run.metrics = run.metrics and {"R@1": 0.4321}
    table = results.answers_table(found([printed()], [run]))
    assert "0.4321" not in table and MEASURED not in table
    assert [answer.state for answer in answers(found([printed()], [run]))] == [NOT_RUN]
    other = results.stand_in_table(found([printed()], [run]))
    assert ("0.432" in other) == bool(run.metrics)
    assert "0.726" not in other and "Warped-Softmax" not in other
    if run.config.get("scale") == "full":
        assert reason in other  # the row does not tell it


def test_what_validates_is_missing_from_the_training_split():
    run = record("warped_softmax/validation")
    run.data |= {"train": 2900, "classes": 50}
    assert why_not_full(run) == ""
    run.data["test"] = 2900
    assert why_not_full(run) == "it has 2900 test images, where cub200 has 5924"


# Answers


def test_a_full_run_answers():
    values = [0.71, 0.73, 0.72]
    runs = [record(seed=seed, metrics={"R@1": value}) for seed, value in enumerate(values)]
    (answer,) = answers(found([printed()], runs[::-1]))
    assert (answer.state, answer.recipe, answer.values) == (MEASURED, "warped_softmax", values)
    ours = estimate(values)
    assert cells(results.answers_table(found([printed()], runs)), "Warped-Softmax") == [
        "Warped-Softmax, R512 (W, Table I)",
        "R@1",
        "0.726",
        f"{ours.mean:.4f} ± {ours.half_width:.4f} (3 seeds, 1 × some GPU)",
        f"-0.0060 ± {ours.half_width:.4f}",
        MEASURED,
    ]


def test_one_seed_has_no_interval():
    row = cells(results.answers_table(found([printed()], [record(metrics={"R@1": 0.73})])), "Warped-Softmax")
    assert row[3:5] == ["0.7300 (1 seed, 1 × some GPU)", "+0.0040"]


def test_the_paper_s_interval_widens_the_difference():
    runs = [record(seed=seed, metrics={"R@1": value}) for seed, value in enumerate((0.70, 0.72))]
    (answer,) = answers(found([printed(interval=0.3)], runs))
    ours = estimate([0.70, 0.72])
    assert answer.difference.mean == pytest.approx(ours.mean - 0.726)
    assert answer.difference.half_width == pytest.approx(math.sqrt(ours.half_width**2 + 0.3**2))


def test_the_last_epoch_answers_and_the_best_on_test_stands_beside_it():
    def run(seed, last, top, split):
        best = {"epoch": 7, "chosen on": split, "metrics": {"R@1": top}}
        return record("cross_entropy", seed=seed, metrics={"R@1": last}, best=best)

    row = printed("Cross-Entropy", recipe="cross_entropy")
    on_test = found([row], [run(0, 0.68, 0.70, "test"), run(1, 0.69, 0.71, "test")])
    cell = cells(results.answers_table(on_test), "Cross-Entropy")[3]
    assert cell.startswith("last epoch 0.6850 ± ") and "; best epoch on test 0.7050 ± " in cell
    assert answers(on_test)[0].difference.mean == pytest.approx(0.685 - 0.726)
    for held_out in ([run(0, 0.68, 0.70, "validation")], [run(0, 0.68, 0.7, "test"), record("cross_entropy", seed=1)]):
        assert "best" not in cells(results.answers_table(found([row], held_out)), "Cross-Entropy")[3]


def test_a_measure_that_a_run_lacks_is_not_measured():
    rows = [printed(), printed(measure="NMI", value=0.746)]
    assert [answer.state for answer in answers(found(rows, [record(metrics={"R@1": 0.7})]))] == [MEASURED, NOT_RUN]


def test_another_recipe_s_run_does_not_answer():
    listed = answers(found([printed()], [record("warped_softmax/large", metrics={"R@1": 0.7})]))
    assert [(answer.state, answer.row is None) for answer in listed] == [(NOT_RUN, False), (MEASURED, True)]
    table = results.answers_table(found([printed()], [record("warped_softmax/large", metrics={"R@1": 0.7})]))
    assert cells(table, "`warped_softmax/large`")[2:5] == ["–", "0.7000 (1 seed, 1 × some GPU)", "–"]


def test_not_yet_run_says_how_and_at_what_cost():
    rows = [printed(), printed(measure="NMI", value=0.746), printed("CE", recipe="cross_entropy/euclidean", value=0.7)]
    lines = results.answers_table(found(rows)).splitlines()
    assert lines[2] == "| Warped-Softmax, R512 (W, Table I) | R@1, NMI | 0.726, 0.746 | – | – | not yet run |"
    train_command = "python -m dmlkit train cub200 --recipe {} --scale full --seeds 5 --resume"
    assert lines[-2:] == [
        f"- `{train_command.format('warped_softmax')}`: {COST}, warped_softmax at scale full",
        f"- `{train_command.format('cross_entropy --arm euclidean')}`: {COST}, cross_entropy/euclidean at scale full",
    ]


def test_without_a_recipe_a_number_is_published_only():
    rows = [printed(), printed("HIST", recipe=None), printed("HIST", recipe=None, measure="NMI")]
    assert [answer.state for answer in answers(found(rows))] == [NOT_RUN, NO_RECIPE, NO_RECIPE]
    table = results.answers_table(found(rows))
    assert table.endswith("No recipe of ours, listed as published only: 2 printed numbers (HIST).")
    assert "| HIST" not in table and "| HIST" in results.published_table(found(rows))


def test_the_same_seed_twice_is_refused():
    with pytest.raises(ValueError, match=r"'warped_softmax' on cub200 has two records of the same seed"):
        answers(found([printed()], [record(), record()]))
    other = record(seed=1)
    other.data["checksum"] = "sha256:2"
    with pytest.raises(ValueError, match="differ in data"):
        answers(found([printed()], [record(), other]))


@pytest.mark.parametrize("choice", list(recipes.all_recipes()), ids=lambda choice: f"{choice.name} {choice.benchmark}")
def test_a_command_is_one_that_train_understands(choice):
    parser = argparse.ArgumentParser()
    train.add_arguments(parser)
    words = results.command(choice.name, choice.benchmark, seeds=3).split()
    assert words[:4] == ["python", "-m", "dmlkit", "train"]
    arguments = parser.parse_args(words[4:])
    assert train.recipe_name(arguments) == choice.name
    read = (arguments.benchmark, arguments.scale, arguments.seeds, arguments.resume)
    assert read == (choice.benchmark, "full", 3, True)


# The tables


def test_published_numbers_as_printed():
    rows = [printed(value=0.7), printed("HIST", 0.714, recipe=None), printed("HIST", 0.741, "NMI", recipe=None)]
    assert results.published_table(found(rows)).splitlines() == [
        "Paper W, Table I:",
        "",
        "| method | R@1 | NMI |",
        "|---|---|---|",
        "| Warped-Softmax, R512 | 0.700 | – |",
        "| HIST, R512 | 0.714 | 0.741 |",
    ]


def test_slips_are_noted_below():
    rows = [printed("A"), printed("B", note="a slip"), printed("C", note="a slip"), printed("D", note="another")]
    lines = results.published_table(found(rows)).splitlines()
    assert lines[4:8] == [
        "| A, R512 | 0.726 |",
        "| B, R512 | 0.726 [1] |",
        "| C, R512 | 0.726 [1] |",
        "| D, R512 | 0.726 [2] |",
    ]
    assert lines[8:] == ["", "[1] a slip", "", "[2] another"]


def test_many_measures_stand_below_each_other():
    rows = [printed(measure=f"R@{k}", value=0.7) for k in range(1, 9)]
    lines = results.published_table(found(rows)).splitlines()
    assert lines[2] == "| measure | Warped-Softmax, R512 |" and lines[4] == "| R@1 | 0.70 |"


def test_asterisks_and_bars_stay_what_they_are():
    table = results.published_table(found([printed("row 6 ****"), printed("a|b")]))
    assert "row 6 \\*\\*\\*\\*, R512" in table and "a\\|b" in table


def test_stand_ins_have_a_table_of_their_own():
    runs = [record(scale="small", seed=seed, metrics={"R@1": 0.5 + seed / 10, "R@2": 0.9}) for seed in range(3)]
    table = results.stand_in_table(found([printed()], runs))
    assert table.startswith("Not comparable with any published number")
    ours = estimate([0.5, 0.6, 0.7])
    row = ["`warped_softmax`", "cub50, for cub200", "small", "R@1", str(ours), "3", "1 × some GPU"]
    assert cells(table, "`warped_softmax`") == row
    assert "123456" not in table and "seconds" not in table  # some machines were shared
    assert results.stand_in_table(found([printed()], [record()])) == (
        "No run on a stand-in or at a smaller scale is recorded for cub200."
    )


def test_a_run_that_diverged_is_told_of():
    table = results.stand_in_table(found([], [record(scale="small", seed=4, metrics={}, stopped="not finite")]))
    assert table.endswith("- `warped_softmax`, seed 4: it stopped before its end: not finite.")


def test_nothing_at_all():
    assert results.answers_table(found()) == "Neither a printed number nor a full run on cub200."
    assert results.published_table(found()) == "No paper of this book prints a number on cub200."


# Reading


def test_stand_ins_and_miniatures_are_read_with_their_benchmark(tmp_path):
    for k, run in enumerate([record(), record(scale="small"), record(scale="smoke"), record(benchmark="sop")]):
        run.save(tmp_path / str(k) / "record.json")
    read = results.read("cub200", runs=tmp_path)
    assert [run.data["name"] for run in read.runs] == ["cub200", "cub50", "cub200 (miniature)"]
    assert {row.benchmark for row in read.published} == {"cub200"}
    assert "sop" in results.benchmarks(runs=tmp_path) and "fashion-mnist" not in results.benchmarks(runs=tmp_path)


def test_benchmarks_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"benchmark must be no stand-in, found 'cub50': read 'cub200'"):
        results.read("cub50")
    with pytest.raises(ValueError, match="no data set named 'cub'"):
        results.read("cub")
    with pytest.raises(ValueError, match="found no folder"):
        results.read("cub200", runs=tmp_path / "nothing")


def test_every_recipe_that_a_row_names_measures_it(root):
    """Otherwise a full run would leave the row as it is for ever."""
    rows = [row for row in read_published(root / "book" / "published") if row.recipe is not None]
    assert len(rows) > 100
    for row in rows:
        how = recipes.recipe(row.recipe, row.benchmark).evaluation
        assert how.validation is None, row
        measured = {name for measure in how.measures for name in names_of(measure, how.ks)}
        measured |= {f"{pairs} accuracy" for pairs in how.verification}
        assert row.measure in measured, row


def test_one_number_of_many_is_answered(root):
    """Of the book's own tables: a run changes the rows of its recipe and no others."""
    rows = read_published(root / "book" / "published", benchmark="cub200")
    before = [answer.state for answer in answers(found(rows))]
    run = record("euclidean_softmax", metrics={"R@1": 0.6, "R@2": 0.7, "R@4": 0.8, "NMI": 0.9})
    after = answers(found(rows, [run]))
    assert len(after) == len(before)
    changed = [answer for answer, state in zip(after, before, strict=True) if answer.state != state]
    assert [(a.row.method, a.measure, a.values) for a in changed] == [
        ("Softmax (Eq. 4)", "R@1", [0.6]),
        ("Softmax (Eq. 4)", "R@2", [0.7]),
        ("Softmax (Eq. 4)", "R@4", [0.8]),
        ("Softmax (Eq. 4)", "NMI", [0.9]),
    ]


# All benchmarks


def test_overview_counts_and_adds_up(monkeypatch):
    def cost(device, low, high, fits=True):
        return Cost(device, Range(low, high), 11.0, fits, "arithmetic")

    def estimated(config):
        large = config.recipe == "warped_softmax/large"
        return (cost("T4", 9000, 9999), cost("A100", 60, 120, fits=not large), cost("H100", 600, 1200))

    monkeypatch.setattr("dmlkit.costs.estimate", estimated)
    cub = found(
        [printed(), printed(measure="NMI"), printed("HIST", recipe=None), printed("CE", recipe="cross_entropy")],
        [record(metrics={"R@1": 0.7, "NMI": 0.7}), record(scale="small"), record(scale="smoke")],
    )
    large = found([printed(recipe="warped_softmax/large", benchmark="sop")], benchmark="sop")
    lines = results.overview_table([cub, large, found(benchmark="digits")]).splitlines()
    head = (
        "| benchmark | printed | with a recipe | measured | not yet run | not comparable runs | missing: 5 seeds each, "
    )
    assert lines[0].startswith(head)
    assert lines[2:] == [
        "| cub200 | 4 | 3 | 2 | 1 | 2 | 5–10 h |",
        "| sop | 1 | 1 | 0 | 1 | 0 | 2.1–4.2 days |",  # too large for the A100: on an H100
        "| digits | 0 | 0 | 0 | 0 | 0 | – |",
        "| **all** | 5 | 4 | 2 | 2 | 2 | 2.3–4.6 days |",
    ]
    with pytest.raises(ValueError, match="all_results must hold at least one benchmark, found none"):
        results.overview_table([])

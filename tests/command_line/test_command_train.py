"""`train`, `evaluate` and `compare`: real smoke runs, and a `run` that only notes how it was called."""

import json
import re

import pytest

from dmlkit.command_line import main
from dmlkit.command_line.train import LOSSES
from dmlkit.data import CATALOGUE
from dmlkit.recipes import all_recipes
from dmlkit.recipes.config import SCALES, to_json
from dmlkit.records import RunRecord, estimate

CALL = ["train", "cub200", "--recipe", "warped_softmax", "--scale", "smoke"]


@pytest.fixture
def calls(monkeypatch):
    """`run` replaced by one that notes its arguments; what it returns depends on the seed."""
    noted = []

    def run(config, **options):
        noted.append((config, options))
        metrics = {"R@1": 0.5 + config.seed / 10, "R@2": 0.9, "NMI": 0.4}
        data = {"name": f"{config.benchmark} (miniature)"}
        return RunRecord(config.name, config.seed, to_json(config), data, {}, "cpu", metrics=metrics, seconds=2.4)

    monkeypatch.setattr("dmlkit.training.run", run)
    return noted


def folders(calls, root):
    return [options["folder"].relative_to(root).as_posix() for _, options in calls]


def test_seeds_folders_and_lines(calls, tmp_path, capsys):
    assert main([*CALL, "--seeds", "3", "--runs", str(tmp_path)]) == 0
    assert [config.seed for config, _ in calls] == [0, 1, 2]
    assert folders(calls, tmp_path) == [f"cub200/warped_softmax-smoke/seed-{k}" for k in range(3)]
    lines = capsys.readouterr().out.splitlines()
    record = tmp_path / "cub200" / "warped_softmax-smoke" / "seed-1" / "record.json"
    assert lines[1] == f"seed 1: R@1 0.600, NMI 0.400, 2 s, {record}"
    assert lines[3:] == [
        f"3 seeds: R@1 {estimate([0.5, 0.6, 0.7])}, NMI 0.400 ± 0.000 (mean ± 95 % interval)",
        "cub200 (miniature) at scale smoke: not comparable with published numbers",
    ]


def test_one_seed_by_default(calls, tmp_path, capsys):
    assert main([*CALL, "--runs", str(tmp_path)]) == 0
    assert main([*CALL, "--runs", str(tmp_path), "--seed", "7"]) == 0
    assert [config.seed for config, _ in calls] == [0, 7]
    assert "mean" not in capsys.readouterr().out


def test_a_full_run_is_not_called_incomparable(calls, tmp_path, capsys):
    assert main([*CALL[:-1], "full", "--runs", str(tmp_path)]) == 0
    assert "not comparable" not in capsys.readouterr().out


def test_what_is_handed_to_run(calls, tmp_path):
    words = ["--resume", "--root", "data", "--device", "cpu", "--workers", "2", "--compile", "--runs", str(tmp_path)]
    assert main([*CALL, *words]) == 0
    (config, options), *_ = calls
    assert (config.recipe, config.benchmark, config.scale) == ("warped_softmax", "cub200", "smoke")
    del options["folder"]
    assert options == {
        "root": "data",
        "resume": True,
        "device": "cpu",
        "workers": 2,
        "compile": True,
        "progress": False,  # the captured stderr is no terminal
    }
    assert main([*CALL, "--runs", str(tmp_path)]) == 0
    assert (calls[1][1]["resume"], calls[1][1]["device"], calls[1][1]["compile"]) == (False, None, False)


def test_arms(calls, tmp_path):
    words = ["train", "cifar10", "--recipe", "silhouette", "--arm", "CE+Sil", "--scale", "smoke"]
    assert main([*words, "--runs", str(tmp_path)]) == 0
    assert main(["train", "sop", "--loss", "cos_face", "--scale", "smoke", "--runs", str(tmp_path)]) == 1
    assert main(["train", "cub200", "--loss", "cos_face", "--scale", "smoke", "--runs", str(tmp_path)]) == 0
    assert [config.recipe for config, _ in calls] == ["silhouette/CE+Sil", "reality_check/CosFace"]
    assert folders(calls, tmp_path) == [
        "cifar10/silhouette-CE+Sil-smoke/seed-0",
        "cub200/reality_check-CosFace-smoke/seed-0",
    ]


def test_other_values_than_the_recipes(calls, tmp_path):
    words = ["--set", "batches.size=6", "--set", "batches.classes=null", "--set", "evaluation.distance=cosine"]
    assert main([*CALL, *words, "--runs", str(tmp_path)]) == 0
    (config, _), *_ = calls
    assert (config.batches.size, config.batches.classes, config.evaluation.distance) == (6, None, "cosine")
    name = "warped_softmax-smoke,batches.size=6,batches.classes=null,evaluation.distance=cosine"
    assert folders(calls, tmp_path) == [f"cub200/{name}/seed-0"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "batches.size"], "--set must be PATH=VALUE, found 'batches.size'"),
        (["--set", "=3"], "--set must be PATH=VALUE, found '=3'"),
        (["--set", "batches.size=3", "--set", "batches.size=4"], "--set names batches.size twice"),
        (["--set", "batch.size=3"], "did you mean batches.size"),
        (["--set", "batches.size=few"], "batches.size must be a whole number, found 'few'"),
    ],
)
def test_what_cannot_be_set_is_said_before_any_run(calls, tmp_path, capsys, words, said):
    assert main([*CALL, *words, "--runs", str(tmp_path)]) == 1
    assert said in capsys.readouterr().err and not calls


def test_a_loss_takes_the_first_recipe_that_knows_the_benchmark(calls, tmp_path):
    for benchmark in ("cub200", "cifar10"):
        assert main(["train", benchmark, "--loss", "cross_entropy", "--scale", "smoke", "--runs", str(tmp_path)]) == 0
    assert [config.recipe for config, _ in calls] == ["cross_entropy", "silhouette/CE"]


def test_every_loss_has_a_recipe_that_exists():
    known = {choice.name for choice in all_recipes()}
    for names in LOSSES.values():
        assert set(names) <= known
    assert set(SCALES) == {"smoke", "small", "full"}  # as the parser has them


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["cub20", "--loss", "warped_softmax"], "no recipe trains with warped_softmax on 'cub20': .* cars196, cub200"),
        (["cub200", "--recipe", "warped"], "did you mean 'warped_softmax'"),
        (["cub20", "--recipe", "warped_softmax"], "did you mean 'cub200'"),
        (["cub200", "--recipe", "warped_softmax", "--arm", "larg"], "did you mean 'large'"),
        (["cub200", "--loss", "warped_softmax", "--arm", "large"], "--arm goes with --recipe"),
        (["cub200", "--loss", "warped_softmax", "--device", "gpu"], "device 'gpu' cannot be used here"),
    ],
)
def test_what_cannot_be_is_said_before_any_run(words, said, calls, tmp_path, capsys):
    assert main(["train", *words, "--scale", "smoke", "--runs", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1
    assert re.search(said, captured.err)
    assert calls == [] and list(tmp_path.iterdir()) == []


# real runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two seeds of a smoke run; tests read them only."""
    folder = tmp_path_factory.mktemp("runs")
    assert main([*CALL, "--seeds", "2", "--runs", str(folder), "--device", "cpu"]) == 0
    return folder


def test_kept_runs(runs):
    for seed in (0, 1):
        folder = runs / "cub200" / "warped_softmax-smoke" / f"seed-{seed}"
        assert sorted(path.name for path in folder.iterdir()) == ["record.json", "weights.pt"]
        assert RunRecord.load(folder / "record.json").seed == seed


def test_again_only_with_resume(runs, capsys):
    again = [*CALL, "--runs", str(runs), "--device", "cpu"]
    assert main(again) == 1
    assert "holds a run already" in capsys.readouterr().err
    record = runs / "cub200" / "warped_softmax-smoke" / "seed-0" / "record.json"
    before = record.stat().st_mtime_ns, record.read_bytes()
    assert main([*again, "--seeds", "2", "--resume"]) == 0
    assert "2 seeds: R@1" in capsys.readouterr().out
    assert (record.stat().st_mtime_ns, record.read_bytes()) == before


def test_compare_what_was_trained(runs, capsys):
    assert main(["compare", str(runs)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Not comparable with published numbers")
    assert "| warped_softmax | cub200 (miniature) | smoke |" in told and "| 2 runs |" in told
    assert main(["compare", str(runs), "--metric", "NMI"]) == 0
    assert "| method | data | scale | NMI | from |" in capsys.readouterr().out


def test_evaluate_agrees_to_the_last_bit(runs, capsys):
    assert main(["evaluate", str(runs), "--tolerance", "0", "--device", "cpu"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.endswith("the record agrees") and "R@1" in line for line in lines)


@pytest.fixture
def copy(runs, tmp_path):
    """One run of its own, to be spoilt."""
    source = runs / "cub200" / "warped_softmax-smoke" / "seed-0"
    for path in source.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def edit(folder, change):
    content = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    change(content)
    (folder / "record.json").write_text(json.dumps(content), encoding="utf-8")


def test_evaluate_finds_a_wrong_record(copy, capsys):
    edit(copy, lambda content: content["metrics"].update({"R@1": 0.125, "R@16": 0.5}))
    assert main(["evaluate", str(copy), "--device", "cpu"]) == 1
    captured = capsys.readouterr()
    assert captured.out.endswith("the record does not agree\n")
    said = captured.err.splitlines()
    assert said[0].startswith("  R@1: the record says 0.125, the weights give ")
    assert said[1] == "  R@16: the record says 0.5, the weights give None"
    assert len(said) == 2


def test_evaluate_tolerates_what_it_is_told_to(copy, capsys):
    edit(copy, lambda content: content["metrics"].update({"NMI": content["metrics"]["NMI"] - 0.01}))
    assert main(["evaluate", str(copy), "--device", "cpu"]) == 1
    assert main(["evaluate", str(copy), "--device", "cpu", "--tolerance", "0.02"]) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda content: content["config"].update(seed=5), "belongs to a run with other settings"),
        (lambda content: content["config"].update(colour="blue"), "Config has no field 'colour'"),
        (lambda content: content["data"].update(checksum="sha256:0"), "was made on other data"),
    ],
)
def test_evaluate_refuses_what_does_not_belong_together(change, said, copy, capsys):
    edit(copy, change)
    assert main(["evaluate", str(copy), "--device", "cpu"]) == 1
    told = capsys.readouterr().err
    assert said in told and told.count("\n") == 1


def test_evaluate_without_weights_or_records(copy, tmp_path, capsys):
    (copy / "weights.pt").unlink()
    assert main(["evaluate", str(copy)]) == 1
    assert "weights.pt" in capsys.readouterr().err
    (copy / "record.json").unlink()
    assert main(["evaluate", str(copy)]) == 1
    assert "no record.json in" in capsys.readouterr().err


def test_evaluate_after_a_linear_probe(tmp_path, capsys):
    """The losses that are measured are those of the last phase that has its own."""
    words = ["train", "cifar10", "--recipe", "silhouette", "--arm", "SupCon", "--scale", "smoke", "--device", "cpu"]
    assert main([*words, "--runs", str(tmp_path)]) == 0
    assert main(["evaluate", str(tmp_path), "--tolerance", "0", "--device", "cpu"]) == 0
    assert "top-1" in capsys.readouterr().out


def test_compare_with_published_numbers(tmp_path, capsys):
    """Metrics differ between the runs; each is compared by those that it has."""
    for recipe, benchmark, metric in (("warped_softmax", "cub200", "R@1"), ("silhouette/CE", "cifar10", "top-1")):
        config = {"recipe": recipe, "benchmark": benchmark, "scale": "full", "seed": 0}
        data = {"name": benchmark, "stands in for": None}
        record = RunRecord(recipe, 0, config, data, {}, "cuda", metrics={metric: 0.5}, best={"metrics": {metric: 0.6}})
        record.save(tmp_path / benchmark / "record.json")
    (tmp_path / "table.csv").write_text(
        "paper,table,benchmark,method,setting,measure,value,interval,recipe,note\n"
        "silhouette,1,cifar10,CE,,top-1,0.8391,,silhouette/CE,\n",
        encoding="utf-8",
    )
    assert main(["compare", str(tmp_path), "--published", str(tmp_path / "table.csv")]) == 0
    told = capsys.readouterr().out
    assert "| CE | silhouette, Table 1 | 0.8391 | 0.500 (1 run, full) |" in told
    assert "| warped_softmax | – | – | 0.500 (1 run, full) |" in told
    assert main(["compare", str(tmp_path), "--best"]) == 0
    assert "| 0.600 (1 run, full) |" in capsys.readouterr().out


def test_compare_tells_which_runs_stopped(tmp_path, capsys):
    """They have no metrics, and are no reason to say nothing of the others."""
    for seed, stopped in ((0, ""), (1, "the loss is not finite")):
        record = RunRecord("a", seed, {"scale": "small"}, {"name": "x"}, {}, "cpu", stopped=stopped)
        record.metrics = {} if stopped else {"R@1": 0.5, "MAP@R": 0.25, "R@2": 0.75}
        record.save(tmp_path / str(seed) / "record.json")
    assert main(["compare", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "| a | x | small | 0.500 | 1 run |" in told and "| a | x | small | 0.250 | 1 run |" in told
    assert "0.75" not in told and "a, seed 1: stopped, the loss is not finite" in told


def test_compare_without_records(tmp_path, capsys):
    assert main(["compare", str(tmp_path)]) == 1
    assert "no record.json and no study below" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "nothing")]) == 1
    assert "found no folder" in capsys.readouterr().err


def test_benchmarks_of_the_recipes_are_in_the_catalogue():
    assert {choice.benchmark for choice in all_recipes()} <= set(CATALOGUE)

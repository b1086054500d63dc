"""`run_recipes`: names × seeds in order, each run in the folder that the command line would use; finished ones read."""

import doctest
import importlib

import pytest

from dmlkit.recipes import recipe
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord
from dmlkit.training import run_folder, run_recipes

# The package shows the function `run` where its module would be.
several = importlib.import_module("dmlkit.training.several")


@pytest.fixture
def calls(monkeypatch):
    """`run` replaced by one that notes its arguments."""
    noted = []

    def run(config, **options):
        noted.append((config, options))
        return RunRecord(config.name, config.seed, to_json(config), {}, {}, "cpu")

    monkeypatch.setattr(several, "run", run)
    return noted


def test_order_folders_and_options(calls, tmp_path):
    names = ["warped_softmax", "reality_check/CosFace"]
    records = run_recipes(names, "cub200", scale="small", seeds=(0, 3), runs=tmp_path, device="cpu", workers=2)
    expected = [(name, seed) for name in names for seed in (0, 3)]
    assert [(record.name, record.seed) for record in records] == expected
    assert [config for config, _ in calls] == [recipe(n, "cub200", scale="small", seed=k) for n, k in expected]
    assert [options.pop("folder").relative_to(tmp_path).as_posix() for _, options in calls] == [
        "cub200/warped_softmax-small/seed-0",
        "cub200/warped_softmax-small/seed-3",
        "cub200/reality_check-CosFace-small/seed-0",
        "cub200/reality_check-CosFace-small/seed-3",
    ]
    assert all(options == {"resume": True, "device": "cpu", "workers": 2} for _, options in calls)


def test_one_seed_and_nothing_kept_by_default(calls):
    run_recipes(["silhouette/CE"], "cifar10", scale="smoke")
    [(config, options)] = calls
    assert config.seed == 0 and options == {"folder": None, "resume": True}


def test_seeds_from_an_iterator_serve_every_recipe(calls):
    run_recipes(["silhouette/CE", "silhouette/Center"], "cifar10", scale="smoke", seeds=iter([1, 2]))
    assert [config.seed for config, _ in calls] == [1, 2, 1, 2]


def test_what_cannot_be_is_said_before_the_first_run(calls):
    with pytest.raises(ValueError, match="did you mean .CE."):
        run_recipes(["silhouette/CE", "silhouette/CEE"], "cifar10", scale="smoke")
    with pytest.raises(TypeError, match=r"^names must be a list of recipes, found the string 'silhouette/CE'$"):
        run_recipes("silhouette/CE", "cifar10", scale="smoke")
    assert not calls


def test_a_finished_run_is_read_and_the_command_line_finds_it(tmp_path, monkeypatch, capsys):
    def again():
        return run_recipes(["silhouette/CE"], "cifar10", scale="smoke", runs=tmp_path, device="cpu", progress=False)

    [first] = again()
    kept = run_folder(tmp_path, "cifar10", recipe("silhouette/CE", "cifar10", scale="smoke")) / "record.json"
    assert RunRecord.load(kept) == first
    written = kept.stat().st_mtime_ns
    [second] = again()
    assert second == first and kept.stat().st_mtime_ns == written  # its seconds too: nothing was trained

    from dmlkit.command_line import main

    words = ["train", "cifar10", "--recipe", "silhouette/CE", "--scale", "smoke", "--device", "cpu", "--resume"]
    assert main([*words, "--runs", str(tmp_path)]) == 0
    assert str(kept) in capsys.readouterr().out and kept.stat().st_mtime_ns == written


def test_docstrings():
    done = doctest.testmod(several)
    assert done.attempted and not done.failed

"""Another value at a place of a config: where it may stand, of what kind, and what the run is then called."""

import json

import pytest

from dmlkit.recipes import changed, recipe
from dmlkit.recipes.changes import paths, replace_at
from dmlkit.recipes.config import from_json, to_json

CONFIG = recipe("reality_check", "cub200", scale="smoke")
LR, ALPHA = "phases.0.optimizer.lr", "loss.0.options.alpha"


@pytest.mark.parametrize(
    ("path", "value", "found"),
    [
        (LR, 0.5, lambda config: config.phases[0].optimizer.lr),
        ("phases.1.epochs", 7, lambda config: config.phases[1].epochs),
        (ALPHA, 0.25, lambda config: config.loss[0].options["alpha"]),
        ("loss.0.options.reduction", "sum", lambda config: config.loss[0].options["reduction"]),  # a default so far
        ("phases.1.loss_options.0.1.0.r", 9.0, lambda config: config.phases[1].loss_options[0][1][0]["r"]),
        ("network.dropout", 0.1, lambda config: config.network.dropout),
        ("precision", "bfloat16", lambda config: config.precision),
    ],
)
def test_replace_at(path, value, found):
    before = to_json(CONFIG)
    new = replace_at(CONFIG, path, value)
    assert found(new) == value
    assert to_json(CONFIG) == before
    assert from_json(to_json(new)) == new
    assert new.fingerprint != CONFIG.fingerprint
    if "reduction" not in path:
        assert replace_at(new, path, found(CONFIG)) == CONFIG  # nothing else has changed


def test_every_path_can_be_replaced():
    for path in paths(CONFIG):
        if path not in ("scale", "evaluation.fold"):
            assert replace_at(CONFIG, path, "another").fingerprint != CONFIG.fingerprint, path


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("phases.0.optimizer.rl", r"no value at 'phases\.0\.optimizer\.rl': did you mean .*phases\.0\.optimizer\.lr"),
        ("loss.0.options.alhpa", r"did you mean loss\.0\.options\.alpha"),
        ("phases.2.optimizer.lr", r"did you mean .*phases\.1\.optimizer\.lr"),
        ("phases.0.optimizer", "no value at 'phases.0.optimizer'"),  # many values, not one
        ("loss.0.options.num_classes", "no value at"),  # the run's, not the user's
        ("ours.scale", "no value at"),
        ("", "no value at ''$"),
    ],
)
def test_unknown_paths(path, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace_at(CONFIG, path, 0.1)
    with pytest.raises(ValueError, match=sentence):
        changed(CONFIG, {path: 0.1})


def test_changes_are_remembered_in_name_folder_and_json():
    new = changed(changed(CONFIG, {"batches.classes": None, "batches.size": 6}), {"evaluation.distance": "cosine"})
    assert (new.batches.classes, new.batches.size, new.evaluation.distance) == (None, 6, "cosine")
    assert new.name == "reality_check/WarpedSoftmax, batches.classes=null, batches.size=6, evaluation.distance=cosine"
    assert (
        new.folder == "reality_check-WarpedSoftmax-smoke,batches.classes=null,batches.size=6,evaluation.distance=cosine"
    )
    assert from_json(json.loads(json.dumps(to_json(new)))) == new
    assert changed(recipe("reality_check", "cub200", scale="smoke"), new.changes) == new
    assert CONFIG.changes == {} and (CONFIG.name, CONFIG.folder) == (
        "reality_check/WarpedSoftmax",
        "reality_check-WarpedSoftmax-smoke",
    )


def test_a_config_as_its_recipe_has_it_is_written_as_ever():
    assert "changes" not in to_json(CONFIG)
    assert changed(CONFIG, {}) == CONFIG


def test_the_same_setting_by_another_way_is_another_run():
    """A run is what its name says: a recipe's own value that was asked for by name stands under that name."""
    same = changed(CONFIG, {"batches.size": CONFIG.batches.size})
    assert same.fingerprint != CONFIG.fingerprint and same.batches == CONFIG.batches


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("batches.size", "32", "batches.size must be a whole number, found '32'"),
        ("batches.size", 32.0, "batches.size must be a whole number, found 32.0"),
        ("batches.size", True, "batches.size must be a whole number, found True"),
        ("batches.size", None, "batches.size must be a whole number, found None"),
        ("batches.classes", "two", "batches.classes must be a whole number or null, found 'two'"),
        (LR, False, f"{LR} must be a number, found False"),
        ("network.frozen_batch_norm", 1, "network.frozen_batch_norm must be true or false, found 1"),
        ("transforms", 3, "transforms must be a word, found 3"),
        (ALPHA, "half", f"{ALPHA} must be a number, found 'half'"),
        ("seed", 3, "seed is chosen when the config is made"),
        ("benchmark", "sop", "benchmark is chosen when the config is made"),
        ("changes.seed", 3, "no value at 'changes.seed'"),
    ],
)
def test_a_change_of_the_wrong_kind_is_refused(path, value, sentence):
    with pytest.raises(ValueError, match=sentence):
        changed(CONFIG, {path: value})


def test_a_whole_number_does_for_a_number():
    assert changed(CONFIG, {LR: 1, ALPHA: 1}).phases[0].optimizer.lr == 1

"""Settings in words: everything that differs is in the table, what is shared is told once."""

from __future__ import annotations

import doctest

import pytest

from dmlkit.recipes import all_recipes, choices, overview, recipe, settings_table


def columns(table):
    return [cell.strip() for cell in table.splitlines()[2].strip("|").split("|")]


def test_what_differs_and_what_is_shared():
    found = settings_table({name: recipe(name, "cub200") for name in ("warped_softmax", "euclidean_softmax")})
    assert columns(found) == ["", "loss"]
    assert found.startswith("All: network resnet50, from ImageNet; pixels 224; embedding 512 numbers; ")
    assert "batch 8 classes × 8" in found and "rate 0.01, then 0.001" in found and "epochs 20 + 30" in found
    assert "| euclidean_softmax | EuclideanSoftmax |" in found


def test_one_config_is_a_sentence():
    found = settings_table({"faces": recipe("faces", "ms1mv2")})
    assert found.startswith("It: network iresnet100, from scratch; loss 10 × WarpedSoftmax; ") and "\n" not in found


def test_none_is_refused():
    with pytest.raises(ValueError, match="configs must hold at least one, found none"):
        settings_table({})


def test_every_recipe_can_be_told():
    for choice in all_recipes():
        assert settings_table({choice.name: recipe(choice.name, choice.benchmark)})


def test_each_choice_is_told_once_and_none_is_lost():
    configs = {name: recipe(name, "cub200") for name in ("warped_softmax", "euclidean_softmax", "proxy_anchor")}
    found = " ".join(choices(configs).split())
    for config in configs.values():
        for place, why in config.ours.items():
            assert " ".join(f"{place}: {why.removeprefix('ours: ')}".split()) in found
    assert max(map(len, choices(configs).splitlines())) <= 76
    assert found.count("after each epoch") == 1  # two recipes choose it alike


def test_examples_of_overview():
    assert doctest.testmod(overview).failed == 0

"""Every recipe, with each of its arms, on the miniature of each of its benchmarks: the whole run, in seconds."""

import math

import pytest

from dmlkit.recipes import all_recipes, recipe
from dmlkit.training import run


@pytest.mark.parametrize("choice", list(all_recipes()), ids=lambda choice: f"{choice.name} on {choice.benchmark}")
def test_smoke(choice):
    config = recipe(choice.name, choice.benchmark, scale="smoke")
    record = run(config, progress=False, device="cpu")
    assert len(record.curves["loss"]) == config.epochs
    assert all(map(math.isfinite, record.curves["loss"]))
    assert record.metrics and all(map(math.isfinite, record.metrics.values()))
    assert record.data["name"] == f"{choice.benchmark} (miniature)"

"""Curves of runs: what is drawn is what the records hold, and a probe's loss is not drawn beside another."""

from __future__ import annotations

import re
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pytest

from dmlkit.recipes import recipe
from dmlkit.recipes.config import to_json
from dmlkit.records import RunRecord, estimate
from dmlkit.results import Results, loss_picture, pictures, recorded_picture


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are made, before they become pictures."""
    figures = []
    monkeypatch.setattr(pictures, "picture", lambda figure, alt: figures.append(figure) or alt)
    yield figures
    plt.close("all")


def record(name, seed, loss, scale="small", data="cub50", **curves):
    config = to_json(recipe(name, "cub200", scale=scale, seed=seed))
    made = {"loss": loss, "evaluated after epoch": list(range(1, len(loss) + 1)), **curves}
    return RunRecord(name, seed, config, {"name": data}, {}, "cpu", curves=made, metrics={"R@1": 0.5})


def lines(figure, panel=0):
    return {line.get_label(): line.get_ydata() for line in figure.axes[panel].get_lines()}


def test_losses_are_shares_of_their_first_and_means_over_seeds(drawn):
    runs = [record("cross_entropy", 0, [4.0, 2.0]), record("cross_entropy", 1, [2.0, 1.5])]
    alt = loss_picture([*runs, record("warped_softmax", 0, [10.0, 5.0])])
    found = lines(drawn[0])
    assert list(found["cross_entropy"]) == pytest.approx([1, (0.5 + 0.75) / 2])
    assert list(found["warped_softmax"]) == pytest.approx([1, 0.5])
    assert "cross_entropy, warped_softmax" in alt and "small" in alt


def test_the_curve_ends_where_a_probe_begins(drawn):
    config = recipe("silhouette/SupCon", "cifar10", scale="smoke")
    epochs = [phase.epochs for phase in config.phases]
    assert len(epochs) == 2
    run = RunRecord("silhouette/SupCon", 0, to_json(config), {}, {}, "cpu", curves={"loss": [1.0] * sum(epochs)})
    loss_picture([run])
    assert len(lines(drawn[0])["SupCon"]) == epochs[0]


def test_recorded_curves_with_their_interval(drawn):
    rows = np.array([[0.4, 0.5, 0.6], [0.5, 0.5, 0.7], [0.3, 0.6, 0.6]])
    runs = [record("cross_entropy", seed, [3, 2, 1], **{"R@1": row.tolist()}) for seed, row in enumerate(rows)]
    other = record("cross_entropy", 0, [3, 2, 1], scale="full", data="cub200", **{"R@1": [0.1, 0.2, 0.3]})
    alt = recorded_picture(Results("cub200", (), (*runs, other)), "R@1")
    assert "cub50, small; cub200, full" in alt
    assert list(lines(drawn[0])["cross_entropy (3)"]) == pytest.approx(rows.mean(axis=0))
    assert list(lines(drawn[0], 1)["cross_entropy (1)"]) == [0.1, 0.2, 0.3]
    (band,) = drawn[0].axes[0].collections
    low, high = band.get_paths()[0].vertices[:, 1].min(), band.get_paths()[0].vertices[:, 1].max()
    spread = [estimate(column) for column in rows.T]
    assert low == pytest.approx(min(e.mean - e.half_width for e in spread))
    assert high == pytest.approx(max(e.mean + e.half_width for e in spread))
    assert not drawn[0].axes[1].collections  # one seed has no interval


def test_a_recipe_keeps_its_colour(drawn):
    runs = [record("cross_entropy", 0, [3, 2], **{"R@1": [0.4, 0.5]})]
    recorded_picture(Results("cub200", (), tuple(runs)), "R@1", order=("warped_softmax", "cross_entropy"))
    assert drawn[0].axes[0].get_lines()[0].get_color() == pictures.PALETTE[1]


def test_without_curves_there_is_a_sentence(drawn):
    stopped = replace(record("cross_entropy", 0, [3, 2], **{"R@1": [0.4, 0.5]}), metrics={})
    found = recorded_picture(Results("cub200", (), (stopped,)), "R@1")
    assert re.fullmatch(r"No recorded run on cub200 has a curve of R@1 yet\.", found._repr_markdown_())
    assert drawn == []
    with pytest.raises(ValueError, match="records must hold at least one, found none"):
        loss_picture([])

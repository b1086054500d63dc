"""The protocol of the fair comparison: the same for every loss, repeatable, blind to the test split."""

from __future__ import annotations

import doctest
import inspect
import json
from dataclasses import replace

import pytest
import torch

from dmlkit import comparison, losses, metrics
from dmlkit.comparison import CANDIDATES, FAMILIES, MEASURES, Protocol, Rows, candidates, course, draw, features
from dmlkit.comparison import protocol as protocol_module
from dmlkit.comparison.protocol import embedded, measured, standardised, train_head, validation_scores
from dmlkit.data.errors import DataError
from dmlkit.search.space import LogUniform

SHORT = Protocol(embedding_dim=8, steps=6, batch=12, classes=3, trials=2, folds=2, seeds=2)


def clusters(seed=0, classes=6, width=16):
    """Rows of classes that differ in four of the numbers; the others are noise."""
    generator = torch.Generator().manual_seed(seed)
    centers = torch.zeros(2 * classes, width)
    centers[:, :4] = 2 * torch.randn(2 * classes, 4, generator=generator)
    rows = centers.repeat_interleave(10, dim=0) + torch.randn(20 * classes, width, generator=generator)
    labels = torch.arange(classes).repeat_interleave(10)
    return Rows("clusters", rows[: 10 * classes], labels, rows[10 * classes :], labels, "made for this test")


@pytest.fixture(scope="module")
def data():
    return clusters()


@pytest.fixture(scope="module")
def on(data):
    return course(data, SHORT)


# Not compared, and why: bases and helpers, or covered by another of the same function.
LEFT_OUT = {
    "CrossEntropy": "has no classifier: it takes logits",
    "MonotoneSoftmax": "a family: the function's own chapter compares its members",
    "PairwiseCrossEntropy": "its classifier is not fitted; the fitted one is compared",
    "WeightedSum": "a sum of others",
    "Center": "compared beside cross-entropy: alone it collapses",
}


def test_every_loss_is_compared_or_its_absence_has_a_reason():
    modules = {name for name in losses.__all__ if inspect.isclass(getattr(losses, name))}
    alone = {next(iter(found.terms)) for found in CANDIDATES.values() if len(found.terms) == 1}
    assert modules == alone | set(LEFT_OUT) and not alone & set(LEFT_OUT)
    assert {found.family for found in CANDIDATES.values()} == set(FAMILIES)


@pytest.mark.parametrize("name", CANDIDATES)
def test_every_candidate_trains_at_the_ends_of_its_ranges(on, name):
    """No range holds a value that the loss refuses; what diverges says so."""
    candidate = CANDIDATES[name]
    ends = [
        {option: getattr(among, end) for option, among in {**candidates.RATES, **candidate.space}.items()}
        for end in ("low", "high")
    ]
    for settings in (draw(candidate, 0), draw(candidate, 1), *ends):
        try:
            head = train_head(on.whole, candidate, settings, SHORT)
            assert embedded(head, on.test).shape == (len(on.test), SHORT.embedding_dim)
        except FloatingPointError as fault:
            assert settings is ends[1], fault  # the highest rates may


def test_first_trial_has_the_defaults_and_the_others_lie_in_their_ranges():
    for candidate in CANDIDATES.values():
        assert set(draw(candidate, 0)) <= set(candidates.RATES)
        drawn = [draw(candidate, number) for number in range(1, 40)]
        for option, among in {**candidates.RATES, **candidate.space}.items():
            if option == "loss_lr" and not candidate.has_parameters:
                assert option not in drawn[0]
                continue
            values = [settings[option] for settings in drawn]
            assert among.low * 0.999 <= min(values) and max(values) <= among.high * 1.001
            middle = (among.low * among.high) ** 0.5 if isinstance(among, LogUniform) else (among.low + among.high) / 2
            assert min(values) < middle < max(values)


def test_every_loss_is_given_the_same_rates():
    for number in range(1, 5):
        assert len({draw(candidate, number)["lr"] for candidate in CANDIDATES.values()}) == 1
    assert draw(CANDIDATES["SupCon"], 1) != draw(CANDIDATES["SupCon"], 2)
    assert draw(CANDIDATES["SupCon"], 1) != draw(CANDIDATES["SupCon"], 1, seed=1)


def test_first_head_is_the_principal_components(on):
    x = on.whole.rows
    found = embedded(on.whole.head(), x)
    torch.testing.assert_close(found.mean(dim=0), torch.zeros(8), atol=1e-4, rtol=0)
    assert found.square().sum(dim=1).mean().sqrt() == pytest.approx(8**0.5, rel=1e-4)
    covariance = (found - found.mean(dim=0)).T @ (found - found.mean(dim=0))
    spread = covariance.diagonal()
    assert (covariance - covariance.diag().diag()).abs().max() < 1e-3 * spread.max()
    assert (spread[:-1] >= spread[1:]).all()
    oracle = torch.linalg.svdvals((x - x.mean(dim=0)).double())[:8].square()
    torch.testing.assert_close(spread.double() / spread[0], oracle / oracle[0], atol=1e-4, rtol=1e-4)


def test_the_same_seed_gives_the_same_head_and_leaves_the_random_state(on):
    before = torch.get_rng_state()
    one, again, other = (
        train_head(on.whole, CANDIDATES["NormSoftmax"], draw(CANDIDATES["NormSoftmax"], 1), SHORT, seed=seed).weight
        for seed in (0, 0, 1)
    )
    assert torch.equal(one, again) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_validation_never_sees_the_test_rows_nor_the_held_out_classes(data):
    """Other test rows change nothing; no fold trains on what it validates on, and every class is held out once."""
    candidate = CANDIDATES["SupCon"]
    scores = validation_scores(course(data, SHORT), candidate, draw(candidate, 0), SHORT)
    spoilt = replace(data, test=torch.zeros_like(data.test))
    assert validation_scores(course(spoilt, SHORT), candidate, draw(candidate, 0), SHORT) == scores
    held = []
    for given, rows, labels in course(data, SHORT).folds:
        assert given.num_classes + len(labels.unique()) == data.train_classes
        assert len(given.rows) + len(rows) == len(data.train)
        held += labels.unique().tolist()
    assert sorted(held) == list(range(data.train_classes))


def test_measures_are_those_of_dmlkit(data):
    found = measured(data.test, data.test_labels, "euclidean")
    assert set(found) == set(MEASURES)
    ranked = metrics.retrieval(data.test, data.test_labels, distance="euclidean")
    assert (found["MAP@R"], found["P@1"]) == (ranked.map_at_r, ranked.precision_at_1)
    assert found["silhouette"] == metrics.silhouette_score(data.test, data.test_labels, distance="euclidean")


def test_training_helps_where_it_can():
    """Clusters in a few of many numbers: what separates known classes separates new ones better than the first head."""
    data = clusters(3, classes=12, width=64)
    how = Protocol(embedding_dim=8, steps=60, batch=48, classes=12)
    on = course(data, how)
    start = measured(embedded(on.whole.head(), on.test), on.test_labels, "cosine")["MAP@R"]
    for name in ("SupCon", "CE + Silhouette"):
        head = train_head(on.whole, CANDIDATES[name], {"lr": 3e-3, "loss_lr": 1e-2}, how)
        assert measured(embedded(head, on.test), on.test_labels, "cosine")["MAP@R"] > start + 0.02, name


# a study


NAMES = ("NormSoftmax", "Contrastive")


def test_a_study_goes_on_where_it_was(data, tmp_path, monkeypatch):
    whole = comparison.study(data, tmp_path / "whole.json", names=NAMES, protocol=SHORT)
    assert list(whole.losses) == list(NAMES)
    comparison.study(data, tmp_path / "parts.json", names=NAMES[:1], protocol=SHORT)
    asked = []
    once = comparison.one_loss
    monkeypatch.setattr(
        "dmlkit.comparison.studies.one_loss", lambda on, name, how: asked.append(name) or once(on, name, how)
    )
    parts = comparison.study(data, tmp_path / "parts.json", names=NAMES, protocol=SHORT)
    assert asked == [NAMES[1]]
    for found in (*parts.losses.values(), *whole.losses.values()):
        assert found.pop("seconds") >= 0
    assert parts.losses == whole.losses
    assert list(comparison.Study.load(tmp_path / "parts.json").losses) == list(NAMES)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.json", "parts.json"}


def test_a_study_says_all_that_it_did(data, tmp_path):
    found = comparison.study(data, tmp_path / "a.json", names=NAMES, protocol=SHORT)
    assert found.data["checksum"] == data.checksum and found.protocol["trials"] == 2
    assert set(found.baselines) == {"rows", "first head", "first head, euclidean"}
    for kind in ("final", "default"):
        assert {name: len(values) for name, values in found.finals(kind=kind).items()} == dict.fromkeys(NAMES, 2)
    for loss in found.losses.values():
        scores = [trial["validation"] for trial in loss["trials"]]
        assert loss["chosen"] == scores.index(max(scores))
        # Seed 0 of the final runs is the chosen trial once more.
        assert loss["final"][0]["MAP@R"] == loss["trials"][loss["chosen"]]["test"]


def test_a_loss_that_diverges_says_why(on, monkeypatch):
    def fails(*_, **__):
        raise FloatingPointError("the loss is nan: lower the learning rate")

    monkeypatch.setattr("dmlkit.comparison.studies.validation_scores", fails)
    found = comparison.one_loss(on, "SupCon", SHORT)
    assert found["chosen"] is None and found["final"] == [] and found["default"] == []
    assert [trial["reason"] for trial in found["trials"]] == ["the loss is nan: lower the learning rate"] * 2


def test_a_file_of_other_data_or_another_protocol_is_refused(data, tmp_path):
    path = tmp_path / "a.json"
    comparison.study(data, path, names=NAMES[:1], protocol=SHORT)
    before = path.read_bytes()
    with pytest.raises(DataError, match="holds a study with another protocol: name another file"):
        comparison.study(data, path, names=NAMES, protocol=replace(SHORT, steps=7))
    with pytest.raises(DataError, match="holds a study with another data: name another file"):
        comparison.study(clusters(1), path, names=NAMES, protocol=SHORT)
    with pytest.raises(ValueError, match=r"names must be among .*, found 'NoLoss'"):
        comparison.study(data, path, names=["NoLoss"], protocol=SHORT)
    assert path.read_bytes() == before
    (tmp_path / "b.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(ValueError, match=r"b\.json is no study"):
        comparison.study(data, tmp_path / "b.json", names=NAMES, protocol=SHORT)


# rows


def test_rows_of_digits_are_their_pixels():
    found = comparison.rows("digits")
    assert found.train.shape == (901, 64) and found.test.shape == (896, 64)
    assert found.train_classes == 5 and found.test_labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert "901 rows of 5 classes to train on, 896 of 5 others to test on" in str(found)


def test_missing_data_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    with pytest.raises(DataError, match="is not here: name the folder of the packs"):
        comparison.rows("cub50", root=tmp_path)
    assert not list(tmp_path.rglob("*.pt"))
    with pytest.raises(ValueError, match="name must be one of digits, fashion-mnist, omniglot, cub50, found 'cars'"):
        comparison.rows("cars")


def test_rows_of_images_are_kept_and_halves_share_no_class(tmp_path, monkeypatch):
    """On a miniature and a tiny network in the place of the pack's."""
    from dmlkit.data import miniature
    from dmlkit.recipes.config import Network

    drawn = miniature("cifar10")
    opened = []
    monkeypatch.setattr(features, "benchmark", lambda name, root: opened.append(name) or drawn)
    tiny = features.build(Network("tiny_cnn", head="none", embedding_dim=None))
    monkeypatch.setattr(features, "build", lambda *_, **__: tiny)
    monkeypatch.setitem(features.SOURCES, "fashion-mnist", features.Source(("cifar10",), 32, (2, 1), 2))
    found = comparison.rows("fashion-mnist", root=tmp_path)
    assert found.train.shape == (4, tiny.num_features) and len(found.test_labels.unique()) == 1
    again = comparison.rows("fashion-mnist", root=tmp_path)
    assert opened == ["cifar10"]
    assert torch.equal(again.train, found.train) and again.checksum == found.checksum
    (kept,) = (tmp_path / "features").glob("*.pt")
    kept.write_bytes(kept.read_bytes()[:100])
    with pytest.raises(DataError, match=r"\.pt is not a checkpoint of dmlkit .* remove it to begin anew"):
        comparison.rows("fashion-mnist", root=tmp_path)


def test_standardised_rows():
    rows = standardised(torch.randn(5, 64) * 7 + 3)
    torch.testing.assert_close(rows.mean(dim=1), torch.zeros(5), atol=1e-5, rtol=0)
    torch.testing.assert_close(rows.var(dim=1, unbiased=False), torch.ones(5), atol=1e-3, rtol=0)


@pytest.mark.parametrize("module", [candidates, features, protocol_module])
def test_examples_of_comparison(module):
    assert doctest.testmod(module).failed == 0

"""Folds of faces: nobody is both trained on and verified, thresholds are strangers', one file that is gone on with."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from dmlkit import comparison
from dmlkit.comparison import CANDIDATES, FACE_LOSSES, Faces, FaceStudy, NetworkProtocol, face_studies, face_study
from dmlkit.comparison import faces as face_folds
from dmlkit.comparison.face_studies import RATES, FaceCourse, face_loss
from dmlkit.comparison.faces import face_fold, likeness, separation, verified
from dmlkit.data.errors import DataError

TINY = NetworkProtocol(
    embedding_dim=8,
    steps=3,
    batch=8,
    classes=4,
    trials=1,
    seeds=1,
    backbone="tiny_cnn",
    pretrained=False,
    frozen=0,
    warmup=1,
    padding=1,
    lr=3e-3,
)
# The pack's network with random weights: as many layers, and no file.
LATE = replace(TINY, backbone="mobilenet_v2_pack", frozen=14, padding=0, steps=1)
NAMES = ("NormSoftmax", "Contrastive")


def drawn(seed=0, folds=4, people=6, each=4, side=32, noise=0.7):
    """Each person has a colour under noise; every fold has people of its own, the last of whom has one image."""
    draws = torch.Generator().manual_seed(seed)
    labels, first, second, same, fold = [], [], [], [], []
    for number in range(folds):
        images = []
        for person in range(people):
            images.append([len(labels) + k for k in range(1 if person == people - 1 else each)])
            labels += [1000 - number * people - person] * len(images[-1])  # not 0 … C − 1
        for person in range(people - 1):
            alike, other = images[person], images[person + 1]
            # The fourth image of each is in no pair: it is trained on all the same.
            for one, two, truth in ((alike[0], alike[1], True), (alike[2], other[0], False)):
                first.append(one), second.append(two), same.append(truth), fold.append(number)
    colours = torch.rand(1001, 3, 1, 1, generator=draws)
    labels = torch.tensor(labels)
    pixels = (1 - noise) * colours[labels] + noise * torch.rand(len(labels), 3, side, side, generator=draws)
    ends = (torch.tensor(part) for part in (first, second, same, fold))
    return Faces("drawn", (255 * pixels).to(torch.uint8), labels, *ends, source="made for this test")


@pytest.fixture(scope="module")
def data():
    return drawn()


@pytest.fixture(scope="module")
def on(data):
    return FaceCourse(data, TINY)


def people(data, places):
    return set(data.labels[places].tolist())


# who is trained on


@pytest.mark.parametrize("tested", range(4))
def test_nobody_of_the_tested_fold_nor_of_the_one_that_chooses_is_trained_on(data, tested):
    found = face_fold(data, tested)
    assert (found.tested, found.chooses, found.trained) == (tested, (tested + 1) % 4, (tested + 2) % 4)
    held = {
        data.labels[end].item()
        for first, second, fold in zip(data.first, data.second, data.fold, strict=True)
        for end in (first, second)
        if fold in (found.tested, found.chooses)
    }
    trained = people(data, found.train)
    assert len(held) == 12 and not held & trained
    # All images of all others, but of those of whom there is one: in no pair, too.
    others = set(data.labels.tolist()) - held
    assert trained == {label for label in others if (data.labels == label).sum() > 1} and len(trained) == 10
    assert len(found.train) == sum((data.labels == label).sum() for label in trained) == 40


def test_a_person_in_two_folds_is_refused(data):
    shared = data.labels.clone()
    shared[data.first[data.pairs_of(0)[0]]] = data.labels[data.first[data.pairs_of(2)[0]]]
    with pytest.raises(ValueError, match="folds must share no person, found 1 of folds 0 and 1 in pairs of others"):
        FaceCourse(replace(data, labels=shared), TINY)


def test_folds_must_be_three_and_of_one_size(data):
    with pytest.raises(ValueError, match="fold must number at least 3 folds, found 2"):
        replace(data, fold=data.fold % 2)
    fold = data.fold.clone()
    fold[0] = 1
    with pytest.raises(ValueError, match=r"every fold must have as many pairs, found \[9, 11, 10, 10\]"):
        replace(data, fold=fold)


@pytest.mark.parametrize("protocol", [TINY, LATE], ids=["from scratch", "late stage"])
def test_training_sees_no_other_image(protocol, monkeypatch):
    """Spoilt images of all others change nothing, and the trainer is given labels of its own people alone."""
    data = drawn(folds=3, people=4)
    fold = face_fold(data, 1)
    spoilt = torch.zeros_like(data.images)
    spoilt[fold.train] = data.images[fold.train]
    given = []
    real = face_studies.train_head

    def spy(lesson, *rest, **options):
        given.append(lesson)
        return real(lesson, *rest, **options)

    monkeypatch.setattr(face_studies, "train_head", spy)
    one, other = (FaceCourse(replace(data, images=images), protocol) for images in (data.images, spoilt))
    made, again = (of.trained(fold, "SupCon") for of in (one, other))
    torch.testing.assert_close(given[0].first, given[1].first)
    torch.testing.assert_close(given[0].rows, given[1].rows)
    assert len(given[0].rows) == len(fold.train) and given[0].num_classes == len(people(data, fold.train))
    at = data.images_of(fold.trained)
    at = at[torch.isin(at, fold.train)]
    torch.testing.assert_close(made[at], again[at], rtol=1e-3, atol=1e-3)


def test_embeddings_of_no_other_image_are_looked_at(data, on):
    fold = on.folds[3]
    found = on.trained(fold, "SupCon")
    known = found.isfinite().all(dim=1).nonzero().squeeze(1)
    assert torch.equal(known, data.images_of(3, 0, 1)) and found.shape == (len(data.images), 8)
    verified(data, fold, found, "euclidean")
    with pytest.raises(ValueError, match="similarities"):
        verified(data, on.folds[1], found, "euclidean")


def test_the_first_head_is_that_of_the_people_trained_on(on):
    fold = on.folds[2]
    found = on.untrained(fold)
    torch.testing.assert_close(found[fold.train].mean(dim=0), torch.zeros(8), atol=1e-4, rtol=0)
    torch.testing.assert_close(
        found[fold.train], face_studies.embedded(on.lesson(fold).head(), on.lesson(fold).rows), atol=1e-4, rtol=1e-4
    )


# the measures


def oracle(data, embeddings, distance, tested, chooses):
    """Accuracy and threshold by trying every cut, one pair after the other."""

    def alike(pair):
        a, b = embeddings[data.first[pair]].double(), embeddings[data.second[pair]].double()
        return float(a @ b / (a.norm() * b.norm())) if distance == "cosine" else -float((a - b).square().sum().sqrt())

    pairs = {number: (data.fold == number).nonzero().squeeze(1).tolist() for number in (tested, chooses)}
    scores = sorted(alike(pair) for pair in pairs[chooses])
    cuts = [(low + high) / 2 for low, high in pairwise(scores)]

    def right(number, cut):
        return sum((alike(pair) >= cut) == bool(data.same[pair]) for pair in pairs[number])

    best = max([-torch.inf, *cuts, torch.inf], key=lambda cut: (right(chooses, cut), cut))
    return right(tested, best) / len(pairs[tested]), best


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
@pytest.mark.parametrize("tested", range(4))
def test_accuracy_and_thresholds_against_an_oracle(distance, tested):
    data = drawn(5, people=15)
    embeddings = data.images.float().mean(dim=(2, 3)) - 127
    found = verified(data, face_fold(data, tested), embeddings, distance)
    for kind, chooses in (("", (tested + 1) % 4), ("trained ", (tested + 2) % 4)):
        accuracy, threshold = oracle(data, embeddings, distance, tested, chooses)
        name = "accuracy, trained threshold" if kind else "accuracy"
        assert found[name] == pytest.approx(accuracy, abs=1e-5)
        assert found[f"{kind}threshold"] == pytest.approx(threshold, abs=1e-5)
    assert found["accuracy"] > 0.6  # colours tell something


def test_the_tested_fold_has_no_say_in_its_threshold():
    data = drawn(people=20)
    fold = face_fold(data, 2)
    draws = torch.Generator().manual_seed(0)
    embeddings = torch.randn(len(data.images), 5, generator=draws)

    def with_others(number):
        """Of the images of one fold."""
        places = data.images_of(number)
        return embeddings.index_copy(0, places, torch.randn(len(places), 5, generator=draws))

    measures = verified(data, fold, embeddings, "cosine")
    thresholds, tested = ("threshold", "trained threshold"), ("TAR@0.01", "TAR@0.1", "AUC")
    other = verified(data, fold, with_others(2), "cosine")
    assert all(measures[name] == other[name] for name in thresholds) and measures["AUC"] != other["AUC"]
    other = verified(data, fold, with_others(3), "cosine")
    assert all(measures[name] == other[name] for name in (thresholds[1], *tested))
    assert measures["threshold"] != other["threshold"]
    other = verified(data, fold, with_others(0), "cosine")
    assert all(measures[name] == other[name] for name in ("accuracy", thresholds[0], *tested))
    assert measures["trained threshold"] != other["trained threshold"]


def test_what_collapsed_has_no_threshold(data):
    found = verified(data, face_fold(data, 0), torch.ones(len(data.images), 4), "euclidean")
    assert found["threshold"] is None and found["accuracy"] == 0.5 and found["AUC"] == 0.5
    assert found["TAR@0.01"] == found["TAR@0.1"] == 0


def test_training_helps_where_it_can():
    data = drawn(1, people=16, noise=0.8)
    how = replace(TINY, steps=60, batch=32, classes=8, warmup=5)
    on = FaceCourse(data, how)
    start, found = [], []
    for fold in on.folds[:2]:
        start.append(verified(data, fold, on.untrained(fold), "cosine")["AUC"])
        found.append(verified(data, fold, on.trained(fold, "SupCon"), "cosine")["AUC"])
    assert sum(found) / 2 > sum(start) / 2 + 0.05


# the study


def test_a_study_says_all_that_it_did(data, tmp_path):
    found = face_study(data, tmp_path / "a.json", names=NAMES, protocol=TINY)
    assert found == FaceStudy.load(tmp_path / "a.json")
    assert found.data["checksum"] == data.checksum and found.data["train people"] == [10] * 4
    assert (found.protocol["folds"], found.protocol["held_out"], found.protocol["seeds"]) == (4, 2, 1)
    assert set(found.baselines) == {"rows", "first head", "first head, euclidean"}
    assert {name: len(values) for name, values in found.folds().items()} == dict.fromkeys([*found.baselines, *NAMES], 4)
    on = FaceCourse(data, replace(TINY, folds=4, held_out=2))
    for name in NAMES:
        kept = found.losses[name]["folds"][3]
        again = verified(data, on.folds[3], on.trained(on.folds[3], name, kept["rate"]), CANDIDATES[name].distance)
        assert kept == {"rate": kept["rate"], **again}
        assert found.losses[name]["settings"] == TINY.settings(CANDIDATES[name], 0)
    assert found.baselines["first head, euclidean"][1] == verified(
        data, on.folds[1], on.untrained(on.folds[1]), "euclidean"
    )


def test_a_study_goes_on_and_keeps_what_others_wrote(data, tmp_path, monkeypatch):
    whole = face_study(data, tmp_path / "whole.json", names=NAMES, protocol=TINY)
    asked = []

    def meanwhile(on, name):
        asked.append(name)
        if name == NAMES[0]:
            monkeypatch.setattr(face_studies, "face_loss", face_loss)
            face_study(data, tmp_path / "parts.json", names=NAMES[1:], protocol=TINY)
        return face_loss(on, name)

    monkeypatch.setattr(face_studies, "face_loss", meanwhile)
    parts = face_study(data, tmp_path / "parts.json", names=NAMES[:1], protocol=TINY)
    monkeypatch.setattr(face_studies, "face_loss", lambda *_: pytest.fail("nothing was missing"))
    assert face_study(data, tmp_path / "parts.json", names=NAMES, protocol=TINY) == parts
    assert asked == [NAMES[0]]
    for found in (*parts.losses.values(), *whole.losses.values()):
        assert found.pop("seconds") >= 0
    assert parts.losses == whole.losses and list(parts.losses) == list(whole.losses)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.json", "parts.json"}


def test_a_rate_is_chosen_where_its_fold_has_no_say(on, monkeypatch):
    """By separation alone: of the first fold for the second half, of the middle one for the first."""
    best, tried = {0: 0.1, 2: 0.03}, []
    trained = FaceCourse.trained

    def noting(self, fold, name, rate):
        tried.append((fold.tested, rate))
        return trained(self, fold, name, rate)

    def judged(data, fold, embeddings, distance):
        return 0.9 if tried[-1] == (fold.tested, best[fold.tested]) else 0.6

    monkeypatch.setattr(FaceCourse, "trained", noting)
    with monkeypatch.context() as patched:
        patched.setattr(face_studies, "separation", lambda *given: judged(*given) if given[1].tested in best else 0.0)
        found = face_loss(on, "SupCon")
    assert [fold["rate"] for fold in found["folds"]] == [0.03, 0.03, 0.1, 0.1]
    assert found["searches"] == {"0": [0.6, 0.6, 0.9, 0.6], "2": [0.6, 0.6, 0.6, 0.9]}
    assert sorted(tried) == sorted([(number, rate) for number in (0, 2) for rate in RATES] + [(1, 0.03), (3, 0.1)])
    again = trained(on, on.folds[2], "SupCon", 0.1)
    assert found["folds"][2] == {"rate": 0.1, **verified(on.data, on.folds[2], again, "cosine")}


def test_a_rate_is_that_of_the_network_alone(on, monkeypatch):
    asked = []
    monkeypatch.setattr(face_studies, "train_head", lambda lesson, loss, settings, *_, seed: asked.append(settings))
    monkeypatch.setattr(face_studies, "embedded", lambda network, rows: torch.zeros(len(rows), 2))
    for rate in RATES:
        on.trained(on.folds[0], "NormSoftmax", rate)
    usual = TINY.settings(CANDIDATES["NormSoftmax"], 0)
    for rate, settings in zip(RATES, asked, strict=True):
        assert settings == {**usual, "lr": rate * usual["lr"]}


def test_separation_is_of_all_strangers_pairs(data):
    embeddings = data.images.float().mean(dim=(2, 3)) - 127
    fold = face_fold(data, 3)
    found = separation(data, fold, embeddings, "euclidean")
    strangers = torch.isin(data.fold, torch.tensor([3, 0]))
    alike = -(embeddings[data.first] - embeddings[data.second]).norm(dim=1)
    yes, no = alike[strangers & data.same], alike[strangers & ~data.same]
    above = (yes[:, None] > no).double() + 0.5 * (yes[:, None] == no)
    assert found == pytest.approx(float(above.mean()))
    assert torch.allclose(likeness(data, strangers.nonzero()[:, 0], embeddings, "euclidean").float(), alike[strangers])


def test_rates_at_which_a_search_diverges_are_not_chosen(on, monkeypatch):
    real = FaceCourse.trained

    def fails(self, fold, name, rate):
        if rate > 0.1:
            raise FloatingPointError("the loss is nan: lower the learning rate")
        return real(self, fold, name, rate)

    monkeypatch.setattr(FaceCourse, "trained", fails)
    found = face_loss(on, "SupCon")
    assert all(scores[:2] == [None, None] and None not in scores[2:] for scores in found["searches"].values())
    assert len(found["folds"]) == 4 and all(fold["rate"] <= 0.1 for fold in found["folds"])


def test_folds_are_too_few_to_choose_a_rate(tmp_path):
    with pytest.raises(ValueError, match="data must have at least 4 folds, .*; found 3"):
        face_study(drawn(folds=3), tmp_path / "a.json", names=NAMES, protocol=TINY)
    assert not list(tmp_path.iterdir())


def test_a_loss_that_diverges_in_one_fold_has_none(on, monkeypatch):
    real = face_studies.train_head

    def fails(*given, seed):
        if seed == 3:  # no fold of a search
            raise FloatingPointError("the loss is nan: lower the learning rate")
        return real(*given, seed=seed)

    monkeypatch.setattr(face_studies, "train_head", fails)
    found = face_loss(on, "SupCon")
    assert found["folds"] == [] and found["reason"] == "the loss is nan: lower the learning rate"


def test_another_file_loss_or_data_is_told_in_a_sentence(data, tmp_path):
    path = tmp_path / "a.json"
    face_study(data, path, names=NAMES[:1], protocol=TINY)
    before = path.read_bytes()
    with pytest.raises(DataError, match="holds a study with another protocol: name another file"):
        face_study(data, path, names=NAMES, protocol=replace(TINY, steps=4))
    with pytest.raises(DataError, match="holds a study with another data: name another file"):
        face_study(drawn(1), path, names=NAMES, protocol=TINY)
    with pytest.raises(ValueError, match=r"names must be among .*, found 'NoLoss'"):
        face_study(data, path, names=["NoLoss"], protocol=TINY)
    assert path.read_bytes() == before
    path.write_text(json.dumps({"name": "x"}))
    with pytest.raises(ValueError, match=r"a\.json is no study of faces"):
        face_study(data, path, names=NAMES, protocol=TINY)


def test_checksum_is_of_people_pairs_and_pixels(data):
    others = [
        replace(data, labels=data.labels + 1),
        replace(data, same=~data.same),
        replace(data, first=data.second, second=data.first),
        replace(data, images=data.images.flip(3)),
        replace(data, fold=data.fold.flip(0)),
    ]
    assert len({found.checksum for found in (data, *others)}) == 6
    assert drawn().checksum == data.checksum


def test_all_asked_for_are_candidates():
    assert set(FACE_LOSSES) <= set(CANDIDATES) and len(set(FACE_LOSSES)) == 14


# the images


def test_pairs_are_read_with_all_images_of_their_people(monkeypatch):
    from dmlkit.data import miniature

    pairs = miniature("lfw-a-96")["pairs"]
    some = torch.arange(len(pairs)) < 12
    few = type(pairs)(pairs.images, pairs.first[some], pairs.second[some], pairs.same[some], pairs.fold[some])
    monkeypatch.setattr(face_folds, "benchmark", lambda name, root: {"pairs": few})
    found = comparison.face_pairs()
    assert found.name == "lfw-a-96" and found.images.shape[1:] == (3, 96, 96) and found.images.dtype == torch.uint8
    kept = set(pairs.images.labels[torch.cat([few.first, few.second])].tolist())
    assert set(found.labels.tolist()) == kept
    assert len(found.images) == sum(label in kept for label in pairs.images.labels.tolist())
    for mine, theirs in ((found.first, few.first), (found.second, few.second)):
        assert torch.equal(found.labels[mine], pairs.images.labels[theirs])
        for k in (0, 5, 11):
            image = pairs.images.image(int(theirs[k])).resize((96, 96))
            shown = torch.from_numpy(np.array(image)).permute(2, 0, 1).int()
            assert (found.images[mine[k]].int() - shown).abs().float().mean() < 8


def test_missing_images_say_what_to_do(tmp_path, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    with pytest.raises(DataError, match="is not here: name the folder of the packs"):
        comparison.face_pairs(root=tmp_path)

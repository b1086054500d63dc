"""Recall@1 under corruption: the published table's names, every test image spoilt the same way, a real drop."""

import doctest
import pickle

import pytest
import torch
from small import config
from torch import nn

from dmlkit import losses, metrics, training
from dmlkit.data import digits, miniature
from dmlkit.data.corruptions import CORRUPTIONS, Corruption
from dmlkit.data.images import Files, ImageSet, Pixels
from dmlkit.data.transforms import UNIT, evaluation_transform, normalise
from dmlkit.models import build
from dmlkit.published import read_published
from dmlkit.recipes.config import Evaluation, Network
from dmlkit.training import robustness
from dmlkit.training.evaluation import embed_images, measure
from dmlkit.training.robustness import NAMES, SEVERITY, corrupted

UNCHANGED_DIGITS = ("hue_and_saturation", "defocus_blur")  # grey has no hue; at 8 pixels the blur is below a pixel


def by_pixels(images):
    return torch.stack([image.flatten().double() for image, _ in images])


def birds(splits=("test",), name="cub200"):
    reading = evaluation_transform("warped", size=32)
    return {split: miniature(name)[split].with_transform(reading) for split in splits}


@pytest.fixture(scope="module")
def split():
    return digits("plain")


@pytest.fixture(scope="module")
def test_digits(split):
    pixels = (split.test_images.squeeze(1) * 255).round().to(torch.uint8)
    images = ImageSet(Pixels(pixels), split.test_labels, [str(k) for k in range(10)])
    return images.with_transform(evaluation_transform("plain"))


@pytest.fixture(scope="module")
def trained(split):
    def network():
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 8))

    return training.train("toy", network, lambda: losses.EuclideanSoftmax(10, 8), split, epochs=10, lr=1e-2).model


def by_network(network):
    def embed(images):
        with torch.no_grad():
            return network(normalise(torch.stack([image for image, _ in images]), UNIT))

    return embed


def test_names_are_those_of_the_published_table(root):
    rows = read_published(root / "book/published/warped_softmax_table_4.csv")
    assert [*dict.fromkeys(row.measure for row in rows)] == ["R@1", *NAMES]


@pytest.mark.parametrize("distance", metrics.ranking.DISTANCES)
def test_without_corruption_it_is_recall_at_1(monkeypatch, distance, test_digits):
    for name in CORRUPTIONS:
        monkeypatch.setitem(CORRUPTIONS, name, lambda image, severity, generator: image)
    torch.manual_seed(0)
    network = build(Network("tiny_cnn", embedding_dim=8))
    how = Evaluation(("retrieval", "robustness"), ks=(1,), distance=distance)
    some = test_digits.subset(range(150)).with_transform(evaluation_transform("plain", size=32, channels=3))
    found = measure(network, {}, {}, {"test": some}, how)
    assert 0 < found["R@1"] < 1
    assert [found[name] for name in NAMES] == [found["R@1"]] * 9


def test_all_test_images_are_corrupted_at_the_middle_severity(test_digits):
    found = robustness.robustness(by_pixels, {"test": test_digits}, distance="euclidean")
    for name, key in zip(CORRUPTIONS, NAMES, strict=True):
        clean = torch.stack([image for image, _ in test_digits])
        rows = Corruption(name, 3)(clean).flatten(1).double()
        assert SEVERITY == 3
        assert found[key] == metrics.recall_at_k(rows, test_digits.labels, ks=(1,), distance="euclidean")[1]


def test_query_and_gallery_are_both_corrupted():
    shop = birds(("query", "gallery"), "in-shop")
    found = robustness.robustness(by_pixels, shop, distance="euclidean", severity=5)
    for name, key in zip(CORRUPTIONS, NAMES, strict=True):
        q, g = (by_pixels(corrupted(shop[part], name, 5)) for part in ("query", "gallery"))
        labels = {"labels": shop["gallery"].labels, "query_labels": shop["query"].labels}
        expected = metrics.retrieval(g, queries=q, ks=(1,), distance="euclidean", **labels).recall[1]
        assert found[key] == expected


def test_the_same_each_time_and_in_any_order(test_digits):
    first, second = (by_pixels(corrupted(test_digits, "gaussian_noise")) for _ in range(2))
    backwards = torch.arange(len(test_digits)).flip(0)
    third = by_pixels(corrupted(test_digits.subset(backwards), "gaussian_noise"))
    assert torch.equal(first, second) and torch.equal(first, third.flip(0))
    torch.manual_seed(5)
    assert torch.equal(first, by_pixels(corrupted(test_digits, "gaussian_noise")))
    assert not torch.equal(first, by_pixels(test_digits))


def test_a_trained_network_drops_and_more_so_at_a_higher_severity(trained, test_digits):
    embed = by_network(trained)
    clean = metrics.recall_at_k(embed(test_digits), test_digits.labels, ks=(1,), distance="euclidean")[1]
    low, middle, high = (
        robustness.robustness(embed, {"test": test_digits}, distance="euclidean", severity=k) for k in (1, 3, 5)
    )
    assert clean > 0.9
    for name, key in zip(CORRUPTIONS, NAMES, strict=True):
        if name in UNCHANGED_DIGITS:
            assert low[key] == middle[key] == high[key] == clean
        else:
            assert high[key] < clean - 0.03
    assert clean - 0.1 > middle["R@1 under salt_and_pepper"] > high["R@1 under salt_and_pepper"] + 0.1


def test_files_and_memory_give_the_same(tmp_path, test_digits):
    some = test_digits.subset(range(30))
    for k in range(30):
        some.image(k).save(tmp_path / f"{k}.png")
    files = ImageSet(Files(tmp_path, [f"{k}.png" for k in range(30)], "L"), some.labels, some.classes, some.transform)
    for name in ("jigsaw", "salt_and_pepper"):
        assert torch.equal(by_pixels(corrupted(files, name)), by_pixels(corrupted(some, name)))


def test_worker_processes_can_be_sent_it(test_digits):
    images = corrupted(test_digits.subset(range(4)), "cutout", 5)
    again = pickle.loads(pickle.dumps(images))
    assert torch.equal(by_pixels(images), by_pixels(again))
    torch.manual_seed(0)
    network = build(Network("tiny_cnn", embedding_dim=4))
    spoilt = corrupted(birds()["test"], "cutout", 5)
    assert torch.equal(embed_images(network, spoilt, workers=1)[1], embed_images(network, spoilt)[1])


def test_a_run_keeps_it_in_its_record():
    how = Evaluation(("retrieval", "robustness"), ks=(1,), distance="euclidean", every=2, best_by="R@1 under cutout")
    record = training.run(config(evaluation=how), progress=False, device="cpu")
    assert set(NAMES) < set(record.metrics) and all(0 <= record.metrics[name] <= 1 for name in NAMES)
    assert [record.curves[name] for name in NAMES] == [[record.metrics[name]] for name in NAMES]
    assert record.best["metrics"]["R@1 under cutout"] == record.metrics["R@1 under cutout"]


def test_wrong_arguments_are_refused(test_digits):
    bare = test_digits.with_transform(None)
    with pytest.raises(ValueError, match="^images must have an evaluation transform: .*, found none"):
        corrupted(bare, "cutout")
    with pytest.raises(ValueError, match=r"^name must be one of .* did you mean 'jigsaw'\?"):
        corrupted(test_digits, "jigsaws")
    with pytest.raises(ValueError, match="^severity must lie in 1 … 5, found 0"):
        robustness.robustness(by_pixels, {"test": test_digits}, severity=0)
    with pytest.raises(ValueError, match="^distance must be"):
        robustness.robustness(by_pixels, {"test": test_digits}, distance="manhattan")


def test_examples():
    found = doctest.testmod(robustness)
    assert found.attempted and not found.failed

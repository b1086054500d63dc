"""Evaluation: embeddings in order, the classes' scores, and the measures by their names."""

import pytest
import torch
from torch import nn

from dmlkit import losses, metrics
from dmlkit.data import miniature
from dmlkit.data.transforms import evaluation_transform, normalise
from dmlkit.models import build
from dmlkit.recipes.config import Evaluation, Network
from dmlkit.training.evaluation import MEASURES, class_scores, embed_images, measure, names_of, verify


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build(Network("tiny_cnn", embedding_dim=8, dropout=0.5))


@pytest.fixture(scope="module")
def images():
    return miniature("cub200").test.with_transform(evaluation_transform("warped", size=32))


@pytest.mark.parametrize("batch_size", [1, 5, 24, 100])
def test_embeddings_are_in_order_and_without_dropout(network, images, batch_size):
    features, rows = embed_images(network, images, batch_size=batch_size)
    assert network.training  # as it was before
    network.eval()
    with torch.no_grad():
        pixels = torch.stack([image for image, _ in images])
        expected = network(normalise(pixels, network.statistics))
    network.train()
    torch.testing.assert_close(rows, expected, atol=1e-5, rtol=1e-5)
    assert features.shape == (24, network.num_features)


def test_scores_of_a_classifier():
    term = losses.LinearCrossEntropy(3, 2)
    with torch.no_grad():
        term.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]))
        term.bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
    assert class_scores(term, torch.tensor([[3.0, 4.0]])).tolist() == [[3.0, 8.0, 1.0]]


@pytest.mark.parametrize("name", ["EuclideanSoftmax", "WarpedSoftmax"])
def test_scores_by_distance(name):
    options = {"alpha": 0.5, "beta": 1.5, "r": 1.0} if name == "WarpedSoftmax" else {}
    term = getattr(losses, name)(4, 2, **options)
    rows = torch.randn(6, 2)
    scores = class_scores(term, rows)
    assert torch.equal(scores.argmax(dim=1), torch.cdist(rows, term.proxies).argmin(dim=1))


def test_scores_by_cosine():
    term = losses.ProxyNCA(4, 2)
    rows = torch.randn(6, 2)
    expected = nn.functional.cosine_similarity(rows.unsqueeze(1), term.proxies.unsqueeze(0), dim=2)
    torch.testing.assert_close(class_scores(term, rows), expected)


def test_a_loss_without_classes_has_no_scores():
    with pytest.raises(ValueError, match="needs a loss with a classifier or proxies, found SupCon"):
        class_scores(losses.SupCon(), torch.randn(2, 2))


def test_measures_are_those_of_dmlkit(network, images):
    how = Evaluation(("retrieval", "clustering", "silhouette"), ks=(1, 3), distance="euclidean")
    found = measure(network, {}, {}, {"test": images}, how)
    _, rows = embed_images(network, images)
    ranked = metrics.retrieval(rows, images.labels, ks=(1, 3), distance="euclidean")
    assert (found["R@1"], found["R@3"], found["MAP@R"]) == (ranked.recall[1], ranked.recall[3], ranked.map_at_r)
    assert found["silhouette"] == metrics.silhouette_score(rows, images.labels, distance="euclidean")
    assert found["NMI (geometric)"] == metrics.clustering(rows, images.labels, distance="euclidean").nmi_geometric


def test_accuracy_reads_the_tap_of_its_loss(network, images):
    term = losses.LinearCrossEntropy(8, network.num_features)
    found = measure(network, {"ce": term}, {"ce": "features"}, {"test": images}, Evaluation(("accuracy",)))
    # A classifier of zeros answers nothing, and ties count against it.
    assert found == {"top-1": 0.0, "top-5": 0.0}
    with pytest.raises(ValueError, match="accuracy needs a loss"):
        measure(network, {"c": losses.SupCon()}, {"c": "embeddings"}, {"test": images}, Evaluation(("accuracy",)))


def test_query_and_gallery(network):
    shop = miniature("in-shop")
    reading = evaluation_transform("warped", size=32)
    splits = {name: shop[name].with_transform(reading) for name in ("query", "gallery")}
    found = measure(network, {}, {}, splits, Evaluation(("retrieval",), ks=(1,)))
    (_, q), (_, g) = (embed_images(network, splits[name]) for name in ("query", "gallery"))
    expected = metrics.retrieval(g, splits["gallery"].labels, queries=q, query_labels=splits["query"].labels, ks=(1,))
    assert found["R@1"] == expected.recall[1]


def test_every_measure_gives_the_names_it_says(network, images):
    term = losses.LinearCrossEntropy(8, 8)
    for name in MEASURES:
        how = Evaluation((name,), ks=(1, 2))
        found = measure(network, {"ce": term}, {"ce": "embeddings"}, {"test": images}, how)
        assert tuple(found) == names_of(name, (1, 2))


def test_verification_by_cosine(network):
    pairs = miniature("lfw-bin")["pairs"]
    reading = evaluation_transform("plain", size=32)
    pairs = type(pairs)(pairs.images.with_transform(reading), pairs.first, pairs.second, pairs.same, pairs.fold)
    found = verify(network, pairs)
    _, rows = embed_images(network, pairs.images)
    cosines = nn.functional.cosine_similarity(rows[pairs.first], rows[pairs.second])
    assert found["accuracy"] == metrics.verification_accuracy(cosines, pairs.same, folds=10).mean

"""Evaluation: embeddings in order, the classes' scores, and the measures by their names."""

import pytest
import torch
from small import config
from torch import nn

from dmlkit import losses, metrics
from dmlkit.data import miniature
from dmlkit.data.transforms import evaluation_transform, normalise
from dmlkit.models import build
from dmlkit.recipes.config import Batches, Evaluation, LossTerm, Network
from dmlkit.records import RunRecord
from dmlkit.training.assembly import build_loss, open_data
from dmlkit.training.evaluation import MEASURES, class_scores, embed_images, kept_points, measure, names_of, verify


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


@pytest.mark.parametrize("name", ["EuclideanSoftmax", "WarpedSoftmax", "MonotoneSoftmax"])
def test_scores_by_distance(name):
    options = {
        "WarpedSoftmax": {"alpha": 0.5, "beta": 1.5, "r": 1.0},
        "MonotoneSoftmax": {"f_own": torch.square, "f_other": torch.square},
    }
    term = getattr(losses, name)(4, 2, **options.get(name, {}))
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
    term = losses.EuclideanSoftmax(8, 8)
    for name in MEASURES:
        how = Evaluation((name,), ks=(1, 2))
        found = measure(network, {"es": term}, {"es": "embeddings"}, {"test": images}, how, train=images)
        assert tuple(found) == names_of(name, (1, 2))


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_spread_is_class_distances_of_the_test_images(network, images, distance):
    found = measure(network, {}, {}, {"test": images}, Evaluation(("spread",), distance=distance))
    _, rows = embed_images(network, images)
    apart = metrics.class_distances(rows, images.labels, distance=distance)
    assert found == {"intra": apart.intra, "inter": apart.inter, "ratio": apart.ratio}


def test_one_point_has_a_ratio_that_a_record_can_hold(images):
    flat = build(Network("tiny_cnn", embedding_dim=2))
    with torch.no_grad():
        flat.head.weight.zero_()
    found = measure(flat, {}, {}, {"test": images}, Evaluation(("spread",), distance="euclidean"))
    assert found == {"intra": 0.0, "inter": 0.0, "ratio": 1.0}


def some_training_images():
    return miniature("cub200").train.with_transform(evaluation_transform("warped", size=32))


@pytest.mark.parametrize("tap", ["embeddings", "features"])
def test_measures_of_training_images_are_of_those(network, images, tap):
    train = some_training_images()
    assert train.labels.tolist() != images.labels.tolist()
    width = network.num_features if tap == "features" else 8
    terms = {"contrast": losses.SupCon(), "es": losses.EuclideanSoftmax(8, width)}
    how = Evaluation(("train_accuracy", "proxy_distance"))
    found = measure(network, terms, {"contrast": "embeddings", "es": tap}, {"test": images}, how, train=train)
    rows = embed_images(network, train)[0 if tap == "features" else 1]
    apart = torch.cdist(rows.double(), terms["es"].proxies.detach().double())
    expected = apart[torch.arange(len(rows)), train.labels].mean().item()
    assert found["AvgDTP"] == pytest.approx(expected, rel=1e-6)
    assert found["train top-1"] == (apart.argmin(dim=1) == train.labels).double().mean().item()


def test_a_distance_to_proxies_that_are_not_there(network, images):
    for term in (losses.SupCon(), losses.ProxyNCA(8, 8), losses.LinearCrossEntropy(8, 8)):
        how = Evaluation(("proxy_distance",))
        with pytest.raises(ValueError, match=r"holds proxies \(EuclideanSoftmax, .*\), found mine"):
            measure(network, {"mine": term}, {"mine": "embeddings"}, {"test": images}, how, train=images)
    with pytest.raises(ValueError, match="train must be the training images"):
        measure(network, {}, {}, {"test": images}, Evaluation(("proxy_distance",)))


def points_of(network, loss, count):
    """What `kept_points` keeps of the digits' miniature."""
    settings = config(benchmark="fashion-mnist", transforms="plain", size=28, batches=Batches(8))
    data = open_data(settings)
    return data, kept_points(network, loss, data, count=count)


def test_kept_points_are_embeddings_at_even_steps():
    torch.manual_seed(1)
    flat = build(Network("tiny_cnn", embedding_dim=3))
    loss = build_loss((LossTerm("EuclideanSoftmax"),), 10, {"embeddings": 3, "features": flat.num_features})
    data, kept = points_of(flat, loss, count=7)
    assert list(kept) == ["train", "test", "proxies"]
    record = RunRecord("a run", 0, {}, {}, {}, "cpu", points=kept)
    for name, images in (("train", data.seen), ("test", data.test["test"])):
        chosen = [number * len(images) // 7 for number in range(7)]
        rows, labels = record.points_of(name)
        assert labels == images.labels[chosen].tolist()
        torch.testing.assert_close(torch.tensor(rows), embed_images(flat, images)[1][chosen], rtol=1e-3, atol=1e-6)
    rows, labels = record.points_of("proxies")
    assert labels == list(range(10))
    torch.testing.assert_close(torch.tensor(rows), loss.losses["EuclideanSoftmax"].proxies.detach(), rtol=1e-3, atol=0)


def test_all_points_are_kept_where_there_are_fewer_and_proxies_only_of_the_embedding():
    flat = build(Network("tiny_cnn", embedding_dim=2))
    terms = (LossTerm("EuclideanSoftmax", tap="features"),)
    data, kept = points_of(flat, build_loss(terms, 10, {"embeddings": 2, "features": flat.num_features}), count=1000)
    assert list(kept) == ["train", "test"]
    assert len(kept["test"]["labels"].split()) == len(data.test["test"])


def test_verification_by_cosine(network):
    pairs = miniature("lfw-bin")["pairs"]
    reading = evaluation_transform("plain", size=32)
    pairs = type(pairs)(pairs.images.with_transform(reading), pairs.first, pairs.second, pairs.same, pairs.fold)
    found = verify(network, pairs)
    _, rows = embed_images(network, pairs.images)
    cosines = nn.functional.cosine_similarity(rows[pairs.first], rows[pairs.second])
    assert found["accuracy"] == metrics.verification_accuracy(cosines, pairs.same, folds=10).mean

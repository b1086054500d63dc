"""Values and gradients beside those of pytorch-metric-learning, an independent implementation of the same papers."""

import math

import pytest
import torch
from comparisons import draw
from pytorch_metric_learning import losses as peers
from pytorch_metric_learning import miners
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.reducers import AvgNonZeroReducer, MeanReducer
from pytorch_metric_learning.regularizers import SparseCentersRegularizer

from dmlkit import losses

LABELS = {
    "balanced": [0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2],
    "unbalanced": [2, 0, 1, 2, 2, 1, 2, 0, 2, 2, 1, 2],
    "singletons": [5, 1, 0, 1, 2, 2, 2, 1, 8, 2, 1, 9],
    "larger": [(i * i) % 23 % 9 for i in range(60)],
}
DRAWS = [(2, 0), (4, 1), (16, 2)]


def assert_agree(ours, theirs, ours_leaves, theirs_leaves):
    """Leaves of ours beside leaves of theirs, in the same order; a parameter that they hold as (d, C) is transposed."""
    value, expected = ours(), theirs()
    torch.testing.assert_close(value, expected, atol=1e-6, rtol=1e-6)
    gradients = torch.autograd.grad(value, ours_leaves)
    expected_gradients = torch.autograd.grad(expected, theirs_leaves)
    for gradient, expected in zip(gradients, expected_gradients, strict=True):
        expected = expected if gradient.shape == expected.shape else expected.T.reshape(gradient.shape)
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-5)
        assert gradient.norm() > 0


def compare_pairs(ours, theirs, labels, dim, seed, miner=None):
    embeddings, labels = draw(len(labels), dim, 1, seed)[0].requires_grad_(), torch.tensor(labels)
    assert_agree(
        lambda: ours(embeddings, labels),
        lambda: theirs(embeddings, labels, miner(embeddings, labels) if miner else None),
        [embeddings],
        [embeddings],
    )


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_sup_con(dim, seed, labels, temperature):
    compare_pairs(
        lambda e, y: losses.sup_con(e, y, temperature=temperature),
        peers.SupConLoss(temperature=temperature),
        labels,
        dim,
        seed,
    )


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_snca(dim, seed, labels, temperature):
    compare_pairs(
        lambda e, y: losses.snca(e, y, temperature=temperature),
        peers.NCALoss(softmax_scale=1 / temperature, distance=CosineSimilarity()),
        labels,
        dim,
        seed,
    )


@pytest.mark.parametrize("epsilon", [None, 0.1, 0.4])
@pytest.mark.parametrize(("alpha", "beta", "margin"), [(2.0, 50.0, 0.5), (18.0, 75.0, 0.77), (1.0, 2.0, -0.2)])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_multi_similarity(dim, seed, labels, alpha, beta, margin, epsilon):
    compare_pairs(
        lambda e, y: losses.multi_similarity(e, y, alpha=alpha, beta=beta, margin=margin, mining_margin=epsilon),
        peers.MultiSimilarityLoss(alpha=alpha, beta=beta, base=margin),
        labels,
        dim,
        seed,
        None if epsilon is None else miners.MultiSimilarityMiner(epsilon=epsilon),
    )


@pytest.mark.parametrize(("margin", "gamma"), [(0.4, 80.0), (0.25, 128.0), (0.1, 2.0)])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_circle(dim, seed, labels, margin, gamma):
    compare_pairs(
        lambda e, y: losses.circle(e, y, margin=margin, gamma=gamma),
        peers.CircleLoss(m=margin, gamma=gamma),
        labels,
        dim,
        seed,
    )


def euclidean():
    return LpDistance(normalize_embeddings=False)


MINERS = {
    "all": lambda margin: None,
    "semi-hard": lambda margin: miners.TripletMarginMiner(
        margin=margin, type_of_triplets="semihard", distance=euclidean()
    ),
    "hard": lambda margin: miners.BatchHardMiner(distance=euclidean()),
}


@pytest.mark.parametrize("average", ["active", "all"])
@pytest.mark.parametrize("mining", MINERS)
@pytest.mark.parametrize("margin", [0.2, 1.0])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_triplet(dim, seed, labels, margin, mining, average):
    reducer = AvgNonZeroReducer() if average == "active" else MeanReducer()
    compare_pairs(
        lambda e, y: losses.triplet(e, y, margin=margin, mining=mining, average=average),
        peers.TripletMarginLoss(margin=margin, distance=euclidean(), reducer=reducer),
        labels,
        dim,
        seed,
        MINERS[mining](margin),
    )


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_lifted_structure(dim, seed, labels, margin):
    compare_pairs(
        lambda e, y: losses.lifted_structure(e, y, margin=margin),
        peers.LiftedStructureLoss(neg_margin=margin, distance=euclidean()),
        labels,
        dim,
        seed,
    )


# Losses with parameters: (rows, dimension, classes, seed); the second leaves classes out of the batch.
SHAPES = [(12, 2, 3, 0), (8, 5, 10, 1), (20, 16, 4, 2)]


def compare_parameters(ours, theirs, name, shape, transposed):
    """`theirs` holds its parameter in the attribute `name`, which takes the value of ours."""
    embeddings, labels, weight, _ = draw(*shape)
    peer = theirs(shape[2], shape[1])
    with torch.no_grad():
        setattr(peer, name, torch.nn.Parameter((weight.T if transposed else weight).clone()))
    # Leaves, so that the parameter is still the one that the peer computed with.
    embeddings, weight = embeddings.requires_grad_(), weight.requires_grad_()
    assert_agree(
        lambda: ours(embeddings, labels, weight),
        lambda: peer(embeddings, labels),
        [embeddings, weight],
        [embeddings, getattr(peer, name)],
    )


@pytest.mark.parametrize("scale", [1.0, 0.3, 9.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca(shape, scale):
    compare_parameters(
        lambda e, y, p: losses.proxy_nca(e, y, p, scale=scale),
        lambda c, d: peers.ProxyNCALoss(c, d, softmax_scale=scale),
        "proxies",
        shape,
        transposed=False,
    )


@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca_plus_plus(shape):
    compare_parameters(
        losses.proxy_nca_plus_plus,
        lambda c, d: peers.ProxyNCALoss(c, d, softmax_scale=9),
        "proxies",
        shape,
        transposed=False,
    )


@pytest.mark.parametrize("scale", [1.0, 4.525])
@pytest.mark.parametrize("shape", SHAPES)
def test_euclidean_softmax(shape, scale):
    compare_parameters(
        lambda e, y, p: losses.euclidean_softmax(e, y, p, scale=scale),
        lambda c, d: peers.ProxyNCALoss(c, d, softmax_scale=scale, distance=euclidean()),
        "proxies",
        shape,
        transposed=False,
    )


@pytest.mark.parametrize(("margin", "alpha"), [(0.1, 32.0), (0.0, 4.0), (0.3, 1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_anchor(shape, margin, alpha):
    compare_parameters(
        lambda e, y, p: losses.proxy_anchor(e, y, p, margin=margin, alpha=alpha),
        lambda c, d: peers.ProxyAnchorLoss(c, d, margin=margin, alpha=alpha),
        "proxies",
        shape,
        transposed=False,
    )


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("shape", SHAPES)
def test_norm_softmax(shape, temperature):
    compare_parameters(
        lambda e, y, w: losses.norm_softmax(e, y, w, temperature=temperature),
        lambda c, d: peers.NormalizedSoftmaxLoss(c, d, temperature=temperature),
        "W",
        shape,
        transposed=True,
    )


@pytest.mark.parametrize(("margin", "scale"), [(0.35, 64.0), (0.1, 4.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_cos_face(shape, margin, scale):
    compare_parameters(
        lambda e, y, w: losses.cos_face(e, y, w, margin=margin, scale=scale),
        lambda c, d: peers.CosFaceLoss(c, d, margin=margin, scale=scale),
        "W",
        shape,
        transposed=True,
    )


# Up to the margin of 2.33, from where on PML's rises with the angle past π − m.
@pytest.mark.parametrize(("margin", "scale"), [(0.5, 64.0), (1.5, 4.0), (2.3, 1.0)])
@pytest.mark.parametrize("shape", SHAPES)
def test_arc_face(shape, margin, scale):
    compare_parameters(
        lambda e, y, w: losses.arc_face(e, y, w, margin=margin, scale=scale),
        lambda c, d: peers.ArcFaceLoss(c, d, margin=math.degrees(margin), scale=scale),
        "W",
        shape,
        transposed=True,
    )


@pytest.mark.filterwarnings("ignore:__array_wrap__:DeprecationWarning")  # theirs, of scipy's binomials over tensors
@pytest.mark.parametrize(("margin", "scale"), [(4, 1.0), (1, 3.0), (3, 0.5)])
@pytest.mark.parametrize("shape", SHAPES)
def test_sphere_face(shape, margin, scale):
    """Whole margins only: theirs is made of multiple angles."""
    compare_parameters(
        lambda e, y, w: losses.sphere_face(e, y, w, margin=float(margin), scale=scale),
        lambda c, d: peers.SphereFaceLoss(c, d, margin=margin, scale=scale),
        "W",
        shape,
        transposed=True,
    )


@pytest.mark.parametrize("regularization", [0.0, 0.2])
@pytest.mark.parametrize(("scale", "gamma", "margin"), [(20.0, 0.1, 0.01), (5.0, 1.0, 0.2)])
@pytest.mark.parametrize("shape", SHAPES)
def test_soft_triple(shape, scale, gamma, margin, regularization):
    embeddings, labels, _, _ = draw(*shape)
    _, dim, classes, seed = shape
    number = 3
    regularizer = {}
    if regularization:
        sparse = SparseCentersRegularizer(classes, number)
        regularizer = {"weight_regularizer": sparse, "weight_reg_weight": regularization}
    peer = peers.SoftTripleLoss(
        classes, dim, centers_per_class=number, la=scale, gamma=gamma, margin=margin, **regularizer
    )
    centers = draw(classes * number, dim, 1, seed + 50)[0]
    peer.fc = torch.nn.Parameter(centers.T.clone())
    embeddings, centers = embeddings.requires_grad_(), centers.reshape(classes, number, dim).requires_grad_()
    options = {"scale": scale, "gamma": gamma, "margin": margin, "regularization": regularization}
    assert_agree(
        lambda: losses.soft_triple(embeddings, labels, centers, **options),
        lambda: peer(embeddings, labels),
        [embeddings, centers],
        [embeddings, peer.fc],
    )

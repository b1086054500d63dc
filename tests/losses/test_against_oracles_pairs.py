"""Value and gradient of the losses over pairs and triplets against the loop-written transcriptions of the equations."""

import itertools

import oracles_pairs as oracles
import pytest
import torch
from comparisons import DEGENERATE, LABELS, REDUCTIONS, assert_same, draw

from dmlkit import losses

EVERY = {**LABELS, **DEGENERATE}
DRAWS = [(2, 0), (5, 1)]  # dimension, seed


def compare(name, options, labels, dim, seed, reduction):
    embeddings, labels = draw(len(labels), dim, 1, seed)[0], torch.tensor(labels)
    assert_same(
        lambda e, reduction: getattr(losses, name)(e, labels, **options, reduction=reduction),
        lambda e: getattr(oracles, name)(e, labels, **options),
        [embeddings],
        reduction,
    )


def distances_of(labels, dim, seed):
    embeddings = draw(len(labels), dim, 1, seed)[0]
    return (embeddings.unsqueeze(1) - embeddings).norm(dim=2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 1.0, 2.5])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_contrastive(dim, seed, labels, margin, reduction):
    compare("contrastive", {"margin": margin}, labels, dim, seed, reduction)


def test_contrastive_is_tried_on_open_and_closed_hinges():
    y = torch.tensor(LABELS["balanced"])
    closed = (distances_of(y, *DRAWS[1]) > 2.5)[y.unsqueeze(1) != y]
    assert closed.any() and not closed.all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("average", ["active", "all"])
@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
@pytest.mark.parametrize("margin", [0.0, 0.2, 1.5])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
def test_triplet(labels, margin, mining, average, reduction):
    options = {"margin": margin, "mining": mining, "average": average}
    compare("triplet", options, labels, 3, 1, reduction)


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
def test_the_two_averages_of_triplets_are_tried_apart(mining):
    """With hinges open and closed they divide by different numbers, but semi-hard hinges are all open."""
    labels = torch.tensor(LABELS["balanced"])
    embeddings = draw(len(labels), 3, 1, 1)[0] + 3 * torch.eye(3, dtype=torch.float64)[labels]
    counts = [
        oracles.triplet(embeddings, labels, margin=0.2, mining=mining, average=average)[1]
        for average in ("active", "all")
    ]
    values = [losses.triplet(embeddings, labels, mining=mining, average=average) for average in ("active", "all")]
    assert counts[0] > 0
    assert (counts[0] < counts[1]) == (mining != "semi-hard")
    torch.testing.assert_close(values[0] * counts[0], values[1] * counts[1], atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("mining", ["all", "semi-hard", "hard"])
@pytest.mark.parametrize("average", ["active", "all"])
def test_triplet_of_clusters_that_are_far_apart_is_zero(average, mining):
    """No hinge is open: nothing to average over, and no gradient."""
    labels = torch.tensor([0, 0, 0, 1, 1, 1])
    embeddings = (0.1 * draw(6, 2, 1, 0)[0] + 10.0 * labels.unsqueeze(1)).requires_grad_()
    value = losses.triplet(embeddings, labels, mining=mining, average=average)
    (gradient,) = torch.autograd.grad(value, embeddings)
    assert value.item() == 0
    assert (gradient == 0).all()


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_snca(dim, seed, labels, temperature, reduction):
    compare("snca", {"temperature": temperature}, labels, dim, seed, reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("mining_margin", [None, 0.0, 0.1, 0.5])
@pytest.mark.parametrize(("alpha", "beta", "margin"), [(2.0, 50.0, 0.5), (18.0, 75.0, 0.77), (1.0, 2.0, -0.2)])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
def test_multi_similarity(labels, alpha, beta, margin, mining_margin, reduction):
    options = {"alpha": alpha, "beta": beta, "margin": margin, "mining_margin": mining_margin}
    compare("multi_similarity", options, labels, 3, 4, reduction)


def test_mining_of_multi_similarity_is_tried_where_it_leaves_pairs_out():
    """Each margin of the test above selects more pairs than the last, and none selects all."""
    embeddings, labels = draw(9, 3, 1, 4)[0], torch.tensor(LABELS["balanced"])
    values = [losses.multi_similarity(embeddings, labels, mining_margin=m).item() for m in (0.0, 0.1, 0.5)]
    values.append(losses.multi_similarity(embeddings, labels).item())
    assert all(a + 1e-6 < b for a, b in itertools.pairwise(values))


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "gamma"), [(0.4, 80.0), (0.25, 128.0), (0.1, 1.0), (-0.2, 5.0)])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(("dim", "seed"), DRAWS)
def test_circle(dim, seed, labels, margin, gamma, reduction):
    compare("circle", {"margin": margin, "gamma": gamma}, labels, dim, seed, reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 1.0, 3.0, -3.0])
@pytest.mark.parametrize("labels", EVERY.values(), ids=EVERY)
def test_lifted_structure(labels, margin, reduction):
    compare("lifted_structure", {"margin": margin}, labels, 3, 3, reduction)


def test_lifted_structure_is_tried_on_open_and_closed_hinges():
    labels = torch.tensor(LABELS["balanced"])
    embeddings = draw(9, 3, 1, 3)[0]
    anchors, pairs = oracles.lifted_structure(embeddings, labels, margin=-3.0)
    assert any(value == 0 for value in anchors) and any(value > 0 for value in anchors)
    assert pairs == 18


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("contrastive", {"margin": 1.0}),
        ("lifted_structure", {"margin": 1.0}),
        *[
            ("triplet", {"margin": 0.4, "mining": mining, "average": "active"})
            for mining in ("all", "semi-hard", "hard")
        ],
    ],
)
def test_larger_batches(name, options):
    """Enough rows for distances by a matrix product, which rounds; classes of many sizes; two rows that nearly meet."""
    embeddings, labels, _, _ = draw(40, 3, 8, 7)
    embeddings = 5 + embeddings
    embeddings[9] = embeddings[3] + 1e-5
    assert labels.bincount().unique().numel() > 3
    assert_same(
        lambda e, reduction: getattr(losses, name)(e, labels, **options, reduction=reduction),
        lambda e: getattr(oracles, name)(e, labels, **options),
        [embeddings],
        "none",
    )


@pytest.mark.parametrize("average", ["active", "all"])
@pytest.mark.parametrize("margin", [0.0, 1.0, 2.0, 3.5])
@pytest.mark.parametrize("mining", ["all", "semi-hard"])
@pytest.mark.parametrize("seed", range(3))
def test_triplets_on_the_edge(seed, mining, margin, average):
    """Rows on whole numbers: many D_an are D_ap or D_ap + m exactly, where hinges close and semi-hard begins, ends."""
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randperm(14, generator=generator)[:10].double().unsqueeze(1)
    labels = torch.randint(3, (10,), generator=generator)
    d = (embeddings - embeddings.T).abs()
    same = labels.unsqueeze(1) == labels
    positives = (same & ~torch.eye(10, dtype=torch.bool)).unsqueeze(2)
    gaps = (d.unsqueeze(1) - d.unsqueeze(2))[positives & ~same.unsqueeze(1)]  # D_an − D_ap of all triplets
    assert (gaps == 0).any() and (margin % 1 > 0 or (gaps == margin).any())
    options = {"margin": margin, "mining": mining, "average": average}
    for reduction in REDUCTIONS:
        assert_same(
            lambda e, reduction: losses.triplet(e, labels, **options, reduction=reduction),
            lambda e: oracles.triplet(e, labels, **options),
            [embeddings],
            reduction,
        )

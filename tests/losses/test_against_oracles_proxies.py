"""Value and gradient of the losses over proxies and centers against loop-written transcriptions of the equations."""

import oracles_proxies as oracles
import pytest
import torch
from comparisons import REDUCTIONS, SHAPES, assert_same, draw

from dmlkit import losses


def compare(name, options, embeddings, labels, parameters, reduction):
    assert_same(
        lambda e, *p, reduction: getattr(losses, name)(e, labels, *p, **options, reduction=reduction),
        lambda e, *p: getattr(oracles, name)(e, labels, *p, **options),
        [embeddings, *parameters],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
def test_center(shape, reduction):
    embeddings, labels, centers, _ = draw(*shape)
    compare("center", {}, embeddings, labels, [centers], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("own_in_denominator", [True, False])
@pytest.mark.parametrize("scale", [1.0, 0.2, 9.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca(shape, scale, own_in_denominator, reduction):
    embeddings, labels, proxies, _ = draw(*shape)
    options = {"scale": scale, "own_in_denominator": own_in_denominator}
    compare("proxy_nca", options, embeddings, labels, [proxies], reduction)


def test_proxy_nca_without_the_own_proxy_goes_below_zero():
    proxies = torch.eye(3, dtype=torch.float64)
    labels = torch.arange(3)
    value = losses.proxy_nca(proxies, labels, proxies, own_in_denominator=False, reduction="none")
    expected = torch.full((3,), 2.0, dtype=torch.float64).log() - 2  # 0 from the own proxy, √2 from the other two
    torch.testing.assert_close(value, expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [1 / 9, 0.05, 1.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca_plus_plus(shape, temperature, reduction):
    embeddings, labels, proxies, _ = draw(*shape)
    compare("proxy_nca_plus_plus", {"temperature": temperature}, embeddings, labels, [proxies], reduction)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(("margin", "alpha"), [(0.1, 32.0), (0.0, 1.0), (0.5, 4.0), (-0.1, 16.0)])
@pytest.mark.parametrize("labels", [[0, 1, 2, 0, 1, 2, 2], [3, 3, 1, 3, 1, 1, 3], [2, 2, 2, 2, 2, 2, 2]])
@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (4, 1)])
def test_proxy_anchor(dim, seed, labels, margin, alpha, reduction):
    """Four proxies, some without a sample in the batch, one with nothing but samples."""
    embeddings, _, proxies, _ = draw(7, dim, 4, seed)
    options = {"margin": margin, "alpha": alpha}
    compare("proxy_anchor", options, embeddings, torch.tensor(labels), [proxies], reduction)


def several_centers(number, dim, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(classes, number, dim, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("scale", "gamma", "margin", "regularization"),
    [(20.0, 0.1, 0.01, 0.0), (5.0, 1.0, 0.3, 0.2), (1.0, 0.03, 0.0, 1.7)],
)
@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("shape", SHAPES)
def test_soft_triple(shape, number, scale, gamma, margin, regularization, reduction):
    embeddings, labels, _, _ = draw(*shape)
    _, dim, classes, seed = shape
    centers = several_centers(number, dim, classes, seed)
    options = {"scale": scale, "gamma": gamma, "margin": margin, "regularization": regularization}
    compare("soft_triple", options, embeddings, labels, [centers], reduction)


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("shape", SHAPES)
def test_soft_triple_regularizer(shape, number):
    _, dim, classes, seed = shape
    assert_same(
        lambda c, reduction: losses.soft_triple_regularizer(c),
        lambda c: [oracles.soft_triple_regularizer(c)],
        [several_centers(number, dim, classes, seed)],
        "sum",
    )


def hist_batch(rows, dim, classes, seed, hidden=4):
    """Logarithms of variances below 0, within [0, 6] and above 6: only within do they have a gradient."""
    embeddings, labels, means, bias = draw(rows, dim, classes, seed)
    generator = torch.Generator().manual_seed(seed + 100)
    log_variances, hidden_weight, hidden_bias, weight = (
        torch.randn(size, generator=generator, dtype=torch.float64)
        for size in [(classes, dim), (hidden, dim), (hidden,), (classes, hidden)]
    )
    log_variances = 2 + 3 * log_variances
    assert (log_variances < 0).any() and ((log_variances > 0) & (log_variances < 6)).any()
    return embeddings, labels, means, log_variances, hidden_weight, hidden_bias, weight, bias


HIST_SHAPES = [(6, 3, 2, 0), (7, 2, 3, 1), (8, 3, 5, 2)]


def test_variances_are_tried_above_their_range():
    assert any((hist_batch(*shape)[3] > 6).any() for shape in HIST_SHAPES)


@pytest.mark.parametrize("shape", HIST_SHAPES)
def test_hist_distances(shape):
    embeddings, _, means, log_variances, *_ = hist_batch(*shape)
    assert_same(
        lambda *leaves, reduction: losses.hist_distances(*leaves).flatten(),
        lambda *leaves: [value for row in oracles.hist_distances(*leaves) for value in row],
        [embeddings, means, log_variances],
        "none",
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [1 / 32, 0.5])
@pytest.mark.parametrize("shape", HIST_SHAPES)
def test_hist_distribution(shape, temperature, reduction):
    embeddings, labels, means, log_variances, *_ = hist_batch(*shape)
    options = {"temperature": temperature}
    compare("hist_distribution", options, embeddings, labels, [means, log_variances], reduction)


@pytest.mark.parametrize("alpha", [0.9, 0.3, 2.0])
@pytest.mark.parametrize("labels", [[0, 1, 2, 0], [4, 1, 4, 4], [2, 2, 2, 2], [3, 2, 1, 0]])
def test_hist_incidence(labels, alpha):
    """Columns are the classes of the batch in ascending order, whatever classes there are besides."""
    distances = draw(4, 5, 1, 3)[0] ** 2
    labels = torch.tensor(labels)
    assert losses.hist_incidence(distances, labels, alpha=alpha).shape == (4, len(labels.unique()))
    assert_same(
        lambda d, reduction: losses.hist_incidence(d, labels, alpha=alpha).flatten(),
        lambda d: [value for row in oracles.hist_incidence(d, labels, alpha=alpha) for value in row],
        [distances],
        "none",
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("temperature", "alpha", "hypergraph_weight"), [(1 / 32, 0.9, 1.0), (0.5, 1.5, 0.3), (1.0, 0.2, 0.0)]
)
@pytest.mark.parametrize("shape", HIST_SHAPES)
def test_hist(shape, temperature, alpha, hypergraph_weight, reduction):
    embeddings, labels, *parameters = hist_batch(*shape)
    options = {"temperature": temperature, "alpha": alpha, "hypergraph_weight": hypergraph_weight}
    compare("hist", options, embeddings, labels, parameters, reduction)

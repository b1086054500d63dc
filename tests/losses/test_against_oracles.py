"""Value and gradient of every loss against the loop-written transcriptions of the equations."""

import oracles
import pytest
import torch
from comparisons import LABELS, REDUCTIONS, SHAPES, assert_same, draw

from dmlkit import losses


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", ["all", "others"])
@pytest.mark.parametrize("label_smoothing", [0.0, 0.1, 0.9])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy(shape, label_smoothing, smoothing, reduction):
    rows, _, classes, seed = shape
    logits, labels, _, _ = draw(rows, classes, classes, seed)
    options = {"label_smoothing": label_smoothing, "smoothing": smoothing}
    assert_same(
        lambda u, reduction: losses.cross_entropy(u, labels, **options, reduction=reduction),
        lambda u: oracles.cross_entropy(u, labels, **options),
        [3 * logits],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize("options", [{}, {"label_smoothing": 0.2}, {"label_smoothing": 0.2, "smoothing": "others"}])
@pytest.mark.parametrize("shape", SHAPES)
def test_linear_cross_entropy(shape, options, with_bias, reduction):
    embeddings, labels, weight, bias = draw(*shape)
    leaves = [embeddings, weight, bias] if with_bias else [embeddings, weight]
    assert_same(
        lambda e, w, b=None, *, reduction: losses.linear_cross_entropy(e, labels, w, b, **options, reduction=reduction),
        lambda e, w, b=None: oracles.linear_cross_entropy(e, labels, w, b, **options),
        leaves,
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
@pytest.mark.parametrize(("dim", "seed"), [(2, 0), (5, 1)])
def test_sup_con(dim, seed, labels, temperature, reduction):
    embeddings, labels = draw(len(labels), dim, 1, seed)[0], torch.tensor(labels)
    assert_same(
        lambda e, reduction: losses.sup_con(e, labels, temperature=temperature, reduction=reduction),
        lambda e: oracles.sup_con(e, labels, temperature=temperature),
        [embeddings],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("soft_min", ["logsumexp", "weighted_mean"])
@pytest.mark.parametrize(
    ("temperature", "nearest_temperature", "eps"), [(0.1, 0.1, 1e-8), (0.5, 0.05, 0.0), (0.05, 1.0, 0.1)]
)
@pytest.mark.parametrize("labels", LABELS.values(), ids=LABELS)
def test_soft_silhouette(labels, temperature, nearest_temperature, eps, soft_min, reduction):
    embeddings, labels = draw(len(labels), 3, 1, 4)[0], torch.tensor(labels)
    options = {
        "temperature": temperature,
        "nearest_temperature": nearest_temperature,
        "soft_min": soft_min,
        "eps": eps,
    }
    assert_same(
        lambda e, reduction: losses.soft_silhouette(e, labels, **options, reduction=reduction),
        lambda e: oracles.soft_silhouette(e, labels, **options),
        [embeddings],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("scale", [1.0, 0.3, 4.525])
@pytest.mark.parametrize("shape", SHAPES)
def test_euclidean_softmax(shape, scale, reduction):
    embeddings, labels, proxies, _ = draw(*shape)
    assert_same(
        lambda e, p, reduction: losses.euclidean_softmax(e, labels, p, scale=scale, reduction=reduction),
        lambda e, p: oracles.euclidean_softmax(e, labels, p, scale=scale),
        [embeddings, proxies],
        reduction,
    )


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize(
    ("alpha", "beta", "r", "margin", "scale"),
    [
        (0.5, 1.5, "median", 1.0, 1.0),
        (0.93, 1.15, "median", 1.3, 4.525),
        (0.0, 2.0, "median", 0.5, 2.0),
        (1.0, 1.0, "median", 1.0, 1.0),
        (0.5, 1.5, 0.0, 1.0, 1.0),
        (0.5, 1.5, float("inf"), 1.5, 1.0),
        (0.5, 1.0, float("inf"), 1.0, 1.0),
        (1.2, 0.8, "median", 1.0, 1.0),
    ],
)
@pytest.mark.parametrize("shape", SHAPES)
def test_warped_softmax(shape, alpha, beta, r, margin, scale, reduction):
    embeddings, labels, proxies, _ = draw(*shape)
    if r == "median":
        own = (embeddings - proxies[labels]).norm(dim=1)
        r = own.median().item() + 1e-3  # beside the row that is the median: on the edge the two sides might round apart
        assert (own < r).any() and (own > r).any()
    options = {"alpha": alpha, "beta": beta, "r": r, "margin": margin, "scale": scale}
    assert_same(
        lambda e, p, reduction: losses.warped_softmax(e, labels, p, **options, reduction=reduction),
        lambda e, p: oracles.warped_softmax(e, labels, p, **options),
        [embeddings, proxies],
        reduction,
    )


MONOTONE = {
    "identity": (lambda d: d, lambda d: d),
    "squares": (lambda d: d**2, lambda d: d**2),
    "root and logarithm": (lambda d: d.sqrt(), lambda d: (1 + d).log()),
    "slope and shift": (lambda d: 1.5 * d + 0.3, lambda d: d),
    "constant": (lambda d: 0 * d + 1, lambda d: d),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("scale", [1.0, 0.3, 4.525])
@pytest.mark.parametrize(("f_own", "f_other"), MONOTONE.values(), ids=MONOTONE)
@pytest.mark.parametrize("shape", SHAPES)
def test_monotone_softmax(shape, f_own, f_other, scale, reduction):
    embeddings, labels, proxies, _ = draw(*shape)
    options = {"f_own": f_own, "f_other": f_other, "scale": scale}
    assert_same(
        lambda e, p, reduction: losses.monotone_softmax(e, labels, p, **options, reduction=reduction),
        lambda e, p: oracles.monotone_softmax(e, labels, p, **options),
        [embeddings, proxies],
        reduction,
    )

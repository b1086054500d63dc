"""Value and gradient of every loss against the loop-written transcriptions of the equations."""

import oracles
import pytest
import torch

from dmlkit import losses

REDUCTIONS = ("none", "mean", "sum")
SHAPES = [(6, 2, 2, 0), (9, 4, 3, 1), (12, 3, 5, 2)]  # rows, dimension, classes, seed


def draw(rows, dim, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    proxies = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    bias = torch.randn(classes, generator=generator, dtype=torch.float64)
    return embeddings, labels, proxies, bias


def assert_same(loss, oracle, leaves, reduction):
    """`loss(*leaves, reduction)` and `oracle(*leaves)` agree in value and in the gradient of every leaf."""
    sides = []
    for side in (loss, lambda *xs, reduction: oracles.reduced(oracle(*xs), reduction)):
        own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        value = side(*own, reduction=reduction)
        # Unequal weights, so that a gradient that lands on the wrong anchor shows.
        weights = torch.linspace(0.5, 2, value.numel(), dtype=torch.float64).reshape(value.shape)
        sides.append((value.detach(), torch.autograd.grad((value * weights).sum(), own, materialize_grads=True)))
    (value, gradients), (expected_value, expected_gradients) = sides
    torch.testing.assert_close(value, expected_value, atol=1e-10, rtol=1e-10)
    for gradient, expected in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected, atol=1e-8, rtol=1e-8)


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


# Labels of losses that need no proxies are any integers: singletons, gaps, negative and very large numbers.
LABELS = {
    "balanced": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "two classes": [1, 0, 0, 1, 1, 0, 1, 0, 0],
    "singletons": [5, 1, 0, 1, 2, 2, 2, 1, 8],
    "far apart": [7, -3, 10**12, 7, -3, 10**12, 7, 7, -3],
}


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


WARP = {"alpha": 0.5, "beta": 1.5, "r": 1.0, "margin": 1.2}
SILHOUETTE = {"temperature": 0.1, "nearest_temperature": 0.2, "soft_min": "logsumexp", "eps": 1e-8}
# name → loss over (embeddings, labels, proxies), and its oracle
ALL = {
    "cross_entropy": (
        lambda e, y, p, **kw: losses.cross_entropy(e, y, **kw),
        lambda e, y, p: oracles.cross_entropy(e, y),
    ),
    "linear_cross_entropy": (
        losses.linear_cross_entropy,
        lambda e, y, p: oracles.linear_cross_entropy(e, y, p, None),
    ),
    "sup_con": (
        lambda e, y, p, **kw: losses.sup_con(e, y, temperature=0.1, **kw),
        lambda e, y, p: oracles.sup_con(e, y, temperature=0.1),
    ),
    "soft_silhouette": (
        lambda e, y, p, **kw: losses.soft_silhouette(e, y, **SILHOUETTE, **kw),
        lambda e, y, p: oracles.soft_silhouette(e, y, **SILHOUETTE),
    ),
    "euclidean_softmax": (losses.euclidean_softmax, oracles.euclidean_softmax),
    "warped_softmax": (
        lambda e, y, p, **kw: losses.warped_softmax(e, y, p, **WARP, **kw),
        lambda e, y, p: oracles.warped_softmax(e, y, p, **WARP),
    ),
}


@pytest.mark.parametrize("name", ["sup_con", "soft_silhouette"])
def test_zero_rows_on_the_sphere(name):
    """At cosine distance 1 from every other row, and at 0 from itself."""
    loss, oracle = ALL[name]
    embeddings, _, proxies, _ = draw(7, 3, 3, 5)
    embeddings[[1, 3, 6]] = 0
    labels = torch.tensor([0, 1, 2, 1, 0, 2, 2])
    assert_same(
        lambda e, reduction: loss(e, labels, proxies, reduction=reduction),
        lambda e: oracle(e, labels, proxies),
        [embeddings],
        "none",
    )


@pytest.mark.parametrize("dtype", [torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8])
@pytest.mark.parametrize(("loss", "oracle"), ALL.values(), ids=ALL)
def test_any_integer_labels(loss, oracle, dtype):
    embeddings, _, proxies, _ = draw(7, 3, 3, 5)
    labels = torch.tensor([0, 1, 2, 1, 0, 2, 2])
    value = loss(embeddings, labels.to(dtype), proxies, reduction="none")
    torch.testing.assert_close(value, oracles.reduced(oracle(embeddings, labels, proxies), "none"), atol=1e-10, rtol=0)


@pytest.mark.parametrize(("loss", "oracle"), ALL.values(), ids=ALL)
def test_tensors_with_gaps_in_memory(loss, oracle):
    wide, _, wide_proxies, _ = draw(6, 14, 3, 6)
    labels = torch.tensor([0, 9, 1, 9, 2, 9, 1, 9, 0, 9, 2, 9, 2, 9])[::2]

    def thin(x, p):
        embeddings, proxies = x[::2, 1::2].T, p[:, :3].T
        assert not (embeddings.is_contiguous() or proxies.is_contiguous() or labels.is_contiguous())
        return embeddings, labels, proxies

    assert_same(
        lambda x, p, reduction: loss(*thin(x, p), reduction=reduction),
        lambda x, p: oracle(*thin(x, p)),
        [wide, wide_proxies],
        "none",
    )

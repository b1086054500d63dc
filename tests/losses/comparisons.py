"""A loss beside its oracle: random batches, layouts of labels, and the comparison of values and gradients."""

from __future__ import annotations

import oracles
import torch

REDUCTIONS = ("none", "mean", "sum")
SHAPES = [(6, 2, 2, 0), (9, 4, 3, 1), (12, 3, 5, 2)]  # rows, dimension, classes, seed

# Labels of losses that need no proxies are any integers: singletons, gaps, negative and very large numbers.
LABELS = {
    "balanced": [0, 0, 0, 1, 1, 1, 2, 2, 2],
    "two classes": [1, 0, 0, 1, 1, 0, 1, 0, 0],
    "singletons": [5, 1, 0, 1, 2, 2, 2, 1, 8],
    "far apart": [7, -3, 10**12, 7, -3, 10**12, 7, 7, -3],
}
# Batches that lack positives or negatives altogether.
DEGENERATE = {"one class": [4, 4, 4, 4, 4], "only singletons": [3, 1, 4, 0, 5]}


def draw(rows, dim, classes, seed):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    proxies = torch.randn(classes, dim, generator=generator, dtype=torch.float64)
    bias = torch.randn(classes, generator=generator, dtype=torch.float64)
    return embeddings, labels, proxies, bias


def assert_same(loss, oracle, leaves, reduction):
    """`loss(*leaves, reduction)` and `oracle(*leaves)` agree in value and in the gradient of every leaf."""

    def slow(*own, reduction):
        anchors, count = value if isinstance(value := oracle(*own), tuple) else (value, None)
        # Nothing of every leaf, for a batch of which no anchor is counted: a constant has no gradient to ask for.
        return oracles.reduced(anchors, reduction, count) + sum(0 * leaf.sum() for leaf in own)

    sides = []
    for side in (loss, slow):
        own = [leaf.detach().clone().requires_grad_() for leaf in leaves]
        value = side(*own, reduction=reduction)
        # Unequal weights, so that a gradient that lands on the wrong anchor shows.
        weights = torch.linspace(0.5, 2, value.numel(), dtype=torch.float64).reshape(value.shape)
        sides.append((value.detach(), torch.autograd.grad((value * weights).sum(), own, materialize_grads=True)))
    (value, gradients), (expected_value, expected_gradients) = sides
    torch.testing.assert_close(value, expected_value, atol=1e-10, rtol=1e-10)
    for gradient, expected in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(gradient, expected, atol=1e-8, rtol=1e-8)

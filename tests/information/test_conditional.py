"""Tightness as a cross-entropy: against a loop over the density, and against the entropy that it bounds."""

import math

import pytest
import torch

from dmlkit import losses
from dmlkit.information import conditional_cross_entropy, sample_mixture


def draw(rows=40, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return x, torch.randint(4, (rows,), generator=generator)


def by_density(embeddings, labels):
    """−1/n Σ log N(z_i; c_y, I), one row and one coordinate at a time."""
    rows, y = embeddings.tolist(), labels.tolist()
    total = 0.0
    for i, row in enumerate(rows):
        own = [other for j, other in enumerate(rows) if y[j] == y[i]]
        density = 1.0
        for axis, value in enumerate(row):
            mean = math.fsum(other[axis] for other in own) / len(own)
            density *= math.exp(-((value - mean) ** 2) / 2) / math.sqrt(2 * math.pi)
        total -= math.log(density)
    return total / len(rows)


@pytest.mark.parametrize("dim", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_it_is_minus_the_mean_log_density(seed, dim):
    embeddings, labels = draw(dim=dim, seed=seed)
    assert conditional_cross_entropy(embeddings, labels) == pytest.approx(by_density(embeddings, labels), abs=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_tightness_of_center_with_both_constants(seed):
    embeddings, labels = draw(seed=seed)
    tightness = losses.tightness("center")(embeddings, labels).item()
    expected = 1.5 * math.log(2 * math.pi) + tightness / 40
    assert conditional_cross_entropy(embeddings, labels) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("width", [0.3, 0.7, 1.0, 1.5, 3.0])
@pytest.mark.parametrize("dim", [1, 3])
def test_it_is_entropy_plus_divergence(dim, width):
    """Classes N(μ, σ²I): H + KL = ½ d log 2πeσ² + ½ d (σ² − 1 − log σ²), the latter 0 for σ = 1 alone."""
    means = 5 * torch.eye(3, dtype=torch.float64)[:, :dim]
    rows, draws = 4000, 8
    values = [conditional_cross_entropy(*sample_mixture(means, width, rows, seed)) for seed in range(draws)]
    entropy = dim / 2 * math.log(2 * math.pi * math.e * width**2)
    divergence = dim / 2 * (width**2 - 1 - math.log(width**2))
    assert (divergence > 0) == (width != 1)
    bias = -3 * dim * width**2 / (2 * rows)  # the means of a sample
    error = 4 * width**2 * math.sqrt(dim / 2 / (rows * draws))
    assert sum(values) / draws == pytest.approx(entropy + divergence + bias, abs=error)


def test_means_of_a_sample_cost_what_is_stated():
    """K tr Σ / 2n, where rows are few enough to see it."""
    means, rows, draws = torch.tensor([[0.0, 0.0], [9.0, 0.0]]).double(), 12, 3000
    values = []
    for seed in range(draws):
        noise = torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        labels = torch.arange(rows) % 2
        values.append(conditional_cross_entropy(means[labels] + 2 * noise, labels))
    true = math.log(2 * math.pi) + 2 * 4 / 2
    error = 4 * 4 / math.sqrt(rows * draws)
    assert sum(values) / draws == pytest.approx(true - 2 * 8 / (2 * rows), abs=error)


def test_where_the_classes_lie_does_not_matter():
    embeddings, labels = draw()
    moves = 7 * torch.randn(4, 3, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    value = conditional_cross_entropy(embeddings, labels)
    assert conditional_cross_entropy(embeddings + moves[labels], labels) == pytest.approx(value, abs=1e-12)
    assert conditional_cross_entropy(embeddings + 1e6, labels) == pytest.approx(value, abs=1e-8)


def test_classes_that_are_points_cost_the_constant():
    embeddings = torch.tensor([[1.0, 2.0]] * 3 + [[4.0, 0.5]] * 2)
    value = conditional_cross_entropy(embeddings, torch.tensor([5, 5, 5, -2, -2]))
    assert value == pytest.approx(math.log(2 * math.pi), abs=1e-14)


def test_low_precision_is_computed_in_float64():
    embeddings, labels = draw()
    low = embeddings.half()
    expected = conditional_cross_entropy(low.double(), labels)
    assert conditional_cross_entropy(low, labels) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "^embeddings must be a torch.Tensor"),
        ({"embeddings": torch.zeros(0, 2), "labels": torch.zeros(0, dtype=torch.long)}, ValueError, "empty"),
        ({"embeddings": torch.full((4, 1), math.nan)}, ValueError, "^embeddings must be finite"),
        ({"embeddings": torch.full((4, 1), math.inf)}, ValueError, "^embeddings must be finite"),
        ({"labels": torch.zeros(4)}, TypeError, "^labels must have an integer dtype"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, ValueError, "^labels must have shape"),
    ],
)
def test_errors(change, error, says):
    arguments = {"embeddings": torch.arange(4.0).reshape(4, 1), "labels": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(error, match=says):
        conditional_cross_entropy(**{**arguments, **change})

"""What PCE is once its classifier is fitted, and what it rewards while it is not."""

from __future__ import annotations

import math

import pytest
import torch
from comparisons import draw

from dmlkit import losses

EXACT = {"atol": 1e-10, "rtol": 1e-10}
SEEDS = range(8)


def fitted(embeddings, labels, classes):
    """The weight of the classifier without a bias whose cross-entropy is smallest; classes must overlap."""
    weight = torch.zeros(classes, embeddings.shape[1], dtype=torch.float64, requires_grad=True)
    options = {"max_iter": 1000, "tolerance_grad": 1e-13, "tolerance_change": 1e-18}
    descent = torch.optim.LBFGS([weight], line_search_fn="strong_wolfe", **options)

    def value():
        descent.zero_grad()
        cross_entropy = losses.linear_cross_entropy(embeddings, labels, weight)
        cross_entropy.backward()
        return cross_entropy

    descent.step(value)
    assert weight.grad.abs().max() < 1e-7
    return weight.detach()


@pytest.mark.parametrize("lam", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_value_is_that_of_pairwise_cross_entropy(seed, lam):
    batch = draw(10, 3, 4, seed)
    value = losses.fitted_pairwise_cross_entropy(*batch, lam=lam, reduction="none")
    torch.testing.assert_close(value, losses.pairwise_cross_entropy(*batch, lam=lam, reduction="none"), **EXACT)


@pytest.mark.parametrize("lam", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_lambda_is_a_unit_of_squared_length(seed, lam):
    """Where the probabilities are the same: the classifier shrinks as the embeddings grow."""
    embeddings, labels, weight, bias = draw(10, 3, 4, seed)
    value = losses.fitted_pairwise_cross_entropy(embeddings, labels, weight, bias, lam=lam)
    root = math.sqrt(lam)
    same = losses.fitted_pairwise_cross_entropy(embeddings / root, labels, weight * root, bias, lam=1.0)
    torch.testing.assert_close(value, same, **EXACT)


@pytest.mark.parametrize("lam", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_cross_entropy_at_the_soft_sums_less_the_misfit(seed, lam):
    embeddings, labels, weight, bias = draw(10, 3, 4, seed)
    weight.requires_grad_()
    cross_entropy = losses.linear_cross_entropy(embeddings, labels, weight, bias)
    (misfit,) = torch.autograd.grad(cross_entropy, weight)
    soft_sums = (embeddings @ weight.T + bias).softmax(dim=1).T @ embeddings / 10
    at_soft_sums = losses.linear_cross_entropy(embeddings, labels, soft_sums / lam)
    expected = at_soft_sums - misfit.square().sum() / (2 * lam)
    value = losses.fitted_pairwise_cross_entropy(embeddings, labels, weight, bias, lam=lam)
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("lam", [0.1, 1.0, 7.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_with_the_best_classifier_it_is_spce_in_that_unit_and_no_less_than_cross_entropy(seed, lam):
    embeddings, labels = draw(40, 2, 3, seed)[:2]
    weight = fitted(embeddings, labels, 3)
    value = losses.fitted_pairwise_cross_entropy(embeddings, labels, weight, lam=lam)
    spce = losses.simplified_pairwise_cross_entropy(embeddings / math.sqrt(lam), labels)
    torch.testing.assert_close(value, spce, atol=1e-6, rtol=1e-6)
    assert value >= losses.linear_cross_entropy(embeddings, labels, weight) - 1e-6


@pytest.mark.parametrize("scale", [1.0, 10.0])
def test_an_undecided_classifier_pays_for_long_embeddings(scale):
    """At weight 0 the value is log K + ‖z̄‖²/(2λK) − Σ‖h_k‖²/(2λ), with hard sums h: no bound below."""
    embeddings, labels = draw(12, 3, 1, 0)[0] * scale, torch.arange(12) % 3
    hard = torch.stack([embeddings[labels == k].sum(dim=0) / 12 for k in range(3)])
    mean = embeddings.mean(dim=0)
    expected = math.log(3) + mean.square().sum() / (2 * 0.5 * 3) - hard.square().sum() / (2 * 0.5)
    value = losses.fitted_pairwise_cross_entropy(embeddings, labels, torch.zeros(3, 3, dtype=torch.float64), lam=0.5)
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
def test_gradients_of_the_two_players(seed):
    embeddings, labels, weight, bias = (x.requires_grad_(x.is_floating_point()) for x in draw(10, 3, 4, seed))
    value = losses.fitted_pairwise_cross_entropy(embeddings, labels, weight, bias, lam=0.3)
    by_embeddings, *by_classifier = torch.autograd.grad(value, [embeddings, weight, bias])
    cross_entropy = losses.linear_cross_entropy(embeddings, labels, weight, bias)
    for found, expected in zip(by_classifier, torch.autograd.grad(cross_entropy, [weight, bias]), strict=True):
        torch.testing.assert_close(found, expected, **EXACT)
    # The chapter's formula: with q of the soft sums c/λ, hard sums h and g the soft sums under q,
    # −nλ dL/dz_i = h_{y_i} − Σ q_ik c_k − Σ p_ik (g_k − c_k).
    z = embeddings.detach()
    p = (z @ weight.detach().T + bias.detach()).softmax(dim=1)
    own = torch.nn.functional.one_hot(labels, 4).double()
    hard, soft = own.T @ z / 10, p.T @ z / 10
    q = (z @ soft.T / 0.3).softmax(dim=1)
    again = q.T @ z / 10
    torch.testing.assert_close(-10 * 0.3 * by_embeddings, own @ hard - q @ soft - p @ (again - soft), **EXACT)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("classes", [2, 3, 6])
def test_spce_has_a_floor_that_the_length_of_the_embeddings_sets(seed, classes):
    """Balanced classes, no row longer than r: SPCE ≥ log(1 + (K − 1) e^{−r²/(K − 1)}), reached by a simplex."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(4 * classes, 5, generator=generator, dtype=torch.float64)
    radius = 4 * torch.rand((), generator=generator).item()
    rows = radius * torch.nn.functional.normalize(rows)
    floor = math.log(1 + (classes - 1) * math.exp(-(radius**2) / (classes - 1)))
    labels = torch.arange(4 * classes) % classes
    assert losses.simplified_pairwise_cross_entropy(rows, labels) > floor
    corners = torch.eye(classes, dtype=torch.float64) - 1 / classes
    simplex = radius * torch.nn.functional.normalize(corners)[labels]
    assert losses.simplified_pairwise_cross_entropy(simplex, labels).item() == pytest.approx(floor, abs=1e-12)

"""Cross-entropy in two halves (paper M, eq. 13): the transcription, what proposition 1 says of each half, bad input."""

import math

import numpy as np
import pytest
import torch
from comparisons import draw

from dmlkit import losses

EXACT = {"atol": 1e-11, "rtol": 1e-11}
LABELS = torch.tensor([0, 1, 2, 1, 0, 2])


def transcribed(embeddings, labels, weight, lam):
    """Eq. 13, one scalar at a time."""
    n, classes, dim = len(embeddings), len(weight), embeddings.shape[1]
    square = sum(weight[k, a] ** 2 for k in range(classes) for a in range(dim)) * lam / 2
    first, second = square, -square
    for i in range(n):
        u = [sum(weight[k, a] * embeddings[i, a] for a in range(dim)) for k in range(classes)]
        first = first - u[int(labels[i])] / n
        second = second + sum(x.exp() for x in u).log() / n
    return first, second


@pytest.mark.parametrize("lam", [0.0, 0.05, 2.0])
@pytest.mark.parametrize("shape", [(6, 2, 2, 0), (9, 4, 3, 1), (5, 3, 7, 2)])
def test_split_cross_entropy_is_equation_13(shape, lam):
    """Values, and the gradients of both halves with respect to both tensors."""
    embeddings, labels, weight, _ = draw(*shape)
    sides = []
    for split in (losses.split_cross_entropy, transcribed):
        leaves = [embeddings.clone().requires_grad_(), weight.clone().requires_grad_()]
        halves = split(leaves[0], labels, leaves[1], **{"lam": lam})
        gradients = torch.autograd.grad(halves[0] + math.pi * halves[1], leaves)
        sides.append([*(half.detach() for half in halves), *gradients])
    for value, expected in zip(*sides, strict=True):
        torch.testing.assert_close(value, expected, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("lam", [0.0, 0.3, 50.0])
@pytest.mark.parametrize("seed", range(5))
def test_sum_of_split_cross_entropy_is_cross_entropy(seed, lam):
    embeddings, labels, weight, _ = draw(10, 3, 4, seed)
    halves = losses.split_cross_entropy(embeddings, labels, weight, lam=lam)
    torch.testing.assert_close(sum(halves), losses.linear_cross_entropy(embeddings, labels, weight), **EXACT)


def soft_means(embeddings, weight):
    return (embeddings @ weight.T).softmax(dim=1).T @ embeddings / len(embeddings)


def class_sums(embeddings, labels, classes):
    return torch.stack([embeddings[labels == k].sum(dim=0) for k in range(classes)]) / len(embeddings)


@pytest.mark.parametrize("lam", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_first_half_is_least_at_the_hard_means(seed, lam):
    """Proposition 1: for any λ, and by how much it is larger elsewhere: λ/2 of the squared distance."""
    embeddings, labels, weight, _ = draw(10, 3, 4, seed)
    best = class_sums(embeddings, labels, 4) / lam
    least, _ = losses.split_cross_entropy(embeddings, labels, best, lam=lam)
    value, _ = losses.split_cross_entropy(embeddings, labels, weight, lam=lam)
    torch.testing.assert_close(value - least, lam / 2 * (weight - best).square().sum(), **EXACT)
    torch.testing.assert_close(least, losses.tightness("pairwise_cross_entropy")(embeddings, labels, lam=lam), **EXACT)


@pytest.mark.parametrize("lam", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(5))
def test_pairwise_cross_entropy_is_both_halves_each_at_its_own_classifier(seed, lam):
    """Eq. 12 from eq. 13: f₁ at the hard means over λ, f₂ at the soft means over λ."""
    embeddings, labels, weight, _ = draw(10, 3, 4, seed)
    hard, soft = class_sums(embeddings, labels, 4) / lam, soft_means(embeddings, weight) / lam
    first, _ = losses.split_cross_entropy(embeddings, labels, hard, lam=lam)
    _, second = losses.split_cross_entropy(embeddings, labels, soft, lam=lam)
    value = losses.pairwise_cross_entropy(embeddings, labels, weight, lam=lam)
    torch.testing.assert_close(value, first + second, **EXACT)


@pytest.mark.parametrize("lam", [1e-3, 0.3])
@pytest.mark.parametrize("seed", range(5))
def test_second_half_has_no_minimum(seed, lam):
    """Along θ + c it is a parabola of curvature −λK‖c‖², whatever λ > 0."""
    embeddings, labels, weight, _ = draw(10, 3, 4, seed)
    shift = draw(1, 3, 1, seed + 50)[0][0]

    def second(t):
        return losses.split_cross_entropy(embeddings, labels, weight + t * shift, lam=lam)[1].item()

    curvature = second(1) - 2 * second(0) + second(-1)
    assert curvature == pytest.approx(-lam * 4 * shift.square().sum().item(), rel=1e-6, abs=1e-11)
    assert second(1e4) < second(0) - 1e3 and second(-1e4) < second(0) - 1e3


@pytest.mark.parametrize("seed", range(10))
def test_pairwise_cross_entropy_is_at_most_cross_entropy_of_the_zero_classifier(seed):
    """log K minus 1/(2λ) Σ ‖s_k − z̄/K‖²; for λ given and derived."""
    embeddings, labels, weight, _ = draw(12, 3, 4, seed)
    sums = class_sums(embeddings, labels, 4)
    apart = (sums - embeddings.mean(dim=0) / 4).square().sum()
    for lam in (0.02, 1.0, losses.pairwise_cross_entropy_lambda(embeddings, 0 * weight).item()):
        value = losses.pairwise_cross_entropy(embeddings, labels, 0 * weight, lam=lam)
        torch.testing.assert_close(value, math.log(4) - apart / (2 * lam), **EXACT)
        assert value <= losses.linear_cross_entropy(embeddings, labels, 0 * weight)


@pytest.mark.parametrize("seed", range(5))
def test_pairwise_cross_entropy_is_at_least_cross_entropy_of_the_best_classifier(seed):
    """There the soft means are the hard ones, so that PCE is cross-entropy of another classifier."""
    embeddings, labels = draw(40, 2, 3, seed)[0], torch.arange(40) % 3
    weight = torch.zeros(3, 2, dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weight], max_iter=300, line_search_fn="strong_wolfe", tolerance_grad=1e-11, tolerance_change=0
    )

    def closure():
        optimiser.zero_grad()
        value = sum(losses.split_cross_entropy(embeddings, labels, weight, lam=0.0))
        value.backward()
        return value

    optimiser.step(closure)
    best, sums = weight.detach(), class_sums(embeddings, labels, 3)
    torch.testing.assert_close(soft_means(embeddings, best), sums, atol=1e-7, rtol=0)
    least = losses.linear_cross_entropy(embeddings, labels, best)
    for lam in (0.02, 1.0, losses.pairwise_cross_entropy_lambda(embeddings, best).item()):
        value = losses.pairwise_cross_entropy(embeddings, labels, best, lam=lam)
        torch.testing.assert_close(
            value, losses.linear_cross_entropy(embeddings, labels, sums / lam), atol=1e-5, rtol=0
        )
        assert value >= least


def test_dtypes_of_split_cross_entropy():
    embeddings, labels, weight, _ = draw(6, 3, 3, 0)
    exact = losses.split_cross_entropy(embeddings, labels, weight, lam=0.3)
    for dtype, tolerance in ((torch.float32, 1e-6), (torch.bfloat16, 0.05)):
        halves = losses.split_cross_entropy(embeddings.to(dtype), labels, weight, lam=0.3)
        for half, expected in zip(halves, exact, strict=True):
            assert half.dtype == torch.float32
            assert half.item() == pytest.approx(expected.item(), abs=tolerance)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        halves = losses.split_cross_entropy(embeddings.float(), labels, weight.float(), lam=0.3)
    assert halves[1].item() == pytest.approx(exact[1].item(), abs=1e-6)


def test_large_logits_do_not_overflow_split_cross_entropy():
    embeddings, labels, weight, _ = draw(6, 3, 3, 0)
    assert all(half.isfinite() for half in losses.split_cross_entropy(embeddings, labels, 1e4 * weight, lam=0.3))


GOOD = {"embeddings": torch.ones(6, 3), "labels": LABELS, "weight": torch.eye(3), "lam": 0.5}


@pytest.mark.parametrize(
    ("wrong", "error", "sentence"),
    [
        ({"embeddings": np.ones((6, 3))}, TypeError, r"^embeddings must be a torch.Tensor, found ndarray"),
        ({"embeddings": torch.ones(6, 3).long()}, TypeError, r"^embeddings must have a floating-point dtype"),
        ({"embeddings": torch.ones(6)}, ValueError, r"^embeddings must have two dimensions"),
        ({"embeddings": torch.ones(0, 3)}, ValueError, r"^embeddings is empty"),
        ({"labels": LABELS.double()}, TypeError, r"^labels must have an integer dtype"),
        ({"labels": LABELS[:5]}, ValueError, r"^labels must have shape \(6,\)"),
        ({"labels": LABELS + 1}, ValueError, r"^labels must lie in 0 … 2, found 1 … 3"),
        ({"weight": torch.eye(4)}, ValueError, r"^weight must have 3 columns like the embeddings, found 4"),
        ({"weight": [[1.0]]}, TypeError, r"^weight must be a torch.Tensor"),
        ({"lam": -0.1}, ValueError, r"^lam must be at least 0, found -0.1"),
        ({"lam": math.nan}, ValueError, r"^lam must be a finite number"),
        ({"lam": torch.tensor(0.5)}, TypeError, r"^lam must be a number, found Tensor"),
    ],
)
def test_wrong_input_to_split_cross_entropy(wrong, error, sentence):
    with pytest.raises(error, match=sentence):
        losses.split_cross_entropy(**{**GOOD, **wrong})


def test_lambda_of_split_cross_entropy_has_a_name_only():
    with pytest.raises(TypeError):
        losses.split_cross_entropy(GOOD["embeddings"], LABELS, GOOD["weight"], 0.5)

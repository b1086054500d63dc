"""Losses against what is known without them: scikit-learn, torch's own losses, and closed forms."""

import math

import pytest
import sklearn.metrics
import torch
import torch.nn.functional as F

from dmlkit import losses


def draw(rows, dim, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    labels = torch.randint(classes, (rows,), generator=generator)
    return embeddings, labels, torch.randn(classes, dim, generator=generator, dtype=torch.float64)


# soft_silhouette


@pytest.mark.parametrize("soft_min", ["logsumexp", "weighted_mean"])
@pytest.mark.parametrize(("rows", "dim", "classes"), [(40, 3, 4), (60, 8, 2), (50, 5, 9)])
def test_cold_soft_silhouette_is_one_minus_the_silhouette(rows, dim, classes, soft_min):
    embeddings, labels, _ = draw(rows, dim, classes)
    embeddings = embeddings + 2 * torch.eye(classes, dim, dtype=torch.float64)[labels]  # some structure, as in training
    values = losses.soft_silhouette(
        embeddings, labels, temperature=1e-4, nearest_temperature=1e-4, soft_min=soft_min, reduction="none"
    )
    exact = sklearn.metrics.silhouette_samples(embeddings.numpy(), labels.numpy(), metric="cosine")
    torch.testing.assert_close(values, 1 - torch.from_numpy(exact), atol=1e-5, rtol=0)


def test_soft_silhouette_of_orthogonal_clusters():
    """Two classes, each in one point, at a right angle: a = 0 and b = 1, whatever τ_b (there is one other class)."""
    labels = torch.tensor([0, 0, 1, 1])
    embeddings = torch.eye(2, dtype=torch.float64)[labels]
    for temperature in (0.1, 0.5):
        expected = 1 - 1 / (temperature * math.log(1 + math.exp(1 / temperature)))
        value = losses.soft_silhouette(embeddings, labels, temperature=temperature, nearest_temperature=9.0, eps=0.0)
        assert value.item() == pytest.approx(expected, abs=1e-12)


# sup_con


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0])
def test_sup_con_with_one_positive_each_is_cross_entropy_over_the_others(temperature):
    """NT-Xent: with |P(i)| = 1 the partner is the right answer of a softmax over all other rows."""
    views = draw(12, 4, 1)[0]
    z = F.normalize(views, dim=1)
    logits = (z @ z.T / temperature).masked_fill(torch.eye(12, dtype=torch.bool), -torch.inf)
    partner = torch.arange(12) ^ 1
    expected = F.cross_entropy(logits, partner, reduction="none")
    value = losses.sup_con(views, torch.arange(12) // 2, temperature=temperature, reduction="none")
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
def test_sup_con_is_at_least_the_log_of_the_positives(temperature):
    """The shares of P(i) in the softmax sum to at most 1, so their mean logarithm is at most −log |P(i)| (Jensen)."""
    embeddings, labels, _ = draw(30, 4, 4)
    positives = labels.bincount()[labels] - 1
    assert positives.min() > 0
    values = losses.sup_con(embeddings, labels, temperature=temperature, reduction="none")
    assert (values >= positives.log()).all()


def test_sup_con_reaches_its_bound_where_classes_are_points_far_apart():
    labels = torch.tensor([0, 0, 0, 1, 1])
    embeddings = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)[labels]
    values = losses.sup_con(embeddings, labels, temperature=0.05, reduction="none")
    bound = torch.tensor([2, 2, 2, 1, 1], dtype=torch.float64).log()  # up to e^{-2/τ} = e^{-40} of the other class
    torch.testing.assert_close(values, bound, atol=1e-12, rtol=0)


def test_sup_con_of_one_point_is_the_log_of_the_others():
    embeddings = torch.ones(7, 3, dtype=torch.float64)
    values = losses.sup_con(embeddings, torch.tensor([0, 0, 0, 0, 1, 1, 1]), reduction="none")
    torch.testing.assert_close(values, torch.full_like(values, math.log(6)), atol=1e-12, rtol=0)


@pytest.mark.parametrize("rows", [1024, 1025, 2100])
def test_sup_con_of_many_rows_is_the_sum_over_all_pairs(rows):
    """Large batches are computed in blocks of 1024 rows: one full, one of a single row, several with a part of one."""
    embeddings, labels, _ = draw(rows, 8, 300)
    embeddings[[3, rows - 1]] = 0
    itself = torch.eye(rows, dtype=torch.bool)
    positives = (labels.unsqueeze(1) == labels) & ~itself

    def all_pairs(e):
        z = F.normalize(e, dim=1)
        log_p = (z @ z.T / 0.1).masked_fill(itself, -torch.inf).log_softmax(dim=1)
        return -log_p.masked_fill(~positives, 0).sum(dim=1) / positives.sum(dim=1).clamp_min(1)

    weights = torch.linspace(-1, 2, rows, dtype=torch.float64)
    sides = []
    for loss in (lambda e: losses.sup_con(e, labels, temperature=0.1, reduction="none"), all_pairs):
        leaf = embeddings.clone().requires_grad_()
        values = loss(leaf)
        (gradient,) = torch.autograd.grad(values @ weights, leaf)
        gradient[[3, rows - 1]] = 0  # F.normalize divides zero rows by 1e-12
        sides.append((values.detach(), gradient))
    torch.testing.assert_close(sides[0], sides[1], atol=1e-9, rtol=1e-9)


# cross_entropy


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize("epsilon", [0.0, 0.1, 0.5])
def test_cross_entropy_is_torchs(epsilon, reduction):
    logits, labels, _ = draw(20, 6, 6)
    expected = F.cross_entropy(logits, labels, label_smoothing=epsilon, reduction=reduction)
    value = losses.cross_entropy(logits, labels, label_smoothing=epsilon, reduction=reduction)
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)


@pytest.mark.parametrize("classes", [2, 6])
def test_smoothing_over_the_others_is_torchs_with_more_of_it(classes):
    logits, labels, _ = draw(20, classes, classes)
    epsilon = 0.3
    expected = F.cross_entropy(logits, labels, label_smoothing=epsilon * classes / (classes - 1))
    value = losses.cross_entropy(logits, labels, label_smoothing=epsilon, smoothing="others")
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)


def test_linear_cross_entropy_is_torchs_over_a_linear_layer():
    embeddings, labels, weight = draw(20, 5, 4)
    bias = torch.linspace(-1, 1, 4, dtype=torch.float64)
    expected = F.cross_entropy(F.linear(embeddings, weight, bias), labels)
    torch.testing.assert_close(losses.linear_cross_entropy(embeddings, labels, weight, bias), expected)


def test_zero_classifier_knows_nothing():
    embeddings, labels, weight = draw(20, 5, 4)
    assert losses.linear_cross_entropy(embeddings, labels, 0 * weight).item() == pytest.approx(math.log(4), abs=1e-12)


# euclidean_softmax and warped_softmax


def independent_euclidean_softmax(embeddings, labels, proxies, scale):
    distances = scale * (embeddings.unsqueeze(1) - proxies).norm(dim=2)
    own = distances[torch.arange(len(labels)), labels]
    return own + torch.logsumexp(-distances, dim=1)


@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0])
@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 0.3, "beta": 1.0, "r": 0.0},
        {"alpha": 0.0, "beta": 1.0, "r": 0.0, "margin": 1.5},
        {"alpha": 1.0, "beta": 1.0, "r": 0.0},
        {"alpha": 1.0, "beta": 1.0, "r": 1.7},
        {"alpha": 1.0, "beta": 1.0, "r": math.inf, "margin": 3.0},
        None,
    ],
)
def test_unwarped_softmax(options, scale):
    embeddings, labels, proxies = draw(20, 4, 5)
    if options is None:
        value = losses.euclidean_softmax(embeddings, labels, proxies, scale=scale, reduction="none")
    else:
        value = losses.warped_softmax(embeddings, labels, proxies, **options, scale=scale, reduction="none")
    expected = independent_euclidean_softmax(embeddings, labels, proxies, scale)
    torch.testing.assert_close(value, expected, atol=1e-12, rtol=1e-12)


def test_halfway_between_two_proxies():
    proxies = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    value = losses.euclidean_softmax(torch.tensor([[0.0, 3.0]]), torch.tensor([0]), proxies, scale=7.0)
    assert value.item() == pytest.approx(math.log(2), abs=1e-6)


# warp and effective_warp


@pytest.mark.parametrize(("alpha", "beta", "r"), [(0.5, 1.5, 2.0), (0.0, 1.2, 0.7), (0.9, 3.0, 5.0)])
def test_warp_has_the_value_of_the_distance_below_r_and_the_slope_alpha(alpha, beta, r):
    distances = torch.linspace(0, 0.99 * r, 30, dtype=torch.float64, requires_grad=True)
    values = losses.warp(distances, alpha=alpha, beta=beta, r=r)
    torch.testing.assert_close(values.detach(), distances.detach(), atol=1e-12, rtol=0)
    (slopes,) = torch.autograd.grad(values.sum(), distances)
    torch.testing.assert_close(slopes, torch.full_like(slopes, alpha))


@pytest.mark.parametrize("margin", [0.0, 0.7, 1.0, 1.3])
@pytest.mark.parametrize(("alpha", "beta", "r"), [(0.5, 1.5, 2.0), (0.0, 1.2, 0.7)])
def test_warp_jumps_at_r_unless_the_margin_is_one(alpha, beta, r, margin):
    """Just below r the value is αr + m(1 − α)r, at r it is r: a jump of (1 − α)(1 − m)r."""
    edges = torch.tensor([r * (1 - 1e-13), r], dtype=torch.float64)
    below, at = losses.warp(edges, alpha=alpha, beta=beta, r=r, margin=margin).tolist()
    assert at == pytest.approx(r, abs=1e-12)
    assert at - below == pytest.approx((1 - alpha) * (1 - margin) * r, abs=1e-10)
    assert (abs(at - below) < 1e-10) == (margin == 1.0)


@pytest.mark.parametrize("r", [0.0, 1.5, math.inf])
def test_effective_warp_is_continuous_and_has_the_slopes_of_warp(r):
    distances = torch.linspace(0, 3, 100, dtype=torch.float64, requires_grad=True)
    options = {"alpha": 0.4, "beta": 1.6, "r": r}
    effective = losses.effective_warp(distances, **options)
    slopes = [torch.autograd.grad(f.sum(), distances)[0] for f in (effective, losses.warp(distances, **options))]
    torch.testing.assert_close(slopes[0], slopes[1])
    # No step is steeper than the steeper slope allows: a jump would be.
    assert (effective.detach().diff() <= 1.6 * 3 / 99 + 1e-12).all()
    assert effective[0].item() == 0

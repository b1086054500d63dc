"""What the papers prove about their losses, and which losses are others in disguise; each with its constants.

That PCE is at most CE is not here: the paper's bound is approximate, and on random batches it holds about every other
time.
"""

import math

import pytest
import torch
from comparisons import SHAPES, draw

from dmlkit import losses

SEEDS = range(20)
EXACT = {"atol": 1e-11, "rtol": 1e-11}


def unit_and_balanced(seed):
    """Unit rows in K classes of M = n/K, as lemma 1 assumes: (embeddings, labels, K, M)."""
    classes, members, dim = [(2, 3, 2), (3, 4, 3), (5, 2, 4), (2, 1, 3), (4, 5, 8)][seed % 5]
    embeddings = torch.nn.functional.normalize(draw(classes * members, dim, 1, seed)[0])
    return embeddings, torch.arange(classes * members) % classes, classes, members


def cosines_of(embeddings):
    z = torch.nn.functional.normalize(embeddings)
    return z @ z.T


def zeros(like):
    return torch.zeros_like(like).requires_grad_()


# M: cross-entropy and its pairwise form


def hard_sums(embeddings, labels, classes):
    """Σ of the rows of each class."""
    return torch.stack([embeddings[labels == k].sum(dim=0) for k in range(classes)])


@pytest.mark.parametrize("seed", SEEDS)
def test_spce_is_cross_entropy_at_the_hard_means(seed):
    """θ_k = 1/n Σ_{j: y_j = k} z_j and no bias; row by row, not only in the mean."""
    embeddings, labels, _, _ = draw(12, 3, 4, seed)
    _, labels = labels.unique(return_inverse=True)  # SPCE knows the classes of the batch only
    theta = hard_sums(embeddings, labels, int(labels.max()) + 1) / 12
    expected = losses.linear_cross_entropy(embeddings, labels, theta, reduction="none")
    value = losses.simplified_pairwise_cross_entropy(embeddings, labels, reduction="none")
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("length", [0.5, 3.0])
@pytest.mark.parametrize("seed", range(5))
def test_spce_is_at_least_the_least_cross_entropy(seed, length):
    """More rows than a linear classifier can shatter, so that a least one exists."""
    embeddings, _, weight, _ = draw(30, 2, 3, seed)
    embeddings, labels = length * embeddings, torch.arange(30) % 3
    theta = zeros(weight)
    optimiser = torch.optim.LBFGS(
        [theta], max_iter=200, line_search_fn="strong_wolfe", tolerance_grad=1e-9, tolerance_change=0
    )

    def closure():
        optimiser.zero_grad()
        value = losses.linear_cross_entropy(embeddings, labels, theta)
        value.backward()
        return value

    optimiser.step(closure)
    least = closure()
    assert theta.grad.norm() < 1e-6
    spce = losses.simplified_pairwise_cross_entropy(embeddings, labels)
    assert spce > least
    assert spce - least < 5  # not by being large anyway: CE of a zero classifier is log 3


@pytest.mark.parametrize("lam", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_first_half_of_proposition_1(seed, lam):
    """f₁(θ) = −1/n Σ θ_y·z + λ/2 Σ ‖θ_k‖² is least at 1/(λn) Σ_{y_i = k} z_i, where it is PCE's tightness."""
    embeddings, labels, weight, _ = draw(10, 3, 4, seed)

    def f1(theta):
        return -(theta[labels] * embeddings).sum() / 10 + lam / 2 * (theta**2).sum()

    best = (hard_sums(embeddings, labels, 4) / (lam * 10)).requires_grad_()
    value = f1(best)
    (gradient,) = torch.autograd.grad(value, best)
    torch.testing.assert_close(gradient, torch.zeros_like(best), atol=1e-12, rtol=0)
    assert f1(best + 0.1 * weight) > value  # and f₁ is strictly convex
    pairs = (embeddings @ embeddings.T)[labels.unsqueeze(1) == labels].sum()
    torch.testing.assert_close(value, -pairs / (2 * lam * 100), **EXACT)
    tightness = losses.tightness("pairwise_cross_entropy")(embeddings, labels, lam=lam)
    torch.testing.assert_close(tightness, value.detach(), **EXACT)


@pytest.mark.parametrize("lam", [0.05, 0.3, 2.0])
@pytest.mark.parametrize("seed", range(8))
def test_second_half_of_proposition_1(seed, lam):
    """f₂(θ) = 1/n Σ log Σ_k exp(θ_k·z) − λ/2 Σ ‖θ_k‖² at θ_k = c_k^s/λ is PCE's contrast: 1/(2λ), not table 2's."""
    embeddings, labels, weight, bias = draw(10, 3, 4, seed)
    soft_means = (embeddings @ weight.T + bias).softmax(dim=1).T @ embeddings / 10
    theta = soft_means / lam
    value = (embeddings @ theta.T).logsumexp(dim=1).mean() - lam / 2 * (theta**2).sum()
    contrast = losses.contrast("pairwise_cross_entropy")(embeddings, labels, weight, bias, lam=lam)
    torch.testing.assert_close(contrast, value, **EXACT)


@pytest.mark.parametrize("seed", range(8))
def test_lambda_is_where_the_second_half_stops_being_convex_in_a_class(seed):
    """The Hessian of f₂ with respect to θ_k is A_k − λI: with our λ its least eigenvalue over k is 0."""
    embeddings, _, weight, _ = draw(10, 3, 4, seed)
    lam = losses.pairwise_cross_entropy_lambda(embeddings, weight)

    def f2(theta):
        return (embeddings @ theta.T).logsumexp(dim=1).mean() - lam / 2 * (theta**2).sum()

    hessian = torch.autograd.functional.hessian(f2, weight)
    least = [torch.linalg.eigvalsh(hessian[k, :, k, :])[0] for k in range(4)]
    assert min(least).item() == pytest.approx(0, abs=1e-12)
    assert lam > 1e-4


# M: lemma 1, sums over j: y_j = y_i include i


@pytest.mark.parametrize("seed", SEEDS)
def test_contrastive_tightness_is_that_of_center(seed):
    embeddings, labels, classes, _ = unit_and_balanced(seed)
    t_contrast = losses.tightness("contrastive")(embeddings, labels)
    t_center = losses.tightness("center")(embeddings, labels)
    torch.testing.assert_close(t_contrast, 4 / classes * t_center, **EXACT)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_snca_tightness_is_bounded_by_that_of_contrastive(seed, temperature):
    embeddings, labels, _, members = unit_and_balanced(seed)
    t_contrast = losses.tightness("contrastive")(embeddings, labels)
    t_snca = losses.tightness("snca")(embeddings, labels, temperature=temperature)
    bound = -math.log(members) - 1 / temperature + t_contrast / (2 * temperature * members)
    assert t_snca <= bound + 1e-10


@pytest.mark.parametrize(("alpha", "margin"), [(2.0, 0.5), (18.0, 0.77), (1.0, -0.3)])
@pytest.mark.parametrize("seed", SEEDS)
def test_multi_similarity_tightness_is_bounded_by_that_of_contrastive(seed, alpha, margin):
    embeddings, labels, _, members = unit_and_balanced(seed)
    t_contrast = losses.tightness("contrastive")(embeddings, labels)
    t_ms = losses.tightness("multi_similarity")(embeddings, labels, alpha=alpha, margin=margin)
    assert t_ms >= math.log(members) / alpha + margin - 1 + t_contrast / (2 * members) - 1e-10


@pytest.mark.parametrize("members", [1, 3])
def test_bounds_of_tightness_where_classes_are_points(members):
    """SNCA's is reached; multi-similarity's is missed by the 1 + inside its logarithm alone."""
    labels = torch.arange(4 * members) % 4
    embeddings = torch.nn.functional.normalize(draw(4, 3, 1, 9)[0])[labels]
    sigma, alpha, margin = 0.3, 2.0, 0.5
    t_snca = losses.tightness("snca")(embeddings, labels, temperature=sigma)
    t_ms = losses.tightness("multi_similarity")(embeddings, labels, alpha=alpha, margin=margin)
    assert losses.tightness("contrastive")(embeddings, labels).item() == pytest.approx(0, abs=1e-12)
    assert t_snca.item() == pytest.approx(-math.log(members) - 1 / sigma, abs=1e-10)
    inside = members * math.exp(-alpha * (1 - margin))
    assert t_ms.item() == pytest.approx(math.log(1 + inside) / alpha, abs=1e-10)
    assert math.log(inside) / alpha == pytest.approx(math.log(members) / alpha + margin - 1)


@pytest.mark.parametrize("lam", [0.05, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_pairwise_cross_entropy_tightness_is_that_of_contrastive(seed, lam):
    embeddings, labels, classes, members = unit_and_balanced(seed)
    t_contrast = losses.tightness("contrastive")(embeddings, labels)
    t_pce = losses.tightness("pairwise_cross_entropy")(embeddings, labels, lam=lam)
    expected = -1 / (2 * lam * classes) + t_contrast / (4 * lam * classes * members)
    torch.testing.assert_close(t_pce, expected, **EXACT)


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_snca_contrast_is_at_least_the_mean_cosine(seed, temperature):
    embeddings, labels, classes, members = unit_and_balanced(seed)
    n = classes * members
    cosines = cosines_of(embeddings).sum() - n
    bound = math.log(n - 1) + cosines / (temperature * n * (n - 1))
    assert losses.contrast("snca")(embeddings, labels, temperature=temperature) >= bound - 1e-10


@pytest.mark.parametrize(("beta", "margin"), [(50.0, 0.5), (2.0, -0.3), (0.1, 0.0)])
@pytest.mark.parametrize("seed", SEEDS)
def test_multi_similarity_contrast_is_at_least_the_mean_cosine(seed, beta, margin):
    embeddings, labels, classes, members = unit_and_balanced(seed)
    n = classes * members
    negatives = (cosines_of(embeddings) - margin)[labels.unsqueeze(1) != labels].sum()
    bound = math.log(n - members) / beta + negatives / (n * (n - members))
    assert losses.contrast("multi_similarity")(embeddings, labels, beta=beta, margin=margin) >= bound - 1e-10


@pytest.mark.parametrize("cosine", [1.0, -1.0])
def test_bounds_of_contrast_where_all_cosines_are_one_number(cosine):
    """SNCA's is reached; multi-similarity's is missed by the 1 + inside its logarithm alone."""
    embeddings = torch.tensor([[1.0, 0.0], [cosine, 0.0]], dtype=torch.float64)
    labels, beta, margin = torch.tensor([0, 1]), 5.0, 0.2
    c_snca = losses.contrast("snca")(embeddings, labels, temperature=0.3)
    c_ms = losses.contrast("multi_similarity")(embeddings, labels, beta=beta, margin=margin)
    assert c_snca.item() == pytest.approx(cosine / 0.3, abs=1e-10)
    assert c_ms.item() == pytest.approx(math.log(1 + math.exp(beta * (cosine - margin))) / beta, abs=1e-10)


# Losses that are the sum of their halves


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_contrastive_is_tightness_plus_contrast(seed, margin):
    embeddings, labels, _, _ = draw(11, 3, 4, seed)
    halves = losses.tightness("contrastive")(embeddings, labels)
    halves = halves + losses.contrast("contrastive")(embeddings, labels, margin=margin)
    torch.testing.assert_close(losses.contrastive(embeddings, labels, margin=margin), halves, **EXACT)


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("seed", SEEDS)
def test_pairwise_cross_entropy_is_tightness_plus_contrast(seed, given):
    embeddings, labels, weight, bias = draw(11, 3, 4, seed)
    lam = 0.2 if given else losses.pairwise_cross_entropy_lambda(embeddings, weight, bias).item()
    halves = losses.tightness("pairwise_cross_entropy")(embeddings, labels, lam=lam)
    halves = halves + losses.contrast("pairwise_cross_entropy")(embeddings, labels, weight, bias, lam=lam)
    value = losses.pairwise_cross_entropy(embeddings, labels, weight, bias, lam=lam if given else None)
    torch.testing.assert_close(value, halves, **EXACT)


# M: eqs. 5 and 7, the hinge made a line


@pytest.mark.parametrize("margin", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_linear_contrastive_loss_is_a_lower_bound_of_contrastive(seed, margin):
    """tightness + contrast of "contrastive_linear" + m²/n a pair of two classes; the gap pair by pair as stated."""
    embeddings, labels, _, _ = draw(11, 3, 4, seed)
    halves = losses.tightness("contrastive_linear")(embeddings, labels, margin=margin)
    halves = halves + losses.contrast("contrastive_linear")(embeddings, labels, margin=margin)
    distances = (embeddings.unsqueeze(1) - embeddings).norm(dim=2)[labels.unsqueeze(1) != labels]
    gap = torch.where(distances <= margin, distances**2, 2 * margin * distances - margin**2).sum() / 11
    constant = margin**2 * len(distances) / 11
    torch.testing.assert_close(losses.contrastive(embeddings, labels, margin=margin), halves + constant + gap, **EXACT)
    assert gap > 0


@pytest.mark.parametrize("seed", SEEDS)
def test_linear_contrast_counts_pairs_of_one_class_twice(seed):
    """Eq. 7's 2mD within the classes only takes back what its sum over all pairs adds: eq. 5's two sums."""
    embeddings, labels, _, _ = draw(11, 3, 4, seed)
    halves = losses.tightness("contrastive_linear")(embeddings, labels)
    halves = halves + losses.contrast("contrastive_linear")(embeddings, labels)
    distances = (embeddings.unsqueeze(1) - embeddings).norm(dim=2)
    between = -2 / 11 * distances[labels.unsqueeze(1) != labels].sum()
    torch.testing.assert_close(halves, losses.tightness("contrastive")(embeddings, labels) + between, **EXACT)


# M: lemma 1 without j = i, and for classes of any sizes


@pytest.mark.parametrize("temperature", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("seed", SEEDS)
def test_outer_links_of_lemma_1_hold_for_classes_of_any_sizes(seed, temperature):
    """Through T_center rather than T_contrast: only the middle link needs balanced classes."""
    embeddings, labels, _, _ = draw(11, 3, 4, seed)
    embeddings = torch.nn.functional.normalize(embeddings)
    sizes = (labels.unsqueeze(1) == labels).sum(dim=1).double()
    t_center = losses.tightness("center")(embeddings, labels)
    t_snca = losses.tightness("snca")(embeddings, labels, temperature=temperature)
    t_ms = losses.tightness("multi_similarity")(embeddings, labels, alpha=2.0, margin=0.5)
    assert t_snca <= -sizes.log().mean() - 1 / temperature + 2 * t_center / (temperature * 11) + 1e-10
    assert t_ms >= sizes.log().mean() / 2 + 0.5 - 1 + 2 * t_center / 11 - 1e-10
    # And the middle one does not: T_contrast weighs a class by its size.
    weighted = sum(
        (labels == k).sum() * losses.tightness("center")(embeddings[labels == k], labels[labels == k])
        for k in labels.unique()
    )
    torch.testing.assert_close(losses.tightness("contrastive")(embeddings, labels), 4 / 11 * weighted, **EXACT)


# Losses that are others at some setting


def assert_alike(one, other, embeddings, parameter):
    """Values of every row, and gradients of both arguments."""
    sides = []
    for loss in (one, other):
        leaves = [embeddings.clone().requires_grad_(), parameter.clone().requires_grad_()]
        value = loss(*leaves)
        weights = torch.linspace(0.5, 2, len(value), dtype=torch.float64)
        sides.append((value.detach(), *torch.autograd.grad((value * weights).sum(), leaves)))
    for a, b in zip(*sides, strict=True):
        torch.testing.assert_close(a, b, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca_plus_plus_is_proxy_nca_at_scale_nine(shape):
    embeddings, labels, proxies, _ = draw(*shape)
    assert_alike(
        lambda e, p: losses.proxy_nca_plus_plus(e, labels, p, reduction="none"),
        lambda e, p: losses.proxy_nca(e, labels, p, scale=9.0, reduction="none"),
        embeddings,
        proxies,
    )


@pytest.mark.parametrize("scale", [1.0, 4.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_proxy_nca_is_norm_softmax_at_half_the_temperature(shape, scale):
    """−‖z − p̂‖² = 2 cos − 2, and the softmax does not see the −2."""
    embeddings, labels, proxies, _ = draw(*shape)
    assert_alike(
        lambda e, p: losses.proxy_nca(e, labels, p, scale=scale, reduction="none"),
        lambda e, p: losses.norm_softmax(e, labels, p, temperature=1 / (2 * scale), reduction="none"),
        embeddings,
        proxies,
    )


MARGINLESS = {
    "cos_face": lambda e, y, w, scale: losses.cos_face(e, y, w, margin=0.0, scale=scale, reduction="none"),
    "arc_face": lambda e, y, w, scale: losses.arc_face(e, y, w, margin=0.0, scale=scale, reduction="none"),
    "sphere_face": lambda e, y, w, scale: losses.sphere_face(
        torch.nn.functional.normalize(e), y, w, margin=1.0, scale=scale, reduction="none"
    ),
    "soft_triple": lambda e, y, w, scale: losses.soft_triple(
        e, y, w.unsqueeze(1), margin=0.0, scale=scale, regularization=1.0, reduction="none"
    ),
}


@pytest.mark.parametrize("scale", [1.0, 20.0])
@pytest.mark.parametrize("loss", MARGINLESS.values(), ids=MARGINLESS)
@pytest.mark.parametrize("shape", SHAPES)
def test_without_a_margin_they_are_norm_softmax(shape, loss, scale):
    embeddings, labels, weight, _ = draw(*shape)
    assert_alike(
        lambda e, w: loss(e, labels, w, scale),
        lambda e, w: losses.norm_softmax(e, labels, w, temperature=1 / scale, reduction="none"),
        embeddings,
        weight,
    )


@pytest.mark.parametrize("margin", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("shape", SHAPES)
def test_mag_face_with_one_margin_is_arc_face(shape, margin):
    embeddings, labels, weight, _ = draw(*shape)
    options = {"lower_margin": margin, "upper_margin": margin, "lower_norm": 1.0, "upper_norm": 2.0}
    assert_alike(
        lambda e, w: losses.mag_face(e, labels, w, **options, regularization=0.0, scale=8.0, reduction="none"),
        lambda e, w: losses.arc_face(e, labels, w, margin=margin, scale=8.0, reduction="none"),
        embeddings,
        weight,
    )


@pytest.mark.parametrize("scale", [1.0, 4.525])
@pytest.mark.parametrize("shape", SHAPES)
def test_monotone_softmax_with_the_identity_is_euclidean_softmax(shape, scale):
    embeddings, labels, proxies, _ = draw(*shape)
    assert_alike(
        lambda e, p: losses.monotone_softmax(
            e, labels, p, f_own=lambda d: d, f_other=lambda d: d, scale=scale, reduction="none"
        ),
        lambda e, p: losses.euclidean_softmax(e, labels, p, scale=scale, reduction="none"),
        embeddings,
        proxies,
    )


@pytest.mark.parametrize("margin", [1.0, 1.3])
@pytest.mark.parametrize("shape", SHAPES)
def test_monotone_softmax_with_the_warp_is_warped_softmax(shape, margin):
    embeddings, labels, proxies, _ = draw(*shape)
    options = {"alpha": 0.5, "beta": 1.5, "r": 1.5, "margin": margin}
    assert_alike(
        lambda e, p: losses.monotone_softmax(
            e, labels, p, f_own=lambda d: losses.warp(d, **options), f_other=lambda d: d, scale=2.0, reduction="none"
        ),
        lambda e, p: losses.warped_softmax(e, labels, p, **options, scale=2.0, reduction="none"),
        embeddings,
        proxies,
    )


@pytest.mark.parametrize("r", [0.0, 1.5, math.inf])
@pytest.mark.parametrize("shape", SHAPES)
def test_monotone_softmax_with_the_effective_warp(shape, r):
    """The landscape whose slopes training follows; where nothing is stopped or shifted it is the warped softmax."""
    embeddings, labels, proxies, _ = draw(*shape)
    options = {"alpha": 0.5, "beta": 1.5, "r": r}
    distances = (embeddings.unsqueeze(1) - proxies).norm(dim=2)
    own = distances.gather(1, labels.unsqueeze(1))
    bent = torch.where(own < r, 0.5 * own, own if r == math.inf else 0.5 * r + 1.5 * (own - r))
    expected = torch.nn.functional.cross_entropy(
        -distances.scatter(1, labels.unsqueeze(1), bent), labels, reduction="none"
    )
    value = losses.monotone_softmax(
        embeddings,
        labels,
        proxies,
        f_own=lambda d: losses.effective_warp(d, **options),
        f_other=lambda d: d,
        reduction="none",
    )
    torch.testing.assert_close(value, expected, **EXACT)


@pytest.mark.parametrize("shape", SHAPES)
def test_hist_distances_are_the_broadcast_form(shape):
    embeddings, _, means, _ = draw(*shape)
    log_variances = draw(1, shape[1], shape[2], shape[3] + 10)[2] * 4
    z, mu = torch.nn.functional.normalize(embeddings), torch.nn.functional.normalize(means)
    expected = ((z.unsqueeze(1) - mu) ** 2 / log_variances.clamp(0, 6).exp()).sum(dim=2)
    torch.testing.assert_close(losses.hist_distances(embeddings, means, log_variances), expected, **EXACT)


@pytest.mark.parametrize("shape", SHAPES)
def test_hist_of_unit_variances_is_proxy_nca(shape):
    embeddings, labels, means, _ = draw(*shape)
    assert_alike(
        lambda e, m: losses.hist_distribution(e, labels, m, torch.zeros_like(m), temperature=0.25, reduction="none"),
        lambda e, m: losses.proxy_nca(e, labels, m, scale=4.0, reduction="none"),
        embeddings,
        means,
    )


@pytest.mark.parametrize("seed", range(5))
def test_snca_and_sup_con_are_one_where_each_row_has_one_positive(seed):
    """Log outside the sum over positives or inside: with one positive there is no sum."""
    embeddings, labels = draw(10, 3, 1, seed)[0], torch.arange(10) // 2
    torch.testing.assert_close(
        losses.snca(embeddings, labels, temperature=0.2, reduction="none"),
        losses.sup_con(embeddings, labels, temperature=0.2, reduction="none"),
        **EXACT,
    )


@pytest.mark.parametrize("seed", range(5))
def test_center_at_the_class_means_is_its_tightness(seed):
    embeddings, _, _, _ = draw(12, 3, 3, seed)
    labels = torch.arange(12) % 3
    means = hard_sums(embeddings, labels, 3) / 4
    torch.testing.assert_close(
        losses.center(embeddings, labels, means, reduction="sum"),
        losses.tightness("center")(embeddings, labels),
        **EXACT,
    )


def test_cross_entropy_is_no_strict_bound_of_pairwise_cross_entropy():
    """M, proposition 1 says "approximate": with λ as derived, either can be the larger."""
    larger = []
    for seed in range(30):
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(30, 3, generator=generator, dtype=torch.float64)
        labels = torch.randint(4, (30,), generator=generator)
        weight = 0.3 * torch.randn(4, 3, generator=generator, dtype=torch.float64)
        pairwise = losses.pairwise_cross_entropy(z, labels, weight)
        larger.append(bool(pairwise > losses.linear_cross_entropy(z, labels, weight)))
    assert any(larger) and not all(larger)

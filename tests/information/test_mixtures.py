"""The yardstick against scipy's adaptive quadrature, finer grids and limits; its draws against its densities."""

import itertools
import math

import pytest
import scipy.integrate
import scipy.stats
import torch

from dmlkit.information import (
    label_entropy,
    mixture_entropies,
    mixture_mutual_information,
    posterior_logits,
    sample_mixture,
)

WEIGHTS = [(0.5, 0.5), (0.9, 0.1), (0.001, 0.999)]


def tensor(rows):
    return torch.tensor(rows, dtype=torch.float64)


def log_density(z, mean, deviation):
    """Of a round Gaussian, of numbers."""
    square = sum((a - b) ** 2 for a, b in zip(z, mean, strict=True))
    return -square / (2 * deviation**2) - len(mean) / 2 * math.log(2 * math.pi * deviation**2)


def integrand(z, means, deviation, weights):
    """p(z) (H(Y) − H(Y|z)): the other view of the same information, as a number for each z."""
    joint = [math.log(w) + log_density(z, mean, deviation) for w, mean in zip(weights, means, strict=True)]
    largest = max(joint)
    log_p = largest + math.log(sum(math.exp(x - largest) for x in joint))
    posterior = [math.exp(x - log_p) for x in joint]
    entropy = -sum(p * math.log(p) for p in posterior if p > 0)
    return math.exp(log_p) * (-sum(w * math.log(w) for w in weights) - entropy)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("separation", [0.01, 0.3, 1.0, 3.0, 10.0, 100.0])
def test_against_adaptive_quadrature_on_a_line(separation, weights):
    deviation = 0.5
    means = [[-0.3], [-0.3 + deviation * separation]]
    low, high = means[0][0] - 12 * deviation, means[1][0] + 12 * deviation
    # What changes fast lies at the means, and between them where one class is as likely as the other.
    middle = (means[0][0] + means[1][0]) / 2 - deviation / separation * math.log(weights[1] / weights[0])
    cuts = [m[0] + s * deviation for m in means for s in (-6, 0, 6)] + [middle]
    cuts = [low, *sorted(cut for cut in cuts if low < cut < high), high]
    expected = sum(
        scipy.integrate.quad(lambda z: integrand([z], means, deviation, weights), *ends, epsabs=1e-13, limit=400)[0]
        for ends in itertools.pairwise(cuts)
    )
    value = mixture_mutual_information(tensor(means), deviation, tensor(weights))
    assert value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("separation", [0.5, 2.0])
def test_against_adaptive_quadrature_in_a_plane(separation):
    means = [[0.0, 0.0], [separation, 0.0], [0.3 * separation, separation]]
    weights = (0.2, 0.5, 0.3)
    expected, _ = scipy.integrate.nquad(
        lambda x, y: integrand([x, y], means, 1.0, weights),
        [[-7.0, separation + 7], [-7.0, separation + 7]],
        opts={"epsabs": 1e-8, "epsrel": 1e-8},
    )
    assert mixture_mutual_information(tensor(means), 1.0, tensor(weights)) == pytest.approx(expected, abs=2e-8)


@pytest.mark.parametrize("separation", [0.01, 0.3, 1.0, 3.0, 8.0, 30.0, 100.0])
@pytest.mark.parametrize("dim", [1, 2])
def test_a_finer_grid_changes_nothing(dim, separation):
    generator = torch.Generator().manual_seed(0)
    means = separation * torch.randn(5, dim, generator=generator, dtype=torch.float64)
    weights = tensor([0.4, 0.3, 0.2, 0.09, 0.01])
    value = mixture_mutual_information(means, 1.0, weights)
    finer = mixture_mutual_information(means, 1.0, weights, points=1001 if dim == 1 else 385)
    assert value == pytest.approx(finer, abs=1e-12)
    assert 0 < value <= scipy.stats.entropy(weights) + 1e-12


def test_a_coarse_grid_changes_something():
    """So that the test above can fail."""
    means = tensor([[0.0], [4.0]])
    coarse = mixture_mutual_information(means, 1.0, points=9)
    assert abs(coarse - mixture_mutual_information(means, 1.0)) > 1e-6


@pytest.mark.parametrize("separation", [1e-3, 1e-2])
def test_classes_that_nearly_coincide(separation):
    """I → δ² / 8σ² for two balanced classes."""
    value = mixture_mutual_information(tensor([[0.0], [2 * separation]]), 2.0)
    assert value == pytest.approx(separation**2 / 8, rel=separation**2)


@pytest.mark.parametrize("separation", [1e-8, 1e-10, 1e-12, 1e-14])
def test_information_is_never_negative(separation):
    for count in (2, 3, 5):
        means = separation * torch.arange(count, dtype=torch.float64).unsqueeze(1)
        assert 0 <= mixture_mutual_information(means, 1.0) < 1e-15


@pytest.mark.parametrize("weights", WEIGHTS)
def test_classes_that_never_meet_tell_their_label(weights):
    value = mixture_mutual_information(tensor([[0.0], [1e4]]), 1.0, tensor(weights))
    assert value == pytest.approx(scipy.stats.entropy(weights), abs=1e-12)


@pytest.mark.parametrize("means", [[[3.0]], [[3.0, 1.0], [3.0, 1.0]], [[0.1, 0.2, 0.3]] * 4])
def test_classes_that_are_one_tell_nothing(means):
    assert mixture_mutual_information(tensor(means), 1.0) == 0


@pytest.mark.parametrize("dim", [1, 2])
def test_moving_turning_scaling_and_more_dimensions_change_nothing(dim):
    generator = torch.Generator().manual_seed(0)
    means = 2 * torch.randn(4, dim, generator=generator, dtype=torch.float64)
    value = mixture_mutual_information(means, 1.0)
    assert mixture_mutual_information(means + 100, 1.0) == pytest.approx(value, abs=1e-12)
    assert mixture_mutual_information(-3 * means, 3.0) == pytest.approx(value, abs=1e-12)
    basis = torch.linalg.qr(torch.randn(16, 16, generator=generator, dtype=torch.float64)).Q[:dim]
    assert mixture_mutual_information(means @ basis + 5, 1.0) == pytest.approx(value, abs=1e-12)
    assert mixture_mutual_information((means @ basis).float(), 1.0) == pytest.approx(value, abs=1e-6)


def test_classes_that_are_there_twice():
    """Which half of a class a label names cannot be told, and tells nothing."""
    means = tensor([[0.0], [1.5]])
    twice = mixture_mutual_information(means.repeat(2, 1), 1.0)
    assert twice == pytest.approx(mixture_mutual_information(means, 1.0), abs=1e-13)


def test_two_views_share_what_the_docstring_says():
    """I(Z; Z⁺) = 2 I(Z; Y) − I((Z, Z⁺); Y) against a double integral of p(z, z⁺) log p(z, z⁺) / p(z) p(z⁺)."""
    means = tensor([[-1.2], [1.2]])
    line = torch.linspace(-10, 10, 801, dtype=torch.float64)
    p = torch.exp(-(line.unsqueeze(1) - means.T).square() / 2) / math.sqrt(2 * math.pi)
    joint, single = p @ p.T / 2, p.mean(dim=1)
    step = (line[1] - line[0]).item()
    expected = (joint * (joint / torch.outer(single, single)).log()).sum().item() * step**2
    shared = 2 * mixture_mutual_information(means, 1.0) - mixture_mutual_information(means.repeat(1, 2), 1.0)
    assert shared == pytest.approx(expected, abs=1e-10)


# mixture_entropies (paper M, eq. 1 and table 1)


def surprises(z, means, deviation, weights):
    """p(z), −log p(z) and the entropy of the label given z, each from its definition (paper M, table 1)."""
    joint = [w * math.exp(log_density(z, mean, deviation)) for w, mean in zip(weights, means, strict=True)]
    p = sum(joint)
    if p == 0:
        return 0.0, 0.0, 0.0
    return p, -math.log(p), -sum(q / p * math.log(q / p) for q in joint if q > 0)


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("separation", [0.0, 0.3, 1.0, 3.0, 8.0])
def test_entropies_against_adaptive_quadrature(separation, weights):
    deviation = 0.2  # negative entropies of densities are among the cases
    means = [[0.7], [0.7 + deviation * separation]]
    low, high = means[0][0] - 12 * deviation, means[1][0] + 12 * deviation
    cuts = [low, *(m[0] + s * deviation for m in means for s in (-6, 0, 6)), high]

    def integral(which):
        def integrand(z):
            found = surprises([z], means, deviation, weights)
            return found[0] * found[which]

        pieces = itertools.pairwise(sorted(cuts))
        return sum(scipy.integrate.quad(integrand, *ends, epsabs=1e-12, limit=400)[0] for ends in pieces)

    found = mixture_entropies(tensor(means), deviation, tensor(weights))
    assert found.label == pytest.approx(scipy.stats.entropy(weights), abs=1e-12)
    assert found.label_given_embedding == pytest.approx(integral(2), abs=1e-10)
    assert found.embedding == pytest.approx(integral(1), abs=1e-10)
    assert found.embedding_given_label == pytest.approx(scipy.stats.norm(scale=deviation).entropy(), abs=1e-12)
    assert found.embedding_given_label < 0


def test_entropies_in_a_plane_against_a_sum_over_squares():
    means, weights = [[0.0, 0.0], [1.5, 0.0], [0.4, 2.0]], (0.2, 0.5, 0.3)
    step = 0.1
    line = [-8 + step * k for k in range(181)]
    cells = [surprises([x, y], means, 1.0, weights) for x in line for y in line]
    found = mixture_entropies(tensor(means), 1.0, tensor(weights))
    assert found.embedding == pytest.approx(step**2 * math.fsum(p * h for p, h, _ in cells), abs=1e-10)
    assert found.label_given_embedding == pytest.approx(step**2 * math.fsum(p * h for p, _, h in cells), abs=1e-10)
    normal = scipy.stats.multivariate_normal(cov=[[1, 0], [0, 1]])
    assert found.embedding_given_label == pytest.approx(normal.entropy(), abs=1e-12)


@pytest.mark.parametrize("separation", [0.0, 1e-9, 0.01, 0.3, 1.0, 3.0, 10.0, 100.0, 1e6])
@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("deviation", [1e-3, 1.0, 50.0])
def test_two_views_of_one_quantity(dim, separation, deviation):
    """Equation 1: mixture_entropies' two differences are each other, and mixture_mutual_information."""
    generator = torch.Generator().manual_seed(0)
    for weights in (tensor([0.4, 0.3, 0.2, 0.09, 0.01]), None):
        means = deviation * separation * torch.randn(5, dim, generator=generator, dtype=torch.float64)
        found = mixture_entropies(means, deviation, weights)
        expected = mixture_mutual_information(means, deviation, weights)
        assert found.discriminative == pytest.approx(expected, abs=1e-10)
        assert found.generative == pytest.approx(expected, abs=1e-10)
        assert found.label_given_embedding > -1e-12


def test_the_two_views_do_not_agree_on_any_grid():
    """Or their agreement would be a matter of algebra, not of integrals."""
    found = mixture_entropies(tensor([[0.0], [4.0]]), 1.0, points=9)
    assert abs(found.discriminative - found.generative) > 1e-6


def test_a_unit_shifts_both_entropies_of_the_embedding():
    means = tensor([[0.0, 0.0], [2.0, 1.0], [-1.0, 2.0]])
    found, scaled = mixture_entropies(means, 0.5), mixture_entropies(10 * means, 5.0)
    shift = 2 * math.log(10)
    assert scaled.embedding - found.embedding == pytest.approx(shift, abs=1e-12)
    assert scaled.embedding_given_label - found.embedding_given_label == pytest.approx(shift, abs=1e-12)
    assert scaled[:2] == pytest.approx(found[:2], abs=1e-12)


def test_directions_without_a_difference_add_their_gaussian_entropy():
    flat = mixture_entropies(tensor([[0.0], [2.0]]), 0.5)
    deep = mixture_entropies(tensor([[3.0, 0.0, 1.0], [3.0, 2.0, 1.0]]), 0.5)
    extra = 2 * scipy.stats.norm(scale=0.5).entropy()
    assert deep == pytest.approx((*flat[:2], flat.embedding + extra, flat.embedding_given_label + extra), abs=1e-12)


@pytest.mark.parametrize("means", [[[3.0]], [[3.0, 1.0], [3.0, 1.0]], [[0.1, 0.2, 0.3]] * 4])
def test_entropies_of_classes_that_are_one(means):
    found = mixture_entropies(tensor(means), 2.0)
    assert found.label_given_embedding == pytest.approx(math.log(len(means)), abs=1e-12)
    assert found.embedding == pytest.approx(found.embedding_given_label, abs=1e-12)


# posterior_logits


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("dim", [1, 3])
def test_the_posterior_is_bayes_rule(dim, offset):
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(20, dim, generator=generator, dtype=torch.float64)
    means = torch.randn(4, dim, generator=generator, dtype=torch.float64)
    weights = [0.1, 0.2, 0.3, 0.4]
    expected = [
        [math.log(w) + log_density(row, mean, 0.7) for w, mean in zip(weights, means.tolist(), strict=True)]
        for row in z.tolist()
    ]
    value = posterior_logits(z + offset, means + offset, 0.7, tensor(weights)).log_softmax(dim=1)
    atol = 1e-12 if offset == 0 else 1e-7
    torch.testing.assert_close(value, tensor(expected).log_softmax(dim=1), atol=atol, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_the_posterior_is_computed_in_float64(dtype):
    z, means = torch.randn(9, 2, generator=torch.Generator().manual_seed(0)).to(dtype), torch.eye(2).to(dtype)
    value = posterior_logits(z, means, 0.3)
    assert value.dtype == torch.float64
    assert torch.equal(value, posterior_logits(z.double(), means.double(), 0.3))


# sample_mixture


def test_draws_have_the_density():
    """Shares of the classes, and within each a normal law (Kolmogorov–Smirnov), at one chance in a thousand."""
    means, weights = tensor([[0.0, 0.0], [4.0, -1.0], [-2.0, 3.0]]), tensor([0.2, 0.3, 0.5])
    embeddings, labels = sample_mixture(means, 0.5, 6000, 1, weights=weights)
    assert embeddings.shape == (6000, 2)
    assert embeddings.dtype == torch.float64
    counts = labels.bincount(minlength=3)
    assert scipy.stats.chisquare(counts, 6000 * weights).pvalue > 1e-3
    for c in range(3):
        noise = (embeddings[labels == c] - means[c]) / 0.5
        for column in noise.T:
            assert scipy.stats.kstest(column, "norm").pvalue > 1e-3
        assert abs(scipy.stats.pearsonr(*noise.T).statistic) < 4 / math.sqrt(len(noise))


def test_balanced_without_weights():
    _, labels = sample_mixture(torch.zeros(4, 1), 1.0, 4000, 0)
    assert label_entropy(labels) == pytest.approx(math.log(4), abs=0.01)


def test_a_seed_is_a_draw_and_leaves_the_global_one_alone():
    means = tensor([[0.0], [1.0]])
    state = torch.random.get_rng_state()
    first, again, other = (sample_mixture(means, 1.0, 20, seed) for seed in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])


# Errors

CALLS = {
    "information": lambda **change: mixture_mutual_information(
        **{"means": torch.eye(2), "standard_deviation": 1.0, **change}
    ),
    "entropies": lambda **change: mixture_entropies(**{"means": torch.eye(2), "standard_deviation": 1.0, **change}),
    "sample": lambda **change: sample_mixture(
        **{"means": torch.eye(2), "standard_deviation": 1.0, "count": 3, "seed": 0, **change}
    ),
    "posterior": lambda **change: posterior_logits(
        **{"embeddings": torch.zeros(5, 2), "means": torch.eye(2), "standard_deviation": 1.0, **change}
    ),
}


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"means": [[0.0]]}, TypeError, "means must be a torch.Tensor"),
        ({"means": torch.zeros(2)}, ValueError, "means must have two dimensions"),
        ({"means": torch.tensor([[math.nan, 0.0]])}, ValueError, "means must be finite"),
        ({"standard_deviation": 0.0}, ValueError, "standard_deviation must be greater than 0, found 0"),
        ({"standard_deviation": "1"}, TypeError, "standard_deviation must be a number"),
        ({"weights": [0.5, 0.5]}, TypeError, "weights must be a torch.Tensor"),
        ({"weights": torch.ones(2, dtype=torch.long)}, TypeError, "weights must have a floating-point dtype"),
        ({"weights": torch.full((3,), 1 / 3)}, ValueError, r"weights must have shape \(2,\)"),
        ({"weights": torch.tensor([1.0, 0.0])}, ValueError, "weights must be positive and of sum 1, found 0 and"),
        ({"weights": torch.tensor([1.0, 1.0])}, ValueError, "weights must be positive and of sum 1, found .* sum 2"),
        ({"weights": torch.tensor([math.nan, 1.0])}, ValueError, "weights must be positive and of sum 1"),
    ],
)
@pytest.mark.parametrize("call", CALLS)
def test_mixture_errors(call, change, error, says):
    with pytest.raises(error, match=says):
        CALLS[call](**change)


@pytest.mark.parametrize(
    ("call", "change", "error", "says"),
    [
        ("information", {"means": torch.eye(4)}, ValueError, "means must lie on a line or in a plane, .* 3 dimensions"),
        ("information", {"points": 1}, ValueError, "points must be at least 2, found 1"),
        ("entropies", {"means": torch.eye(4)}, ValueError, "means must lie on a line or in a plane, .* 3 dimensions"),
        ("entropies", {"points": 2.0}, TypeError, "points must be an int, found float"),
        ("sample", {"count": 0}, ValueError, "count must be at least 1, found 0"),
        ("sample", {"count": 2.0}, TypeError, "count must be an int, found float"),
        ("sample", {"seed": 0.5}, TypeError, "seed must be an int, found float"),
        ("posterior", {"embeddings": torch.zeros(5, 3)}, ValueError, "means must have 3 columns like the embeddings"),
        ("posterior", {"embeddings": torch.full((1, 2), math.inf)}, ValueError, "embeddings must be finite"),
    ],
)
def test_own_errors(call, change, error, says):
    with pytest.raises(error, match=says):
        CALLS[call](**change)

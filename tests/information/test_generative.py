"""The generative view against its definition and, within the errors it states, against the exact information."""

import math

import pytest
import scipy.special
import torch
from sklearn.feature_selection import mutual_info_classif

from dmlkit.information import (
    gaussian_entropy,
    generative_mutual_information,
    mixture_mutual_information,
    nearest_neighbor_entropy,
    sample_mixture,
    wang_sha_entropy,
)

ENTROPIES = {
    "gaussian": gaussian_entropy,
    "nearest_neighbor": nearest_neighbor_entropy,
    "wang_sha": lambda x: wang_sha_entropy(x) / 2,
}
each_estimator = pytest.mark.parametrize("estimator", ENTROPIES)
SEPARATIONS = [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]


def draw(rows=90, dim=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    labels = torch.cat([torch.arange(3).repeat(5), torch.randint(3, (rows - 15,), generator=generator)])
    return x + labels.unsqueeze(1), labels


def classes(count, dim, separation):
    """Means at equal steps on a line, or at the corners of a regular polygon with sides of this length."""
    steps = torch.arange(count, dtype=torch.float64)
    if dim == 1:
        return separation * steps.unsqueeze(1)
    angle = 2 * math.pi * steps / count
    return separation / (2 * math.sin(math.pi / count)) * torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.mark.parametrize("seed", range(3))
@each_estimator
def test_it_is_the_entropy_less_the_weighted_mean_within_classes(estimator, seed):
    embeddings, labels = draw(seed=seed)
    within = sum((labels == c).double().mean().item() * ENTROPIES[estimator](embeddings[labels == c]) for c in range(3))
    value = generative_mutual_information(embeddings, labels, estimator=estimator)
    assert value == pytest.approx(ENTROPIES[estimator](embeddings) - within, abs=1e-12)


def test_k_is_passed_on():
    embeddings, labels = draw()
    within = sum(
        (labels == c).double().mean().item() * nearest_neighbor_entropy(embeddings[labels == c], k=5) for c in range(3)
    )
    value = generative_mutual_information(embeddings, labels, estimator="nearest_neighbor", k=5)
    assert value == pytest.approx(nearest_neighbor_entropy(embeddings, k=5) - within, abs=1e-12)
    assert value != generative_mutual_information(embeddings, labels, estimator="nearest_neighbor")


# "gaussian"


@pytest.mark.parametrize("separation", SEPARATIONS)
@pytest.mark.parametrize(("count", "dim"), [(2, 1), (4, 1), (2, 2), (3, 2)])
def test_gaussian_is_an_upper_bound_for_gaussian_classes(count, dim, separation):
    """½ log(|Σ| / |Σ_within|) ≥ I by quadrature, near it where classes overlap; and that is what is estimated."""
    means = classes(count, dim, separation)
    information = mixture_mutual_information(means, 1.0)
    spread = (means - means.mean(dim=0)).T @ (means - means.mean(dim=0)) / count
    limit = 0.5 * torch.logdet(torch.eye(dim, dtype=torch.float64) + spread).item()
    assert limit >= information
    if separation <= 1:
        assert limit == pytest.approx(information, abs=0.01)
    if separation == 8:
        assert limit > information + 0.02

    rows, draws = 500, 40
    values = torch.tensor(
        [generative_mutual_information(*sample_mixture(means, 1.0, rows, seed)) for seed in range(draws)],
        dtype=torch.float64,
    )
    bias = (count - 1) * dim * (dim + 3) / (4 * rows)
    error = 4 * values.std().item() / math.sqrt(draws)
    # The bias is stated as approximate: it takes the marginal for a Gaussian.
    assert values.mean().item() == pytest.approx(limit, abs=error + 2 * bias)


@pytest.mark.parametrize("dim", [1, 5, 10])
def test_gaussian_bias_of_few_rows(dim):
    """Labels that tell nothing: what is left is the stated bias."""
    rows, draws = 300, 50
    values = []
    for seed in range(draws):
        x = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        values.append(generative_mutual_information(x, torch.arange(rows) % 3))
    values = torch.tensor(values, dtype=torch.float64)
    bias = (3 - 1) * dim * (dim + 3) / (4 * rows)
    error = 4 * values.std().item() / math.sqrt(draws)
    assert values.mean().item() == pytest.approx(bias, abs=error + 0.2 * bias)


@pytest.mark.parametrize("seed", range(20))
def test_gaussian_is_never_negative(seed):
    """log det is concave, and the covariance of all rows at least the mean of those within: on every draw."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(40, 3, generator=generator, dtype=torch.float64) ** 3
    labels = torch.cat([torch.arange(4).repeat(4), torch.randint(4, (24,), generator=generator)])
    assert generative_mutual_information(x, labels) > 0


# "nearest_neighbor"


@pytest.mark.parametrize(("dim", "count"), [(1, 2), (1, 4), (2, 3), (2, 4)])
def test_nearest_neighbor_is_within_the_stated_error(dim, count):
    for separation in SEPARATIONS:
        means = classes(count, dim, separation)
        information = mixture_mutual_information(means, 1.0)
        value = generative_mutual_information(*sample_mixture(means, 1.0, 2000, 0), estimator="nearest_neighbor")
        assert value == pytest.approx(information, abs=0.1)


def test_nearest_neighbor_on_average():
    """Bias and standard deviation as stated, where both were largest."""
    means, draws = classes(4, 2, 1.0), 12
    samples = (sample_mixture(means, 1.0, 2000, seed) for seed in range(draws))
    values = [generative_mutual_information(*sample, estimator="nearest_neighbor") for sample in samples]
    errors = torch.tensor(values, dtype=torch.float64) - mixture_mutual_information(means, 1.0)
    assert errors.abs().max() < 0.1
    assert abs(errors.mean().item()) < 0.02 + 3 * 0.025 / math.sqrt(draws)
    assert 0.012 < errors.std().item() < 0.05


@pytest.mark.parametrize(("dim", "loss"), [(8, 0.04), (16, 0.2), (32, 0.5)])
def test_nearest_neighbor_in_many_dimensions(dim, loss):
    means = torch.nn.functional.pad(classes(3, 2, 1.0), (0, dim - 2))
    errors = [
        generative_mutual_information(*sample_mixture(means, 1.0, 2000, seed), estimator="nearest_neighbor")
        - mixture_mutual_information(means, 1.0)
        for seed in range(2)
    ]
    assert sum(errors) / 2 == pytest.approx(-loss, abs=0.06)


@pytest.mark.parametrize("separation", SEPARATIONS)
def test_nearest_neighbor_agrees_with_scikit_learns(separation):
    """Another estimator from neighbours (Ross, 2014), for one column; both err by as much."""
    embeddings, labels = sample_mixture(classes(2, 1, separation), 1.0, 2000, 0)
    expected = mutual_info_classif(embeddings.numpy(), labels.numpy(), n_neighbors=3, random_state=0).item()
    value = generative_mutual_information(embeddings, labels, estimator="nearest_neighbor")
    assert value == pytest.approx(expected, abs=0.1)


# "wang_sha"


def log_square(distance):
    """E log‖Z − Z′‖² of two unit normal points in a plane whose means are this far apart."""
    if distance == 0:
        return math.log(4) - float(-scipy.special.digamma(1))
    return math.log(distance**2) + scipy.special.exp1(distance**2 / 4)


@pytest.mark.parametrize("separation", SEPARATIONS)
def test_wang_sha_estimates_what_is_stated(separation):
    """In a plane, in closed form: ‖Z − Z′‖² is 2σ² times a noncentral χ². Not I, which it leaves behind."""
    means, rows, draws = classes(2, 2, separation), 100, 100
    labels = torch.arange(rows) % 2
    across = rows / 2 / (rows - 1)  # the share of pairs of different rows that are of different classes
    expected = across * (log_square(separation) - log_square(0))
    values = []
    for seed in range(draws):
        noise = torch.randn(rows, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        values.append(generative_mutual_information(means[labels] + noise, labels, estimator="wang_sha"))
    values = torch.tensor(values, dtype=torch.float64)
    assert values.mean().item() == pytest.approx(expected, abs=4 * values.std().item() / math.sqrt(draws))


def test_wang_sha_grows_without_bound():
    """(d/2) log δ for two balanced classes, while I stops at log 2."""
    near, far = (
        generative_mutual_information(*sample_mixture(classes(2, 2, s), 1.0, 600, 0), estimator="wang_sha")
        for s in (1e2, 1e6)
    )
    assert near > 2 * math.log(2)
    assert far - near == pytest.approx(math.log(1e6 / 1e2), rel=0.01)


# All


@each_estimator
def test_moving_turning_and_scaling_change_nothing(estimator):
    embeddings, labels = draw()
    value = generative_mutual_information(embeddings, labels, estimator=estimator)
    rotation = torch.linalg.qr(embeddings[:3]).Q
    for moved in (embeddings + 50, embeddings @ rotation, 7 * embeddings, 1e-9 * embeddings):
        assert generative_mutual_information(moved, labels, estimator=estimator) == pytest.approx(value, abs=1e-10)


@each_estimator
def test_names_of_classes_and_the_order_of_rows_do_not_matter(estimator):
    embeddings, labels = draw()
    value = generative_mutual_information(embeddings, labels, estimator=estimator)
    renamed = torch.tensor([70, -5, 2**40])[labels]
    assert generative_mutual_information(embeddings, renamed, estimator=estimator) == pytest.approx(value, abs=1e-12)
    flipped = generative_mutual_information(embeddings.flip(0), labels.flip(0), estimator=estimator)
    assert flipped == pytest.approx(value, abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 89, 90, 91])
@each_estimator
def test_chunk_does_not_matter(estimator, chunk):
    embeddings, labels = draw()
    value = generative_mutual_information(embeddings, labels, estimator=estimator)
    chunked = generative_mutual_information(embeddings, labels, estimator=estimator, chunk=chunk)
    assert chunked == pytest.approx(value, abs=1e-12)


@each_estimator
def test_one_class_tells_nothing(estimator):
    embeddings, labels = draw()
    assert generative_mutual_information(embeddings, torch.zeros_like(labels), estimator=estimator) == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@each_estimator
def test_low_precision_is_computed_in_float64(estimator, dtype):
    embeddings, labels = draw()
    low = embeddings.to(dtype)
    expected = generative_mutual_information(low.double(), labels, estimator=estimator)
    assert generative_mutual_information(low, labels, estimator=estimator) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize(("estimator", "least"), [("gaussian", 4), ("nearest_neighbor", 4), ("wang_sha", 2)])
def test_classes_that_are_too_small(estimator, least):
    embeddings, _ = draw(rows=20)
    labels = torch.zeros(20, dtype=torch.long)
    labels[:least] = 7
    assert math.isfinite(generative_mutual_information(embeddings, labels, estimator=estimator))
    labels[0] = 0
    says = f"every class at least {least} rows for the estimator '{estimator}', found {least - 1} in class 7"
    with pytest.raises(ValueError, match=says):
        generative_mutual_information(embeddings, labels, estimator=estimator)


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        ("gaussian", "embeddings of class 1 must vary in every column"),
        ("nearest_neighbor", "embeddings must have no row with k = 3 copies or more"),
        ("wang_sha", "embeddings must have no equal rows"),
    ],
)
def test_a_class_that_collapsed(estimator, says):
    embeddings, labels = draw()
    embeddings[labels == 1] = 0.3
    with pytest.raises(ValueError, match=says):
        generative_mutual_information(embeddings, labels, estimator=estimator)


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "embeddings must be a torch.Tensor"),
        ({"embeddings": torch.full((4, 1), math.nan)}, ValueError, "embeddings must be finite"),
        ({"embeddings": torch.full((4, 1), math.inf)}, ValueError, "embeddings must be finite"),
        ({"labels": torch.zeros(4)}, TypeError, "labels must have an integer dtype"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, ValueError, "labels must have shape"),
        ({"estimator": "histogram"}, ValueError, "estimator must be one of 'gaussian', .* found 'histogram'"),
        ({"k": 0}, ValueError, "k must be at least 1, found 0"),
        ({"chunk": 0}, ValueError, "chunk must be at least 1, found 0"),
    ],
)
def test_errors(change, error, says):
    arguments = {"embeddings": torch.arange(4.0).reshape(4, 1), "labels": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(error, match=says):
        generative_mutual_information(**{**arguments, **change})

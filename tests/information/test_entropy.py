"""Entropies against slow loops, scipy and closed forms; what moving, turning and scaling does; what is refused."""

import math

import pytest
import scipy.special
import scipy.stats
import torch

from dmlkit.geometry import euclidean_distances
from dmlkit.information import gaussian_entropy, label_entropy, nearest_neighbor_entropy, wang_sha_entropy

ESTIMATORS = [gaussian_entropy, nearest_neighbor_entropy, wang_sha_entropy]
each_estimator = pytest.mark.parametrize("entropy", ESTIMATORS)
by_distances = pytest.mark.parametrize("entropy", ESTIMATORS[1:])


def draw(rows=60, dim=3, seed=0):
    return torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def distance(a, b):
    return math.sqrt(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)))


# label_entropy


@pytest.mark.parametrize("seed", range(5))
def test_label_entropy_is_scipys(seed):
    labels = torch.randint(-3, 6, (50,), generator=torch.Generator().manual_seed(seed))
    counts = [labels.tolist().count(c) for c in range(-3, 6)]
    assert label_entropy(labels) == pytest.approx(scipy.stats.entropy(counts), abs=1e-14)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_label_entropy_of_balanced_classes_and_of_one(dtype):
    assert label_entropy(torch.arange(7).repeat(3).to(dtype)) == pytest.approx(math.log(7), abs=1e-14)
    value = label_entropy(torch.full((9,), 4, dtype=dtype))
    assert math.copysign(1, value) * (1 + value) == 1  # 0, not −0 or rounding


@pytest.mark.parametrize(
    ("labels", "error", "says"),
    [
        ([0, 1], TypeError, "labels must be a torch.Tensor, found list"),
        (torch.zeros(3), TypeError, "labels must have an integer dtype, found torch.float32"),
        (torch.zeros(2, 2, dtype=torch.long), ValueError, "labels must have shape"),
        (torch.zeros(0, dtype=torch.long), ValueError, "labels is empty"),
    ],
)
def test_label_entropy_errors(labels, error, says):
    with pytest.raises(error, match=says):
        label_entropy(labels)


# Oracles


@pytest.mark.parametrize("dim", [1, 2, 7])
@pytest.mark.parametrize("seed", range(3))
def test_gaussian_entropy_is_scipys_of_the_covariance(seed, dim):
    x = draw(40, dim, seed) @ draw(dim, dim, seed + 10) + 3
    covariance = (x - x.mean(dim=0)).T @ (x - x.mean(dim=0)) / 40
    expected = scipy.stats.multivariate_normal(cov=covariance.numpy()).entropy()
    assert gaussian_entropy(x) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("k", [1, 3, 10])
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_nearest_neighbor_entropy_against_a_loop(dim, k):
    rows = draw(30, dim).tolist()
    total = 0.0
    for i, a in enumerate(rows):
        total += math.log(sorted(distance(a, b) for j, b in enumerate(rows) if j != i)[k - 1])
    volume = math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)
    expected = scipy.special.digamma(30) - scipy.special.digamma(k) + math.log(volume) + dim * total / 30
    assert nearest_neighbor_entropy(draw(30, dim), k=k) == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_wang_sha_entropy_against_a_loop(dim):
    rows = draw(30, dim).tolist()
    total = sum(math.log(distance(a, b) ** 2) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j)
    assert wang_sha_entropy(draw(30, dim)) == pytest.approx(dim / (30 * 29) * total, abs=1e-10)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_wang_sha_is_the_mean_of_all_neighbors(dim):
    """½ Ĥ + log V + 1, exactly: the two loops above know nothing of this."""
    x = draw(25, dim)
    mean = sum(nearest_neighbor_entropy(x, k=k) for k in range(1, 25)) / 24
    volume = math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)
    assert wang_sha_entropy(x) / 2 + math.log(volume) + 1 == pytest.approx(mean, abs=1e-12)


# Closed forms, within the errors that the docstrings state


@pytest.mark.parametrize(("rows", "dim"), [(12, 1), (12, 5), (12, 11), (200, 5)])
def test_gaussian_entropy_has_the_stated_mean_and_variance(rows, dim):
    draws = 400
    values = torch.tensor([gaussian_entropy(5 * draw(rows, dim, seed)) for seed in range(draws)], dtype=torch.float64)
    j = torch.arange(1, dim + 1, dtype=torch.float64)
    mean = dim / 2 * math.log(2 * math.pi * math.e * 25)
    mean += 0.5 * (torch.special.digamma((rows - j) / 2) - math.log(rows / 2)).sum().item()
    variance = 0.25 * torch.special.polygamma(1, (rows - j) / 2).sum().item()
    assert values.mean().item() == pytest.approx(mean, abs=4 * math.sqrt(variance / draws))
    assert values.var().item() == pytest.approx(variance, rel=0.4)  # its own error is √(2/400) = 7 %, of heavy tails


def test_gaussian_entropy_approximate_bias():
    rows, dim = 1000, 5
    values = [gaussian_entropy(draw(rows, dim, seed)) for seed in range(100)]
    bias = sum(values) / 100 - dim / 2 * math.log(2 * math.pi * math.e)
    assert bias == pytest.approx(-dim * (dim + 3) / (4 * rows), abs=4 * math.sqrt(dim / (2 * rows) / 100))


def test_gaussian_entropy_bounds_that_of_other_densities():
    """A cube of side 1 has h = 0, its Gaussian ½ log(2πe/12) a dimension: 0.1765."""
    x = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert gaussian_entropy(x) == pytest.approx(3 * 0.5 * math.log(2 * math.pi * math.e / 12), abs=0.02)


@pytest.mark.parametrize("k", [1, 3, 8])
@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("side", [0.1, 1.0])
def test_nearest_neighbor_entropy_of_a_cube(side, dim, k):
    """Var log p = 0: four of the stated standard deviations, and above them what the faces add."""
    rows = 1000
    x = side * torch.rand(rows, dim, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
    error = nearest_neighbor_entropy(x, k=k) - dim * math.log(side)
    noise = 4 * math.sqrt(2.5 * scipy.special.polygamma(1, k) / rows)
    assert -noise <= error <= noise + (k / rows) ** (1 / dim)


@pytest.mark.parametrize(("dim", "bias"), [(1, -0.002), (2, -0.01), (3, -0.04), (5, -0.07)])
def test_nearest_neighbor_entropy_of_a_gaussian(dim, bias):
    """The stated bias and standard deviation; Var log p = d/2."""
    rows, draws = 1000, 15
    values = [nearest_neighbor_entropy(draw(rows, dim, seed)) for seed in range(draws)]
    values = torch.tensor(values, dtype=torch.float64) - dim / 2 * math.log(2 * math.pi * math.e)
    deviation = math.sqrt((dim / 2 + 2.5 * scipy.special.polygamma(1, 3)) / rows)
    assert values.mean().item() == pytest.approx(bias, abs=4 * deviation / math.sqrt(draws))
    assert 0.5 * deviation < values.std().item() < 1.6 * deviation


@pytest.mark.parametrize(("dim", "bias"), [(10, 0.1), (16, 0.7), (32, 3.2), (64, 10.0)])
def test_nearest_neighbor_entropy_in_many_dimensions(dim, bias):
    """The stated bias, to the digits stated; the noise of a mean of five is about √(d/2) / 70."""
    values = [nearest_neighbor_entropy(draw(1000, dim, seed)) for seed in range(5)]
    error = sum(values) / 5 - dim / 2 * math.log(2 * math.pi * math.e)
    assert error == pytest.approx(bias, abs=0.05 + 4 * math.sqrt(dim / 2 / 5000))


@pytest.mark.parametrize(("dim", "miss"), [(1, -0.014), (2, 0.116)])
def test_wang_sha_misses_a_gaussian_by_what_is_stated(dim, miss):
    """From the closed form E log χ²_d = ψ(d/2) + log 2, and from draws."""
    expected = dim * (math.log(4) + scipy.special.digamma(dim / 2))
    volume = math.pi ** (dim / 2) / math.gamma(dim / 2 + 1)
    h = dim / 2 * math.log(2 * math.pi * math.e)
    assert expected / 2 + math.log(volume) + 1 - h == pytest.approx(miss, abs=6e-4)
    values = torch.tensor([wang_sha_entropy(draw(50, dim, seed)) for seed in range(400)], dtype=torch.float64)
    error = values.std().item() / math.sqrt(400)
    assert error < 0.03
    assert values.mean().item() == pytest.approx(expected, abs=4 * error)


# Moving, turning, scaling


@each_estimator
def test_translation_and_rotation_change_nothing(entropy):
    x = draw(60, 4)
    rotation = torch.linalg.qr(draw(4, 4, seed=1)).Q
    assert entropy(x + 100) == pytest.approx(entropy(x), abs=1e-10)
    assert entropy(x @ rotation) == pytest.approx(entropy(x), abs=1e-12)


@pytest.mark.parametrize("scale", [1e-12, 0.3, 7.0, 1e12])
@each_estimator
def test_scaling_adds_d_log_s_and_eq_6_twice_that(entropy, scale):
    x = draw(60, 4)
    gain = 4 * math.log(scale) * (2 if entropy is wang_sha_entropy else 1)
    assert entropy(scale * x) - entropy(x) == pytest.approx(gain, abs=1e-10)


def test_gaussian_entropy_of_columns_of_different_sizes():
    x = draw(60, 3)
    sizes = torch.tensor([1e-9, 1.0, 1e9], dtype=torch.float64)
    assert gaussian_entropy(x * sizes) == pytest.approx(gaussian_entropy(x), abs=1e-10)


@each_estimator
def test_the_order_of_rows_does_not_matter(entropy):
    x = draw(60, 4)
    assert entropy(x.flip(0)) == pytest.approx(entropy(x), abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 59, 60, 61])
@by_distances
def test_chunk_does_not_matter(entropy, chunk):
    assert entropy(draw(), chunk=chunk) == pytest.approx(entropy(draw()), abs=1e-12)


@by_distances
def test_chunks_bound_the_pairs(monkeypatch, entropy):
    shapes = []

    def recorded(a, b):
        shapes.append((len(a), len(b)))
        return euclidean_distances(a, b)

    monkeypatch.setattr("dmlkit.information.entropy.euclidean_distances", recorded)
    entropy(draw(50), chunk=20)
    assert shapes == [(20, 50), (20, 50), (10, 50)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@each_estimator
def test_low_precision_is_computed_in_float64(entropy, dtype):
    x = draw().to(dtype)
    assert entropy(x) == pytest.approx(entropy(x.double()), abs=1e-13)


@each_estimator
def test_makes_no_gradient(entropy):
    assert isinstance(entropy(draw().requires_grad_()), float)


# Corner cases


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_gaussian_entropy_needs_more_rows_than_columns(dim):
    assert math.isfinite(gaussian_entropy(draw(dim + 1, dim)))
    with pytest.raises(ValueError, match=f"embeddings must have more rows than columns .* found {dim} × {dim}"):
        gaussian_entropy(draw(dim, dim))


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [0.0, 0.1, 1000.0])
def test_gaussian_entropy_refuses_a_constant_column(value, dtype):
    x = draw(60, 3).to(dtype)
    x[:, 1] = value
    with pytest.raises(ValueError, match="embeddings must vary in every column .* found 1 constant of 3"):
        gaussian_entropy(x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussian_entropy_refuses_dependent_columns(dtype):
    """Probabilities, which sum to 1 up to the rounding of their dtype; and a column that is there twice."""
    with pytest.raises(ValueError, match="embeddings must span all 4 dimensions .* found a covariance of rank 3"):
        gaussian_entropy(draw(60, 4).to(dtype).softmax(dim=1))
    x = draw(60, 2).to(dtype)
    with pytest.raises(ValueError, match="embeddings must span all 3 dimensions .* found a covariance of rank 2"):
        gaussian_entropy(torch.cat([x, x[:, :1]], dim=1))


@pytest.mark.parametrize("k", [1, 3])
def test_nearest_neighbor_entropy_bears_fewer_than_k_copies(k):
    x = draw(20, 2)
    with_copies = torch.cat([x, x[:1].repeat(k - 1, 1)])
    assert math.isfinite(nearest_neighbor_entropy(with_copies, k=k))
    with pytest.raises(ValueError, match=f"embeddings must have no row with k = {k} copies or more, found {k + 1} "):
        nearest_neighbor_entropy(torch.cat([with_copies, x[:1]]), k=k)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_wang_sha_entropy_refuses_equal_rows(offset):
    x = draw(20, 2) + offset
    x[7] = x[3]
    with pytest.raises(ValueError, match="embeddings must have no equal rows, found 2 at distance 0"):
        wang_sha_entropy(x)


@by_distances
def test_near_rows_are_not_equal_rows(entropy):
    """Far from the origin, where ‖a‖² + ‖b‖² − 2a·b would be 0 or noise."""
    x = torch.arange(40, dtype=torch.float64).reshape(-1, 1)
    assert entropy(2.0**-10 * x + 2.0**20) == pytest.approx(entropy(2.0**-10 * x), abs=1e-12)


def test_too_few_rows():
    with pytest.raises(ValueError, match="embeddings must have more than k = 3 rows, found 3"):
        nearest_neighbor_entropy(draw(3, 2))
    with pytest.raises(ValueError, match="embeddings must have at least two rows, found 1"):
        wang_sha_entropy(draw(1, 2))


@pytest.mark.parametrize(
    ("embeddings", "error", "says"),
    [
        ([[1.0]], TypeError, "embeddings must be a torch.Tensor, found list"),
        (torch.zeros(4, 2, dtype=torch.long), TypeError, "embeddings must have a floating-point dtype"),
        (torch.zeros(4), ValueError, "embeddings must have two dimensions"),
        (torch.zeros(0, 2), ValueError, "embeddings is empty"),
        (torch.tensor([[math.nan], [0.0], [1.0]]), ValueError, "embeddings must be finite, found .* in 1 of 3 rows"),
        (torch.tensor([[math.inf], [0.0], [1.0]]), ValueError, "embeddings must be finite, found .* in 1 of 3 rows"),
    ],
)
@each_estimator
def test_errors(entropy, embeddings, error, says):
    with pytest.raises(error, match=says):
        entropy(embeddings)


@pytest.mark.parametrize(
    ("option", "value", "error", "says"),
    [
        ("k", 0, ValueError, "k must be at least 1, found 0"),
        ("k", 1.5, TypeError, "k must be an int, found float"),
        ("chunk", 0, ValueError, "chunk must be at least 1, found 0"),
        ("chunk", True, TypeError, "chunk must be an int, found bool"),
    ],
)
def test_option_errors(option, value, error, says):
    with pytest.raises(error, match=says):
        nearest_neighbor_entropy(draw(), **{option: value})
    if option == "chunk":
        with pytest.raises(error, match=says):
            wang_sha_entropy(draw(), chunk=value)


@pytest.mark.parametrize("size", [1e-200, 1e-160, 1e160, 1e200])
def test_gaussian_entropy_of_any_size(size):
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = gaussian_entropy(x) + 3 * math.log(size)
    assert gaussian_entropy(x * size) == pytest.approx(expected, rel=1e-12)

"""The exact silhouette against scikit-learn, and in its corner cases."""

import pytest
import sklearn.metrics
import torch

from dmlkit.metrics import silhouette_samples, silhouette_score

DISTANCES = ("cosine", "euclidean")
each_distance = pytest.mark.parametrize("distance", DISTANCES)


def generic(rows=50, dim=4, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(classes, (rows,), generator=generator)


LABELLINGS = {
    "generic": lambda n: torch.arange(n) % 5,
    "two classes": lambda n: (torch.arange(n) % 3 == 0).long(),
    "singletons": lambda n: torch.where(torch.arange(n) < n - 2, torch.arange(n) % 3, torch.arange(n)),
    "far apart": lambda n: torch.tensor([7, -3, 10**12])[torch.arange(n) % 3],
}


@pytest.mark.parametrize("labelling", LABELLINGS.values(), ids=LABELLINGS)
@pytest.mark.parametrize("seed", range(3))
@each_distance
def test_scikit_learn(labelling, seed, distance):
    embeddings, _ = generic(seed=seed)
    labels = labelling(len(embeddings))
    expected = sklearn.metrics.silhouette_samples(embeddings.numpy(), labels.numpy(), metric=distance)
    values = silhouette_samples(embeddings, labels, distance=distance)
    torch.testing.assert_close(values, torch.from_numpy(expected), atol=1e-10, rtol=0)
    mean = sklearn.metrics.silhouette_score(embeddings.numpy(), labels.numpy(), metric=distance)
    assert silhouette_score(embeddings, labels, distance=distance) == pytest.approx(mean, abs=1e-10)


@each_distance
def test_zero_rows_as_in_scikit_learn(distance):
    """A zero row is at cosine distance 1 from every other row, zero rows included, and at 0 from itself."""
    embeddings, labels = generic()
    embeddings[[0, 7, 8, 30]] = 0
    expected = sklearn.metrics.silhouette_samples(embeddings.numpy(), labels.numpy(), metric=distance)
    values = silhouette_samples(embeddings, labels, distance=distance)
    torch.testing.assert_close(values, torch.from_numpy(expected), atol=1e-10, rtol=0)


@each_distance
def test_singletons_are_0(distance):
    embeddings, _ = generic(rows=6)
    values = silhouette_samples(embeddings, torch.tensor([0, 0, 1, 1, 2, 3]), distance=distance)
    assert (values[4:] == 0).all()
    assert (values[:4] != 0).all()


@pytest.mark.parametrize("chunk", [1, 7, 49, 50, 51])
@each_distance
def test_chunk_does_not_matter(chunk, distance):
    embeddings, labels = generic()
    whole = silhouette_samples(embeddings, labels, distance=distance)
    values = silhouette_samples(embeddings, labels, distance=distance, chunk=chunk)
    torch.testing.assert_close(values, whole, atol=1e-13, rtol=0)
    expected = silhouette_score(embeddings, labels, distance=distance)
    assert silhouette_score(embeddings, labels, distance=distance, chunk=chunk) == pytest.approx(expected, abs=1e-13)


@each_distance
def test_perfect_clusters_are_1(distance):
    labels = torch.arange(4).repeat(3)
    values = silhouette_samples(torch.eye(4)[labels], labels, distance=distance)
    torch.testing.assert_close(values, torch.ones(12, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "dim", "classes"), [(9, 3, 3), (100, 17, 3), (257, 64, 5), (300, 128, 2)])
@pytest.mark.parametrize("seed", range(6))
@each_distance
def test_everything_in_one_point_is_0(seed, rows, dim, classes, dtype, distance):
    """a = b = 0: no class is nearer than another, and rounding must not pretend that one is."""
    point = torch.randn(dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    values = silhouette_samples(point.repeat(rows, 1), torch.arange(rows) % classes, distance=distance)
    assert values.abs().max().item() == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("spread", [1e-9, 1e-7, 1e-4])
@each_distance
def test_nearly_one_point_stays_in_range(spread, dtype, distance):
    """Below the precision the values mean little, but they must be silhouettes: in [−1, 1]."""
    noise, labels = generic(rows=200, dim=16, classes=4)
    values = silhouette_samples((1 + spread * noise).to(dtype), labels, distance=distance)
    assert values.isfinite().all()
    assert values.abs().max().item() <= 1


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_distance
def test_half_precision_is_computed_in_float64(dtype, distance):
    embeddings, labels = generic()
    half = embeddings.to(dtype)
    values = silhouette_samples(half, labels, distance=distance)
    assert values.dtype == torch.float64
    expected = silhouette_samples(half.double(), labels, distance=distance)
    torch.testing.assert_close(values, expected, atol=1e-12, rtol=0)


@each_distance
def test_nan_is_refused(distance):
    embeddings, labels = generic()
    embeddings[3, 1] = torch.nan
    with pytest.raises(ValueError, match="embeddings must be finite, found NaN or infinity in 1 of"):
        silhouette_samples(embeddings, labels, distance=distance)


def test_makes_no_gradient():
    embeddings, labels = generic()
    assert not silhouette_samples(embeddings.requires_grad_(), labels).requires_grad


@pytest.mark.parametrize("function", [silhouette_samples, silhouette_score])
@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "embeddings must be a torch.Tensor"),
        ({"embeddings": torch.zeros(4, 2, dtype=torch.long)}, TypeError, "embeddings must have a floating-point"),
        ({"embeddings": torch.zeros(4)}, ValueError, "embeddings must have two dimensions"),
        (
            {"embeddings": torch.zeros(0, 2), "labels": torch.zeros(0, dtype=torch.long)},
            ValueError,
            "embeddings is empty",
        ),
        ({"labels": torch.zeros(4)}, TypeError, "labels must have an integer"),
        ({"labels": torch.zeros(3, dtype=torch.long)}, ValueError, "labels must have shape"),
        ({"labels": torch.zeros(4, dtype=torch.long)}, ValueError, "at least two classes"),
        ({"chunk": 0}, ValueError, "chunk must be at least 1"),
        ({"distance": "manhattan"}, ValueError, "distance must be one of"),
    ],
)
def test_errors(function, change, error, says):
    arguments = {"embeddings": torch.eye(4), "labels": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(error, match=says):
        function(**{**arguments, **change})

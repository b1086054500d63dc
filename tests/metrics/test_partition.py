"""Agreement of partitions against loops over the definitions and scikit-learn; k-means by either backend."""

import doctest
import importlib.util
import math
import sys
from collections import Counter

import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from largest_tensor import LargestTensor

from dmlkit.metrics import partition
from dmlkit.metrics.partition import (
    adjusted_mutual_information,
    clustering,
    k_means,
    normalized_mutual_information,
    purity,
)

BACKENDS = [
    "scikit-learn",
    pytest.param(
        "faiss", marks=pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
    ),
]
each_backend = pytest.mark.parametrize("backend", BACKENDS)
each_distance = pytest.mark.parametrize("distance", ["cosine", "euclidean"])


def generic(rows=200, clusters=7, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (rows,), generator=generator)
    other = torch.randint(clusters, (rows,), generator=generator)
    # Some of both: neither independent nor equal.
    return torch.where(torch.rand(rows, generator=generator) < 0.5, other, labels), labels


def entropy(values):
    return -math.fsum(n / len(values) * math.log(n / len(values)) for n in Counter(values).values())


def nmi_by_loop(assignment, labels, average):
    a, y = assignment.tolist(), labels.tolist()
    h = entropy(a), entropy(y)
    mean = (h[0] + h[1]) / 2 if average == "arithmetic" else math.sqrt(h[0] * h[1])
    return (h[0] + h[1] - entropy(list(zip(a, y, strict=True)))) / mean


def purity_by_loop(assignment, labels):
    a, y = assignment.tolist(), labels.tolist()
    right = 0
    for cluster in set(a):
        right += max(Counter(label for k, label in zip(a, y, strict=True) if k == cluster).values())
    return right / len(a)


def scores(assignment, labels):
    return {
        "nmi": normalized_mutual_information(assignment, labels),
        "nmi_geometric": normalized_mutual_information(assignment, labels, average="geometric"),
        "ami": adjusted_mutual_information(assignment, labels),
        "purity": purity(assignment, labels),
    }


def expected_scores(assignment, labels):
    y, a = labels.numpy(), assignment.numpy()
    return {
        "nmi": sklearn.metrics.normalized_mutual_info_score(y, a),
        "nmi_geometric": sklearn.metrics.normalized_mutual_info_score(y, a, average_method="geometric"),
        "ami": sklearn.metrics.adjusted_mutual_info_score(y, a),
        "purity": purity_by_loop(assignment, labels),
    }


@pytest.mark.parametrize("average", ["arithmetic", "geometric"])
@pytest.mark.parametrize("seed", range(3))
def test_loop(seed, average):
    assignment, labels = generic(seed=seed)
    expected = nmi_by_loop(assignment, labels, average)
    assert normalized_mutual_information(assignment, labels, average=average) == pytest.approx(expected, abs=1e-12)
    assert purity(assignment, labels) == purity_by_loop(assignment, labels)


PARTITIONS = {
    "generic": generic(),
    "many parts": generic(rows=1000, clusters=300, classes=200),
    "two large parts": generic(rows=5000, clusters=2, classes=2),
    "independent": (torch.arange(60) % 5, torch.arange(60) // 5),
    "one cluster": (torch.zeros(9, dtype=torch.long), torch.arange(9) % 3),
    "one class": (torch.arange(9) % 3, torch.zeros(9, dtype=torch.long)),
    "one of either": (torch.zeros(9, dtype=torch.long), torch.full((9,), -4)),
    "one row": (torch.tensor([3]), torch.tensor([8])),
    "clusters of one row": (torch.arange(9), torch.arange(9) % 3),
    "classes of one row": (torch.arange(9) % 3, torch.arange(9)),
    "all of one row": (torch.arange(9).flip(0), torch.arange(9)),
    "renamed": ((torch.arange(40) % 7 * 5) % 7 - 3, torch.arange(40) % 7),
}


@pytest.mark.parametrize(("assignment", "labels"), PARTITIONS.values(), ids=PARTITIONS)
def test_scikit_learn(assignment, labels):
    assert scores(assignment, labels) == pytest.approx(expected_scores(assignment, labels), abs=1e-10)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
@settings(max_examples=80, deadline=None)
def test_scikit_learn_on_few_rows(rows):
    assignment, labels = (torch.tensor(column) for column in zip(*rows, strict=True))
    assert scores(assignment, labels) == pytest.approx(expected_scores(assignment, labels), abs=1e-9)


def test_the_same_partition_is_exactly_1():
    labels = torch.randint(40, (500,), generator=torch.Generator().manual_seed(0))
    renamed = torch.randperm(40, generator=torch.Generator().manual_seed(1))[labels]
    assert scores(renamed, labels) == {"nmi": 1.0, "nmi_geometric": 1.0, "ami": 1.0, "purity": 1.0}


def test_independent_partitions_are_exactly_0():
    assignment, labels = PARTITIONS["independent"]
    assert normalized_mutual_information(assignment, labels) == 0.0


@pytest.mark.parametrize("shift", [2**24, 2**53, 2**63 - 8, -(2**63)])
def test_labels_may_be_any_integers(shift):
    """Neighbours that float32, or float64, would take for one."""
    assignment, labels = generic()
    assert scores(assignment + shift, labels + shift) == scores(assignment, labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int16, torch.int32])
def test_every_integer_dtype(dtype):
    """More pairs of parts than uint8 has numbers: nothing may wrap round."""
    assignment, labels = generic(rows=400, clusters=100, classes=90)
    assert scores(assignment.to(dtype), labels) == scores(assignment, labels.to(dtype)) == scores(assignment, labels)


def test_not_contiguous():
    assignment, labels = generic()
    strided = torch.stack([assignment, labels], dim=1)
    assert not strided[:, 0].is_contiguous()
    assert scores(strided[:, 0], strided[:, 1]) == scores(assignment, labels)


def test_no_table_of_all_pairs():
    rows, parts = 20_000, 4000
    assignment, labels = generic(rows, parts, parts)
    with LargestTensor() as largest:
        scores(assignment, labels)
    assert rows <= largest.elements <= 2 * rows  # not the 16 million of parts × parts


def draw(rows=120, classes=4, dim=5, seed=0):
    """Classes that anyone finds, by direction as well as by place."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(rows) % classes
    return 5 * torch.eye(dim)[labels] + torch.randn(rows, dim, generator=generator) / 4, labels


@each_backend
@each_distance
def test_separate_classes_are_found(distance, backend):
    embeddings, labels = draw()
    # Of few starts one finds each cluster; which one is the backend's matter.
    found = [clustering(embeddings, labels, distance=distance, seed=seed, backend=backend) for seed in range(8)]
    assert max(one.nmi for one in found) == 1.0
    assert partition.Clustering(nmi=1.0, nmi_geometric=1.0, ami=1.0, purity=1.0) in found


@each_backend
@each_distance
def test_clustering_scores_its_own_clusters(distance, backend):
    embeddings = torch.randn(150, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(150) % 6
    options = {"distance": distance, "seed": 3, "backend": backend}
    found = clustering(embeddings, labels, num_clusters=9, **options)
    assignment = k_means(embeddings, 9, **options)
    assert len(assignment.unique()) == 9
    assert vars(found) == pytest.approx(expected_scores(assignment, labels), abs=1e-10)


@each_backend
@each_distance
def test_every_row_is_with_its_nearest_center(distance, backend):
    """The fixed point of Lloyd's algorithm, up to the rows that the last round of an early stop would still move."""
    embeddings, _ = draw(rows=400)
    points = torch.nn.functional.normalize(embeddings) if distance == "cosine" else embeddings
    assignment = k_means(embeddings, 8, distance=distance, backend=backend)
    assert assignment.dtype == torch.int64
    centers = torch.stack([points[assignment == k].mean(dim=0) for k in range(8)])
    nearest = torch.cdist(points, centers).argmin(dim=1)
    assert (nearest == assignment).double().mean().item() > 0.95


@each_backend
def test_the_seed_decides(backend):
    embeddings = torch.randn(300, 6, generator=torch.Generator().manual_seed(0))
    runs = [k_means(embeddings, 12, seed=seed, backend=backend) for seed in (0, 0, 1, 2, 3)]
    assert torch.equal(runs[0], runs[1])
    assert any(not torch.equal(runs[0], run) for run in runs[2:])


@each_backend
def test_length_matters_for_euclidean_distance_only(backend):
    embeddings, labels = draw()
    longer = embeddings * (1 + 99 * (torch.arange(len(labels)) // 4 % 2)).unsqueeze(1)
    by_seed = range(8)
    cosine = [clustering(longer, labels, seed=seed, backend=backend).nmi for seed in by_seed]
    euclidean = [clustering(longer, labels, distance="euclidean", seed=seed, backend=backend).nmi for seed in by_seed]
    assert max(cosine) == 1.0
    assert max(euclidean) < 0.95


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@each_backend
def test_neither_unit_nor_origin_matters(scale, backend):
    """Squares of these leave float32; so do the digits of a small cloud far from the origin."""
    embeddings, _ = draw()
    expected = k_means(embeddings.double(), 4, distance="euclidean", backend=backend)
    moved = (embeddings.double() + 1e8) * scale
    found = k_means(moved, 4, distance="euclidean", backend=backend)
    assert normalized_mutual_information(found, expected) == 1.0


@each_backend
def test_one_cluster_and_one_row_a_cluster(backend):
    embeddings = torch.randn(12, 3, generator=torch.Generator().manual_seed(0))
    assert k_means(embeddings, 1, backend=backend).tolist() == [0] * 12
    assert sorted(k_means(embeddings, 12, backend=backend).tolist()) == list(range(12))


@each_backend
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype, backend):
    embeddings, _ = draw()
    half = embeddings.to(dtype)
    assert torch.equal(k_means(half, 4, backend=backend), k_means(half.double(), 4, backend=backend))


@each_backend
def test_not_contiguous_and_with_gradient(backend):
    embeddings, _ = draw()
    columns = embeddings.T.contiguous().T.requires_grad_()
    assert not columns.is_contiguous()
    assert torch.equal(k_means(columns, 4, backend=backend), k_means(embeddings, 4, backend=backend))


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")  # scikit-learn's, and true
@pytest.mark.parametrize("seed", range(3))
@each_backend
@each_distance
def test_everything_in_one_point_is_one_cluster(distance, backend, seed):
    """A model that maps everything to one point knows nothing, and rounding must not make clusters of it."""
    point = torch.randn(33, generator=torch.Generator().manual_seed(seed))
    found = clustering(point.repeat(101, 1), torch.arange(101) % 4, distance=distance, backend=backend)
    assert found == partition.Clustering(nmi=0.0, nmi_geometric=0.0, ami=0.0, purity=26 / 101)


def test_without_faiss(monkeypatch):
    embeddings, _ = draw()
    expected = k_means(embeddings, 4, backend="scikit-learn")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "faiss" else find(name, *rest))
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert torch.equal(k_means(embeddings, 4), expected)
    with pytest.raises(ImportError, match="backend 'faiss' needs the package faiss"):
        k_means(embeddings, 4, backend="faiss")


@pytest.mark.skipif(importlib.util.find_spec("faiss") is None, reason="faiss is not installed")
def test_faiss_goes_first_and_stops_early(monkeypatch):
    import faiss

    rounds = []
    train = faiss.Kmeans.train

    def counted(self, *args, **options):
        result = train(self, *args, **options)
        rounds.append(len(self.obj))
        return result

    monkeypatch.setattr(faiss.Kmeans, "train", counted)
    embeddings, _ = draw()
    k_means(embeddings, 4, max_iterations=1000)
    k_means(embeddings, 4, max_iterations=1)
    assert len(rounds) == 2
    assert 1 <= rounds[0] < 1000
    assert rounds[1] == 1


AGREE = [normalized_mutual_information, adjusted_mutual_information, purity]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"labels": [0, 1]}, TypeError, "labels must be a torch.Tensor"),
        ({"labels": torch.zeros(4)}, TypeError, "labels must have an integer"),
        ({"labels": torch.zeros(2, 2, dtype=torch.long)}, ValueError, "labels must have shape"),
        ({"labels": torch.zeros(0, dtype=torch.long)}, ValueError, "labels is empty"),
        ({"assignment": [0, 1]}, TypeError, "assignment must be a torch.Tensor"),
        ({"assignment": torch.zeros(4)}, TypeError, "assignment must have an integer"),
        ({"assignment": torch.zeros(3, dtype=torch.long)}, ValueError, "assignment must have shape"),
    ],
)
@pytest.mark.parametrize("measure", AGREE)
def test_errors_of_partitions(measure, change, error, says):
    arguments = {"assignment": torch.tensor([0, 0, 1, 1]), "labels": torch.tensor([0, 1, 1, 1])}
    with pytest.raises(error, match=says):
        measure(**{**arguments, **change})


def test_unknown_average():
    with pytest.raises(ValueError, match="average must be one of"):
        normalized_mutual_information(torch.tensor([0]), torch.tensor([0]), average="max")


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"embeddings": [[1.0]]}, TypeError, "embeddings must be a torch.Tensor"),
        ({"embeddings": torch.zeros(4)}, ValueError, "embeddings must have two dimensions"),
        ({"embeddings": torch.tensor([[math.nan]] * 4)}, ValueError, "embeddings must be finite"),
        ({"embeddings": torch.tensor([[math.inf]] * 4)}, ValueError, "embeddings must be finite"),
        ({"num_clusters": 0}, ValueError, "num_clusters must be at least 1"),
        ({"num_clusters": 5}, ValueError, "num_clusters must be at most the number of rows, 4, found 5"),
        ({"num_clusters": 2.0}, TypeError, "num_clusters must be an integer"),
        ({"max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
        ({"distance": "manhattan"}, ValueError, "distance must be one of"),
        ({"backend": "cuml"}, ValueError, "backend must be one of"),
    ],
)
def test_errors_of_k_means(change, error, says):
    with pytest.raises(error, match=says):
        k_means(**{"embeddings": torch.eye(4), "num_clusters": 2, **change})


def test_clustering_needs_a_label_a_row():
    with pytest.raises(ValueError, match="labels must have shape"):
        clustering(torch.eye(4), torch.tensor([0, 1]))


def test_examples():
    done = doctest.testmod(partition)
    assert done.attempted > 0
    assert done.failed == 0

"""Partitions: how well clusters of an embedding agree with the classes."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_labels, check_number, check_pair, check_rows
from dmlkit.geometry import compact_labels, double_precision, unit_rows
from dmlkit.metrics.ranking import DISTANCES

BACKENDS = ("auto", "faiss", "scikit-learn")
AVERAGES = ("arithmetic", "geometric")
# Rounds that make the objective smaller by less than this share no longer change what is measured.
_IMPROVEMENT = 3e-4


@dataclass(frozen=True)
class Clustering:
    """How well a clustering agrees with the classes.

    Attributes:
        nmi: normalised mutual information over the arithmetic mean of the entropies, in [0, 1].
        nmi_geometric: the same over their geometric mean, as much code has it, in [0, 1].
        ami: mutual information adjusted for chance: 1 for the classes themselves, 0 on average for random clusters.
        purity: share of rows that belong to the largest class of their cluster, in (0, 1].
    """

    nmi: float
    nmi_geometric: float
    ami: float
    purity: float


@torch.no_grad()
def k_means(
    embeddings: Tensor,
    num_clusters: int,
    *,
    distance: str = "cosine",
    seed: int = 0,
    max_iterations: int = 100,
    backend: str = "auto",
) -> Tensor:
    r"""Clusters of an embedding by k-means (Lloyd, 1982), from a k-means++ start (Arthur and Vassilvitskii, 2007).

    $$ \min_{a, \mu} \sum_i \lVert e_i - \mu_{a_i} \rVert_2^2 $$

    faiss does it where it is installed, scikit-learn's `KMeans` otherwise; with thousands of clusters faiss takes less
    than half the time. Either stops when the objective stops improving.

    The two find different local minima: compare models by one backend only. With many clusters scikit-learn's are the
    better ones, because its start tries several rows for each center. The same seed gives the same clusters on the same
    machine.

    Args:
        embeddings: (N, d).
        num_clusters: K, in 1 … N.
        distance: "cosine" (rows are normalised first; the centers are not) or "euclidean" (rows as they are).
        seed: of the start.
        max_iterations: rounds at most.
        backend: "faiss", "scikit-learn", or "auto" for the first of them that is installed.

    Returns:
        (N,) clusters, integers in 0 … K − 1. Some may be empty where the embedding has fewer distinct rows than K.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN or infinity, or more clusters than
            rows.
        ImportError: faiss was asked for and is not installed.

    Example:
        >>> assignment = k_means(torch.tensor([[1.0, 0.0], [9.0, 0.1], [0.0, 1.0]]), 2)
        >>> (assignment[0] == assignment[1]).item(), (assignment[0] == assignment[2]).item()
        (True, False)

    Losses are compared by it in the chapter "A fair comparison".
    """
    check_rows(embeddings)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    check_choice("backend", backend, BACKENDS)
    for name, value in (("num_clusters", num_clusters), ("max_iterations", max_iterations)):
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, found {type(value).__name__}")
        check_number(name, value, least=1)
    if num_clusters > len(embeddings):
        raise ValueError(f"num_clusters must be at most the number of rows, {len(embeddings)}, found {num_clusters}")
    if backend == "auto":
        backend = "faiss" if importlib.util.find_spec("faiss") else "scikit-learn"
    points = double_precision(embeddings)
    if distance == "cosine":
        points = unit_rows(points)
    else:
        # The partition depends neither on the origin nor on the unit, but the digits of faiss's float32 do.
        size = points.abs().max()
        points = points / torch.where(size > 0, size, 1.0)
        points = points - points.mean(dim=0)
        size = points.abs().max()
        points = points / torch.where(size > 0, size, 1.0)
    cluster = _faiss_clusters if backend == "faiss" else _scikit_learn_clusters
    return cluster(points.float().cpu(), num_clusters, seed, max_iterations).to(embeddings.device)


def _faiss_clusters(points: Tensor, num_clusters: int, seed: int, max_iterations: int) -> Tensor:
    try:
        import faiss
    except ImportError as error:
        raise ImportError("backend 'faiss' needs the package faiss (faiss-cpu), which is not installed") from error
    # Without these faiss clusters a sample of 256 rows a cluster, and prints advice below 39.
    options = {"min_points_per_centroid": 1, "max_points_per_centroid": len(points)}
    # Older versions do not know it and use all rounds.
    if hasattr(faiss.ClusteringParameters, "early_stop_threshold"):
        options["early_stop_threshold"] = _IMPROVEMENT
    search = faiss.Kmeans(points.shape[1], num_clusters, niter=max_iterations, seed=seed, **options)
    search.train(points.numpy(), init_centroids=points[_starts(points, num_clusters, seed)].numpy())
    return torch.from_numpy(search.assign(points.numpy())[1])


def _starts(points: Tensor, num_clusters: int, seed: int) -> Tensor:
    """Rows to start from: each drawn with a chance in proportion to its squared distance to those before (k-means++).

    After m rows the next m/64 are drawn at once: of thousands they are too few to be near each other, and their
    distances are one matrix product where faiss's own k-means++ takes a pass over the data for every row.
    """
    generator = torch.Generator().manual_seed(seed)
    squares = points.square().sum(dim=1)
    chosen = torch.randint(len(points), (1,), generator=generator)
    new, nearest = chosen, torch.full_like(squares, torch.inf)
    while len(chosen) < num_clusters:
        centers = points[new]
        for start in range(0, len(points), 65_536):
            rows = slice(start, start + 65_536)
            to_new = torch.addmm(squares[new], points[rows], centers.T, alpha=-2).amin(dim=1) + squares[rows]
            nearest[rows] = torch.minimum(nearest[rows], to_new.clamp_(min=0))
        nearest[chosen] = 0
        total = nearest.cumsum(dim=0, dtype=torch.float64)
        count = min(num_clusters - len(chosen), max(1, len(chosen) // 64))
        if total[-1] > 0:
            drawn = torch.rand(count, generator=generator, dtype=torch.float64) * total[-1]
            new = torch.searchsorted(total, drawn, right=True).clamp_(max=len(points) - 1).unique()
        else:  # fewer distinct rows than clusters: any will do
            left = torch.ones(len(points), dtype=torch.bool).index_fill(0, chosen, False).nonzero().squeeze(1)
            new = left[:count]
        chosen = torch.cat([chosen, new])
    return chosen


def _scikit_learn_clusters(points: Tensor, num_clusters: int, seed: int, max_iterations: int) -> Tensor:
    # Imported here because it takes a second, and most who import the measures never cluster.
    from sklearn.cluster import KMeans

    # Not MiniBatchKMeans for many clusters: with a few rows a cluster it needs as much time for worse clusters. Nor
    # random rows to start from: faster, but far worse, and a limit of size would make two measures of one.
    search = KMeans(num_clusters, n_init=1, max_iter=max_iterations, tol=_IMPROVEMENT, random_state=seed)
    return torch.from_numpy(search.fit_predict(points.numpy())).long()


@dataclass(frozen=True)
class _Contingency:
    """How many rows each pair (cluster, class) has, for the pairs that have any: float64 on the CPU."""

    cells: Tensor  # (P,) rows of the pair
    cluster: Tensor  # (P,) number of the pair's cluster
    label: Tensor  # (P,) number of the pair's class
    clusters: Tensor  # (K,) rows of each cluster
    classes: Tensor  # (C,) rows of each class


def _contingency(assignment: Tensor, labels: Tensor) -> _Contingency:
    check_labels(labels, labels.numel() if isinstance(labels, Tensor) else 0)
    if len(labels) == 0:
        raise ValueError("labels is empty: expected at least one label")
    check_labels(assignment, len(labels), name="assignment")
    if assignment.device != labels.device:
        raise ValueError(f"assignment is on {assignment.device}, labels on {labels.device}: move one to the other")
    # Both numbered from 0 first: labels may be any integers, their products with anything may not.
    cluster, clusters = compact_labels(assignment)
    label, classes = compact_labels(labels)
    pairs, cells = torch.unique(cluster * len(classes) + label, return_counts=True)
    pairs = pairs.cpu()
    return _Contingency(
        cells.cpu().double(),
        torch.div(pairs, len(classes), rounding_mode="floor"),
        pairs % len(classes),
        clusters.cpu().double(),
        classes.cpu().double(),
    )


def _entropy(counts: Tensor) -> float:
    """−Σ p log p of the shares of `counts`, in nats."""
    total = counts.sum()
    return (counts / total * (total / counts).log()).sum().item()


def _mutual_information(table: _Contingency) -> float:
    """Σ p_kc log(p_kc / (p_k p_c)), in nats."""
    total = table.classes.sum()
    # One quotient of whole numbers, so that independent partitions give exactly log 1 = 0.
    ratio = table.cells * total / (table.clusters[table.cluster] * table.classes[table.label])
    return max(0.0, (table.cells / total * ratio.log()).sum().item())


def _same_partition(table: _Contingency) -> bool:
    """Whether clusters and classes are one to one."""
    return len(table.cells) == len(table.clusters) == len(table.classes)


def _normalized(table: _Contingency, average: str) -> float:
    if _same_partition(table):
        return 1.0
    entropies = _entropy(table.clusters), _entropy(table.classes)
    mean = sum(entropies) / 2 if average == "arithmetic" else (entropies[0] * entropies[1]) ** 0.5
    # One cluster, or one class, tells nothing about the other side, even where the geometric mean is 0.
    return min(1.0, _mutual_information(table) / mean) if mean > 0 else 0.0


def _adjusted(table: _Contingency) -> float:
    if _same_partition(table):
        return 1.0
    expected = _expected_mutual_information(table.clusters, table.classes)
    mean = (_entropy(table.clusters) + _entropy(table.classes)) / 2
    return (_mutual_information(table) - expected) / (mean - expected)


def _expected_mutual_information(a: Tensor, b: Tensor) -> float:
    """Mean mutual information of all pairs of partitions with parts of these sizes (Vinh et al., 2010).

    A term depends on two sizes only, so each pair of distinct sizes is computed once: of N rows there are at most
    √(2N) distinct sizes a side, where there may be N/2 parts.
    """
    total = a.sum()
    a, a_times = a.unique(return_counts=True)
    b, b_times = b.unique(return_counts=True)
    fixed_b = torch.lgamma(b + 1) + torch.lgamma(total - b + 1) - torch.lgamma(total + 1)
    expected = 0.0
    for size, times in zip(a, a_times, strict=True):
        low = (size + b - total).clamp(min=1)
        number = (torch.minimum(size, b) - low + 1).long()
        column = torch.arange(len(b)).repeat_interleave(number)
        begin = number.cumsum(dim=0) - number
        n = low[column] + (torch.arange(len(column)) - begin[column])
        other = b[column]
        log_probability = (
            torch.lgamma(size + 1) + torch.lgamma(total - size + 1) + fixed_b[column]
            - torch.lgamma(n + 1) - torch.lgamma(size - n + 1) - torch.lgamma(other - n + 1)
            - torch.lgamma(total - size - other + n + 1)
        )  # fmt: skip
        terms = n / total * (total * n / (size * other)).log() * log_probability.exp()
        expected += (times * (terms * b_times[column]).sum()).item()
    return expected


def _purity(table: _Contingency) -> float:
    largest = torch.zeros_like(table.clusters).scatter_reduce(0, table.cluster, table.cells, "amax")
    return (largest.sum() / table.classes.sum()).item()


def normalized_mutual_information(assignment: Tensor, labels: Tensor, *, average: str = "arithmetic") -> float:
    r"""How much clusters A and classes Y tell about each other, as a share of what they hold (Strehl and Ghosh, 2002).

    $$ \mathrm{NMI} = \frac{I(A; Y)}{\tfrac12 (H(A) + H(Y))} \quad \text{(arithmetic)}, \qquad
       \frac{I(A; Y)}{\sqrt{H(A) H(Y)}} \quad \text{(geometric)} $$

    The mean must be named with the number: papers on metric learning use either, mostly without saying. It grows with
    the number of clusters even for random ones; `adjusted_mutual_information` does not.

    From the pairs (cluster, class) that occur, in float64: O(N log N), never a table of all pairs.

    Args:
        assignment: (N,), any integers: the cluster of each row.
        labels: (N,), any integers: its class.
        average: "arithmetic" or "geometric".

    Returns:
        In [0, 1]; 1 where clusters and classes are one to one, which one cluster of one class is too; 0 for one cluster
        of several classes or the reverse. These are scikit-learn's conventions.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, or no rows.

    Example:
        >>> assignment, labels = torch.tensor([5, 5, 7, 8]), torch.tensor([0, 0, 1, 1])
        >>> round(normalized_mutual_information(assignment, labels), 6)  # log 2 / ((3/2 + 1)/2 · log 2)
        0.8

    Losses are compared by it in the chapter "A fair comparison".
    """
    check_choice("average", average, AVERAGES)
    return _normalized(_contingency(assignment, labels), average)


def adjusted_mutual_information(assignment: Tensor, labels: Tensor) -> float:
    r"""Mutual information of clusters and classes beyond what chance gives (Vinh et al., 2010).

    $$ \mathrm{AMI} = \frac{I(A; Y) - \mathbb{E}[I]}{\tfrac12 (H(A) + H(Y)) - \mathbb{E}[I]} $$

    The expectation is over all pairs of partitions whose parts have the same sizes. Its terms depend on sizes alone,
    so the cost is that of the distinct sizes, at most √(2N) a side, however many classes there are.

    Args:
        assignment: (N,), any integers: the cluster of each row.
        labels: (N,), any integers: its class.

    Returns:
        At most 1, which it is where clusters and classes are one to one; 0 on average for random clusters, and for one
        cluster of several classes or the reverse; it can be a little below 0. As in scikit-learn.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, or no rows.

    Example:
        >>> assignment, labels = torch.tensor([0, 0, 1, 1]), torch.tensor([0, 1, 0, 1])  # independent: less than chance
        >>> round(adjusted_mutual_information(assignment, labels), 6)
        -0.5

    Losses are compared by it in the chapter "A fair comparison".
    """
    return _adjusted(_contingency(assignment, labels))


def purity(assignment: Tensor, labels: Tensor) -> float:
    r"""Share of the rows that belong to the largest class of their cluster (Manning et al., 2008, section 16.3).

    $$ \frac1N \sum_k \max_c \lvert A_k \cap Y_c \rvert $$

    It is 1 for clusters of one row each: compare it at one number of clusters only.

    Args:
        assignment: (N,), any integers: the cluster of each row.
        labels: (N,), any integers: its class.

    Returns:
        In (0, 1].

    Raises:
        TypeError, ValueError: a wrong dtype or shape, or no rows.

    Example:
        >>> purity(torch.tensor([0, 0, 0, 1]), torch.tensor([4, 4, 9, 9]))
        0.75

    Losses are compared by it in the chapter "A fair comparison".
    """
    return _purity(_contingency(assignment, labels))


def clustering(
    embeddings: Tensor,
    labels: Tensor,
    *,
    num_clusters: int | None = None,
    distance: str = "cosine",
    seed: int = 0,
    backend: str = "auto",
) -> Clustering:
    r"""Cluster the embedding and compare the clusters with the classes: NMI of either kind, AMI and purity.

    NMI of as many k-means clusters as classes is how metric learning has measured clusters since Oh Song et al. (2016).
    One run of `k_means`, $A$, and one table of the pairs $\lvert A_k \cap Y_c \rvert$ that occur. The start of k-means
    moves the numbers: report the mean over several seeds.

    Args:
        embeddings: (N, d).
        labels: (N,), any integers.
        num_clusters: clusters to make; None for as many as there are classes.
        distance: "cosine" (rows are normalised first) or "euclidean".
        seed: of the start of k-means.
        backend: of `k_means`.

    Returns:
        A `Clustering`.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN or infinity, or more clusters than
            rows.
        ImportError: faiss was asked for and is not installed.

    Example:
        >>> rows = torch.tensor([[1.0, 0.0], [9.0, 0.1], [0.0, 1.0], [0.1, 5.0]])
        >>> clustering(rows, torch.tensor([3, 3, 8, 8]))
        Clustering(nmi=1.0, nmi_geometric=1.0, ami=1.0, purity=1.0)

    Losses are compared by it in the chapter "A fair comparison".
    """
    check_pair(embeddings, labels)
    if num_clusters is None:
        num_clusters = len(labels.unique())
    assignment = k_means(embeddings, num_clusters, distance=distance, seed=seed, backend=backend)
    table = _contingency(assignment, labels)
    return Clustering(
        _normalized(table, "arithmetic"), _normalized(table, "geometric"), _adjusted(table), _purity(table)
    )

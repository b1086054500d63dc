"""Retrieval measures against loops over their definitions, against scikit-learn and PML, and in corner cases."""

import math

import pytest
import torch
from brute_force import map_at_r, mrr, r_precision, ranks_of_matches, recall
from sklearn.neighbors import NearestNeighbors

from dmlkit.metrics import recall_at_k, retrieval

DISTANCES = ("cosine", "euclidean")
each_distance = pytest.mark.parametrize("distance", DISTANCES)


def generic(rows=40, dim=3, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(classes, (rows,), generator=generator)


def with_ties(rows=60, classes=4, seed=0):
    """Rows with many duplicates whose distances are exact in floating point, under both distances.

    Each has one or four entries of equal size, so that its length is a whole number of them and its unit row is made
    of 0, 1/2 and 1.
    """
    pool = torch.tensor(
        [[1, 0, 0, 0], [3, 0, 0, 0], [0, -2, 0, 0], [0, 0, 1, 0], [1, 1, 1, 1], [2, 2, 2, 2], [1, -1, 1, -1]]
    )
    generator = torch.Generator().manual_seed(seed)
    embeddings = pool[torch.randint(len(pool), (rows,), generator=generator)].float()
    return embeddings, torch.randint(classes, (rows,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [generic, with_ties])
@each_distance
def test_brute_force(make, seed, distance):
    embeddings, labels = make(seed=seed)
    ks = (1, 2, 4, 8, 100)
    expected = {k: recall(embeddings, labels, k, distance) for k in ks}
    assert recall_at_k(embeddings, labels, ks=ks, distance=distance) == pytest.approx(expected, abs=1e-12)


@each_distance
def test_scikit_learns_neighbours(distance):
    embeddings, labels = generic(rows=300, dim=5, classes=20)
    search = NearestNeighbors(n_neighbors=9, metric=distance).fit(embeddings.numpy())
    neighbours = torch.from_numpy(search.kneighbors(embeddings.numpy(), return_distance=False))[:, 1:]
    hits = labels[neighbours] == labels.unsqueeze(1)
    expected = {k: hits[:, :k].any(dim=1).double().mean().item() for k in (1, 2, 4, 8)}
    assert recall_at_k(embeddings, labels, distance=distance) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 59, 60, 61])
@pytest.mark.parametrize("make", [generic, with_ties])
@each_distance
def test_chunk_does_not_matter(make, chunk, distance):
    embeddings, labels = make(rows=60)
    whole = recall_at_k(embeddings, labels, distance=distance)
    assert recall_at_k(embeddings, labels, distance=distance, chunk=chunk) == whole


@pytest.mark.parametrize("order", [lambda n: torch.arange(n) % 3, lambda n: torch.arange(n) * 3 // n])
@pytest.mark.parametrize(("rows", "dim", "chunk"), [(9, 3, 1024), (33, 128, 5), (101, 33, 10), (700, 64, 512)])
@pytest.mark.parametrize("seed", [1, 3, 12])
@each_distance
def test_everything_in_one_point_scores_0(seed, rows, dim, chunk, order, distance):
    """Every image is as near as every other, so those of another class come first, whatever the order of the rows.

    The point is any point and the rows fill their chunks unevenly: matrix products may round a row's copies
    differently, and a rounding error must not break a tie in the model's favour.
    """
    point = torch.randn(dim, generator=torch.Generator().manual_seed(seed))
    value = recall_at_k(point.repeat(rows, 1), order(rows), ks=(1, 2), distance=distance, chunk=chunk)
    assert value == {1: 0.0, 2: 0.0}


@each_distance
def test_zero_rows_are_one_point_too(distance):
    assert recall_at_k(torch.zeros(6, 3), torch.tensor([0, 1, 2, 0, 1, 2]), ks=(1,), distance=distance) == {1: 0.0}


def test_tie_with_another_class_counts_against():
    embeddings = torch.tensor([[0.0], [1.0], [-1.0], [5.0]])
    labels = torch.tensor([0, 0, 1, 1])
    # Query 0: its match at distance 1, and so is image 2. Queries 2 and 3 have their match farthest.
    assert recall_at_k(embeddings, labels, ks=(1, 2, 3), distance="euclidean") == {1: 0.25, 2: 0.5, 3: 1.0}


@each_distance
def test_perfect_clusters_score_1(distance):
    labels = torch.arange(5).repeat(4)
    assert recall_at_k(torch.eye(5)[labels], labels, ks=(1,), distance=distance) == {1: 1.0}


@each_distance
def test_queries_without_a_match_are_left_out_but_can_be_found(distance):
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    labels = torch.tensor([0, 0, 1, 1])
    assert recall_at_k(embeddings, labels, ks=(1,), distance=distance) == {1: 1.0}
    # A stranger beside the first row, nearer than its match: one answer of four is spoilt, and there is no fifth.
    embeddings = torch.cat([embeddings, torch.tensor([[1.0, -0.05]])])
    labels = torch.tensor([0, 0, 1, 1, 99])
    assert recall_at_k(embeddings, labels, ks=(1,), distance=distance) == {1: 0.75}


@each_distance
def test_rows_that_are_no_numbers_are_not_found(distance):
    """A diverged model must not score: it knows nothing."""
    embeddings, labels = torch.full((6, 3), math.nan), torch.tensor([0, 0, 1, 1, 2, 2])
    try:
        value = recall_at_k(embeddings, labels, ks=(1,), distance=distance)[1]
    except ValueError as error:
        assert "embeddings" in str(error)  # refusing them is as good
    else:
        assert not value > 0


def test_length_matters_for_euclidean_distance_only():
    embeddings = torch.tensor([[1.0, 0.0], [9.0, 0.0], [1.0, 0.5], [9.0, 4.5]])
    labels = torch.tensor([0, 0, 1, 1])
    assert recall_at_k(embeddings, labels, ks=(1,), distance="cosine") == {1: 1.0}
    assert recall_at_k(embeddings, labels, ks=(1,), distance="euclidean") == {1: 0.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_distance
def test_half_precision_is_computed_in_float64(dtype, distance):
    embeddings, labels = generic(rows=60)
    half = embeddings.to(dtype)
    assert recall_at_k(half, labels, distance=distance) == recall_at_k(half.float(), labels, distance=distance)


def test_makes_no_gradient():
    embeddings, labels = generic()
    assert isinstance(recall_at_k(embeddings.requires_grad_(), labels, ks=(1,))[1], float)


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
        ({"labels": torch.arange(4)}, ValueError, "no query"),
        ({"ks": ()}, ValueError, "ks must hold"),
        ({"ks": (1, 0)}, ValueError, "ks must hold"),
        ({"chunk": 0}, ValueError, "chunk must be at least 1"),
        ({"distance": "manhattan"}, ValueError, "distance must be one of"),
    ],
)
def test_errors(change, error, says):
    arguments = {"embeddings": torch.eye(4), "labels": torch.tensor([0, 0, 1, 1])}
    with pytest.raises(error, match=says):
        recall_at_k(**{**arguments, **change})


# all measures from one pass


def heaps(rows=200, dim=4, classes=9, seed=0):
    """Few places, many rows in each: more ties than there are spare candidates."""
    generator = torch.Generator().manual_seed(seed)
    places = torch.randint(-2, 3, (12, dim), generator=generator).float() + 0.25
    return places[torch.randint(12, (rows,), generator=generator)], torch.randint(classes, (rows,), generator=generator)


def one_place(rows=150, dim=3, classes=8, seed=0):
    labels = torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(seed))
    return torch.full((rows, dim), 0.75), labels


def nearly_tied(rows=120, dim=6, classes=7, seed=0):
    """Distances that float32 cannot tell apart, and float64 can."""
    generator = torch.Generator().manual_seed(seed)
    offsets = 1e-4 * torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return 1 + offsets, torch.randint(classes, (rows,), generator=generator)


SETS = [generic, with_ties, heaps, one_place, nearly_tied]


@pytest.mark.parametrize("chunk", [7, 256])
@pytest.mark.parametrize("asked", [False, True], ids=["among themselves", "queries and gallery"])
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", SETS)
@each_distance
def test_all_measures_by_brute_force(make, seed, asked, chunk, distance):
    embeddings, labels = make(seed=seed)
    queries = {}
    if asked:
        queries = {"queries": embeddings[::3].flip(1), "query_labels": labels[::3].flip(0)}
    answers = ranks_of_matches(embeddings, labels, distance, *queries.values())
    found = retrieval(embeddings, labels, **queries, ks=(1, 3, 50), distance=distance, chunk=chunk)
    firsts = [ranks[0] for ranks in answers]
    assert found.first_match.tolist() == firsts
    assert found.recall == pytest.approx({k: sum(r <= k for r in firsts) / len(firsts) for k in (1, 3, 50)}, abs=1e-12)
    assert found.precision_at_1 == found.recall[1]
    assert found.r_precision == pytest.approx(r_precision(answers), abs=1e-12)
    assert found.map_at_r == pytest.approx(map_at_r(answers), abs=1e-12)
    assert found.mrr == pytest.approx(mrr(answers), abs=1e-12)


@each_distance
def test_more_rows_than_candidates_need(distance):
    """So many that the best are found by blocks, with late first matches among them."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(400, (3000,), generator=generator)
    embeddings = torch.randn(400, 16, generator=generator)[labels] + 1.5 * torch.randn(3000, 16, generator=generator)
    if distance == "cosine":
        z = torch.nn.functional.normalize(embeddings.double())
        similarity = z @ z.T
    else:
        similarity = -torch.cdist(embeddings.double(), embeddings.double())
    similarity.fill_diagonal_(-torch.inf)
    same = labels.unsqueeze(1) == labels
    best = similarity.masked_fill(~same.fill_diagonal_(False), -torch.inf).amax(dim=1, keepdim=True)
    expected = 1 + ((similarity >= best) & ~same).sum(dim=1)[same.any(dim=1)]
    found = retrieval(embeddings, labels, distance=distance)
    assert found.first_match.max() > 1000
    assert found.first_match.tolist() == expected.tolist()


def test_pytorch_metric_learnings_accuracy_calculator():
    from pytorch_metric_learning.distances import LpDistance
    from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
    from pytorch_metric_learning.utils.inference import CustomKNN

    embeddings, labels = generic(rows=300, dim=5, classes=20)
    names = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
    calculator = AccuracyCalculator(
        include=names, k="max_bin_count", knn_func=CustomKNN(LpDistance(normalize_embeddings=False))
    )
    theirs = calculator.get_accuracy(embeddings, labels)
    found = retrieval(embeddings, labels, distance="euclidean")
    assert found.precision_at_1 == pytest.approx(theirs["precision_at_1"], abs=1e-6)
    assert found.r_precision == pytest.approx(theirs["r_precision"], abs=1e-6)
    assert found.map_at_r == pytest.approx(theirs["mean_average_precision_at_r"], abs=1e-6)


def test_labels_that_float32_cannot_tell_apart():
    labels = torch.tensor([2**24, 2**24 + 1, 2**24, 2**24 + 1])
    rows = torch.tensor([[0.0], [0.1], [5.0], [5.1]])
    assert retrieval(rows, labels, distance="euclidean").recall[1] == 0  # as float32 all would be one class


@pytest.mark.parametrize("measure", ["r_precision", "map_at_r", "mrr", 1, 4])
def test_interval(measure):
    embeddings, labels = generic(rows=300, dim=5, classes=20)
    found = retrieval(embeddings, labels)
    value = found.recall[measure] if isinstance(measure, int) else getattr(found, measure)
    low, high = found.interval(measure)
    assert low < value < high
    assert found.interval(measure) == (low, high)
    wide = found.interval(measure, confidence=0.999)
    assert wide[0] < low and high < wide[1]
    values = (found.first_match <= measure).double() if isinstance(measure, int) else found.per_query[measure]
    standard_error = values.std().item() / math.sqrt(len(values))
    assert high - low == pytest.approx(2 * 1.96 * standard_error, rel=0.15)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"measure": "recall"}, "measure must be one of"),
        ({"measure": 1, "confidence": 1.0}, "confidence must lie between 0 and 1"),
        ({"measure": 1, "resamples": 0}, "resamples must be at least 1"),
    ],
)
def test_interval_errors(arguments, says):
    found = retrieval(torch.eye(4), torch.tensor([0, 0, 1, 1]))
    with pytest.raises(ValueError, match=says):
        found.interval(**arguments)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"query_labels": torch.tensor([0])}, "query_labels were given without queries"),
        ({"queries": torch.ones(1, 4)}, "queries need query_labels"),
        ({"queries": torch.ones(1, 3), "query_labels": torch.tensor([0])}, "queries must have 4 columns"),
        ({"queries": torch.ones(2, 4), "query_labels": torch.tensor([0])}, "query_labels must have shape"),
        ({"queries": torch.ones(1, 4), "query_labels": torch.tensor([7])}, "no query can be answered"),
        ({"queries": torch.full((1, 4), math.nan), "query_labels": torch.tensor([0])}, "queries must be finite"),
    ],
)
def test_errors_of_queries(change, says):
    with pytest.raises(ValueError, match=says):
        retrieval(torch.eye(4), torch.tensor([0, 0, 1, 1]), **change)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_queries_far_larger_than_the_gallery(dtype):
    """In the float64 of the distances all of the gallery is one point to them: a tie."""
    rows = torch.tensor([[0.0], [1.0], [2.0]], dtype=dtype) * 1e-20
    found = retrieval(
        rows,
        torch.tensor([0, 1, 1]),
        distance="euclidean",
        queries=torch.tensor([[1e20]], dtype=dtype),
        query_labels=torch.tensor([0]),
    )
    assert found.first_match.tolist() == [3]


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e155, 1e300])
@each_distance
def test_any_size_of_float64_gives_the_same_ranks(size, distance):
    embeddings, labels = generic(rows=300)
    embeddings = embeddings.double()
    scaled, plain = (retrieval(x, labels, distance=distance) for x in (embeddings * size, embeddings))
    assert torch.equal(scaled.first_match, plain.first_match)
    assert scaled.map_at_r == plain.map_at_r


def test_one_huge_row_gives_no_impossible_rank():
    x = torch.tensor([[0.0], [1.0], [3.0], [1e200]], dtype=torch.float64)
    found = retrieval(x, torch.tensor([0, 0, 1, 1]), distance="euclidean")
    assert found.first_match[2:].tolist() == [3, 3]

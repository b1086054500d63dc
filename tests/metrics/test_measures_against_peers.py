"""Every measure against the packages that others measure with, wherever both mean the same number.

The peers are pytorch-metric-learning (PML), torchmetrics and scikit-learn. They compute in float32, so the sets drawn
here hold no match and no other row that float32 could put in the wrong order: what is left are the definitions. Where
a peer computes something else it says so beside the test; where it is wrong, `test_peer_faults.py` shows it.
"""

import math

import pytest
import sklearn.metrics
import torch
import torchmetrics.classification
import torchmetrics.functional.clustering
import torchmetrics.functional.retrieval
import torchmetrics.retrieval
from brute_force import map_at_r, mrr, r_precision, ranks_of_matches
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from dmlkit.metrics import (
    adjusted_mutual_information,
    area_under_roc,
    clustering,
    k_means,
    normalized_mutual_information,
    retrieval,
    roc,
    top_k_accuracy,
)

DISTANCES = ("cosine", "euclidean")
each_distance = pytest.mark.parametrize("distance", DISTANCES)
SIZES = {
    "balanced": [6] * 12,
    "pairs": [2] * 30,
    "unbalanced": [40, 20, 10, 5, 3, 2],
    "one large class": [60, 2, 2, 2],  # more matches than there are others
    "singletons": [12, 6, 6, 3, 2, *[1] * 15],
}
each_size = pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
each_dim = pytest.mark.parametrize("dim", [2, 16])
# Neighbours of a query at distances closer than this may change places in float32.
CLEAR = 1e-5


def distances(a, b, distance):
    """In float64; of a row to itself exactly 0 or nearly so."""
    a, b = a.double(), b.double()
    if distance == "cosine":
        return 1 - torch.nn.functional.normalize(a) @ torch.nn.functional.normalize(b).T
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def is_clear(embeddings, labels):
    """Whether for each row every match is nearer or farther than every other row by more than float32 is off."""
    for distance in DISTANCES:
        far = distances(embeddings, embeddings, distance).fill_diagonal_(-math.inf)
        far, order = far.sort(dim=1)
        same = labels[order] == labels.unsqueeze(1)
        mixed = (same[:, 1:] != same[:, :-1])[:, 1:]
        if (far.diff(dim=1)[:, 1:][mixed] < CLEAR).any():
            return False
    return True


def draw(sizes, dim):
    """Classes of these sizes, their rows shuffled and not quite apart; from the first seed whose order is clear."""
    for seed in range(1000):
        generator = torch.Generator().manual_seed(seed)
        labels = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
        labels = labels[torch.randperm(len(labels), generator=generator)]
        centers = torch.randn(len(sizes), dim, generator=generator)
        embeddings = centers[labels] + torch.randn(len(labels), dim, generator=generator)
        if is_clear(embeddings, labels):
            return embeddings, labels
    raise AssertionError("no seed gives a set whose order is clear")


def halves(embeddings, labels):
    """Gallery, its labels, queries, their labels: every third row is a query."""
    asked = torch.arange(len(labels)) % 3 == 0
    return embeddings[~asked], labels[~asked], embeddings[asked], labels[asked]


# pytorch-metric-learning


NAMES = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
SEARCH = {
    "cosine": CustomKNN(CosineSimilarity()),
    "euclidean": CustomKNN(LpDistance(normalize_embeddings=False)),
}


def calculator(distance, k="max_bin_count", include=NAMES, **options):
    return AccuracyCalculator(include, k=k, knn_func=SEARCH[distance], device=torch.device("cpu"), **options)


def of_retrieval(found, chosen=slice(None), farthest=math.inf):
    """PML's names for our values, over chosen queries; MRR without first matches beyond the `farthest` rank."""
    first, values = found.first_match[chosen], {name: each[chosen] for name, each in found.per_query.items()}
    return {
        "precision_at_1": (first == 1).double().mean().item(),
        "r_precision": values["r_precision"].mean().item(),
        "mean_average_precision_at_r": values["map_at_r"].mean().item(),
        "mean_reciprocal_rank": torch.where(first <= farthest, values["mrr"], 0).mean().item(),
    }


@each_dim
@each_size
@each_distance
def test_pml_among_themselves(distance, sizes, dim):
    """Queries without a match are left out by PML, too, and stay in the gallery.

    With `k="max_bin_count"` PML looks at as many neighbours as the largest class has matches: enough for the other
    measures, but its MRR counts a first match beyond them as none.
    """
    embeddings, labels = draw(sizes, dim)
    found = retrieval(embeddings, labels, distance=distance)
    theirs = calculator(distance).get_accuracy(embeddings, labels)
    assert theirs == pytest.approx(of_retrieval(found, farthest=max(sizes) - 1), abs=1e-6)
    theirs = calculator(distance, k=None).get_accuracy(embeddings, labels)
    assert theirs == pytest.approx(of_retrieval(found), abs=1e-6)


@each_dim
@each_size
@each_distance
def test_pml_queries_and_gallery(distance, sizes, dim):
    """With classes that only the queries have, which PML leaves out, and such that only the gallery has."""
    embeddings, labels, queries, query_labels = halves(*draw(sizes, dim))
    found = retrieval(embeddings, labels, queries=queries, query_labels=query_labels, distance=distance)
    gallery = {"reference": embeddings, "reference_labels": labels, "ref_includes_query": False}
    theirs = calculator(distance, k=None).get_accuracy(queries, query_labels, **gallery)
    assert theirs == pytest.approx(of_retrieval(found), abs=1e-6)
    matches = (query_labels.unsqueeze(1) == labels).sum(dim=1).max().item()
    theirs = calculator(distance).get_accuracy(queries, query_labels, **gallery)
    assert theirs == pytest.approx(of_retrieval(found, farthest=matches), abs=1e-6)


@each_size
@each_distance
def test_pml_queries_that_the_gallery_begins_with(distance, sizes):
    """The third form of PML: some rows of the gallery ask. Ours is all of them asking, and those chosen afterwards."""
    embeddings, labels = draw(sizes, 16)
    number = len(labels) // 2
    found = retrieval(embeddings, labels, distance=distance)
    gallery = {"reference": embeddings, "reference_labels": labels, "ref_includes_query": True}
    theirs = calculator(distance, k=None).get_accuracy(embeddings[:number], labels[:number], **gallery)
    assert theirs == pytest.approx(of_retrieval(found, chosen=found.queries < number), abs=1e-6)


def test_pml_without_any_match():
    """Both refuse to invent a number: PML by NaN, we by an error."""
    theirs = calculator("euclidean").get_accuracy(torch.eye(4), torch.arange(4))
    assert all(math.isnan(value) for value in theirs.values())
    with pytest.raises(ValueError, match="no query can be answered"):
        retrieval(torch.eye(4), torch.arange(4))


def test_pml_searches_by_euclidean_distance_of_rows_as_they_are():
    """Its default, by faiss: those who mean the cosine normalise first, and then the two agree."""
    pytest.importorskip("faiss", reason="faiss is not installed")
    embeddings, labels = draw(SIZES["unbalanced"], 16)
    default = AccuracyCalculator(NAMES, k=None, device=torch.device("cpu"))
    theirs = default.get_accuracy(embeddings, labels)
    assert theirs == pytest.approx(of_retrieval(retrieval(embeddings, labels, distance="euclidean")), abs=1e-6)
    theirs = default.get_accuracy(torch.nn.functional.normalize(embeddings), labels)
    assert theirs == pytest.approx(of_retrieval(retrieval(embeddings, labels, distance="cosine")), abs=1e-6)


@each_distance
def test_pml_leaves_out_the_query_and_not_its_copy(distance):
    """PML 2.9.0 leaves out the row of the query's number, not the first of the list, where its copy may stand.

    Rows 0 and 1 are one point and two classes. Each finds the other first, and neither may find itself.
    """
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    labels = torch.tensor([0, 1, 0, 1])
    theirs = calculator(distance, k=None).get_accuracy(embeddings[:2], labels[:2], embeddings, labels, True)
    found = retrieval(embeddings, labels, distance=distance)
    assert theirs == pytest.approx(of_retrieval(found, chosen=slice(2)), abs=1e-6)
    assert found.first_match[:2].tolist() == [2, 3]
    answers = ranks_of_matches(embeddings, labels, distance)
    assert [ranks[0] for ranks in answers[:2]] == [2, 3]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_distance
def test_pml_takes_half_precision_to_float32(dtype, distance):
    """So it agrees with float64 on the same numbers. Of equal distances, which rounding makes, none are drawn."""
    embeddings, labels = draw(SIZES["balanced"], 16)
    half = embeddings.to(dtype)
    assert is_clear(half, labels)
    theirs = calculator(distance, k=None).get_accuracy(half, labels)
    assert theirs == pytest.approx(of_retrieval(retrieval(half, labels, distance=distance)), abs=1e-6)
    answers = ranks_of_matches(half, labels, distance)
    expected = {"r_precision": r_precision, "mean_average_precision_at_r": map_at_r, "mean_reciprocal_rank": mrr}
    assert {name: theirs[name] for name in expected} == pytest.approx(
        {name: measure(answers) for name, measure in expected.items()}, abs=1e-6
    )


@each_size
def test_pml_clustering(sizes):
    """On one and the same clustering; PML's own is faiss's k-means, whose start is another."""
    embeddings, labels = draw(sizes, 16)
    options = {"distance": "euclidean", "backend": "scikit-learn"}
    judge = calculator("euclidean", include=("NMI", "AMI"), kmeans_func=lambda rows, k: k_means(rows, k, **options))
    found = clustering(embeddings, labels, **options)
    assert 0.01 < found.ami < 0.99
    expected = {"NMI": found.nmi, "AMI": found.ami}
    assert judge.get_accuracy(embeddings, labels) == pytest.approx(expected, abs=1e-6)
    # The gallery takes no part: PML clusters the queries.
    theirs = judge.get_accuracy(embeddings, labels, embeddings[:3], labels[:3], ref_includes_query=False)
    assert theirs == pytest.approx(expected, abs=1e-6)


# torchmetrics


def scores(embeddings, labels, distance, queries=None, query_labels=None):
    """What torchmetrics wants: one score above 0, whether it matches and its query's number, for each pair."""
    itself = queries is None
    if itself:
        queries, query_labels = embeddings, labels
    far = distances(queries, embeddings, distance)
    near = 1 + far.max() - far
    matches = query_labels.unsqueeze(1) == labels
    number = torch.arange(len(queries)).unsqueeze(1).expand_as(near)
    pairs = ~torch.eye(len(labels), dtype=torch.bool) if itself else torch.ones_like(matches)
    return near[pairs], matches[pairs], number[pairs]


@pytest.mark.parametrize("asked", [False, True], ids=["among themselves", "queries and gallery"])
@each_size
@each_distance
def test_torchmetrics_retrieval(distance, sizes, asked):
    """Hit rate is Recall@K. Queries without a match count as 0 unless torchmetrics is told to skip them."""
    embeddings, labels = draw(sizes, 16)
    queries = {}
    if asked:
        embeddings, labels, *rest = halves(embeddings, labels)
        queries = dict(zip(("queries", "query_labels"), rest, strict=True))
    ks = (1, 2, 5, len(labels))
    found = retrieval(embeddings, labels, **queries, ks=ks, distance=distance)
    preds, target, indexes = scores(embeddings, labels, distance, **queries)
    skip = {"empty_target_action": "skip"}
    for k in ks:
        hit_rate = torchmetrics.retrieval.RetrievalHitRate(top_k=k, **skip)
        assert hit_rate(preds, target, indexes=indexes).item() == pytest.approx(found.recall[k], abs=1e-6)
    rank = torchmetrics.retrieval.RetrievalMRR(**skip)
    assert rank(preds, target, indexes=indexes).item() == pytest.approx(found.mrr, abs=1e-6)
    precision = torchmetrics.retrieval.RetrievalRPrecision(**skip)
    assert precision(preds, target, indexes=indexes).item() == pytest.approx(found.r_precision, abs=1e-6)

    number = len(queries["queries"]) if asked else len(labels)
    counted = torchmetrics.retrieval.RetrievalRPrecision()
    share = len(found.queries) / number
    assert counted(preds, target, indexes=indexes).item() == pytest.approx(share * found.r_precision, abs=1e-6)


@each_size
@each_distance
def test_torchmetrics_average_precision(distance, sizes):
    """MAP@R is average precision of the R nearest, but over R and not over the matches among them.

    So it is torchmetrics' number times R-Precision, for each query. Its `RetrievalMAP` without `top_k` goes through all
    ranks, which is another measure.
    """
    embeddings, labels = draw(sizes, 16)
    found = retrieval(embeddings, labels, distance=distance)
    preds, target, _ = (each.view(len(labels), -1) for each in scores(embeddings, labels, distance))
    theirs = [
        torchmetrics.functional.retrieval.retrieval_average_precision(near, same, top_k=int(same.sum())).item()
        for near, same in zip(preds[found.queries], target[found.queries], strict=True)
    ]
    expected = torch.tensor(theirs).double() * found.per_query["r_precision"]
    torch.testing.assert_close(found.per_query["map_at_r"], expected, atol=1e-6, rtol=0)


@each_distance
def test_average_precision_of_one_match_is_the_reciprocal_rank(distance):
    """Then all who measure MAP measure our MRR."""
    embeddings, labels = draw(SIZES["pairs"], 16)
    found = retrieval(embeddings, labels, distance=distance)
    preds, target, indexes = scores(embeddings, labels, distance)
    theirs = torchmetrics.retrieval.RetrievalMAP()(preds, target, indexes=indexes).item()
    assert theirs == pytest.approx(found.mrr, abs=1e-6)
    judge = calculator(distance, k=None, include=("mean_average_precision",))
    assert judge.get_accuracy(embeddings, labels) == pytest.approx({"mean_average_precision": found.mrr}, abs=1e-6)


def test_scikit_learn_counts_ties_against_too():
    """One match each, and many equal distances: its ranks are the worst that a tie allows, as ours are."""
    generator = torch.Generator().manual_seed(0)
    embeddings, labels = torch.randint(4, (60, 2), generator=generator).double(), torch.arange(60) // 2
    found = retrieval(embeddings, labels, distance="euclidean")
    away = ~torch.eye(60, dtype=torch.bool)
    near = -distances(embeddings, embeddings, "euclidean")[away].view(60, 59).numpy()
    same = (labels.unsqueeze(1) == labels)[away].view(60, 59).numpy()
    expected = sklearn.metrics.label_ranking_average_precision_score(same, near)
    assert found.mrr == pytest.approx(expected, abs=1e-12)
    expected = sklearn.metrics.coverage_error(same, near)
    assert found.first_match.double().mean().item() == pytest.approx(expected, abs=1e-12)


def partitions(rows, clusters, classes, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (rows,), generator=generator)
    other = torch.randint(clusters, (rows,), generator=generator)
    return torch.where(torch.rand(rows, generator=generator) < 0.5, other, labels), labels


@pytest.mark.parametrize("shift", [0, 2**24, -(2**62)])
@pytest.mark.parametrize(("rows", "clusters", "classes"), [(60, 5, 4), (200, 7, 5), (5000, 300, 200)])
@pytest.mark.parametrize("average", ["arithmetic", "geometric"])
def test_torchmetrics_normalized_mutual_information(average, rows, clusters, classes, shift):
    """Labels stay integers in torchmetrics 1.9.0, so that neighbours beyond float32 stay apart."""
    assignment, labels = partitions(rows, clusters, classes)
    theirs = torchmetrics.functional.clustering.normalized_mutual_info_score(
        assignment + shift, labels + shift, average_method=average
    )
    found = normalized_mutual_information(assignment + shift, labels + shift, average=average)
    assert theirs.item() == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_adjusted_mutual_information(seed):
    """Few rows: it sums log-gammas in float32, whose rounding grows with them (`test_peer_faults.py`)."""
    assignment, labels = partitions(40, 4, 3, seed)
    theirs = torchmetrics.functional.clustering.adjusted_mutual_info_score(assignment, labels)
    assert theirs.item() == pytest.approx(adjusted_mutual_information(assignment, labels), abs=1e-6)


def test_one_cluster_of_one_class_is_a_convention():
    """The quotient is 0/0. torchmetrics 1.9.0 says 0; scikit-learn says 1, as for every two equal partitions."""
    one = torch.zeros(9, dtype=torch.long)
    assert torchmetrics.functional.clustering.normalized_mutual_info_score(one, one).item() == 0
    assert normalized_mutual_information(one, one) == 1
    assert sklearn.metrics.normalized_mutual_info_score(one, one) == 1


@pytest.mark.parametrize("k", [1, 2, 5, 9])
def test_torchmetrics_top_k_accuracy(k):
    generator = torch.Generator().manual_seed(0)
    logits, labels = torch.randn(300, 9, generator=generator), torch.randint(9, (300,), generator=generator)
    accuracy = torchmetrics.classification.MulticlassAccuracy(num_classes=9, top_k=k, average="micro")
    assert accuracy(logits, labels).item() == pytest.approx(top_k_accuracy(logits, labels, ks=(k,))[k], abs=1e-6)


@pytest.mark.parametrize("levels", [7, 10**6], ids=["many ties", "hardly a tie"])
@pytest.mark.parametrize("seed", range(3))
def test_torchmetrics_roc(seed, levels):
    """In [0, 1], because outside it torchmetrics takes scores for logits. Its first threshold is 1 where ours is ∞."""
    generator = torch.Generator().manual_seed(seed)
    same = torch.rand(300, generator=generator) < 0.3
    similarities = ((torch.rand(300, generator=generator) + same / 3) / 2 * levels).round() / levels
    far, tar, thresholds = torchmetrics.classification.BinaryROC()(similarities, same.long())
    for found, theirs in zip(roc(similarities, same)[:2], (far, tar), strict=True):
        torch.testing.assert_close(found, theirs.double(), atol=1e-6, rtol=0)
    assert torch.equal(roc(similarities, same)[2][1:], thresholds[1:].double())
    area = torchmetrics.classification.BinaryAUROC()(similarities, same.long())
    assert area.item() == pytest.approx(area_under_roc(similarities, same), abs=1e-6)

"""Where a peer is wrong: its number, the right one by a slow loop, and ours, which is the loop's.

Seen in pytorch-metric-learning (PML) 2.9.0, torchmetrics 1.9.0 and scikit-learn 1.9.1. Each test asserts the fault too,
so that it fails, and says so, once a newer version of the peer has mended it: then the test has done its work and goes.
"""

import itertools
import math
from fractions import Fraction
from importlib.metadata import version

import numpy
import pytest
import sklearn.metrics
import torch
import torchmetrics.functional.classification
import torchmetrics.functional.clustering
import torchmetrics.functional.retrieval
import torchmetrics.retrieval
from brute_force import distance_between, map_at_r, mrr, r_precision, ranks_of_matches
from pytorch_metric_learning.distances import CosineSimilarity, LpDistance
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from pytorch_metric_learning.utils.inference import CustomKNN

from dmlkit.metrics import (
    adjusted_mutual_information,
    area_under_roc,
    normalized_mutual_information,
    retrieval,
    roc,
    silhouette_samples,
    top_k_accuracy,
)

DISTANCES = ("cosine", "euclidean")
each_distance = pytest.mark.parametrize("distance", DISTANCES)
NAMES = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
PML = "pytorch-metric-learning"


def assert_still_wrong(peer, value, right, by=0.01):
    """`value` is off by more than `by`; else the peer was mended and the test is to be removed."""
    says = f"{peer} {version(peer)} gives {value}, which is right: this fault was mended, remove the test"
    assert not abs(value - right) <= by, says


def judge(embeddings, labels, distance="euclidean", k=None, **options):
    """PML's measures by its own distances; `k=None` looks at all neighbours."""
    search = CustomKNN(CosineSimilarity() if distance == "cosine" else LpDistance(normalize_embeddings=False))
    options = {"include": NAMES, "knn_func": search, **options}
    return AccuracyCalculator(k=k, device=torch.device("cpu"), **options).get_accuracy(embeddings, labels)


def by_loop(embeddings, labels, distance="euclidean"):
    """The same measures by `brute_force`; and ours must be those."""
    answers = ranks_of_matches(embeddings, labels, distance)
    expected = {
        "precision_at_1": sum(ranks[0] == 1 for ranks in answers) / len(answers),
        "r_precision": r_precision(answers),
        "mean_average_precision_at_r": map_at_r(answers),
        "mean_reciprocal_rank": mrr(answers),
    }
    found = retrieval(embeddings, labels, distance=distance)
    ours = (found.precision_at_1, found.r_precision, found.map_at_r, found.mrr)
    assert dict(zip(NAMES, ours, strict=True)) == pytest.approx(expected, abs=1e-12)
    return expected


def generic(rows=40, dim=3, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(classes, (rows,), generator=generator)


def similarities(embeddings, labels):
    """For each row: its cosines with all others, and which of those match."""
    unit = torch.nn.functional.normalize(embeddings)
    others = ~torch.eye(len(labels), dtype=torch.bool)
    same = labels.unsqueeze(1) == labels
    return (unit @ unit.T)[others].view(len(labels), -1), same[others].view(len(labels), -1)


# pytorch-metric-learning


@each_distance
def test_pml_labels_beyond_float32(distance):
    """`AccuracyCalculator.get_accuracy` takes labels to float32, in which 2²⁴ and 2²⁴ + 1 are one class (PML 2.9.0).

    torchmetrics 1.9.0 keeps labels and indexes as integers.
    """
    embeddings = torch.tensor([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [0.1, 1.0]])
    labels = 2**24 + torch.tensor([0, 1, 0, 1])
    expected = by_loop(embeddings, labels, distance)
    assert expected["precision_at_1"] == 0
    assert judge(embeddings, labels - 2**24, distance)["precision_at_1"] == 0
    for name, value in judge(embeddings, labels, distance).items():
        assert value == 1
        assert_still_wrong(PML, value, expected[name])


def test_pml_clusters_beyond_float32():
    """For NMI and AMI too: one class is left, and so one cluster is asked for (PML 2.9.0)."""
    embeddings, clusters, asked = torch.eye(8), torch.tensor([0, 0, 0, 1, 1, 1, 1, 0]), []
    labels = 2**24 + torch.arange(8) // 4

    def cluster(rows, k):
        asked.append(k)
        return clusters

    # Both entropies are 1 bit, and a cluster is 3/4 of one class: NMI is 1 − H(3/4, 1/4).
    expected = 1 + 0.75 * math.log2(0.75) + 0.25 * math.log2(0.25)
    assert normalized_mutual_information(clusters, labels) == pytest.approx(expected, abs=1e-12)
    value = judge(embeddings, labels, include=("NMI",), kmeans_func=cluster)["NMI"]
    assert asked == [1]
    assert_still_wrong(PML, value, expected)


@pytest.mark.parametrize("k", [None, 1, 5, "max_bin_count"])
def test_pml_mean_reciprocal_rank_alone(k):
    """`requires_knn` forgets it, so that under every k it is called without neighbours (PML 2.9.0).

    With any other measure of retrieval beside it, it is computed.
    """
    embeddings, labels = generic()
    expected = by_loop(embeddings, labels)
    beside = judge(embeddings, labels, include=("precision_at_1", "mean_reciprocal_rank"))
    assert beside["mean_reciprocal_rank"] == pytest.approx(expected["mean_reciprocal_rank"], abs=1e-6)
    try:
        value = judge(embeddings, labels, k=k, include=("mean_reciprocal_rank",))
    except TypeError as error:
        assert "missing 3 required positional arguments: 'knn_labels'" in str(error)
    else:
        pytest.fail(f"{PML} {version(PML)} gives {value} alone: this fault was mended, remove the test")


def test_pml_mean_reciprocal_rank_at_max_bin_count():
    """The `k` that R-Precision asks for cuts MRR off: a first match beyond the largest class counts 0 (PML 2.9.0)."""
    embeddings, labels = generic(rows=60, classes=20)
    expected = by_loop(embeddings, labels)
    value = judge(embeddings, labels, k="max_bin_count")
    assert value["r_precision"] == pytest.approx(expected["r_precision"], abs=1e-6)
    assert_still_wrong(PML, value["mean_reciprocal_rank"], expected["mean_reciprocal_rank"])


def test_pml_more_neighbours_than_rows():
    """faiss fills up with −1, which PML takes for the number of the last row: again and again it is found (PML 2.9.0).

    With one match a query, mean average precision is the mean reciprocal rank, and at most 1.
    """
    pytest.importorskip("faiss", reason="faiss is not installed")
    embeddings, labels = generic()[0], torch.arange(40) // 2
    expected = by_loop(embeddings, labels)["mean_reciprocal_rank"]
    options = {"include": ("mean_average_precision",), "knn_func": None}
    value = judge(embeddings, labels, k=39, **options)["mean_average_precision"]
    assert value == pytest.approx(expected, abs=1e-6)
    assert_still_wrong(PML, judge(embeddings, labels, k=60, **options)["mean_average_precision"], expected)
    assert judge(embeddings, labels, k=1000, **options)["mean_average_precision"] > 1


@each_distance
def test_pml_everything_in_one_point(distance):
    """Equal distances are ranked as `torch.topk` leaves them, so that a model that knows nothing scores (PML 2.9.0)."""
    embeddings, values = torch.ones(12, 3), []
    for labels in (torch.arange(12) // 4, torch.arange(12) % 3, torch.arange(12) // 2):
        expected = by_loop(embeddings, labels, distance)
        assert expected["precision_at_1"] == expected["r_precision"] == 0
        values.append(judge(embeddings, labels, distance)["precision_at_1"])
    assert_still_wrong(PML, max(values), 0)


@each_distance
def test_pml_copies_of_another_class(distance):
    """A match and a stranger in the query's own place: which is first depends on their numbers (PML 2.9.0).

    The query itself is left out by its number and never counted (`test_against_peers.py`).
    """
    embeddings = torch.ones(3, 2)
    values = []
    for labels in ([0, 0, 1], [0, 1, 0], [1, 0, 0]):
        assert by_loop(embeddings, torch.tensor(labels), distance)["precision_at_1"] == 0
        values.append(judge(embeddings, torch.tensor(labels), distance)["precision_at_1"])
    assert_still_wrong(PML, max(values), 0)


def test_pml_far_from_the_origin():
    """`LpDistance` is `torch.cdist`, which expands ‖a − b‖² from 26 rows on and loses all digits (PML 2.9.0).

    All numbers are exact in float32, and so are their differences.
    """
    labels = torch.arange(64) // 2
    embeddings = (labels + torch.arange(64) % 2 / 4).unsqueeze(1)
    near = judge(embeddings, labels)
    assert near == pytest.approx(dict.fromkeys(NAMES, 1.0), abs=1e-6)
    expected = by_loop(embeddings + 2**16, labels)
    assert expected == dict.fromkeys(NAMES, 1.0)
    for name, value in judge(embeddings + 2**16, labels).items():
        assert_still_wrong(PML, value, expected[name], by=0.5)


def test_pml_float64():
    """Embeddings are taken to float32, in which these are all one point (PML 2.9.0)."""
    embeddings, labels = generic()
    embeddings = 1 + 1e-9 * embeddings
    assert (embeddings.float() == 1).all()
    expected = by_loop(embeddings, labels)
    value = judge(embeddings, labels)
    assert_still_wrong(PML, value["mean_reciprocal_rank"], expected["mean_reciprocal_rank"])


@pytest.mark.parametrize(("distance", "size"), [("cosine", 1e25), ("euclidean", 1e25), ("euclidean", 1e-30)])
def test_pml_very_large_and_very_small(distance, size):
    """The squares of a row leave float32: its length is infinite, or it is 0 as every distance is (PML 2.9.0)."""
    embeddings, labels = generic()
    labels = (torch.atan2(embeddings[:, 0], embeddings[:, 1]) * 2).long()
    expected = by_loop(embeddings, labels, distance)
    embeddings = (embeddings * size).float()
    assert embeddings.isfinite().all()
    assert by_loop(embeddings, labels, distance) == pytest.approx(expected, abs=1e-12)
    assert_still_wrong(PML, judge(embeddings, labels, distance)["r_precision"], expected["r_precision"], by=0.1)


# torchmetrics


def of_one_query(name, preds, target):
    """A measure of torchmetrics that is 1 where the one match has the largest score."""
    options = {"top_k": 1} if name in ("recall", "hit_rate") else {}
    return getattr(torchmetrics.functional.retrieval, f"retrieval_{name}")(preds, target, **options).item()


@pytest.mark.parametrize("name", ["recall", "reciprocal_rank", "average_precision"])
def test_torchmetrics_drops_matches_that_are_not_above_0(name):
    """These count a score ≤ 0 as no match (torchmetrics 1.9.0). A cosine is one for half of all directions."""
    preds, target = torch.tensor([-0.1, -0.2, -0.3]), torch.tensor([1, 0, 0])
    embeddings = torch.stack([torch.tensor([1.0, *preds]), torch.tensor([0.0, *(1 - preds**2).sqrt()])], dim=1)
    found = retrieval(embeddings, torch.tensor([0, 0, 1, 2]))
    assert (
        found.first_match.tolist()[0] == ranks_of_matches(embeddings, torch.tensor([0, 0, 1, 2]), "cosine")[0][0] == 1
    )
    assert of_one_query(name, preds + 1, target) == 1
    assert_still_wrong("torchmetrics", of_one_query(name, preds, target), 1)
    assert_still_wrong("torchmetrics", of_one_query(name, preds + 0.1, target), 1)


@pytest.mark.parametrize("name", ["hit_rate", "r_precision"])
def test_torchmetrics_keeps_matches_that_are_not_above_0(name):
    """Not a fault: these two of torchmetrics 1.9.0 rank negative scores as they are."""
    assert of_one_query(name, torch.tensor([-0.1, -0.2, -0.3]), torch.tensor([1, 0, 0])) == 1
    assert of_one_query(name, torch.tensor([-0.1, -0.2, -0.3]), torch.tensor([0, 0, 1])) == 0


def test_torchmetrics_mean_reciprocal_rank_of_cosines():
    """So the same ranking has another MRR when all scores are lifted above 0 (torchmetrics 1.9.0)."""
    embeddings, labels = generic(rows=12, classes=6, seed=1)
    expected = by_loop(embeddings, labels, "cosine")["mean_reciprocal_rank"]
    preds, target = similarities(embeddings, labels)
    number = torch.arange(len(labels)).unsqueeze(1).expand_as(preds)
    measure = torchmetrics.retrieval.RetrievalMRR(empty_target_action="skip")
    assert measure(preds + 2, target, indexes=number).item() == pytest.approx(expected, abs=1e-6)
    assert_still_wrong("torchmetrics", measure(preds, target, indexes=number).item(), expected)


def test_torchmetrics_average_precision_is_too_high():
    """A match that is dropped leaves the denominator too: (1 + 2/3)/2 becomes 1 (torchmetrics 1.9.0)."""
    preds, target = torch.tensor([0.5, 0.4, -0.3]), torch.tensor([1, 0, 1])
    right = sklearn.metrics.average_precision_score(target, preds)
    assert right == pytest.approx((1 + 2 / 3) / 2)
    average = torchmetrics.functional.retrieval.retrieval_average_precision
    assert average(preds + 1, target).item() == pytest.approx(right, abs=1e-6)
    assert_still_wrong("torchmetrics", average(preds, target).item(), right)


def test_torchmetrics_scores_in_float64():
    """Scores are taken to float32 and then tie, so that the hit is won or lost by the order of the columns
    (torchmetrics 1.9.0). The match is the nearer one.
    """
    angles = torch.tensor([0.0, 1e-5, 1.1e-5], dtype=torch.float64)
    embeddings, labels = torch.stack([angles.cos(), angles.sin()], dim=1), torch.tensor([0, 0, 1])
    found = retrieval(embeddings, labels, distance="cosine")
    assert found.first_match.tolist() == [ranks[0] for ranks in ranks_of_matches(embeddings, labels, "cosine")]
    assert found.first_match[0] == 1
    preds, target = (each[0] for each in similarities(embeddings, labels))
    assert preds[0] > preds[1] and target.tolist() == [True, False]
    hit_rate = torchmetrics.functional.retrieval.retrieval_hit_rate
    values = [hit_rate(preds[order], target[order], top_k=1).item() for order in ([0, 1], [1, 0])]
    assert_still_wrong("torchmetrics", min(values), 1)


def test_torchmetrics_equal_scores():
    """A match that ties with three others is a hit at 1, or not, by the order of the columns (torchmetrics 1.9.0)."""
    labels = torch.tensor([0, 0, 1, 2, 3])
    assert by_loop(torch.ones(5, 2), labels)["precision_at_1"] == 0
    hit_rate = torchmetrics.functional.retrieval.retrieval_hit_rate
    values = [hit_rate(torch.ones(4), column, top_k=1).item() for column in torch.eye(4).long()]
    assert_still_wrong("torchmetrics", max(values), 0)
    assert min(values) == 0


def area_by_loop(scores, same):
    wins = [Fraction((a > b) * 2 + (a == b), 2) for a in scores[same].tolist() for b in scores[~same].tolist()]
    return float(sum(wins) / len(wins))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_torchmetrics_area_under_roc(dtype):
    """Scores outside [0, 1] go through a sigmoid in their own precision: above 17 in float32, and above 8 in half, all
    are 1 and tie (torchmetrics 1.9.0). So it happens to squared distances, or logits of a confident model.
    """
    scores, same = torch.tensor([20, 30, 40, 50], dtype=dtype), torch.tensor([False, False, True, True])
    assert area_under_roc(scores, same) == area_by_loop(scores, same) == 1
    assert len(roc(scores, same)[0]) == 5
    value = torchmetrics.functional.classification.binary_auroc(scores, same.long()).item()
    assert_still_wrong("torchmetrics", value, 1)


def test_torchmetrics_adjusted_mutual_information_of_many_rows():
    """log N! is summed in float32, whose steps at N = 100 000 are 1/16: the chance term is wrong (torchmetrics 1.9.0).

    One large cluster and a few small ones, as clusterings with noise give.
    """
    rows, small = 100_000, 4
    sizes = torch.tensor([rows - 2 * small, *[2] * small])
    assignment = torch.arange(len(sizes)).repeat_interleave(sizes)
    labels = assignment.roll(small)

    def information(cells):
        return math.fsum(n / rows * math.log(n * rows / (a * b)) for n, a, b in cells)

    def entropy(sizes):
        return math.fsum(n / rows * math.log(rows / n) for n in sizes)

    def share(n, a, b):
        """The hypergeometric probability of a cell, in whole numbers."""
        return float(Fraction(math.comb(a, n) * math.comb(rows - a, b - n), math.comb(rows, b)))

    sizes = sizes.tolist()
    cells = [((assignment == k) & (labels == c)).sum().item() for k in range(len(sizes)) for c in range(len(sizes))]
    pairs = list(itertools.product(sizes, sizes))
    mutual = information((n, a, b) for n, (a, b) in zip(cells, pairs, strict=True) if n)
    chance = math.fsum(
        share(n, a, b) * information([(n, a, b)]) for a, b in pairs for n in range(max(1, a + b - rows), min(a, b) + 1)
    )
    expected = (mutual - chance) / (entropy(sizes) - chance)
    assert adjusted_mutual_information(assignment, labels) == pytest.approx(expected, abs=1e-10)
    value = torchmetrics.functional.clustering.adjusted_mutual_info_score(assignment, labels).item()
    assert_still_wrong("torchmetrics", value, expected, by=1e-4)


# scikit-learn, and torchmetrics once more


@pytest.mark.parametrize("k", [1, 2])
def test_equal_logits(k):
    """A model that gives every class the same logit is right for the first classes in torchmetrics 1.9.0, and for the
    last ones in scikit-learn 1.9.1.
    """
    logits = torch.zeros(6, 3)
    theirs = {"torchmetrics": [], "scikit-learn": []}
    for label in range(3):
        labels = torch.full((6,), label)
        # Of equal logits the own class comes last: it is behind both others.
        assert top_k_accuracy(logits, labels, ks=(k,)) == {k: 0.0}
        value = torchmetrics.functional.classification.multiclass_accuracy(logits, labels, 3, average="micro", top_k=k)
        theirs["torchmetrics"].append(value.item())
        value = sklearn.metrics.top_k_accuracy_score(labels, logits, k=k, labels=numpy.arange(3))
        theirs["scikit-learn"].append(value)
    for peer, values in theirs.items():
        assert_still_wrong(peer, max(values), 0)
        assert sorted(values) == [0.0] * (3 - k) + [1.0] * k


def test_scikit_learn_silhouette_far_from_the_origin():
    """Its Euclidean distances expand ‖a − b‖², in float64 but with nothing taken off first (scikit-learn 1.9.1)."""
    embeddings, labels = generic(rows=60, classes=3)
    embeddings = embeddings + 1e8
    rows, expected = embeddings.tolist(), []
    for i, own in enumerate(labels.tolist()):
        means = []
        for label in range(3):
            others = [j for j in range(60) if j != i and labels[j] == label]
            means.append(math.fsum(distance_between(rows[i], rows[j], "euclidean") for j in others) / len(others))
        a = means.pop(own)
        expected.append((min(means) - a) / max(min(means), a))
    found = silhouette_samples(embeddings, labels, distance="euclidean")
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), atol=1e-10, rtol=0)
    theirs = sklearn.metrics.silhouette_samples(embeddings.numpy(), labels.numpy())
    assert_still_wrong("scikit-learn", abs(theirs - expected).max(), 0)

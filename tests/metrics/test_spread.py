"""Distances within and between classes, alignment, uniformity and distance to the proxy, against plain loops."""

import doctest
import math
from itertools import combinations

import pytest
import torch
from brute_force import distance_between
from hypothesis import given, settings
from hypothesis import strategies as st
from largest_tensor import LargestTensor

from dmlkit.metrics import spread
from dmlkit.metrics.spread import alignment, average_distance_to_proxy, class_distances, uniformity

each_distance = pytest.mark.parametrize("distance", ["cosine", "euclidean"])


def generic(rows=40, dim=3, classes=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    embeddings = torch.randn(rows, dim, generator=generator, dtype=torch.float64)
    return embeddings, torch.randint(classes, (rows,), generator=generator)


def mean(values):
    return math.fsum(values) / len(values)


def unit(row):
    length = math.hypot(*row)
    return [x / length if length else 0.0 for x in row]


def between(a, b, distance):
    if distance == "cosine" and not (any(a) and any(b)):
        return 1.0  # a zero row has no direction
    return distance_between(a, b, distance)


def class_distances_by_loop(embeddings, labels, distance):
    rows, y = embeddings.tolist(), labels.tolist()
    pairs = [(y[i] == y[j], between(rows[i], rows[j], distance)) for i, j in combinations(range(len(rows)), 2)]
    intra, inter = (mean([d for same, d in pairs if same is kind]) for kind in (True, False))
    return intra, inter, intra / inter


def alignment_by_loop(embeddings, labels, power):
    rows, y = [unit(row) for row in embeddings.tolist()], labels.tolist()
    return mean([math.dist(rows[i], rows[j]) ** power for i, j in combinations(range(len(rows)), 2) if y[i] == y[j]])


def uniformity_by_loop(embeddings, t):
    rows = [unit(row) for row in embeddings.tolist()]
    return math.log(mean([math.exp(-t * math.dist(a, b) ** 2) for a, b in combinations(rows, 2)]))


LABELLINGS = {
    "generic": lambda n: torch.arange(n) % 5,
    "blocks": lambda n: torch.arange(n) * 3 // n,
    "singletons": lambda n: torch.where(torch.arange(n) < n - 4, torch.arange(n) % 3, torch.arange(n)),
    "one pair": lambda n: torch.arange(n).clamp(max=n - 2),
    # Neighbours at both ends of int64, and above the integers that float32 and float64 can tell apart.
    "far apart": lambda n: torch.tensor([-(2**63), 2**63 - 1, 2**63 - 2, 2**24, 2**24 + 1, 2**53 + 1])[
        torch.arange(n) % 6
    ],
}
each_labelling = pytest.mark.parametrize("labelling", LABELLINGS.values(), ids=LABELLINGS)


@each_labelling
@each_distance
def test_class_distances(labelling, distance):
    embeddings, _ = generic()
    labels = labelling(len(embeddings))
    found = class_distances(embeddings, labels, distance=distance)
    expected = class_distances_by_loop(embeddings, labels, distance)
    assert (found.intra, found.inter, found.ratio) == pytest.approx(expected, abs=1e-12)


@each_distance
def test_class_distances_of_zero_rows(distance):
    embeddings, labels = generic()
    embeddings[[0, 7, 8, 30]] = 0
    found = class_distances(embeddings, labels, distance=distance)
    expected = class_distances_by_loop(embeddings, labels, distance)
    assert (found.intra, found.inter, found.ratio) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 3), st.integers(-3, 3)), min_size=3, max_size=8))
@settings(max_examples=60, deadline=None)
def test_class_distances_of_few_rows(rows):
    labels, embeddings = torch.tensor([row[0] for row in rows]), torch.tensor([row[1:] for row in rows]).double()
    if not 1 < len(labels.unique()) < len(labels):
        return
    for distance in ("cosine", "euclidean"):
        pairs = [(a[0] == b[0], between(list(a[1:]), list(b[1:]), distance)) for a, b in combinations(rows, 2)]
        found = class_distances(embeddings, labels, distance=distance)
        assert found.intra == pytest.approx(mean([d for same, d in pairs if same]), abs=1e-12)
        assert found.inter == pytest.approx(mean([d for same, d in pairs if not same]), abs=1e-12)


@pytest.mark.parametrize("angle", [1e-3, 1e-6, 1e-9])
def test_small_angles_keep_their_digits(angle):
    """1 − cos of a small angle is angle²/2, of which a sum of cosines has no digit left."""
    embeddings = torch.tensor([[1.0, 0.0], [1.0, angle], [1.0, -angle], [1.0, 2 * angle]], dtype=torch.float64)
    found = class_distances(embeddings, torch.tensor([0, 0, 1, 1]))
    # Angles apart in units of `angle`: 1 and 3 within, 1, 2, 2 and 1 between.
    assert found.intra / (angle**2 / 2) == pytest.approx((1 + 9) / 2, rel=1e-5)
    assert found.inter / (angle**2 / 2) == pytest.approx((1 + 4 + 4 + 1) / 4, rel=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("rows", "distance"), [(50, "cosine"), (20_000, "cosine"), (50, "euclidean")])
@pytest.mark.parametrize("seed", range(4))
def test_everything_in_one_point_has_no_ratio(seed, rows, distance, dtype):
    """Nor may the rounding of long sums make one."""
    point = torch.randn(17, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    found = class_distances(point.repeat(rows, 1), torch.arange(rows) % 4, distance=distance)
    assert (found.intra, found.inter) == (0.0, 0.0)
    assert math.isnan(found.ratio)


def test_one_direction_has_no_ratio():
    """Unit rows of one direction differ in their last digits: that is no distance either."""
    lengths = torch.rand(500, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.1
    found = class_distances(lengths * torch.tensor([[0.3, -0.7, 0.1]]), torch.arange(500) % 4)
    assert (found.intra, found.inter) == (0.0, 0.0)


def test_perfect_classes():
    labels = torch.arange(4).repeat(3)
    found = class_distances(torch.eye(4)[labels], labels)
    assert (found.intra, found.ratio) == (0.0, 0.0)
    assert found.inter == pytest.approx(1)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_size_matters_for_euclidean_distance_only(scale):
    embeddings, labels = generic()
    for distance, factor in (("cosine", 1.0), ("euclidean", scale)):
        found = class_distances(embeddings * scale, labels, distance=distance)
        expected = class_distances(embeddings, labels, distance=distance)
        assert found.intra == pytest.approx(expected.intra * factor, rel=1e-10)
        assert found.inter == pytest.approx(expected.inter * factor, rel=1e-10)


@pytest.mark.parametrize("power", [0.5, 1, 2, 3])
@each_labelling
def test_alignment(labelling, power):
    embeddings, _ = generic()
    embeddings[3] = 0
    labels = labelling(len(embeddings))
    expected = alignment_by_loop(embeddings, labels, power)
    assert alignment(embeddings, labels, power=power) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("power", [1, 2])
def test_alignment_of_one_class(power):
    embeddings, _ = generic()
    labels = torch.full((40,), 2**63 - 1)
    expected = alignment_by_loop(embeddings, labels, power)
    assert alignment(embeddings, labels, power=power) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("t", [0.1, 2, 50])
@pytest.mark.parametrize("seed", range(3))
def test_uniformity(t, seed):
    embeddings, _ = generic(seed=seed)
    embeddings[3] = 0
    assert uniformity(embeddings, t=t) == pytest.approx(uniformity_by_loop(embeddings, t), abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_uniformity_does_not_underflow(chunk):
    """Three rows at squared distances of 2, 2 and 4: exp(−2t) is 0 in float64, its logarithm is not."""
    embeddings = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    assert uniformity(embeddings, t=1000, chunk=chunk) == pytest.approx(-2000 + math.log(2 / 3), abs=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_uniformity_of_one_point_is_0(seed):
    """Rounding makes it no larger than that, whatever t."""
    points = torch.randn(33, generator=torch.Generator().manual_seed(seed)).repeat(50, 1)
    assert uniformity(points) == pytest.approx(0, abs=1e-12)
    assert -1e-3 < uniformity(points, t=1e10) <= 1e-12


def test_length_does_not_matter_on_the_sphere():
    embeddings, labels = generic()
    longer = embeddings * torch.logspace(-20, 20, 40, dtype=torch.float64).unsqueeze(1)
    assert uniformity(longer) == pytest.approx(uniformity(embeddings), abs=1e-12)
    assert alignment(longer, labels) == pytest.approx(alignment(embeddings, labels), abs=1e-12)


@pytest.mark.parametrize("chunk", [1, 7, 39, 40, 41])
def test_chunk_does_not_matter(chunk):
    embeddings, labels = generic()
    assert uniformity(embeddings, chunk=chunk) == pytest.approx(uniformity(embeddings), abs=1e-13)
    whole = alignment(embeddings, labels, power=1)
    assert alignment(embeddings, labels, power=1, chunk=chunk) == pytest.approx(whole, abs=1e-13)
    whole = class_distances(embeddings, labels, distance="euclidean")
    found = class_distances(embeddings, labels, distance="euclidean", chunk=chunk)
    assert (found.intra, found.inter) == pytest.approx((whole.intra, whole.inter), abs=1e-13)


def test_chunks_bound_the_pairs():
    embeddings, labels = generic(rows=1500, dim=4, classes=10)
    with LargestTensor() as largest:
        class_distances(embeddings, labels, distance="euclidean", chunk=16)
        uniformity(embeddings, chunk=16)
        alignment(embeddings, labels, power=1, chunk=16)
    assert 1500 < largest.elements <= 16 * 1500


def test_alignment_compares_within_classes_only():
    embeddings, _ = generic(rows=3000, dim=2)
    with LargestTensor() as largest:
        alignment(embeddings, torch.arange(3000) % 300, power=1, chunk=64)
    assert largest.elements == 3000 * 2  # not 64 · 3000


def test_class_sums_need_no_pairs():
    embeddings, labels = generic(rows=20_000, dim=8, classes=10)
    with LargestTensor() as largest:
        class_distances(embeddings, labels)
        alignment(embeddings, labels)
    assert largest.elements == 20_000 * 8


def test_average_distance_to_proxy():
    embeddings, labels = generic()
    proxies, _ = generic(rows=5, seed=1)
    expected = mean([math.dist(e, proxies.tolist()[y]) for e, y in zip(embeddings.tolist(), labels, strict=True)])
    assert average_distance_to_proxy(embeddings, labels, proxies) == pytest.approx(expected, abs=1e-12)
    # It is not normalised: it grows with the embedding.
    assert average_distance_to_proxy(3 * embeddings, labels, 3 * proxies) == pytest.approx(3 * expected, abs=1e-12)


def test_distance_to_proxy_makes_no_table():
    embeddings, labels = generic(rows=3000, dim=4, classes=500)
    with LargestTensor() as largest:
        average_distance_to_proxy(embeddings, labels, torch.zeros(500, 4))
    assert largest.elements == 3000 * 4


MEASURES = {
    "class_distances, cosine": lambda x, y: class_distances(x, y),
    "class_distances, euclidean": lambda x, y: class_distances(x, y, distance="euclidean"),
    "alignment": lambda x, y: alignment(x, y),
    "alignment, power 1": lambda x, y: alignment(x, y, power=1),
    "uniformity": lambda x, y: uniformity(x),
    "average_distance_to_proxy": lambda x, y: average_distance_to_proxy(x, y, torch.ones(5, 3, dtype=x.dtype)),
}
each_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@each_measure
def test_half_precision_is_computed_in_float64(measure, dtype):
    embeddings, labels = generic()
    half = embeddings.to(dtype)
    assert measure(half, labels) == measure(half.double(), labels)


@each_measure
def test_not_contiguous(measure):
    embeddings, labels = generic()
    columns = embeddings.T.contiguous().T
    assert not columns.is_contiguous()
    found, expected = measure(columns, labels.repeat_interleave(2)[::2]), measure(embeddings, labels)
    if isinstance(found, float):
        assert found == pytest.approx(expected, abs=1e-13)
    else:
        assert (found.intra, found.inter) == pytest.approx((expected.intra, expected.inter), abs=1e-13)


@each_measure
def test_makes_no_gradient_and_changes_nothing(measure):
    embeddings, labels = generic()
    before = embeddings.clone()
    found = measure(embeddings.requires_grad_(), labels)
    assert isinstance(found if isinstance(found, float) else found.intra, float)
    assert torch.equal(embeddings, before)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@each_measure
def test_what_is_no_number_is_refused(measure, bad):
    embeddings, labels = generic()
    embeddings[3, 1] = bad
    with pytest.raises(ValueError, match="embeddings must be finite, found NaN or infinity in 1 of 40 rows"):
        measure(embeddings, labels)


ROWS, LABELS = torch.eye(4), torch.tensor([0, 0, 1, 1])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: class_distances([[1.0]], LABELS), TypeError, "embeddings must be a torch.Tensor"),
        (lambda: class_distances(ROWS, LABELS.float()), TypeError, "labels must have an integer"),
        (lambda: class_distances(ROWS, LABELS, distance="manhattan"), ValueError, "distance must be one of"),
        (lambda: class_distances(ROWS, LABELS, chunk=0), ValueError, "chunk must be at least 1"),
        (lambda: class_distances(ROWS, LABELS, chunk=1.5), TypeError, "chunk must be an integer"),
        (lambda: class_distances(ROWS, LABELS * 0), ValueError, "labels must hold at least two classes"),
        (lambda: class_distances(ROWS, torch.arange(4)), ValueError, "labels must hold a class with at least two"),
        (lambda: alignment(ROWS, torch.arange(4)), ValueError, "labels must hold a class with at least two"),
        (lambda: alignment(ROWS, LABELS[:3]), ValueError, "labels must have shape"),
        (lambda: alignment(ROWS, LABELS, power=0), ValueError, "power must be greater than 0"),
        (lambda: alignment(ROWS, LABELS, power="2"), TypeError, "power must be a number"),
        (lambda: alignment(ROWS, LABELS, chunk=-1), ValueError, "chunk must be at least 1"),
        (lambda: uniformity(ROWS.long()), TypeError, "embeddings must have a floating-point"),
        (lambda: uniformity(torch.zeros(0, 3)), ValueError, "embeddings is empty"),
        (lambda: uniformity(ROWS[:1]), ValueError, "embeddings must hold at least two rows"),
        (lambda: uniformity(ROWS, t=0), ValueError, "t must be greater than 0"),
        (lambda: uniformity(ROWS, t=math.nan), ValueError, "t must be a finite number"),
        (lambda: uniformity(ROWS, chunk=0), ValueError, "chunk must be at least 1"),
        (lambda: average_distance_to_proxy(ROWS, LABELS, [1.0]), TypeError, "proxies must be a torch.Tensor"),
        (lambda: average_distance_to_proxy(ROWS, LABELS, ROWS[:, :3]), ValueError, "proxies must have 4 columns"),
        (lambda: average_distance_to_proxy(ROWS, LABELS, ROWS[:1]), ValueError, "labels must lie in 0 … 0"),
        (lambda: average_distance_to_proxy(ROWS, LABELS - 1, ROWS), ValueError, "labels must lie in 0 … 3"),
        (lambda: average_distance_to_proxy(ROWS, LABELS, ROWS / 0), ValueError, "proxies must be finite"),
    ],
)
def test_errors(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_examples():
    done = doctest.testmod(spread)
    assert done.attempted > 0
    assert done.failed == 0

"""Verification over folds and the ROC, against loops over thresholds and against scikit-learn."""

import doctest
import math
from fractions import Fraction
from itertools import pairwise

import numpy
import pytest
import sklearn.metrics
import sklearn.model_selection
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlkit.metrics import verification
from dmlkit.metrics.verification import area_under_roc, roc, tar_at_far, verification_accuracy


def generic(pairs=300, seed=0, apart=1.0):
    """Pairs as in LFW: in each tenth the same ones first."""
    generator = torch.Generator().manual_seed(seed)
    same = (torch.arange(pairs) % (pairs // 10)) < pairs // 20
    return torch.randn(pairs, generator=generator, dtype=torch.float64) + apart * same, same


def with_ties(pairs=300, seed=0):
    similarities, same = generic(pairs, seed)
    return similarities.mul(2).round().div(2), same


def by_loop(similarities, same, folds=10):
    """Every threshold of every fold on its own; returns the accuracies and thresholds of the folds."""
    s, y = similarities.double().numpy(), same.numpy()
    accuracies, thresholds = [], []
    for train, test in sklearn.model_selection.KFold(folds).split(s):
        seen = numpy.unique(s[train])
        middles = [float(low / 2 + high / 2) for low, high in pairwise(seen)]
        best = (-1, -math.inf)
        for threshold in [-math.inf, *middles, math.inf]:
            right = int(((s[train] >= threshold) == y[train]).sum())
            best = max(best, (right, threshold))
        thresholds.append(best[1])
        accuracies.append(int(((s[test] >= best[1]) == y[test]).sum()) / len(test))
    return accuracies, thresholds


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [generic, with_ties])
@pytest.mark.parametrize(("pairs", "folds"), [(300, 10), (300, 7), (40, 2), (40, 40)])
def test_loop(make, pairs, folds, seed):
    similarities, same = make(pairs, seed)
    found = verification_accuracy(similarities, same, folds=folds)
    assert (found.accuracies.tolist(), found.thresholds.tolist()) == by_loop(similarities, same, folds)
    assert found.mean == pytest.approx(numpy.mean(found.accuracies.numpy()), abs=1e-15)
    expected = numpy.std(found.accuracies.numpy(), ddof=1) / math.sqrt(folds)
    assert found.standard_error == pytest.approx(expected, abs=1e-15)


pairs = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=12).filter(
    lambda rows: len({same for _, same in rows}) == 2
)


@given(pairs, st.data())
@settings(max_examples=80, deadline=None)
def test_loop_with_ties(rows, data):
    similarities, same = torch.tensor([float(s) for s, _ in rows]), torch.tensor([same for _, same in rows])
    folds = data.draw(st.integers(2, len(rows)))
    found = verification_accuracy(similarities, same, folds=folds)
    assert (found.accuracies.tolist(), found.thresholds.tolist()) == by_loop(similarities, same, folds)


def test_the_threshold_does_not_see_its_own_fold():
    """Turned round in one fold, the answers there are all wrong; one threshold for all would do as well elsewhere."""
    similarities, same = torch.tensor([0.0, 1.0]).repeat(10), torch.tensor([False, True]).repeat(10)
    same[:2] = same[:2].flip(0)
    found = verification_accuracy(similarities, same)
    assert found.accuracies.tolist() == [0.0] + [1.0] * 9
    assert found.thresholds.tolist() == [0.5] * 10


def test_of_equally_good_thresholds_the_largest():
    # Cuts at 0.5 and 2.5 both make one mistake on either half, and at 1.5 there are two.
    similarities, same = (
        torch.tensor([0.0, 1.0, 2.0, 3.0]).repeat(2),
        torch.tensor([False, True, False, True]).repeat(2),
    )
    assert verification_accuracy(similarities, same, folds=2).thresholds.tolist() == [2.5, 2.5]


def test_equal_similarities_say_nothing():
    """Accept all or reject all, whichever is right more often on the other folds; reject where that is a draw."""
    similarities = torch.ones(6)
    more = torch.tensor([True, True, False, True, True, False])
    assert verification_accuracy(similarities, more, folds=2).thresholds.tolist() == [-math.inf] * 2
    draw = torch.tensor([True, False, False, True])
    found = verification_accuracy(similarities[:4], draw, folds=2)
    assert found.thresholds.tolist() == [math.inf] * 2
    assert found.mean == 0.5


def test_neighbouring_floats_are_told_apart():
    low = 1.0
    high = math.nextafter(low, 2)
    similarities = torch.tensor([low, high] * 4, dtype=torch.float64)
    assert verification_accuracy(similarities, similarities > low, folds=2).mean == 1.0


def test_largest_floats():
    largest = torch.finfo(torch.float64).max
    similarities = torch.tensor([largest / 2, largest, largest / 4] * 4, dtype=torch.float64)
    found = verification_accuracy(similarities, similarities == largest, folds=2)
    assert found.mean == 1.0
    assert found.thresholds.tolist() == [0.75 * largest] * 2


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("make", [generic, with_ties])
def test_roc_of_scikit_learn(make, seed):
    similarities, same = make(seed=seed)
    expected = sklearn.metrics.roc_curve(same.numpy(), similarities.numpy(), drop_intermediate=False)
    for found, values in zip(roc(similarities, same), expected, strict=True):
        torch.testing.assert_close(found, torch.from_numpy(values), atol=1e-15, rtol=0)
    area = sklearn.metrics.roc_auc_score(same.numpy(), similarities.numpy())
    assert area_under_roc(similarities, same) == pytest.approx(area, abs=1e-12)


@given(pairs)
@settings(max_examples=60, deadline=None)
def test_area_counts_pairs_of_pairs(rows):
    similarities, same = torch.tensor([float(s) for s, _ in rows]), torch.tensor([same for _, same in rows])
    wins = [Fraction((a > b) * 2 + (a == b), 2) for a, x in rows if x for b, y in rows if not y]
    assert area_under_roc(similarities, same) == float(sum(wins) / len(wins))


def tar_by_loop(similarities, same, far):
    """The best of all thresholds, the rates as fractions of whole numbers."""
    s, y = similarities.tolist(), same.tolist()
    best = 0.0
    for threshold in {*s, math.inf}:
        false = sum(a >= threshold and not b for a, b in zip(s, y, strict=True))
        if false / y.count(False) <= far:
            best = max(best, sum(a >= threshold and b for a, b in zip(s, y, strict=True)) / y.count(True))
    return best


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("make", [generic, with_ties])
def test_true_accepts(make, seed):
    similarities, same = make(100, seed)
    fars = (0, 1e-3, 0.02, 0.1, 0.14, 0.28, 0.3, 0.58, 0.99, 1.0)
    expected = {far: tar_by_loop(similarities, same, far) for far in fars}
    assert tar_at_far(similarities, same, fars=fars) == expected


def test_a_rate_that_is_met_exactly_is_met():
    """29 of 100 is a rate of 0.29, although 0.29 · 100 is a little below 29 in floating point."""
    assert 0.29 * 100 < 29
    # One same pair just above each different one: with n false accepts allowed, n + 1 of 100 are accepted.
    similarities = torch.arange(200, 0, -1).double()
    same = torch.arange(200) % 2 == 0
    for n in range(100):
        far = n / 100
        assert tar_at_far(similarities, same, fars=(far,)) == {far: (n + 1) / 100}


def test_a_rate_below_one_pair_allows_no_false_accept():
    similarities = torch.tensor([0.9, 0.8, 0.7, 0.6])
    same = torch.tensor([True, False, True, False])
    assert tar_at_far(similarities, same, fars=(1e-9, 0.4999)) == {1e-9: 0.5, 0.4999: 0.5}
    # Where a different pair is the most alike, nothing can be accepted.
    assert tar_at_far(similarities, ~same, fars=(1e-9,)) == {1e-9: 0.0}


def test_equal_similarities_are_accepted_together():
    similarities, same = torch.zeros(4), torch.tensor([True, True, True, False])
    assert tar_at_far(similarities, same, fars=(0.5, 1.0)) == {0.5: 0.0, 1.0: 1.0}
    assert area_under_roc(similarities, same) == 0.5


MEASURES = [verification_accuracy, tar_at_far, roc, area_under_roc]
each_measure = pytest.mark.parametrize("measure", MEASURES)


def numbers(found):
    if isinstance(found, verification.Verification):
        return [found.mean, found.standard_error, *found.accuracies.tolist(), *found.thresholds.tolist()]
    if isinstance(found, tuple):
        return [tensor.tolist() for tensor in found]
    return found


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@each_measure
def test_every_precision_is_computed_in_float64(measure, dtype):
    similarities, same = generic()
    similarities = similarities.to(dtype)
    assert numbers(measure(similarities, same)) == numbers(measure(similarities.double(), same))


@each_measure
def test_not_contiguous_and_with_gradient(measure):
    similarities, same = generic()
    strided = similarities.repeat_interleave(2)[::2].requires_grad_()
    assert not strided.is_contiguous()
    assert numbers(measure(strided, same.repeat_interleave(2)[::2])) == numbers(measure(similarities, same))


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"similarities": [1.0]}, TypeError, "similarities must be a torch.Tensor"),
        ({"similarities": torch.arange(4)}, TypeError, "similarities must have a floating-point"),
        ({"similarities": torch.eye(4)}, ValueError, "similarities must have one dimension"),
        ({"similarities": torch.tensor([0, 1, math.nan, 2])}, ValueError, "similarities must be finite, .* 1 of 4"),
        ({"similarities": torch.tensor([0, 1, math.inf, 2])}, ValueError, "similarities must be finite"),
        ({"similarities": torch.zeros(0), "same": torch.zeros(0, dtype=torch.bool)}, ValueError, "same must hold"),
        ({"same": [True]}, TypeError, "same must be a torch.Tensor"),
        ({"same": torch.arange(4)}, TypeError, "same must have dtype torch.bool"),
        ({"same": torch.tensor([True])}, ValueError, "same must have shape"),
        (
            {"same": torch.ones(4, dtype=torch.bool)},
            ValueError,
            "same must hold pairs of both kinds, found 4 true of 4",
        ),
        ({"same": torch.zeros(4, dtype=torch.bool)}, ValueError, "same must hold pairs of both kinds"),
    ],
)
@each_measure
def test_errors(measure, change, error, says):
    arguments = {"similarities": torch.arange(4).float(), "same": torch.tensor([True, False, True, False])}
    with pytest.raises(error, match=says):
        measure(**{**arguments, **change})


@pytest.mark.parametrize(
    ("measure", "change", "error", "says"),
    [
        (verification_accuracy, {"folds": 1}, ValueError, "folds must lie in 2 … 4"),
        (verification_accuracy, {"folds": 5}, ValueError, "folds must lie in 2 … 4"),
        (verification_accuracy, {"folds": 2.0}, TypeError, "folds must be an integer"),
        (tar_at_far, {"fars": ()}, ValueError, "fars must hold"),
        (tar_at_far, {"fars": (-0.1,)}, ValueError, "fars must be at least 0"),
        (tar_at_far, {"fars": (1.5,)}, ValueError, "fars must be at most 1"),
        (tar_at_far, {"fars": (math.nan,)}, ValueError, "fars must be a finite number"),
    ],
)
def test_errors_of_options(measure, change, error, says):
    with pytest.raises(error, match=says):
        measure(torch.arange(4).float(), torch.tensor([True, False, True, False]), **change)


def test_examples():
    done = doctest.testmod(verification)
    assert done.attempted > 0
    assert done.failed == 0

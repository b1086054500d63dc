"""Top-K accuracy against a loop over its definition, against scikit-learn, and in its corner cases."""

import doctest

import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dmlkit.metrics import classification
from dmlkit.metrics.classification import top_k_accuracy


def by_loop(logits, labels, k):
    right = 0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        # Of equal logits the own class comes last.
        ranking = sorted(range(len(row)), key=lambda c: (-row[c], c == label))
        right += label in ranking[:k]
    return right / len(labels)


def generic(rows=60, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, torch.randint(classes, (rows,), generator=generator)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("digits", [8, 0])
def test_loop(digits, seed):
    logits, labels = generic(seed=seed)
    logits = logits.round(decimals=digits)
    ks = tuple(range(1, 8))
    assert top_k_accuracy(logits, labels, ks=ks) == {k: by_loop(logits, labels, k) for k in ks}


@given(st.lists(st.tuples(st.integers(0, 3), *[st.integers(-2, 2)] * 4), min_size=1, max_size=6))
@settings(max_examples=50, deadline=None)
def test_loop_with_ties(rows):
    logits, labels = torch.tensor([row[1:] for row in rows]).float(), torch.tensor([row[0] for row in rows])
    ks = (1, 2, 3, 4)
    assert top_k_accuracy(logits, labels, ks=ks) == {k: by_loop(logits, labels, k) for k in ks}


@pytest.mark.parametrize("k", [1, 2, 5])
def test_scikit_learn(k):
    logits, labels = generic(rows=200)
    expected = sklearn.metrics.top_k_accuracy_score(labels.numpy(), logits.numpy(), k=k)
    assert top_k_accuracy(logits, labels, ks=(k,)) == pytest.approx({k: expected}, abs=1e-12)


def test_equal_logits_score_0():
    assert top_k_accuracy(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0]), ks=(1, 2, 3)) == {1: 0.0, 2: 0.0, 3: 1.0}


def test_one_class():
    assert top_k_accuracy(torch.zeros(4, 1), torch.zeros(4, dtype=torch.long), ks=(1,)) == {1: 1.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_every_precision_compares_its_own_numbers(dtype):
    logits, labels = generic()
    logits = logits.to(dtype)
    assert top_k_accuracy(logits, labels) == top_k_accuracy(logits.double(), labels)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int8, torch.int32])
def test_every_integer_label(dtype):
    logits, labels = generic()
    assert top_k_accuracy(logits, labels.to(dtype)) == top_k_accuracy(logits, labels)


def test_not_contiguous():
    logits, labels = generic()
    columns = logits.T.contiguous().T
    assert not columns.is_contiguous()
    assert top_k_accuracy(columns, labels.repeat_interleave(2)[::2]) == top_k_accuracy(logits, labels)


def test_the_order_of_ks_is_kept():
    logits, labels = generic()
    assert list(top_k_accuracy(logits, labels, ks=[5, 1])) == [5, 1]


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"logits": [[1.0]]}, TypeError, "logits must be a torch.Tensor"),
        ({"logits": torch.zeros(3, 2, dtype=torch.long)}, TypeError, "logits must have a floating-point"),
        ({"logits": torch.zeros(3)}, ValueError, "logits must have two dimensions"),
        ({"logits": torch.zeros(0, 3)}, ValueError, "logits is empty"),
        ({"logits": torch.tensor([[0.0, 1.0, torch.nan]] * 3)}, ValueError, "logits must be finite"),
        ({"logits": torch.tensor([[0.0, 1.0, -torch.inf]] * 3)}, ValueError, "logits must be finite"),
        ({"labels": torch.zeros(3)}, TypeError, "labels must have an integer"),
        ({"labels": torch.zeros(2, dtype=torch.long)}, ValueError, "labels must have shape"),
        ({"labels": torch.tensor([0, 1, 3])}, ValueError, "labels must lie in 0 … 2"),
        ({"labels": torch.tensor([0, 1, -1])}, ValueError, "labels must lie in 0 … 2"),
        ({"ks": ()}, ValueError, "ks must hold numbers in 1 … 3"),
        ({"ks": (0,)}, ValueError, "ks must hold numbers in 1 … 3"),
        ({"ks": (1, 4)}, ValueError, "ks must hold numbers in 1 … 3, the number of classes, found"),
    ],
)
def test_errors(change, error, says):
    arguments = {"logits": torch.eye(3), "labels": torch.tensor([0, 1, 2]), "ks": (1,)}
    with pytest.raises(error, match=says):
        top_k_accuracy(**{**arguments, **change})


def test_examples():
    done = doctest.testmod(classification)
    assert done.attempted > 0
    assert done.failed == 0

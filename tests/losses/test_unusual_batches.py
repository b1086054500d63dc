"""Batches that are small or one-sided: what the docstrings agree on for them."""

import math

import pytest
import torch
from cases import LABELS, SPHERE, WITH_CLASSES, embeddings

from dmlkit import losses


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("sup_con", [0, 1, 2, 3, 4, 5]),
        ("sup_con", [3]),
        ("soft_silhouette", [0, 1, 2, 3, 4, 5]),
        ("soft_silhouette", [2, 2, 2, 2, 2, 2]),
        ("soft_silhouette", [3]),
    ],
)
def test_batches_without_a_pair_or_without_another_class(name, labels, reduction):
    rows = embeddings()[: len(labels)].requires_grad_()
    value = SPHERE[name](rows, torch.tensor(labels), reduction=reduction)
    (gradient,) = torch.autograd.grad(value.sum(), rows)
    assert value.shape == ((len(labels),) if reduction == "none" else ())
    assert (value == 0).all()
    assert (gradient == 0).all()


def test_sup_con_of_one_class_is_a_loss_like_any_other():
    """Its positives repel one another only through the normaliser, which holds them alone."""
    rows = embeddings().requires_grad_()
    value = losses.sup_con(rows, torch.zeros(6, dtype=torch.long))
    (gradient,) = torch.autograd.grad(value, rows)
    assert value >= math.log(5)
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


@pytest.mark.parametrize("name", SPHERE)
def test_singletons_stay_out_of_the_mean(name):
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    values = SPHERE[name](embeddings(), labels, reduction="none")
    assert (values[:4] != 0).all()
    assert (values[4:] == 0).all()
    torch.testing.assert_close(SPHERE[name](embeddings(), labels), values.sum() / 4)


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_one_row(name):
    value = WITH_CLASSES[name](embeddings()[:1], LABELS[:1])
    torch.testing.assert_close(value, WITH_CLASSES[name](embeddings(), LABELS, reduction="none")[0])

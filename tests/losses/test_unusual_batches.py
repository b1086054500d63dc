"""Batches that are small or one-sided: what the docstrings agree on for them."""

import math

import pytest
import torch
from cases import ALL, FREE, LABELS, REDUCED, embeddings, rows

from dmlkit import losses

SINGLETONS, ONE_CLASS = [0, 1, 2, 3, 4, 5], [2, 2, 2, 2, 2, 2]
NO_POSITIVE = ("sup_con", "snca", "lifted_structure")  # they need a pair of one class only
NO_PAIR_OF_KINDS = [  # these need a row with another of its class and one of another class
    "soft_silhouette",
    "soft_silhouette, weighted_mean",
    "circle",
    "triplet",
    "triplet, average all",
    "triplet, semi-hard",
    "triplet, hard",
    "multi_similarity, mined",
]


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(
    ("name", "labels"),
    [
        *[(name, labels) for name in NO_POSITIVE for labels in (SINGLETONS, [3])],
        *[(name, labels) for name in NO_PAIR_OF_KINDS for labels in (SINGLETONS, ONE_CLASS, [3])],
        ("lifted_structure", ONE_CLASS),  # nothing pushes
        ("simplified_pairwise_cross_entropy", ONE_CLASS),  # nothing to tell apart
        ("simplified_pairwise_cross_entropy", [3]),
        ("contrastive", [3]),
        ("multi_similarity", [3]),
    ],
)
def test_batches_that_say_nothing(name, labels, reduction):
    """Without a pair, without another class: 0, with a zero gradient, and not an error or a NaN in some epoch."""
    rows = embeddings()[: len(labels)].requires_grad_()
    value = ALL[name](rows, torch.tensor(labels), reduction=reduction)
    (gradient,) = torch.autograd.grad(value.sum(), rows)
    assert value.shape == ((len(labels),) if reduction == "none" else ())
    assert (value == 0).all()
    assert (gradient == 0).all()


@pytest.mark.parametrize("name", ["sup_con", "snca", "contrastive", "multi_similarity"])
def test_one_class_is_a_batch_like_any_other(name):
    rows = embeddings().requires_grad_()
    value = ALL[name](rows, torch.zeros(6, dtype=torch.long))
    (gradient,) = torch.autograd.grad(value, rows)
    assert gradient.isfinite().all()
    if name == "snca":  # each neighbour is of the right class, wherever it lies
        assert value == 0
        assert (gradient == 0).all()
    else:
        assert value > 0
        assert (gradient != 0).any()


def test_sup_con_of_one_class():
    """Its positives repel one another only through the normaliser, which holds them alone."""
    assert losses.sup_con(embeddings(), torch.zeros(6, dtype=torch.long)) >= math.log(5)


@pytest.mark.parametrize("name", ["contrastive", "multi_similarity"])
def test_singletons_only_are_pushed_apart(name):
    rows = 0.1 * embeddings()
    rows.requires_grad_()
    value = ALL[name](rows, torch.arange(6))
    assert value > 0
    assert (torch.autograd.grad(value, rows)[0] != 0).any()


COUNTED = [name for name, loss in FREE.items() if loss.counted is not rows and not name.startswith("triplet")]


@pytest.mark.parametrize("name", [name for name in COUNTED if name != "lifted_structure"])
def test_singletons_stay_out_of_the_mean(name):
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    values = FREE[name](embeddings(), labels, reduction="none")
    assert (values[:4] != 0).all()
    assert (values[4:] == 0).all()
    torch.testing.assert_close(FREE[name](embeddings(), labels), values.sum() / 4)


@pytest.mark.parametrize("name", COUNTED)
def test_singletons_still_push_the_others(name):
    labels = torch.tensor([0, 0, 1, 1, 2, 3])
    rows = embeddings().requires_grad_()
    (gradient,) = torch.autograd.grad(FREE[name](rows, labels), rows)
    assert (gradient[4:] != 0).any(dim=1).all()


@pytest.mark.parametrize("name", [name for name in REDUCED if FREE.get(name, ALL[name]).counted is rows])
def test_every_row_is_in_the_mean(name):
    """Also where a row, or in multi-similarity an anchor without positives, has nothing to say."""
    loss = ALL[name]
    labels = torch.tensor([0, 0, 1, 1, 2, 3]) if loss.has("free") else LABELS
    values = loss(embeddings(), labels, reduction="none")
    torch.testing.assert_close(loss(embeddings(), labels), values.mean())
    torch.testing.assert_close(loss(embeddings(), labels, reduction="sum"), values.sum())


def test_lifted_structure_counts_positive_pairs():
    """Ordered ones: 6 of the class of three, 2 of the class of two, none of the row alone."""
    labels = torch.tensor([0, 0, 0, 1, 1, 2])
    values = losses.lifted_structure(embeddings(), labels, reduction="none")
    torch.testing.assert_close(losses.lifted_structure(embeddings(), labels), values.sum() / 8)


def test_triplets_without_an_active_one():
    """Far apart: all 6 · 1 · 4 triplets are chosen and none is active, so that either mean is 0."""
    rows = (10 * torch.eye(3)[LABELS]).requires_grad_()
    for mining in ("all", "semi-hard", "hard"):
        for average in ("active", "all"):
            value = losses.triplet(rows, LABELS, mining=mining, average=average)
            assert value == 0
            assert (torch.autograd.grad(value, rows)[0] == 0).all()


def test_proxies_of_classes_that_are_not_there():
    """Rows of class 1 only: proxy-anchor pushes the proxies of the others away and pulls none of them."""
    labels = torch.ones(6, dtype=torch.long)
    proxies = ALL["proxy_anchor"].fixed["proxies"].clone().requires_grad_()
    values = losses.proxy_anchor(embeddings(), labels, proxies, reduction="none")
    # The own class has no negative: its push is log 1. Its pull counts three times, as |P⁺| = 1 of C = 3.
    cosines = torch.nn.functional.cosine_similarity(embeddings(), proxies[1], dim=1)
    torch.testing.assert_close(values[1], 3 * torch.log1p((-32 * (cosines - 0.1)).exp().sum()))
    torch.testing.assert_close(losses.proxy_anchor(embeddings(), labels, proxies), values.mean())
    assert (values > 0).all()


WITH_ABSENT = ["proxy_anchor", "hist", "hist_distribution", "soft_triple", "center", "proxy_nca", "cos_face"]


@pytest.mark.parametrize("name", WITH_ABSENT)
def test_many_more_classes_than_rows(name):
    loss = ALL[name]
    generator = torch.Generator().manual_seed(0)
    held = {key: value.requires_grad_() for key, value in loss.draw(500, 3, generator, torch.float32).items()}
    rows = embeddings().requires_grad_()
    value = loss(rows, torch.tensor([0, 499, 17, 499, 0, 250]), **held)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, [rows, *held.values()]))


@pytest.mark.parametrize("name", [name for name, loss in ALL.items() if loss.has("alone")])
def test_one_row(name):
    value = ALL[name](embeddings()[:1], LABELS[:1])
    torch.testing.assert_close(value, ALL[name](embeddings(), LABELS, reduction="none")[0])


@pytest.mark.parametrize("name", ["hist", "proxy_anchor", "pairwise_cross_entropy"])
def test_one_row_of_a_loss_that_compares_rows(name):
    loss = ALL[name]
    rows = embeddings()[:1].requires_grad_()
    value = loss(rows, LABELS[:1])
    (gradient,) = torch.autograd.grad(value, rows)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert (gradient != 0).any()


@pytest.mark.parametrize(
    "name", [name for name, loss in ALL.items() if not loss.has("spans") and not loss.first == "logits"]
)
def test_wide_rows(name):
    """More dimensions than rows, as in a real network."""
    loss = ALL[name]
    generator = torch.Generator().manual_seed(0)
    held = {key: value.requires_grad_() for key, value in loss.draw(3, 600, generator, torch.float32).items()}
    rows = torch.randn(6, 600, generator=generator).requires_grad_()
    value = loss(rows, LABELS, **held)
    assert value.isfinite()
    assert all(gradient.isfinite().all() for gradient in torch.autograd.grad(value, [rows, *held.values()]))
    double = loss(rows.detach().double(), LABELS, **{key: leaf.detach().double() for key, leaf in held.items()})
    torch.testing.assert_close(value.double(), double, atol=1e-4, rtol=1e-4)

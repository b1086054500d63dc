"""No N × N array where the docstrings promise none."""

import pytest
import torch
from largest_tensor import LargestTensor

from dmlkit.losses import euclidean_softmax, soft_silhouette, sup_con
from dmlkit.metrics import recall_at_k, silhouette_samples


def draw(rows, dim, classes):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, dim, generator=generator), torch.arange(rows) % classes


def test_the_measure_sees_pairs():
    """SupCon does hold one similarity for each pair, so the tests below can fail."""
    embeddings, labels = draw(64, 4, 3)
    with LargestTensor() as largest:
        sup_con(embeddings, labels)
    assert largest.elements == 64 * 64


@pytest.mark.parametrize("soft_min", ["logsumexp", "weighted_mean"])
def test_soft_silhouette_forward_and_backward(soft_min):
    rows, dim, classes = 4096, 6, 8
    embeddings, labels = draw(rows, dim, classes)
    embeddings.requires_grad_()
    with LargestTensor() as largest:
        soft_silhouette(embeddings, labels, soft_min=soft_min).backward()
    assert largest.elements == rows * classes


def test_euclidean_softmax_forward_and_backward():
    rows, dim, classes = 512, 64, 32
    embeddings, labels = draw(rows, dim, classes)
    proxies = torch.randn(classes, dim, requires_grad=True)
    with LargestTensor() as largest:
        euclidean_softmax(embeddings.requires_grad_(), labels, proxies).backward()
    assert largest.elements == rows * dim  # not rows · classes · dim


def test_silhouette_by_cosine():
    rows, dim, classes = 20_000, 8, 10
    embeddings, labels = draw(rows, dim, classes)
    with LargestTensor() as largest:
        silhouette_samples(embeddings, labels, distance="cosine")
    assert largest.elements == rows * dim


@pytest.mark.parametrize("measure", [silhouette_samples, recall_at_k])
@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_chunks_bound_the_pairs(measure, distance):
    embeddings, labels = draw(2000, 4, 10)
    with LargestTensor() as largest:
        measure(embeddings, labels, distance=distance, chunk=16)
    assert largest.elements <= 16 * 2000

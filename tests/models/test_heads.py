"""Pools against loops, normalisations against their equations, heads and how they begin."""

import doctest
import math

import pytest
import torch
from torch import nn

from dmlkit.models import heads
from dmlkit.models.heads import Pool, feature_norm, make_head


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def slow_pool(maps, name):
    pooled = torch.empty(maps.shape[:2], dtype=maps.dtype)
    for n, image in enumerate(maps):
        for f, feature in enumerate(image):
            values = [value.item() for row in feature for value in row]
            average, largest = math.fsum(values) / len(values), max(values)
            pooled[n, f] = {"average": average, "max": largest, "average + max": average + largest}[name]
    return pooled


@pytest.mark.parametrize("name", ["average", "max", "average + max"])
@pytest.mark.parametrize("shape", [(3, 4, 5, 2), (2, 3, 1, 1)])
def test_pools(name, shape):
    maps = noise(*shape) - 3  # all below zero: a pool that begins from zero is found out
    torch.testing.assert_close(Pool(name)(maps), slow_pool(maps, name), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("name", ["average", "max", "average + max"])
def test_gradients_of_pools(name):
    assert torch.autograd.gradcheck(Pool(name), noise(2, 3, 3, 2).requires_grad_())


def test_pool_says_what_it_is():
    assert repr(Pool("average + max")) == "Pool('average + max')"


def test_layer_norm():
    features = noise(4, 7, seed=1) * 5 + 2
    norm = feature_norm("layer", 7).double()
    centred = features - features.mean(dim=1, keepdim=True)
    expected = centred / (centred.square().mean(dim=1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(norm(features), expected, rtol=1e-12, atol=1e-12)
    assert not norm.state_dict()


def test_batch_norm():
    features = noise(6, 3, seed=2) * 4 - 1
    norm = feature_norm("batch", 3).double()
    centred = features - features.mean(dim=0)
    expected = centred / (centred.square().mean(dim=0) + 1e-5).sqrt()
    torch.testing.assert_close(norm(features), expected, rtol=1e-12, atol=1e-12)
    assert not list(norm.parameters())
    # In evaluation, with what it has seen: a tenth of this batch, nine tenths of mean 0 and variance 1.
    seen = (features - 0.1 * features.mean(dim=0)) / (0.9 + 0.1 * features.var(dim=0) + 1e-5).sqrt()
    torch.testing.assert_close(norm.eval()(features), seen, rtol=1e-12, atol=1e-12)


def test_no_norm():
    features = noise(2, 3)
    assert feature_norm(None, 3)(features) is features


def test_no_head():
    features = noise(2, 3)
    assert make_head("none", 3, None)(features) is features
    assert make_head("none", 3, 3)(features) is features


def test_linear_head():
    head = make_head("linear", 5, 2).double()
    features = noise(4, 5)
    torch.testing.assert_close(head(features), features @ head.weight.T + head.bias, rtol=1e-12, atol=1e-12)


def test_mlp():
    head = make_head("mlp", 5, 2).double()
    first, _, second = head
    assert (first.weight.shape, second.weight.shape) == ((5, 5), (2, 5))
    features = noise(4, 5)
    hidden = (features @ first.weight.T + first.bias).clamp(min=0)
    expected = hidden @ second.weight.T + second.bias
    torch.testing.assert_close(head(features), expected, rtol=1e-12, atol=1e-12)
    assert (hidden == 0).any()


def test_a_linear_head_begins_as_asked():
    """√(2/d) where fan-out is asked for, and not √(2/F); torch's own is uniform within 1/√F."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        fan_out = make_head("linear", 900, 100, init="kaiming fan-out")
        default = make_head("linear", 900, 100)
    # 90 000 draws: the deviation of a standard deviation is 0.24 %.
    assert fan_out.weight.std().item() == pytest.approx(math.sqrt(2 / 100), rel=0.01)
    assert abs(fan_out.weight.mean().item()) < 0.003
    assert fan_out.weight.abs().max() > 3 * math.sqrt(2 / 100)  # normal, not uniform
    assert torch.equal(fan_out.bias, torch.zeros(100))
    assert default.weight.std().item() == pytest.approx(1 / math.sqrt(3 * 900), rel=0.01)
    assert default.weight.abs().max() <= 1 / math.sqrt(900)
    assert default.bias.abs().max() > 0


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (
            lambda: Pool("average+max"),
            ValueError,
            r"pool must be one of 'average', 'max', 'average \+ max', found 'average\+max': "
            r"did you mean 'average \+ max'\?",
        ),
        (
            lambda: feature_norm("leyer", 3),
            ValueError,
            r"norm must be one of 'layer', 'batch', None, found 'leyer': did you mean 'layer'\?",
        ),
        (
            lambda: make_head("zzz", 3, 2),
            ValueError,
            "head must be one of 'none', 'linear', 'mlp', found 'zzz'",
        ),
        (
            lambda: make_head("linear", 3, 2, init="kaiming"),
            ValueError,
            "head_init must be one of 'default', 'kaiming fan-out', found 'kaiming'.*",
        ),
        (
            lambda: make_head("mlp", 3, 2, init="kaiming fan-out"),
            ValueError,
            "head_init must be 'default' unless the head is 'linear', found 'kaiming fan-out' and 'mlp'",
        ),
        (
            lambda: make_head("none", 3, 512),
            ValueError,
            r"embedding_dim must be None where head is 'none' \(the 3 features are the embedding\), found 512",
        ),
        (lambda: make_head("mlp", 3, 0), ValueError, "embedding_dim must be at least 1, found 0"),
        (
            lambda: make_head("linear", 3, None),
            TypeError,
            "embedding_dim must be an integer for head 'linear', found NoneType",
        ),
        (
            lambda: make_head("linear", 3, 2.0),
            TypeError,
            "embedding_dim must be an integer for head 'linear', found float",
        ),
    ],
)
def test_bad_input(make, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        make()


def test_examples():
    done = doctest.testmod(heads)
    assert done.attempted > 0
    assert done.failed == 0


def test_nothing_is_done_in_place_on_features():
    """Both taps are used at once: a head must leave the features as they are."""
    features = noise(3, 4)
    before = features.clone()
    for module in (make_head("mlp", 4, 2).double(), make_head("linear", 4, 2).double(), nn.Dropout(0.5)):
        module(features)
    assert torch.equal(features, before)

"""The small networks: what SmallCNN was before it shared its convolutions, sizes of maps, counts of weights."""

import pytest
import torch
from torch import nn

from dmlkit.models import SmallCNN
from dmlkit.models.small import five_layer_cnn, small_cnn, tiny_cnn


def block(channels_in, channels_out):
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False), nn.BatchNorm2d(channels_out), nn.ReLU()
    )


def test_small_cnn_is_what_it_was():
    """Written out: the same names, the same random numbers, the same embeddings, so chapters keep their figures."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = SmallCNN(5, channels=2, width=4)
        torch.manual_seed(3)
        features = nn.Sequential(
            block(2, 4), block(4, 8), nn.MaxPool2d(2), block(8, 8), nn.AdaptiveAvgPool2d(2), nn.Flatten()
        )
        embedding = nn.Linear(32, 5)
    expected = {f"features.{name}": value for name, value in features.state_dict().items()}
    expected |= {f"embedding.{name}": value for name, value in embedding.state_dict().items()}
    found = network.state_dict()
    assert list(found) == list(expected)
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    images = torch.rand(3, 2, 9, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(network(images), embedding(features(images)))


def test_defaults_of_small_cnn():
    assert SmallCNN(5).features[0][0].weight.shape == (16, 1, 3, 3)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("make", "maps"), [(small_cnn, (32, 14, 15)), (tiny_cnn, (32, 7, 8)), (five_layer_cnn, (128, 7, 7))]
)
def test_maps(make, maps, channels):
    assert make(channels)(torch.rand(2, channels, 28, 30)).shape == (2, *maps)


def test_width():
    assert small_cnn(1, width=5)(torch.rand(1, 1, 8, 8)).shape == (1, 10, 4, 4)


def weights(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_numbers_of_weights():
    """By hand: nine weights a pair of channels, and two numbers of normalisation a channel."""
    assert weights(small_cnn(3)) == 9 * (3 * 16 + 16 * 32 + 32 * 32) + 2 * (16 + 32 + 32)
    assert weights(tiny_cnn(3)) == 9 * (3 * 16 + 16 * 32) + 2 * (16 + 32) < 10_000
    assert weights(five_layer_cnn(3)) == 9 * (3 * 32 + 32 * 64 + 64 * 64 + 64 * 128) + 2 * (32 + 64 + 64 + 128)
    layers = [module for module in five_layer_cnn().modules() if isinstance(module, nn.Conv2d)]
    assert len(layers) == 4  # and the head is the fifth

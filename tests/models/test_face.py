"""The face networks: a block written out, counts from the table of stages, the head behind them."""

import doctest

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from dmlkit.models import build, face
from dmlkit.models.face import FaceBlock, face_head, iresnet18, iresnet100, map_side
from dmlkit.recipes.config import Network


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def unlike_at_the_start(network):
    """Every scale, shift and running statistic another number, so that none can stand in for another."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in network.state_dict().values():
            if tensor.is_floating_point() and tensor.ndim == 1:
                tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@pytest.mark.parametrize(("channels_in", "channels_out", "stride"), [(4, 4, 1), (4, 6, 2), (4, 4, 2), (4, 6, 1)])
def test_block(channels_in, channels_out, stride):
    """BN, conv, BN, PReLU, conv of the stride, BN; plus the input, or its 1×1 convolution and BN."""
    block = FaceBlock(channels_in, channels_out, stride).double().eval()
    unlike_at_the_start(block)
    state = iter(block.state_dict().values())

    def batch_norm(x):
        weight, bias, mean, variance, _ = (next(state)[:, None, None] if i < 4 else next(state) for i in range(5))
        return (x - mean) / (variance + 1e-5).sqrt() * weight + bias

    x = noise(2, channels_in, 7, 6)
    y = F.conv2d(batch_norm(x), next(state), padding=1)
    y = batch_norm(y)
    y = torch.where(y > 0, y, y * next(state)[:, None, None])
    y = batch_norm(F.conv2d(y, next(state), padding=1, stride=stride))
    if stride != 1 or channels_in != channels_out:
        x = batch_norm(F.conv2d(x, next(state), stride=stride))
    assert next(state, None) is None
    torch.testing.assert_close(block(noise(2, channels_in, 7, 6)), y + x, rtol=1e-12, atol=1e-12)
    assert any(len(m.weight) == channels_out for m in block.modules() if isinstance(m, nn.PReLU))


def expected_count(repetitions, size, embedding_dim=512):
    """From the table: what each convolution, normalisation, PReLU and the last linear layer holds."""
    total = 9 * 3 * 64 + 2 * 64 + 64
    before = 64
    for width, blocks in zip((64, 128, 256, 512), repetitions, strict=True):
        for block in range(blocks):
            total += 2 * before + 9 * before * width + 2 * width + width + 9 * width * width + 2 * width
            if block == 0:
                total += before * width + 2 * width
            before = width
    total += 2 * 512
    return total + 512 * (size // 16) ** 2 * embedding_dim + embedding_dim + 2 * embedding_dim


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_number_of_parameters_of_iresnet100():
    with torch.device("meta"):
        network = build(Network("iresnet100"))
    assert count(network) == expected_count((3, 13, 30, 3), 112) == 65_156_160
    assert network.num_features == 512 * 7 * 7
    convolutions = [m for m in network.backbone.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (3, 3)]
    assert len(convolutions) + 1 == 100  # 1 + 2 · 49, and the linear layer


def test_number_of_parameters_of_iresnet18():
    with torch.device("meta"):
        assert count(build(Network("iresnet18", embedding_dim=64), size=32)) == expected_count((2, 2, 2, 2), 32, 64)


@pytest.mark.parametrize(("size", "side"), [(112, 7), (32, 2), (33, 3), (17, 2), (16, 1), (1, 1), (113, 8)])
def test_map_side(size, side):
    assert map_side(size) == side
    with torch.device("meta"):
        assert iresnet18()(torch.empty(2, 3, size, size)).shape == (2, 512, side, side)


def test_maps_of_iresnet100():
    with torch.device("meta"):
        assert iresnet100(1)(torch.empty(2, 1, 112, 112)).shape == (2, 512, 7, 7)


def test_convolutions_begin_with_a_deviation_of_a_tenth():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = iresnet18()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            # Five deviations of a standard deviation from n draws.
            assert module.weight.std().item() == pytest.approx(0.1, rel=5 / (2 * module.weight.numel()) ** 0.5)


def test_the_head_fixes_its_scales_and_trains_the_rest():
    head = face_head(nn.Linear(6, 4)).double()
    assert [name for name, parameter in head.named_parameters() if not parameter.requires_grad] == ["1.weight"]
    features = noise(8, 6)
    outputs = features @ head[0].weight.T + head[0].bias
    centred = outputs - outputs.mean(dim=0)
    with torch.no_grad():
        head[1].bias.copy_(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    expected = centred / (centred.square().mean(dim=0) + 1e-5).sqrt() + head[1].bias
    torch.testing.assert_close(head(features), expected, rtol=1e-10, atol=1e-10)


def test_a_face_network_flattens():
    """Not pooled: the linear layer sees each place of the maps."""
    network = build(Network("iresnet18", embedding_dim=8, dropout=0.4), size=32).eval().double()
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        features = network.features(images)
        assert torch.equal(features, network.backbone(images).reshape(2, -1))
        assert torch.equal(network(images), network.embeddings_from(features))
        assert torch.equal(network(images), network.head[1](network.head[0](features)))


def test_examples():
    done = doctest.testmod(face)
    assert done.attempted > 0
    assert done.failed == 0

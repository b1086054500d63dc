"""Networks by their names: against torchvision, taps, frozen normalisation, pretrained weights, bad input."""

import copy
import doctest
import hashlib
import importlib
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.error import URLError

import pytest
import torch
import torchvision
from torch import nn

from dmlkit.data.errors import DataError
from dmlkit.data.transforms import HALVES, IMAGENET, UNIT, normalise
from dmlkit.models import BACKBONES, EmbeddingNetwork, MobileNetV2, build
from dmlkit.models.mobilenet import preprocess
from dmlkit.recipes.config import Network

# The name of the module is that of its function, which the package exports.
module = importlib.import_module("dmlkit.models.build")

FEATURES = {
    "resnet18": 512,
    "resnet50": 2048,
    "efficientnet_b0": 1280,
    "mobilenet_v2_pack": 1280,
    "small_cnn": 32,
    "tiny_cnn": 32,
    "five_layer_cnn": 128,
    "iresnet18": 512 * 2 * 2,  # images of 32 pixels
}
OURS = ["small_cnn", "tiny_cnn", "five_layer_cnn", "iresnet18"]


def noise(*shape, seed=0, dtype=torch.float32):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def seeded(network, seed=0, **options):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(network, size=32, **options)


def unlike_at_the_start(network):
    """Running statistics and scales as after training, so that evaluation mode is told from training mode."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for part in network.modules():
            if isinstance(part, nn.BatchNorm2d):
                for tensor in (part.weight, part.bias, part.running_mean, part.running_var):
                    tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)


@pytest.mark.parametrize("name", FEATURES)
def test_shapes(name):
    network = seeded(Network(name, embedding_dim=24))
    images = noise(2, 3, 32, 32)
    features = network.features(images)
    assert isinstance(network, EmbeddingNetwork)
    assert network.training
    assert network.num_features == FEATURES[name]
    assert features.shape == (2, FEATURES[name])
    assert network.embedding_dim == 24
    assert network.embeddings_from(features).shape == network(images).shape == (2, 24)
    assert network.backbone(images).shape[:2] == (2, BACKBONES[name].num_maps)


def test_the_table_is_tested_whole():
    assert set(FEATURES) | {"iresnet100"} == set(BACKBONES)


# Each with what stands before the classifier of torchvision's own network.
@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_b0"])
def test_torchvision(name):
    """Same seed, same weights under the same names; and with torchvision's last layers the same logits, bit for bit."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        peer = getattr(torchvision.models, name)(weights=None)
    network = seeded(Network(name, head="none", embedding_dim=None))
    expected, found = peer.state_dict(), network.backbone.state_dict()
    assert set(expected) - set(found) == {key for key in expected if key.startswith(("fc.", "classifier."))}
    assert all(torch.equal(found[key], expected[key]) for key in found)
    unlike_at_the_start(peer)
    unlike_at_the_start(network)
    peer.eval()
    network.eval()
    images = noise(2, 3, 64, 48)
    with torch.no_grad():
        last = peer.classifier if name == "efficientnet_b0" else peer.fc
        logits = last(peer.avgpool(network.backbone(images)).flatten(1))
        assert torch.equal(logits, peer(images))
        torch.testing.assert_close(last(network(images)), peer(images), rtol=1e-4, atol=1e-4)


def test_the_pack_is_mobilenet_v2():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        peer = MobileNetV2()
    network = seeded(Network("mobilenet_v2_pack", head="none", embedding_dim=None))
    images = noise(2, 3, 40, 48)
    with torch.no_grad():
        assert torch.equal(network(images), peer(images))
        assert torch.equal(network.backbone(images), peer.features(preprocess(images)))


@pytest.mark.parametrize("pool", ["average", "max", "average + max"])
@pytest.mark.parametrize("norm", [None, "layer", "batch"])
def test_one_part_after_the_other(pool, norm):
    """The recipe's parts in the recipe's order: backbone, pool, norm, dropout, head."""
    network = seeded(Network("tiny_cnn", pool=pool, norm=norm, dropout=0.5, head="mlp", embedding_dim=6)).double()
    images = noise(4, 3, 16, 16, dtype=torch.float64)
    maps = network.backbone(images)
    pooled = {"average": maps.mean((2, 3)), "max": maps.amax((2, 3))}
    pooled["average + max"] = pooled["average"] + pooled["max"]
    centred = pooled[pool]
    if norm is not None:
        dim = 1 if norm == "layer" else 0
        centred = centred - centred.mean(dim, keepdim=True)
        centred = centred / (centred.square().mean(dim, keepdim=True) + 1e-5).sqrt()
    features = network.features(images)
    torch.testing.assert_close(features, centred, rtol=1e-10, atol=1e-10)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        embeddings = network.embeddings_from(features)
        torch.manual_seed(1)
        dropped = nn.functional.dropout(features, 0.5)
    assert ((dropped == 0) & (features != 0)).any()
    first, _, second = network.head
    hidden = (dropped @ first.weight.T + first.bias).clamp(min=0)
    torch.testing.assert_close(embeddings, hidden @ second.weight.T + second.bias, rtol=1e-10, atol=1e-10)
    network.eval()
    assert torch.equal(network(images), network.head(network.features(images)))


def test_dropout_without_a_head():
    """Embeddings are dropped, features are not; and nothing is dropped in evaluation."""
    network = seeded(Network("tiny_cnn", dropout=0.5, head="none", embedding_dim=None))
    assert network.embedding_dim == network.num_features == 32
    features = network.features(noise(8, 3, 16, 16)) + 1
    with torch.random.fork_rng():
        torch.manual_seed(0)
        embeddings = network.embeddings_from(features)
    assert 0.3 < (embeddings == 0).float().mean() < 0.7
    assert torch.equal(network.eval().embeddings_from(features), features)


def test_head_init_is_handed_on():
    network = seeded(Network("resnet18", embedding_dim=100, head_init="kaiming fan-out"))
    assert network.head.weight.std().item() == pytest.approx((2 / 100) ** 0.5, rel=0.02)
    assert not network.head.bias.any()


@pytest.mark.parametrize("name", ["resnet18", "iresnet18", "efficientnet_b0"])
def test_frozen_batch_norm(name):
    """Its statistics are used and stay; its scales and shifts train; and train() does not thaw it."""
    network = seeded(Network(name, norm="batch", embedding_dim=8, frozen_batch_norm=True))
    frozen = [part for part in network.backbone.modules() if isinstance(part, nn.BatchNorm2d)]
    assert len(frozen) > 10
    unlike_at_the_start(network.backbone)
    before = copy.deepcopy(network.backbone.state_dict())
    for mode in (True, False, True):
        assert network.train(mode) is network
        assert not any(part.training for part in frozen)
        assert network.backbone[0].training is network.norm.training is mode
    images = noise(4, 3, 32, 32)
    network(images).square().mean().backward()
    after = network.backbone.state_dict()
    assert all(torch.equal(after[key], before[key]) for key in before)
    # The norm of the features is not the backbone's.
    assert network.norm.running_mean.any()
    for part in frozen:
        assert part.weight.grad.abs().max() > 0 and part.bias.grad.abs().max() > 0


def test_frozen_batch_norm_in_an_image_alone():
    """With frozen statistics, features do not depend on the rest of the batch, in training mode too."""
    images = noise(4, 3, 32, 32, dtype=torch.float64)
    for frozen in (True, False):
        network = seeded(Network("resnet18", frozen_batch_norm=frozen)).double()
        alone, together = network.features(images[:2])[0], network.features(images)[0]
        assert torch.allclose(alone, together, rtol=1e-9, atol=1e-9) is frozen


def test_frozen_batch_norm_over_several_processes():
    """Converted for several GPUs, the features' own normalisation is of the backbone's kind, but is not frozen."""
    network = seeded(Network("tiny_cnn", norm="batch", frozen_batch_norm=True))
    network = nn.SyncBatchNorm.convert_sync_batchnorm(network).train()
    parts = [part for part in network.backbone.modules() if isinstance(part, nn.SyncBatchNorm)]
    assert len(parts) == 2 and not any(part.training for part in parts)
    assert isinstance(network.norm, nn.SyncBatchNorm) and network.norm.training


def test_batch_norm_that_is_not_frozen():
    network = seeded(Network("resnet18", embedding_dim=8))
    before = network.backbone.bn1.running_mean.clone()
    network(noise(4, 3, 32, 32))
    assert not torch.equal(network.backbone.bn1.running_mean, before)


@pytest.mark.parametrize(("name", "head"), [*((name, "linear") for name in FEATURES), ("tiny_cnn", "mlp")])
def test_gradients_reach_every_parameter(name, head):
    network = seeded(Network(name, head=head, embedding_dim=8))
    side = 32 if name == "iresnet18" else 64
    embeddings = network(noise(4, 3, side, side))
    # Not the mean square: behind batch normalisation that is nearly a constant.
    (embeddings * noise(*embeddings.shape, seed=3)).sum().backward()
    for key, parameter in network.named_parameters():
        if key != "head.1.weight" or name != "iresnet18":
            assert parameter.grad is not None and parameter.grad.isfinite().all(), key
            assert parameter.grad.abs().max() > 0, key


def test_backbone_parameters():
    network = seeded(Network("tiny_cnn", norm="batch", head="mlp", embedding_dim=4))
    backbone = {id(parameter) for parameter in network.backbone_parameters()}
    head = {id(parameter) for parameter in network.head.parameters()}
    assert len(backbone) == 6 and len(head) == 4 and not backbone & head
    assert backbone | head == {id(parameter) for parameter in network.parameters()}


@pytest.mark.parametrize("name", [*OURS, "resnet18"])
def test_channels_last(name):
    network = seeded(Network(name, pool="average" if name == "iresnet18" else "max", embedding_dim=8)).eval()
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        expected = network(images)
        network.to(memory_format=torch.channels_last)
        seen = images.to(memory_format=torch.channels_last)
        assert network.backbone(seen).is_contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(network(seen), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", FEATURES)
def test_float64_and_autocast(name):
    """bfloat16 keeps three digits; they agree with float64 in direction."""
    network = seeded(Network(name, norm="layer", embedding_dim=8)).eval()
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        exact = copy.deepcopy(network).double()(images.double())
        with torch.autocast("cpu", dtype=torch.bfloat16):
            coarse = network(images)
        assert exact.dtype == torch.float64
        torch.testing.assert_close(network(images).double(), exact, rtol=1e-3, atol=1e-3)
        assert torch.cosine_similarity(coarse.double(), exact).min() > 0.98


@pytest.mark.parametrize("name", ["tiny_cnn", "resnet18", "mobilenet_v2_pack", "iresnet18"])
def test_compiled_whole(name):
    network = seeded(Network(name, norm="layer", embedding_dim=8, frozen_batch_norm=True))
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    images = noise(2, 3, 32, 32)
    torch.testing.assert_close(compiled(images), network(images), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [*OURS, "resnet18", "mobilenet_v2_pack"])
def test_a_state_goes_round_and_a_seed_decides(name):
    config = Network(name, norm=None if name == "iresnet18" else "batch", embedding_dim=8)
    network, again, other = seeded(config), seeded(config), seeded(config, seed=1)
    state = network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in again.state_dict().items())
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        network(images)  # running statistics have moved
        other.load_state_dict(copy.deepcopy(network.state_dict()))
        assert torch.equal(other.eval()(images), network.eval()(images))
        assert not torch.equal(again.eval()(images), network(images))


def test_what_images_are_normalised_with():
    for name in FEATURES:
        expected = UNIT if name == "mobilenet_v2_pack" else HALVES if name == "iresnet18" else IMAGENET
        assert seeded(Network(name)).statistics == expected
    # Three means do not serve one channel.
    grey = seeded(Network("small_cnn"), channels=1)
    pixels = torch.zeros(2, 1, 8, 8, dtype=torch.uint8)
    assert grey(normalise(pixels, grey.statistics)).shape == (2, 512)


@pytest.mark.parametrize("name", OURS)
def test_grey_images(name):
    assert seeded(Network(name, embedding_dim=8), channels=1)(noise(2, 1, 32, 32)).shape == (2, 8)


def imagenet_file(folder, constructor, seed=5):
    """A file as torchvision's server has it: a state with a classifier, the digest in the name."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        peer = constructor(weights=None)
    written = folder / "state.pth"
    torch.save(peer.state_dict(), written)
    digest = hashlib.sha256(written.read_bytes()).hexdigest()
    return peer, written.rename(folder / f"made-up-{digest[:8]}.pth")


@pytest.fixture(scope="module", params=["resnet18", "efficientnet_b0"])
def served(request, tmp_path_factory):
    """A name, torchvision's network and the file of its weights on a made-up server."""
    folder = tmp_path_factory.mktemp("server")
    return request.param, *imagenet_file(folder, getattr(torchvision.models, request.param))


@pytest.fixture
def hub(served, monkeypatch, tmp_path):
    """torch.hub's cache, empty, and torchvision's address led to the made-up server."""
    name, _, file = served
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    constructor = getattr(torchvision.models, name)
    made_up = partial(module._with_imagenet_weights, constructor, file.as_uri())
    monkeypatch.setitem(BACKBONES, name, replace(BACKBONES[name], pretrained=made_up))
    return tmp_path / "hub" / "checkpoints"


def same_weights(network, peer):
    expected = peer.state_dict()
    return all(torch.equal(value, expected[key]) for key, value in network.backbone.state_dict().items())


def test_pretrained_weights_are_fetched_once(served, hub, monkeypatch):
    name, peer, file = served
    network = build(Network(name, pretrained=True, embedding_dim=8))
    assert same_weights(network, peer)
    assert [path.name for path in hub.iterdir()] == [file.name]

    def no_network(*args, **kwargs):
        raise AssertionError("fetched again")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    assert same_weights(build(Network(name, pretrained=True)), peer)


def test_pretrained_weights_from_a_folder(served, hub, tmp_path):
    name, peer, file = served
    assert same_weights(build(Network(name, pretrained=True), weights_folder=file.parent), peer)
    assert same_weights(build(Network(name, pretrained=True), weights_folder=tmp_path / "new"), peer)
    assert (tmp_path / "new" / file.name).exists()
    assert not hub.exists()


def test_no_network(served, hub, monkeypatch):
    name, _, file = served

    def unreachable(*args, **kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr("torch.hub.urlopen", unreachable)
    with pytest.raises(DataError) as caught:
        build(Network(name, pretrained=True))
    assert str(caught.value) == (
        f"{file.name} could not be fetched (<urlopen error no route to host>): put {file.as_uri()} into {hub}"
    )
    assert not list(hub.iterdir())


def test_a_broken_download_is_refused_and_not_kept(served, hub, tmp_path):
    name, _, file = served
    other = tmp_path / file.name
    other.write_bytes(file.read_bytes()[:-1])
    broken = partial(module._with_imagenet_weights, getattr(torchvision.models, name), other.as_uri())
    with pytest.raises(DataError, match=rf"^{file.name} could not be fetched \(invalid hash value .*\): put file:"):
        broken(None)
    assert not list(hub.iterdir())


def test_a_damaged_file_in_the_cache_is_refused(served, hub):
    name, _, file = served
    hub.mkdir(parents=True)
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    (hub / file.name).write_bytes(content)
    with pytest.raises(
        DataError, match=rf"{file.name} is damaged: its SHA-256 must begin with \w{{8}}, found \w{{8}};"
    ):
        build(Network(name, pretrained=True))


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("resnet18", "resnet18-f37072fd.pth"),
        ("resnet50", "resnet50-0676ba61.pth"),
        ("efficientnet_b0", "efficientnet_b0_rwightman-7f5810bc.pth"),
    ],
)
def test_which_weights(name, file, monkeypatch, tmp_path):
    """IMAGENET1K_V1 by their names, ResNet-50's not the newer -11ad3fa6."""

    def unreachable(url, path, **options):
        assert url == f"https://download.pytorch.org/models/{file}"
        assert Path(path) == tmp_path / file
        assert options["hash_prefix"] == file[-12:-4]
        raise TimeoutError("timed out")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(DataError, match=rf"{file} could not be fetched \(timed out\): put https://\S+/{file} into "):
        build(Network(name, pretrained=True), weights_folder=tmp_path)


def test_the_pack_without_its_file(monkeypatch, tmp_path):
    network = Network("mobilenet_v2_pack", pretrained=True)
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    with pytest.raises(DataError, match=r"needs mobilenet_v2_1.0_224_imagenet_u8.npz: name .* in DMLKIT_PACKS, or"):
        build(network)
    monkeypatch.setenv("DMLKIT_PACKS", str(tmp_path))
    with pytest.raises(DataError) as caught:
        build(network)
    expected = "mobilenet_v2_pack needs mobilenet_v2_1.0_224_imagenet_u8.npz: put it into "
    assert str(caught.value) == expected + str(tmp_path / "weights")
    with pytest.raises(DataError) as caught:
        build(network, weights_folder=tmp_path / "elsewhere")
    assert str(caught.value) == expected + str(tmp_path / "elsewhere")


@pytest.mark.skipif("DMLKIT_PACKS" not in os.environ, reason="DMLKIT_PACKS is not set: it names a folder of weights")
def test_the_pack(monkeypatch):
    """The trained network: neither the untrained one's features nor dead ones."""
    packs = Path(os.environ["DMLKIT_PACKS"]).absolute()
    network = build(Network("mobilenet_v2_pack", pretrained=True, head="none", embedding_dim=None)).eval()
    images = noise(2, 3, 64, 64)
    with torch.no_grad():
        features = network(images)
        assert features.max() <= 6 and 0.02 < (features > 0).double().mean() < 0.98
        monkeypatch.delenv("DMLKIT_PACKS")
        again = build(Network("mobilenet_v2_pack", pretrained=True), weights_folder=packs / "weights")
        assert torch.equal(again.features(images), features)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: build({"backbone": "tiny_cnn"}),
            TypeError,
            "network must be a dmlkit.recipes.config.Network, found dict",
        ),
        (
            lambda: build(Network("resnet5")),
            ValueError,
            r"backbone must be one of 'resnet18', .*, 'iresnet100', found 'resnet5': did you mean 'resnet50'\?",
        ),
        (
            lambda: build(Network("tiny_cnn", pool="avg")),
            ValueError,
            r"pool must be one of 'average', 'max', 'average \+ max', found 'avg'.*",
        ),
        (lambda: build(Network("tiny_cnn", norm="instance")), ValueError, "norm must be one of .* found 'instance'"),
        (
            lambda: build(Network("tiny_cnn", head="liner")),
            ValueError,
            r"head must be one of .* found 'liner': did you mean 'linear'\?",
        ),
        (
            lambda: build(Network("tiny_cnn", head="none")),
            ValueError,
            "embedding_dim must be None where head is 'none' .*, found 512",
        ),
        (lambda: build(Network("tiny_cnn", dropout=1.0)), ValueError, "dropout must be below 1, found 1"),
        (lambda: build(Network("tiny_cnn", dropout=-0.1)), ValueError, "dropout must be at least 0, found -0.1"),
        (
            lambda: build(Network("small_cnn", pretrained=True)),
            ValueError,
            "pretrained must be False for 'small_cnn', which has no ImageNet weights; these have: "
            "resnet18, resnet50, efficientnet_b0, mobilenet_v2_pack",
        ),
        (
            lambda: build(Network("resnet18"), channels=1),
            ValueError,
            "channels must be 3 for 'resnet18', found 1: transforms with channels=3 make grey images such",
        ),
        (lambda: build(Network("tiny_cnn"), channels=4), ValueError, "channels must be one of 1, 3, found 4"),
        (
            lambda: build(Network("iresnet18", pool="max")),
            ValueError,
            "pool must keep its default 'average' for 'iresnet18', whose maps are flattened instead, found 'max'",
        ),
        (
            lambda: build(Network("iresnet18", head="mlp")),
            ValueError,
            "head must be 'linear' for 'iresnet18', found 'mlp'",
        ),
        (lambda: build(Network("iresnet18"), size=0), ValueError, "size must be at least 1, found 0"),
        (
            lambda: build(Network("iresnet18"), size=(112, 112)),
            TypeError,
            "size must be an integer or None, found tuple",
        ),
    ],
)
def test_bad_input(call, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        call()


def test_what_is_wrong_is_said_before_anything_is_fetched(monkeypatch, tmp_path):
    def fetched(*args, **kwargs):
        raise AssertionError("fetched")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetched)
    with pytest.raises(ValueError, match="embedding_dim must be at least 1, found 0"):
        build(Network("resnet18", pretrained=True, embedding_dim=0), weights_folder=tmp_path)


@pytest.mark.parametrize(
    ("images", "error", "sentence"),
    [
        ([[1.0]], TypeError, "images must be a torch.Tensor, found list"),
        (
            torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
            TypeError,
            "images must have a floating-point dtype, found torch.uint8: normalise them first",
        ),
        (torch.zeros(3, 32, 32), ValueError, r"images must have shape \(N, 3, H, W\), found \(3, 32, 32\)"),
        (torch.zeros(1, 1, 32, 32), ValueError, r"images must have shape \(N, 3, H, W\), found \(1, 1, 32, 32\)"),
    ],
)
def test_bad_images(images, error, sentence):
    network = seeded(Network("tiny_cnn"))
    with pytest.raises(error, match=f"^{sentence}$"):
        network(images)


def test_a_face_of_another_size():
    network = seeded(Network("iresnet18", embedding_dim=8))
    with pytest.raises(
        ValueError, match=r"found \(48, 32\) pixels, which give 3072 features and not 2048: build it with their size$"
    ):
        network(noise(2, 3, 48, 32))


def test_examples():
    done = doctest.testmod(module)
    assert done.attempted > 0
    assert done.failed == 0

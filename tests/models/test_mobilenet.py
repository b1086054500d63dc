"""MobileNetV2 against NumPy and torchvision; the file of its weights, whole and damaged."""

import doctest
import os
import pickle
from pathlib import Path

import numpy
import pytest
import torch
import torchvision
from PIL import Image
from torchvision.transforms.v2.functional import pil_to_tensor

from dmlkit import models
from dmlkit.data.errors import DataError
from dmlkit.models import MobileNetV2, load_mobilenet_v2, mobilenet
from dmlkit.models.mobilenet import preprocess

# The file's layers in order, written out by hand: name, kind, outputs, stride, whether ReLU6 follows.
LAYERS = [
    ("features.0.0", "full", 32, 2, True),
    ("features.1.conv.0.0", "depthwise", 32, 1, True),
    ("features.1.conv.1", "pointwise", 16, 1, False),
]
WIDTHS = [24, 24, 32, 32, 32, 64, 64, 64, 64, 96, 96, 96, 160, 160, 160, 320]
HALVING = {2, 4, 7, 14}
for block, width in enumerate(WIDTHS, start=2):
    hidden = 6 * (16, *WIDTHS)[block - 2]
    LAYERS += [
        (f"features.{block}.conv.0.0", "pointwise", hidden, 1, True),
        (f"features.{block}.conv.1.0", "depthwise", hidden, 2 if block in HALVING else 1, True),
        (f"features.{block}.conv.2", "pointwise", width, 1, False),
    ]
LAYERS += [("features.18.0", "pointwise", 1280, 1, True), ("classifier.1", "pointwise", 1001, 1, False)]
RESIDUAL = {3, 5, 6, 8, 9, 10, 12, 13, 15, 16}


def made_up_arrays(seed=0):
    """Random integers in the file's layout, with scales that keep the signal's size from layer to layer."""
    generator = numpy.random.default_rng(seed)
    arrays, channels = {}, 3
    for name, kind, outputs, _, relu in LAYERS:
        shape = {
            "full": (outputs, channels, 3, 3),
            "depthwise": (outputs, 1, 3, 3),
            "pointwise": (outputs, channels, 1, 1),
        }[kind]
        inputs = numpy.prod(shape[1:])
        scale = numpy.sqrt((2.0 if relu else 1.0) / inputs) / 74  # 74: standard deviation of 0 … 255
        arrays[f"{name}.weight_q"] = generator.integers(0, 256, shape, dtype=numpy.uint8)
        arrays[f"{name}.weight_scale"] = numpy.array(scale, dtype=numpy.float32)
        arrays[f"{name}.weight_zero_point"] = numpy.array(generator.integers(120, 137), dtype=numpy.int32)
        arrays[f"{name}.bias_q"] = generator.integers(-5000, 5001, outputs, dtype=numpy.int32)
        arrays[f"{name}.bias_scale"] = numpy.array(generator.uniform(1e-4, 3e-4), dtype=numpy.float32)
        channels = outputs
    return arrays


def write(arrays, path):
    numpy.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def arrays():
    return made_up_arrays()


@pytest.fixture(scope="module")
def made_up(arrays, tmp_path_factory):
    """A file of the known layout with made-up weights."""
    return write(arrays, tmp_path_factory.mktemp("weights") / "made_up.npz")


@pytest.fixture
def network(made_up):
    return load_mobilenet_v2(made_up, classifier=True, checksum=None).eval()


@pytest.fixture(scope="module")
def weights():
    """The folder with Google's weights and photographs."""
    if "DMLKIT_PACKS" not in os.environ:
        pytest.skip("DMLKIT_PACKS is not set: the pretrained weights are not at hand")
    return Path(os.environ["DMLKIT_PACKS"]) / "weights"


def noise(*shape, seed=0, dtype=torch.float64):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def dequantised(arrays, name):
    """(q − z) s and the bias in float64, after the one rounding to float32."""
    weight = arrays[f"{name}.weight_q"].astype(float) - float(arrays[f"{name}.weight_zero_point"])
    weight = weight * float(arrays[f"{name}.weight_scale"])
    bias = arrays[f"{name}.bias_q"].astype(float) * float(arrays[f"{name}.bias_scale"])
    return weight.astype(numpy.float32).astype(float), bias.astype(numpy.float32).astype(float)


def padded_same(x, stride):
    """TensorFlow's rule for a kernel of 3: ⌈size / stride⌉ outputs, and the smaller half of the padding first."""
    padding = [(0, 0), (0, 0)]
    for size in x.shape[2:]:
        total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
        padding.append((total // 2, total - total // 2))
    return numpy.pad(x, padding)


def convolution(x, weight, bias, stride):
    """One product a tap of the kernel."""
    kernel = weight.shape[2]
    height, width = (-(-size // stride) for size in x.shape[2:])
    x = padded_same(x, stride) if kernel == 3 else x
    result = bias[None, :, None, None]
    for down in range(kernel):
        for right in range(kernel):
            seen = x[:, :, down : down + stride * height : stride, right : right + stride * width : stride]
            tap = weight[:, :, down, right]
            result = result + (
                seen * tap[:, 0][None, :, None, None]
                if weight.shape[1] == 1
                else numpy.einsum("nchw,oc->nohw", seen, tap)
            )
    return result


def by_hand(arrays, images):
    """Embeddings and logits in float64, and how much of the network's range the images reach."""
    x = (255 * images.double().numpy() - 128) / 128
    clipped = entering = None
    for name, _, _, stride, relu in LAYERS[:-1]:
        parts = name.split(".")
        if len(parts) > 3 and parts[3] == "0":
            entering = x
        x = convolution(x, *dequantised(arrays, name), stride)
        if relu:
            clipped = max(clipped or 0, (x > 6).mean())
            x = numpy.clip(x, 0, 6)
        elif int(parts[1]) in RESIDUAL:
            x = x + entering
    embeddings = x.mean(axis=(2, 3))
    weight, bias = dequantised(arrays, "classifier.1")
    return embeddings, embeddings @ weight[:, :, 0, 0].T + bias, clipped


# Even all the way down, even and odd in turn on both axes, and the smallest.
@pytest.mark.parametrize(("height", "width"), [(96, 64), (50, 75), (37, 34), (32, 32), (47, 224)])
def test_transcription(arrays, network, height, width):
    images = noise(2, 3, height, width)
    embeddings, logits, clipped = by_hand(arrays, images)
    assert clipped > 0.001  # else the six of ReLU6 is not tested
    network.double()
    with torch.no_grad():
        numpy.testing.assert_allclose(network(images).numpy(), embeddings, rtol=1e-10, atol=1e-10)
        numpy.testing.assert_allclose(network.classify(images).numpy(), logits, rtol=1e-10, atol=1e-10)
    assert embeddings.std(axis=0).mean() > 0.01  # the images are told apart


def torchvision_network(arrays):
    """torchvision's network with these weights, all kernels turned upside down and back to front."""
    peer = torchvision.models.mobilenet_v2(num_classes=1001).double().eval()
    state = peer.state_dict()
    for name, _, _, _, _ in LAYERS:
        weight, bias = (torch.from_numpy(values) for values in dequantised(arrays, name))
        if name == "classifier.1":
            state["classifier.1.weight"], state["classifier.1.bias"] = weight.flatten(1), bias
            continue
        state[f"{name}.weight"] = weight.flip(2, 3)
        # The normalisation follows in place, as the next module.
        *parents, last = name.split(".")
        norm = ".".join([*parents, str(int(last) + 1)])
        state[f"{norm}.weight"], state[f"{norm}.bias"] = torch.ones_like(bias), bias
        state[f"{norm}.running_mean"] = torch.zeros_like(bias)
        state[f"{norm}.running_var"] = torch.ones_like(bias) - peer.get_submodule(norm).eps
    peer.load_state_dict(state)
    return peer


@pytest.mark.parametrize(("height", "width"), [(64, 96), (224, 224)])
def test_torchvision(arrays, network, height, width):
    """torchvision pads above and left where stride is 2; mirrored, that is below and right, if all sizes are even."""
    images = noise(2 if height < 224 else 1, 3, height, width, seed=1)
    with torch.no_grad():
        expected = torchvision_network(arrays)(preprocess(images).flip(2, 3))
        torch.testing.assert_close(network.double().classify(images), expected, rtol=1e-10, atol=1e-10)


def test_each_tensor_of_the_file_becomes_one_parameter(arrays, network):
    state = network.state_dict()
    assert set(state) == {f"{name}.{part}" for name, *_ in LAYERS for part in ("weight", "bias")}
    assert len(arrays) == 5 * len(LAYERS) == 5 * 53
    for name, *_ in LAYERS:
        weight, bias = dequantised(arrays, name)
        assert state[f"{name}.weight"].dtype == torch.float32
        assert numpy.array_equal(state[f"{name}.weight"].double().numpy().reshape(weight.shape), weight)
        assert numpy.array_equal(state[f"{name}.bias"].double().numpy(), bias)
    assert all(parameter.requires_grad and parameter.device.type == "cpu" for parameter in network.parameters())


def test_without_a_classifier(made_up, network):
    embedder = load_mobilenet_v2(made_up, checksum=None)
    assert embedder.training
    assert not any(name.startswith("classifier") for name in embedder.state_dict())
    images = noise(1, 3, 40, 40, dtype=torch.float32)
    assert torch.equal(embedder(images), network(images))
    with pytest.raises(RuntimeError, match="classify needs a classifier, found none: .* classifier=True"):
        embedder.classify(images)


def test_loading_draws_no_random_numbers(made_up):
    before = torch.get_rng_state()
    load_mobilenet_v2(made_up, checksum=None)
    assert torch.equal(torch.get_rng_state(), before)


def test_channels_last(network):
    images = noise(2, 3, 50, 64, dtype=torch.float32)
    expected = network(images)
    network.to(memory_format=torch.channels_last)
    seen = images.to(memory_format=torch.channels_last)
    assert network.features(preprocess(seen)).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(network(seen), expected, rtol=1e-4, atol=1e-4)


def test_an_embedding_depends_on_its_image_alone(network):
    """No batch normalisation: neither on the batch, nor on the mode, nor on what was seen before."""
    images = noise(3, 3, 48, 48)
    network.double()
    together = network(images)
    network.train()
    assert torch.equal(network(images), together)
    for image, expected in zip(images, together, strict=True):
        torch.testing.assert_close(network(image[None])[0], expected, rtol=1e-10, atol=1e-10)
    assert not list(network.buffers())


def test_gradients_reach_every_weight_and_the_image(network):
    images = noise(2, 3, 48, 48, dtype=torch.float32).requires_grad_()
    network.classify(images).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name
    assert images.grad.abs().max() > 0


def test_a_small_step_lowers_a_loss_by_what_the_gradient_says(network):
    """f(w − ε ∇f) = f(w) − ε ‖∇f‖² + O(ε²), over all weights together."""
    network.double()
    images, labels = noise(4, 3, 40, 40), torch.tensor([3, 1, 4, 1])

    def loss():
        return torch.nn.functional.cross_entropy(network.classify(images), labels)

    before = loss()
    before.backward()
    squared_norm = sum(parameter.grad.square().sum() for parameter in network.parameters())
    step = 1e-6 / squared_norm
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= step * parameter.grad
        assert ((before - loss()) / 1e-6).item() == pytest.approx(1, abs=0.01)


def test_a_new_network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network, other = MobileNetV2(num_outputs=7).eval(), MobileNetV2()
    images = noise(4, 3, 64, 64, dtype=torch.float32)
    with torch.no_grad():
        embeddings = network(images)
    assert embeddings.shape == (4, 1280)
    assert network.classify(images).shape == (4, 7)
    # The signal neither vanishes nor stops at ReLU6's six, layer after layer.
    assert 0.05 < embeddings.mean() < 5
    assert sum(p.numel() for p in other.parameters()) == sum(p.numel() for p in network.features.parameters())
    assert not torch.equal(other.features[0][0].weight, network.features[0][0].weight)


def test_preprocessing_is_that_of_the_release():
    pixels = torch.arange(256, dtype=torch.float64).expand(1, 3, 32, 256)
    torch.testing.assert_close(preprocess(pixels / 255), (pixels - 128) / 128, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("images", "error", "sentence"),
    [
        (numpy.zeros((1, 3, 32, 32)), TypeError, "images must be a torch.Tensor, found ndarray"),
        (
            torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
            TypeError,
            r"images must have a floating-point dtype, in \[0, 1\], found torch.uint8",
        ),
        (torch.zeros(3, 32, 32), ValueError, r"images must have shape \(N, 3, H, W\), found \(3, 32, 32\)"),
        (torch.zeros(1, 1, 32, 32), ValueError, r"images must have shape \(N, 3, H, W\), found \(1, 1, 32, 32\)"),
        (
            torch.zeros(1, 3, 31, 32),
            ValueError,
            r"images must be at least 32 pixels high and wide, found \(31, 32\)",
        ),
    ],
)
def test_bad_images(images, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        preprocess(images)


@pytest.mark.parametrize(
    ("outputs", "error", "sentence"),
    [
        (0, ValueError, "num_outputs must be at least 1, found 0"),
        (2.0, TypeError, "num_outputs must be an integer or None, found float"),
    ],
)
def test_bad_number_of_outputs(outputs, error, sentence):
    with pytest.raises(error, match=f"^{sentence}$"):
        MobileNetV2(outputs)


def test_another_checksum_is_refused(made_up):
    with pytest.raises(DataError, match=r"made_up.npz must have the checksum sha256:2ad3\w+, found sha256:\w+: fetch"):
        load_mobilenet_v2(made_up)


@pytest.mark.parametrize("scale", [numpy.nan, numpy.inf, 0.0, -1.0])
@pytest.mark.parametrize("part", ["weight_scale", "bias_scale"])
def test_bad_scale(arrays, tmp_path, part, scale):
    name = f"features.5.conv.1.0.{part}"
    path = write({**arrays, name: numpy.array(scale, dtype=numpy.float32)}, tmp_path / "w.npz")
    with pytest.raises(DataError, match=rf"w.npz: '{name}' must be a positive number, found {scale}$"):
        load_mobilenet_v2(path, checksum=None)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        (
            "features.3.conv.2.weight_q",
            numpy.zeros((24, 96, 1, 1), numpy.uint8),
            r"must be uint8 of shape \(24, 144, 1, 1\), found uint8 of \(24, 96, 1, 1\)",
        ),
        (
            "classifier.1.weight_q",
            numpy.zeros((1001, 1280), numpy.uint8),
            r"must be uint8 of shape \(1001, 1280, 1, 1\), found uint8 of \(1001, 1280\)",
        ),
        (
            "features.3.conv.2.bias_q",
            numpy.zeros(24, numpy.float32),
            r"must be int32 of shape \(24,\), found float32 of \(24,\)",
        ),
        (
            "features.18.0.weight_scale",
            numpy.ones(1280, numpy.float32),
            r"must be float32 of shape \(\), found float32 of \(1280,\)",
        ),
        ("features.0.0.weight_zero_point", numpy.array(256, numpy.int32), "must lie in 0 … 255, found 256"),
        ("features.0.0.weight_zero_point", numpy.array(-1, numpy.int32), "must lie in 0 … 255, found -1"),
    ],
)
def test_a_wrong_tensor(arrays, tmp_path, name, value, sentence):
    path = write({**arrays, name: value}, tmp_path / "w.npz")
    with pytest.raises(DataError, match=f"w.npz: '{name}' {sentence}$"):
        load_mobilenet_v2(path, checksum=None)


@pytest.mark.parametrize("name", ["features.0.0.weight_q", "features.9.conv.1.0.bias_scale", "classifier.1.bias_q"])
def test_a_missing_tensor(arrays, tmp_path, name):
    path = write({key: array for key, array in arrays.items() if key != name}, tmp_path / "w.npz")
    with pytest.raises(DataError, match=f"w.npz lacks the tensor '{name}'$"):
        load_mobilenet_v2(path, checksum=None)


def test_an_unknown_tensor(arrays, tmp_path):
    path = write({**arrays, "features.19.0.weight_q": numpy.zeros(1)}, tmp_path / "w.npz")
    with pytest.raises(DataError, match=r"w.npz holds tensors that MobileNetV2 has not, among them 'features.19.0"):
        load_mobilenet_v2(path, checksum=None)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match=r"nothing.npz cannot be read: No such file"):
        load_mobilenet_v2(tmp_path / "nothing.npz")
    with pytest.raises(DataError, match="cannot be read"):
        load_mobilenet_v2(tmp_path)


class Trap:
    """Unpickled, it would make a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def truncated(path, made_up, arrays):
    path.write_bytes(made_up.read_bytes()[:-1000])


def with_one_wrong_byte(path, made_up, arrays):
    content = bytearray(made_up.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path, made_up, arrays):
    path.write_bytes(b"")


def text(path, made_up, arrays):
    path.write_text("<html>404 not found</html>")


def one_array(path, made_up, arrays):
    with path.open("wb") as file:
        numpy.save(file, arrays["classifier.1.weight_q"])


def a_pickle(path, made_up, arrays):
    path.write_bytes(pickle.dumps(Trap(path.with_name("sprung"))))


def an_array_of_objects(path, made_up, arrays):
    trap = numpy.array(Trap(path.with_name("sprung")), dtype=object)
    numpy.savez(path, **{**arrays, "features.0.0.weight_scale": trap})


@pytest.mark.parametrize(
    "damage", [truncated, with_one_wrong_byte, empty, text, one_array, a_pickle, an_array_of_objects]
)
def test_a_damaged_file(damage, made_up, arrays, tmp_path):
    path = tmp_path / "damaged.npz"
    damage(path, made_up, arrays)
    with pytest.raises(DataError, match=r"damaged.npz is damaged, or not an .npz archive of numbers \(\w+\): fetch"):
        load_mobilenet_v2(path, checksum=None)
    assert not path.with_name("sprung").exists()


def test_examples():
    done = doctest.testmod(mobilenet)
    assert done.attempted > 0
    assert done.failed == 0


def test_small_cnn_is_where_it_was():
    assert models.SmallCNN(5)(torch.zeros(1, 1, 8, 8)).shape == (1, 5)


def photograph(path):
    """The middle square at 224×224, in [0, 1]."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    side = min(image.size)
    left, top = ((size - side) // 2 for size in image.size)
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BILINEAR)
    return pil_to_tensor(image)[None] / 255


@pytest.fixture(scope="module")
def pretrained(weights):
    return load_mobilenet_v2(weights / "mobilenet_v2_1.0_224_imagenet_u8.npz", classifier=True).eval()


# The last column is what the integer network of the release says, run by its own interpreter.
@pytest.mark.parametrize(
    ("file", "label", "in_float", "in_integers"),
    [("cat.bmp", "Egyptian cat", 0.849, 0.852), ("parrot.jpg", "macaw", 0.998, 0.996)],
)
def test_photographs(weights, pretrained, file, label, in_float, in_integers):
    with torch.no_grad():
        probability, found = pretrained.classify(photograph(weights / file)).softmax(dim=1).max(dim=1)
    names = (weights / "imagenet_labels.txt").read_text(encoding="utf-8").splitlines()
    assert len(names) == 1001
    assert names[found.item()] == label
    assert probability.item() == pytest.approx(in_integers, abs=0.02)
    assert probability.item() == pytest.approx(in_float, abs=0.001)


def test_pretrained_layers_are_alive(weights, pretrained):
    """A wrong scale shows as a layer that is all zero or all six."""
    with torch.no_grad():
        embedding = pretrained(photograph(weights / "cat.bmp"))
    assert 0.1 < (embedding > 0).double().mean() < 0.95
    assert embedding.max() <= 6


def test_fine_tuning_brings_a_class_together(weights):
    network = load_mobilenet_v2(weights / "mobilenet_v2_1.0_224_imagenet_u8.npz")
    cat, parrot = (photograph(weights / file)[:, :, ::2, ::2] for file in ("cat.bmp", "parrot.jpg"))
    images, labels = torch.cat([cat, cat.flip(3), parrot, parrot.flip(3)]), torch.tensor([0, 0, 1, 1])
    same = labels[:, None] == labels
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    losses = []
    for _ in range(3):
        z = torch.nn.functional.normalize(network(images), dim=1)
        loss = torch.where(same, 1 - z @ z.T, (z @ z.T).clamp(min=0)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[2] < 0.5 * losses[0]
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.abs().max() > 0, name

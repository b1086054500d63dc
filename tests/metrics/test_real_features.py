"""Zero-shot retrieval on real images with real features: the numbers that the packs of images state.

ImageNet features of MobileNetV2, no training. The expected numbers come with the packs: other code computed them.
"""

import pytest
import torch
from PIL import Image
from torchvision.transforms.v2.functional import pil_to_tensor

from dmlkit.data import benchmark, packs_folder
from dmlkit.metrics import retrieval
from dmlkit.models import load_mobilenet_v2

pytestmark = [
    pytest.mark.packs,
    pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: it names a folder of real images"),
]
SIDE = 224


def central_square(image: Image.Image) -> torch.Tensor:
    """The central square, rounded down, at the size that the network was trained with."""
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    square = image.convert("RGB").crop((left, top, left + side, top + side))
    return pil_to_tensor(square.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


@pytest.fixture(scope="module")
def network():
    weights = packs_folder() / "weights" / "mobilenet_v2_1.0_224_imagenet_u8.npz"
    return load_mobilenet_v2(weights).eval().to(memory_format=torch.channels_last)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@torch.inference_mode()
def features(network, images):
    images = images.with_transform(central_square)
    batches = torch.utils.data.DataLoader(images, batch_size=32)
    return torch.cat([network(batch.to(memory_format=torch.channels_last) / 255) for batch, _ in batches])


# Half a unit of the third digit, and a little for numbers that were rounded twice.
close = {"abs": 6e-4}


def test_cub(network, root):
    birds = benchmark("cub50", root=root)
    train, test = (features(network, birds[split]) for split in ("train", "test"))
    found = retrieval(test, birds.test.labels).recall
    assert [found[k] for k in (1, 2, 4, 8)] == [pytest.approx(r, **close) for r in (0.617, 0.738, 0.849, 0.925)]
    found = retrieval(torch.cat([train, test]), torch.cat([birds.train.labels, birds.test.labels])).recall
    assert [found[k] for k in (1, 2, 4, 8)] == [pytest.approx(r, **close) for r in (0.570, 0.691, 0.808, 0.894)]


def test_cars(network, root):
    cars = benchmark("cars196-train-half", root=root)
    found = retrieval(features(network, cars.test), cars.test.labels).recall
    assert [found[k] for k in (1, 2, 4, 8)] == [pytest.approx(r, **close) for r in (0.264, 0.361, 0.480, 0.609)]


def test_caltech(network, root):
    objects = benchmark("caltech101-50", root=root)
    images = objects.train.join(objects.test)
    found = retrieval(features(network, images), images.labels).recall
    assert [found[k] for k in (1, 2, 4, 8)] == [pytest.approx(r, **close) for r in (0.832, 0.897, 0.936, 0.962)]

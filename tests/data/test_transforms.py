"""The table of transforms against the papers' numbers written out as torchvision's older transforms."""

import doctest
import pickle

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from PIL import Image

from dmlkit.data import transforms
from dmlkit.data.transforms import (
    HALVES,
    IMAGENET,
    RECIPES,
    UNIT,
    Statistics,
    TwoViews,
    evaluation_transform,
    merge_views,
    normalise,
    recipe,
    train_transform,
)


def photo(width=120, height=90, mode="RGB", seed=0):
    """Smooth colours with some grain."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    waves = np.stack([127 + 90 * np.sin(x / (9 + k) + y / (13 - k) + k) for k in range(3)], axis=-1)
    pixels = (waves + random.normal(0, 9, waves.shape)).clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels).convert(mode)


CASES = [(name, data_set) for name, sets in RECIPES.items() for data_set in sets]

# recipe → (training, test), as the papers have them, at their own sizes.
CROP, FLIP = v1.RandomResizedCrop, v1.RandomHorizontalFlip()
M_CROP = {"scale": (0.16, 1)}
BY_HAND = {
    ("mutual_information", "cub200"): (
        [v1.Resize(256), CROP(224, **M_CROP), FLIP, v1.ColorJitter(0.25, 0.25, 0.25, 0)],
        [v1.Resize(256), v1.CenterCrop(224)],
    ),
    ("mutual_information", "cars196"): (
        [v1.Resize((256, 256)), CROP(224, **M_CROP, ratio=(1, 1)), FLIP, v1.ColorJitter(0.3, 0.3, 0.3, 0.1)],
        [v1.Resize((256, 256)), v1.CenterCrop(224)],
    ),
    ("mutual_information", "sop"): (
        [v1.Resize((256, 256)), CROP(224, **M_CROP), FLIP],
        [v1.Resize((256, 256)), v1.CenterCrop(224)],
    ),
    ("mutual_information", "in-shop"): (
        [v1.Resize((256, 256)), CROP(224, **M_CROP), FLIP],
        [v1.Resize((256, 256)), v1.CenterCrop(224)],
    ),
    ("warped", ""): ([CROP(224), FLIP], [v1.Resize(256), v1.CenterCrop(224)]),
    ("warped_large", ""): ([CROP(256), FLIP], [v1.Resize(288), v1.CenterCrop(256)]),
    ("silhouette", ""): ([CROP(224), FLIP, v1.AutoAugment()], [v1.Resize(256), v1.CenterCrop(224)]),
    ("silhouette", "cifar10"): (
        [v1.RandomCrop(32, padding=4), FLIP, v1.AutoAugment(v1.AutoAugmentPolicy.CIFAR10)],
        [],
    ),
    ("proxy_nca++", ""): ([CROP(256), FLIP], [v1.Resize(288), v1.CenterCrop(256)]),
    ("proxy_anchor", ""): ([CROP(224), FLIP], [v1.Resize(256), v1.CenterCrop(224)]),
    ("supcon", ""): (
        [
            CROP(224, scale=(0.2, 1)),
            FLIP,
            v1.RandomApply([v1.ColorJitter(0.4, 0.4, 0.4, 0.1)], 0.8),
            v1.RandomGrayscale(0.2),
        ],
        [v1.Resize(256), v1.CenterCrop(224)],
    ),
    ("plain", ""): ([], []),
}
BY_HAND["padded", ""] = ([v1.RandomCrop(32, padding=4), FLIP], [])
BY_HAND["silhouette", "cifar100"] = BY_HAND["silhouette", "cifar10"]
BY_HAND["silhouette", "fashion-mnist"] = ([v1.RandomCrop(28, padding=2), FLIP], [])
SMALL_CROP = CROP(32, scale=(0.2, 1))
for cifar in ("cifar10", "cifar100"):
    BY_HAND["supcon", cifar] = ([SMALL_CROP, *BY_HAND["supcon", ""][0][1:]], [])


def test_every_recipe_is_written_out():
    assert set(BY_HAND) == set(CASES)


@pytest.mark.parametrize(("name", "data_set"), CASES)
def test_test_images_are_those_of_the_paper(name, data_set):
    image = photo(300, 210)
    if "cifar" in data_set or name in ("padded", "plain"):
        image = photo(32, 32)
    elif data_set == "fashion-mnist":
        image = photo(28, 28)
    expected = v1.Compose([*BY_HAND[name, data_set][1], v1.PILToTensor()])(image)
    assert torch.equal(evaluation_transform(name, data_set)(image), expected)


# AutoAugment draws its numbers in another order in v2, and is checked by its parts below.
@pytest.mark.parametrize(("name", "data_set"), [case for case in CASES if case[0] not in ("silhouette", "supcon")])
def test_training_images_are_those_of_the_paper(name, data_set):
    image = photo(150, 110)
    ours, theirs = train_transform(name, data_set), v1.Compose([*BY_HAND[name, data_set][0], v1.PILToTensor()])
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        found = ours(image)
        torch.manual_seed(seed)
        expected = theirs(image)
        seen.add(found.sum().item())
        # The two draw the same numbers but round colours elsewhere.
        assert found.shape == expected.shape
        assert (found.int() - expected.int()).abs().max() <= 1
    assert len(seen) == (1 if name == "plain" else 6)


@pytest.mark.parametrize(("name", "data_set"), [case for case in CASES if case[0] in ("silhouette", "supcon")])
def test_random_steps_have_the_papers_parameters(name, data_set):
    steps = train_transform(name, data_set).transforms
    expected = [*BY_HAND[name, data_set][0], v1.PILToTensor()]
    assert [type(step).__name__ for step in steps] == [type(step).__name__ for step in expected]
    for ours, theirs in zip(steps, expected, strict=True):
        for attribute in ("size", "scale", "ratio", "p", "policy", "padding"):
            a, b = getattr(ours, attribute, None), getattr(theirs, attribute, None)
            if attribute == "policy":
                a, b = getattr(a, "value", None), getattr(b, "value", None)
            elif attribute == "padding" and b is not None:
                b = (b,) * 4  # one number for the four sides
            assert a == b or tuple(a) == tuple(b)
        if isinstance(theirs, v1.RandomApply):
            (ours,), (theirs,) = ours.transforms, theirs.transforms
            for colour in ("brightness", "contrast", "saturation", "hue"):
                assert tuple(getattr(ours, colour)) == tuple(getattr(theirs, colour))


@pytest.mark.parametrize(("name", "data_set"), CASES)
@pytest.mark.parametrize("make", [train_transform, evaluation_transform])
def test_another_size_and_other_channels(name, data_set, make):
    for mode, channels, expected in (("L", None, 1), ("L", 3, 3), ("RGB", 1, 1), ("RGB", None, 3), ("RGB", 3, 3)):
        found = make(name, data_set, size=20, channels=channels)(photo(40, 33, mode))
        assert (found.shape, found.dtype) == ((expected, 20, 20), torch.uint8)


def test_three_channels_of_a_grey_image_are_equal():
    image = photo(40, 33, "L")
    found = evaluation_transform("plain", channels=3)(image)
    assert torch.equal(found, torch.from_numpy(np.array(image)).expand(3, -1, -1))


def test_sizes_scale_in_proportion():
    assert recipe("mutual_information", "cars196", size=112).resize_train == (128, 128)
    assert recipe("warped_large", size=128).resize == 144
    assert recipe("supcon", "cifar10", size=64).resize is None
    assert recipe("silhouette", "cub200") == recipe("silhouette")


@pytest.mark.parametrize("name", ["silhouette", "supcon", "proxy_anchor"])
def test_transforms_can_be_sent_to_a_worker(name):
    transform = TwoViews(train_transform(name, channels=3, size=16))
    assert pickle.loads(pickle.dumps(transform))(photo()).shape == (2, 3, 16, 16)


def test_two_views_are_two_draws_in_order():
    transform = train_transform("warped", size=16)
    torch.manual_seed(3)
    views = TwoViews(transform)(photo())
    torch.manual_seed(3)
    assert torch.equal(views[0], transform(photo()))
    assert torch.equal(views[1], transform(photo()))
    assert not torch.equal(views[0], views[1])


def test_merged_views_stand_in_order():
    images, labels = torch.randn(5, 2, 3, 4, 6), torch.tensor([4, 2, 2, 0, 1])
    merged, repeated = merge_views(images, labels)
    assert merged.shape == (10, 3, 4, 6)
    for view in range(2):
        for row in range(5):
            assert torch.equal(merged[5 * view + row], images[row, view])
            assert repeated[5 * view + row] == labels[row]


@pytest.mark.parametrize("statistics", [IMAGENET, UNIT, HALVES])
def test_normalise_is_torchvisions_to_the_last_bit(statistics):
    everything = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(3, 2, 256).contiguous()
    image = Image.fromarray(everything.permute(1, 2, 0).numpy())
    mean, std = (row if len(row) == 3 else row * 3 for row in statistics)
    expected = v1.Compose([v1.ToTensor(), v1.Normalize(mean, std)])(image)
    assert torch.equal(normalise(everything, statistics), expected)
    batch = normalise(everything.expand(4, 3, 2, 256), statistics)
    assert torch.equal(batch, expected.expand(4, 3, 2, 256))


def test_normalise_leaves_its_input_and_keeps_the_memory_format():
    images = torch.randint(256, (2, 3, 4, 5), dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    before = images.clone()
    assert normalise(images).is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(images, before)


def test_the_constants():
    assert IMAGENET == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert HALVES == ((0.5,), (0.5,))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: train_transform("wraped"), ValueError, "there is no recipe 'wraped': did you mean 'warped"),
        (lambda: train_transform("mutual_information"), ValueError, "is for cub200, cars196, sop, in-shop; found None"),
        (
            lambda: evaluation_transform("mutual_information", "cifar10"),
            ValueError,
            "found 'cifar10': name one of these",
        ),
        (lambda: train_transform("warped", size=0), ValueError, "size must be at least 1, found 0"),
        (lambda: train_transform("warped", channels=2), ValueError, "channels must be one of None, 1, 3, found 2"),
        (lambda: normalise(torch.zeros(3, 2, 2)), TypeError, "dtype torch.uint8, found torch.float32"),
        (lambda: normalise(photo()), TypeError, "dtype torch.uint8, found Image"),
        (lambda: normalise(torch.zeros(1, 2, 2, dtype=torch.uint8)), ValueError, r"the 3 channels.*found \(1, 2, 2\)"),
        (lambda: normalise(torch.zeros(2, 2, dtype=torch.uint8), UNIT), ValueError, r"found \(2, 2\)"),
        (
            lambda: normalise(torch.zeros(2, 2, 2, dtype=torch.uint8), Statistics((0.5,), (0.1, 0.2, 0.3))),
            ValueError,
            "channels",
        ),
        (lambda: merge_views(torch.zeros(4, 3, 2, 2), torch.zeros(4)), ValueError, r"found \(4, 3, 2, 2\)"),
        (lambda: merge_views(torch.zeros(4, 2, 3, 2, 2), torch.zeros(3)), ValueError, r"shape \(4,\).*found \(3,\)"),
    ],
)
def test_wrong_input_is_refused(make, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_examples():
    assert doctest.testmod(transforms).failed == 0

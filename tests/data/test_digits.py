"""The digits: what they hold, how they are split, what they say of themselves."""

import dataclasses

import pytest
import torch

from dmlkit.data import ImageSplit, digits


@pytest.fixture(scope="module")
def zero_shot():
    return digits()


@pytest.fixture(scope="module")
def plain():
    return digits("plain")


def images_of(half):
    """Each image as one hashable thing."""
    return [tuple(image.flatten().tolist()) for image in half]


@pytest.mark.parametrize("name", ["zero_shot", "plain"])
def test_shapes_types_and_range(name, request):
    split = request.getfixturevalue(name)
    assert len(split.train_images) + len(split.test_images) == 1797
    for images, labels in ((split.train_images, split.train_labels), (split.test_images, split.test_labels)):
        assert images.shape == (len(labels), 1, 8, 8)
        assert images.dtype == torch.float32
        assert labels.dtype == torch.int64
        assert images.min() == 0
        assert images.max() == 1
    assert split.name == f"digits/{name}"
    # Nothing is lost and nothing is in both halves: together they are the whole set, each image as often as there.
    assert sorted(images_of(split.train_images) + images_of(split.test_images)) == sorted(
        images_of(digits("zero_shot").train_images) + images_of(digits("zero_shot").test_images)
    )


def test_zero_shot_tests_on_classes_that_training_never_saw(zero_shot):
    assert zero_shot.train_labels.unique().tolist() == [0, 1, 2, 3, 4]
    assert zero_shot.test_labels.unique().tolist() == [5, 6, 7, 8, 9]
    assert (len(zero_shot.train_images), len(zero_shot.test_images)) == (901, 896)
    assert zero_shot.train_classes == 5


def test_zero_shot_knows_no_chance(zero_shot):
    assert digits(seed=1).checksum == zero_shot.checksum


def test_plain_is_stratified(plain):
    train, test = plain.train_labels.bincount(), plain.test_labels.bincount()
    assert plain.train_classes == len(test) == 10
    share = test / (train + test)
    torch.testing.assert_close(share, torch.full((10,), 0.3), atol=0.005, rtol=0)
    assert len(plain.test_images) == 540


def test_plain_depends_on_the_seed_alone(plain):
    assert digits("plain", seed=0).checksum == plain.checksum
    assert digits("plain", seed=1).checksum != plain.checksum


def test_labels_belong_to_their_images(plain, zero_shot):
    """Both splits give an image the same label. (No two of the images are equal.)"""
    labels = {}
    for split in (zero_shot, plain):
        for images, ys in ((split.train_images, split.train_labels), (split.test_images, split.test_labels)):
            for image, y in zip(images_of(images), ys.tolist(), strict=True):
                assert labels.setdefault(image, y) == y
    assert len(labels) == 1797


def test_unknown_split():
    with pytest.raises(ValueError, match="split must be one of 'zero_shot', 'plain', found 'few_shot'"):
        digits("few_shot")


def test_checksum_is_stable(zero_shot):
    assert digits().checksum == zero_shot.checksum
    assert len(zero_shot.checksum) == 64


@pytest.mark.parametrize("part", ["train_images", "train_labels", "test_images", "test_labels"])
def test_checksum_covers_each_array(zero_shot, part):
    other = getattr(zero_shot, part).clone()
    other.view(-1)[-1] += 1
    assert dataclasses.replace(zero_shot, **{part: other}).checksum != zero_shot.checksum


def test_split_cannot_be_changed(zero_shot):
    with pytest.raises(dataclasses.FrozenInstanceError):
        zero_shot.name = "other"


def test_description(zero_shot, plain):
    lines = str(zero_shot).splitlines()
    assert lines[0] == "digits/zero_shot"
    assert lines[1].split() == "training: 901 images of classes 0–4".split()
    assert lines[2].split() == "test: 896 images of classes 5–9".split()
    assert " ".join(" ".join(lines[3:]).split()) == f"source: {zero_shot.source}"
    assert "CC BY 4.0" in zero_shot.source
    assert max(map(len, lines)) <= 84  # fits the page's code blocks
    assert "training: 1257 images of classes 0–9" in str(plain)


def test_description_names_classes_with_gaps():
    images = torch.zeros(3, 1, 2, 2)
    split = ImageSplit("toy", images, torch.tensor([0, 2, 5]), images, torch.tensor([8, 7, 8]), "Made up.")
    assert "3 images of classes 0, 2, 5\n" in str(split)
    assert "3 images of classes 7–8\n" in str(split)

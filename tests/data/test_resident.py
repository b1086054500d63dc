"""Augmentation on the device against a loop over images, and the promises about batches."""

import doctest
from functools import partial

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dmlkit.data import resident
from dmlkit.data.images import Files, ImageSet, Pixels
from dmlkit.data.resident import Augmentation, Resident, augmented, draw
from dmlkit.data.samplers import ClassBalanced, Sequential, Shuffled
from dmlkit.data.transforms import HALVES, IMAGENET, UNIT, evaluation_transform

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]


def pictures(count=12, channels=3, height=9, width=7):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def by_loop(image, drawn, how, statistics):
    """One image (C, H, W), pixel by pixel."""
    top, left, flip, row, column = (part.item() for part in drawn)
    channels, height, width = image.shape
    pixels = image.cpu().numpy()
    cropped = np.zeros_like(pixels)
    for y in range(height):
        for x in range(width):
            a, b = y + top - how.padding, x + left - how.padding
            if 0 <= a < height and 0 <= b < width:
                cropped[:, y, x] = pixels[:, a, b]
    flipped = cropped[:, :, ::-1] if flip else cropped
    mean, std = (row if len(row) == channels else row * channels for row in statistics)
    result = np.zeros((channels, height, width))
    for c in range(channels):
        result[c] = (flipped[c] / 255.0 - mean[c]) / std[c]
    for y in range(row - how.cutout // 2, row - how.cutout // 2 + how.cutout):
        for x in range(column - how.cutout // 2, column - how.cutout // 2 + how.cutout):
            if 0 <= y < height and 0 <= x < width:
                result[:, y, x] = 0
    return torch.from_numpy(result)


@given(
    st.integers(1, 3).filter(lambda c: c != 2),
    st.integers(1, 8),
    st.integers(1, 8),
    st.integers(0, 9),
    st.integers(0, 10),
    st.sampled_from([0.0, 0.5, 1.0]),
    st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_against_a_loop(channels, height, width, padding, cutout, flip, seed):
    images, how = pictures(6, channels, height, width), Augmentation(padding, flip, cutout)
    statistics = IMAGENET if channels == 3 else HALVES
    places = torch.tensor([4, 0, 0, 5, 2])
    drawn = draw(5, height, width, how, torch.Generator().manual_seed(seed))
    found = augmented(images.permute(0, 2, 3, 1).contiguous(), places, drawn, how, statistics)
    assert found.dtype == torch.float32
    for row, place in enumerate(places.tolist()):
        expected = by_loop(images[place], [part[row] for part in drawn], how, statistics)
        assert torch.allclose(found[row].double(), expected, atol=1e-6)


@pytest.mark.parametrize("device", DEVICES)
def test_the_same_on_every_device_given_the_draw(device):
    images, how = pictures(), Augmentation(2, 0.5, 3)
    drawn = draw(12, 9, 7, how, torch.Generator().manual_seed(0))
    stored, places = images.permute(0, 2, 3, 1).contiguous(), torch.arange(12)
    there = augmented(stored.to(device), places.to(device), type(drawn)(*(d.to(device) for d in drawn)), how)
    assert torch.allclose(there.cpu(), augmented(stored, places, drawn, how), atol=1e-6)


def test_draws_cover_all_places_evenly():
    """χ² below its 99.99 % point; the seed is fixed."""
    how, count = Augmentation(padding=2, flip=0.25, cutout=1), 7000
    drawn = draw(count, 9, 7, how, torch.Generator().manual_seed(1))
    for part, places, limit in (
        (drawn.top, 5, 23.5),
        (drawn.left, 5, 23.5),
        (drawn.row, 9, 31.8),
        (drawn.column, 7, 28),
    ):
        counts = part.bincount(minlength=places).double()
        assert len(counts) == places
        assert ((counts - count / places) ** 2 / (count / places)).sum() < limit
    assert abs(drawn.flip.double().mean() - 0.25) < 4 * (0.25 * 0.75 / count) ** 0.5


@pytest.mark.parametrize("statistics", [IMAGENET, UNIT])
def test_without_augmentation_it_is_torchvisions_normalisation(statistics):
    images, labels = pictures(), torch.arange(12) % 5
    mean, std = (row if len(row) == 3 else row * 3 for row in statistics)
    steps = v1.Compose([v1.ToTensor(), v1.Normalize(mean, std)])
    sampler = Shuffled(12, 5, drop_last=False)
    found = list(Resident(images, labels).batches(sampler, statistics=statistics))
    assert len(found) == 3
    for (batch, of), numbers in zip(found, sampler, strict=True):
        assert of.tolist() == labels[numbers].tolist()
        expected = [steps(Image.fromarray(images[i].permute(1, 2, 0).numpy())) for i in numbers]
        assert torch.equal(batch, torch.stack(expected))


def all_batches(count=12, *, sampler=None, how=None, **options):
    how = Augmentation(padding=2, cutout=3) if how is None else how
    kept = Resident(pictures(count), torch.arange(count) % 4)
    return list(kept.batches(Sequential(count, 5) if sampler is None else sampler, how, **options))


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for left, right in zip(first, second, strict=True) for a, b in zip(left, right, strict=True)
    )


def test_seed_epoch_and_position_determine_a_batch():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    whole = all_batches(epoch=2, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert equal(whole, all_batches(epoch=2, seed=1))
    assert equal(whole[1:], all_batches(epoch=2, seed=1, start=1))
    assert all_batches(start=3) == []
    for other in ({"epoch": 3, "seed": 1}, {"epoch": 2, "seed": 0}):
        for (ours, _), (theirs, _) in zip(whole, all_batches(**other), strict=True):
            assert not torch.equal(ours, theirs)


def test_the_samplers_epoch_is_set():
    sampler = ClassBalanced(torch.arange(12) % 4, 2, 2)
    found = all_batches(sampler=sampler, epoch=3)
    assert sampler.epoch == 3
    assert [labels.tolist() for _, labels in found] == [[i % 4 for i in batch] for batch in sampler]


def test_two_views_are_two_draws_in_order():
    images, labels = pictures(), torch.arange(12)
    how = Augmentation(padding=0, flip=0.5)
    (found, repeated), *_ = Resident(images, labels).batches(Sequential(12, 12), how, views=2, statistics=UNIT)
    assert repeated.tolist() == [*range(12), *range(12)]
    straight = images.float() / 255
    flips = []
    for row in range(24):
        original = straight[row % 12]
        flips.append(torch.equal(found[row], original.flip(2)))
        assert flips[-1] or torch.equal(found[row], original)
    assert flips[:12] != flips[12:]


def test_memory_formats_hold_the_same_numbers():
    plain, last = all_batches(), all_batches(channels_last=True)
    assert equal(plain, last)
    assert all(batch.is_contiguous() for batch, _ in plain)
    assert all(batch.is_contiguous(memory_format=torch.channels_last) for batch, _ in last)


def test_an_augmentation_leaves_the_stored_images():
    kept = Resident(pictures(), torch.arange(12))
    before = kept.pixels.clone()
    list(kept.batches(Sequential(12, 5), Augmentation(cutout=4)))
    assert torch.equal(kept.pixels, before)
    assert len(kept) == 12


@pytest.mark.parametrize("shape", [(6, 9, 7), (6, 9, 7, 3)], ids=["grey", "colour"])
def test_a_set_of_pixels(shape):
    pixels = torch.randint(256, shape, dtype=torch.uint8)
    images = ImageSet(Pixels(pixels), torch.arange(6), tuple("abcdef")).subset([5, 0, 3])
    kept = Resident(images)
    assert kept.labels.tolist() == [5, 0, 3]
    assert torch.equal(kept.pixels, pixels[[5, 0, 3]].reshape(3, 9, 7, -1))


def test_a_set_of_files_is_read_once(tmp_path):
    for number in range(3):
        Image.new("RGB", (12 + number, 10), (number, 50, 200)).save(tmp_path / f"{number}.png")
    images = ImageSet(Files(tmp_path, [f"{n}.png" for n in range(3)]), torch.arange(3), tuple("abc"))
    kept = Resident(images.with_transform(evaluation_transform("warped", size=8)))
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    ((batch, labels),) = kept.batches(Sequential(3, 3), statistics=UNIT)
    assert batch.shape == (3, 3, 8, 8)
    assert torch.equal(batch[:, 0, 4, 4], labels / 255)
    sizes = partial(Image.Image.resize, size=(4, 4))
    with pytest.raises(ValueError, match="must have a transform that makes uint8 tensors"):
        Resident(images)
    for number in range(3):
        Image.new("RGB", (12 + number, 10)).save(tmp_path / f"{number}.png")
    with pytest.raises(TypeError, match="dtype torch.uint8, found Image"):
        Resident(images.with_transform(sizes))
    with pytest.raises(ValueError, match=r"of one shape, found \(3, 10, 12\) and \(3, 10, 13\)"):
        Resident(images.with_transform(evaluation_transform("plain")))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: Resident(torch.zeros(2, 3, 4, 4), torch.zeros(2).long()), TypeError, "uint8, found torch.float32"),
        (lambda: Resident(pictures().numpy(), torch.arange(12)), TypeError, "uint8, found ndarray"),
        (lambda: Resident(pictures()[0], torch.arange(3)), ValueError, r"\(N, C, H, W\).*found \(3, 9, 7\)"),
        (lambda: Resident(pictures(0), torch.arange(0)), ValueError, r"not be empty, found \(0, 3, 9, 7\)"),
        (lambda: Resident(pictures(), torch.arange(11)), ValueError, r"labels must have shape \(12,\).*found \(11,\)"),
        (lambda: Resident(pictures(), torch.rand(12)), TypeError, "labels must have an integer dtype"),
        (
            lambda: Resident(
                ImageSet(Pixels(torch.zeros(1, 2, 2, dtype=torch.uint8)), torch.zeros(1), ("a",)), torch.zeros(1).long()
            ),
            ValueError,
            "labels must be left out for an ImageSet",
        ),
        (lambda: Augmentation(padding=-1), ValueError, "padding must be at least 0, found -1"),
        (lambda: Augmentation(cutout=1.5), TypeError, "cutout must be an integer, found float"),
        (lambda: Augmentation(flip=1.5), ValueError, "flip must be at most 1, found 1.5"),
        (lambda: all_batches(views=0), ValueError, "views must be at least 1, found 0"),
        (lambda: all_batches(epoch=-1), ValueError, "epoch must be at least 0, found -1"),
        (lambda: all_batches(seed=-1), ValueError, "seed must be at least 0, found -1"),
        (lambda: all_batches(start=4), ValueError, "start must be at most 3, the number of batches, found 4"),
    ],
)
def test_wrong_input_is_refused(make, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_batches_refuses_before_the_first_batch():
    with pytest.raises(ValueError, match="views"):
        Resident(pictures(), torch.arange(12)).batches(Sequential(12, 5), views=0)


def test_examples():
    assert doctest.testmod(resident).failed == 0

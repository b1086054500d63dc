"""The loader: one batch for one seed and epoch, whatever reads it; and the arithmetic on the way to the network."""

import doctest
import random
from functools import partial

import numpy as np
import pytest
import torch
import torchvision.transforms as v1
from PIL import Image
from torch.utils.data import BatchSampler, SequentialSampler
from torchvision.transforms import v2

from dmlkit.data import loading
from dmlkit.data.errors import DataError
from dmlkit.data.images import Files, ImageSet, Pixels
from dmlkit.data.loading import loader
from dmlkit.data.samplers import ClassBalanced, Sequential, Shuffled
from dmlkit.data.transforms import HALVES, IMAGENET, TwoViews, evaluation_transform, merge_views, train_transform

COUNT = 26


def images(transform=None):
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (COUNT, 20, 24, 3), dtype=torch.uint8, generator=generator)
    return ImageSet(Pixels(pixels), torch.arange(COUNT) % 4, tuple("abcd"), transform)


AUGMENTED = train_transform("supcon", size=12)


def batches(workers=0, epoch=0, start=0, transform=AUGMENTED, sampler=None, **options):
    if sampler is None:
        sampler = ClassBalanced(images().labels, 2, 3)
    found = loader(images(transform), sampler, workers=workers, **options)
    found.set_epoch(epoch, start)
    return list(found)


def equal(first, second):
    return len(first) == len(second) and all(
        torch.equal(a, b) for left, right in zip(first, second, strict=True) for a, b in zip(left, right, strict=True)
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(workers):
    """Also with other orders of work: two epochs from one set of workers that live on."""
    alone, busy = (loader(images(TwoViews(AUGMENTED)), Shuffled(COUNT, 5), workers=w, seed=3) for w in (0, workers))
    for epoch in (0, 1):
        alone.set_epoch(epoch)
        busy.set_epoch(epoch)
        found = list(alone)
        assert found[0][0].shape == (10, 3, 12, 12)
        assert equal(found, list(busy))


def test_seed_and_epoch_change_the_augmentation_of_the_same_images():
    def of(**options):
        return torch.cat([pictures for pictures, _ in batches(sampler=Sequential(COUNT, 5), **options)])

    first = of()
    assert torch.equal(first, of())
    for other in (of(epoch=1), of(seed=1)):
        assert (first != other).flatten(1).any(dim=1).float().mean() > 0.9
    # Two images of one batch are augmented differently, too.
    same = ImageSet(Pixels(images().store.pixels[:1].expand(COUNT, -1, -1, -1)), torch.zeros(COUNT), ("a",), AUGMENTED)
    ((pictures, _),) = loader(same, Sequential(COUNT, COUNT))
    assert len(pictures.flatten(1).unique(dim=0)) > COUNT // 2


@pytest.mark.parametrize(
    "sampler", [Shuffled(COUNT, 4, seed=2), BatchSampler(SequentialSampler(range(COUNT)), 4, True)]
)
def test_resuming_gives_the_same_remaining_batches(sampler):
    whole = batches(epoch=5, sampler=sampler)
    for start in (1, 4, len(whole)):
        assert equal(whole[start:], batches(epoch=5, start=start, sampler=sampler))


def test_resuming_is_for_one_epoch():
    sampler = Shuffled(COUNT, 4)
    resumed = loader(images(AUGMENTED), sampler, start=4)
    assert (len(resumed), len(list(resumed)), len(list(resumed)), len(resumed)) == (2, 2, 6, 6)
    resumed.set_epoch(1, start=5)
    resumed.set_epoch(2)
    assert len(list(resumed)) == 6


def test_the_samplers_epoch_is_set_with_the_loaders():
    sampler = ClassBalanced(images().labels, 2, 3)
    found = batches(epoch=4, sampler=sampler)
    assert sampler.epoch == 4
    sampler.set_epoch(4)
    assert [labels.tolist() for _, labels in found] == [images().labels[batch].tolist() for batch in sampler]
    # A sampler that stands in an epoch already keeps it.
    assert equal(found, list(loader(images(AUGMENTED), sampler)))


def test_ranks_have_the_batch_of_a_single_process():
    labels = images().labels
    whole = batches(sampler=ClassBalanced(labels, 4, 3))
    parts = [batches(sampler=ClassBalanced(labels, 4, 3, rank=rank, world_size=2)) for rank in (0, 1)]
    joined = [tuple(torch.cat(pair) for pair in zip(*ranks, strict=True)) for ranks in zip(*parts, strict=True)]
    assert equal(whole, joined)


@pytest.mark.parametrize("workers", [0, 1])
def test_the_callers_random_states_are_left_alone(workers):
    torch.manual_seed(98)  # a state that no earlier batch can have left
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = batches(workers)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert (np.random.get_state()[1] == states[2]).all()  # noqa: NPY002
    torch.manual_seed(99)
    assert equal(found, batches(workers))


@pytest.mark.parametrize("workers", [0, 2])
def test_against_a_plain_loop(workers):
    """Torchvision's own steps for each image, one after the other."""
    sampler = ClassBalanced(images().labels, 2, 3, seed=8)
    steps = v1.Compose([v1.Resize(18), v1.CenterCrop(16), v1.ToTensor(), v1.Normalize(*IMAGENET)])
    found = batches(workers, transform=evaluation_transform("warped", size=16), sampler=sampler)
    for (pictures, labels), batch in zip(found, sampler, strict=True):
        assert labels.tolist() == [i % 4 for i in batch]
        assert torch.equal(pictures, torch.stack([steps(images().image(i)) for i in batch]))


def test_views_statistics_and_memory_format():
    sampler = Sequential(COUNT, 5)
    raw = list(loader(images(TwoViews(AUGMENTED)), sampler, statistics=None))
    ready = list(loader(images(TwoViews(AUGMENTED)), sampler, statistics=HALVES, channels_last=True))
    for (pixels, labels), (pictures, repeated) in zip(raw, ready, strict=True):
        assert pixels.dtype == torch.uint8
        assert torch.equal(pictures, (pixels.float() / 255 - 0.5) / 0.5)
        assert pictures.is_contiguous(memory_format=torch.channels_last)
        assert torch.equal(labels, repeated)
        half = len(labels) // 2
        assert torch.equal(labels[:half], labels[half:])
        assert not torch.equal(pixels[:half], pixels[half:])
        views = pixels.view(2, half, *pixels.shape[1:]).transpose(0, 1)
        assert torch.equal(merge_views(views, labels[:half])[0], pixels)


def test_an_empty_part_has_no_batches():
    assert batches(sampler=Sequential(2, 1, rank=0, world_size=3)) == []


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    broken = ImageSet(Files(tmp_path, ["a.png", "b.png"]), torch.zeros(2), ("a",), evaluation_transform("plain"))
    for workers in (0, 1):
        with pytest.raises(DataError, match=r"b\.png cannot be read") as caught:
            list(loader(broken, Sequential(2, 2), workers=workers))
        assert "\n" not in str(caught.value)


def of_two_sizes(image):
    return torch.zeros(3, 2 + image.size[0] % 2 + image.getpixel((0, 0))[0] % 2, 3, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (partial(batches, transform=None), ValueError, "images must have a transform that makes tensors.*found none"),
        (partial(batches, transform=v2.Identity()), ValueError, "must make tensors of one shape, found Image"),
        (partial(batches, transform=of_two_sizes), ValueError, r"of one shape, found \(3, 2, 3\), \(3, 3, 3\)"),
        (partial(batches, transform=v2.Compose([v2.PILToTensor(), v2.ToDtype(torch.float32)])), TypeError, "uint8"),
        (partial(batches, -1), ValueError, "workers must be at least 0, found -1"),
        (partial(batches, seed=0.5), TypeError, "seed must be an integer, found float"),
        (partial(batches, start=-1), ValueError, "start must be at least 0, found -1"),
        (partial(batches, start=5), ValueError, "start must be at most 4, the number of batches, found 5"),
        (partial(batches, epoch=-1), ValueError, "epoch must be at least 0, found -1"),
    ],
)
def test_wrong_input_is_refused(make, error, sentence):
    with pytest.raises(error, match=sentence):
        make()


def test_seeds_of_neighbours_differ():
    seeds = {loading.seed_of(a, b, c) & 0xFFFFFFFF for a in range(10) for b in range(10) for c in range(100)}
    assert len(seeds) > 9_990  # of the 32 bits that torch's generator takes


def test_examples():
    assert doctest.testmod(loading).failed == 0

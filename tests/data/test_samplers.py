"""Batch samplers: every promise checked batch by batch with slow loops, over many shapes."""

import doctest
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

from dmlkit.data import samplers
from dmlkit.data.samplers import ClassBalanced, Sequential, Shuffled


@st.composite
def shapes(draw):
    """Labels with gaps between the classes, in random order, and a batch that is possible."""
    sizes = draw(st.lists(st.integers(1, 9), min_size=1, max_size=7))
    labels = [3 * label + 1 for label, size in enumerate(sizes) for _ in range(size)]
    labels = draw(st.permutations(labels))
    classes = draw(st.integers(1, len(sizes)))
    images = draw(st.integers(1, 6))
    return torch.tensor(labels), classes, images, draw(st.integers(1, 25)), draw(st.integers(0, 2**40))


def check_balance(batches, labels, classes, images, used):
    """Every promise of the docstring, by loops; `used` are the classes that may appear."""
    of_class = {label: [i for i, found in enumerate(labels.tolist()) if found == label] for label in used}
    walks = {label: [] for label in used}
    drawn = []
    for batch in batches:
        assert len(batch) == classes * images
        found = [labels[batch[k * images]].item() for k in range(classes)]
        assert len(set(found)) == classes
        assert set(found) <= set(used)
        drawn += found
        for k, label in enumerate(found):
            rows = batch[k * images : (k + 1) * images]
            assert {labels[row].item() for row in rows} == {label}
            counts = Counter(rows)
            size = len(of_class[label])
            if size >= images:
                assert len(counts) == images
                walks[label] += rows
            else:
                assert len(counts) == size
                assert max(counts.values()) - min(counts.values()) <= 1
    for start in range(0, len(drawn), len(used)):
        cycle = drawn[start : start + len(used)]
        assert len(set(cycle)) == len(cycle)
    for label, rows in walks.items():
        size = len(of_class[label])
        for start in range(0, len(rows), size):
            cycle = rows[start : start + size]
            assert len(set(cycle)) == len(cycle)
            assert len(cycle) < size or set(cycle) == set(of_class[label])


@given(shapes())
@settings(max_examples=150, deadline=None)
def test_every_promise(shape):
    labels, classes, images, batches, seed = shape
    sampler = ClassBalanced(labels, classes, images, batches=batches, seed=seed)
    found = list(sampler)
    assert len(found) == len(sampler) == batches
    check_balance(found, labels, classes, images, labels.unique().tolist())


@given(shapes())
@settings(max_examples=80, deadline=None)
def test_small_classes_are_skipped(shape):
    labels, classes, images, batches, seed = shape
    large = [label for label in labels.unique().tolist() if (labels == label).sum() >= images]

    def make():
        return ClassBalanced(labels, classes, images, batches=batches, seed=seed, small_classes="skip")

    if len(large) < classes:
        with pytest.raises(ValueError, match=f"classes_per_batch must be at most {len(large)}.*found {classes}"):
            make()
    else:
        check_balance(list(make()), labels, classes, images, large)


@given(shapes(), st.integers(1, 3), st.integers(0, 5))
@settings(max_examples=80, deadline=None)
def test_ranks_make_up_the_batch(shape, world_size, epoch):
    labels, _, images, batches, seed = shape
    classes = len(labels.unique()) // world_size * world_size
    if not classes:
        return

    def of(**rank):
        sampler = ClassBalanced(labels, classes, images, batches=batches, seed=seed, **rank)
        sampler.set_epoch(epoch)
        return list(sampler.numbered())

    parts = [of(rank=rank, world_size=world_size) for rank in range(world_size)]
    for b, (start, whole) in enumerate(of()):
        assert [i for part in parts for i in part[b][1]] == whole
        for k, part in enumerate(parts):
            assert part[b][0] == start + k * len(whole) // world_size
            assert len(part[b][1]) == classes // world_size * images


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 4), st.booleans(), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_shuffled(size, part, world_size, drop_last, epoch):
    batch_size = part * world_size

    def of(**rank):
        sampler = Shuffled(size, batch_size, drop_last=drop_last, seed=4, **rank)
        sampler.set_epoch(epoch)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    if (drop_last and size < batch_size) or (not drop_last and size % batch_size % world_size):
        with pytest.raises(ValueError, match=r"batch_size must be at most|drop_last=False needs"):
            of(rank=world_size - 1, world_size=world_size)
        return
    whole = of()
    parts = [of(rank=rank, world_size=world_size) for rank in range(world_size)]
    assert [[i for part in parts for i in part[b]] for b in range(len(whole))] == whole
    assert all(len({len(part[b]) for part in parts}) == 1 for b in range(len(whole)))
    seen = [i for batch in whole for i in batch]
    assert len(set(seen)) == len(seen)
    assert set(seen) <= set(range(size))
    assert len(seen) == (size // batch_size * batch_size if drop_last else size)
    assert all(len(batch) == batch_size for batch in whole[: size // batch_size])


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 8))
@settings(max_examples=100, deadline=None)
def test_sequential(size, batch_size, world_size):
    parts = [Sequential(size, batch_size, rank, world_size) for rank in range(world_size)]
    assert [i for part in parts for batch in part for i in batch] == list(range(size))
    lengths = [sum(map(len, part)) for part in parts]
    assert max(lengths) - min(lengths) <= 1
    for part in parts:
        assert len(part) == len(list(part))
        assert all(len(batch) == batch_size for batch in list(part)[:-1])
        assert all(batch[0] == start for start, batch in part.numbered())


MAKERS = {
    "balanced": lambda **o: ClassBalanced(torch.arange(60) % 10, 4, 3, **o),
    "small": lambda **o: ClassBalanced(torch.arange(20) % 10, 4, 3, **o),
    "shuffled": lambda **o: Shuffled(60, 12, **o),
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_seed_and_epoch_determine_the_order(make):
    sampler, same, other = make(seed=1), make(seed=1), make(seed=2)
    first = list(sampler)
    assert list(sampler) == list(same) == first != list(other)
    sampler.set_epoch(1)
    assert list(sampler) != first
    other.set_epoch(1)
    assert list(sampler) != list(other)
    sampler.set_epoch(0)
    assert list(sampler) == first


def test_global_random_states_are_neither_read_nor_moved():
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the state that must not be touched
    before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    found = list(MAKERS["balanced"]())
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002
    torch.manual_seed(1)
    assert list(MAKERS["balanced"]()) == found


def chi_square(counts, expected):
    counts = np.asarray(counts, dtype=float)
    return ((counts - expected) ** 2 / expected).sum()


def test_no_class_or_place_is_preferred():
    """χ² below its 99.99 % point, also in batches that stretch over two permutations; seeds are fixed."""
    labels = torch.arange(35) % 5
    firsts, pairs, images, in_second = Counter(), Counter(), Counter(), Counter()
    for seed in range(1500):
        batch, second = list(ClassBalanced(labels, 3, 4, batches=2, seed=seed))
        found = [labels[i].item() for i in batch[::4]]
        firsts[found[0]] += 1
        pairs[tuple(sorted(found))] += 1
        images[batch[0]] += 1
        in_second[labels[second[8]].item()] += 1
    assert chi_square([firsts[c] for c in range(5)], 300) < 23.5
    assert len(pairs) == 10
    assert chi_square(list(pairs.values()), 150) < 33.7
    assert chi_square([images[i] for i in range(35)], 1500 / 35) < 76
    assert chi_square([in_second[c] for c in range(5)], 300) < 23.5


def test_after_a_draw_over_the_end_the_rest_is_evenly_mixed():
    """Five images, draws of three: the second draw is two of one permutation and one of the next; the third draw must
    not tell which images stood where in the permutation before."""
    thirds = Counter()
    for seed in range(1600):
        _, second, third = ClassBalanced([0] * 5, 1, 3, batches=3, seed=seed)
        # The images of the second draw that belong to the old permutation, against the new one's first.
        old = set(second[:2])
        thirds[sum(i in old for i in third)] += 1
    # Of the four images besides the new first one three are drawn: both old ones in half of the cases, one in half.
    assert thirds[1] + thirds[2] == 1600
    assert abs(thirds[1] - 800) < 4 * 1600**0.5 / 2


def test_the_remainder_of_a_small_class_is_random():
    """Two images, three a batch: which of the two comes twice is a fair coin."""
    batches = list(ClassBalanced([0, 0], 1, 3, batches=2000, seed=0))
    twice = sum(batch.count(0) == 2 for batch in batches)
    assert abs(twice - 1000) < 4 * 2000**0.5 / 2


def test_the_default_epoch_is_as_long_as_the_data():
    assert len(ClassBalanced(torch.arange(103) % 10, 5, 2)) == 10
    assert len(ClassBalanced(torch.arange(10), 10, 4)) == 1


def test_in_a_data_loader():
    data = TensorDataset(torch.arange(40), torch.arange(40) % 8)
    sampler = ClassBalanced(data.tensors[1], 4, 3, seed=1)
    loaded = [(numbers.tolist(), labels.tolist()) for numbers, labels in DataLoader(data, batch_sampler=sampler)]
    assert loaded == [(batch, [i % 8 for i in batch]) for batch in sampler]
    assert len(DataLoader(data, batch_sampler=sampler)) == len(sampler)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64])
def test_integer_labels_of_any_kind(dtype):
    labels = torch.arange(40) % 8
    assert list(ClassBalanced(labels.to(dtype), 4, 3)) == list(ClassBalanced(labels.tolist(), 4, 3))


@pytest.mark.parametrize(
    ("make", "error", "sentence"),
    [
        (lambda: ClassBalanced([0, 0, 1], 3, 2), ValueError, "classes_per_batch must be at most 2, .*, found 3"),
        (lambda: ClassBalanced([0, 1], 0, 2), ValueError, "classes_per_batch must be at least 1, found 0"),
        (lambda: ClassBalanced([0, 1], 2, 0), ValueError, "images_per_class must be at least 1, found 0"),
        (lambda: ClassBalanced([0, 1], -1, 2), ValueError, "classes_per_batch must be at least 1, found -1"),
        (lambda: ClassBalanced([0, 1], 2, 2, batches=0), ValueError, "batches must be at least 1, found 0"),
        (lambda: ClassBalanced([0, 1], 2.0, 2), TypeError, "classes_per_batch must be an integer, found float"),
        (lambda: ClassBalanced([0, 1], True, 2), TypeError, "classes_per_batch must be an integer, found bool"),
        (lambda: ClassBalanced([0.0, 1.0], 2, 2), TypeError, "labels must have an integer dtype, found torch.float32"),
        (lambda: ClassBalanced([[0, 1]], 2, 2), ValueError, r"labels must have shape \(2,\)"),
        (
            lambda: ClassBalanced(torch.empty(0, dtype=torch.int64), 1, 1),
            ValueError,
            "at most 0, the number of classes with images, found 1",
        ),
        (lambda: ClassBalanced([0, 1], 2, 2, small_classes="drop"), ValueError, "small_classes must be one of"),
        (lambda: ClassBalanced([0, 1, 2], 3, 2, world_size=2), ValueError, "must be a multiple of world_size 2"),
        (lambda: ClassBalanced([0, 1], 2, 2, rank=2, world_size=2), ValueError, "rank must lie in 0 … 1, found 2"),
        (lambda: ClassBalanced([0, 1], 2, 2, seed=-1), ValueError, "seed must be at least 0, found -1"),
        (lambda: ClassBalanced([0, 1], 2, 2).set_epoch(-1), ValueError, "epoch must be at least 0, found -1"),
        (lambda: ClassBalanced([0, 1], 2, 2).set_epoch(0.5), TypeError, "epoch must be an integer, found float"),
        (lambda: Shuffled(0, 1), ValueError, "size must be at least 1, found 0"),
        (lambda: Shuffled(5, 0), ValueError, "batch_size must be at least 1, found 0"),
        (lambda: Shuffled(5, 6), ValueError, "batch_size must be at most 5, the number of images, .*, found 6"),
        (lambda: Shuffled(9, 3, world_size=2), ValueError, "batch_size must be a multiple of world_size 2, found 3"),
        (lambda: Shuffled(9, 4, drop_last=False, world_size=2), ValueError, "that 2 ranks can share, found one of 1"),
        (lambda: Sequential(0, 1), ValueError, "size must be at least 1, found 0"),
        (lambda: Sequential(5, -1), ValueError, "batch_size must be at least 1, found -1"),
        (lambda: Sequential(5, 1, -1), ValueError, "rank must be at least 0, found -1"),
        (lambda: Sequential(5, 1, 0, 0), ValueError, "world_size must be at least 1, found 0"),
    ],
)
def test_impossible_shapes_are_refused(make, error, sentence):
    with pytest.raises(error, match=sentence) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_examples():
    assert doctest.testmod(samplers).failed == 0

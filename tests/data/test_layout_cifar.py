"""CIFAR-10 and CIFAR-100: the miniatures, torchvision's own classes, damaged batches and pickles that run code."""

import os
import pickle

import numpy
import pytest
from damaged import drawn, entry_named, refused
from torchvision.datasets import CIFAR10, CIFAR100

from dmlkit.data.entries import general
from dmlkit.data.layouts import cifar
from dmlkit.data.layouts.common import Count, Drawing

KINDS = {"cifar10": CIFAR10, "cifar100": CIFAR100}
each = pytest.mark.parametrize("name", KINDS)


def change(path, **entries):
    """Other entries in a batch; None removes one."""
    content = pickle.loads(path.read_bytes()) | entries
    path.write_bytes(pickle.dumps({key: value for key, value in content.items() if value is not None}, protocol=3))


@each
def test_miniature(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, splits = drawn(entry, tmp_path)
    assert counts == {"train": Count(48, 8), "test": Count(24, 8)}
    assert splits["train"].store is splits["test"].store
    assert splits["test"].classes[7] == "drawn_7"
    found = {"train": set(), "test": set()}
    for split, images in splits.items():
        for image, label in images:
            errors = [
                numpy.abs(numpy.asarray(image, int) - numpy.asarray(entry.miniature.image(label, number), int)).mean()
                for number in range(9)
            ]
            assert min(errors) == 0
            found[split].add((label, errors.index(0)))
    # No image twice, and none in both splits.
    assert found["train"] == {(label, number) for label in range(8) for number in range(6)}
    assert found["test"] == {(label, number) for label in range(8) for number in range(6, 9)}


@each
@pytest.mark.parametrize("train", [True, False])
def test_torchvision(name, train, tmp_path, monkeypatch):
    """Its own class, where it asks for no checksums, has the same images, labels and names."""
    entry, kind = entry_named(general.ENTRIES, name), KINDS[name]
    _, splits = drawn(entry, tmp_path)
    monkeypatch.setattr("torchvision.datasets.cifar.check_integrity", lambda path, md5=None: True)
    theirs, ours = kind(tmp_path, train=train), splits["train" if train else "test"]
    assert theirs.targets == ours.labels.tolist()
    assert tuple(theirs.classes) == ours.classes
    assert all(numpy.array_equal(a[0], b[0]) for a, b in zip(theirs, ours, strict=True))


def test_fewer_images_than_batches(tmp_path):
    assert cifar.draw_cifar10(tmp_path, Drawing(classes=2, per_class=1)) == {"train": Count(2, 2), "test": Count(2, 2)}
    assert {name: len(split) for name, split in cifar.read_cifar10(tmp_path).items()} == {"train": 2, "test": 2}


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_missing_or_cut_off(file, tmp_path):
    entry = entry_named(general.ENTRIES, "cifar10")
    counts, _ = drawn(entry, tmp_path)
    path = tmp_path / "cifar-10-batches-py" / file
    whole = path.read_bytes()
    for half in (whole[: len(whole) // 2], b"", b"<html>"):
        path.write_bytes(half)
        refused(entry, tmp_path, counts, path, "it is no whole pickle")
    path.unlink()
    refused(entry, tmp_path, counts, path, "is missing")


@pytest.mark.parametrize(
    ("file", "entries", "says"),
    [
        ("test_batch", {"labels": [8] * 24}, "test image 0 has the label 8, not in 0 … 7"),
        ("data_batch_1", {"labels": [0] * 9 + [-1]}, "training image 9 has the label -1"),
        ("data_batch_1", {"labels": ["a"] * 10}, "training image 0 has the label 'a'"),
        ("data_batch_1", {"labels": [0] * 9}, "48 training images and 47 labels"),
        ("data_batch_1", {"labels": None}, "cannot read it"),
        ("data_batch_1", {"data": None}, "cannot read it"),
        ("data_batch_1", {"data": numpy.zeros((10, 3071), numpy.uint8)}, "cannot read it"),
        ("data_batch_1", {"data": numpy.zeros((9, 3072), numpy.uint8)}, "47 training images and 48 labels"),
        ("batches.meta", {"label_names": None}, "cannot read it"),
        ("batches.meta", {"label_names": ["a"] * 7}, "not in 0 … 6"),
        ("data_batch_1", {"labels": [0] * 9, "data": numpy.zeros((9, 3072), numpy.uint8)}, "train must have 48 images"),
    ],
)
def test_contradictions(file, entries, says, tmp_path):
    entry = entry_named(general.ENTRIES, "cifar10")
    counts, _ = drawn(entry, tmp_path)
    change(tmp_path / "cifar-10-batches-py" / file, **entries)
    refused(entry, tmp_path, counts, tmp_path, says)


class _Hostile:
    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("protocol", range(6))
def test_code_in_a_pickle_does_not_run(protocol, tmp_path):
    """A folder that lies somewhere was checked by no checksum, and torchvision would run what its batches say."""
    entry, mark = entry_named(general.ENTRIES, "cifar10"), tmp_path / "it-ran"
    counts, _ = drawn(entry, tmp_path)
    path = tmp_path / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(pickle.dumps(_Hostile(mark), protocol=protocol))
    refused(entry, tmp_path, counts, path, "it would run")
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists()  # the pickle was a real one

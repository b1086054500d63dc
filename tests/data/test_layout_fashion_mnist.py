"""Fashion-MNIST: the miniature, torchvision, damaged IDX files, and the official files."""

import gzip
import shutil

import numpy
import pytest
import torch
from damaged import drawn, entry_named, refused
from torchvision.datasets import FashionMNIST

from dmlkit.data.entries import general
from dmlkit.data.layouts import fashion_mnist
from dmlkit.data.layouts.common import Count
from dmlkit.data.places import packs_folder
from dmlkit.data.prepare import check_splits, prepare

ENTRY = entry_named(general.ENTRIES, "fashion-mnist")
IMAGES, LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the official files are not here")


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(60, 10), "test": Count(30, 10)}
    assert splits["train"].store is splits["test"].store
    assert splits["train"].classes[9] == "Ankle boot"
    for split, first in (("train", 0), ("test", 6)):
        for n, (image, label) in enumerate(splits[split]):
            assert label == n % 10
            assert image.mode == "L"
            expected = ENTRY.miniature.image(label, first + n // 10, grey=True)
            assert numpy.array_equal(image, expected)


@pytest.mark.parametrize("train", [True, False])
def test_torchvision(train, tmp_path):
    _, splits = drawn(ENTRY, tmp_path)
    theirs, ours = FashionMNIST(tmp_path, train=train), splits["train" if train else "test"]
    assert torch.equal(theirs.targets, ours.labels)
    assert tuple(theirs.classes) == ours.classes
    assert all(numpy.array_equal(a[0], b[0]) for a, b in zip(theirs, ours, strict=True))


def test_labels_of_each_split(tmp_path):
    """The drawn labels of both begin alike; these do not."""
    ENTRY.draw(tmp_path, ENTRY.miniature)
    path = tmp_path / fashion_mnist.FOLDER / LABELS
    path.write_bytes(path.read_bytes()[:-30] + bytes([7] * 30))
    splits = ENTRY.read(tmp_path)
    assert splits["train"].labels.tolist() == list(range(10)) * 6
    assert splits["test"].labels.tolist() == [7] * 30


def test_unzip(tmp_path):
    counts = ENTRY.draw(tmp_path, ENTRY.miniature)
    folder = tmp_path / fashion_mnist.FOLDER
    plain = {path.name: path.read_bytes() for path in folder.iterdir()}
    for name, content in plain.items():
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    assert len(plain) == 4
    ENTRY.finish(tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == plain
    check_splits(ENTRY, ENTRY.read(tmp_path), tmp_path, counts)


@pytest.mark.parametrize(
    ("file", "damage", "says"),
    [
        (IMAGES, lambda content: b"\x00\x00\x07" + content[3:], "cannot read it"),
        (IMAGES, lambda content: b"\x00\x00\x0d" + content[3:], "cannot read it"),  # floating point
        (IMAGES, lambda content: content[:3] + b"\x01" + content[4:], "cannot read it"),  # one dimension
        (IMAGES, lambda content: content[:-1], "cannot read it"),
        (IMAGES, lambda content: content[:10], "cannot read it"),
        (IMAGES, lambda content: content + b"\x00", "cannot read it"),
        (IMAGES, lambda content: b"", "cannot read it"),
        (IMAGES, lambda content: b"<html>404</html>", "cannot read it"),
        (IMAGES, lambda content: content[:11] + bytes([14]) + content[12:15] + bytes([56]) + content[16:], "sizes"),
        (LABELS, lambda content: b"\x00\x00\x07" + content[3:], "cannot read it"),
        (LABELS, lambda content: content[:-1], "cannot read it"),
        (LABELS, lambda content: content[:-1] + bytes([10]), "it has the label 10, not in 0 … 9"),
        (LABELS, lambda content: content[:7] + bytes([29]) + content[8:-1], "it has 29 labels for 30 images"),
    ],
)
def test_damaged(file, damage, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / fashion_mnist.FOLDER / file
    path.write_bytes(damage(path.read_bytes()))
    refused(ENTRY, tmp_path, counts, path if says != "sizes" else path.parent, says)


@pytest.mark.parametrize("file", [IMAGES, LABELS])
def test_missing(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / fashion_mnist.FOLDER / file
    path.unlink()
    refused(ENTRY, tmp_path, counts, path, "is missing")


def test_files_exchanged(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    folder = tmp_path / fashion_mnist.FOLDER
    shutil.copy(folder / "train-labels-idx1-ubyte", folder / LABELS)
    refused(ENTRY, tmp_path, counts, folder / LABELS, "60 labels for 30 images")


@packs
def test_official_files(tmp_path):
    """Their checksums are torchvision's."""
    splits = ENTRY.read(prepare(ENTRY, tmp_path, fetch=False))
    assert splits["train"].labels.bincount().tolist() == [6000] * 10
    assert splits["test"].labels.bincount().tolist() == [1000] * 10
    assert splits["train"].labels[:5].tolist() == [9, 0, 0, 3, 0]
    assert splits["train"][0][0].size == (28, 28)

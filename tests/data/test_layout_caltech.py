"""Caltech-101 and Caltech-256: the miniatures, torchvision's own classes, our split, and wrong names of images."""

import hashlib
import io
import shutil
import tarfile
from math import ceil, floor

import numpy
import pytest
import torch
from damaged import drawn, drawn_as, entry_named, refused
from torchvision.datasets import Caltech101, Caltech256

from dmlkit.data.download import checksum_of
from dmlkit.data.entries import general
from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, Pixels
from dmlkit.data.layouts import caltech
from dmlkit.data.layouts.common import Count, Drawing, split_by_name

FOLDERS = {"caltech101": caltech.FOLDER_101, "caltech256": caltech.FOLDER_256}
CLASSES = {"caltech101": "drawn_002", "caltech256": "002.drawn-2"}
FILES = {"caltech101": "image_{:04d}.jpg", "caltech256": "002_{:04d}.jpg"}
each = pytest.mark.parametrize("name", FOLDERS)


def joined(splits):
    """(name, label) of all images in the order of the store."""
    both = splits["train"].join(splits["test"])
    order = both.places.argsort()
    return [(both.store.names[both.places[n]], int(both.labels[n])) for n in order]


@each
def test_miniature(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, splits = drawn(entry, tmp_path)
    assert counts == {"train": Count(39, 8), "test": Count(9, 8)}
    for split in splits.values():
        for (image, label), place in zip(split, split.places, strict=True):
            file = split.store.names[place].split("/")
            assert file[2] == split.classes[label]
            assert drawn_as(image, entry.miniature) == (label, int(file[3][-8:-4]) - 1)


@each
def test_torchvision(name, tmp_path):
    _, splits = drawn(entry_named(general.ENTRIES, name), tmp_path)
    theirs = {"caltech101": Caltech101, "caltech256": Caltech256}[name](tmp_path)
    both = splits["train"].join(splits["test"])
    ours = both.subset(both.places.argsort())
    assert tuple(theirs.categories) == ours.classes
    assert len(theirs) == len(ours)
    for (image, label), (our_image, our_label) in zip(theirs, ours, strict=True):
        assert label == our_label
        assert numpy.array_equal(image.convert("RGB"), our_image)


def image_set(labels, classes):
    return ImageSet(Pixels(torch.zeros(len(labels), 1, 1, dtype=torch.uint8)), labels, classes)


def test_split_by_name():
    """By a loop over classes, for classes of many sizes, and in whatever order the images come."""
    sizes = [31, 40, 5, 1, 7, 800, 6]
    names = [f"class{label}/{n:04d}.jpg" for label, size in enumerate(sizes) for n in range(size)]
    expected, position = set(), 0
    for label in range(len(sizes)):
        own = [name for name in names if name.startswith(f"class{label}/")]
        for name in sorted(own, key=lambda name: hashlib.sha256(name.encode()).digest()):
            position += 1
            if position % 5 == 0:
                expected.add(name)
    for order in (range(len(names)), torch.randperm(len(names), generator=torch.Generator().manual_seed(0)).tolist()):
        shuffled = [names[n] for n in order]
        labels = [int(name[5]) for name in shuffled]
        splits = split_by_name(image_set(labels, "abcdefg"), shuffled)
        found = {split: [shuffled[place] for place in images.places] for split, images in splits.items()}
        assert set(found["test"]) == expected
        assert sorted(found["train"] + found["test"]) == sorted(names)
        assert len(found["test"]) == len(names) // 5
        for label, size in enumerate(sizes):
            tested = int((splits["test"].labels == label).sum())
            assert floor(size / 5) <= tested <= ceil(size / 5)


def test_split_is_the_same_for_ever():
    """A change of it would make every recorded run another one's."""
    names = [f"ant/image_{n:04d}.jpg" for n in range(1, 11)]
    splits = split_by_name(image_set([0] * 10, ["ant"]), names)
    assert [names[place] for place in splits["test"].places] == ["ant/image_0001.jpg", "ant/image_0004.jpg"]


@pytest.mark.parametrize(
    "drawing", [Drawing(8, 6), Drawing(3, 1), Drawing(4, 1), Drawing(2, 3), Drawing(1, 4), Drawing(5, 5)]
)
def test_counts_of_a_drawing(drawing):
    labels = torch.arange(drawing.classes).repeat_interleave(drawing.per_class)
    names = [f"{label}/{n}" for n, label in enumerate(labels.tolist())]
    splits = split_by_name(image_set(labels, range(drawing.classes)), names)
    assert drawing.fifths() == {name: Count(len(split), split.num_classes) for name, split in splits.items()}


def test_full_counts():
    for name, images in (("caltech101", 8677), ("caltech256", 30_607)):
        counts = entry_named(general.ENTRIES, name).counts
        assert counts["train"].images + counts["test"].images == images
        assert counts["test"].images == images // 5


@each
def test_missing_in_the_middle(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS[name] / CLASSES[name]
    (folder / FILES[name].format(3)).unlink()
    # torchvision itself says nothing: it takes the others for 1 … 5.
    refused(entry, tmp_path, counts, folder, FILES[name].format(3) + " is missing", FILES[name].format(6) + " is there")


@each
def test_missing_at_the_end(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    (tmp_path / FOLDERS[name] / CLASSES[name] / FILES[name].format(6)).unlink()
    refused(entry, tmp_path, counts, "train must have 39 images")


@each
@pytest.mark.parametrize("added", ["copy.jpg", "9999.jpg"])
def test_strange_image(name, added, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS[name] / CLASSES[name]
    shutil.copy(folder / FILES[name].format(1), folder / added)
    refused(entry, tmp_path, counts, folder, FILES[name].format(7) + " is missing", f"{added} is there")


@each
def test_one_more(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS[name] / CLASSES[name]
    shutil.copy(folder / FILES[name].format(1), folder / FILES[name].format(7))
    refused(entry, tmp_path, counts, "train must have 39 images, 8 classes, found 40 images")


@each
def test_truncated_image(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    path = tmp_path / FOLDERS[name] / CLASSES[name] / FILES[name].format(2)
    path.write_bytes(path.read_bytes()[:300])
    refused(entry, tmp_path, counts, path, "cannot be read as an image")


@each
def test_missing_folder(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    refused(entry, tmp_path, {}, tmp_path / FOLDERS[name], "is missing")
    assert not any(tmp_path.iterdir())  # torchvision would make one


@each
def test_file_among_the_classes(name, tmp_path):
    entry = entry_named(general.ENTRIES, name)
    counts, _ = drawn(entry, tmp_path)
    (tmp_path / FOLDERS[name] / "README").touch()
    refused(entry, tmp_path, counts, tmp_path / FOLDERS[name], "NotADirectoryError")


def test_other_file_in_101(tmp_path):
    """torchvision counts it as an image."""
    entry = entry_named(general.ENTRIES, "caltech101")
    counts, _ = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS["caltech101"] / "drawn_002"
    (folder / "Thumbs.db").touch()
    refused(entry, tmp_path, counts, folder, "Thumbs.db is there")


def test_other_files_in_256(tmp_path):
    """The official archive has a folder and a script among its images; nobody counts them."""
    entry = entry_named(general.ENTRIES, "caltech256")
    _, before = drawn(entry, tmp_path)
    (tmp_path / FOLDERS["caltech256"] / "002.drawn-2" / "greg" / "vision309").mkdir(parents=True)
    (tmp_path / FOLDERS["caltech256"] / "002.drawn-2" / "RENAME2").touch()
    assert joined(entry.read(tmp_path)) == joined(before)


def test_class_of_another_number(tmp_path):
    entry = entry_named(general.ENTRIES, "caltech256")
    counts, _ = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS["caltech256"]
    (folder / "002.drawn-2").rename(folder / "009.drawn-2")
    refused(entry, tmp_path, counts, folder / "003.drawn-3", "002_0001.jpg is missing and 003_0001.jpg is there")


def test_background(tmp_path):
    entry = entry_named(general.ENTRIES, "caltech101")
    counts, splits = drawn(entry, tmp_path)
    folder = tmp_path / FOLDERS["caltech101"] / caltech.BACKGROUND
    assert len(list(folder.iterdir())) == 1
    assert not any(caltech.BACKGROUND in name for name in splits["train"].store.names)
    shutil.rmtree(folder)
    refused(entry, tmp_path, counts, folder, "is missing")
    caltech.add_background(tmp_path)
    assert joined(entry.read(tmp_path)) == joined(splits)


def packed(folder, monkeypatch):
    """The drawn folder as the official zip, unpacked once, has it: an archive in a folder with other things."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        archive.add(folder / FOLDERS["caltech101"], "101_ObjectCategories")
    shutil.rmtree(folder / "caltech101")
    outer = folder / "caltech101" / "caltech-101"
    outer.mkdir(parents=True)
    inner = outer / "101_ObjectCategories.tar.gz"
    inner.write_bytes(content.getvalue())
    (outer / "Annotations.tar").touch()
    monkeypatch.setattr(caltech, "_INNER_MD5", checksum_of(inner, "md5"))
    return inner


def test_archive_in_the_archive(tmp_path, monkeypatch):
    entry = entry_named(general.ENTRIES, "caltech101")
    _, before = drawn(entry, tmp_path)
    packed(tmp_path, monkeypatch)
    entry.finish(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["caltech101"]
    assert [path.name for path in (tmp_path / "caltech101").iterdir()] == ["101_ObjectCategories"]
    assert joined(entry.read(tmp_path)) == joined(before)


def test_damaged_archive_in_the_archive(tmp_path, monkeypatch):
    entry = entry_named(general.ENTRIES, "caltech101")
    drawn(entry, tmp_path)
    inner = packed(tmp_path, monkeypatch)
    inner.write_bytes(inner.read_bytes()[:-1])
    with pytest.raises(DataError, match="has the checksum"):
        entry.finish(tmp_path)
    inner.unlink()
    with pytest.raises(DataError, match="101_ObjectCategories.tar.gz must be a file"):
        entry.finish(tmp_path)

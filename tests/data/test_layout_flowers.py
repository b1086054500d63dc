"""Oxford Flowers-102: the miniature, contradictions, torchvision, and the official annotation files."""

import shutil

import numpy
import pytest
import scipy.io
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused
from torchvision.datasets import Flowers102

from dmlkit.data.entries import fine_grained
from dmlkit.data.layouts import flowers
from dmlkit.data.layouts.common import Count, write_matlab
from dmlkit.data.places import packs_folder

ENTRY = entry_named(fine_grained.ENTRIES, "flowers102")
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the official files are not here")
LABELS, SETS = (f"{flowers.FOLDER}/{file}" for file in ("imagelabels.mat", "setid.mat"))


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(16, 8), "val": Count(16, 8), "test": Count(32, 8)}
    assert len({id(split.store) for split in splits.values()}) == 1
    assert len(splits["train"].classes) == 102
    for split, first, each in (("train", 0, 2), ("val", 2, 2), ("test", 4, 4)):
        assert splits[split].labels.tolist() == torch.arange(8).repeat_interleave(each).tolist()
        for number, (image, label) in enumerate(splits[split]):
            assert drawn_as(image, ENTRY.miniature) == (label, first + number % each)


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_torchvision(split, tmp_path, monkeypatch):
    ours = drawn(ENTRY, tmp_path)[1][split]
    monkeypatch.setattr(Flowers102, "_check_integrity", lambda _: True)  # a miniature's md5 is not the official one
    theirs = Flowers102(tmp_path, split)
    for (image, label), (their_image, their_label) in zip(ours, theirs, strict=True):
        assert label == their_label
        assert image.tobytes() == their_image.tobytes()


def test_torchvision_still_checks():
    # The reader's own class must not take the check away from everybody's.
    assert Flowers102._file_dict["label"] == ("imagelabels.mat", "e0620be6f572b9609742df49c70aed4d")


def test_old_torchvision_without_names(tmp_path, monkeypatch):
    monkeypatch.delattr(Flowers102, "classes", raising=False)
    _, splits = drawn(ENTRY, tmp_path)
    assert splits["test"].classes[101] == "flower 102"


def test_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        ENTRY.draw(tmp_path / name, ENTRY.miniature)
    for file in (LABELS, SETS):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_archives(tmp_path):
    members = {"102flowers.tgz": "jpg"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 32


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", [LABELS, SETS])
def test_missing_file(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / file).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / file, "is missing")


def test_missing_folder_of_images(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.rmtree(tmp_path / flowers.FOLDER / "jpg")
    refused(ENTRY, tmp_path, counts, flowers.FOLDER, "torchvision cannot read it")


def test_files_exchanged(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.move(tmp_path / LABELS, tmp_path / "kept")
    shutil.move(tmp_path / SETS, tmp_path / LABELS)
    shutil.move(tmp_path / "kept", tmp_path / SETS)
    refused(ENTRY, tmp_path, counts, tmp_path / LABELS, "it has no variable 'labels'")


@pytest.mark.parametrize(("source", "target", "variable"), [(LABELS, SETS, "'trnid'"), (SETS, LABELS, "'labels'")])
def test_another_file_in_its_place(source, target, variable, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copyfile(tmp_path / source, tmp_path / target)
    refused(ENTRY, tmp_path, counts, tmp_path / target, f"it has no variable {variable}")


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (numpy.r_[numpy.ones(63), 103].astype(int), "its labels must lie in 1 … 102, found 1 … 103"),
        (numpy.r_[numpy.ones(63), 0].astype(numpy.uint8), "its labels must lie in 1 … 102, found 0 … 1"),
        (numpy.ones(64), "a row of integers, found float64"),
        (numpy.ones((2, 32), dtype=int), "of shape (2, 32)"),
    ],
)
def test_labels(labels, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    write_matlab(tmp_path / LABELS, labels=labels)
    refused(ENTRY, tmp_path, counts, tmp_path / LABELS, said)


def test_other_number_of_labels(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    for size in (63, 65):
        write_matlab(tmp_path / LABELS, labels=numpy.ones(size, dtype=numpy.uint8))
        refused(ENTRY, tmp_path, counts, tmp_path / SETS, f"it must list the {size} images")


@pytest.mark.parametrize(
    ("split", "place", "image", "said"),
    [
        ("trnid", 1, 1, "image 1 is listed twice"),
        ("tstid", 0, 1, "image 1 is listed twice"),
        ("valid", 3, 65, "it must list the 64 images that imagelabels.mat has labels for"),
        ("valid", 3, 0, "it must list the 64 images"),
    ],
)
def test_sets(split, place, image, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    found = scipy.io.loadmat(tmp_path / SETS, squeeze_me=True)
    sets = {name: found[name] for name in flowers.SPLITS.values()}
    sets[split][place] = image
    write_matlab(tmp_path / SETS, **sets)
    refused(ENTRY, tmp_path, counts, tmp_path / SETS, said)


@packs
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_official_annotations(split, tmp_path):
    shutil.copytree(packs_folder() / "annotations" / "flowers-102", tmp_path / flowers.FOLDER)
    (tmp_path / flowers.FOLDER / "jpg").mkdir()
    found = flowers.read(tmp_path)[split]
    assert Count(len(found), found.num_classes) == ENTRY.counts[split]
    theirs = Flowers102(tmp_path, split)  # with its md5 of both files
    assert found.labels.tolist() == theirs._labels
    names = [tmp_path / found.store.names[place] for place in found.places]
    assert names == theirs._image_files
    assert found.classes == tuple(theirs.classes)

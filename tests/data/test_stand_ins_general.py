"""Stand-ins of the general sets: their miniatures, folders of images, and the real packs."""

import shutil
import tarfile
import zipfile
from collections import Counter

import numpy
import pytest
from damaged import drawn, drawn_as, entry_named, refused
from torchvision.datasets import ImageFolder

from dmlkit.data.entries import faces, general, general_stand_ins
from dmlkit.data.layouts.common import Count
from dmlkit.data.places import packs_folder
from dmlkit.data.prepare import check_splits, prepare

ENTRIES = general_stand_ins.ENTRIES
JPEG = entry_named(ENTRIES, "cifar10-jpeg")
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the real images are not here")


def test_names():
    real = {entry.name: entry for entry in (*general.ENTRIES, *faces.ENTRIES)}
    assert {e.name: e.stands_in_for for e in ENTRIES} == {
        "cifar10-jpeg": "cifar10",
        "caltech101-50": "caltech101",
        "lfw-a-96": "lfw",
        "omniglot-rezipped": None,
    }
    assert all(e.stands_in_for is None or e.stands_in_for in real for e in ENTRIES)
    assert not {e.name for e in ENTRIES} & real.keys()
    assert {e.name for e in (*ENTRIES, *real.values()) if e.shows_people} == {
        "lfw-a-96",
        *(e.name for e in faces.ENTRIES),
    }


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_miniatures(entry, tmp_path):
    drawn(entry, tmp_path)


def test_image_folders(tmp_path):
    counts, splits = drawn(JPEG, tmp_path)
    assert counts == {"train": Count(48, 8), "test": Count(24, 8)}
    assert splits["train"].store is splits["test"].store
    assert [drawn_as(image, JPEG.miniature) for image, _ in splits["train"]] == [divmod(n, 6) for n in range(48)]
    for name, split in splits.items():
        theirs = ImageFolder(tmp_path / name)
        assert theirs.targets == split.labels.tolist()
        assert tuple(theirs.classes) == split.classes
        assert [image.tobytes() for image, _ in theirs] == [image.tobytes() for image, _ in split]


def test_image_folders_refused(tmp_path):
    counts, _ = drawn(JPEG, tmp_path)
    away = tmp_path / "test" / "drawn_003"
    held = shutil.move(away, tmp_path.with_name(f"{tmp_path.name}-held"))
    refused(JPEG, tmp_path, counts, tmp_path / "test", "the class 'drawn_003' must be in both")
    away.mkdir()
    refused(JPEG, tmp_path, counts, tmp_path / "test", "drawn_003")
    shutil.rmtree(away)
    shutil.move(held, away)
    (away / "0001.jpg").unlink()
    refused(JPEG, tmp_path, counts, "test must have 24 images, 8 classes, found 23 images")
    shutil.rmtree(tmp_path / "test")
    refused(JPEG, tmp_path, counts, tmp_path / "test", "is missing")


def test_image_folders_with_a_truncated_image(tmp_path):
    counts, _ = drawn(JPEG, tmp_path)
    path = tmp_path / "train" / "drawn_003" / "0002.jpg"
    path.write_bytes(path.read_bytes()[:300])
    refused(JPEG, tmp_path, counts, path, "cannot be read as an image")


@packs
def test_caltech_pack(tmp_path):
    entry = entry_named(ENTRIES, "caltech101-50")
    splits = entry.read(prepare(entry, tmp_path, fetch=False))
    both = splits["train"].join(splits["test"])
    assert len(both.places.unique()) == len(both) == 4722
    sizes, tests = both.labels.bincount(), splits["test"].labels.bincount()
    assert int(sizes.max()) == 50
    assert ((tests - sizes / 5).abs() < 1).all()


@packs
def test_lfw_pack(tmp_path):
    """All official pairs; the images are written empty here, because all of them are decoded elsewhere."""
    entry = entry_named(ENTRIES, "lfw-a-96")
    with zipfile.ZipFile(packs_folder() / "lfw_a_96" / "lfw.zip") as archive:
        for name in archive.namelist():
            path = tmp_path / "lfw-py" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    shutil.copy(packs_folder() / "lfw_a_96" / "pairs.txt", tmp_path / "lfw-py" / "pairs.txt")
    splits = entry.read(tmp_path)
    check_splits(entry, splits, tmp_path, entry.counts)
    pairs = splits["pairs"]
    assert pairs.images.num_classes == 5749
    assert pairs.fold.bincount().tolist() == [600] * 10
    assert pairs.fold[pairs.same].bincount().tolist() == [300] * 10
    names = pairs.images.store.names
    assert names[pairs.first[0]] == "lfw-py/lfw/Abel_Pacheco/Abel_Pacheco_0001.jpg"
    assert names[pairs.second[0]] == "lfw-py/lfw/Abel_Pacheco/Abel_Pacheco_0004.jpg"


@packs
def test_cifar_pack():
    """Names in the archive; the layout itself is tested above."""
    with tarfile.open(packs_folder() / "cifar10" / "cifar10_jpg.tar.xz") as archive:
        folders = Counter(tuple(name.split("/")[:-1]) for name in archive.getnames() if name.endswith(".jpg"))
    assert set(folders.values()) == {5000, 1000}
    assert sum(count for (split, _), count in folders.items() if split == "train") == JPEG.counts["train"].images
    assert sum(count for (split, _), count in folders.items() if split == "test") == JPEG.counts["test"].images
    assert len(folders) == 20


@packs
def test_omniglot_pack(tmp_path):
    """Two alphabets of each set are unpacked and read; of the others the names must be the official number."""
    entry = entry_named(ENTRIES, "omniglot-rezipped")
    for source, split in zip(entry.sources, ("train", "test"), strict=True):
        with zipfile.ZipFile(packs_folder() / source.pack) as archive:
            names = [name for name in archive.namelist() if name.endswith(".png")]
            characters = {name.rsplit("/", 1)[0] for name in names}
            assert (len(names), len(characters)) == (entry.counts[split].images, entry.counts[split].classes)
            chosen = sorted({name.split("/")[1] for name in names})[:2]
            archive.extractall(tmp_path / "omniglot-py", [name for name in names if name.split("/")[1] in chosen])
    splits = entry.read(tmp_path)
    for split in splits.values():
        assert split.labels.unique(return_counts=True)[1].tolist() == [20] * split.num_classes
        assert len({name.split("/")[0] for name in (split.classes[label] for label in split.labels.unique())}) == 2
        image, _ = split[0]
        assert image.size == (105, 105)
        assert numpy.unique(image).tolist() == [0, 255]

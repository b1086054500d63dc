"""CUB-200-2011: the miniature, contradictions, and the official annotation files of all 200 classes."""

import shutil
from pathlib import Path

import pytest
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused, replace
from pytorch_metric_learning.datasets.cub import CUB

from dmlkit.data.entries import retrieval
from dmlkit.data.layouts import cub
from dmlkit.data.layouts.common import Count, Drawing
from dmlkit.data.places import packs_folder

ENTRY = entry_named(retrieval.ENTRIES, "cub200")
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the official files are not here")


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(24, 4), "test": Count(24, 4)}
    assert splits["train"].labels.tolist() == torch.arange(4).repeat_interleave(6).tolist()
    assert splits["test"].labels.tolist() == torch.arange(4, 8).repeat_interleave(6).tolist()
    assert splits["train"].store is splits["test"].store
    assert splits["test"].classes[4] == "005.Drawn_Bird_5"
    for split in splits.values():
        for number, (image, label) in enumerate(split):
            assert split.store.names[split.places[number]].split("/")[2] == split.classes[label]
            assert drawn_as(image, ENTRY.miniature) == (label, number % 6)


def test_odd_number_of_classes(tmp_path):
    assert cub.draw(tmp_path, Drawing(classes=5, per_class=2)) == {"train": Count(4, 2), "test": Count(6, 3)}
    assert {name: len(split) for name, split in cub.read(tmp_path).items()} == {"train": 4, "test": 6}


def test_archives(tmp_path):
    members = {"CUB_200_2011.tgz": "CUB_200_2011"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 24


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", ["classes.txt", "images.txt", "image_class_labels.txt"])
def test_missing_file(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / cub.FOLDER / file).unlink()
    refused(ENTRY, tmp_path, counts, file, "is missing")


@pytest.mark.parametrize("file", ["classes.txt", "images.txt", "image_class_labels.txt"])
def test_file_that_is_no_text(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / cub.FOLDER / file).write_bytes(b"\xff\xfe\x00")
    refused(ENTRY, tmp_path, counts, file, "is not text")


CONTRADICTIONS = {
    "a label that is out of range": ("image_class_labels.txt", "48 8\n", "48 9\n", "image 48 has the class '9'"),
    "label 0": ("image_class_labels.txt", "48 8\n", "48 0\n", "image 48 has the class '0'"),
    "a label that is no number": ("image_class_labels.txt", "48 8\n", "48 eight\n", "image 48 has the class 'eight'"),
    "another class than the folder's": ("image_class_labels.txt", "48 8\n", "48 7\n", "image 48 lies in 008."),
    "an image without a label": ("image_class_labels.txt", "48 8\n", "", "label exactly the images"),
    "a label without an image": ("image_class_labels.txt", "48 8\n", "48 8\n49 8\n", "label exactly the images"),
    "a number that comes twice": ("image_class_labels.txt", "48 8\n", "47 8\n", "the number 47 comes twice"),
    "a line without a number": ("images.txt", "1 001.", "001.", "a line must be a number and a text"),
    "a gap between the classes": ("classes.txt", "8 008.", "9 008.", "numbered from 1 without a gap"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradiction(name, tmp_path):
    file, old, new, said = CONTRADICTIONS[name]
    counts, _ = drawn(ENTRY, tmp_path)
    replace(tmp_path / cub.FOLDER / file, old, new)
    refused(ENTRY, tmp_path, counts, tmp_path / cub.FOLDER / file, said)


def test_image_listed_twice(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    images = tmp_path / cub.FOLDER / "images.txt"
    second = images.read_text().splitlines()[1].split()[1]
    replace(images, f"3 {second.replace('_0002_1', '_0003_2')}", f"3 {second}")
    refused(ENTRY, tmp_path, counts, images, f"{second} is listed twice")


@pytest.mark.parametrize("file", ["images.txt", "image_class_labels.txt", "classes.txt"])
def test_file_of_another_miniature(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path / "this")
    cub.draw(tmp_path / "other", Drawing(classes=6, per_class=8))
    shutil.copyfile(tmp_path / "other" / cub.FOLDER / file, tmp_path / "this" / cub.FOLDER / file)
    refused(ENTRY, tmp_path / "this", counts, tmp_path / "this" / cub.FOLDER / "image_class_labels.txt")


def test_files_exchanged(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    folder = tmp_path / cub.FOLDER
    shutil.copyfile(folder / "train_test_split.txt", folder / "image_class_labels.txt")
    refused(ENTRY, tmp_path, counts, folder / "image_class_labels.txt", "image 1 has the class '0'")


def test_too_few_images(tmp_path):
    drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, ENTRY.counts, "train must have 5,864 images, 100 classes, found 24 images, 4 classes")


@packs
def test_official_annotations(tmp_path):
    shutil.copytree(packs_folder() / "cub200_2011_first50" / "official_annotations", tmp_path / cub.FOLDER)
    splits = cub.read(tmp_path)
    assert {name: Count(len(split), split.num_classes) for name, split in splits.items()} == ENTRY.counts
    assert len(splits["train"].store) == 11_788
    assert len(splits["train"].classes) == 200
    for name, split in splits.items():
        peer = CUB(str(tmp_path), name)
        expected = {Path(path): label - 1 for path, label in zip(peer.paths, peer.labels, strict=True)}
        found = [tmp_path / split.store.names[place] for place in split.places]
        assert dict(zip(found, split.labels.tolist(), strict=True)) == expected

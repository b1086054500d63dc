"""Stanford Cars for classification: the miniature, contradictions, torchvision, and the official devkit."""

import shutil

import pytest
import scipy.io
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused
from torchvision.datasets import StanfordCars

from dmlkit.data.entries import fine_grained
from dmlkit.data.layouts import stanford_cars
from dmlkit.data.layouts.common import Count, write_matlab
from dmlkit.data.places import packs_folder

ENTRY = entry_named(fine_grained.ENTRIES, "stanford-cars")
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the official devkit is not here")
TRAIN, TEST = (f"{stanford_cars.FOLDER}/{stanford_cars.ANNOTATIONS[split]}" for split in ("train", "test"))
META = f"{stanford_cars.FOLDER}/devkit/cars_meta.mat"


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(32, 8), "test": Count(16, 8)}
    assert splits["train"].labels.tolist() == torch.arange(8).repeat(4).tolist()
    assert splits["test"].labels.tolist() == torch.arange(8).repeat(2).tolist()
    assert splits["train"].store is splits["test"].store
    assert splits["train"].classes[7] == "Drawn Car Sedan 2007"
    for split, first in (("train", 2), ("test", 0)):
        for number, (image, label) in enumerate(splits[split]):
            assert drawn_as(image, ENTRY.miniature) == (label, first + number // 8)


@pytest.mark.parametrize("split", ["train", "test"])
def test_torchvision(split, tmp_path):
    _, splits = drawn(ENTRY, tmp_path)
    theirs = StanfordCars(tmp_path, split)
    assert len(theirs) == len(splits[split])
    assert tuple(theirs.classes) == splits[split].classes
    for (image, label), (their_image, their_label) in zip(splits[split], theirs, strict=True):
        assert label == their_label
        assert image.tobytes() == their_image.tobytes()


def test_archives(tmp_path):
    members = {"car_devkit.tgz": "devkit", "cars_train.tgz": "cars_train", "cars_test.tgz": "cars_test"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 16


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", [TRAIN, TEST, META])
def test_missing_file(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / file).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / file, "is missing")


def test_missing_folder_of_images(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.rmtree(tmp_path / stanford_cars.FOLDER / "cars_test")
    refused(ENTRY, tmp_path, counts, tmp_path / TEST, "torchvision cannot read it")


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (TRAIN, TEST, "it labels the images of devkit/cars_train_annos.mat"),
        (TEST, TRAIN, "it labels the images of devkit/cars_train_annos.mat"),
        (META, TRAIN, "it has no variable 'annotations'"),
        (META, TEST, "it has no variable 'annotations'"),
        (TRAIN, META, "it has no variable 'class_names'"),
    ],
)
def test_another_file_in_its_place(source, target, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copyfile(tmp_path / source, tmp_path / target)
    refused(ENTRY, tmp_path, counts, said)


def test_fewer_class_names(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    names = scipy.io.loadmat(tmp_path / META, squeeze_me=True)["class_names"]
    write_matlab(tmp_path / META, class_names=names[:7])
    refused(ENTRY, tmp_path, counts, tmp_path / TRAIN, "00008.jpg has the class 8, expected 1 … 7")


@pytest.mark.parametrize("file", [TRAIN, TEST])
def test_contradiction(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    found = scipy.io.loadmat(tmp_path / file, squeeze_me=True)["annotations"]
    kept = found["fname"][1]
    found["fname"][1] = found["fname"][0]
    write_matlab(tmp_path / file, annotations=found)
    refused(ENTRY, tmp_path, counts, tmp_path / file, "00001.jpg is listed twice")
    found["fname"][1], found["class"][1] = kept, 0
    write_matlab(tmp_path / file, annotations=found)
    refused(ENTRY, tmp_path, counts, tmp_path / file, "00002.jpg has the class 0, expected 1 … 8")


@packs
def test_official_devkit():
    devkit = packs_folder() / "stanford_cars_train" / "devkit"
    classes = stanford_cars.class_names(devkit / "cars_meta.mat")
    names, labels = stanford_cars.annotations(devkit / "cars_train_annos.mat", "fname", classes)
    assert Count(len(names), len(set(labels))) == ENTRY.counts["train"]
    assert (names[0], labels[0], classes[labels[0]]) == ("00001.jpg", 13, "Audi TTS Coupe 2012")
    assert len(classes) == 196
    test = scipy.io.loadmat(devkit / "cars_test_annos.mat", squeeze_me=True)["annotations"]
    assert len(test) == ENTRY.counts["test"].images


@packs
def test_official_test_list_has_no_labels(tmp_path):
    # It is not the file with labels, although often taken for it.
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copyfile(packs_folder() / "stanford_cars_train" / "devkit" / "cars_test_annos.mat", tmp_path / TEST)
    refused(ENTRY, tmp_path, counts, tmp_path / TEST, "its annotations have no field 'class'")

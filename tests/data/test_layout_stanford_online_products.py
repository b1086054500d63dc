"""Stanford Online Products: the miniature, contradictions, and a peer's reader."""

import shutil
from pathlib import Path

import pytest
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused, replace
from pytorch_metric_learning.datasets.sop import StanfordOnlineProducts

from dmlkit.data.entries import retrieval
from dmlkit.data.layouts import stanford_online_products as sop
from dmlkit.data.layouts.common import Count

ENTRY = entry_named(retrieval.ENTRIES, "sop")
TRAIN, TEST = (f"{sop.FOLDER}/{file}" for file in sop.SPLITS.values())


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(24, 4), "test": Count(24, 4)}
    assert splits["train"].labels.tolist() == torch.arange(4).repeat_interleave(6).tolist()
    assert splits["test"].labels.tolist() == torch.arange(4, 8).repeat_interleave(6).tolist()
    assert splits["train"].store is splits["test"].store
    assert splits["test"].classes[:4] == ("bicycle_final/1", "cabinet_final/2", "chair_final/3", "bicycle_final/4")
    for split in splits.values():
        for number, (image, label) in enumerate(split):
            assert split.classes[label].startswith(split.store.names[split.places[number]].split("/")[1])
            assert drawn_as(image, ENTRY.miniature) == (label, number % 6)


@pytest.mark.parametrize("split", ["train", "test"])
def test_peer(split, tmp_path):
    found = drawn(ENTRY, tmp_path)[1][split]
    peer = StanfordOnlineProducts(str(tmp_path), split)
    assert (found.labels + 1).tolist() == peer.labels
    assert [tmp_path / found.store.names[place] for place in found.places] == [Path(path) for path in peer.paths]


def test_archives(tmp_path):
    members = {"Stanford_Online_Products.zip": "Stanford_Online_Products"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 24


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", [TRAIN, TEST])
def test_missing_file(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / file).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / file, "is missing")


FIRST = "1 1 1 bicycle_final/111000000000_0.JPG"
CONTRADICTIONS = {
    "no header": (TRAIN, sop.HEADER + "\n", "", "its first line must be"),
    "another header": (TRAIN, "super_class_id", "kind", "its first line must be"),
    "a line too short": (TRAIN, FIRST, "1 1 bicycle_final/111000000000_0.JPG", "three numbers from 1 and a path"),
    "a class that is no number": (TRAIN, FIRST, FIRST.replace("1 1 1", "1 one 1"), "three numbers from 1 and a path"),
    "class 0": (TRAIN, FIRST, FIRST.replace("1 1 1", "1 0 1"), "three numbers from 1 and a path"),
    "an image twice": (
        TRAIN,
        "2 1 1 bicycle_final/111000000000_1.JPG",
        FIRST,
        "bicycle_final/111000000000_0.JPG is listed",
    ),
    "a training image in test": (
        TEST,
        "25 5 2 cabinet_final/111000000004_0",
        "25 1 1 bicycle_final/111000000000_0",
        "twice",
    ),
    "a class of two kinds": (
        TRAIN,
        "1 1 1 bicycle",
        "1 2 1 bicycle",
        "class 2 lies in bicycle_final and in cabinet_final",
    ),
    "a kind of two numbers": (TRAIN, "2 1 1 bicycle", "2 1 3 bicycle", "has the super class 3, others there 1"),
    "a class out of range": (TEST, "48 8 2 cabinet", "48 80 2 cabinet", "found 9 classes up to 80"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradiction(name, tmp_path):
    file, old, new, said = CONTRADICTIONS[name]
    counts, _ = drawn(ENTRY, tmp_path)
    replace(tmp_path / file, old, new)
    refused(ENTRY, tmp_path, counts, sop.FOLDER, said)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (TRAIN, TEST, "Ebay_test.txt is not the official file: bicycle_final/111000000000_0.JPG is listed twice"),
        (TEST, TRAIN, "Ebay_test.txt is not the official file: cabinet_final/111000000004_0.JPG is listed twice"),
        (f"{sop.FOLDER}/Ebay_info.txt", TRAIN, "Ebay_test.txt is not the official file: cabinet_final/111"),
    ],
)
def test_another_file_in_its_place(source, target, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copyfile(tmp_path / source, tmp_path / target)
    refused(ENTRY, tmp_path, counts, said)


def test_empty_lists(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    for file in (TRAIN, TEST):
        (tmp_path / file).write_text(sop.HEADER + "\n")
    refused(ENTRY, tmp_path, counts, "train must have 24 images, 4 classes, found 0 images")
    (tmp_path / TEST).write_text("")
    refused(ENTRY, tmp_path, counts, tmp_path / TEST, "found nothing")


def test_product_in_train_and_in_test(tmp_path):
    # A zero-shot split: seen only when both lists are held against each other.
    counts, _ = drawn(ENTRY, tmp_path)
    line = "6 1 1 bicycle_final/111000000000_5.JPG\n"
    replace(tmp_path / TRAIN, line, "")
    replace(tmp_path / TEST, sop.HEADER + "\n", sop.HEADER + "\n" + line)
    counts = {"train": Count(23, 4), "test": Count(25, 5)}
    refused(ENTRY, tmp_path, counts, "class 'bicycle_final/1' is in train and in test")

"""FGVC-Aircraft: the miniature, contradictions, and torchvision."""

import shutil

import pytest
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused, replace
from torchvision.datasets import FGVCAircraft

from dmlkit.data.entries import fine_grained
from dmlkit.data.layouts import aircraft
from dmlkit.data.layouts.common import Count, Drawing

ENTRY = entry_named(fine_grained.ENTRIES, "fgvc-aircraft")
DATA = f"{aircraft.FOLDER}/data"
LISTS = {split: f"{DATA}/images_variant_{split}.txt" for split in ("train", "val", "trainval", "test")}


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == dict.fromkeys(aircraft.SPLITS, Count(16, 8))
    assert len({id(split.store) for split in splits.values()}) == 1
    for k, split in enumerate(splits.values()):
        assert split.labels.tolist() == torch.arange(8).repeat_interleave(2).tolist()
        assert split.classes == tuple(f"Drawn {700 + 100 * label}" for label in range(8))
        for number, (image, label) in enumerate(split):
            assert drawn_as(image, ENTRY.miniature) == (label, 2 * k + number % 2)


def test_what_three_does_not_divide(tmp_path):
    counts = aircraft.draw(tmp_path, Drawing(classes=2, per_class=5))
    assert counts == {"train": Count(2, 2), "val": Count(2, 2), "test": Count(6, 2)}
    assert {name: Count(len(split), split.num_classes) for name, split in aircraft.read(tmp_path).items()} == counts


@pytest.mark.parametrize("split", ["train", "val", "test", "trainval"])
def test_torchvision(split, tmp_path):
    _, splits = drawn(ENTRY, tmp_path)
    ours = splits["train"].join(splits["val"]) if split == "trainval" else splits[split]
    theirs = FGVCAircraft(tmp_path, split)
    assert tuple(theirs.classes) == ours.classes
    found = sorted((label, image.tobytes()) for image, label in ours)
    assert found == sorted((label, image.tobytes()) for image, label in theirs)


def test_archives(tmp_path):
    members = {"fgvc-aircraft-2013b.tar.gz": "fgvc-aircraft-2013b"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 16


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", [*LISTS.values(), f"{DATA}/variants.txt"])
def test_missing_file(file, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / file).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / file, "is missing")


CONTRADICTIONS = {
    "an unknown variant": (LISTS["val"], "Drawn 700", "Drawn 7000", "has the variant 'Drawn 7000', which variants.txt"),
    "no variant": (LISTS["val"], " Drawn 700", "", "0034311 has the variant ''"),
    "a blank line": (LISTS["test"], "\n", "\n\n", "torchvision cannot read it"),
    "a blank line between names": (f"{DATA}/variants.txt", "\n", "\n\n", "it has blank lines"),
    "a name twice": (f"{DATA}/variants.txt", "Drawn 800", "Drawn 700", "Drawn 700 is listed twice"),
    "an image twice": (LISTS["train"], "0034310", "0034309", "0034309.jpg is listed twice"),
    "an image of train in test": (LISTS["test"], "0034313", "0034309", "0034309.jpg is listed twice"),
    "another image in trainval": (LISTS["trainval"], "0034309", "0034313", "images of train and val"),
    "another variant in trainval": (LISTS["trainval"], "Drawn 700", "Drawn 800", "images of train and val"),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradiction(name, tmp_path):
    file, old, new, said = CONTRADICTIONS[name]
    counts, _ = drawn(ENTRY, tmp_path)
    replace(tmp_path / file, old, new)
    refused(ENTRY, tmp_path, counts, tmp_path / file, said)


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("test", "train", "images_variant_test.txt is not the official file"),
        ("test", "val", "images_variant_test.txt is not the official file"),
        ("train", "val", "images_variant_val.txt is not the official file"),
        ("trainval", "train", "images_variant_val.txt is not the official file"),
        ("train", "trainval", "images_variant_trainval.txt is not the official file"),
    ],
)
def test_another_file_in_its_place(source, target, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copyfile(tmp_path / LISTS[source], tmp_path / LISTS[target])
    refused(ENTRY, tmp_path, counts, said)


def test_variants_of_others(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / DATA / "variants.txt").write_text("Boeing\nAirbus\n")
    refused(ENTRY, tmp_path, counts, "variants.txt does not know")

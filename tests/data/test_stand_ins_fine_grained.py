"""The stand-ins cub50 and cars196-train-half: miniatures everywhere, and the real packs where they are."""

import shutil

import pytest
from damaged import DAMAGES, drawn, drawn_as, entry_named, refused

from dmlkit.data.entries import fine_grained_stand_ins, retrieval
from dmlkit.data.layouts.common import Count
from dmlkit.data.places import packs_folder
from dmlkit.data.prepare import MANIFEST, prepare

ENTRIES = {entry.name: entry for entry in fine_grained_stand_ins.ENTRIES}
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the real images are not here")


@pytest.fixture(params=ENTRIES)
def entry(request):
    return ENTRIES[request.param]


def test_stand_in_for_what_there_is(entry):
    assert entry_named(retrieval.ENTRIES, entry.stands_in_for).task == entry.task
    assert all(source.pack is not None and source.url is None and source.checksum for source in entry.sources)


def test_miniature(entry, tmp_path):
    counts, splits = drawn(entry, tmp_path)
    assert counts == {"train": Count(24, 4), "test": Count(24, 4)}
    assert sorted(set(splits["train"].labels.tolist())) == [0, 1, 2, 3]
    assert sorted(set(splits["test"].labels.tolist())) == [4, 5, 6, 7]
    for split in splits.values():
        assert all(drawn_as(image, entry.miniature)[0] == label for image, label in split)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, entry, tmp_path):
    counts, _ = drawn(entry, tmp_path)
    refused(entry, tmp_path, counts, *damage(tmp_path))


@pytest.mark.parametrize("file", ["cars_meta.mat", "cars_train_annos.mat"])
def test_missing_file(file, tmp_path):
    entry = ENTRIES["cars196-train-half"]
    counts, _ = drawn(entry, tmp_path)
    (tmp_path / "devkit" / file).unlink()
    refused(entry, tmp_path, counts, tmp_path / "devkit" / file, "is missing")


def test_files_exchanged(tmp_path):
    entry = ENTRIES["cars196-train-half"]
    counts, _ = drawn(entry, tmp_path)
    devkit = tmp_path / "devkit"
    shutil.copyfile(devkit / "cars_meta.mat", devkit / "cars_train_annos.mat")
    refused(entry, tmp_path, counts, devkit / "cars_train_annos.mat", "it has no variable 'annotations'")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Folders of both, unpacked from the packs; each image is decoded and held against the annotations on the way."""
    root = tmp_path_factory.mktemp("data")
    return {name: prepare(entry, root, fetch=False) for name, entry in ENTRIES.items()}


@packs
def test_real_images(entry, prepared):
    folder = prepared[entry.name]
    assert (folder / MANIFEST).is_file()
    splits = entry.read(folder)
    assert {name: Count(len(split), split.num_classes) for name, split in splits.items()} == entry.counts
    assert splits["train"].num_classes == splits["test"].labels.min() == len(splits["test"].classes) // 2
    assert min(splits["test"].image(0).size) >= 96


@packs
def test_labels_are_those_of_the_pack(prepared):
    # The pack has a list of its own, written when it was made.
    folder = prepared["cars196-train-half"]
    expected = {}
    for row in (folder / "cars_train_labels.tsv").read_text(encoding="utf-8").splitlines():
        file, number, name = row.split("\t")
        if number.isdecimal():
            expected[f"cars_train/{file}"] = int(number) - 1, name
    found = {}
    for split in ENTRIES["cars196-train-half"].read(folder).values():
        for place, label in zip(split.places.tolist(), split.labels.tolist(), strict=True):
            found[split.store.names[place]] = label, split.classes[label]
    assert found == expected

"""InsightFace's verification files: the miniature, damaged pickles, and a real small one."""

import os
import pickle
import shutil

import pytest
import torch
from damaged import drawn, drawn_as, entry_named, refused

from dmlkit.data.entries import faces
from dmlkit.data.layouts import face_bin
from dmlkit.data.layouts.common import Count
from dmlkit.data.places import packs_folder

ENTRY = entry_named(faces.ENTRIES, "cfp-fp")
FILES = {
    "lfw-bin": "lfw.bin",
    "cfp-fp": "cfp_fp.bin",
    "agedb-30": "agedb_30.bin",
    "calfw": "calfw.bin",
    "cplfw": "cplfw.bin",
}
packs = pytest.mark.skipif(packs_folder() is None, reason="DMLKIT_PACKS is not set: the real file is not here")


@pytest.mark.parametrize("name", FILES)
def test_miniature(name, tmp_path):
    entry = entry_named(faces.ENTRIES, name)
    counts, splits = drawn(entry, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILES[name]] == [source.file for source in entry.sources]
    assert counts == {"pairs": Count(80, pairs=40)}
    pairs = splits["pairs"]
    assert pairs.same.tolist() == [True, True, False, False] * 10
    assert pairs.fold.tolist() == [fold for fold in range(10) for _ in range(4)]
    assert pairs.images.labels.tolist() == list(range(80))
    assert torch.stack([pairs.first, pairs.second], dim=1).flatten().tolist() == list(range(80))


def test_images(tmp_path):
    _, splits = drawn(ENTRY, tmp_path)
    pairs = splits["pairs"]
    for first, second, same in zip(pairs.first.tolist(), pairs.second.tolist(), pairs.same.tolist(), strict=True):
        people = [drawn_as(pairs.images.image(number), ENTRY.miniature)[0] for number in (first, second)]
        assert (people[0] == people[1]) == same


def test_full_counts():
    pairs = {name: entry_named(faces.ENTRIES, name).counts["pairs"] for name in FILES}
    assert {name: count.pairs for name, count in pairs.items()} == dict.fromkeys(FILES, 6000) | {"cfp-fp": 7000}
    assert all(count.images == 2 * count.pairs for count in pairs.values())


def test_reader_can_be_pickled(tmp_path):
    ENTRY.draw(tmp_path, ENTRY.miniature)
    assert len(pickle.loads(pickle.dumps(ENTRY.read))(tmp_path)["pairs"]) == 40


def change(path, edit):
    path.write_bytes(pickle.dumps(edit(*pickle.loads(path.read_bytes())), protocol=4))


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda images, same: (images[:-1], same), "79"),
        (lambda images, same: (images[:-2], same), "78"),
        (lambda images, same: (images, same[:-1]), "39"),
        (lambda images, same: (images[:-2], same[:-1]), "10 folds of equal size, found 39"),
        (lambda images, same: ([], []), "cfp_fp.bin"),
        (
            lambda images, same: (images[:60], same[:30]),
            "pairs must have 80 images, 40 pairs, found 60 images, 30 pairs",
        ),
        (lambda images, same: ([*images[:-1], images[-1][:300]], same), "image 79 of"),
        (lambda images, same: ([*images[:-1], b"<html>"], same), "cfp_fp.bin"),
    ],
)
def test_contradictions(edit, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    change(tmp_path / "cfp_fp.bin", edit)
    refused(ENTRY, tmp_path, counts, tmp_path, says)


def test_truncated_and_missing(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / "cfp_fp.bin"
    path.write_bytes(path.read_bytes()[:-100])
    refused(ENTRY, tmp_path, counts, path)
    path.unlink()
    refused(ENTRY, tmp_path, counts, path, "is missing")


def test_hostile(tmp_path):
    class Hostile:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "it-ran"),)

    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / "cfp_fp.bin").write_bytes(pickle.dumps(Hostile()))
    refused(ENTRY, tmp_path, counts, tmp_path / "cfp_fp.bin")
    assert not (tmp_path / "it-ran").exists()


@packs
def test_real_file(tmp_path):
    shutil.copy(packs_folder() / "lfw_a_96" / "small_lfw.bin", tmp_path / "lfw.bin")
    pairs = face_bin.read(tmp_path, "lfw.bin")["pairs"]
    assert (len(pairs), len(pairs.images)) == (10, 20)
    assert pairs.same.all()
    assert pairs.fold.tolist() == list(range(10))
    assert {image.size for image, _ in pairs.images} == {(112, 112)}

"""LFW: the miniature, torchvision's own reader of pairs, and pairs that name what is not there."""

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from damaged import drawn, drawn_as, entry_named, refused, replace
from torchvision.datasets import LFWPairs

from dmlkit.data.entries import faces
from dmlkit.data.layouts import lfw
from dmlkit.data.layouts.common import Count, Drawing
from dmlkit.metrics.verification import verification_accuracy

ENTRY = entry_named(faces.ENTRIES, "lfw")
PAIRS, IMAGES = "lfw-py/pairs.txt", "lfw-py/lfw"
ONE = "Drawn_Person_001"


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"pairs": Count(48, pairs=40)}
    pairs = splits["pairs"]
    assert pairs.fold.tolist() == [fold for fold in range(10) for _ in range(4)]
    assert pairs.same.tolist() == [True, True, False, False] * 10
    assert pairs.images.classes[0] == ONE
    for number, (image, label) in enumerate(pairs.images):
        assert drawn_as(image, ENTRY.miniature) == (label, number % 6) == divmod(number, 6)
    assert torch.equal(pairs.images.labels[pairs.first] == pairs.images.labels[pairs.second], pairs.same)
    assert (pairs.first != pairs.second).all()
    rows = {tuple(sorted(pair)) for pair in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)}
    assert len(rows) > 20  # not the same few pairs again and again
    found = verification_accuracy(
        (pairs.images.labels[pairs.first] == pairs.images.labels[pairs.second]).double(), pairs.same
    )
    assert found.mean == 1.0


@pytest.mark.parametrize("drawing", [Drawing(2, 2), Drawing(3, 2), Drawing(5, 9)])
def test_other_drawings(drawing, tmp_path):
    drawn(dataclasses.replace(ENTRY, miniature=drawing), tmp_path)


def test_torchvision(tmp_path):
    """Its own class, where it does not ask for the archive and the official bytes."""
    _, splits = drawn(ENTRY, tmp_path)

    class Own(LFWPairs):
        def _check_integrity(self):
            return True

    theirs, pairs = Own(tmp_path, image_set="original"), splits["pairs"]
    names = pairs.images.store.names
    ours = [(names[i], names[j]) for i, j in zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)]
    assert [tuple(Path(path).relative_to(tmp_path).as_posix() for path in pair) for pair in theirs.data] == ours
    assert theirs.targets == pairs.same.int().tolist()


# The first fold: 1 1 2, then 2 2 3, then 1 1 against 2 2, and 2 2 against 3 3.
CONTRADICTIONS = {
    "no header": ("10\t2\n", "", "its first line must be"),
    "a header of one number": ("10\t2\n", "10\n", "its first line must be"),
    "a header of no numbers": ("10\t2\n", "ten\t2\n", "found 'ten 2'"),
    "no folds": ("10\t2\n", "0\t2\n", "its first line must be"),
    "fewer folds": ("10\t2\n", "9\t2\n", "promises 9 folds of 2 + 2 pairs, found 40 pairs"),
    "more folds": ("10\t2\n", "11\t2\n", "promises 11 folds of 2 + 2 pairs, found 40 pairs"),
    "more pairs a fold": ("10\t2\n", "10\t3\n", "promises 10 folds of 3 + 3 pairs"),
    "other folds of as many pairs": ("10\t2\n", "20\t1\n", "must be twice a name and a number"),
    "a pair less": (f"{ONE}\t1\t2\n", "", "found 39 pairs"),
    "no such person": (f"{ONE}\t1\t2\n", "Nobody\t1\t2\n", "names 'Nobody', who has no folder"),
    "no such image": (f"{ONE}\t1\t2\n", f"{ONE}\t1\t7\n", f"names image 7 of {ONE}, who has 6"),
    "image 0": (f"{ONE}\t1\t2\n", f"{ONE}\t0\t2\n", f"names image 0 of {ONE}"),
    "no number": (f"{ONE}\t1\t2\n", f"{ONE}\tone\t2\n", f"names image one of {ONE}"),
    "an image and itself": (f"{ONE}\t1\t2\n", f"{ONE}\t1\t1\n", "must be two images of one person"),
    "itself, written otherwise": (f"{ONE}\t1\t2\n", f"{ONE}\t1\t01\n", "must be two images of one person"),
    "a different pair among the same": (f"{ONE}\t1\t2\n", f"{ONE}\t1\t{ONE}\t2\n", "must be a name and two numbers"),
    "one person among the different": (
        f"{ONE}\t1\tDrawn_Person_002\t2",
        f"{ONE}\t1\t{ONE}\t2",
        "must be of two people",
    ),
    "a same pair among the different": (f"{ONE}\t1\tDrawn_Person_002\t2", f"{ONE}\t1\t2", "must be twice a name"),
    "no second person": (f"{ONE}\t1\tDrawn_Person_002\t2", f"{ONE}\t1\tNobody\t2", "names 'Nobody'"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_contradictions(case, tmp_path):
    old, new, says = CONTRADICTIONS[case]
    counts, _ = drawn(ENTRY, tmp_path)
    replace(tmp_path / PAIRS, old, new)
    refused(ENTRY, tmp_path, counts, tmp_path / PAIRS, says)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"<html>404</html>"])
def test_no_pairs(content, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / PAIRS).write_bytes(content)
    refused(ENTRY, tmp_path, counts, tmp_path / PAIRS, "is not the official file")


@pytest.mark.parametrize("path", [PAIRS, IMAGES])
def test_missing(path, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / path).rename(tmp_path / "elsewhere")
    refused(ENTRY, tmp_path, counts, tmp_path / path, "is missing")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (f"{ONE}_0003.jpg", None, f"{ONE}_0003.jpg must come where {ONE}_0004.jpg is"),
        (f"{ONE}_0006.jpg", f"{ONE}_0007.jpg", f"{ONE}_0006.jpg must come where {ONE}_0007.jpg is"),
        (f"{ONE}_0006.jpg", "Other_0006.jpg", "Other_0006.jpg is"),
    ],
)
def test_wrong_images(old, new, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / IMAGES / ONE / old
    if new is None:
        path.unlink()
    else:
        path.rename(path.with_name(new))
    refused(ENTRY, tmp_path, counts, path.parent, says)


def test_a_person_more(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / IMAGES / "Zoe").mkdir()
    shutil.copy(tmp_path / IMAGES / ONE / f"{ONE}_0001.jpg", tmp_path / IMAGES / "Zoe" / "Zoe_0001.jpg")
    refused(ENTRY, tmp_path, counts, "pairs must have 48 images, 40 pairs, found 49 images")


def test_truncated_image(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / IMAGES / ONE / f"{ONE}_0002.jpg"
    path.write_bytes(path.read_bytes()[:300])
    refused(ENTRY, tmp_path, counts, path, "cannot be read as an image")


def test_folder_of_the_layout():
    assert all(source.into == lfw.FOLDER for source in ENTRY.sources)

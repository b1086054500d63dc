"""Omniglot: the miniature, torchvision's own class, and images or alphabets in a wrong place."""

import shutil

import numpy
import pytest
from damaged import drawn, entry_named, refused
from torchvision.datasets import Omniglot

from dmlkit.data.entries import general
from dmlkit.data.layouts.common import Count

ENTRY = entry_named(general.ENTRIES, "omniglot")
BACKGROUND, EVALUATION = "omniglot-py/images_background", "omniglot-py/images_evaluation"
CHARACTER = f"{BACKGROUND}/Drawn_background_1/character02"


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(24, 4), "test": Count(24, 4)}
    assert splits["train"].store is splits["test"].store
    assert splits["train"].classes[1] == "Drawn_background_1/character02"
    assert splits["test"].classes[7] == "Drawn_evaluation_2/character02"
    for split, first in (("train", 0), ("test", 4)):
        for n, (image, label) in enumerate(splits[split]):
            assert label == first + n // 6
            assert image.size == (105, 105)
            assert image.mode == "L"
            assert numpy.array_equal(image, ENTRY.miniature.image(label, n % 6, grey=True, size=(105, 105)))


@pytest.mark.parametrize("background", [True, False])
def test_torchvision(background, tmp_path):
    """Its own class, where it does not ask for the zips; it takes classes in the order of the disk."""
    _, splits = drawn(ENTRY, tmp_path)

    class Own(Omniglot):
        def _check_integrity(self):
            return True

    theirs, ours = Own(tmp_path, background=background), splits["train" if background else "test"]

    def images(found, name):
        return sorted((name(label), numpy.asarray(image).tobytes()) for image, label in found)

    assert images(theirs, theirs._characters.__getitem__) == images(ours, ours.classes.__getitem__)


@pytest.mark.parametrize("folder", [BACKGROUND, EVALUATION])
def test_missing_folder(folder, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.rmtree(tmp_path / folder)
    refused(ENTRY, tmp_path, counts, tmp_path / folder, "is missing")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("0002_03.png", None, "numbered from 1 without a gap"),
        ("0002_06.png", None, "train must have 24 images"),
        ("0002_06.png", "0002_07.png", "numbered from 1 without a gap"),
        ("0002_06.png", "0003_06.png", "0002_01.png and 0003_06.png are two characters"),
        ("0002_06.png", "copy.png", "must be named NNNN_DD.png, found copy.png"),
        ("0002_06.png", "0002_06.jpg", "train must have 24 images"),
    ],
)
def test_wrong_names(old, new, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / CHARACTER / old
    if new is None:
        path.unlink()
    else:
        path.rename(path.with_name(new))
    refused(ENTRY, tmp_path, counts, "" if "must have" in says else path.parent, says)


def test_two_archives_exchanged(tmp_path):
    """The same alphabet in both sets would test on classes that were trained."""
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.rmtree(tmp_path / EVALUATION)
    shutil.copytree(tmp_path / BACKGROUND, tmp_path / EVALUATION)
    refused(ENTRY, tmp_path, counts, tmp_path / EVALUATION, "Drawn_background_1 is in images_background too")


def test_truncated_image(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / CHARACTER / "0002_02.png"
    path.write_bytes(path.read_bytes()[:100])
    refused(ENTRY, tmp_path, counts, path, "cannot be read as an image")


def test_extra_image(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    shutil.copy(tmp_path / CHARACTER / "0002_02.png", tmp_path / BACKGROUND / "0002_02.png")
    refused(ENTRY, tmp_path, counts, tmp_path / BACKGROUND / "0002_02.png", "does not belong")

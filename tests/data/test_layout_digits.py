"""Digits: scikit-learn's own images, all of them once."""

import numpy
import pytest
from damaged import drawn, entry_named
from sklearn.datasets import load_digits

from dmlkit.data.digits import digits
from dmlkit.data.entries import general
from dmlkit.data.prepare import prepare

ENTRY = entry_named(general.ENTRIES, "digits")


def test_every_image_once(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == ENTRY.counts
    assert not any(tmp_path.iterdir())
    found = [(label, numpy.asarray(image).tobytes()) for split in splits.values() for image, label in split]
    bunch = load_digits()
    # Ink of 0 … 16, half a level rounded up.
    pixels = ((bunch.images * 255 + 8) // 16).astype(numpy.uint8)
    assert sorted(found) == sorted((label, image.tobytes()) for label, image in zip(bunch.target, pixels, strict=True))


@pytest.mark.parametrize("part", ["train", "test"])
def test_plain_split(part, tmp_path):
    plain, split = digits("plain"), ENTRY.read(tmp_path)[part]
    images = getattr(plain, f"{part}_images")
    assert split.labels.tolist() == getattr(plain, f"{part}_labels").tolist()
    assert split.classes[7] == "7"
    for image, (found, _) in zip(images, split, strict=True):
        assert numpy.abs(numpy.asarray(found) / 255 - image[0].numpy()).max() <= 0.5 / 255 + 1e-6


def test_prepared_without_a_source(tmp_path):
    folder = prepare(ENTRY, tmp_path, fetch=False)
    assert len(ENTRY.read(folder)["train"]) == 1257

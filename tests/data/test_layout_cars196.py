"""Cars-196 for retrieval: the miniature and contradictions."""

import numpy
import pytest
import scipy.io
import torch
from damaged import DAMAGES, drawn, drawn_as, entry_named, prepared, refused
from numpy.lib.recfunctions import repack_fields

from dmlkit.data.entries import retrieval
from dmlkit.data.layouts import cars196
from dmlkit.data.layouts.common import Count, write_matlab

ENTRY = entry_named(retrieval.ENTRIES, "cars196")


def variables(path):
    found = scipy.io.loadmat(path, squeeze_me=True)
    return {name: found[name] for name in ("annotations", "class_names")}


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(24, 4), "test": Count(24, 4)}
    assert splits["train"].labels.tolist() == torch.arange(4).repeat_interleave(6).tolist()
    assert splits["test"].labels.tolist() == torch.arange(4, 8).repeat_interleave(6).tolist()
    assert splits["train"].store is splits["test"].store
    assert splits["train"].store.names[0] == "car_ims/000001.jpg"
    assert splits["train"].classes[7] == "Drawn Car Sedan 2007"
    for split in splits.values():
        for number, (image, label) in enumerate(split):
            assert drawn_as(image, ENTRY.miniature) == (label, number % 6)


def test_without_our_reader(tmp_path):
    # As the widespread loaders of Cars-196 read it: sixth field the class, first the path, nothing squeezed.
    _, splits = drawn(ENTRY, tmp_path)
    rows = scipy.io.loadmat(tmp_path / cars196.ANNOTATIONS)["annotations"][0]
    expected = {str(row[0][0]): int(row[5][0, 0]) - 1 for row in rows}
    found = {}
    for split in splits.values():
        for place, label in zip(split.places.tolist(), split.labels.tolist(), strict=True):
            found[split.store.names[place]] = label
    assert found == expected


def test_same_bytes_each_time(tmp_path):
    for name in ("one", "two"):
        ENTRY.draw(tmp_path / name, ENTRY.miniature)
    one, two = ((tmp_path / name / cars196.ANNOTATIONS).read_bytes() for name in ("one", "two"))
    assert one == two
    assert one[:116].rstrip() == b"MATLAB 5.0 MAT-file"


def test_archives(tmp_path):
    members = {"car_ims.tgz": "car_ims"}
    assert len(prepared(ENTRY, tmp_path, members)["test"]) == 24


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_images(damage, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    refused(ENTRY, tmp_path, counts, *damage(tmp_path))


def out_of_range(found):
    found["annotations"]["class"][7] = 9


def class_zero(found):
    found["annotations"]["class"][7] = 0


def class_text(found):
    found["annotations"]["class"][7] = "2"


def name_number(found):
    found["annotations"]["relative_im_path"][7] = 8


def twice(found):
    found["annotations"]["relative_im_path"][7] = "car_ims/000001.jpg"


def without_classes(found):
    found["annotations"] = repack_fields(found["annotations"][["relative_im_path", "test"]])


def without_names(found):
    del found["class_names"]


def names_twice(found):
    found["class_names"][3] = found["class_names"][2]


def no_struct(found):
    found["annotations"] = numpy.arange(48)


CONTRADICTIONS = [
    (out_of_range, "car_ims/000008.jpg has the class 9, expected 1 … 8"),
    (class_zero, "car_ims/000008.jpg has the class 0, expected 1 … 8"),
    (class_text, "car_ims/000008.jpg has the class '2', expected 1 … 8"),
    (name_number, "a relative_im_path must be a text, found 8"),
    (twice, "car_ims/000001.jpg is listed twice"),
    (without_classes, "its annotations have no field 'class'"),
    (without_names, "it has no variable 'class_names'"),
    (names_twice, "Drawn Car Sedan 2002 is listed twice"),
    (no_struct, "its annotations have no field 'relative_im_path'"),
]


@pytest.mark.parametrize(("change", "said"), CONTRADICTIONS)
def test_contradiction(change, said, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / cars196.ANNOTATIONS
    found = variables(path)
    change(found)
    write_matlab(path, **found)
    refused(ENTRY, tmp_path, counts, path, said)


def test_changed_back(tmp_path):
    # So that the refusals above come from the changes and not from writing the file anew.
    counts, _ = drawn(ENTRY, tmp_path)
    write_matlab(tmp_path / cars196.ANNOTATIONS, **variables(tmp_path / cars196.ANNOTATIONS))
    assert ENTRY.read(tmp_path)["test"].num_classes == counts["test"].classes


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>\n" * 20, b"MATLAB 5.0 MAT-file".ljust(128)])
def test_no_matlab(content, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / cars196.ANNOTATIONS).write_bytes(content)
    refused(ENTRY, tmp_path, counts, tmp_path / cars196.ANNOTATIONS, "is not the official file")


def test_truncated_matlab(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / cars196.ANNOTATIONS
    path.write_bytes(path.read_bytes()[:3000])
    refused(ENTRY, tmp_path, counts, path, "is not the official file")


def test_missing_file(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / cars196.ANNOTATIONS).unlink()
    refused(ENTRY, tmp_path, counts, tmp_path / cars196.ANNOTATIONS, "is missing")

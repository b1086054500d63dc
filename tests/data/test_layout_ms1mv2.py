"""MS1MV2: the miniature against a slow reader of RecordIO, damaged records, and processes that read at once."""

import dataclasses
import io
import pickle
import struct

import numpy
import pytest
import torch
from damaged import drawn, drawn_as, entry_named, refused
from PIL import Image
from torch.utils.data import DataLoader

from dmlkit.data.entries import faces
from dmlkit.data.errors import DataError
from dmlkit.data.layouts.common import Count, Drawing

ENTRY = entry_named(faces.ENTRIES, "ms1mv2")


def slow_reader(folder):
    """{number: (labels, content)} of all records, one after the other, as the format is described by MXNet."""
    content, found = (folder / "train.rec").read_bytes(), {}
    for line in (folder / "train.idx").read_text().splitlines():
        number, offset = map(int, line.split("\t"))
        magic, length = struct.unpack("<II", content[offset : offset + 8])
        assert magic == 0xCED7230A
        assert length < 2**29
        data = content[offset + 8 : offset + 8 + length]
        flag, label, own, _ = struct.unpack("<IfQQ", data[:24])
        assert own == number
        labels = [label] if flag == 0 else list(struct.unpack(f"<{flag}f", data[24 : 24 + 4 * flag]))
        found[number] = labels, data[24 + 4 * flag :]
    return found


def offsets_of(folder):
    return [int(line.split("\t")[1]) for line in (folder / "train.idx").read_text().splitlines()]


def test_miniature(tmp_path):
    counts, splits = drawn(ENTRY, tmp_path)
    assert counts == {"train": Count(48, 8)}
    records, train = slow_reader(tmp_path), splits["train"]
    assert records[0] == ([49, 57], b"")
    assert [records[49 + n] for n in range(8)] == [([1 + 6 * n, 7 + 6 * n], b"") for n in range(8)]
    assert {len(labels) for labels, _ in records.values()} == {1, 2}
    for n, (image, label) in enumerate(train):
        labels, content = records[n + 1]
        assert label == labels[0] == n // 6
        assert numpy.array_equal(image, Image.open(io.BytesIO(content)))
        assert drawn_as(image, ENTRY.miniature) == (label, n % 6)


def rewritten(folder, change=lambda records: records, order=None):
    """Write the records anew after a change of {number: (labels, content)}, in another order of the file."""
    records = change(slow_reader(folder))
    content, index = b"", []
    for number in order or list(records):
        labels, image = records[number]
        data = struct.pack("<IfQQ", len(labels), 0, number, 0) + struct.pack(f"<{len(labels)}f", *labels) + image
        index.append(f"{number}\t{len(content)}\n")
        content += struct.pack("<II", 0xCED7230A, len(data)) + data + bytes(-len(data) % 4)
    (folder / "train.rec").write_bytes(content)
    (folder / "train.idx").write_text("".join(index))


def test_identities_in_another_order(tmp_path):
    """An identity has the number that its images say, and the order of the file and of the index does not matter."""
    _, before = drawn(ENTRY, tmp_path)
    expected = [numpy.asarray(before["train"].image(n)) for n in range(48)]
    rewritten(
        tmp_path,
        lambda records: {n: ([7 - labels[0]] if 1 <= n <= 48 else labels, x) for n, (labels, x) in records.items()},
        order=torch.randperm(57, generator=torch.Generator().manual_seed(0)).tolist(),
    )
    train = ENTRY.read(tmp_path)["train"]
    assert train.labels.tolist() == [7 - label for label in before["train"].labels.tolist()]
    for n in range(48):
        assert numpy.array_equal(train.image(n), expected[n])


@pytest.mark.parametrize("drawing", [Drawing(1, 1), Drawing(3, 1), Drawing(2, 5)])
def test_other_drawings(drawing, tmp_path):
    drawn(dataclasses.replace(ENTRY, miniature=drawing), tmp_path)


def test_processes(tmp_path):
    """Every worker reads by itself: nothing of an open file is shared by those that were forked or given a copy."""
    _, splits = drawn(ENTRY, tmp_path)
    train = splits["train"].with_transform(numpy.asarray)
    store = pickle.loads(pickle.dumps(train.store))
    assert numpy.array_equal(store[5], train.store[5])
    expected = torch.stack([torch.from_numpy(image.copy()) for image, _ in train])
    for _ in range(2):
        loader = DataLoader(train, batch_size=4, num_workers=2)
        assert torch.equal(torch.cat([images for images, _ in loader]), expected)


@pytest.mark.parametrize("file", ["train.rec", "train.idx", "property"])
@pytest.mark.parametrize(("content", "says"), [(None, "is missing"), (b"", "is not the official file")])
def test_missing_or_empty(file, content, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / file).unlink()
    if content is not None:
        (tmp_path / file).write_bytes(content)
    refused(ENTRY, tmp_path, counts, tmp_path / file, says)


@pytest.mark.parametrize(
    ("line", "new", "says"),
    [
        (5, "5\t99999999", "record 5 would be at byte 99999999"),
        (5, "5\t-4", "record 5 would be at byte -4"),
        (5, "5\t1", "record 5 would be at byte 1 "),
        (5, "5\t0", "record 0 begins where another does"),
        (5, "6\t0", "it must list record 5 once"),
        (5, "999\t4", "it must list record 5 once"),
        (5, "five\t4", "a line must be two numbers"),
        (5, "5", "a line must be two numbers"),
        (5, "5\t4\t4", "a line must be two numbers"),
    ],
)
def test_wrong_index(line, new, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / "train.idx"
    lines = path.read_text().splitlines()
    lines[line] = new
    path.write_text("\n".join(lines))
    refused(ENTRY, tmp_path, counts, path, says)


def test_index_of_one_column(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / "train.idx").write_text("0\n1\n2\n")
    refused(ENTRY, tmp_path, counts, tmp_path / "train.idx", "a line must be two numbers, found 1")


def overwrite(folder, number, at, new):
    """Other bytes in a record."""
    content = bytearray((folder / "train.rec").read_bytes())
    start = offsets_of(folder)[number] + at
    content[start : start + len(new)] = new
    (folder / "train.rec").write_bytes(content)


DAMAGED = [
    (0, b"\x00", "a record begins with 0xced7230a, found 0xced72300"),
    (4, struct.pack("<I", 3), "it has 3 bytes by its own account"),
    (7, b"\x20", "it is divided into parts"),
]


@pytest.mark.parametrize("number", [0, 1, 13, 49, 56])
@pytest.mark.parametrize(("at", "new", "says"), DAMAGED)
def test_damaged_record(number, at, new, says, tmp_path):
    """Record 0, identities and the first image of each are looked at when the data set is opened."""
    counts, _ = drawn(ENTRY, tmp_path)
    overwrite(tmp_path, number, at, new)
    refused(ENTRY, tmp_path, counts, tmp_path / "train.rec", f"record {number} is damaged: {says}")


@pytest.mark.parametrize(
    ("at", "new", "says"),
    [
        *DAMAGED,
        (8, struct.pack("<I", 10**6), "image 8"),  # as many labels as no record has room for
        (8, struct.pack("<If", 0, 5), "it is of identity 5, not of 1"),
        (8, struct.pack("<If", 0, float("nan")), "it is of identity nan"),
        (32, b"<html>", "cannot identify"),
    ],
)
def test_damaged_image(at, new, says, tmp_path):
    """Any other image is refused when it is read."""
    _, splits = drawn(ENTRY, tmp_path)
    overwrite(tmp_path, 9, at, new)
    with pytest.raises(DataError, match="image 8 of .*train.rec, at byte") as error:
        splits["train"].image(8)
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    splits["train"].image(7)


@pytest.mark.parametrize("cut", [4, 8, 39, 41, 44])
def test_truncated(cut, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    path = tmp_path / "train.rec"
    path.write_bytes(path.read_bytes()[:-cut])
    refused(ENTRY, tmp_path, counts, tmp_path)


def test_truncated_afterwards(tmp_path):
    _, splits = drawn(ENTRY, tmp_path)
    path = tmp_path / "train.rec"
    path.write_bytes(path.read_bytes()[: offsets_of(tmp_path)[9] + 100])
    for number in (8, 9):
        with pytest.raises(DataError, match=f"image {number} of .* ends before it does"):
            splits["train"].image(number)
    path.unlink()
    with pytest.raises(DataError, match="No such file"):
        splits["train"].image(0)


def labelled(**changes):
    """Other labels of some records."""
    return lambda records: {n: (changes.get(f"r{n}", labels), x) for n, (labels, x) in records.items()}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"r0": [49]}, "record 0 is shorter than it may be"),
        ({"r0": [57, 57]}, "record 0 must say"),
        ({"r0": [49, 58]}, "record 0 must say"),
        ({"r0": [1, 57]}, "record 0 must say"),
        ({"r0": [float("nan"), 57]}, "record 0 must say"),
        ({"r0": [float("inf"), 57]}, "record 0 must say"),
        ({"r0": [48, 57]}, "identities must divide the images 1 … 47"),
        ({"r49": [2, 7]}, "identities must divide the images 1 … 48"),
        ({"r50": [7, 12]}, "identities must divide the images"),
        ({"r56": [43, 50]}, "identities must divide the images"),
        ({"r56": [43, 3e38]}, "identities must divide the images"),
        ({"r50": [7]}, "record 50 is shorter than it may be"),
        ({"r50": [7, 7], "r51": [7, 19]}, "identity 1 has no image"),
        ({"r50": [7, 20], "r51": [20, 19]}, "identity 2 has no image"),
        ({"r1": [1.0]}, "the numbers 0 … 7, each once"),
        ({"r1": [8.0]}, "the numbers 0 … 7, each once"),
        ({"r1": [0.5]}, "the numbers 0 … 7, each once"),
        ({"r1": [float("nan")]}, "the numbers 0 … 7, each once"),
    ],
)
def test_contradictions(changes, says, tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    rewritten(tmp_path, labelled(**changes))
    refused(ENTRY, tmp_path, counts, tmp_path / "train.rec", says)


def test_property(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    (tmp_path / "property").write_text("9,32,32\n")
    refused(ENTRY, tmp_path, counts, tmp_path / "property", "it promises 9 identities, train.rec has 8")


def test_fewer_images(tmp_path):
    counts, _ = drawn(ENTRY, tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    ENTRY.draw(other, Drawing(classes=8, per_class=5))
    refused(ENTRY, other, counts, "train must have 48 images, 8 classes, found 40 images")

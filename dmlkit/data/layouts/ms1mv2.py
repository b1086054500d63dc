"""MS1MV2: face images in one file, MXNet's RecordIO `train.rec`, with `train.idx` (where each begins) and `property`.

Record 0 says which records are images (1 … N) and which are identities (the ones behind); an identity's record says
which images are its own: first, and one past the last. An image's record begins with its identity's number.
"""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from dmlkit.data.errors import DataError
from dmlkit.data.images import ImageSet, decoded
from dmlkit.data.layouts.common import Count, Drawing, lines_of, refuse

_MAGIC = 0xCED7230A
_FRAME = struct.Struct("<II")  # magic, and length below three bits that number the parts of a record
_HEADER = struct.Struct("<IfQQ")  # how many labels follow, the label where none does, its number and another
# The same for many records at once, with the two labels that may follow.
_START = np.dtype(
    [("magic", "<u4"), ("length", "<u4"), ("flag", "<u4"), ("label", "<f4"), ("ids", "<u8", 2), ("labels", "<f4", 2)]
)


class Records:
    """Images in the records of a RecordIO file; the file is opened anew for each.

    So nothing is shared with the processes of a DataLoader, whether they are forked or given a copy.

    Args:
        path: of the file.
        offsets: (N,), where the record of each image begins, in bytes.
        lengths: (N,), its bytes, with frame and padding.
        labels: (N,), what its header must say.
    """

    def __init__(self, path: Path, offsets: np.ndarray, lengths: np.ndarray, labels: np.ndarray) -> None:
        self.path, self.offsets, self.lengths, self.labels = path, offsets, lengths, labels

    def __len__(self) -> int:
        return len(self.offsets)

    def __getitem__(self, place: int) -> Image.Image:
        offset, length = int(self.offsets[place]), int(self.lengths[place])
        try:
            with open(self.path, "rb") as file:
                file.seek(offset)
                record = file.read(length)
            label, content = _unpacked(record, length)
            if label != self.labels[place]:
                raise ValueError(f"it is of identity {label:g}, not of {self.labels[place]}")
            return decoded(io.BytesIO(content), "RGB")
        except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as fault:
            raise DataError(f"image {place} of {self.path}, at byte {offset}, cannot be read ({fault})") from None


def _unpacked(record: bytes, length: int) -> tuple[float, bytes]:
    """Label and content of one record.

    Raises:
        ValueError, struct.error: it is damaged.
    """
    if len(record) < length:
        raise ValueError("the file ends before it does")
    magic, size = _FRAME.unpack_from(record)
    _check_frame(magic, size, length)
    flag, label, *_ = _HEADER.unpack_from(record, _FRAME.size)
    start, end = _FRAME.size + _HEADER.size, _FRAME.size + size
    if flag:
        (label,) = struct.unpack_from("<f", record, start)
        start += 4 * flag
    return label, record[start:end]


def _check_frame(magic: int, size: int, length: int) -> None:
    """Require one whole record that fills its place.

    Raises:
        ValueError: it does not.
    """
    if magic != _MAGIC:
        raise ValueError(f"a record begins with {_MAGIC:#x}, found {magic:#x}")
    if size >> 29:
        raise ValueError("it is divided into parts, which no image of this data set is")
    if _FRAME.size + (size + 3) // 4 * 4 != length:
        raise ValueError(f"it has {size} bytes by its own account and {length - _FRAME.size} in its place")


def _places(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    """Offset and length of every record, by number.

    Raises:
        DataError: `train.idx` is missing or no list, leaves a record out, or points outside `train.rec`.
    """
    index, records = folder / "train.idx", folder / "train.rec"
    for path in (index, records):
        if not path.is_file():
            raise DataError(f"{path} is missing: the data set cannot be read without it")
        if not path.stat().st_size:
            refuse(path, "it is empty")
    try:
        rows = np.loadtxt(index, dtype=np.int64, ndmin=2)
    except ValueError as fault:
        refuse(index, f"a line must be two numbers ({fault})")
    if rows.shape[1] != 2:
        refuse(index, f"a line must be two numbers, found {rows.shape[1]}")
    numbers, offsets = rows[np.argsort(rows[:, 0], kind="stable")].T
    wrong = np.flatnonzero(numbers != np.arange(len(numbers)))
    if len(wrong):
        refuse(index, f"it must list record {wrong[0]} once, found {numbers[wrong[0]]} in its place")
    size = records.stat().st_size
    outside = np.flatnonzero((offsets < 0) | (offsets % 4 != 0) | (offsets + _FRAME.size > size))
    if len(outside):
        refuse(index, f"record {outside[0]} would be at byte {offsets[outside[0]]} of {size} in train.rec")
    order = np.argsort(offsets)
    lengths = np.empty_like(offsets)
    lengths[order] = np.diff(np.append(offsets[order], size))
    if (lengths == 0).any():
        refuse(index, f"record {np.flatnonzero(lengths == 0)[0]} begins where another does")
    return offsets, lengths


def _starts(path: Path, offsets: np.ndarray, lengths: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """The first bytes of the records of these numbers, as `_START`, all at once.

    Raises:
        DataError: the first that is damaged.
    """
    offsets, lengths = offsets[numbers], lengths[numbers]
    for number in numbers[lengths < _START.itemsize]:
        refuse(path, f"record {number} is shorter than it may be")
    content = np.memmap(path, np.uint8, mode="r")
    starts = content[offsets[:, None] + np.arange(_START.itemsize)].view(_START)[:, 0]
    whole = _FRAME.size + (starts["length"].astype(np.int64) + 3) // 4 * 4 == lengths
    for n in np.flatnonzero((starts["magic"] != _MAGIC) | ~whole)[:1]:
        try:
            _check_frame(int(starts["magic"][n]), int(starts["length"][n]), int(lengths[n]))
        except ValueError as fault:
            refuse(path, f"record {numbers[n]} is damaged: {fault}")
    return starts


def _whole(labels: np.ndarray) -> np.ndarray:
    """Labels as the numbers of records that they stand for; anything else becomes one that no record has."""
    return np.nan_to_num(labels.astype(np.float64)).clip(-1, 2**53).astype(np.int64)


def _ranges(path: Path, offsets: np.ndarray, lengths: np.ndarray) -> tuple[int, np.ndarray]:
    """The number of images, and (identities, 2): the first image of each, and one past its last.

    Raises:
        DataError: record 0 or an identity's is damaged, or identities do not divide the images between them.
    """
    head = _starts(path, offsets, lengths, np.array([0]))[0]
    end, last = _whole(head["labels"]).tolist()
    if head["flag"] < 2 or not 1 < end < last or last != len(offsets):
        refuse(path, f"record 0 must say where images and identities end, among {len(offsets)} records")
    identities = _starts(path, offsets, lengths, np.arange(end, last))
    ranges = _whole(identities["labels"])
    borders = np.append(ranges[:, 0], end)
    if (identities["flag"] < 2).any() or borders[0] != 1 or (ranges[:, 1] != borders[1:]).any():
        refuse(path, f"its identities must divide the images 1 … {end - 1} between them")
    if (np.diff(borders) <= 0).any():
        refuse(path, f"identity {np.flatnonzero(np.diff(borders) <= 0)[0]} has no image")
    return end - 1, ranges


def read(root: Path) -> dict[str, ImageSet]:
    """All images, as training set; there is no other split.

    Each identity's number is read with its first image, so two records an identity are looked at and not millions. Any
    image that says another number is refused when it is read.

    Raises:
        DataError: a missing file, an index that points outside, a damaged record, or identities that contradict
            the images or `property`.
    """
    path = root / "train.rec"
    offsets, lengths = _places(root)
    count, ranges = _ranges(path, offsets, lengths)
    lines = lines_of(root / "property")
    promised = lines[0].split(",")[0] if lines else ""
    if promised != str(len(ranges)):
        refuse(root / "property", f"it promises {promised or 'no'} identities, train.rec has {len(ranges)}")
    firsts = _starts(path, offsets, lengths, ranges[:, 0])
    numbers = np.where(firsts["flag"] > 0, firsts["labels"][:, 0], firsts["label"])
    if not np.array_equal(np.sort(numbers), np.arange(len(ranges))):
        refuse(path, f"the first images of its identities must have the numbers 0 … {len(ranges) - 1}, each once")
    labels = np.repeat(numbers.astype(np.int64), ranges[:, 1] - ranges[:, 0])
    store = Records(path, offsets[1 : count + 1], lengths[1 : count + 1], labels)
    classes = [f"identity {number}" for number in range(len(ranges))]
    return {"train": ImageSet(store, torch.from_numpy(labels), classes)}


def _packed(labels: list[float], number: int, content: bytes = b"") -> bytes:
    """One record; a single label stands in the header itself, as it does in most images of such files."""
    one = len(labels) == 1
    header = _HEADER.pack(0 if one else len(labels), labels[0] if one else 0.0, number, 0)
    data = header + (b"" if one else struct.pack(f"<{len(labels)}f", *labels)) + content
    return _FRAME.pack(_MAGIC, len(data)) + data + bytes(-len(data) % 4)


def draw(root: Path, drawing: Drawing) -> dict[str, Count]:
    """A miniature in this layout; every other image has a second label, as in files of other versions."""
    images = drawing.classes * drawing.per_class
    records = [_packed([images + 1, images + 1 + drawing.classes], 0)]
    for n in range(images):
        label, k = divmod(n, drawing.per_class)
        stream = io.BytesIO()
        drawing.image(label, k).save(stream, format="JPEG", quality=90)
        records.append(_packed([label, 1][: 1 + n % 2], n + 1, stream.getvalue()))
    for label in range(drawing.classes):
        first = 1 + label * drawing.per_class
        records.append(_packed([first, first + drawing.per_class], images + 1 + label))
    offsets = np.cumsum([0, *map(len, records)])[:-1]
    (root / "train.rec").write_bytes(b"".join(records))
    index = "".join(f"{number}\t{offset}\n" for number, offset in enumerate(offsets))
    (root / "train.idx").write_text(index, encoding="utf-8")
    (root / "property").write_text(f"{drawing.classes},{drawing.size},{drawing.size}\n", encoding="utf-8")
    return {"train": Count(images, drawing.classes)}

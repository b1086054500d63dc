"""Pairs of faces in pickles: read without running anything that a pickle asks for."""

from __future__ import annotations

import io
import pickle
import pickletools
from pathlib import Path

import numpy as np

from dmlkit.checks import check_number
from dmlkit.data.errors import DataError

# What picklers of any protocol write for lists, tuples, strings, bytes, booleans, small integers and calls of the
# globals below. Left out: instances, dictionaries and sets (they hash what they hold, which overflows the stack where
# that is deep), persistent ids, extension codes (a cache answers them past `find_class`), buffers from elsewhere.
_OPCODES = frozenset(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 STRING BINSTRING "
    "SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 "
    "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET "
    "LONG_BINGET GLOBAL STACK_GLOBAL REDUCE BUILD".split()
)
_NUMBERED = frozenset({"PUT", "BINPUT", "LONG_BINPUT"})
# Each opcode makes an object of up to a hundred bytes; 100,000 pairs take about three million.
_MOST_OPCODES = 4_000_000
_MAGIC = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")  # JPEG, PNG
_DTYPES = ("u1", "b1")


class _Refused(Exception):
    """Half a sentence: what such a file does not hold."""


def _text(value: str | bytes) -> str:
    """A word in an array's state: Python 2 wrote bytes, which encoding="bytes" leaves as they are."""
    return value.decode("ascii") if isinstance(value, bytes) else value


class _Dtype:
    """Stands in for numpy.dtype: unsigned bytes or booleans."""

    __slots__ = ("name",)

    def __init__(self, name: str | bytes, align: object = False, copy: object = True):
        self.name = _text(name)
        if self.name not in _DTYPES:
            raise _Refused("an array holds something else than bytes or booleans")

    def __setstate__(self, state: tuple) -> None:
        if _text(state[1]) != "|" or any(part is not None for part in state[2:5]):
            raise _Refused("an array has a dtype of several parts")


class _Array:
    """Stands in for numpy.ndarray: a row of bytes or booleans, which is not copied."""

    __slots__ = ("dtype", "row")

    def __init__(self) -> None:
        self.dtype, self.row = None, b""

    def __setstate__(self, state: tuple) -> None:
        _, shape, dtype, _, row = state
        self.fill(shape, dtype, row)

    def fill(self, shape: tuple, dtype: _Dtype, row: bytes | bytearray) -> None:
        if type(dtype) is not _Dtype or type(row) not in (bytes, bytearray):
            raise _Refused("an array holds something else than bytes or booleans")
        # Encoders of older OpenCV return one column.
        if shape not in ((len(row),), (len(row), 1), (1, len(row))):
            raise _Refused("an array is no row of bytes, as an encoded image is")
        self.dtype, self.row = dtype.name, row


class _PairsUnpickler(pickle.Unpickler):
    """Builds lists, tuples, strings and bytes; every global is answered with a stand-in of this file, or refused."""

    def __init__(self, content: bytes):
        super().__init__(io.BytesIO(content), encoding="bytes")
        # An honest pickle holds everything once: only a hostile one encodes the same string again and again.
        self.left = len(content)
        self.known = {
            ("numpy", "ndarray"): _Array,
            ("numpy", "dtype"): _Dtype,
            ("_codecs", "encode"): self.encode,
        }
        for builtins in ("builtins", "__builtin__"):
            self.known[builtins, "bytearray"] = self.known[builtins, "bytes"] = self.bytes_of
        for core in ("numpy.core", "numpy._core"):
            self.known[f"{core}.multiarray", "_reconstruct"] = self.reconstruct
            self.known[f"{core}.multiarray", "scalar"] = self.scalar
            self.known[f"{core}.numeric", "_frombuffer"] = self.from_buffer

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.known:
            raise _Refused(f"it asks for {f'{module}.{name}'[:80]!r}")
        return self.known[module, name]

    def encode(self, text: str, encoding: str | bytes) -> bytes:
        """How protocols 0 to 2 write bytes; other codecs may unpack, import or transform."""
        if type(text) is not str or _text(encoding) not in ("latin1", "latin-1"):
            raise _Refused("bytes are written in another encoding than latin1")
        self.left -= len(text)
        if self.left < 0:
            raise _Refused("it copies more than it holds")
        return text.encode("latin-1")

    def bytes_of(self, value: bytes | str = b"", encoding: str | bytes = "latin-1") -> bytes:
        if type(value) is bytes:
            return value
        return self.encode(value, encoding)

    def reconstruct(self, kind: type, shape: object, code: object) -> _Array:
        return _Array()

    def from_buffer(self, row: bytes | bytearray, dtype: _Dtype, shape: tuple, order: object) -> _Array:
        array = _Array()
        array.fill(shape, dtype, row)
        return array

    def scalar(self, dtype: _Dtype, value: bytes) -> bool:
        if type(dtype) is not _Dtype or dtype.name != "b1" or value not in (b"\x00", b"\x01"):
            raise _Refused("a number stands for a boolean")
        return value == b"\x01"


def _check_opcodes(content: bytes) -> None:
    """Read the program before any of it runs: only opcodes that are needed, not too many, all of them whole."""
    for number, (opcode, argument, _) in enumerate(pickletools.genops(io.BytesIO(content))):
        if opcode.name not in _OPCODES:
            raise _Refused(f"it uses the opcode {opcode.name}")
        if number >= _MOST_OPCODES:
            raise _Refused(f"it has more than {_MOST_OPCODES:,} opcodes")
        # The memo becomes a table as long as its largest index.
        if opcode.name in _NUMBERED and argument >= _MOST_OPCODES:
            raise _Refused(f"it numbers an object {argument:,}")


def _images(found: object) -> list[bytes]:
    if type(found) not in (list, tuple):
        raise _Refused("the images are no list")
    # One image may stand in the list a million times: it is copied once.
    rows: dict[int, bytes] = {}
    images = []
    for number, image in enumerate(found):
        row = image.row if type(image) is _Array and image.dtype == "u1" else image
        if id(row) not in rows:
            if type(row) not in (bytes, bytearray) or not row.startswith(_MAGIC):
                raise _Refused(f"image {number} is neither JPEG nor PNG")
            rows[id(row)] = bytes(row)
        images.append(rows[id(row)])
    return images


def _same(found: object) -> np.ndarray:
    if type(found) is _Array and found.dtype == "b1":
        if found.row.strip(b"\x00\x01"):
            raise _Refused("a boolean is neither 0 nor 1")
        return np.frombuffer(found.row, dtype=np.uint8).astype(bool)
    if type(found) not in (list, tuple) or any(type(answer) is not bool for answer in found):
        raise _Refused("the answers are no list of booleans")
    return np.array(found, dtype=bool)


def load_pairs_pickle(path: str | Path, *, max_bytes: int = 2**31) -> tuple[list[bytes], np.ndarray]:
    """Read a file of face pairs as InsightFace's `.bin` files are: a pickle of (images, same).

    A pickle is a program. This one is read before it runs, may build lists, tuples, bytes and booleans only, and calls
    nothing but stand-ins of this module; neither `numpy` nor any other module is reached.

    Args:
        path: the file. Images are bytes, bytearrays or uint8 arrays (n,), (n, 1) or (1, n) of an encoded JPEG
            or PNG; answers
            are booleans, in a list or an array. Any protocol, of Python 2 or 3.
        max_bytes: that the file may have; at least twice as much is needed in memory.

    Returns:
        images: 2P encoded images, as bytes; pair p is images 2p and 2p + 1.
        same: (P,), booleans.

    Raises:
        DataError: no such file, too large, cut off, anything else than said above, or not two images an answer.
        ValueError, TypeError: `max_bytes` is no positive number.

    Source: the layout of github.com/deepinsight/insightface, recognition/arcface_torch/eval/verification.py.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "pairs.bin"
        >>> jpeg = b"\\xff\\xd8\\xff\\xe0"
        >>> _ = path.write_bytes(pickle.dumps(([jpeg] * 4, [True, False])))
        >>> images, same = load_pairs_pickle(path)
        >>> len(images), same
        (4, array([ True, False]))
    """
    path = Path(path)
    check_number("max_bytes", max_bytes, above=0)
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    with open(path, "rb") as file:
        content = file.read(int(max_bytes) + 1)
    if len(content) > max_bytes:
        raise DataError(f"{path} has more than {max_bytes:,} bytes: if that is right, give a larger max_bytes")
    try:
        _check_opcodes(content)
        found = _PairsUnpickler(content).load()
        if type(found) not in (list, tuple) or len(found) != 2:
            raise _Refused("it is not (images, answers)")
        images, same = _images(found[0]), _same(found[1])
        if len(images) != 2 * len(same) or not images:
            raise _Refused(f"it has {len(images):,} images for {len(same):,} answers")
    except Exception as error:  # a hostile or broken program may fail in any way
        reason = str(error)[:200] or type(error).__name__
        raise DataError(f"{path} is not a pickle of face pairs ({reason}): get it from its authors again") from error
    return images, same

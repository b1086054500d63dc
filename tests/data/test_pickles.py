"""Pickles of pairs: those of every protocol are read, and hostile ones do nothing."""

import copyreg
import doctest
import io
import os
import pickle
import pickletools
import struct
from pathlib import Path

import numpy
import pytest

from dmlkit.data import pickles as module
from dmlkit.data.errors import DataError
from dmlkit.data.pickles import load_pairs_pickle

PACKS = os.environ.get("DMLKIT_PACKS")
JPEG = [b"\xff\xd8\xff\xe0" + bytes([number, 0x80]) * 50 for number in range(6)]
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20
SAME = [True, False, True]


def written(tmp_path, content):
    path = tmp_path / "pairs.bin"
    path.write_bytes(content)
    return path


def refused(tmp_path, content, match, **options):
    path = written(tmp_path, content)
    with pytest.raises(DataError, match=match) as error:
        load_pairs_pickle(path, **options)
    assert "\n" not in str(error.value)
    assert str(path) in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 400


def rows(kind):
    return [kind(image) for image in JPEG]


def as_array(image):
    return numpy.frombuffer(image, dtype=numpy.uint8)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", [bytes, bytearray, as_array, lambda image: as_array(image)[:, None].copy()])
@pytest.mark.parametrize("answers", [list, tuple, numpy.array, lambda same: [numpy.bool_(one) for one in same]])
@pytest.mark.parametrize("outer", [tuple, list])
def test_what_python_3_writes(tmp_path, protocol, kind, answers, outer):
    images, same = load_pairs_pickle(written(tmp_path, pickle.dumps(outer((rows(kind), answers(SAME))), protocol)))
    assert images == JPEG
    assert {type(image) for image in images} == {bytes}
    assert same.dtype == numpy.bool_
    assert same.tolist() == SAME


@pytest.mark.parametrize("module_of_numpy", [b"numpy.core", b"numpy._core"])
def test_names_of_both_generations_of_numpy(tmp_path, module_of_numpy):
    for protocol in (2, 3):
        content = pickle.dumps((rows(as_array), numpy.array(SAME)), protocol)
        for name in (b"cnumpy._core.", b"cnumpy.core."):
            content = content.replace(name, b"c" + module_of_numpy + b".")
        assert load_pairs_pickle(written(tmp_path, content))[0] == JPEG


def python_2(images, same):
    """Opcodes of Python 2's cPickle at protocol 2: strings are bytes, memo indices begin at 1."""
    program = [b"\x80\x02]q\x01("]
    for number, image in enumerate(images):
        program.append(b"U" + struct.pack("<B", len(image)) + image + b"q" + bytes([number + 2]))
    program.append(b"e](" + b"".join(b"\x88" if one else b"\x89" for one in same) + b"e\x86q\x20.")
    return b"".join(program)


def test_what_python_2_writes(tmp_path):
    assert pickle.loads(python_2(JPEG, SAME), encoding="bytes") == (JPEG, SAME)
    images, same = load_pairs_pickle(written(tmp_path, python_2(JPEG, SAME)))
    assert images == JPEG
    assert same.tolist() == SAME


def test_arrays_of_python_2(tmp_path):
    """Names in the array's state are bytes there."""
    content = (
        b"\x80\x02](cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x04\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89U\x04\xff\xd8\xff\xe0tbU\x04\xff\xd8\xff\xe0e](\x88e\x86."
    )
    assert pickle.loads(content, encoding="bytes")[0][0].tolist() == [255, 216, 255, 224]
    assert load_pairs_pickle(written(tmp_path, content))[0] == [b"\xff\xd8\xff\xe0"] * 2


def test_png_and_one_image_many_times(tmp_path):
    shared = bytearray(PNG)
    images, same = load_pairs_pickle(written(tmp_path, pickle.dumps(([shared] * 2000, [True] * 1000), 5)))
    assert images == [PNG] * 2000
    assert len({id(image) for image in images}) == 1
    assert same.all()


@pytest.mark.skipif(not PACKS, reason="DMLKIT_PACKS is not set")
def test_a_real_one():
    images, same = load_pairs_pickle(Path(PACKS) / "lfw_a_96" / "small_lfw.bin")
    assert len(images) == 20
    assert same.tolist() == [True] * 10
    from PIL import Image

    for image in images:
        with Image.open(io.BytesIO(image)) as opened:
            opened.load()
            assert (opened.format, opened.size) == ("JPEG", (112, 112))


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def evidence(tmp_path):
    """A file that none of the hostile pickles may make."""
    path = tmp_path / "evidence"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("protocol", range(6))
def test_nothing_is_run(tmp_path, evidence, protocol):
    attacks = {
        "system": Calls(os.system, f"touch {evidence}"),
        "eval": Calls(eval, f"open({str(evidence)!r}, 'w')"),
        "open": Calls(open, str(evidence), "w"),
        "mkdir": Calls(os.mkdir, str(evidence)),
        "getattr": Calls(getattr, os, "mkdir"),
        "import": Calls(__import__, "antigravity"),
    }
    for name, attack in attacks.items():
        for hidden in ((rows(bytes), SAME, attack), [attack], ([attack] * 6, SAME), (JPEG, [attack])):
            try:
                content = pickle.dumps(hidden, protocol)
            except TypeError:  # modules are not pickled
                assert name == "getattr"
                continue
            refused(tmp_path, content, "it asks for|it uses the opcode")


def program(*opcodes):
    return b"\x80\x04" + b"".join(opcodes) + b"."


def short(text):
    return b"\x8c" + bytes([len(text.encode())]) + text.encode()


ASKED = [
    ("numpy", "load"),
    ("numpy", "save"),
    ("numpy", "ndarray.tofile"),
    ("numpy", "dtype.__new__"),
    ("numpy.testing._private.utils", "runstring"),
    ("numpy.f2py", "compile"),
    ("numpy.core.multiarray", "fromfile"),
    ("numpy._core.multiarray", "__builtins__"),
    ("_codecs", "decode"),
    ("codecs", "encode"),
    ("builtins", "exec"),
    ("builtins", "bytearray.fromhex"),
    ("dmlkit.data.pickles", "_Array"),
    ("copyreg", "_reconstructor"),
    ("operator", "attrgetter"),
    ("x" * 250, "y" * 250),
]


@pytest.mark.parametrize(("module_name", "name"), ASKED)
def test_globals_refused(tmp_path, module_name, name):
    refused(tmp_path, program(short(module_name), short(name), b"\x93"), "it asks for '")
    refused(tmp_path, program(b"c" + module_name.encode() + b"\n" + name.encode() + b"\n"), "it asks for '")


@pytest.mark.parametrize(
    ("opcodes", "name"),
    [
        (b"Pid\n", "PERSID"),
        (b"Nnq\x00Q", "LONG_BINPERSID|BINPERSID|opcode"),
        (b"(ios\nsystem\n", "INST"),
        (b"(Nio", "INST|OBJ|opcode"),
        (b"N(o", "OBJ"),
        (b"N)\x81", "NEWOBJ"),
        (b"N)}\x92", "EMPTY_DICT"),
        (b"\x8f", "EMPTY_SET"),
        (b"(\x91", "FROZENSET"),
        (b"\x82\x01", "EXT1"),
        (b"\x83\x01\x00", "EXT2"),
        (b"\x84\x01\x00\x00\x00", "EXT4"),
        (b"\x97", "NEXT_BUFFER"),
        (b"N2", "DUP"),
        (b"N0", "POP"),
        (b"G" + bytes(8), "BINFLOAT"),
        (b"\x8b\x01\x00\x00\x00\x01", "LONG4"),
    ],
)
def test_opcodes_refused(tmp_path, opcodes, name):
    refused(tmp_path, program(opcodes), f"it uses the opcode .*({name})|{name}|at position")


def test_extension_codes_that_are_known_already(tmp_path, evidence):
    """Once a code was looked up Python answers it from a cache, without asking `find_class`."""
    copyreg.add_extension("os", "mkdir", 200)
    try:
        attack = program(b"\x82\xc8", short(str(evidence)), b"\x85R")
        assert pickle.loads(program(b"\x82\xc8")) is os.mkdir
        refused(tmp_path, attack, "it uses the opcode EXT1")
    finally:
        copyreg.remove_extension("os", "mkdir", 200)


MULTIARRAY, ENCODE = short("numpy._core.multiarray"), short("_codecs") + short("encode") + b"\x93"
RECONSTRUCT, SCALAR = MULTIARRAY + short("_reconstruct") + b"\x93", MULTIARRAY + short("scalar") + b"\x93"
NDARRAY, DTYPE = short("numpy") + short("ndarray") + b"\x93", short("numpy") + short("dtype") + b"\x93"
BYTE = DTYPE + short("u1") + b"\x89\x88\x87R(K\x03" + short("|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
EMPTY = RECONSTRUCT + NDARRAY + b"K\x00\x85C\x01b\x87R"


@pytest.mark.parametrize(
    "opcodes",
    [
        DTYPE + short("O") + b"\x85R",
        DTYPE + short("V8") + b"\x85R",
        DTYPE + short("u1,O") + b"\x85R",
        DTYPE + b"](" + short("u1") + b"e\x85R",
        DTYPE + b")R",
        DTYPE + short("u1") + b"\x85R(K\x03" + short("<") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
        DTYPE + short("u1") + b"\x85R(K\x03" + short("|") + b"N(" + short("a") + b"tNK\x01K\x01K\x00tb",
        DTYPE + short("u1") + b"\x85RNb",
        EMPTY + b"(K\x01K\x05\x85" + BYTE + b"\x89C\x04\xff\xd8\xff\xe0tb",
        EMPTY + b"(K\x01J\xff\xff\xff\xff\x85" + BYTE + b"\x89C\x00tb",
        EMPTY + b"(K\x01\x8a\x08" + b"\xff" * 7 + b"\x0f\x85" + BYTE + b"\x89C\x00tb",
        EMPTY + b"(K\x01K\x02K\x02\x86" + BYTE + b"\x89C\x04\xff\xd8\xff\xe0tb",
        EMPTY + b"(K\x01K\x01\x85" + BYTE + b"\x89]Natb",
        EMPTY + b"(K\x01K\x04\x85" + short("u1") + b"\x89C\x04\xff\xd8\xff\xe0tb",
        EMPTY + b"Nb",
        EMPTY + b"(NNtb",
        NDARRAY + b")R)R",
        NDARRAY + b"Nb",
        DTYPE + b"(K\x03tb",
        RECONSTRUCT + b")R",
        RECONSTRUCT + b"Nb",
        RECONSTRUCT + b"N\x85b",
        SCALAR + BYTE + b"C\x01\x01\x86R",
        SCALAR + short("b1") + b"C\x01\x01\x86R",
        ENCODE + short("abc") + short("rot13") + b"\x86R",
        ENCODE + short("abc") + short("utf-8") + b"\x86R",
        ENCODE + short("abc") + short("zip") + b"\x86R",
        ENCODE + short("abc") + b"N\x86R",
        ENCODE + b"C\x03abc" + short("latin1") + b"\x86R",
        ENCODE + short("€") + short("latin1") + b"\x86R",
        short("abc") + b"N\x86R",
        b"NN\x86R",
        b"K\x05" * 40,
        b"(",
        b"h\x07",
        b"R",
        b"e",
        b"",
    ],
)
def test_tricks(tmp_path, opcodes):
    """Each alone, and as the only image of an otherwise good file."""
    refused(tmp_path, program(opcodes), "is not a pickle of face pairs")
    refused(tmp_path, program(b"](", opcodes, b"C\x04\xff\xd8\xff\xe0e]\x88a\x86"), "is not a pickle of face pairs")


def test_the_tricks_begin_with_what_is_right(tmp_path):
    image = EMPTY + b"(K\x01K\x04\x85" + BYTE + b"\x89C\x04\xff\xd8\xff\xe0tb"
    content = program(b"](", image, b"C\x04\xff\xd8\xff\xe0e]\x88a\x86")
    assert load_pairs_pickle(written(tmp_path, content))[0] == [b"\xff\xd8\xff\xe0"] * 2


@pytest.mark.parametrize(
    ("encoding", "allowed"), [("latin1", True), ("utf-8", False), ("rot13", False), ("hex", False)]
)
def test_one_encoding_only(tmp_path, encoding, allowed):
    image = ENCODE + short("ÿØÿà") + short(encoding) + b"\x86R"
    content = program(b"](", image, b"C\x04\xff\xd8\xff\xe0e]\x88a\x86")
    if allowed:
        assert load_pairs_pickle(written(tmp_path, content))[0] == [b"\xff\xd8\xff\xe0"] * 2
    else:
        refused(tmp_path, content, "bytes are written in another encoding than latin1")


@pytest.mark.parametrize("state", [short("<") + b"NNN", short("|") + b")NN", short("|") + b"N)N", short("|") + b"NN)"])
def test_dtypes_with_parts(tmp_path, state):
    """A byte order, a shape of each item, names, fields: in an array that is right otherwise."""
    dtype = DTYPE + short("u1") + b"\x85R(K\x03" + state + b"J\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    image = EMPTY + b"(K\x01K\x04\x85" + dtype + b"\x89C\x04\xff\xd8\xff\xe0tb"
    refused(tmp_path, program(b"](", image, b"C\x04\xff\xd8\xff\xe0e]\x88a\x86"), "a dtype of several parts")


def test_a_copy_made_again_and_again(tmp_path):
    """One megabyte, encoded as often as the file has room to ask for: a terabyte."""
    text = b"X" + struct.pack("<L", 2**20) + b"\x7f" * 2**20 + b"q\x01"
    opcodes = ENCODE + b"q\x00" + text + short("latin1") + b"q\x02]" + b"(" + b"h\x00h\x01h\x02\x86R" * 1000 + b"e"
    refused(tmp_path, program(opcodes), "it copies more than it holds")


def test_lengths_that_are_promised_only(tmp_path):
    for opcode in (b"\x8e", b"\x8d", b"\x96"):
        refused(
            tmp_path, program(opcode + struct.pack("<Q", 2**40) + b"abc"), "expected 1099511627776 bytes|not enough"
        )
        refused(tmp_path, program(opcode + struct.pack("<Q", 2**64 - 1) + b"abc"), "is not a pickle of face pairs")
    refused(tmp_path, program(b"B" + struct.pack("<L", 2**32 - 1) + b"abc"), "is not a pickle of face pairs")
    refused(tmp_path, program(b"\x95" + struct.pack("<Q", 2**50) + b"N"), "is not a pickle of face pairs")


@pytest.mark.parametrize("opcode", [b"r" + struct.pack("<L", 2**32 - 2), b"p4294967294\n"])
def test_a_memo_of_gigabytes(tmp_path, opcode):
    refused(tmp_path, program(b"N" + opcode), "it numbers an object 4,294,967,294")


@pytest.mark.parametrize("opcodes", [b"(" * 300_000, b"N" + b"\x85" * 300_000, b"]" * 300_000 + b"a" * 299_999])
def test_depth(tmp_path, opcodes):
    refused(tmp_path, program(opcodes), "is not a pickle of face pairs")
    refused(tmp_path, program(b"](", opcodes, b"e]\x88a\x86"), "is not a pickle of face pairs")


def test_too_many_opcodes(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_MOST_OPCODES", 1000)
    refused(tmp_path, program(b"N" * 1001), "it has more than 1,000 opcodes")
    content = pickle.dumps((rows(bytes), SAME))
    monkeypatch.setattr(module, "_MOST_OPCODES", len(list(pickletools.genops(content))))
    assert load_pairs_pickle(written(tmp_path, content))[0] == JPEG


@pytest.mark.parametrize(
    ("found", "match"),
    [
        ((JPEG, [*SAME, True]), "6 images for 4 answers"),
        ((JPEG[:5], SAME), "5 images for 3 answers"),
        (([], []), "0 images for 0 answers"),
        (([*JPEG[:5], b"GIF89a"], SAME), "image 5 is neither JPEG nor PNG"),
        (([*JPEG[:5], b""], SAME), "image 5 is neither JPEG nor PNG"),
        (([*JPEG[:5], "text"], SAME), "image 5 is neither JPEG nor PNG"),
        (([*JPEG[:5], None], SAME), "image 5 is neither JPEG nor PNG"),
        (([*JPEG[:5], numpy.array(SAME)], SAME), "image 5 is neither JPEG nor PNG"),
        ((JPEG, [1, 0, 1]), "the answers are no list of booleans"),
        ((JPEG, [True, None, True]), "the answers are no list of booleans"),
        ((JPEG, [True, numpy.int64(1), True]), "an array holds something else"),
        ((JPEG, numpy.array([1, 0, 1])), "an array holds something else"),
        ((JPEG, numpy.array([1, 0, 1], dtype=numpy.uint8)), "the answers are no list of booleans"),
        ((JPEG, numpy.array([2, 0, 1], dtype=numpy.uint8).view(bool)), "a boolean is neither 0 nor 1"),
        ((JPEG, b"\1\0\1"), "the answers are no list of booleans"),
        ((numpy.array([None, "object"], dtype=object), SAME), "an array holds something else"),
        ((numpy.zeros((6, 4, 4, 3), dtype=numpy.uint8), SAME), "an array is no row of bytes"),
        ((b"images", SAME), "the images are no list"),
        ((JPEG, SAME, 0), r"it is not \(images, answers\)"),
        (JPEG, r"it is not \(images, answers\)"),
        (None, r"it is not \(images, answers\)"),
        ({"images": JPEG}, "it uses the opcode"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_another_structure(tmp_path, found, match, protocol):
    refused(tmp_path, pickle.dumps(found, protocol), match)


def test_cut_off_anywhere(tmp_path):
    content = pickle.dumps((rows(as_array), SAME), 3)
    for cut in range(0, len(content), 7):
        refused(tmp_path, content[:cut], "is not a pickle of face pairs")


def test_any_byte_changed(tmp_path):
    """Read or refused, but never anything else."""
    content = pickle.dumps((rows(as_array)[:2], SAME[:1]), 2)
    changes = numpy.random.default_rng(0).integers(1, 256, len(content))
    for place, change in enumerate(changes.tolist()):
        changed = bytearray(content)
        changed[place] ^= change
        try:
            images, same = load_pairs_pickle(written(tmp_path, changed))
        except DataError:
            continue
        assert len(images) == 2 * len(same) == 2


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"\x93NUMPY", PNG, b"\xff\xd8\xff", b"."])
def test_no_pickle(tmp_path, content):
    refused(tmp_path, content, "is not a pickle of face pairs")


def test_size(tmp_path):
    content = pickle.dumps((JPEG, SAME))
    refused(tmp_path, content, "has more than 100 bytes: .*max_bytes", max_bytes=100)
    assert load_pairs_pickle(tmp_path / "pairs.bin", max_bytes=len(content))[0] == JPEG
    with pytest.raises(ValueError, match="max_bytes"):
        load_pairs_pickle(tmp_path / "pairs.bin", max_bytes=0)


def test_no_file(tmp_path):
    with pytest.raises(DataError, match="there is no file"):
        load_pairs_pickle(tmp_path / "missing.bin")


def test_docstrings():
    assert doctest.testmod(module).failed == 0

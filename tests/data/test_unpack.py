"""Archives: good ones whole, hostile and damaged ones not at all."""

import bz2
import doctest
import errno
import gzip
import io
import lzma
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections import namedtuple

import numpy
import pytest

from dmlkit.data import unpack as module
from dmlkit.data.errors import DataError
from dmlkit.data.unpack import unpack

NOISE = numpy.random.default_rng(0).bytes(1_100_000)  # more than one block
FILES = {
    "birds/001/wren.jpg": NOISE,
    "birds/001/empty.txt": b"",
    "birds/002/blocks": NOISE[: 512 * 64],
    "birds/Zaunkönig.txt": b"small",
    f"birds/{'long/' * 40}name.txt": b"deep",
}
TARS = {
    ".tar": lambda content: content,
    ".tar.gz": gzip.compress,
    ".tar.bz2": bz2.compress,
    ".tar.xz": lambda content: lzma.compress(content, preset=0),
}
KINDS = [".zip", *TARS]


def tar_of(members, tar_format=tarfile.PAX_FORMAT):
    """Bytes of a tar: (name or TarInfo, content) each; content None is a folder."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tar_format) as file:
        for name, content in members:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if content is None and info.type == tarfile.REGTYPE:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.size = len(content or b"")
            file.addfile(info, io.BytesIO(content or b""))
    return buffer.getvalue()


def zip_of(members, compression=zipfile.ZIP_DEFLATED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content or b"")
    return buffer.getvalue()


def made(tmp_path, kind, members):
    path = tmp_path / f"archive{kind}"
    members = list(members)
    path.write_bytes(zip_of(members) if kind == ".zip" else TARS[kind](tar_of(members)))
    return path


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def refused(archive, match, **options):
    """Refused in one sentence that names the archive, with nothing left behind."""
    before = sorted(archive.parent.iterdir())
    with pytest.raises(DataError, match=match) as error:
        unpack(archive, archive.parent / "new", progress=False, **options)
    assert "\n" not in str(error.value)
    assert sorted(archive.parent.iterdir()) == before
    return str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_whole(tmp_path, kind):
    archive = made(tmp_path, kind, FILES.items())
    folder = unpack(archive, tmp_path / "a" / "new", progress=False)
    assert folder == tmp_path / "a" / "new"
    assert contents(folder) == FILES
    assert [path.name for path in folder.parent.iterdir()] == ["new"]


@pytest.mark.parametrize("tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_formats_of_tar(tmp_path, tar_format):
    files = {**FILES, f"{'n' * 90}/{'m' * 90}": b"1"}
    (tmp_path / "x").write_bytes(gzip.compress(tar_of(files.items(), tar_format)))
    assert contents(unpack(tmp_path / "x", tmp_path / "new", progress=False)) == files


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_of_zip(tmp_path, method):
    (tmp_path / "x").write_bytes(zip_of(FILES.items(), method))
    assert contents(unpack(tmp_path / "x", tmp_path / "new", progress=False)) == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_many_files_are_not_read_from_the_beginning_again(tmp_path, kind, monkeypatch):
    """Whole blocks end where the next header begins; a reader that goes back there reads a gzip anew each time."""
    for reader in (gzip.GzipFile, bz2.BZ2File, lzma.LZMAFile):
        monkeypatch.setattr(reader, "seek", lambda *_: pytest.fail("went back"))
    files = {f"{number:03d}": NOISE[: 512 * number] for number in range(40)}
    assert contents(unpack(made(tmp_path, kind, files.items()), tmp_path / "new", progress=False)) == files


def test_headers_are_not_kept(tmp_path, monkeypatch):
    """TarFile remembers every member it has read: gigabytes for millions of images."""
    plain, kept = tarfile.TarFile.next, []
    monkeypatch.setattr(tarfile.TarFile, "next", lambda self: kept.append(len(self.members)) or plain(self))
    unpack(made(tmp_path, ".tar", [(f"{number}", b"1") for number in range(9)]), tmp_path / "new", progress=False)
    assert len(kept) > 9
    assert max(kept) <= 1


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", KINDS)
def test_folders_of_their_own(tmp_path, kind):
    folders = ["a/", "a/b/", "empty/", "a/", "./"]
    members = [(name, None) for name in folders] + [("./a//b/./file", b"1")]
    folder = unpack(made(tmp_path, kind, members), tmp_path / "new", progress=False)
    assert contents(folder) == {"a/b/file": b"1"}
    assert (folder / "empty").is_dir()


@pytest.mark.parametrize("kind", [".zip", ".tar"])
def test_no_members(tmp_path, kind):
    assert list(unpack(made(tmp_path, kind, []), tmp_path / "new", progress=False).iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("fails", [True, False])
def test_modes_are_plain(tmp_path, fails):
    """Neither setuid nor an unreadable folder that could not be removed again."""
    folder, file = tarfile.TarInfo("a"), tarfile.TarInfo("a/run")
    folder.type, folder.mode, folder.uid = tarfile.DIRTYPE, 0o000, 1234
    file.mode, file.uid = 0o4777, 1234
    link = tarfile.TarInfo("z")
    link.type, link.linkname = tarfile.SYMTYPE, "a"
    (tmp_path / "x").write_bytes(tar_of([(folder, None), (file, b"1")] + [(link, None)] * fails))
    if fails:
        refused(tmp_path / "x", "neither file nor folder")
        return
    before = os.umask(0o022)
    try:
        new = unpack(tmp_path / "x", tmp_path / "new", progress=False)
    finally:
        os.umask(before)
    assert stat.S_IMODE(new.stat().st_mode) == stat.S_IMODE((new / "a").stat().st_mode) == 0o755
    assert stat.S_IMODE((new / "a" / "run").stat().st_mode) == 0o644
    assert (new / "a" / "run").stat().st_uid == os.getuid()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../out", "a/../../out", "..", "a/..", "C:/out", "c:out", "a\\..\\out", "\\\\host\\out", "//x"],
)
def test_names_that_lead_out(tmp_path, kind, name):
    text = refused(made(tmp_path, kind, [("good", b"1"), (name, b"2")]), "a name that may lead out of its folder")
    assert repr(name) in text
    assert str(tmp_path / f"archive{kind}") in text


def test_a_name_cut_at_a_zero_byte(tmp_path):
    archive = made(tmp_path, ".zip", [("good.jpgX.exe", b"1")])
    archive.write_bytes(archive.read_bytes().replace(b"good.jpgX.exe", b"good.jpg\x00.exe"))
    refused(archive, "a name that may lead out of its folder")


@pytest.mark.parametrize("name", ["a/nul", "COM1.txt", "aux ", "a/.. /b", "a./b", "file:stream", "what?", "x\n"])
def test_names_that_windows_takes_for_something_else(tmp_path, name):
    with pytest.raises(DataError, match="a name that Windows cannot keep"):
        module._parts(tmp_path, name, windows=True)
    assert module._parts(tmp_path, name, windows=False) == tuple(name.split("/"))


@pytest.mark.parametrize("name", ["a/null", "common.txt", ".hidden", "a b.jpg", "Zaunkönig"])
def test_names_that_windows_takes_as_they_are(tmp_path, name):
    assert module._parts(tmp_path, name, windows=True) == tuple(name.split("/"))


@pytest.mark.parametrize(
    "kind", ["SYMTYPE", "LNKTYPE", "CHRTYPE", "BLKTYPE", "FIFOTYPE", "GNUTYPE_SPARSE", "an unknown one"]
)
def test_no_links_and_devices_in_tar(tmp_path, kind):
    member = tarfile.TarInfo("strange")
    member.type = getattr(tarfile, kind, b"Q")
    member.linkname = "/etc/passwd"
    (tmp_path / "x").write_bytes(tar_of([("good", b"1"), (member, b"")]))
    assert "'strange'" in refused(tmp_path / "x", "neither file nor folder")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_no_links_and_devices_in_zip(tmp_path, kind):
    info = zipfile.ZipInfo("strange")
    info.external_attr = (kind | 0o777) << 16
    (tmp_path / "x").write_bytes(zip_of([("good", b"1"), (info, b"/etc/passwd")]))
    assert "'strange'" in refused(tmp_path / "x", "neither file nor folder")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", ["a/b", "./a/b", "a//b"])
def test_the_same_name_twice(tmp_path, kind, again):
    refused(made(tmp_path, kind, [("a/b", b"1"), (again, b"2")]), "twice")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a/"), ("a/", "a"), ("a/b/c", "a/b")])
def test_file_and_folder_of_one_name(tmp_path, kind, names):
    refused(
        made(tmp_path, kind, [(name, None if name[-1] == "/" else b"1") for name in names]), "twice|cannot be unpacked"
    )


def test_another_spelling_overwrites_nothing(tmp_path, monkeypatch):
    """On a disk that does not tell A from a: the same path for both."""
    plain = module._pour
    monkeypatch.setattr(module, "_pour", lambda member, path, *rest: plain(member, path.with_name("a"), *rest))
    refused(made(tmp_path, ".zip", [("a", b"1"), ("A", b"2")]), "cannot be unpacked .*exists")


@pytest.mark.parametrize("kind", KINDS)
def test_a_bomb(tmp_path, kind):
    archive = made(tmp_path, kind, [("zeros", bytes(5_000_000))])
    refused(archive, "more than 1,500,000 bytes: .*max_bytes", max_bytes=1_500_000)
    refused(archive, "more than 4,999,999 bytes", max_bytes=4_999_999)
    assert unpack(archive, tmp_path / "new", max_bytes=5_000_000, progress=False).is_dir()


def test_no_more_than_allowed_is_written(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(shutil, "rmtree", lambda folder, **_: written.extend(contents(folder).values()))
    archive = made(tmp_path, ".tar.gz", [(f"{number}", bytes(700_000)) for number in range(9)])
    with pytest.raises(DataError):
        unpack(archive, tmp_path / "new", max_bytes=1_500_000, progress=False)
    assert sum(map(len, written)) == 1_400_000


def test_zip_headers_are_not_trusted(tmp_path):
    """The table of the archive says one byte; more come, and what counts is what comes."""
    content = zip_of([("zeros", bytes(3_000_000))])
    size = struct.pack("<L", 3_000_000)
    assert content.count(size) == 2
    (tmp_path / "x").write_bytes(content.replace(size, struct.pack("<L", 1)))
    refused(tmp_path / "x", "damaged .*CRC")


def test_a_bomb_behind_the_end(tmp_path):
    (tmp_path / "x").write_bytes(gzip.compress(tar_of([("a", b"1")]) + bytes(20_000_000)))
    refused(tmp_path / "x", "more than 1,000 bytes", max_bytes=1000, max_files=10)


def test_a_bomb_in_a_header(tmp_path):
    member = tarfile.TarInfo("././@LongLink")
    member.type = tarfile.GNUTYPE_LONGNAME
    member.size = 8 * 2**30
    (tmp_path / "x").write_bytes(gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(20_000_000)))
    refused(tmp_path / "x", r"damaged or no archive .*a header of 8,589,934,592 bytes")


def test_endless_headers(tmp_path):
    member = tarfile.TarInfo("././@LongLink")
    member.type, member.size = tarfile.GNUTYPE_LONGNAME, 2
    header = member.tobuf(tarfile.GNU_FORMAT) + b"a".ljust(512, b"\0")
    (tmp_path / "x").write_bytes(gzip.compress(header * 5000))
    refused(tmp_path / "x", "damaged or no archive")


def test_a_size_below_zero(tmp_path):
    good = tar_of([("a", bytes(600)), ("b", b"1")])
    header = bytearray(good[:512])
    header[124:136] = (-512).to_bytes(12, "big", signed=True)
    header[148:156] = b"        "
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    (tmp_path / "x").write_bytes(bytes(header) + good[512:])
    refused(tmp_path / "x", "neither file nor folder|damaged")


@pytest.mark.parametrize("kind", KINDS)
def test_too_many_files(tmp_path, kind):
    archive = made(tmp_path, kind, [("a/b/1", b"1"), ("a/b/2", b"2")])
    refused(archive, "more than 3 files: .*max_files", max_files=3)
    assert unpack(archive, tmp_path / "new", max_files=4, progress=False).is_dir()
    deep = made(tmp_path, kind, [("a/" * 50 + "b", b"1")])
    shutil.rmtree(tmp_path / "new")
    refused(deep, "more than 20 files", max_files=20)


def test_encrypted(tmp_path):
    content = bytearray(zip_of([("secret", b"1")]))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", "is encrypted at 'secret'")


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_anywhere(tmp_path, kind):
    """Also between two members, where TarFile alone is content with what it has."""
    members = [(f"{number}", NOISE[1000 * number : 1000 * number + 512 * (number % 3)]) for number in range(8)]
    archive = made(tmp_path, kind, members)
    content = archive.read_bytes()
    end = len(content) if kind != ".tar" else len(content.rstrip(b"\0")) + 1  # the rest is padding
    cuts = {*range(0, end, 97), *range(0, end, 512), end - 1} - {end}
    for cut in sorted(cuts):
        archive.write_bytes(content[:cut])
        refused(archive, "is damaged or no archive")


@pytest.mark.parametrize("kind", KINDS[:1] + KINDS[2:])
def test_one_wrong_bit(tmp_path, kind):
    archive = made(tmp_path, kind, [("a", NOISE[:50_000]), ("b", b"1")])
    content = bytearray(archive.read_bytes())
    content[25_000] ^= 1
    archive.write_bytes(content)
    refused(archive, "is damaged or no archive at 'a'" if kind == ".zip" else "is damaged or no archive")


def test_a_wrong_bit_in_the_last_checksum(tmp_path):
    content = bytearray(gzip.compress(tar_of([("a", b"1")])))
    content[-5] ^= 1
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", "damaged")


def test_a_damaged_header_is_not_the_end(tmp_path):
    content = bytearray(tar_of([("a", b"1"), ("b", b"2")]))
    content[1024 + 150] ^= 1
    (tmp_path / "x").write_bytes(content)
    refused(tmp_path / "x", "damaged")


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", b"PK\x03\x04", b"\x1f\x8b", b"BZh", bytes(5)])
def test_no_archive(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    refused(tmp_path / "x.zip", "is damaged or no archive")


@pytest.mark.parametrize("taken", ["file", "folder", "link"])
def test_the_destination_is_taken(tmp_path, taken):
    archive = made(tmp_path, ".zip", FILES.items())
    new = tmp_path / "new"
    if taken == "file":
        new.write_bytes(b"mine")
    elif taken == "folder":
        new.mkdir()
    else:
        new.symlink_to(tmp_path / "nowhere")
    refused(archive, "new is there already")


def test_no_archive_there(tmp_path):
    refused(tmp_path / "missing.zip", "there is no archive .*missing.zip")


Usage = namedtuple("Usage", "total used free")


def test_no_room_is_seen_before(tmp_path, monkeypatch):
    archive = made(tmp_path, ".zip", [("zeros", bytes(5_000_000))])
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**7, 10**7 - 1000, 1000))
    monkeypatch.setattr(module, "_pour", lambda *_: pytest.fail("began to write"))
    refused(archive, "5,000,000 bytes are needed, 1,000 bytes are free")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("code", "match"), [(errno.ENOSPC, "is full: .* bytes are free"), (errno.EIO, "cannot be unpacked")]
)
def test_no_room_is_met_on_the_way(tmp_path, monkeypatch, kind, code, match):
    archive = made(tmp_path, kind, [("a/b", NOISE[:1000])])

    class Full(io.FileIO):
        def write(self, _):
            raise OSError(code, "said the disk")

    monkeypatch.setattr(module, "open", lambda p, mode: (Full if mode == "xb" else open)(p, mode), raising=False)
    refused(archive, match)


def test_interrupted(tmp_path, monkeypatch):
    archive = made(tmp_path, ".zip", FILES.items())

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "rename", stop)
    with pytest.raises(KeyboardInterrupt):
        unpack(archive, tmp_path / "new", progress=False)
    assert list(tmp_path.iterdir()) == [archive]


@pytest.mark.parametrize("options", [{"max_bytes": 0}, {"max_files": 0}, {"max_bytes": float("nan")}])
def test_limits_refused(tmp_path, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        unpack(tmp_path / "x", tmp_path / "new", **options)


@pytest.mark.parametrize(("progress", "book", "shown"), [(True, "0", True), (True, "1", False), (False, "0", False)])
@pytest.mark.parametrize("kind", [".zip", ".tar.gz"])
def test_progress(tmp_path, capsys, monkeypatch, kind, progress, book, shown):
    monkeypatch.setenv("DMLKIT_BOOK", book)
    unpack(made(tmp_path, kind, FILES.items()), tmp_path / "new", progress=progress)
    assert (f"archive{kind}: " in capsys.readouterr().err) == shown


def test_docstrings():
    assert doctest.testmod(module).failed == 0

"""Archives of strangers, unpacked whole or not at all, and never outside their own folder."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import re
import secrets
import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tqdm.auto import tqdm

from dmlkit.checks import check_number
from dmlkit.data.errors import DataError, check_room, disk_is_full, full_disk
from dmlkit.environment import building_book

_BLOCK = 2**20
# Told apart by their first bytes: a downloaded file may have any name.
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
# Names that Windows takes for a drive, a device, another stream of a file, or without the dots and spaces at the end.
_NOT_ON_WINDOWS = re.compile(r'[<>:"|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)\s*(\.|$)', re.IGNORECASE)


@dataclass(frozen=True)
class _Limits:
    """What an archive may become at most; a few kilobytes of it can hold petabytes."""

    bytes: int
    files: int

    def too_many_bytes(self, archive: Path) -> DataError:
        return DataError(f"{archive} holds more than {self.bytes:,} bytes: if that is right, give a larger max_bytes")

    def too_many_files(self, archive: Path) -> DataError:
        return DataError(f"{archive} holds more than {self.files:,} files: if that is right, give a larger max_files")


@dataclass(frozen=True)
class _Member:
    """A file of the archive with the stream of its bytes, or a folder without one."""

    name: str
    source: IO[bytes] | None


@contextmanager
def _reading(archive: Path, name: str | None = None) -> Iterator[None]:
    """Whatever the readers of zip and tar say of damaged bytes, in one sentence."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # their own, but also OSError, EOFError, struct.error, RecursionError, …
        reason = str(error) or type(error).__name__
        where = "" if name is None else f" at {name!r}"
        raise DataError(f"{archive} is damaged or no archive{where} ({reason}): remove it and get it again") from error


def _zip_members(archive: Path, stream: IO[bytes], folder: Path, limits: _Limits) -> Iterator[_Member]:
    with zipfile.ZipFile(stream) as opened:
        promised = sum(info.file_size for info in opened.infolist())
        if promised <= limits.bytes:  # else that is what will be complained of, when it is found to be true
            check_room(folder, promised)
        for info in opened.infolist():
            name = info.orig_filename  # `filename` was cut at a zero byte
            if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise DataError(f"{archive} holds {name!r}, neither file nor folder: it was not unpacked")
            if info.flag_bits & 1:
                raise DataError(f"{archive} is encrypted at {name!r}: get one that is not")
            if info.is_dir():
                yield _Member(name, None)
            else:
                with opened.open(info) as source:
                    yield _Member(name, source)


class _Header(tarfile.TarInfo):
    """TarFile takes a damaged header for the end of the archive and keeps silent; here only the end is the end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except tarfile.EOFHeaderError:
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error


class _Forward:
    """A stream that only goes forward, in bites: TarFile would read a header's promised gigabytes at once, and go one
    byte back in a compressed file by beginning again."""

    def __init__(self, archive: Path, stream: IO[bytes], limits: _Limits):
        self.archive, self.stream, self.limits = archive, stream, limits
        self.position = 0
        # Headers count with a few kilobytes a file.
        self.end = limits.bytes + 4096 * limits.files + _BLOCK

    def tell(self) -> int:
        return self.position

    def read(self, count: int) -> bytes:
        if not 0 <= count <= _BLOCK:
            raise tarfile.ReadError(f"a header of {count:,} bytes")
        found = self.stream.read(count)
        self.position += len(found)
        if self.position > self.end:
            raise self.limits.too_many_bytes(self.archive)
        return found

    def seek(self, position: int) -> None:
        if position < self.position:
            raise tarfile.ReadError("members overlap")
        while self.position < position and self.read(min(_BLOCK, position - self.position)):
            pass

    def finish(self) -> None:
        """To the very end, where the compressed stream has its checksum."""
        while self.read(_BLOCK):
            pass


def _tar_members(archive: Path, stream: IO[bytes], limits: _Limits) -> Iterator[_Member]:
    forward = _Forward(archive, stream, limits)
    with tarfile.TarFile(fileobj=forward, tarinfo=_Header) as opened:
        while (info := opened.next()) is not None:
            opened.members.clear()  # it would remember millions
            if info.isdir():
                yield _Member(info.name, None)
            elif info.isfile() and not info.issparse() and info.size >= 0:
                yield _Member(info.name, opened.extractfile(info))
            else:
                raise DataError(f"{archive} holds {info.name!r}, neither file nor folder: it was not unpacked")
        forward.finish()


def _members(archive: Path, stream: IO[bytes], folder: Path, limits: _Limits) -> Iterator[_Member]:
    start = stream.read(6)
    stream.seek(0)
    if start.startswith(_ZIP):
        yield from _zip_members(archive, stream, folder, limits)
        return
    for magic, opener in _COMPRESSED.items():
        if start.startswith(magic):
            with opener(stream) as opened:
                yield from _tar_members(archive, opened, limits)
            return
    yield from _tar_members(archive, stream, limits)


def _parts(archive: Path, name: str, windows: bool = os.name == "nt") -> tuple[str, ...]:
    """The names of the folders on the way, and of the member itself.

    Raises:
        DataError: a way out of the archive's own folder, or a name that means something else on this system.
    """
    parts = tuple(part for part in name.split("/") if part not in ("", "."))
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or re.match("[A-Za-z]:", name):
        raise DataError(f"{archive} holds {name!r}, a name that may lead out of its folder: it was not unpacked")
    if windows and any(_NOT_ON_WINDOWS.search(part) for part in parts):
        raise DataError(f"{archive} holds {name!r}, a name that Windows cannot keep: unpack it on another system")
    return parts


def _unpack_into(folder: Path, archive: Path, stream: IO[bytes], limits: _Limits, bar: tqdm) -> None:
    folders: set[tuple[str, ...]] = {()}
    files: set[tuple[str, ...]] = set()
    left = limits.bytes
    members = _members(archive, stream, folder, limits)
    while True:
        with _reading(archive):
            member = next(members, None)
        if member is None:
            return
        parts = _parts(archive, member.name)
        if parts in files or (member.source is not None and parts in folders):
            raise DataError(f"{archive} holds {member.name!r} twice: it was not unpacked")
        for depth in range(1, len(parts) + (member.source is None)):
            if (way := parts[:depth]) not in folders:
                if len(folders) + len(files) > limits.files:
                    raise limits.too_many_files(archive)
                folder.joinpath(*way).mkdir()
                folders.add(way)
        if member.source is not None:
            if len(folders) + len(files) > limits.files:
                raise limits.too_many_files(archive)
            files.add(parts)
            left = _pour(member, folder.joinpath(*parts), archive, left, limits)
        bar.update(stream.tell() - bar.n)


def _pour(member: _Member, path: Path, archive: Path, left: int, limits: _Limits) -> int:
    """Write one file, of at most `left` bytes; returns how many are left then."""
    # A new file always: another spelling of the same name, on a disk that does not tell them apart, is not overwritten.
    with open(path, "xb") as file:
        while True:
            with _reading(archive, member.name):
                block = member.source.read(_BLOCK)
            if not block:
                return left
            left -= len(block)
            if left < 0:
                raise limits.too_many_bytes(archive)
            file.write(block)


def unpack(
    archive: str | Path,
    destination: str | Path,
    *,
    max_bytes: int = 64 * 2**30,
    max_files: int = 2_000_000,
    progress: bool = True,
) -> Path:
    """Unpack a zip or a tar (plain, gzip, bzip2 or xz) into a new folder.

    All is written into a folder beside `destination`, which takes its name when the last checksum was right. Only plain
    files and folders are made, with the modes that new files have here. An archive with anything else in it is refused:
    links, devices, encryption, the same name twice, a name that leads out of the folder. What kind of archive it is its
    first bytes say, not its name.

    Args:
        archive: the file.
        destination: the new folder; missing folders above it are made.
        max_bytes: that all files may have together, counted while they are written.
        max_files: that there may be, with the folders.
        progress: show a bar over the bytes of the archive (never while the book is built).

    Returns:
        `destination` as a path.

    Raises:
        DataError: `destination` is there already; the archive is missing, damaged, too large or refused; no room.
            Nothing is left behind then.
        ValueError, TypeError: a limit that is no positive number.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with zipfile.ZipFile(folder / "birds.zip", "w") as file:
        ...     file.writestr("birds/001.txt", "wren")
        >>> (unpack(folder / "birds.zip", folder / "unpacked", progress=False) / "birds" / "001.txt").read_text()
        'wren'
    """
    archive, destination = Path(archive), Path(destination)
    check_number("max_bytes", max_bytes, above=0)
    check_number("max_files", max_files, above=0)
    if not archive.is_file():
        raise DataError(f"there is no archive {archive}")
    if os.path.lexists(destination):
        raise DataError(f"{destination} is there already: move it away or delete it, and run again")
    folder = destination.with_name(f"{destination.name}.{secrets.token_hex(4)}.part")
    silent = not progress or building_book()
    try:
        folder.mkdir(parents=True)
        with (
            open(archive, "rb") as stream,
            tqdm(total=archive.stat().st_size, desc=archive.name, unit="B", unit_scale=True, disable=silent) as bar,
        ):
            _unpack_into(folder, archive, stream, _Limits(max_bytes, max_files), bar)
        os.rename(folder, destination)
    except OSError as error:
        if disk_is_full(error):
            raise full_disk(destination.parent) from error
        raise DataError(
            f"{archive} cannot be unpacked into {destination} ({error}): see whether it may be written"
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return destination

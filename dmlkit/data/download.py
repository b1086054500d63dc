"""Downloads that can be interrupted, resumed and trusted: a file is there whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import re
import ssl
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from tqdm.auto import tqdm

from dmlkit import __version__
from dmlkit.checks import check_choice, check_number
from dmlkit.data.errors import DataError, check_room, disk_is_full, full_disk
from dmlkit.data.locks import locked
from dmlkit.environment import building_book

SCHEMES = ("http", "https", "ftp", "file")
_DIGITS = {"md5": 32, "sha256": 64}
_BLOCK = 2**18
_LONGEST_WAIT = 60.0  # seconds before another try, whatever the server asks for
_PASSING = {408, 425, 429}  # refusals that another try may not meet, besides 5xx
_ADVICE = {
    401: "it is not given to everyone; see where its authors offer it now",
    403: "it is not given to everyone; see where its authors offer it now",
    404: "it is not there; see where its authors offer it now",
    410: "it was taken away; see where its authors offer it now",
}


class _Interrupted(Exception):
    """A try that failed where the next one may not; `wait` is how many seconds the server asked for."""

    def __init__(self, reason: object, wait: float | None = None):
        super().__init__(str(reason) or type(reason).__name__)
        self.wait = wait


@dataclass(frozen=True)
class _Part:
    """What there is of a file so far, and beside it, in JSON, what the server said of it when it began."""

    url: str
    path: Path

    @property
    def note(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    def begin(self, headers: HTTPMessage, total: int | None) -> None:
        """Half a note cannot be read, and then the part is not gone on from: no need to write it in one step."""
        told = {"url": self.url, "validator": _validator(headers), "total": total}
        self.note.write_text(json.dumps(told), encoding="utf-8")

    def told(self) -> dict:
        """The note, or {} where it is missing, broken, or of another address."""
        try:
            told = json.loads(self.note.read_text(encoding="utf-8"))
            return {key: told[key] for key in ("validator", "total")} if told["url"] == self.url else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def _validator(headers: HTTPMessage) -> str | None:
    """What If-Range can hold: a strong ETag, else the date of the last change."""
    tag = headers.get("ETag", "")
    return tag if tag and not tag.startswith("W/") else headers.get("Last-Modified")


def _check_checksum(checksum: str) -> str:
    """The algorithm of "md5:<hex>" or "sha256:<hex>"."""
    algorithm, _, digest = checksum.partition(":") if isinstance(checksum, str) else ("", "", "")
    if not re.fullmatch(f"[0-9a-fA-F]{{{_DIGITS.get(algorithm, 0)}}}", digest) or not digest:
        raise ValueError(f'checksum must be "md5:" and 32 or "sha256:" and 64 hexadecimal digits, found {checksum!r}')
    return algorithm


def checksum_of(path: str | Path, algorithm: str = "sha256") -> str:
    """Checksum of a file, in the form that `download` and `check_file` take.

    Args:
        path: the file.
        algorithm: "md5" or "sha256".

    Returns:
        "md5:" or "sha256:" and the digest in hexadecimal digits.

    Raises:
        ValueError: another algorithm.
        OSError: the file cannot be read.
    """
    check_choice("algorithm", algorithm, tuple(_DIGITS))
    with open(path, "rb") as file:
        # MD5 finds damage; nobody is kept out by it, so it may be used where it is barred from security.
        digest = hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False))
    return f"{algorithm}:{digest.hexdigest()}"


def _difference(path: Path, checksum: str | None, size: int | None) -> str | None:
    """What is wrong with the file in half a sentence, or None."""
    found = path.stat().st_size
    if size is not None and found != size:
        return f"has {found:,} bytes, expected {size:,}"
    if checksum is not None and (found := checksum_of(path, _check_checksum(checksum))) != checksum.lower():
        return f"has the checksum {found}, expected {checksum.lower()}"
    return None


def check_file(path: str | Path, checksum: str | None, size: int | None = None) -> None:
    """Require a file of this checksum and size.

    Args:
        path: the file.
        checksum: "md5:<hex>" or "sha256:<hex>"; None leaves it unchecked.
        size: in bytes; None leaves it unchecked.

    Raises:
        DataError: no such file, or other bytes than expected; the file is left as it is.
        ValueError: a checksum of another form.
    """
    path = Path(path)
    if checksum is not None:
        _check_checksum(checksum)
    if not path.is_file():
        found = "a folder is" if path.is_dir() else "nothing is"
        raise DataError(f"{path} must be a file, but {found} there")
    if difference := _difference(path, checksum, size):
        raise DataError(f"{path} {difference}: move it away or delete it, and run again")


def _total(response: IO[bytes], had: int, told: dict) -> tuple[int | None, bool]:
    """Bytes of the whole file as far as the server says, and whether the answer goes on where the part ends."""
    headers = response.headers
    if getattr(response, "status", None) != 206:
        length = headers.get("Content-Length", "")
        return (int(length) if length.isdecimal() else None), False
    span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", "").strip())
    start, total = (int(span[1]), span[2]) if span else (None, "*")
    total = int(total) if total.isdecimal() else told.get("total")
    same = _validator(headers) in (None, told.get("validator")) and told.get("total") in (None, total)
    return total, 0 < had == start and same


def _open(part: _Part, had: int, told: dict, timeout: float) -> IO[bytes] | None:
    """Ask for what is missing; None where the server says that nothing is.

    Raises:
        _Interrupted, DataError: refused, for now or for good.
    """
    request = Request(part.url, headers={"User-Agent": f"dmlkit/{__version__}"})
    if had:
        request.add_header("Range", f"bytes={had}-")
        if told["validator"]:
            request.add_header("If-Range", told["validator"])
    try:
        return urlopen(request, timeout=timeout)
    except HTTPError as error:
        with error:
            if error.code == 416 and had:
                whole = error.headers.get("Content-Range", "").rpartition("/")[2]
                if whole == str(had) or (not whole.isdecimal() and told["total"] == had):
                    return None
                part.discard()
                raise _Interrupted("the part did not fit the file") from error
            said = f"HTTP {error.code} {error.reason}".strip()
            if error.code in _PASSING or error.code >= 500:
                wait = error.headers.get("Retry-After", "")
                raise _Interrupted(said, float(wait) if wait.isdecimal() else None) from error
            advice = _ADVICE.get(error.code, "see where its authors offer it now")
            raise DataError(f"{part.url} was refused with {said}: {advice}") from error
    except URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError) or urlsplit(part.url).scheme.lower() == "file":
            raise DataError(f"{part.url} cannot be opened: {error.reason}") from error
        raise _Interrupted(error.reason) from error
    except (OSError, HTTPException) as error:
        raise _Interrupted(error) from error


def _attempt(part: _Part, size: int | None, verified: bool, timeout: float, progress: bool) -> None:
    """One request: what is missing of the part is appended, or all of it written anew.

    Raises:
        _Interrupted, DataError: not whole after this, and another try may help, or not.
    """
    told = part.told()
    # Without a checksum at the end nothing but the server's word says that two halves belong together.
    had = part.size if told and (verified or told["validator"]) else 0
    if size is not None and had > size:
        had = 0
    response = _open(part, had, told, timeout)
    if response is None:
        return
    with response:
        total, resumed = _total(response, had, told)
        if response.status == 206 and not resumed:
            part.discard()
            raise _Interrupted("the file changed at its source")
        if None not in (size, total) and size != total:
            raise DataError(
                f"{part.url} has {total:,} bytes now, expected {size:,}: see where its authors offer it now"
            )
        expected = size if total is None else total
        had = had if resumed else 0
        missing = None if expected is None else expected - had
        check_room(part.path.parent, missing or 0)
        try:
            with open(part.path, "ab" if resumed else "wb") as file:
                if not resumed:
                    part.begin(response.headers, expected)
                had = _pour(response, file, had, expected, part, progress)
        except OSError as error:  # of the disk: those of the network were caught where they were read
            if disk_is_full(error):
                raise full_disk(part.path.parent, None if missing is None else expected - part.size) from error
            raise
    if expected is not None and had < expected:
        raise _Interrupted("the connection was cut")


def _pour(response: IO[bytes], file: IO[bytes], had: int, expected: int | None, part: _Part, progress: bool) -> int:
    """Append the body to the file; returns how many bytes there are then."""
    silent = not progress or building_book()
    name = part.path.name.removesuffix(".part")
    with tqdm(total=expected, initial=had, desc=name, unit="B", unit_scale=True, disable=silent) as bar:
        while True:
            try:
                block = response.read1(_BLOCK)  # what has come: a connection cut inside a block loses none of it
            except (OSError, HTTPException) as error:
                raise _Interrupted(error) from error
            if not block:
                return had
            had += len(block)
            if expected is not None and had > expected:
                file.close()  # Windows deletes no open file
                part.discard()
                raise DataError(
                    f"{part.url} has more than the {expected:,} bytes expected: see where it is offered now"
                )
            file.write(block)
            bar.update(len(block))


def _check_address(url: str) -> None:
    if not isinstance(url, str) or any(letter <= " " or letter == "\x7f" for letter in url):
        raise ValueError(f"url must be an address without spaces, found {url!r}")
    if urlsplit(url).scheme.lower() not in SCHEMES:
        raise ValueError(f"url must begin with one of {', '.join(f'{name}://' for name in SCHEMES)}, found {url!r}")
    try:
        _ = urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"url must have a number for its port, found {url!r}") from error


def _fetch(part: _Part, size: int | None, verified: bool, timeout: float, progress: bool, retries: int) -> None:
    """Try until the part is whole, waiting 1, 2, 4 … seconds in between."""
    for again in range(retries + 1):
        try:
            return _attempt(part, size, verified, timeout, progress)
        except _Interrupted as interruption:
            if again < retries:
                time.sleep(min(max(2.0**again, interruption.wait or 0), _LONGEST_WAIT))
                continue
            total = size if size is not None else part.told().get("total")
            of = "an unknown number of" if total is None else f"{total:,}"
            tries = f"{retries + 1} {'tries' if retries else 'try'}"
            raise DataError(
                f"{part.url} gave {part.size:,} of {of} bytes in {tries} (the last: {interruption}): "
                "run again to go on from there"
            ) from interruption


def download(
    url: str,
    destination: str | Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    progress: bool = True,
    retries: int = 3,
    timeout: float = 30,
) -> Path:
    """Bring a file here, whole and with the right bytes, or not at all.

    The bytes gather in `<destination>.part`, which takes the name `destination` when all is checked. After an
    interruption, here or in an earlier call, only what is missing is asked for, if the server can do that and the file
    is still the same at its source. Of several processes that want the same file one downloads and the others wait. A
    file that lies at `destination` already is checked and returned, and nothing is asked of the server.

    Args:
        url: beginning with http://, https://, ftp:// or file://.
        destination: name of the file; missing folders are made.
        checksum: "md5:<hex>" or "sha256:<hex>"; None trusts the connection.
        size: in bytes, where known.
        progress: show a bar (never while the book is built).
        retries: further tries after a broken connection or a refusal that may pass (HTTP 408, 425, 429, 5xx).
        timeout: seconds without a single byte after which a connection counts as broken.

    Returns:
        `destination` as a path.

    Raises:
        DataError: refused, out of reach or broken off after all tries (what came is kept for the next call); other
            bytes than expected (what came is deleted, but never a file that was at `destination` before); no room.
        ValueError, TypeError: an address, checksum or number of another form.
        OSError: the folder cannot be written.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> _ = (folder / "there.txt").write_bytes(b"twelve bytes")
        >>> here = download((folder / "there.txt").as_uri(), folder / "here.txt", size=12, progress=False)
        >>> here.read_bytes()
        b'twelve bytes'
    """
    destination = Path(destination)
    _check_address(url)
    if checksum is not None:
        _check_checksum(checksum)
    if size is not None:
        check_number("size", size, least=0)
    check_number("retries", retries, least=0)
    check_number("timeout", timeout, above=0)
    if destination.exists():
        check_file(destination, checksum, size)
        return destination
    destination.parent.mkdir(parents=True, exist_ok=True)
    with locked(destination):
        if destination.exists():  # brought by another process while this one waited
            check_file(destination, checksum, size)
            return destination
        part = _Part(url, destination.with_name(f"{destination.name}.part"))
        _fetch(part, size, checksum is not None, timeout, progress, retries)
        if difference := _difference(part.path, checksum, size):
            part.discard()
            raise DataError(
                f"{destination} was not kept: what came from {url} {difference}; run again, and if it comes out "
                "the same, the file has changed at its source"
            )
        os.replace(part.path, destination)
        part.discard()
    return destination

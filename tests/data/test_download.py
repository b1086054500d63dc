"""Downloads from a server that cuts, refuses, changes its mind and lies."""

import doctest
import errno
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import urllib.error
from collections import namedtuple

import pytest
from servers import FileServer, start_process

from dmlkit.data import download as module
from dmlkit.data.download import check_file, checksum_of, download
from dmlkit.data.errors import DataError

CONTENT = bytes(range(256)) * 4000  # several blocks
OTHER = CONTENT[::-1]
SUM = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}"
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"


@pytest.fixture
def server():
    with FileServer(CONTENT) as running:
        yield running


@pytest.fixture(autouse=True)
def waits(monkeypatch):
    """Nothing here waits; how long it would have is kept."""
    found = []
    monkeypatch.setattr(module.time, "sleep", found.append)
    return found


@pytest.fixture
def here(tmp_path):
    return tmp_path / "data" / "birds.zip"


def get(server, here, **options):
    return download(server.url, here, progress=False, **options)


def names(here):
    return sorted(path.name for path in here.parent.iterdir())


def broken_off(server, here, count=100_000, **options):
    """Leave the first `count` bytes behind, as an earlier call does."""
    server.cuts = [count]
    with pytest.raises(DataError):
        get(server, here, retries=0, **options)
    server.requests.clear()


def one_sentence(error):
    text = str(error.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("options", [{}, {"checksum": SUM}, {"checksum": MD5.upper().replace("MD5", "md5")}])
@pytest.mark.parametrize("says_length", [True, False])
def test_whole(server, here, options, says_length):
    server.says_length = says_length
    assert get(server, here, size=len(CONTENT), **options) == here
    assert here.read_bytes() == CONTENT
    assert names(here) == ["birds.zip"]
    assert "Range" not in server.requests[0]
    assert server.requests[0]["User-Agent"].startswith("dmlkit/")


def test_empty_file(server, here):
    server.content = b""
    assert get(server, here, size=0).read_bytes() == b""


@pytest.mark.parametrize("checksum", [None, SUM])
def test_a_cut_connection_is_resumed(server, here, waits, checksum):
    server.cuts = [100_000, 300_000, 0]
    get(server, here, checksum=checksum)
    assert here.read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == [
        None,
        "bytes=100000-",
        "bytes=400000-",
        "bytes=400000-",
    ]
    assert [request.get("If-Range") for request in server.requests[1:]] == ['"one"'] * 3
    assert waits == [1, 2, 4]
    assert names(here) == ["birds.zip"]


def test_cut_too_often_then_the_next_call_goes_on(server, here, waits):
    server.cuts = [1000, 1000, 1000]
    with pytest.raises(
        DataError, match=r"3,000 of 1,024,000 bytes in 3 tries .*run again to go on from there"
    ) as error:
        get(server, here, retries=2)
    assert server.url in one_sentence(error)
    assert len(waits) == 2
    assert names(here) == ["birds.zip.part", "birds.zip.part.json"]
    server.requests.clear()
    assert get(server, here).read_bytes() == CONTENT
    assert [request.get("Range") for request in server.requests] == ["bytes=3000-"]


def test_cut_without_a_length_is_known_from_the_size(server, here):
    server.says_length = False
    server.cuts = [1000]
    assert get(server, here, size=len(CONTENT)).read_bytes() == CONTENT
    assert len(server.requests) == 2


def test_a_server_without_ranges_begins_anew(server, here):
    server.ranges = False
    server.cuts = [100_000]
    assert get(server, here).read_bytes() == CONTENT
    assert server.requests[1]["Range"] == "bytes=100000-"


@pytest.mark.parametrize("heeds_if_range", [True, False])
@pytest.mark.parametrize("by_date", [True, False])
def test_a_changed_file_begins_anew(server, here, heeds_if_range, by_date):
    """Also from a server that takes no notice of If-Range."""
    first, second = "Mon, 01 Jan 2024 00:00:00 GMT", "Tue, 02 Jan 2024 00:00:00 GMT"
    if by_date:
        server.etag, server.last_modified = 'W/"weak"', first
    broken_off(server, here)
    server.content = OTHER
    server.heeds_if_range = heeds_if_range
    if by_date:
        server.last_modified = second
    else:
        server.etag = '"two"'
    assert get(server, here).read_bytes() == OTHER
    assert server.requests[0]["If-Range"] == (first if by_date else '"one"')


def test_nothing_to_tell_a_change_by(server, here):
    """Without ETag and date a part is gone on from only where a checksum tells at the end."""
    server.etag = None
    broken_off(server, here)
    get(server, here)
    assert "Range" not in server.requests[0]
    here.unlink()
    broken_off(server, here, checksum=SUM)
    get(server, here, checksum=SUM)
    assert server.requests[0]["Range"] == "bytes=100000-"
    assert "If-Range" not in server.requests[0]
    assert here.read_bytes() == CONTENT


@pytest.mark.parametrize("lie", ["bytes 0-1023999/1024000", "bytes 100000-1023999/2000000", "bytes 7", ""])
def test_a_range_that_was_not_asked_for(server, here, lie):
    broken_off(server, here)
    server.content_range = lie or "nonsense"
    assert get(server, here).read_bytes() == CONTENT
    assert "Range" not in server.requests[1]


def test_a_part_of_another_address(server, here):
    broken_off(server, here)
    note = here.with_name("birds.zip.part.json")
    note.write_text(json.dumps({**json.loads(note.read_text()), "url": "http://elsewhere"}))
    assert get(server, here).read_bytes() == CONTENT
    assert "Range" not in server.requests[0]


@pytest.mark.parametrize("broken", ['{"url": ', "[]", "{}", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_broken_note(server, here, broken):
    broken_off(server, here)
    here.with_name("birds.zip.part.json").write_bytes(broken if isinstance(broken, bytes) else broken.encode())
    assert get(server, here).read_bytes() == CONTENT
    assert "Range" not in server.requests[0]


@pytest.mark.parametrize("says_total", [True, False])
def test_the_part_is_whole_already(server, here, says_total):
    """Killed between the last byte and the renaming: the server has nothing more to send (HTTP 416)."""
    server.says_total = says_total
    broken_off(server, here)
    here.with_name("birds.zip.part").write_bytes(CONTENT)
    assert get(server, here, checksum=SUM).read_bytes() == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_the_part_is_too_long(server, here, size):
    broken_off(server, here)
    here.with_name("birds.zip.part").write_bytes(CONTENT + b"more")
    assert get(server, here, size=size).read_bytes() == CONTENT


def test_wrong_checksum(server, here):
    server.content = OTHER
    with pytest.raises(DataError, match="run again") as error:
        get(server, here, checksum=SUM)
    text = one_sentence(error)
    assert SUM in text
    assert hashlib.sha256(OTHER).hexdigest() in text
    assert str(here) in text
    assert names(here) == []
    assert len(server.requests) == 1


@pytest.mark.parametrize("difference", [1, -1])
def test_a_wrong_size_is_seen_before_the_body(server, here, difference):
    with pytest.raises(DataError, match=r"has 1,024,000 bytes now, expected 1,02[34],\d{3}: see where") as error:
        get(server, here, size=len(CONTENT) + difference)
    one_sentence(error)
    assert names(here) == []
    assert len(server.requests) == 1


def test_more_than_the_size(server, here):
    server.says_length = False
    with pytest.raises(DataError, match="has more than the 1,000,000 bytes expected: see where") as error:
        get(server, here, size=1_000_000)
    one_sentence(error)
    assert names(here) == []
    assert len(server.requests) == 1


def test_a_file_that_is_there_is_not_asked_for(server, here):
    here.parent.mkdir()
    here.write_bytes(CONTENT)
    assert get(server, here, checksum=SUM, size=len(CONTENT)) == here
    assert get(server, here) == here
    assert server.requests == []
    assert names(here) == ["birds.zip"]


@pytest.mark.parametrize("options", [{"checksum": SUM}, {"checksum": MD5}, {"size": 7}])
def test_a_file_of_the_user_is_never_deleted(server, here, options):
    here.parent.mkdir()
    here.write_bytes(OTHER)
    with pytest.raises(DataError, match="move it away") as error:
        get(server, here, **options)
    text = one_sentence(error)
    if "checksum" in options:
        assert options["checksum"] in text
        assert checksum_of(here, options["checksum"].partition(":")[0]) in text
    else:
        assert "has 1,024,000 bytes, expected 7" in text
    assert here.read_bytes() == OTHER
    assert server.requests == []


def test_a_folder_where_the_file_should_be(server, here):
    here.mkdir(parents=True)
    with pytest.raises(DataError, match="must be a file, but a folder is there"):
        get(server, here)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 416])
def test_refused_for_good(server, here, status):
    server.statuses = [status]
    with pytest.raises(
        DataError, match=f"was refused with HTTP {status} .*: .*see where its authors offer it"
    ) as error:
        get(server, here)
    assert server.url in one_sentence(error)
    assert len(server.requests) == 1
    assert names(here) == []


def test_refused_for_now(server, here, waits):
    server.statuses = [503, 429, 500]
    assert get(server, here).read_bytes() == CONTENT
    assert waits == [1, 2, 4]


def test_the_server_says_how_long_to_wait(server, here, waits):
    server.statuses = [429, 503, 429, 503]
    server.refusal_headers = {"Retry-After": "7"}
    get(server, here, retries=4)
    assert waits == [7, 7, 7, 8]
    here.unlink()
    server.statuses = [429, 503]
    server.refusal_headers = {"Retry-After": "86400"}
    get(server, here)
    assert waits[4:] == [60, 60]


def test_refused_for_now_too_often(server, here):
    server.statuses = [503] * 9
    with pytest.raises(
        DataError, match=r"0 of an unknown number of bytes in 2 tries \(the last: HTTP 503 .*\)"
    ) as error:
        get(server, here, retries=1)
    one_sentence(error)
    assert len(server.requests) == 2


def test_nobody_listens(here, waits):
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}/birds.zip"
        with pytest.raises(DataError, match=r"in 3 tries \(the last: .*refused") as error:
            download(url, here, progress=False, retries=2)
    assert url in one_sentence(error)
    assert waits == [1, 2]
    assert names(here) == []


def test_silence(server, here):
    server.pause = 1000
    with pytest.raises(DataError, match=r"1,000 of 1,024,000 bytes in 1 try \(the last: .*timed out"):
        get(server, here, retries=0, timeout=0.1)


def test_no_answer_at_all(here):
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(DataError, match="timed out"):
            download(f"http://127.0.0.1:{mute.getsockname()[1]}/", here, progress=False, retries=0, timeout=0.1)


def test_a_wrong_certificate_is_not_tried_again(here, monkeypatch, waits):
    def fail(*_, **__):
        raise urllib.error.URLError(ssl.SSLCertVerificationError("expired"))

    monkeypatch.setattr(module, "urlopen", fail)
    with pytest.raises(DataError, match="cannot be opened: .*expired"):
        download("https://127.0.0.1/", here, progress=False)
    assert waits == []


def test_from_a_file(tmp_path, here, waits):
    source = tmp_path / "source"
    source.write_bytes(CONTENT)
    assert download(source.as_uri(), here, checksum=SUM, progress=False).read_bytes() == CONTENT
    here.unlink()
    source.unlink()
    with pytest.raises(DataError, match="cannot be opened"):
        download(source.as_uri(), here, progress=False)
    assert waits == []


Usage = namedtuple("Usage", "total used free")


def test_no_room_is_seen_before(server, here, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 10**6 - 1000, 1000))
    with pytest.raises(DataError, match="1,024,000 bytes are needed, 1,000 bytes are free") as error:
        get(server, here)
    one_sentence(error)
    assert names(here) == []


def test_only_the_rest_needs_room(server, here, monkeypatch):
    broken_off(server, here, 1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**6, 10**6 - 24_000, 24_000))
    assert get(server, here).read_bytes() == CONTENT


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_met_on_the_way(server, here, monkeypatch, code):
    """The disk takes the first block, then no more; with room again it goes on from there."""

    class Full:
        def __init__(self, file):
            self.file, self.written = file, 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, block):
            if self.written:
                raise OSError(code, "No space left on device")
            self.written += self.file.write(block)

    with monkeypatch.context() as patch:
        patch.setattr(module, "open", lambda path, mode: Full(open(path, mode)), raising=False)
        patch.setattr(module, "_BLOCK", 1000)
        with pytest.raises(DataError, match=r"is full: 1,023,000 bytes are needed, [\d,]+ bytes are free") as error:
            get(server, here)
    one_sentence(error)
    assert not here.exists()
    server.requests.clear()
    assert get(server, here).read_bytes() == CONTENT
    assert server.requests[0]["Range"] == "bytes=1000-"


def test_another_fault_of_the_disk_is_told_as_it_is(server, here, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(module, "open", fail, raising=False)
    with pytest.raises(OSError, match="Input/output error"):
        get(server, here)


DOWNLOAD = """
import json
from pathlib import Path
from dmlkit.data.download import download
print("ready", flush=True)
sys.stdin.readline()
url, here, options = sys.argv[1:]
print(download(url, Path(here), progress=False, **json.loads(options)).stat().st_size)
"""


def begin(*processes):
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()


def test_two_processes_want_the_same_file(server, here):
    server.pause = 500_000
    options = json.dumps({"checksum": SUM})
    both = [start_process(DOWNLOAD, server.url, here, options) for _ in range(2)]
    begin(*both)
    assert server.paused.wait(30)
    for process in both:  # one is in the middle, the other waits for it
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
    assert not here.exists()
    server.go_on.set()
    for process in both:
        assert process.communicate(timeout=30)[0] == f"{len(CONTENT)}\n"
        assert process.returncode == 0
    assert len(server.requests) == 1
    assert here.read_bytes() == CONTENT
    assert names(here) == ["birds.zip"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_half_way(server, here):
    server.pause = 500_000
    process = start_process(DOWNLOAD, server.url, here, "{}")
    begin(process)
    part = here.with_name("birds.zip.part")
    assert server.paused.wait(30)
    while not part.exists() or part.stat().st_size < 400_000:
        assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert names(here) == ["birds.zip.lock", "birds.zip.part", "birds.zip.part.json"]
    kept = part.stat().st_size
    server.pause = None
    server.requests.clear()
    assert get(server, here).read_bytes() == CONTENT  # the lock of the dead process is in nobody's way
    assert server.requests[0]["Range"] == f"bytes={kept}-"
    assert names(here) == ["birds.zip"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("gopher://there/birds.zip", "url must begin with one of http://, https://, ftp://, file://"),
        ("birds.zip", "url must begin with"),
        ("data:,birds", "url must begin with"),
        ("http://there/two birds.zip", "url must be an address without spaces"),
        ("http://there/\r\nHost: elsewhere", "url must be an address without spaces"),
        (7, "url must be an address without spaces, found 7"),
        ("http://there:port/", "url must have a number for its port"),
    ],
)
def test_addresses_refused(here, url, message):
    with pytest.raises(ValueError, match=message) as error:
        download(url, here)
    one_sentence(error)
    assert not here.parent.exists()


@pytest.mark.parametrize(
    "checksum", ["", "sha256:", "sha256:12", SUM[7:], f"sha1:{'0' * 40}", f"md5:{'0' * 64}", f"{SUM}0", 7]
)
def test_checksums_refused(here, checksum):
    for act in (lambda: download("http://there/", here, checksum=checksum), lambda: check_file(here, checksum)):
        with pytest.raises(ValueError, match='checksum must be "md5:" and 32 or "sha256:" and 64 hexadecimal digits'):
            act()


@pytest.mark.parametrize("options", [{"size": -1}, {"retries": -1}, {"timeout": 0}, {"timeout": float("nan")}])
def test_numbers_refused(here, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        download("http://there/", here, **options)


def test_checksum_of(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(CONTENT)
    assert checksum_of(path) == SUM
    assert checksum_of(path, "md5") == MD5
    with pytest.raises(ValueError, match="algorithm must be one of 'md5', 'sha256', found 'sha1'"):
        checksum_of(path, "sha1")
    check_file(path, SUM, len(CONTENT))
    check_file(path, None)
    with pytest.raises(DataError, match="has 1,024,000 bytes, expected 3"):
        check_file(path, SUM, 3)
    with pytest.raises(DataError, match="must be a file, but nothing is there"):
        check_file(tmp_path / "missing", None)


@pytest.mark.parametrize(("progress", "book", "shown"), [(True, "0", True), (True, "1", False), (False, "0", False)])
def test_progress(server, here, capsys, monkeypatch, progress, book, shown):
    monkeypatch.setenv("DMLKIT_BOOK", book)
    download(server.url, here, progress=progress)
    assert ("birds.zip: 100%" in capsys.readouterr().err) == shown


def test_docstrings():
    assert doctest.testmod(module).failed == 0

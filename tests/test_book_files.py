"""Where a chapter finds its records and tables: in a checkout, or in the archive of the repository, as in Colab."""

from __future__ import annotations

import doctest
import functools
import http.server
import io
import json
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from dmlkit import book_files, environment
from dmlkit.book_files import book_file
from dmlkit.data import DataError

COMMIT = "0123456789abcdef0123456789abcdef01234567"
NAME = "runs/made_up/CE/seed-0/record.json"


class Noted:
    """Stands in for an installed package: what pip wrote beside it."""

    def __init__(self, told: object) -> None:
        self.text = told if isinstance(told, str | None) else json.dumps(told)

    def read_text(self, name: str) -> str | None:
        assert name == "direct_url.json"
        return self.text


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Work in an empty folder with an empty data root; installed({...}) sets what pip noted."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setenv("DMLKIT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("time.sleep", lambda seconds: None)  # between two tries of a download

    def note(told: object) -> None:
        monkeypatch.setattr(environment, "distribution", lambda name: Noted(told))

    note(None)
    return note


@pytest.fixture
def repository(tmp_path):
    """A server that gives one archive, as the repository's host does; (address, requests, folder)."""
    folder = tmp_path / "server"
    archives = folder / "owner" / "book" / "archive"
    archives.mkdir(parents=True)
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args) -> None:
            asked.append(self.path)

    handler = functools.partial(Handler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/owner/book", asked, archives / f"{COMMIT}.zip"
        server.shutdown()


def archive(*names: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        for name in names:
            file.writestr(f"book-{COMMIT}/{name}", f"the bytes of {name}")
    return stream.getvalue()


def from_git(address: str) -> dict:
    return {"url": address, "vcs_info": {"vcs": "git", "commit_id": COMMIT}}


def make(folder, name: str = NAME):
    path = folder / "book" / name
    path.parent.mkdir(parents=True)
    path.write_text("here")
    return path


def test_finds_the_published_tables_of_this_checkout(root):
    assert book_file("published/silhouette_table_1.csv") == root / "book/published/silhouette_table_1.csv"


def test_looks_upwards_from_the_working_directory(installed, monkeypatch, tmp_path):
    path = make(tmp_path)
    chapter = tmp_path / "book/silhouette"
    chapter.mkdir()
    monkeypatch.chdir(chapter)
    assert book_file(NAME) == path
    assert book_file("runs/made_up") == path.parents[2]


def test_the_nearest_book_comes_first_and_one_without_the_file_is_passed_over(installed, monkeypatch, tmp_path):
    far, near = make(tmp_path), make(tmp_path / "elsewhere")
    (tmp_path / "elsewhere/below/book").mkdir(parents=True)
    for folder in (tmp_path / "elsewhere", tmp_path / "elsewhere/below"):
        monkeypatch.chdir(folder)
        assert book_file(NAME) == near
    near.unlink()
    assert book_file(NAME) == far


def test_finds_the_checkout_that_dmlkit_was_installed_from(installed, tmp_path):
    path = make(tmp_path / "a clone")
    installed({"url": (tmp_path / "a clone").as_uri(), "dir_info": {}})
    assert book_file(NAME) == path


def test_fetches_once_and_only_what_it_needs(installed, repository, tmp_path):
    address, asked, place = repository
    place.write_bytes(archive("README.md", f"book/{NAME}", "book/published/made_up.csv"))
    installed(from_git(address + ".git"))
    assert book_file(NAME).read_text() == f"the bytes of book/{NAME}"
    assert book_file("published/made_up.csv").read_text() == "the bytes of book/published/made_up.csv"
    assert len(asked) == 1
    left = [entry.name for entry in (tmp_path / "data/book").iterdir()]
    assert left == [COMMIT]


def test_several_at_once_fetch_once(installed, repository):
    address, asked, place = repository
    place.write_bytes(archive(f"book/{NAME}"))
    installed(from_git(address))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(book_file, [NAME] * 4))
    assert len(set(found)) == 1 and len(asked) == 1


def test_offline_is_one_sentence(installed):
    installed(from_git("http://127.0.0.1:9/owner/book"))
    with pytest.raises(DataError, match=f"^{NAME} of the book is not on this machine and cannot be fetched: http://"):
        book_file(NAME)


def test_a_damaged_archive_is_not_kept(installed, repository, tmp_path):
    address, _, place = repository
    whole = archive(f"book/{NAME}")
    place.write_bytes(whole[:-30])
    installed(from_git(address))
    with pytest.raises(DataError, match="cannot be fetched: .* is damaged"):
        book_file(NAME)
    assert list((tmp_path / "data/book").iterdir()) == []
    place.write_bytes(whole)
    assert book_file(NAME).exists()


def test_a_name_that_leads_out_of_the_archive_is_not_unpacked(installed, repository, tmp_path):
    address, _, place = repository
    place.write_bytes(archive(f"book/{NAME}", "../../../outside.txt"))
    installed(from_git(address))
    with pytest.raises(DataError, match="may lead out of its folder"):
        book_file(NAME)
    assert not list(tmp_path.rglob("outside.txt"))


def test_a_file_that_the_book_does_not_have(installed, repository):
    address, _, place = repository
    place.write_bytes(archive("book/intro.ipynb"))
    installed(from_git(address))
    with pytest.raises(DataError, match=f"^{NAME} is not in the book at commit {COMMIT} of {address}"):
        book_file(NAME)


@pytest.mark.parametrize(
    "told",
    [None, "", "no JSON", [1], {}, {"url": "https://example.org/x.whl", "archive_info": {}}, from_git("ssh://git@x/y")],
)
def test_an_unknown_repository_is_one_sentence(installed, told):
    installed(told)
    with pytest.raises(DataError, match="^runs/.* is not on this machine, and dmlkit does not know its repository"):
        book_file(NAME)


def test_a_package_that_was_not_installed_has_no_note(installed, monkeypatch):
    def missing(name):
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "distribution", missing)
    with pytest.raises(DataError, match="does not know its repository"):
        book_file(NAME)


@pytest.mark.parametrize("name", ["", ".", "/etc/passwd", "../README.md", "runs/../../x", "runs\\x"])
def test_a_name_outside_the_book_is_refused(name):
    with pytest.raises(ValueError, match="^name must be a path inside book/"):
        book_file(name)


def test_example():
    assert doctest.testmod(book_files).failed == 0

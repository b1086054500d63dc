"""From official archives to a checked folder: never a wrong data set, never a half-written one, one sentence each."""

import dataclasses
import errno
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from servers import FileServer

import dmlkit
from dmlkit.data import CATALOGUE, DataError, benchmark, data_root, miniature
from dmlkit.data.download import checksum_of
from dmlkit.data.entry import Source
from dmlkit.data.layouts.common import Drawing
from dmlkit.data.prepare import MANIFEST, check_splits, inspect

BIRDS = CATALOGUE["cub200"]


def archive_of(folder, path):
    """A miniature of CUB as its archive would be."""
    counts = BIRDS.draw(folder, Drawing(classes=4, per_class=3))
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "CUB_200_2011", "CUB_200_2011")
    return counts


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A catalogue in which CUB is a miniature: its archive, with checksum, placed in the data root by hand."""
    archive = tmp_path / "CUB_200_2011.tgz"
    counts = archive_of(tmp_path / "drawn", archive)
    source = Source(archive.name, checksum=checksum_of(archive), size=archive.stat().st_size)
    entry = dataclasses.replace(BIRDS, counts=counts, sources=(source,))
    monkeypatch.setitem(CATALOGUE, "cub200", entry)
    root = tmp_path / "root"
    (root / "archives").mkdir(parents=True)
    shutil.copy(archive, root / "archives")
    return root


def refused(root, *parts, **options):
    with pytest.raises(DataError) as error:
        benchmark("cub200", root=root, **options)
    said = str(error.value)
    assert "\n" not in said
    for part in parts:
        assert str(part) in said, said


def nothing_is_left(root):
    return sorted(path.name for path in root.iterdir()) == ["archives"]


def test_from_archive_to_images(small):
    birds = benchmark("cub200", root=small)
    assert (len(birds.train), birds.train.num_classes, len(birds.test)) == (6, 2, 6)
    again = benchmark("cub200", root=small)
    assert again.checksum == birds.checksum
    assert again.train[3][0].tobytes() == birds.train[3][0].tobytes()


def test_the_checksum_is_of_the_bytes(small, tmp_path):
    first = benchmark("cub200", root=small)
    shutil.copytree(small / "archives", tmp_path / "other" / "archives")
    assert benchmark("cub200", root=tmp_path / "other").checksum == first.checksum
    assert miniature("cub200").checksum != first.checksum


def test_an_archive_that_is_missing(small):
    (small / "archives" / "CUB_200_2011.tgz").unlink()
    refused(small, "Birds-200-2011 is not here: put CUB_200_2011.tgz into", small / "archives")


def test_a_download_is_offered_where_there_is_one(tmp_path):
    refused(tmp_path, "benchmark('cub200', download=True) fetches it", "or put CUB_200_2011.tgz into")


def test_one_that_must_be_placed_by_hand(tmp_path):
    with pytest.raises(DataError, match="agreement"):
        benchmark("in-shop", root=tmp_path, download=True)


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: raw[:-1] + b"x", lambda raw: b""])
def test_a_damaged_archive_is_not_unpacked(small, damage):
    path = small / "archives" / "CUB_200_2011.tgz"
    path.write_bytes(damage(path.read_bytes()))
    refused(small, path, "expected")
    assert nothing_is_left(small)
    assert path.exists()  # it may be the user's only copy


def repacked(small, monkeypatch, change):
    """The archive with another content, and the catalogue believing its bytes: only the content can give it away."""
    folder = small.parent / "drawn"
    change(folder / "CUB_200_2011")
    path = small / "archives" / "CUB_200_2011.tgz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder / "CUB_200_2011", "CUB_200_2011")
    entry = CATALOGUE["cub200"]
    source = dataclasses.replace(entry.sources[0], checksum=None, size=None)
    monkeypatch.setitem(CATALOGUE, "cub200", dataclasses.replace(entry, sources=(source,)))


def first_image(folder):
    return min(folder.glob("images/*/*.jpg"))


CONTENTS = {
    "a missing image": (lambda folder: first_image(folder).unlink(), "is missing"),
    "an extra image": (
        lambda folder: shutil.copy(first_image(folder), folder / "images" / "zebra.jpg"),
        "does not belong",
    ),
    "half an image": (
        lambda folder: first_image(folder).write_bytes(first_image(folder).read_bytes()[:300]),
        "cannot be read as an image",
    ),
    "text for an image": (lambda folder: first_image(folder).write_text("hello"), "cannot be read as an image"),
    "no annotations": (lambda folder: (folder / "images.txt").unlink(), "images.txt is missing"),
    "annotations swapped": (
        lambda folder: shutil.copy(folder / "train_test_split.txt", folder / "image_class_labels.txt"),
        "image_class_labels.txt is not the official file",
    ),
}


@pytest.mark.parametrize("content", CONTENTS)
def test_wrong_content_is_refused_and_nothing_kept(small, monkeypatch, content):
    change, said = CONTENTS[content]
    repacked(small, monkeypatch, change)
    refused(small, said)
    assert nothing_is_left(small)


def test_a_class_too_few(small, monkeypatch):
    entry = CATALOGUE["cub200"]
    counts = {**entry.counts, "test": dataclasses.replace(entry.counts["test"], images=7)}
    monkeypatch.setitem(CATALOGUE, "cub200", dataclasses.replace(entry, counts=counts))
    refused(small, "test must have 7 images, 2 classes, found 6 images, 2 classes")
    assert nothing_is_left(small)


AFTERWARDS = {
    "a missing image": (lambda folder: first_image(folder).unlink(), "is missing"),
    "an added image": (lambda folder: shutil.copy(first_image(folder), folder / "images" / "a.jpg"), "was added"),
    "another image": (lambda folder: first_image(folder).write_bytes(b"short"), "has changed"),
    "another annotation of the same size": (
        lambda folder: (folder / "classes.txt").write_bytes((folder / "classes.txt").read_bytes().swapcase()),
        "classes.txt has changed",
    ),
    "no readable manifest": (lambda folder: (folder.parent / MANIFEST).write_text("{"), "cannot be read"),
}


@pytest.mark.parametrize("change", AFTERWARDS)
def test_what_changes_after_preparation_is_found(small, change):
    benchmark("cub200", root=small)
    alter, said = AFTERWARDS[change]
    alter(small / "cub200" / "CUB_200_2011")
    refused(small, said, "prepare it again")


def test_a_folder_of_another_data_set(small):
    benchmark("cub200", root=small)
    path = small / "cub200" / MANIFEST
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, "data set": "sop"}))
    refused(small, "holds 'sop', not 'cub200'")


def test_a_folder_that_dmlkit_did_not_make_is_left_alone(small):
    (small / "cub200").mkdir()
    (small / "cub200" / "thesis.txt").write_text("five years of work")
    refused(small, "was not made by dmlkit", "folder=…")
    assert (small / "cub200" / "thesis.txt").exists()


def test_read_in_place(small, tmp_path):
    """The folder may be read-only: the manifest goes into the data root."""
    folder = tmp_path / "drawn"
    before = sorted(folder.rglob("*"))
    birds = benchmark("cub200", root=small, folder=folder)
    assert len(birds.train) == 6 and sorted(folder.rglob("*")) == before
    assert benchmark("cub200", root=small, folder=folder).checksum == birds.checksum
    first_image(folder / "CUB_200_2011").unlink()
    refused(small, "is missing", folder=folder)


def test_in_place_where_nothing_is(small, tmp_path):
    refused(small, "there is no folder", folder=tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    refused(small, "classes.txt is missing", folder=tmp_path / "empty")


def test_a_full_disk_leaves_nothing(small, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("dmlkit.data.prepare.write_manifest", full)
    refused(small, "No space left on device", "nothing was kept")
    assert nothing_is_left(small)


def test_a_root_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    refused(tmp_path / "file" / "root", "the data root", "DMLKIT_DATA")


def test_downloaded_with_its_checksum(small, monkeypatch):
    archive = small / "archives" / "CUB_200_2011.tgz"
    content = archive.read_bytes()
    archive.unlink()
    with FileServer(content) as server:
        entry = CATALOGUE["cub200"]
        source = dataclasses.replace(entry.sources[0], url=server.url)
        monkeypatch.setitem(CATALOGUE, "cub200", dataclasses.replace(entry, sources=(source,)))
        refused(small, "download=True")  # nothing is fetched that was not asked for
        assert not server.requests
        assert len(benchmark("cub200", root=small, download=True).train) == 6
    assert len(benchmark("cub200", root=small).train) == 6  # and then no server is needed


PROCESS = """
import dataclasses, json, sys, time
from pathlib import Path
from dmlkit.data import CATALOGUE, benchmark, prepare
from dmlkit.data.entry import Source
from dmlkit.data.layouts.common import Count
name, root, log, pause = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
counts = {"train": Count(6, 2), "test": Count(6, 2)}
CATALOGUE["cub200"] = dataclasses.replace(CATALOGUE["cub200"], counts=counts, sources=(Source("CUB_200_2011.tgz"),))
inspect = prepare.inspect
def slowly(*arguments):
    with open(log, "a") as file:
        file.write(name + "\\n")
    time.sleep(pause)
    return inspect(*arguments)
prepare.inspect = slowly
print(benchmark("cub200", root=root).checksum)
"""


def start(name, root, log, pause):
    code = [sys.executable, "-c", PROCESS, name, str(root), str(log), str(pause)]
    return subprocess.Popen(code, stdout=subprocess.PIPE, text=True, cwd=Path(dmlkit.__file__).parent.parent)


def wait_for(path):
    until = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_two_processes_prepare_once(small, tmp_path):
    log = tmp_path / "log"
    first = start("first", small, log, 1)
    wait_for(log)
    second = start("second", small, log, 0)
    answers = [process.communicate(timeout=120)[0] for process in (first, second)]
    assert answers[0] == answers[1] != ""
    assert log.read_text() == "first\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes in another way")
def test_a_killed_preparation_leaves_no_data_set_and_the_next_one_succeeds(small, tmp_path):
    log = tmp_path / "log"
    process = start("first", small, log, 60)
    wait_for(log)
    process.kill()
    process.communicate()
    assert not (small / "cub200").exists()
    assert len(benchmark("cub200", root=small).train) == 6
    assert sorted(path.name for path in small.iterdir()) == ["archives", "cub200"]


@pytest.mark.parametrize("name", [name for name, entry in CATALOGUE.items() if entry.zero_shot])
def test_no_training_class_is_tested(name):
    """Held for each zero-shot split when it is built; here with one that breaks it."""
    splits = dict(miniature(name).splits)
    other = next(split for split in splits if split != "train")
    entry = CATALOGUE[name]
    check_splits(entry, splits, Path("."), {})
    stolen = splits["train"]
    with pytest.raises(DataError, match=f"is in train and in {other}"):
        check_splits(entry, {**splits, other: splits[other].join(stolen)}, Path("."), {})


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_miniature_opens_and_is_the_same_again(name, tmp_path):
    first, second = miniature(name), miniature(name, folder=tmp_path / "here")
    assert first.checksum == second.checksum
    assert first.name == f"{name} (miniature)"
    assert set(first.splits) == set(CATALOGUE[name].counts)
    # The very same loader, and the very same checks.
    inspect(CATALOGUE[name], tmp_path / "here", {})


def test_a_miniature_needs_a_folder_of_its_own(tmp_path):
    (tmp_path / "something").write_text("")
    with pytest.raises(DataError, match="is not empty"):
        miniature("cub200", folder=tmp_path)


def test_unknown_names_say_the_nearest():
    with pytest.raises(ValueError, match="no data set named 'cub-200': did you mean 'cub200'"):
        benchmark("cub-200")
    with pytest.raises(ValueError, match="there are cifar10, cifar100"):
        miniature("zzz")


def test_unknown_split():
    with pytest.raises(KeyError, match="has no split 'val', it has train, test"):
        miniature("cub200")["val"]


def test_a_stand_in_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    assert "a stand-in for cub200: its numbers are not comparable" in str(miniature("cub50"))
    with pytest.raises(DataError, match="DMLKIT_PACKS"):
        benchmark("cub50", root=tmp_path)


def test_the_data_root(monkeypatch, tmp_path):
    monkeypatch.setenv("DMLKIT_DATA", str(tmp_path / "here"))
    assert data_root() == tmp_path / "here"
    monkeypatch.delenv("DMLKIT_DATA")
    assert data_root().name == "dmlkit" and data_root().is_absolute()

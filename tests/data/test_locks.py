"""One at a time, in threads and processes, and nobody waits for the dead."""

import errno
import os
import threading

import pytest
from servers import start_process

from dmlkit.data import locks as module
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked

HOLD = """
from dmlkit.data.locks import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
print("released", flush=True)
"""


@pytest.fixture
def here(tmp_path):
    return tmp_path / "birds"


def test_one_at_a_time(here):
    inside, most, rounds = 0, 0, []

    def work():
        nonlocal inside, most
        for _ in range(20):
            with locked(here):
                inside += 1
                most = max(most, inside)
                rounds.append(inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(rounds) == 160
    assert most == 1


@pytest.mark.skipif(os.name == "nt", reason="on Windows the empty file stays")
def test_nothing_is_left(here):
    with locked(here):
        assert (here.parent / "birds.lock").exists()
    assert list(here.parent.iterdir()) == []


def test_released_after_an_error(here):
    with pytest.raises(KeyError), locked(here):
        raise KeyError
    with locked(here, timeout=0):
        pass


def test_different_files_do_not_wait(here):
    with locked(here), locked(here.with_name("cars"), timeout=0):
        pass


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_another_process_holds_it(here, timeout):
    process = start_process(HOLD, here)
    assert process.stdout.readline() == "held\n"
    with pytest.raises(DataError, match=rf"another process has held .*birds.lock for {timeout} s: wait") as error:
        with locked(here, timeout=timeout):
            pytest.fail("two hold it")
    assert "\n" not in str(error.value)
    assert process.communicate("\n", timeout=30)[0] == "released\n"
    with locked(here, timeout=0):
        pass


def test_the_second_waits(here):
    process = start_process(HOLD, here)
    assert process.stdout.readline() == "held\n"
    order = []

    def wait():
        with locked(here):
            order.append("second")

    waiting = threading.Thread(target=wait)
    waiting.start()
    waiting.join(0.1)
    order.append("first")
    process.communicate("\n", timeout=30)
    waiting.join(30)
    assert order == ["first", "second"]


def test_a_killed_process_holds_nothing(here):
    process = start_process(HOLD, here)
    assert process.stdout.readline() == "held\n"
    process.kill()
    process.communicate()
    assert (here.parent / "birds.lock").exists()
    with locked(here, timeout=0 if os.name != "nt" else 10):
        pass


@pytest.mark.skipif(os.name == "nt", reason="on Windows the name is never deleted")
def test_a_lock_on_a_deleted_name_is_none(here, monkeypatch):
    """Between opening and locking the name may be deleted: then two would hold locks on different files."""
    lock = here.with_name("birds.lock")
    kernel = module.fcntl.flock

    def too_late(descriptor, operation):
        monkeypatch.undo()
        lock.unlink()
        kernel(descriptor, operation)

    monkeypatch.setattr(module.fcntl, "flock", too_late)
    with locked(here), pytest.raises(DataError, match="another process has held"):
        with locked(here, timeout=0):
            pytest.fail("two hold it")


@pytest.mark.skipif(os.name == "nt", reason="a fault of flock")
def test_a_file_system_without_locks(here, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", fail)
    with pytest.raises(DataError, match=r"birds.lock cannot be locked \(No locks available\): choose a folder"):
        with locked(here):
            pytest.fail("not held")


def test_a_missing_folder(here):
    with pytest.raises(FileNotFoundError), locked(here / "deeper"):
        pytest.fail("not held")

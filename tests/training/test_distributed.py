"""Several processes are one: real processes on the CPU, with gloo."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch

from dmlkit import losses
from dmlkit.training import distributed as module
from dmlkit.training.distributed import (
    GlobalLoss,
    RankFailed,
    all_gather_rows,
    barrier,
    broadcast_object,
    distributed,
    gather_rows_to_all,
    is_main,
    rank,
    world_size,
)

WORKERS = Path(__file__).parent / "workers.py"
NAMES = sorted(name for name in losses.__all__ if isinstance(getattr(losses, name), type))
LIMIT = 240  # seconds after which something hangs


class Processes:
    """Four processes that went through all scenes of workers.py, and what they left behind."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        command = [sys.executable, str(WORKERS), str(folder)]
        files = [(folder / f"{number}.log").open("wb") for number in range(4)]
        running = [
            subprocess.Popen([*command, str(number)], stdout=file, stderr=file, env=environment())
            for number, file in enumerate(files)
        ]
        end = time.monotonic() + LIMIT
        try:
            self.codes = [process.wait(max(end - time.monotonic(), 0.1)) for process in running]
        finally:
            for process, file in zip(running, files, strict=True):
                process.kill()
                process.wait()
                file.close()

    def log(self, number: int) -> str:
        return (self.folder / f"{number}.log").read_text(errors="replace")

    def found(self, scene: str, number: int):
        path = self.folder / f"{scene}-{number}.json"
        assert path.exists(), self.log(number)[-3000:]
        return json.loads(path.read_text())

    def all(self, scene: str, size: int = 4) -> list:
        return [self.found(scene, number) for number in range(size)]


def environment() -> dict[str, str]:
    """Without what a process group of the tests' own caller may have set."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {**{name: text for name, text in os.environ.items() if name not in names}, "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    return Processes(tmp_path_factory.mktemp("processes"))


two_and_four = pytest.mark.parametrize("size", [2, 4])


# the loss of the whole batch


@two_and_four
@pytest.mark.parametrize("name", NAMES)
def test_gradients_are_those_of_one_process(processes, name, size):
    for found in processes.all(f"agreement{size}", size):
        assert found[name].pop("least") > 1e-3  # there is something to agree on
        assert len(found[name]) == (3 if size == 2 else 1)  # ways to wrap network and loss
        for arrangement, differences in found[name].items():
            assert {"network.first", "network.second", "value"} <= set(differences)
            assert max(differences.values()) <= 1e-10, (arrangement, differences)


@two_and_four
def test_parameters_of_the_losses_were_compared(processes, size):
    found = processes.found(f"agreement{size}", 0)
    assert "loss.proxies" in found["ProxyAnchor"]["one module"]
    assert {"loss.losses.anchor.proxies", "loss.losses.ce.bias"} <= set(found["WeightedSum"]["one module"])
    if size == 2:
        assert found["Hist"]["one module"].keys() == found["Hist"]["loss not wrapped"].keys()


# exchanges


@two_and_four
def test_ranks(processes, size):
    for number, found in enumerate(processes.all(f"exchanges{size}", size)):
        assert found["ranks"] == [number, size, number == 0]


@two_and_four
def test_rows_are_gathered_in_order(processes, size):
    expected = [row for r in range(size) for row in ([10 * r, 10 * r + 2, 10 * r + 4], [10 * r + i for i in (1, 3, 5)])]
    for found in processes.all(f"exchanges{size}", size):
        assert found["rows"] == expected
        assert found["labels"] == [sign * r for r in range(size) for sign in (1, -1)]
        assert found["equal"] == list(range(size))


@two_and_four
def test_gradients_of_all_ranks_come_back(processes, size):
    for found in processes.all(f"exchanges{size}", size):
        functions = found["functions"]
        torch.testing.assert_close(torch.tensor(functions["found"]), torch.tensor(functions["expected"]))
        assert functions["what was passed in"]
        assert "differentiate twice" in found["second derivative"]


@two_and_four
def test_unequal_parts_are_put_together(processes, size):
    lengths = [3, 0, 2, 1][:size]
    for found in processes.all(f"exchanges{size}", size):
        numbers, rows = found["unequal"]
        assert numbers == [100 * r + i for r, length in enumerate(lengths) for i in range(length)]
        assert rows == [[r, r] for r, length in enumerate(lengths) for _ in range(length)]
        assert found["mask"] == [r == 2 for r, length in enumerate(lengths) for _ in range(length)]
        assert found["half"] == [0.5] * sum(lengths)
        assert found["empty"] == [0, 7]
        assert found["no gradient"] is False


@two_and_four
def test_object_of_one_rank(processes, size):
    for found in processes.all(f"exchanges{size}", size):
        assert found["told"] == {"from": 1}
        assert found["told by none"] == f"rank must lie in 0 … {size - 1}, found {size}"


def test_batches_that_differ_are_refused_with_the_ranks(processes):
    start = "must have the same shape and dtype on every rank, found"
    for found in processes.all("exchanges4"):
        assert found["batches"] == f"embeddings {start} (4, 2) float32 on ranks 0, 2, 3 and (3, 2) float32 on rank 1"
        assert found["dtypes"] == f"embeddings {start} (4, 2) float32 on ranks 0, 2, 3 and (4, 2) float64 on rank 1"
        assert found["taps"] == f"features {start} (4, 3) float32 on ranks 0, 2, 3 and none on rank 1"
        assert found["labels too short"] == "labels must have shape (4,), one label a row, found (3,)"
        assert found["widths"] == (
            "rows must have the same columns and dtype on every rank, found (2,) float32 on ranks 0, 2 and (3,) "
            "float32 on ranks 1, 3"
        )


def test_a_refusal_on_all_ranks_leaves_them_together(processes):
    expected = losses.sup_con(torch.ones(16, 2), torch.tensor([0, 0, 1, 1] * 4)).item()
    for found in processes.all("exchanges4"):
        assert found["still together"] == pytest.approx(expected)
        assert found["unchecked"] == pytest.approx(expected)


# failures


def kinds(found: list) -> list[str]:
    return [one["kind"] for one in found]


def test_a_failure_ends_all_ranks_with_its_reason(processes):
    found = processes.all("broken_batch")
    assert kinds(found) == ["RankFailed", "ValueError", "RankFailed", "RankFailed"]
    assert found[1]["text"] == "the third batch is broken"
    for number in (0, 2, 3):
        reason = "rank 1 failed: ValueError: the third batch is broken"
        assert found[number]["text"] == f"rank {number} ends because {reason}"
        assert found[number]["seconds"] < 30  # at once, where the time-out is three minutes


def test_no_rank_ends_well_unless_all_do(processes):
    found = processes.all("late_failure")
    assert kinds(found) == ["OSError", "RankFailed", "RankFailed", "RankFailed"]
    assert found[3]["text"] == "rank 3 ends because rank 0 failed: OSError: the disk is full"


def test_a_silent_rank_is_given_up_after_the_time_out(processes):
    found = processes.all("hanging")
    assert kinds(found) == ["RankFailed"] * 4
    lost = "another of the 4 processes was lost: "
    texts = [one["text"].removeprefix(f"rank {number} ends because ") for number, one in enumerate(found)]
    assert f"{lost}no answer within 4 s" in texts
    assert all(text.startswith(lost) for text in texts)  # who comes later finds closed connections
    assert all(one["seconds"] < 30 for one in found)


def test_a_rank_that_never_comes_is_given_up(processes):
    for number, found in enumerate(processes.all("absent")):
        assert found["kind"] == "RankFailed"
        start = f"rank {number}: the 5 processes of WORLD_SIZE did not come together within 1 s: "
        assert found["text"].startswith(start)


def test_a_killed_worker_ends_the_others(processes):
    assert processes.codes[1] != 0
    assert [processes.codes[number] for number in (0, 2, 3)] == [1, 1, 1]
    for number in (0, 2, 3):
        last = processes.log(number).strip().splitlines()[-1]
        assert f"RankFailed: rank {number} ends because another of the 4 processes was lost: its connection" in last


def test_under_torchrun(tmp_path):
    """It reads what torchrun sets, and torchrun sees that a worker was killed."""
    options = ["--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, "-m", "torch.distributed.run", *options, str(WORKERS), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, env=environment())
    assert done.returncode != 0
    expected = losses.sup_con(torch.eye(2).repeat(2, 1), torch.tensor([0, 1, 1, 0])).item()
    for number in range(2):
        path = tmp_path / f"torchrun-{number}.json"
        assert path.exists(), done.stderr[-3000:]
        found = json.loads(path.read_text())
        assert found == {"ranks": [number, 2], "device": "cpu", "value": pytest.approx(expected)}


# one process


@pytest.fixture
def alone(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


@pytest.mark.parametrize("size", [None, "1"])
def test_one_process_is_the_identity(alone, size):
    if size:
        alone.setenv("RANK", "0")
        alone.setenv("WORLD_SIZE", size)
    with distributed("cpu") as device:
        assert device == torch.device("cpu")
        assert (rank(), world_size(), is_main()) == (0, 1, True)
        assert not torch.distributed.is_initialized()
        rows = torch.randn(4, 3, requires_grad=True)
        assert all_gather_rows(rows) is rows
        assert gather_rows_to_all(rows).data_ptr() == rows.data_ptr()
        assert not gather_rows_to_all(rows).requires_grad
        value = object()
        assert broadcast_object(value) is value
        barrier()


def test_global_loss_of_one_process():
    rows, labels = torch.randn(4, 3), torch.tensor([0, 0, 1, 1])
    assert torch.equal(GlobalLoss(losses.SupCon())(rows, labels), losses.sup_con(rows, labels))
    joint = losses.WeightedSum({"a": losses.SupCon()}, {"a": 1.0}, taps={"a": "features"})
    assert torch.equal(GlobalLoss(joint)(torch.ones(4, 2), labels, features=rows), losses.sup_con(rows, labels))
    assert list(GlobalLoss(losses.ProxyAnchor(3, 4)).state_dict()) == ["loss.proxies"]
    assert repr(GlobalLoss(losses.SupCon(), check=False)).startswith("GlobalLoss(\n  check=False\n  (loss): SupCon(")


def test_failure_of_one_process_is_its_own(alone):
    with pytest.raises(KeyError, match="lost"), distributed("cpu"):
        raise KeyError("lost")


# wrong input


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"RANK": "0"}, "RANK and WORLD_SIZE must both be set in the environment, found no WORLD_SIZE"),
        ({"WORLD_SIZE": "2"}, "RANK and WORLD_SIZE must both be set in the environment, found no RANK"),
        ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK in the environment must be a whole number, found 'one'"),
        ({"RANK": "0", "WORLD_SIZE": "-2"}, "WORLD_SIZE in the environment must be a whole number, found '-2'"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "rank must lie in 0 … 1, found 2"),
    ],
)
def test_wrong_environment(alone, given, message):
    for name, text in given.items():
        alone.setenv(name, text)
    with pytest.raises(ValueError) as caught, distributed("cpu"):
        pass
    assert str(caught.value) == message


def test_wrong_device(alone):
    alone.setenv("RANK", "1")
    alone.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="^device must be 'cuda' or 'cpu' with several processes, found 'meta'$"):
        with distributed("meta"):
            pass
    alone.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="^each process needs a GPU of its own: found 1 for LOCAL_RANK 1; start fewer"):
        with distributed("cuda"):
            pass


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_wrong_time_out(timeout):
    with pytest.raises(ValueError, match="^timeout must be "), distributed("cpu", timeout=timeout):
        pass


def test_wrong_rows_and_ranks():
    with pytest.raises(ValueError, match="^rows must have at least one dimension, found a scalar$"):
        gather_rows_to_all(torch.tensor(1.0))
    with pytest.raises(ValueError, match="^rank must lie in 0 … 0, found 1$"):
        broadcast_object(1, source=1)


def test_a_process_group_that_exists_already(alone, tmp_path):
    alone.setenv("RANK", "0")
    alone.setenv("WORLD_SIZE", "2")
    where = (tmp_path / "store").as_uri()
    torch.distributed.init_process_group("gloo", init_method=where, rank=0, world_size=1)
    try:
        with pytest.raises(
            RuntimeError, match="^distributed\\(\\) must begin the process group, found one that exists"
        ):
            with distributed("cpu"):
                pass
    finally:
        torch.distributed.destroy_process_group()


# what the other ranks are asked, and do not answer


def test_a_store_that_is_silent_or_gone(monkeypatch):
    monkeypatch.setattr(module, "_PATIENCE", 0.05)
    never = threading.Event()
    assert module._in_time(never.wait) is None
    never.set()

    def gone():
        raise torch.distributed.DistNetworkError("Connection was likely closed")

    assert module._in_time(gone) is None
    assert module._in_time(lambda: "told") == "told"


def test_what_counts_as_a_lost_connection():
    by_gloo = "[/build/third_party/gloo/gloo/transport/tcp/pair.cc:545] Connection reset by peer"
    assert module._is_lost_connection(RuntimeError(by_gloo))
    assert module._is_lost_connection(RuntimeError(by_gloo.replace("/", "\\")))
    assert module._is_lost_connection(torch.distributed.DistBackendError("NCCL communicator was aborted"))
    assert not module._is_lost_connection(RuntimeError("DataLoader timed out after 5 seconds"))
    assert not module._is_lost_connection(ValueError(by_gloo))
    assert not module._is_lost_connection(KeyboardInterrupt())
    assert issubclass(RankFailed, RuntimeError)

"""A run on two processes is the run of one: the loss of each step is that of the whole batch.

Batch normalisation is frozen, because it would see each process's images alone; there is no dropout, because each
process draws its own.
"""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small import config

from dmlkit.recipes.config import Network
from dmlkit.training import run

PROCESS = """
import sys
sys.path.insert(0, sys.argv[1])
from small import config
from dmlkit.recipes.config import Network
from dmlkit.training import run
settings = config(network=Network("tiny_cnn", embedding_dim=8, frozen_batch_norm=True))
run(settings, folder=sys.argv[2], progress=False, device="cpu")
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.skipif(not torch.distributed.is_gloo_available(), reason="this torch was built without gloo")
def test_two_processes_take_the_way_of_one(tmp_path):
    alone = run(
        config(network=Network("tiny_cnn", embedding_dim=8, frozen_batch_norm=True)), progress=False, device="cpu"
    )
    shared = {
        **os.environ,
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-c", PROCESS, str(Path(__file__).parent), str(tmp_path)]
    ranks = [
        subprocess.Popen(command, env={**shared, "RANK": str(k), "LOCAL_RANK": str(k)}, stderr=subprocess.PIPE)
        for k in range(2)
    ]
    errors = [process.communicate(timeout=180)[1].decode() for process in ranks]
    assert [process.returncode for process in ranks] == [0, 0], errors
    together = json.loads((tmp_path / "record.json").read_text())
    assert together["curves"]["loss"] == pytest.approx(alone.curves["loss"], rel=1e-4)
    assert together["metrics"]["R@1"] == alone.metrics["R@1"]

"""What each of several processes does for test_distributed.py: `workers.py FOLDER NUMBER`, or FOLDER alone by torchrun.

A process that starts pays seconds for imports, so four of them go through all scenes, each with a process group of its
own that meets at a file. What a scene returns is written to FOLDER/scene-NUMBER.json.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from dmlkit import losses
from dmlkit.training.distributed import (
    GlobalLoss,
    all_gather_rows,
    barrier,
    broadcast_object,
    distributed,
    gather_rows_to_all,
    is_main,
    rank,
    world_size,
)

sys.path.insert(0, str(Path(__file__).parent.parent / "losses"))
from test_modules import MODULES, filled

FOLDER = Path(sys.argv[1])
LABELS = torch.tensor([0, 1, 2, 1, 0, 2, 1, 0])
ARRANGEMENTS = ("one module", "each on its own", "loss not wrapped")
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)  # on Windows os.kill ends a process by any signal


def group(name: str, number: int, size: int, timeout: float = 180.0):
    """This process as rank `number` of `size`, as torchrun would tell it."""
    os.environ.update(RANK=str(number), WORLD_SIZE=str(size), LOCAL_RANK=str(number))
    return distributed("cpu", timeout=timeout, rendezvous=(FOLDER / f"{name}.store").as_uri())


# gradients


class Network(nn.Module):
    """Features and embeddings, as a recipe's network has."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(2)
        self.first = nn.Parameter(torch.randn(5, 6, generator=generator, dtype=torch.float64))
        self.second = nn.Parameter(torch.randn(6, 4, generator=generator, dtype=torch.float64))

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = (images @ self.first).tanh()
        return features, features @ self.second


class Step(nn.Module):
    """Network and loss as one module; `tapped` losses are given the features too."""

    def __init__(self, network: nn.Module, loss: nn.Module, tapped: bool) -> None:
        super().__init__()
        self.network, self.loss, self.tapped = network, loss, tapped

    def forward(self, images: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        features, embeddings = self.network(images)
        return self.loss(embeddings, labels, **({"features": features} if self.tapped else {}))


def weighted_sum() -> nn.Module:
    """A contrastive loss on the embeddings and two with parameters, one of them on the features."""
    torch.manual_seed(3)
    parts = {"con": losses.SupCon(), "anchor": losses.ProxyAnchor(3, 6), "ce": losses.LinearCrossEntropy(3, 4)}
    nn.init.normal_(parts["ce"].weight)
    return losses.WeightedSum(parts, {"con": 0.3, "anchor": 2.0, "ce": 1.0}, taps={"anchor": "features"})


def all_losses() -> dict[str, nn.Module]:
    found = {name: filled(name, **settings) for name, (_, settings, _) in MODULES.items()}
    return {name: loss.double() for name, loss in {**found, "WeightedSum": weighted_sum()}.items()}


def gradients(step: nn.Module, images: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
    value = step(images, labels)
    value.backward()
    return {"value": value.detach(), **{name: p.grad for name, p in step.named_parameters()}}


def wrapped(network: nn.Module, loss: nn.Module, tapped: bool, arrangement: str) -> nn.Module:
    loss = GlobalLoss(loss)
    if arrangement == "one module":
        return DistributedDataParallel(Step(network, loss, tapped))
    if arrangement == "each on its own" and list(loss.parameters()):
        loss = DistributedDataParallel(loss)
    return Step(DistributedDataParallel(network), loss, tapped)


def plain(name: str) -> str:
    """The name of a parameter without the wrappers around it."""
    return name.replace("module.", "").replace("loss.loss.", "loss.")


def agreement(number: int, size: int) -> dict:
    """For every loss, how far values and gradients are from those of one process with the whole batch."""
    images = torch.randn(8, 5, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    own = slice(8 // size * number, 8 // size * (number + 1))
    found = {}
    for name, loss in all_losses().items():
        tapped = name == "WeightedSum"
        expected = gradients(Step(Network(), copy.deepcopy(loss), tapped), images, LABELS)
        found[name] = {"least": min(gradient.abs().max().item() for gradient in expected.values())}
        for arrangement in ARRANGEMENTS[: 3 if size == 2 else 1]:
            step = wrapped(Network(), copy.deepcopy(loss), tapped, arrangement)
            result = {plain(key): value for key, value in gradients(step, images[own], LABELS[own]).items()}
            assert result.keys() == expected.keys(), (result.keys(), expected.keys())
            found[name][arrangement] = {key: (result[key] - expected[key]).abs().max().item() for key in expected}
    return found


# exchanges


def message(do, kind=ValueError) -> str:
    try:
        do()
    except kind as error:
        return str(error)
    return "nothing raised"


def own_functions(number: int, size: int) -> dict:
    """Each rank takes another function of the gathered rows: the gradients of all come back to whose row it is."""
    factors = torch.randn(size, 2 * size, 3, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    rows = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    everything = all_gather_rows(rows)
    everything.retain_grad()
    (everything * factors[number]).sum().backward()
    return {
        "found": rows.grad.tolist(),
        "expected": factors.sum(dim=0)[2 * number : 2 * number + 2].tolist(),
        "what was passed in": torch.equal(everything.grad, factors[number]),
    }


def twice_differentiated() -> None:
    rows = torch.ones(2, 3, requires_grad=True)
    (slope,) = torch.autograd.grad(all_gather_rows(rows).square().sum(), rows, create_graph=True)
    slope.sum().backward()


def exchanges(number: int, size: int) -> dict:
    transposed = torch.arange(6.0).reshape(3, 2).T + 10 * number  # not contiguous
    length = [3, 0, 2, 1][number]
    with torch.inference_mode():
        inferred = gather_rows_to_all(torch.full((length, 2), float(number)))
    loss = GlobalLoss(losses.SupCon())
    labels = torch.tensor([0, 0, 1, 1])

    def batch(rows: int, dtype=torch.float32, **taps):
        return lambda: loss(torch.ones(rows, 2, dtype=dtype), labels[:rows], **taps)

    return {
        "own": [number, size],
        "ranks": [rank(), world_size(), is_main()],
        "rows": all_gather_rows(transposed).tolist(),
        "labels": all_gather_rows(torch.tensor([number, -number])).tolist(),
        "functions": own_functions(number, size),
        "second derivative": message(twice_differentiated, RuntimeError),
        "unequal": [gather_rows_to_all(100 * number + torch.arange(length)).tolist(), inferred.tolist()],
        "mask": gather_rows_to_all(torch.full((length,), number == 2)).tolist(),
        "half": gather_rows_to_all(torch.full((length,), 0.5, dtype=torch.bfloat16)).tolist(),
        "equal": gather_rows_to_all(torch.tensor([number])).tolist(),
        "empty": list(gather_rows_to_all(torch.zeros(0, 7)).shape),
        "no gradient": gather_rows_to_all(torch.ones(length, 1, requires_grad=True)).requires_grad,
        "told": broadcast_object({"from": number}, source=1),
        "told by none": message(lambda: broadcast_object(1, source=size)),
        "widths": message(lambda: gather_rows_to_all(torch.zeros(length, 2 + number % 2))),
        "batches": message(batch(3 if number == 1 else 4)),
        "dtypes": message(batch(4, torch.float64 if number == 1 else torch.float32)),
        "taps": message(batch(4, features=None if number == 1 else torch.ones(4, 3))),
        "labels too short": message(lambda: loss(torch.ones(4, 2), labels[:3])),
        "still together": loss(torch.ones(4, 2), labels).item(),
        "unchecked": GlobalLoss(losses.SupCon(), check=False)(torch.ones(4, 2), labels).item(),
    }


# failures


def outcome(do) -> dict:
    start = time.monotonic()
    try:
        do()
    except Exception as error:
        return {"kind": type(error).__name__, "text": str(error), "seconds": time.monotonic() - start}
    return {"kind": "none"}


def train(number: int, size: int, at_third) -> None:
    """Five steps; in the third `at_third` happens."""
    step = wrapped(Network(), losses.ProxyAnchor(3, 4).double(), False, "one module")
    for i in range(5):
        if i == 2:
            at_third()
        step(torch.randn(2, 5, dtype=torch.float64), LABELS[:2]).backward()


def broken_batch(number: int, size: int) -> dict:
    def fail():
        if number == 1:
            raise ValueError("the third batch is broken")

    def run():
        with group("broken", number, size):
            train(number, size, fail)

    return outcome(run)


def late_failure(number: int, size: int) -> dict:
    """Only the first rank has something left to do, and it fails there."""

    def run():
        with group("late", number, size):
            barrier()
            if is_main():
                raise OSError("the disk is full")

    return outcome(run)


def hanging(number: int, size: int) -> dict:
    """Rank 2 is silent until the others have given up."""

    def fall_silent():
        others = [FOLDER / f"hanging-{other}.json" for other in range(size) if other != 2]
        while number == 2 and not all(path.exists() for path in others):
            time.sleep(0.05)

    def run():
        with group("hanging", number, size, timeout=4):
            train(number, size, fall_silent)

    return outcome(run)


def absent(number: int, size: int) -> dict:
    """One rank more is waited for, and never comes."""

    def run():
        with group("absent", number, size + 1, timeout=1):
            pass

    return outcome(run)


def killed(number: int, size: int) -> None:
    with group("killed", number, size):
        train(number, size, lambda: os.kill(os.getpid(), KILL) if number == 1 else None)


def write(scene: str, number: int, content) -> None:
    path = FOLDER / f"{scene}-{number}.json"
    path.with_suffix(".tmp").write_text(json.dumps(content))
    path.with_suffix(".tmp").replace(path)


def everything(number: int) -> None:
    for size in (2, 4):
        if number < size:
            with group(f"exchanges{size}", number, size):
                write(f"exchanges{size}", number, exchanges(number, size))
                write(f"agreement{size}", number, agreement(number, size))
    for scene in (broken_batch, late_failure, hanging, absent):
        write(scene.__name__, number, scene(number, 4))
    killed(number, 4)


def under_torchrun() -> None:
    with distributed("cpu", timeout=180) as device:
        value = GlobalLoss(losses.SupCon())(torch.eye(2), torch.tensor([rank(), 1 - rank()])).item()
        write("torchrun", rank(), {"ranks": [rank(), world_size()], "device": str(device), "value": value})
        barrier()
        if rank() == 1:
            os.kill(os.getpid(), KILL)
        barrier()


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) == 3:
        everything(int(sys.argv[2]))
    else:
        under_torchrun()

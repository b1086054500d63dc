"""Several processes, one batch: the loss of all ranks' rows on every rank, and runs that end together.

Start it with `torchrun --nproc-per-node=4 …`; within `with distributed() as device:` the functions here speak to the
other processes. Without it, or with one process, each of them gives back what it was given.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from dmlkit.checks import check_labels, check_number, check_rows
from dmlkit.data.samplers import check_rank

_FAILURE = "dmlkit/failure"  # the key under which a rank that fails leaves its reason for the others
_PATIENCE = 5.0  # seconds: the store may lie in a process that was stopped, and then never answers


class RankFailed(RuntimeError):
    """Another rank has failed, was killed or did not answer in time, and this one cannot go on alone."""


def rank() -> int:
    """The number of this process among all: 0 … world_size() − 1."""
    return dist.get_rank() if _connected() else 0


def world_size() -> int:
    """How many processes train together; 1 without a process group."""
    return dist.get_world_size() if _connected() else 1


def is_main() -> bool:
    """Whether this process is rank 0, the one that prints and writes."""
    return rank() == 0


def barrier() -> None:
    """Wait until every rank has come here."""
    if world_size() > 1:
        dist.barrier()


def broadcast_object(value: Any, source: int = 0) -> Any:
    """The `value` of rank `source` on every rank; it is pickled on its way.

    Args:
        value: anything that can be pickled; on other ranks than `source` it does not matter.
        source: in 0 … world_size() − 1.

    Raises:
        TypeError, ValueError: no such rank.

    Example:
        >>> broadcast_object({"folder": "runs/1"})
        {'folder': 'runs/1'}
    """
    check_rank(source, world_size())
    if world_size() == 1:
        return value
    held = [value]
    dist.broadcast_object_list(held, src=source)
    return held[0]


class _AllGatherRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        ctx.rows = len(rows)
        gathered = rows.new_empty(world_size() * len(rows), *rows.shape[1:])
        dist.all_gather_into_tensor(gathered, rows.contiguous())
        return gathered

    @staticmethod
    @once_differentiable  # a second derivative would miss what the other ranks add to it
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)  # autograd may still need what it passed in
        dist.all_reduce(total)
        return total[rank() * ctx.rows : (rank() + 1) * ctx.rows]


@torch.compiler.disable  # exchanges stand between compiled parts: the compiler cannot see what other ranks send
def _gathered(rows: Tensor) -> Tensor:
    return _AllGatherRows.apply(rows)


def all_gather_rows(rows: Tensor) -> Tensor:
    r"""The rows of all ranks, one rank after the other, on every rank; gradients flow back to where a row came from.

    With $E = (e_1; \ldots; e_W)$ on each of W ranks, of which rank s goes on to the value $L_s$,

    $$ \frac{\partial}{\partial e_r} \sum_s L_s
       = \Big( \sum_s \frac{\partial L_s}{\partial E} \Big)_{\text{rows of } r} $$

    so the backward pass sums the gradients of all ranks and takes the own rows. It is a collective as the forward pass
    is: every rank must go backward.

    Args:
        rows: (n, …), of the same shape and dtype on every rank, which is not checked here (`GlobalLoss` does).

    Returns:
        (W·n, …); `rows` itself with one process.

    Example:
        >>> all_gather_rows(torch.ones(2, 3)).shape
        torch.Size([2, 3])
    """
    return rows if world_size() == 1 else _gathered(rows)


@torch.no_grad()
def gather_rows_to_all(rows: Tensor) -> Tensor:
    """The rows of all ranks, one rank after the other, where ranks may have different numbers: for evaluation.

    Without gradient. Each rank sends as many rows as the longest part has.

    Args:
        rows: (n, …); n may differ between ranks and be 0.

    Returns:
        (sum of all n, …); `rows` itself, detached, with one process.

    Raises:
        ValueError: no dimension, or another width or dtype on some rank.

    Example:
        >>> gather_rows_to_all(torch.arange(3))
        tensor([0, 1, 2])
    """
    if rows.ndim == 0:
        raise ValueError("rows must have at least one dimension, found a scalar")
    rows = rows.detach()
    if world_size() == 1:
        return rows
    found = _from_all_ranks((len(rows), _described(rows.shape[1:], rows.dtype)))
    _check_same("rows must have the same columns and dtype", [described for _, described in found])
    sizes = [size for size, _ in found]
    if max(sizes) == 0:
        return rows
    padded = rows.new_zeros(max(sizes), *rows.shape[1:])
    padded[: len(rows)] = rows
    return torch.cat([part[:size] for part, size in zip(all_gather_rows(padded).split(max(sizes)), sizes, strict=True)])


class GlobalLoss(nn.Module):
    r"""A loss over the rows of all ranks: its value and gradients are those of one process with the whole batch.

    Every rank gathers all embeddings and labels and computes the same value $L(E, P)$, so that values need no
    averaging. Of the W ranks each then has

    - for its own rows $e_r$ the gradient $W \, \partial L / \partial e_r$, as `all_gather_rows` sums W equal ones;
    - for the loss's parameters P (proxies, classifier) the whole $\partial L / \partial P$.

    `DistributedDataParallel` averages gradients over ranks. Those of the network's weights θ become
    $\frac1W \sum_r W \frac{\partial L}{\partial e_r} \frac{\partial e_r}{\partial \theta} = \frac{dL}{d\theta}$, and
    the mean of W equal gradients of the proxies is $\partial L / \partial P$: both exact, with no factor. So wrap
    network and loss, in one module or each on its own. Proxies of a loss that is not wrapped have the exact gradient
    too, but nothing makes them start equal or keeps rounding from driving them apart. A loss that is wrapped on its
    own must stay referenced until backward is done.

    This holds where a row's embedding does not depend on other rows: batch normalisation in training mode sees its
    rank's rows alone.

    Args:
        loss: module over (embeddings, labels), and over taps by keyword as `WeightedSum` takes them; its reduction is
            over the whole batch.
        check: compare shapes and dtypes between ranks at each call (about a millisecond, on the CPU). Without it ranks
            with unequal batches end by a fault of the network library.

    Raises:
        TypeError, ValueError: in a call, what is no matrix of embeddings with one integer label a row, or batches of
            different shape or dtype on some ranks, which are named.

    Example:
        >>> from dmlkit.losses import SupCon
        >>> loss = GlobalLoss(SupCon())
        >>> loss(torch.ones(4, 2), torch.tensor([0, 0, 1, 1]))
        tensor(1.0986)
    """

    def __init__(self, loss: nn.Module, *, check: bool = True) -> None:
        super().__init__()
        self.loss = loss
        self.check = check

    def extra_repr(self) -> str:
        return f"check={self.check}"

    def forward(self, embeddings: Tensor, labels: Tensor, **taps: Tensor | None) -> Tensor:
        if world_size() == 1:
            return self.loss(embeddings, labels, **taps)
        given = {"embeddings": embeddings, **{name: rows for name, rows in taps.items() if rows is not None}}
        for name, rows in given.items():
            check_rows(rows, name)
        check_labels(labels, len(embeddings))
        if self.check:
            _check_equal_batches({**given, "labels": labels})
        gathered = {name: all_gather_rows(rows) for name, rows in given.items()}
        return self.loss(gathered.pop("embeddings"), all_gather_rows(labels), **gathered)


@contextmanager
def distributed(
    device: str | None = None, *, timeout: float = 600.0, rendezvous: str = "env://"
) -> Iterator[torch.device]:
    """Join the other processes of a run, and leave them in the end; all end well, or none does.

    Reads what torchrun sets: RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Without RANK and WORLD_SIZE, or
    with a WORLD_SIZE of 1, nothing is joined and everything works on this process alone.

    A rank that fails tells the others why before it leaves; one that is killed or hangs is missed. Either way the
    others raise `RankFailed` at their next exchange, after `timeout` at the latest. (On GPUs NCCL itself ends a process
    that has waited so long, and torchrun ends the rest.)

    Args:
        device: "cuda", with one GPU a process, or "cpu"; None takes GPUs where there are any.
        timeout: seconds to wait for the other ranks; longer than what a rank does alone, such as writing a checkpoint.
        rendezvous: where the processes find each other: "env://", or a file that all see, "file:///…".

    Yields:
        The device of this process, which on a GPU is also made the current one.

    Raises:
        ValueError: a device or environment that cannot be, or fewer GPUs than processes.
        RankFailed: some process did not come, failed, or was lost.
        RuntimeError: a process group exists already.

    Example:
        >>> with distributed("cpu") as device:
        ...     print(device, rank(), world_size())
        cpu 0 1
    """
    check_number("timeout", timeout, above=0)
    number, size, local = _environment()
    device = _device(device, local, several=size > 1)
    if size == 1:
        yield device
        return
    store = _join(number, size, device, timeout, rendezvous)
    failed = True
    try:
        yield device
        barrier()
        failed = False
    except BaseException as error:
        if _is_lost_connection(error):
            raise RankFailed(_why(store, error, timeout)) from error
        reason = f"rank {number} failed: {type(error).__name__}: {error}"
        _in_time(lambda: store.set(_FAILURE, reason))
        raise
    finally:
        # Leaving closes the connections, by which the others learn of a failure. NCCL would wait for work that the
        # other ranks never take up; there the end of the process closes them.
        if device.type == "cpu" or not failed:
            dist.destroy_process_group()


def _connected() -> bool:
    return dist.is_available() and dist.is_initialized()


@torch.compiler.disable
def _from_all_ranks(value: Any) -> list[Any]:
    """What each rank gave, by rank."""
    found = [None] * world_size()
    dist.all_gather_object(found, value)
    return found


def _described(shape: torch.Size, dtype: torch.dtype) -> str:
    return f"{tuple(shape)} {str(dtype).removeprefix('torch.')}"


def _check_equal_batches(given: Mapping[str, Tensor]) -> None:
    """Require each tensor to have one shape and dtype on all ranks, before a collective would fail on it."""
    found = _from_all_ranks({name: _described(rows.shape, rows.dtype) for name, rows in given.items()})
    for name in sorted({name for described in found for name in described}):
        expected = f"{name} must have the same shape and dtype"
        _check_same(expected, [described.get(name, "none") for described in found])


def _check_same(expected: str, found: list[str]) -> None:
    if len(set(found)) > 1:
        ranks = {text: [str(number) for number, other in enumerate(found) if other == text] for text in found}
        parts = [f"{text} on rank{'s' * (len(on) > 1)} {', '.join(on)}" for text, on in ranks.items()]
        raise ValueError(f"{expected} on every rank, found {' and '.join(parts)}")


def _environment() -> tuple[int, int, int]:
    """Rank, number of processes, and rank on this machine, as the environment has them."""
    missing = {"RANK", "WORLD_SIZE"} - set(os.environ)
    if len(missing) == 2:
        return 0, 1, 0
    if missing:
        raise ValueError(f"RANK and WORLD_SIZE must both be set in the environment, found no {missing.pop()}")
    number, size = _whole("RANK"), _whole("WORLD_SIZE")
    local = _whole("LOCAL_RANK") if "LOCAL_RANK" in os.environ else number
    check_rank(number, size)
    return number, size, local


def _whole(name: str) -> int:
    text = os.environ[name]
    if not text.isdecimal():
        raise ValueError(f"{name} in the environment must be a whole number, found {text!r}")
    return int(text)


def _device(name: str | None, local: int, *, several: bool) -> torch.device:
    if name is None:
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if not several:
        return device
    if name not in ("cuda", "cpu"):
        raise ValueError(f"device must be 'cuda' or 'cpu' with several processes, found {name!r}")
    if name == "cpu":
        return device
    if local >= torch.cuda.device_count():
        raise ValueError(
            f"each process needs a GPU of its own: found {torch.cuda.device_count()} for LOCAL_RANK {local}; start "
            "fewer processes, or name device='cpu'"
        )
    device = torch.device("cuda", local)
    torch.cuda.set_device(device)  # NCCL and pickled objects take the current one
    return device


def _join(number: int, size: int, device: torch.device, timeout: float, rendezvous: str) -> Any:
    """Begin the process group; the store in which the processes met."""
    if _connected():
        raise RuntimeError("distributed() must begin the process group, found one that exists already")
    limit = timedelta(seconds=timeout)
    try:
        store, _, _ = next(iter(dist.rendezvous(rendezvous, number, size, timeout=limit)))
        store.set_timeout(limit)
        # Gloo beside NCCL: shapes and objects then go from CPU to CPU, and no GPU has to be waited for.
        backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
        # torchrun keeps its store between two groups of one process, and with it the keys of the first.
        group = dist.PrefixStore(f"group {store.add(f'joined by {number}', 1)}", store)
        dist.init_process_group(backend, store=group, rank=number, world_size=size, timeout=limit)
    except RuntimeError as error:
        text = f"rank {number}: the {size} processes of WORLD_SIZE did not come together within {timeout:g} s: {error}"
        raise RankFailed(text) from error
    return store


def _is_lost_connection(error: BaseException) -> bool:
    # Gloo raises plain RuntimeErrors, told apart by the path of the source file with which they begin.
    return isinstance(error, dist.DistError) or (
        type(error) is RuntimeError and re.search(r"[/\\]gloo[/\\]", str(error))
    )


def _why(store: Any, error: BaseException, timeout: float) -> str:
    told = _in_time(lambda: store.get(_FAILURE).decode() if store.check([_FAILURE]) else None)
    if told is not None:
        return f"rank {rank()} ends because {told}"
    closed = "its connection is closed, as it was killed or waited in vain itself"
    how = f"no answer within {timeout:g} s" if "timed out" in str(error).lower() else closed
    return f"rank {rank()} ends because another of the {world_size()} processes was lost: {how}"


def _in_time(ask: Callable[[], Any]) -> Any:
    """What the store answers, or None where it is gone or silent: it may lie in the very process that was lost."""
    answer = []

    def wait() -> None:
        try:
            answer.append(ask())
        except RuntimeError:
            pass

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(_PATIENCE)
    return answer[0] if answer else None

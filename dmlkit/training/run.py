"""`run(config)`: trains, measures, and leaves a record; a run that was interrupted goes on where it was."""

from __future__ import annotations

import math
import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from tqdm.auto import tqdm

import dmlkit
from dmlkit.data.errors import DataError, check_room
from dmlkit.data.loading import seed_of
from dmlkit.environment import building_book, cores, peak_memory, source_code
from dmlkit.losses import WeightedSum
from dmlkit.models import build
from dmlkit.recipes.config import Config, Phase, to_json
from dmlkit.records import RunRecord
from dmlkit.training import checkpoints
from dmlkit.training.assembly import (
    PRECISIONS,
    Data,
    build_loss,
    check_settings,
    open_data,
    set_options,
)
from dmlkit.training.batches import EpochBatches, training_batches
from dmlkit.training.distributed import GlobalLoss, distributed, is_main, rank, world_size
from dmlkit.training.evaluation import final_measures, kept_points, measure
from dmlkit.training.optimization import clip, factor, optimizer, parameter_groups

# Steps between two looks at the loss on a GPU.
_LOOK = 50
# More processes that read images than this feed no GPU faster, and each takes memory.
_MOST_READERS = 12


@dataclass
class Progress:
    """How far a run is: what a checkpoint holds beside weights and optimizer."""

    phase: int = 0
    epoch: int = 0
    step: int = 0
    total: float = 0.0
    images: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    curves: dict[str, list[float]] = field(default_factory=lambda: {"loss": []})
    best: dict[str, Any] = field(default_factory=dict)


class TrainingStep(nn.Module):
    """Network and losses as one module: images and labels in, the scalar to minimise out."""

    def __init__(self, network: nn.Module, loss: nn.Module) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        # Dropout before both taps: a classifier of the features has it too.
        features = self.network.dropout(self.network.features(images))
        return self.loss(self.network.head(features), labels, features=features)


def run(
    config: Config,
    *,
    root: str | Path | None = None,
    folder: str | Path | None = None,
    resume: bool = False,
    device: str | torch.device | None = None,
    workers: int | None = None,
    minutes: float = 10.0,
    compile: bool = False,
    progress: bool | None = None,
) -> RunRecord:
    """Train by a config and measure what came out.

    The same seed on the same machine and versions gives the same record on a CPU, bit for bit, whether or not the run
    was interrupted. Started by torchrun it runs on several processes: each step's loss is that of the whole batch.

    Args:
        config: of a recipe, or your own.
        root: the data root; by default as `dmlkit.data.benchmark`.
        folder: where checkpoint, weights and record are kept; None keeps nothing.
        resume: go on from the folder's checkpoint; a run that was finished returns its record.
        device: by default a GPU where there is one, else the CPU; a "full" run asks for a GPU unless you name another.
        workers: processes that read images; None takes as many as there are cores, at most 12, beside a GPU, which
            would wait for one that reads alone, and none on a CPU, whose cores the network needs. Batches are the same.
        minutes: between two checkpoints; 0 writes one after every step.
        compile: the step, by torch.compile.
        progress: show a bar; None shows one unless the book is being built.

    Returns:
        The record, also in `folder/record.json`; weights are in `folder/weights.pt`: those of the
        last epoch, and those of the best one where what was held out chose it.

    Raises:
        DataError: missing or wrong data, no room, a checkpoint of another config, or one that would be overwritten.
        ValueError: a name or shape that cannot be, said before any work.
        FloatingPointError: the loss is no longer finite, or the last step spoilt the weights. The folder's record says
            so in `stopped`; asked for again with `resume`, such a run stops with the same words.
        KeyboardInterrupt: Ctrl-C, after the step that was begun; its checkpoint is written.
    """
    asked = device is not None
    check_settings(config)
    with distributed(None if device is None else str(device)) as device:
        if device.type == "cpu" and config.scale == "full" and not asked:
            raise ValueError(
                "a full run needs a GPU, and none is here: take scale='small', or name device='cpu' if you can wait"
            )
        files = None if folder is None else _folder(Path(folder), resume)
        if files is not None and (files / "record.json").is_file():
            return _finished(files / "record.json", config)
        with torch.random.fork_rng():
            return _run(config, root, files, resume, device, _readers(workers, device), minutes, compile, progress)


def _readers(asked: int | None, device: torch.device) -> int:
    """How many processes read images for this one."""
    if asked is not None:
        return asked
    return min(_MOST_READERS, max(1, cores() // world_size())) if device.type == "cuda" else 0


def _run(
    config: Config,
    root: str | Path | None,
    files: Path | None,
    resume: bool,
    device: torch.device,
    workers: int,
    minutes: float,
    compile: bool,
    progress: bool | None,
) -> RunRecord:
    """`run` with its device and folder, free to use the random state."""
    data = open_data(config, root)
    began = time.perf_counter()
    torch.manual_seed(config.seed)
    network = build(config.network, size=config.size).to(device=device, memory_format=torch.channels_last)
    width = {"embeddings": network.embedding_dim, "features": network.num_features}
    loss = build_loss(config.loss, data.num_classes, width).to(device)
    batches = training_batches(
        data.train,
        data.stands_for,
        config,
        network.statistics,
        device,
        workers=workers,
        rank=rank(),
        world_size=world_size(),
    )
    if files is not None:
        check_room(files, 4 * sum(p.numel() * p.element_size() for p in network.parameters()))
    saved = None
    if resume and files is not None and (files / "checkpoint.pt").is_file():
        saved = checkpoints.load(files / "checkpoint.pt", config.fingerprint)
    state = Progress() if saved is None else Progress(**saved["progress"])
    for phase in config.phases[: state.phase]:
        if phase.terms is not None:
            loss = build_loss(phase.terms, data.num_classes, width).to(device)
    seconds = state.seconds
    tested: dict[str, float] | None = None
    reading = {"workers": workers, "channels_last": True}

    def finished(record: RunRecord) -> RunRecord:
        record.seconds = seconds + time.perf_counter() - began
        return record

    with (
        _keeping_what_stopped(files, lambda: finished(_description(config, data, state, device))),
        _listening() as interrupted,
        _bar(config, batches, state, progress) as bar,
    ):
        keeper = _Keeper(files, config, minutes, interrupted)
        for number in range(state.phase, len(config.phases)):
            phase = config.phases[number]
            if phase.terms is not None:
                loss = build_loss(phase.terms, data.num_classes, width).to(device)
            made = _Phase(config, number, phase, network, loss, device, compile)
            if saved is not None:
                made.load(saved)
                saved = None
            if world_size() > 1:  # the same weights on all ranks, but not the same dropout
                torch.manual_seed(seed_of(config.seed, rank(), number, state.images))
            for value in made.epochs(batches, state, keeper, bar):
                state.curves["loss"].append(value)
                state.seconds = seconds + time.perf_counter() - began
                last = number == len(config.phases) - 1 and state.epoch == phase.epochs - 1
                tested = _evaluate(config, data, network, loss, state, last, reading)
            state.phase, state.epoch = number + 1, 0
        record = finished(_record(config, data, network, loss, state, device, tested, reading))
    if files is not None and is_main():
        weights = {"network": network.state_dict(), "loss": loss.state_dict(), "best network": None}
        if "network" in state.best:
            weights["best network"] = state.best["network"]
        checkpoints.save(files / "weights.pt", config.fingerprint, weights)
        record.save(files / "record.json")
        (files / "checkpoint.pt").unlink(missing_ok=True)
    return record


class _Phase:
    """One stretch of training with its optimizer."""

    def __init__(
        self,
        config: Config,
        number: int,
        phase: Phase,
        network: nn.Module,
        loss: WeightedSum,
        device: torch.device,
        compile: bool,
    ) -> None:
        self.config, self.number, self.phase = config, number, phase
        self.network, self.loss, self.device = network, loss, device
        # A probe learns what an embedding that no longer changes can tell: nothing but its loss trains.
        self.probe = phase.terms is not None and not phase.train_backbone
        if self.probe:
            network.requires_grad_(False)
        for parameter in network.backbone_parameters():
            parameter.requires_grad_(phase.train_backbone)
        trained = [p for p in network.parameters() if p.requires_grad]
        self.trained = trained
        self.optimizer = optimizer(phase.optimizer, parameter_groups(phase.optimizer, trained, loss.parameters()))
        precision = PRECISIONS[config.precision]
        self.autocast = nullcontext() if precision is None else torch.autocast(device.type, precision)
        self.sums = torch.float32 if device.type == "mps" else torch.float64
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "float16")
        step: nn.Module = TrainingStep(network, loss)
        if world_size() > 1:
            step = DistributedDataParallel(TrainingStep(network, GlobalLoss(loss)))
        self.step = torch.compile(step) if compile else step

    def state(self) -> dict[str, Any]:
        """What a checkpoint must hold to go on bit by bit."""
        return {
            "network": self.network.state_dict(),
            "loss": self.loss.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "random": torch.get_rng_state(),
            "random on GPU": torch.cuda.get_rng_state_all() if self.device.type == "cuda" else [],
        }

    def load(self, saved: dict[str, Any]) -> None:
        self.network.load_state_dict(saved["network"])
        self.loss.load_state_dict(saved["loss"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scaler.load_state_dict(saved["scaler"])
        torch.set_rng_state(saved["random"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state_all(saved["random on GPU"])

    def epochs(self, batches: EpochBatches, state: Progress, keeper: _Keeper, bar: tqdm) -> Iterator[float]:
        """Train, and yield the mean loss after each epoch; `state` says where to begin."""
        before = sum(phase.epochs for phase in self.config.phases[: self.number])
        for epoch in range(state.epoch, self.phase.epochs):
            state.phase, state.epoch = self.number, epoch
            set_options(self.loss, self.config, self.number, epoch)
            batches.set_epoch(before + epoch, state.step)
            steps = batches.steps
            self.network.train(not self.probe)
            began = time.perf_counter()
            total = torch.tensor(state.total, dtype=self.sums, device=self.device)
            for images, labels in batches:
                total += self.descend(images, labels, state, steps)
                state.step += 1
                state.images += len(labels) * world_size()
                bar.update()
                due = keeper.is_due()
                # To read a number back, a GPU has to finish all that it was given.
                if due or state.step == steps or self.device.type == "cpu" or state.step % _LOOK == 0:
                    state.total = total.item()
                    if not math.isfinite(state.total):
                        raise FloatingPointError(self.diverged(epoch, state.step))
                if due:
                    state.training_seconds += time.perf_counter() - began
                    keeper.keep(state, self)
                    began = time.perf_counter()
            state.training_seconds += time.perf_counter() - began
            mean = state.total / steps
            state.step, state.total = 0, 0.0
            bar.set_postfix(loss=f"{mean:.3f}")
            yield mean

    def descend(self, images: Tensor, labels: Tensor, state: Progress, steps: int) -> Tensor:
        """One step down the gradient; the loss before it."""
        rate = factor(self.phase.schedule, state.epoch * steps + state.step, self.phase.epochs, steps)
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial"] * rate
        with self.autocast:
            loss = self.step(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.optimizer)
        clip(self.phase.optimizer, self.trained)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        return loss.detach()

    def diverged(self, epoch: int, step: int) -> str:
        lr = self.phase.optimizer.lr
        return (
            f"{self.config.name} on {self.config.benchmark}, seed {self.config.seed}: the loss is not finite in "
            f"phase {self.number + 1}, epoch {epoch + 1}, step {step}; lower the learning rate ({lr:g})"
        )


class _Keeper:
    """Writes a checkpoint when it is time."""

    def __init__(self, files: Path | None, config: Config, minutes: float, interrupted: Callable[[], bool]) -> None:
        self.files, self.fingerprint, self.seconds = files, config.fingerprint, 60 * minutes
        self.interrupted = interrupted
        self.last = time.perf_counter()

    def is_due(self) -> bool:
        return self.interrupted() or (self.files is not None and time.perf_counter() - self.last >= self.seconds)

    def keep(self, state: Progress, phase: _Phase) -> None:
        if self.files is not None and is_main():
            progress = {"progress": dict(vars(state)), **phase.state()}
            checkpoints.save(self.files / "checkpoint.pt", self.fingerprint, progress)
        if self.interrupted():
            raise KeyboardInterrupt
        self.last = time.perf_counter()


def _folder(folder: Path, resume: bool) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise DataError(f"{folder} cannot be made ({fault.strerror or fault}): name another folder") from None
    if not resume and any((folder / name).exists() for name in ("checkpoint.pt", "record.json")):
        raise DataError(f"{folder} holds a run already: resume it, or name another folder")
    return folder


def _finished(path: Path, config: Config) -> RunRecord:
    """The record of a run that has ended already, if it is the run that is asked for; one that stopped stops again."""
    record = RunRecord.load(path)
    if record.config != to_json(config):
        raise DataError(f"{path} is of a run with other settings: name another folder for this one")
    if record.stopped:
        raise FloatingPointError(record.stopped)
    return record


@contextmanager
def _keeping_what_stopped(files: Path | None, describe: Callable[[], RunRecord]) -> Iterator[None]:
    """A run that diverges leaves a record too: that it did, and when, is its result."""
    try:
        yield
    except FloatingPointError as fault:
        if files is not None and is_main():
            record = describe()
            record.stopped = str(fault)
            record.save(files / "record.json")
        raise


@contextmanager
def _listening() -> Iterator[Callable[[], bool]]:
    """Ctrl-C ends the run after the step that it is in, with a checkpoint; a second one ends it at once."""
    heard: list[int] = []
    if threading.current_thread() is not threading.main_thread():  # elsewhere no signal can be caught
        yield lambda: False
        return

    def hear(number: int, frame: Any) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGINT, before)


def _bar(config: Config, batches: EpochBatches, state: Progress, progress: bool | None) -> tqdm:
    steps = batches.steps
    before = sum(phase.epochs for phase in config.phases[: state.phase]) + state.epoch
    return tqdm(
        total=config.epochs * steps,
        initial=before * steps + state.step,
        desc=f"{config.name} on {config.benchmark}",
        unit="step",
        disable=not is_main() or (building_book() if progress is None else not progress),
        leave=False,
    )


def _evaluate(
    config: Config, data: Data, network: nn.Module, loss: WeightedSum, state: Progress, last: bool, reading: dict
) -> dict[str, float] | None:
    """Measure after an epoch where it is time, and remember the best; what was measured on the test split."""
    how = config.evaluation
    done = len(state.curves["loss"])
    if done % how.every and not last:
        return None
    chosen_on = "test" if data.validation is None else "validation"
    splits = data.test if data.validation is None else {"test": data.validation}
    found = measure(network, loss.losses, loss.taps, splits, how, train=data.seen, **reading) if splits else {}
    state.curves.setdefault("evaluated after epoch", []).append(done)
    for name, value in found.items():
        state.curves.setdefault(name, []).append(value)
    better = how.best_by is not None and (not state.best or found[how.best_by] > state.best["metrics"][how.best_by])
    if better:
        state.best = {"epoch": done, "chosen on": chosen_on, "metrics": found}
        if data.validation is not None:
            state.best["network"] = {name: value.cpu().clone() for name, value in network.state_dict().items()}
            state.best["loss"] = {name: value.cpu().clone() for name, value in loss.state_dict().items()}
    return found if data.validation is None else None


def _record(
    config: Config,
    data: Data,
    network: nn.Module,
    loss: WeightedSum,
    state: Progress,
    device: torch.device,
    tested: dict[str, float] | None,
    reading: dict,
) -> RunRecord:
    """The record: metrics of the last epoch, and of the best one where one was chosen.

    `tested` has those of the test split, where they were measured after the last epoch.
    """

    def measured(tested: dict[str, float] | None = None) -> dict[str, float]:
        return final_measures(network, loss, data, config.evaluation, tested=tested, **reading)

    metrics = measured(tested)
    keep = data.test and "points" in config.evaluation.measures
    points = kept_points(network, loss, data, **reading) if keep else {}
    best = {key: value for key, value in state.best.items() if key not in ("network", "loss")}
    if "network" in state.best:  # chosen on what was held out: measured on the test split only now
        kept = {name: value.clone() for name, value in network.state_dict().items()}
        kept_loss = {name: value.clone() for name, value in loss.state_dict().items()}
        network.load_state_dict(state.best["network"])
        loss.load_state_dict(state.best["loss"])
        best["validation metrics"], best["metrics"] = best["metrics"], measured()
        network.load_state_dict(kept)
        loss.load_state_dict(kept_loss)
    record = _description(config, data, state, device)
    record.metrics, record.best, record.points = metrics, best, points
    return record


def _description(config: Config, data: Data, state: Progress, device: torch.device) -> RunRecord:
    """What can be said of a run at any time: all of its record but the results of its end."""
    return RunRecord(
        name=config.name,
        seed=config.seed,
        config=to_json(config),
        data={
            "name": data.benchmark.name,
            "checksum": data.benchmark.checksum,
            "train": len(data.train),
            "classes": data.num_classes,
            **{name: len(split) for name, split in data.test.items()},
            "stands in for": data.benchmark.entry.stands_in_for,
        },
        versions={"python": platform.python_version(), "torch": torch.__version__, "dmlkit": dmlkit.__version__},
        device=_name_of(device),
        curves=state.curves,
        code=source_code(),
        speed={
            "images per second": state.images / state.training_seconds if state.training_seconds else 0.0,
            "peak memory (MB)": peak_memory(device),
        },
    )


def _name_of(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{world_size()} × {torch.cuda.get_device_name(device)}"
    return f"{device}, {torch.get_num_threads()} threads"

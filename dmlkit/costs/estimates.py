"""`estimate(config)`: minutes and memory of a run on each device, from what is counted and what is assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from dmlkit.checks import check_choice
from dmlkit.costs import devices
from dmlkit.costs.counting import Counted, LossSize, Operation, forward_pass, loss_size
from dmlkit.costs.devices import DEVICES, Device, Range
from dmlkit.costs.work import Work, reading_seconds, work
from dmlkit.recipes.config import Config, LossTerm, Optimizer, Phase
from dmlkit.training.optimization import OPTIMIZERS

# Images at a time in evaluation: the default of `dmlkit.training.evaluation.embed_images`.
_EVALUATION_BATCH = 128
# Numbers that an optimizer keeps for each that it trains.
_STATES = {"adam": 2, "adamw": 2, "sgd": 0, "rmsprop": 1}


@dataclass(frozen=True)
class Cost:
    """What a run is estimated to cost on one device.

    Attributes:
        device: its name.
        minutes: from the fewest to the most.
        memory: GB (10⁹ bytes) of the GPU.
        fits: whether the device has as much.
        limit: what the run waits for: "arithmetic" (with the traffic of memory that it needs), "launching" (of many
            small operations) or "reading images".
    """

    device: str
    minutes: Range
    memory: float
    fits: bool
    limit: str


def estimate(config: Config, where: tuple[Device, ...] = DEVICES) -> tuple[Cost, ...]:
    """Time and memory of a run, one cost a device; nothing is trained and no data or weights are needed.

    Counted are the operations of the network on a batch of the config's size, one by one: each takes as long as its
    arithmetic or as its traffic with memory, whichever is longer, and no less than the CPU needs to hand it over. A
    backward pass counts twice the forward pass, a phase that leaves the backbone frozen has none of it. Products
    with proxies and classifiers, and all evaluations, are counted with them; clustering and nearest neighbours are not.
    What `devices` assumes is in words under `table`.

    Args:
        config: of a recipe at scale "full" or "small", or your own.
        where: the devices.

    Raises:
        TypeError: `config` is no config.
        ValueError: the scale "smoke", or a name that does not exist.

    Example:
        >>> from dmlkit.recipes import recipe
        >>> t4, a100, h100 = estimate(recipe("cross_entropy", "cub200"))
        >>> t4.minutes.low < t4.minutes.high and h100.minutes.low < t4.minutes.low
        True
    """
    if not isinstance(config, Config):
        raise TypeError(f"config must be a dmlkit.recipes.Config, found {type(config).__name__}")
    counted = work(config)
    rows = config.batches.size * config.batches.views
    stretches = [_stretch(config, counted, rows, phase, terms) for phase, terms in _phases(config)]
    half = config.precision != "float32"
    memory = max(_memory(stretch, rows, half) for stretch in stretches)
    reading = reading_seconds(config, counted)
    found = []
    for device in where:
        computing, launching = zip(
            *(_training(stretch, rows, counted.steps, device, half) for stretch in stretches),
            _evaluating(stretches[-1].network, rows, counted.evaluated, device),
            strict=True,
        )
        waits = {
            "arithmetic": _sum(computing),
            "launching": _sum(launching),
            "reading images": _times(devices.READING, reading / device.workers),
        }
        minutes = _times(Range(*(max(bounds) for bounds in zip(*waits.values(), strict=True))), 1 / 60)
        limit = max(waits, key=lambda name: sum(waits[name]))
        found.append(Cost(device.name, minutes, memory, memory <= device.memory, limit))
    return tuple(found)


class _Stretch(NamedTuple):
    """A phase with what was counted of it."""

    phase: Phase
    network: Counted
    loss: LossSize


def _phases(config: Config) -> Iterator[tuple[Phase, tuple[LossTerm, ...]]]:
    """Each phase with the losses that hold in it."""
    terms = config.loss
    for phase in config.phases:
        terms = terms if phase.terms is None else phase.terms
        yield phase, terms


def _stretch(config: Config, counted: Work, rows: int, phase: Phase, terms: tuple[LossTerm, ...]) -> _Stretch:
    check_choice("optimizer", phase.optimizer.name, OPTIMIZERS)
    network = forward_pass(config.network, counted.size, rows)
    return _Stretch(phase, network, loss_size(terms, counted.classes, network.width))


def _training(stretch: _Stretch, rows: int, steps: int, device: Device, half: bool) -> tuple[Range, Range]:
    """Seconds of a phase: what its GPU computes, and what its CPU needs to hand that over."""
    passes = 1 + devices.BACKWARD
    network = seconds(stretch.network, device, half=half)
    # Losses leave mixed precision: their products are of float32.
    products = 2.0 * stretch.loss.parameters * rows
    scores = 4.0 * (stretch.loss.rows + rows) * rows * devices.SCORE_COPIES
    loss = _seconds((Operation(products, 0, "product"), Operation(0, scores, "other")), device, half=False)
    step = _sum([_times(network, passes if stretch.phase.train_backbone else 1), _times(loss, passes)])
    handed = devices.STEP_LAUNCHES * (len(stretch.network.operations) + devices.LOSS_OPERATIONS)
    count = stretch.phase.epochs * steps
    return _times(step, count), _times(devices.LAUNCH, count * handed)


def _evaluating(network: Counted, rows: int, images: int, device: Device) -> tuple[Range, Range]:
    """The same of forward passes; in evaluation the run computes in float32 whatever its precision."""
    handed = images / _EVALUATION_BATCH * len(network.operations)
    return _times(seconds(network, device, half=False), images / rows), _times(devices.LAUNCH, handed)


def seconds(counted: Counted, device: Device, *, half: bool) -> Range:
    """How long a device computes at one forward pass, from the fewest to the most seconds.

    Args:
        counted: by `forward_pass`.
        device: where.
        half: in mixed precision, which also halves the traffic.
    """
    return _seconds(counted.operations, device, half=half)


def _seconds(operations: tuple[Operation, ...], device: Device, *, half: bool) -> Range:
    low = high = 0.0
    for operation in operations:
        cores, traffic = devices.TENSOR_CORES, devices.BANDWIDTH
        if half:
            peak = device.half
        elif operation.kind == "product" or device.convolutions == device.float32:
            peak, cores = device.float32, devices.ORDINARY_CORES
        else:
            peak = device.convolutions
        if operation.kind == "grouped convolution":
            traffic = devices.GROUPED
        arithmetic, moved = operation.flops / peak, operation.bytes * (0.5 if half else 1) / device.bandwidth
        low += max(arithmetic / cores.high, moved / traffic.high)
        high += max(arithmetic / cores.low, moved / traffic.low)
    return Range(low, high)


def _memory(stretch: _Stretch, rows: int, half: bool) -> float:
    """GB at the end of the forward pass, when most is held."""
    network, loss, phase = stretch.network, stretch.loss, stretch.phase
    weights = network.backbone_parameters + network.head_parameters + loss.parameters
    trained = weights - (0 if phase.train_backbone else network.backbone_parameters)
    if half:
        weights *= 1.5  # autocast keeps copies of two bytes
    held = 4.0 * (weights + trained * (1 + _states(phase.optimizer)))
    # Where nothing is saved, the operation that touches most still has to be.
    saved = network.saved if phase.train_backbone else network.saved_by_head
    passing = max(saved, *(operation.bytes for operation in network.operations))
    scores = 4.0 * devices.SCORE_COPIES * rows * (loss.rows + rows)
    return devices.OVERHEAD * (held + passing * (0.5 if half else 1) + scores) / 1e9 + devices.CUDA_MEMORY


def _states(how: Optimizer) -> int:
    return _STATES[how.name] + (how.momentum > 0 and how.name in ("sgd", "rmsprop"))


def _sum(ranges: list[Range] | tuple[Range, ...]) -> Range:
    return Range(sum(found.low for found in ranges), sum(found.high for found in ranges))


def _times(found: Range, factor: float) -> Range:
    return Range(found.low * factor, found.high * factor)

"""Costs for a reader: a Markdown table with what it assumes, and a phrase for the cell of another table."""

from __future__ import annotations

import re
from collections.abc import Mapping

from dmlkit.costs import devices
from dmlkit.costs.devices import DEVICES, Range
from dmlkit.costs.estimates import Cost, estimate
from dmlkit.recipes.config import Config


def table(configs: Mapping[str, Config]) -> str:
    """Estimated time on each device, memory, and what limits, with the assumptions in words under it.

    Args:
        configs: what a row is called → its config.

    Returns:
        Markdown.

    Raises:
        ValueError: no configs, or as `estimate`.

    Example:
        >>> from dmlkit.recipes import recipe
        >>> print(table({"cross-entropy": recipe("cross_entropy", "cub200")}).splitlines()[0])
        | estimated, one seed | GPU memory | T4 (16 GB) | A100 (40 GB) | H100 (80 GB) |
    """
    if not configs:
        raise ValueError("configs must name at least one config, found none")
    heads = [f"{device.name} ({device.memory:g} GB)" for device in DEVICES]
    lines = [
        f"| estimated, one seed | GPU memory | {' | '.join(heads)} |",
        f"|:--|--:|{':--|' * len(DEVICES)}",
    ]
    for label, config in configs.items():
        costs = estimate(config)
        cells = [_cell(cost) for cost in costs]
        name = re.sub(r"(?<!\\)\|", r"\\|", label)  # a bar would end the cell
        lines.append(f"| {name} | {_gigabytes(costs[0].memory)} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", assumptions()])


def phrase(config: Config) -> str:
    """Cost in a few words: on an A100, or on the first larger device that the run fits on.

    Args:
        config: as `estimate` takes it.

    Example:
        >>> from dmlkit.recipes import recipe
        >>> phrase(recipe("warped_softmax", "cub200")).startswith("estimated ")
        True
    """
    costs = estimate(config)
    named = next(place for place, device in enumerate(DEVICES) if device.name == "A100")
    for cost in costs[named:]:
        if cost.fits:
            return f"estimated {span(cost.minutes)} on an {cost.device}, {_gigabytes(cost.memory)}"
    last = costs[-1]
    return f"estimated to need {_gigabytes(last.memory)}, more than one {last.device} has"


def span(minutes: Range) -> str:
    """A range of times as one says it, two digits each: "12–24 min", "1.5–3 h", "2–5 days".

    Example:
        >>> span(Range(12.3, 24.4)), span(Range(88, 240)), span(Range(0.2, 0.6)), span(Range(4000, 9000))
        ('12–24 min', '1.5–4 h', 'under 1 min', '2.8–6.2 days')
    """
    if minutes.high < 1:
        return "under 1 min"
    unit, length = next(
        (unit, length)
        for unit, length, most in (("min", 1, 90), ("h", 60, 72 * 60), ("days", 24 * 60, float("inf")))
        if minutes.high < most
    )
    low, high = (_two_digits(bound / length) for bound in minutes)
    return f"{low}–{high} {unit}" if low != high else f"{low} {unit}"


def _two_digits(number: float) -> str:
    return f"{number:.0f}" if number >= 9.95 else f"{number:.1f}".removesuffix(".0")


def _gigabytes(memory: float) -> str:
    return f"{_two_digits(memory)} GB"


def _cell(cost: Cost) -> str:
    return f"{span(cost.minutes)}, {cost.limit}" if cost.fits else "does not fit"


def assumptions() -> str:
    """What every estimate rests on, in words: one paragraph of Markdown."""

    def percent(found: Range) -> str:
        return f"{100 * found.low:.0f}–{100 * found.high:.0f} %"

    workers = ", ".join(f"{device.workers} beside the {device.name}" for device in DEVICES)
    reading, launch = devices.READING, devices.LAUNCH
    return (
        "Estimated by arithmetic, not measured. Counted are the floating point operations and the memory traffic of "
        "each operation of the network, on a batch of the run's size; a backward pass counts "
        f"{devices.BACKWARD:g} forward passes. A loop is taken to reach {percent(devices.ORDINARY_CORES)} of a data "
        f"sheet's peak in float32, {percent(devices.TENSOR_CORES)} on tensor cores (float32 convolutions use them as "
        f"TF32 on A100 and H100, which is PyTorch's default), and {percent(devices.BANDWIDTH)} of the memory's "
        f"bandwidth ({percent(devices.GROUPED)} in grouped convolutions). The CPU is taken to need "
        f"{1e6 * launch.low:.0f}–{1e6 * launch.high:.0f} µs to launch an operation. Images are read by worker "
        f"processes (`workers=` of the run: {workers}), each taking {reading.low:g} to {reading.high:g} times as long "
        "as this book's machine does for photographs of 500 × 375 pixels (appendix, “How fast the data comes”); larger "
        "photographs take longer. Behind the time stands what the run waits for: arithmetic, launching or reading "
        "images. Evaluations are counted; clustering, the search for neighbours, checkpoints and downloads are not. "
        "Memory is that of weights, gradients, optimizer, saved activations and scores, times "
        f"{devices.OVERHEAD:g}, and {devices.CUDA_MEMORY:g} GB for CUDA."
    )

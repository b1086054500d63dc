"""What the benchmarks share: medians in turns, peaks of memory in processes of their own, and the machine's name.

Every figure is a median, and both sides of a ratio come from one run in turns: what slows a shared machine for a moment
slows both. These are measurements and not tests: a busy machine would make them fail at random.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import torch

BOOK = Path(__file__).parents[2] / "book" / "appendix"

Step = Callable[[], object]


def milliseconds(steps: dict[str, Step], repeats: int, *, warm: int = 2) -> dict[str, float]:
    """Medians of each side, the sides in turns; `warm` rounds go before."""
    for _ in range(warm):
        for run in steps.values():
            run()
    taken: dict[str, list[float]] = {side: [] for side in steps}
    for _ in range(repeats):
        for side, run in steps.items():
            began = time.perf_counter()
            run()
            taken[side].append(1e3 * (time.perf_counter() - began))
    return {side: statistics.median(times) for side, times in taken.items()}


def peak_megabytes(script: Path, case: str, side: str) -> float:
    """What one step adds to the peak of a process that did nothing else: the script answers `--memory CASE SIDE`."""
    done = subprocess.run(
        [sys.executable, str(script), "--memory", case, side], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


def rise_of_peak(run: Step) -> float:
    """How far a step raises this process's peak, in MB."""
    before = peak()
    run()
    return peak() - before


def peak() -> float:
    """The largest memory this process has held, in MB."""
    try:  # on Linux a child's ru_maxrss begins with what its parent held
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # macOS counts bytes


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def circumstances(*packages: str) -> dict:
    """Date, machine and versions, as every record begins."""
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": {
            "processor": processor(),
            "threads": torch.get_num_threads(),
            "system": f"{platform.system()}, Python {platform.python_version()}",
        },
        "versions": {name: version(name) for name in ("torch", *packages, "dmlkit")},
    }


def measured_on(record: dict) -> str:
    """The sentence that says so on a page."""
    machine = record["machine"]
    return (
        f"Measured on {record['date']}: {machine['processor']}, {machine['threads']} threads, {machine['system']}, "
        + ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    )


def write_record(record: dict, path: Path, page: str) -> None:
    """The record and the page made from it, each whole or not at all."""
    for target, text in (
        (path, json.dumps(record, indent=1, ensure_ascii=False) + "\n"),
        (path.with_suffix(".md"), page),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(target.suffix + ".part")
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, target)

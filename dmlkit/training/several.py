"""Several recipes over several seeds on one benchmark: what a chapter that compares methods calls."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dmlkit.recipes import recipe
from dmlkit.recipes.config import Config
from dmlkit.records import RunRecord
from dmlkit.training.run import run


def run_recipes(
    names: Iterable[str],
    benchmark: str,
    *,
    scale: str,
    seeds: Iterable[int] = (0,),
    runs: str | Path | None = None,
    **options: Any,
) -> list[RunRecord]:
    """Train recipes on a benchmark, each over the seeds, in the order names × seeds.

    Each run is `run(config, folder=…, resume=True)`: asked again with the same folder, finished runs are read and an
    interrupted one goes on from its checkpoint. `python -m dmlkit train` keeps its runs in the same folders.

    Args:
        names: of recipes, with an arm behind a slash: "silhouette/CE+Sil".
        benchmark: that every one of them knows.
        scale: "smoke", "small" or "full".
        seeds: of initialisation, batches and augmentation.
        runs: below it each run has the folder that `run_folder` says; None keeps nothing.
        **options: of `run`: `root`, `device`, `workers`, `progress` …

    Returns:
        One record a run.

    Raises:
        TypeError: `names` is a single string, or an option that `run` does not have.
        ValueError: an unknown recipe, arm, benchmark or scale, said before the first run begins.
        DataError, FloatingPointError, KeyboardInterrupt: as `run`; runs that had ended before are kept in `runs`.

    Example:
        >>> records = run_recipes(["silhouette/CE"], "cifar10", scale="smoke", seeds=(0, 1), progress=False)
        >>> [(record.name, record.seed) for record in records]
        [('silhouette/CE', 0), ('silhouette/CE', 1)]
    """
    if isinstance(names, str):
        raise TypeError(f"names must be a list of recipes, found the string {names!r}")
    seeds = list(seeds)
    # All configs first: what cannot be is said before the first run.
    configs = [recipe(name, benchmark, scale=scale, seed=seed) for name in names for seed in seeds]
    return [
        run(config, folder=None if runs is None else run_folder(runs, benchmark, config), resume=True, **options)
        for config in configs
    ]


def run_folder(runs: str | Path, benchmark: str, config: Config) -> Path:
    """Where a run is kept.

    Args:
        runs: the folder of all runs.
        benchmark: as it was asked for: a run on a stand-in lies beside those on what it stands in for.
        config: of the run; its recipe, scale, changes and seed are in the path.

    Example:
        >>> run_folder("runs", "cub200", recipe("warped_softmax", "cub200", scale="small", seed=2)).as_posix()
        'runs/cub200/warped_softmax-small/seed-2'
    """
    return Path(runs) / benchmark / config.folder / f"seed-{config.seed}"

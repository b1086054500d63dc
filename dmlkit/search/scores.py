"""The reality check's three scores of a setting: "aggregate", "ensemble" and "complete"."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dmlkit.data.errors import DataError
from dmlkit.geometry import unit_rows
from dmlkit.metrics import retrieval
from dmlkit.models import build
from dmlkit.recipes.config import Config, from_json
from dmlkit.records import Estimate, RunRecord, estimate
from dmlkit.search.trials import fold_config
from dmlkit.training import checkpoints
from dmlkit.training.assembly import open_data
from dmlkit.training.evaluation import embed_images
from dmlkit.training.run import run as train

COMPLETE_DIM = 512


def ensemble(members: Sequence[Tensor]) -> Tensor:
    r"""Embeddings of several networks side by side, each scaled to unit length first (Musgrave et al., 2020).

    $$ z_i = \left( \frac{h_i^{(1)}}{\lVert h_i^{(1)} \rVert}, \dots,
       \frac{h_i^{(k)}}{\lVert h_i^{(k)} \rVert} \right) $$

    Its cosine is the mean of the members' cosines, so each network has one vote whatever the size of its embeddings.

    Args:
        members: one (N, d) each, of the same images in the same order; widths may differ.

    Returns:
        (N, d₁ + … + d_k).

    Raises:
        TypeError, ValueError: no member, a wrong dtype or shape, or other numbers of rows.

    Example:
        >>> ensemble([torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 2.0]])])
        tensor([[0.6000, 0.8000, 0.0000, 1.0000]])
    """
    if not members:
        raise ValueError("members is empty: expected the embeddings of at least one network")
    for rows in members:
        if rows.shape[:1] != members[0].shape[:1]:
            raise ValueError(f"members must have as many rows each, found {[len(rows) for rows in members]}")
    return torch.cat([unit_rows(rows) for rows in members], dim=1)


def scores(
    repeats: Iterable[Sequence[Tensor]], labels: Tensor, *, complete: Iterable[Tensor] = (), distance: str = "cosine"
) -> dict[str, dict[str, Estimate]]:
    """MAP@R, R-Precision and P@1 of test embeddings in the three ways of paper W's Tables VI to VIII.

    - "aggregate": the mean over the k networks of a repeat, each measured by itself.
    - "ensemble": the k networks as one, by `ensemble`.
    - "complete": one wide network, trained on all training classes.

    Args:
        repeats: for each repeat, the test embeddings (N, d) of its k networks, one a fold.
        labels: (N,), of the test images.
        complete: for each repeat, the test embeddings of the wide network; none leaves this score out.
        distance: "cosine" or "euclidean", of single networks; the ensemble's is the cosine.

    Returns:
        Score → measure → mean with its 95 % interval over the repeats.

    Raises:
        TypeError, ValueError: fewer than two repeats, or embeddings or labels that cannot be.

    Memory: that of one repeat, where `repeats` and `complete` yield them one after the other.
    """
    found: dict[str, list[dict[str, float]]] = {"aggregate": [], "ensemble": []}
    for members in repeats:
        found["ensemble"].append(_measured(ensemble(members), labels, "cosine"))
        single = [_measured(rows, labels, distance) for rows in members]
        found["aggregate"].append({name: statistics.fmean(one[name] for one in single) for name in single[0]})
    if wide := [_measured(rows, labels, distance) for rows in complete]:
        found["complete"] = wide
    for score, many in found.items():
        if len(many) < 2:
            raise ValueError(f"an interval of the score {score!r} needs at least two repeats, found {len(many)}")
    return {score: {name: estimate(one[name] for one in many) for name in many[0]} for score, many in found.items()}


def _measured(rows: Tensor, labels: Tensor, distance: str) -> dict[str, float]:
    ranked = retrieval(rows, labels, ks=(1,), distance=distance)
    return {"MAP@R": ranked.map_at_r, "R-Precision": ranked.r_precision, "P@1": ranked.precision_at_1}


def final_scores(
    config: Config,
    folder: str | Path,
    *,
    repeats: int = 10,
    folds: int = 4,
    metric: str = "MAP@R",
    run: Callable[..., RunRecord] = train,
    **options: Any,
) -> dict[str, dict[str, Estimate]]:
    """Train the best settings anew, `repeats` × (`folds` + 1) networks, and give their scores on the test split.

    The wide networks follow those of the folds, whose best epochs say how long to train (`complete_config`). A call
    that was interrupted goes on when it is made again. Embeddings are by the weights that a run leaves in its folder.

    Args:
        config: of a `SearchResult`. Repeat i trains with the config's seed plus i.
        folder: each network's is in a folder of its own: "seed-0/fold-0" …, "seed-0/complete".
        repeats: 10 in both papers, 2 at least.
        folds: as in the search.
        metric: chooses the best epoch.
        run: what trains, and leaves "weights.pt" in the folder.
        **options: of `run`: root, device, workers …

    Returns:
        As `scores`.

    Raises:
        DataError: missing data, or weights that are not there.
        ValueError: fewer than two repeats, or a benchmark without one test split.
        FloatingPointError: a run diverged.
    """
    if repeats < 2:
        raise ValueError(f"repeats must be at least 2, for an interval, found {repeats}")
    reading = {name: options[name] for name in ("root", "device", "workers") if name in options}
    folders = [Path(folder) / f"seed-{config.seed + repeat}" for repeat in range(repeats)]
    records = []
    for repeat, at in enumerate(folders):
        for number in range(folds):
            one = replace(fold_config(config, number, folds, metric), seed=config.seed + repeat)
            records.append(run(one, folder=at / f"fold-{number}", resume=True, **options))
    wide = complete_config(config, [record.best["epoch"] for record in records])
    for repeat, at in enumerate(folders):
        run(replace(wide, seed=config.seed + repeat), folder=at / "complete", resume=True, **options)
    _, labels = embeddings_of_test(folders[0] / "complete", **reading)
    return scores(
        ([embeddings_of_test(at / f"fold-{number}", **reading)[0] for number in range(folds)] for at in folders),
        labels,
        complete=(embeddings_of_test(at / "complete", **reading)[0] for at in folders),
        distance=config.evaluation.distance,
    )


def complete_config(config: Config, best_epochs: Sequence[int]) -> Config:
    """The config of a network on all training classes, with 512 numbers (paper W, appendix D-B1).

    Nothing is held out that could say when to stop, so it trains for the mean of the folds' best epochs, rounded up to
    a multiple of five. The paper takes such a mean for each phase; runs here record one best epoch over both, and the
    last phases are cut to fit. At most the config's own epochs are trained.

    Args:
        config: of the folds.
        best_epochs: of their runs, counted from 1 over all phases.

    Returns:
        The config.

    Raises:
        ValueError: no epoch, or one below 1.
    """
    if not best_epochs or min(best_epochs) < 1:
        raise ValueError(f"best_epochs must be at least one number from 1 on, found {list(best_epochs)}")
    # In whole numbers: a mean of exactly 10 must not become 15.
    left = 5 * -(-sum(best_epochs) // (5 * len(best_epochs)))
    phases = []
    for phase in config.phases:
        if left > 0:
            phases.append(replace(phase, epochs=min(phase.epochs, left)))
        left -= phase.epochs
    return replace(
        config,
        recipe=f"{config.recipe}/complete",
        network=replace(config.network, embedding_dim=COMPLETE_DIM),
        phases=tuple(phases),
        evaluation=replace(config.evaluation, validation=None, fold=None, best_by=None),
    )


def embeddings_of_test(
    folder: str | Path,
    *,
    root: str | Path | None = None,
    device: str | torch.device | None = None,
    workers: int = 0,
) -> tuple[Tensor, Tensor]:
    """Embeddings and labels of the test split, by the network that a finished run left in its folder.

    Args:
        folder: of the run.
        root: the data root; by default as `dmlkit.data.benchmark`.
        device: by default a GPU where there is one, else the CPU.
        workers: processes that read images.

    Returns:
        (N, d) and (N,), on the CPU.

    Raises:
        DataError: no finished run, or no data.
        ValueError: a benchmark without one test split.
    """
    folder = Path(folder)
    for name in ("record.json", "weights.pt"):
        if not (folder / name).is_file():
            raise DataError(f"{folder} has no {name}: finish its run first")
    config = from_json(RunRecord.load(folder / "record.json").config)
    data = open_data(config, root)
    if "test" not in data.test:
        raise ValueError(f"these scores need one test split, {config.benchmark} has {', '.join(data.test)}")
    saved = checkpoints.load(folder / "weights.pt", config.fingerprint)
    with torch.random.fork_rng():
        # The weights are those of the folder.
        network = build(replace(config.network, pretrained=False), size=config.size)
    network.load_state_dict(saved["best network"] or saved["network"])
    network.to(device if device is not None else "cuda" if torch.cuda.is_available() else "cpu")
    _, rows = embed_images(network, data.test["test"], workers=workers)
    return rows.cpu(), data.test["test"].labels

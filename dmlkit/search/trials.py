"""`search`: Bayesian optimisation over cross-validation, kept in a database, that goes on where it was."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm.auto import tqdm

from dmlkit.checks import check_choice
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked
from dmlkit.environment import building_book
from dmlkit.recipes.changes import replace_at
from dmlkit.recipes.config import Config, to_json
from dmlkit.records import RunRecord
from dmlkit.search.space import Categorical, LogUniform, Range, Space, UniformInteger
from dmlkit.training.run import run as train

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Attributes:
        settings: path → value.
        score: mean of `folds`; None where a run diverged.
        folds: best validation score of each fold, in order.
        reason: why there is no score: the sentence of the run that diverged.
    """

    settings: dict[str, Any]
    score: float | None
    folds: tuple[float, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        config: the one that was given, with the best settings.
        settings: the best ones, path → value.
        score: their mean validation score over the folds.
        trials: all that are finished, in order.
    """

    config: Config
    settings: dict[str, Any]
    score: float
    trials: tuple[Trial, ...]


def search(
    config: Config,
    space: Space,
    *,
    trials: int = 50,
    folds: int = 4,
    metric: str = "MAP@R",
    storage: str | Path,
    name: str | None = None,
    seed: int = 0,
    run: Callable[..., RunRecord] = train,
    progress: bool | None = None,
    **options: Any,
) -> SearchResult:
    """Look for the settings with the best cross-validation score (Musgrave et al., 2020; paper W, appendix D-A).

    A trial trains its config once for each fold, on the training classes without those of the fold, and scores the best
    epoch on the classes that were held out; its score is the mean over the folds. Test images have no say. Settings are
    proposed by Optuna's tree-structured Parzen estimator (Bergstra et al., 2011); its first ten are random.

    A search that was interrupted, even by a kill, goes on when it is called again: finished trials and finished folds
    are not run again, and the run that was cut off goes on from its checkpoint. The settings of trial n depend on the
    seed and on the n − 1 before alone, so with runs that repeat exactly (on a CPU) the interrupted search proposes what
    an uninterrupted one would. Another version of Optuna may propose otherwise, and on a GPU scores differ in their
    last digits, after which proposals do.

    A run that diverges ends its trial; the search takes note of the reason, stays away from there and goes on.

    Where the papers train until the validation score stops to rise, runs here have the epochs of their config and the
    best one counts.

    Args:
        config: what is tuned; its own `validation` gives way to the folds.
        space: path into the config (see `replace_at`) → `Uniform`, `LogUniform`, `UniformInteger` or `Categorical`.
        trials: how many in all, those of earlier calls included; 50 in both papers.
        folds: of `dmlkit.training.assembly.folds`; 4 in both papers.
        metric: a measure of retrieval, of which more is better; "MAP@R" in paper W.
        storage: an SQLite file, made where there is none. Records of the folds' runs lie beside it, in the folder with
            "-runs" after the file's name. One search at a time uses a file; it may hold many, one after the other.
        name: of the search in the file; by default recipe, benchmark and scale.
        seed: of the proposals; that of the runs is the config's.
        run: what trains and returns a record.
        progress: show a bar; None shows one unless the book is being built.
        **options: of `run`: root, device, workers …

    Returns:
        A `SearchResult`.

    Raises:
        ModuleNotFoundError: Optuna is not installed.
        DataError: the file is none of a search, holds one of this name with other settings, or is in use by another
            process; or data is missing.
        ValueError: an unknown path or metric, an empty space, or a number that cannot be.
        FloatingPointError: every trial diverged.
    """
    _check(config, space, trials, folds, metric)
    storage = Path(storage).expanduser().absolute()
    name = f"{config.recipe} on {config.benchmark}, {config.scale}" if name is None else name
    settled = _fingerprint(config, space, folds, metric, seed)
    optuna = _optuna()
    storage.parent.mkdir(parents=True, exist_ok=True)
    with locked(storage, timeout=0), _quiet(optuna):
        study = _open(optuna, storage, name)
        if study.user_attrs.setdefault("fingerprint", settled) != settled:
            raise DataError(f"{storage} holds a search {name!r} with other settings: give this one another name")
        study.set_user_attr("fingerprint", settled)
        _give_up_stale(optuna, study)
        runs = storage.with_name(f"{storage.stem}-runs")
        hidden = building_book() if progress is None else not progress
        done = len(_finished(optuna, study))
        with tqdm(
            total=trials * folds, initial=min(done, trials) * folds, desc=name, unit="run", disable=hidden
        ) as bar:
            for number in range(done, trials):
                study.sampler = optuna.samplers.TPESampler(
                    seed=_seed(seed, number), multivariate=True, constant_liar=False
                )
                _try(optuna, study, config, space, folds, metric, runs, run, options, bar)
        return _result(config, [_read(optuna, trial) for trial in _finished(optuna, study)])


def fold_config(config: Config, number: int, folds: int, metric: str = "MAP@R") -> Config:
    """The config that holds out one fold and chooses its best epoch there by `metric`."""
    how = replace(config.evaluation, validation="classes", fold=(number, folds), best_by=metric)
    return replace(config, evaluation=how)


def _check(config: Config, space: Space, trials: int, folds: int, metric: str) -> None:
    for name, value, least in (("trials", trials, 1), ("folds", folds, 2)):
        if not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, found {type(value).__name__}")
        if value < least:
            raise ValueError(f"{name} must be at least {least}, found {value}")
    if not space:
        raise ValueError("space is empty: expected at least one path with its range")
    for path, among in space.items():
        if not isinstance(among, Range):
            raise TypeError(f"space[{path!r}] must be Uniform, LogUniform, …, found {type(among).__name__}")
        replace_at(config, path, None)  # refuses an unknown path before any work
    if "retrieval" not in config.evaluation.measures:
        raise ValueError(f"the config measures {', '.join(config.evaluation.measures)}: a search needs 'retrieval'")
    check_choice("metric", metric, ("MAP@R", "R-Precision", "P@1", *(f"R@{k}" for k in config.evaluation.ks)))


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise ModuleNotFoundError('a search needs Optuna: pip install "dmlkit[search]"', name="optuna") from None
    return optuna


@contextmanager
def _quiet(optuna: Any) -> Iterator[None]:
    """Without Optuna's own lines on the screen, which tell of every step."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def _open(optuna: Any, storage: Path, name: str) -> optuna.Study:
    """The study of this name in the file; both are made where there is none."""
    from sqlalchemy.exc import DatabaseError

    # Not by a URL: a path with "?" or "%" would name another file.
    connecting = {"creator": partial(sqlite3.connect, storage)}
    try:
        database = optuna.storages.RDBStorage("sqlite://", engine_kwargs=connecting)
        return optuna.create_study(storage=database, study_name=name, direction="maximize", load_if_exists=True)
    except DatabaseError as fault:
        raise DataError(f"{storage} cannot be used as a search's file ({fault.orig}): name another one") from fault


def _fingerprint(config: Config, space: Space, folds: int, metric: str, seed: int) -> str:
    told = [[path, type(among).__name__, asdict(among)] for path, among in space.items()]
    content = json.dumps([to_json(config), told, folds, metric, seed], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]


def _seed(seed: int, number: int) -> int:
    """A seed of a trial's own: a sampler that went on drawing would begin anew after each interruption."""
    return int.from_bytes(hashlib.sha256(f"{seed} {number}".encode()).digest()[:4])


def _give_up_stale(optuna: Any, study: optuna.Study) -> None:
    """Trials that ended with their process count for nothing; the lock says that no other process runs them."""
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _finished(optuna: Any, study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    states = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    return study.get_trials(deepcopy=False, states=states)


def _try(
    optuna: Any,
    study: optuna.Study,
    config: Config,
    space: Space,
    folds: int,
    metric: str,
    runs: Path,
    run: Callable[..., RunRecord],
    options: dict[str, Any],
    bar: tqdm,
) -> None:
    """One trial from proposal to score."""
    trial = study.ask()
    states = optuna.trial.TrialState
    before = bar.n
    try:
        chosen = config
        for path, among in space.items():
            chosen = replace_at(chosen, path, _draw(trial, path, among))
        scores = []
        for number in range(folds):
            fold = fold_config(chosen, number, folds, metric)
            # Named by its settings, so that a fold that was finished before a kill is found again.
            folder = runs / fold.fingerprint
            try:
                record = run(fold, folder=folder, resume=True, progress=False, **options)
            except FloatingPointError:
                shutil.rmtree(folder, ignore_errors=True)  # its checkpoint leads nowhere
                raise
            scores.append(record.best["validation metrics"][metric])
            # Hundreds of networks would fill the disk, and none of them is asked for again.
            (folder / "weights.pt").unlink(missing_ok=True)
            bar.update()
    except FloatingPointError as fault:
        trial.set_user_attr("reason", str(fault))
        study.tell(trial, state=states.PRUNED)  # unlike FAIL, the sampler learns from it
        bar.update(folds - (bar.n - before))
    except BaseException:
        study.tell(trial, state=states.FAIL)
        raise
    else:
        trial.set_user_attr("folds", scores)
        study.tell(trial, statistics.fmean(scores))
        bar.set_postfix({metric: f"{study.best_value:.4f}"})


def _draw(trial: optuna.Trial, path: str, among: Range) -> Any:
    if isinstance(among, Categorical):
        return trial.suggest_categorical(path, among.values)
    if isinstance(among, UniformInteger):
        return trial.suggest_int(path, among.low, among.high)
    return trial.suggest_float(path, among.low, among.high, log=isinstance(among, LogUniform))


def _read(optuna: Any, trial: optuna.trial.FrozenTrial) -> Trial:
    if trial.state == optuna.trial.TrialState.PRUNED:
        return Trial(trial.params, None, reason=trial.user_attrs["reason"])
    return Trial(trial.params, trial.value, tuple(trial.user_attrs["folds"]))


def _result(config: Config, found: list[Trial]) -> SearchResult:
    scored = [trial for trial in found if trial.score is not None]
    if not scored:
        raise FloatingPointError(f"all {len(found)} trials diverged, the last one: {found[-1].reason}")
    best = max(scored, key=lambda trial: trial.score)
    for path, value in best.settings.items():
        config = replace_at(config, path, value)
    return SearchResult(config, best.settings, best.score, tuple(found))

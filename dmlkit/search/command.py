"""`python -m dmlkit search`: from words on the command line to a search and its scores."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from dmlkit.recipes import recipe
from dmlkit.recipes.config import SCALES
from dmlkit.search.scores import final_scores
from dmlkit.search.space import Categorical, LogUniform, Range, Uniform, UniformInteger
from dmlkit.search.trials import search

_EXAMPLE = """\
example: the learning rate and the warp of the warped softmax, 50 trials of 4 folds on the CUB stand-in

  python -m dmlkit search cub200 --recipe warped_softmax --scale small \\
      --range phases.0.optimizer.lr=log:1e-4:1e-1 \\
      --range loss.0.options.alpha=uniform:0:0.9 \\
      --storage searches/warped.db

Interrupted, the same line goes on. With --repeats 10 the best settings are then trained ten times anew, and their
aggregate, ensemble and complete scores on the test split are printed.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the arguments of `search` to a parser."""
    parser.description = "Look for settings by Bayesian optimisation over cross-validation on the training classes."
    parser.epilog = _EXAMPLE
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("benchmark", metavar="BENCHMARK", help="a name of the catalogue: see `benchmarks`")
    parser.add_argument(
        "--recipe", default="reality_check", help="what is tuned, e.g. reality_check/CosFace (default: %(default)s)"
    )
    parser.add_argument("--scale", choices=SCALES, default="small", help="(default: %(default)s)")
    parser.add_argument(
        "--range",
        dest="ranges",
        metavar="PATH=RANGE",
        type=read_range,
        action="append",
        required=True,
        help="a value of the config and where to look: log:LOW:HIGH, uniform:LOW:HIGH, integer:LOW:HIGH or "
        "choice:A,B,…; may be given many times",
    )
    parser.add_argument("--storage", type=Path, required=True, help="SQLite file that keeps the search")
    parser.add_argument("--name", help="of the search in that file (default: recipe, benchmark and scale)")
    parser.add_argument("--trials", type=int, default=50, help="in all (default: %(default)s)")
    parser.add_argument("--folds", type=int, default=4, help="of cross-validation (default: %(default)s)")
    parser.add_argument("--metric", default="MAP@R", help="what is to be high (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of proposals and runs (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=0, help="of the best settings, for scores on the test split")
    parser.add_argument("--root", type=Path, help="where data lies")
    parser.add_argument("--device", help="cpu, cuda, cuda:1 …")
    parser.add_argument("--workers", type=int, default=0, help="processes that read images (default: %(default)s)")


def main(arguments: argparse.Namespace) -> int:
    """Search as the arguments say, and print what was found.

    Raises:
        DataError, ValueError, FloatingPointError, ModuleNotFoundError: as `search` and `final_scores`.
    """
    config = recipe(arguments.recipe, arguments.benchmark, scale=arguments.scale, seed=arguments.seed)
    options = {"root": arguments.root, "device": arguments.device, "workers": arguments.workers}
    found = search(
        config,
        dict(arguments.ranges),
        trials=arguments.trials,
        folds=arguments.folds,
        metric=arguments.metric,
        storage=arguments.storage,
        name=arguments.name,
        seed=arguments.seed,
        **options,
    )
    diverged = sum(trial.score is None for trial in found.trials)
    print(f"{arguments.metric} {found.score:.4f} on held-out classes, best of {len(found.trials)} trials", end="")
    print(f", of which {diverged} diverged" if diverged else "")
    for path, value in found.settings.items():
        print(f"  {path} = {value:.6g}" if isinstance(value, float) else f"  {path} = {value}")
    if arguments.repeats:
        folder = arguments.storage.with_name(f"{arguments.storage.stem}-final") / found.config.fingerprint
        final = final_scores(
            found.config,
            folder,
            repeats=arguments.repeats,
            folds=arguments.folds,
            metric=arguments.metric,
            **options,
        )
        print(f"on the test split, mean and 95 % interval over {arguments.repeats} repeats, in {folder}")
        for score, measures in final.items():
            print(f"  {score:<9}  " + "  ".join(f"{name} {value}" for name, value in measures.items()))
    return 0


def read_range(text: str) -> tuple[str, Range]:
    """`PATH=log:1e-6:1e-1` as path and range.

    Raises:
        argparse.ArgumentTypeError: another form; the parser prints it.

    Example:
        >>> read_range("loss.0.options.alpha=uniform:0:0.9")
        ('loss.0.options.alpha', Uniform(low=0.0, high=0.9))
    """
    path, _, told = text.partition("=")
    kind, *ends = told.split(":")
    kinds: dict[str, tuple[Any, Any]] = {
        "log": (LogUniform, float),
        "uniform": (Uniform, float),
        "integer": (UniformInteger, int),
    }
    try:
        if kind == "choice":
            return path, Categorical(tuple(_value(word) for word in ":".join(ends).split(",")))
        made, number = kinds[kind]
        low, high = map(number, ends)
        return path, made(low, high)
    except KeyError:
        raise argparse.ArgumentTypeError(
            f"{text!r} must be PATH=log:LOW:HIGH, uniform:LOW:HIGH, integer:LOW:HIGH or choice:A,B,…"
        ) from None
    except ValueError as fault:
        raise argparse.ArgumentTypeError(f"{text!r}: {fault}") from None


def _value(word: str) -> Any:
    """A word of a choice as number, boolean or None where it looks like one."""
    if word in (plain := {"true": True, "false": False, "none": None}):
        return plain[word]
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return word

"""`train`: a recipe on a benchmark, once or over several seeds."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dmlkit.command_line.options import add_reading, check_device, headlines, say, whole_number

if TYPE_CHECKING:
    from dmlkit.recipes.config import Config
    from dmlkit.records import Estimate

HELP = "train a recipe on a benchmark and keep the record"

EPILOG = """\
scales:
  smoke  a miniature drawn by code and a tiny network: seconds, to see that all works
  small  real data, a stand-in where there is one, and a small network: minutes on a CPU
  full   the paper's data, network and epochs: needs a GPU

a worked example, with three seeds and what they come to:
  python -m dmlkit train cub200 --loss warped_softmax --scale small --seeds 3

  Each run is kept in runs/cub200/warped_softmax-small/seed-0, seed-1 …: record.json says what was run and what
  came out, weights.pt has the network. Where it was interrupted, repeat the command with --resume: finished
  seeds are read, the interrupted one goes on from its checkpoint.

another value than the recipe's, for a sweep; it is part of the run's name:
  python -m dmlkit train cub200 --loss multi_similarity --scale small --set batches.size=16

an arm of a recipe, and several GPUs:
  python -m dmlkit train cifar10 --recipe silhouette --arm CE+Sil --scale small
  torchrun --nproc-per-node=4 -m dmlkit train sop --recipe warped_softmax --scale full
"""

# Loss → the recipes that train with it, in order: the first that knows the benchmark is taken.
LOSSES: dict[str, tuple[str, ...]] = {
    "arc_face": ("reality_check/ArcFace",),
    "center": ("silhouette/Center",),
    "contrastive": ("reality_check/Contrastive",),
    "cos_face": ("reality_check/CosFace",),
    "cross_entropy": ("cross_entropy", "silhouette/CE"),
    "euclidean_softmax": ("euclidean_softmax",),
    "hist": ("reality_check/Hist",),
    "multi_similarity": ("reality_check/MultiSimilarity",),
    "norm_softmax": ("reality_check/NormSoftmax",),
    "proxy_anchor": ("proxy_anchor",),
    "proxy_nca": ("silhouette/Proxy-NCA", "reality_check/ProxyNCA"),
    "proxy_nca_plus_plus": ("proxy_nca_plus_plus",),
    "silhouette": ("silhouette/CE+Sil",),
    "soft_triple": ("reality_check/SoftTriple",),
    "sup_con": ("sup_con", "silhouette/SupCon"),
    "warped_softmax": ("warped_softmax", "faces"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("benchmark", metavar="BENCHMARK", help="a name that `python -m dmlkit benchmarks` lists")
    chosen = parser.add_mutually_exclusive_group(required=True)
    chosen.add_argument("--recipe", metavar="NAME", help="a recipe of dmlkit.recipes, e.g. warped_softmax")
    chosen.add_argument(
        "--loss", metavar="NAME", choices=tuple(LOSSES), help=f"the recipe that trains with it: {', '.join(LOSSES)}"
    )
    parser.add_argument("--arm", metavar="NAME", help="of the recipe, e.g. CE+Sil; a wrong one is told which there are")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="PATH=VALUE",
        help="another value than the recipe's, as often as you like; a wrong path is told the nearest",
    )
    parser.add_argument("--scale", required=True, choices=("smoke", "small", "full"), help="see below")
    seeds = parser.add_mutually_exclusive_group()
    seeds.add_argument("--seeds", type=whole_number(1), metavar="N", help="run the seeds 0 … N − 1")
    seeds.add_argument("--seed", type=whole_number(0), default=0, metavar="K", help="run one seed (default: 0)")
    parser.add_argument("--resume", action="store_true", help="go on where an earlier call was interrupted")
    parser.add_argument("--runs", metavar="DIR", default="runs", help="where runs are kept (default: runs)")
    add_reading(parser)
    parser.add_argument("--compile", action="store_true", help="compile the step by torch.compile")


def main(arguments: argparse.Namespace) -> int:
    """Run every seed; print a line for each, and the mean over them."""
    from dmlkit.records import estimate
    from dmlkit.training import run, run_folder

    check_device(arguments.device)
    records = []
    # All configs first: what cannot be is said before the first seed is trained.
    for config in configs(arguments):
        folder = run_folder(arguments.runs, arguments.benchmark, config)
        record = run(
            config,
            root=arguments.root,
            folder=folder,
            resume=arguments.resume,
            device=arguments.device,
            workers=arguments.workers,
            compile=arguments.compile,
            progress=None if sys.stderr.isatty() else False,  # a bar in a log file is a page of bars
        )
        records.append(record)
        told = f"{_numbers(headlines(record.metrics))}, {record.seconds:.0f} s, {folder / 'record.json'}"
        say(f"seed {config.seed}: {told}")
    if len(records) > 1:
        means = {metric: estimate(r.metrics[metric] for r in records) for metric in headlines(records[0].metrics)}
        say(f"{len(records)} seeds: {_numbers(means)} (mean ± 95 % interval)")
    if arguments.scale != "full":
        say(f"{records[0].data['name']} at scale {arguments.scale}: not comparable with published numbers")
    return 0


def recipe_name(arguments: argparse.Namespace) -> str:
    """The recipe with its arm, as `dmlkit.recipes.recipe` takes it.

    Raises:
        ValueError: a loss that no recipe trains with on this benchmark, or an arm that a loss has chosen already.
    """
    if arguments.recipe is not None:
        return arguments.recipe if arguments.arm is None else f"{arguments.recipe}/{arguments.arm}"
    if arguments.arm is not None:
        raise ValueError(f"--arm goes with --recipe: --loss {arguments.loss} has chosen one already")
    from dmlkit.recipes import all_recipes

    there = [choice for name in LOSSES[arguments.loss] for choice in all_recipes() if choice.name == name]
    for choice in there:
        if choice.benchmark == arguments.benchmark:
            return choice.name
    raise ValueError(
        f"no recipe trains with {arguments.loss} on {arguments.benchmark!r}: there are recipes for "
        f"{', '.join(sorted({choice.benchmark for choice in there}))}"
    )


def _numbers(metrics: Mapping[str, float | Estimate]) -> str:
    return ", ".join(
        f"{name} {f'{value:.3f}' if isinstance(value, float) else value}" for name, value in metrics.items()
    )


def configs(arguments: argparse.Namespace) -> list[Config]:
    """The config of each seed.

    Raises:
        ValueError: an unknown recipe, arm, loss, benchmark, path or value.
    """
    from dmlkit.recipes import changed, recipe

    name, others = recipe_name(arguments), changes(arguments.set)
    seeds = [arguments.seed] if arguments.seeds is None else range(arguments.seeds)
    return [changed(recipe(name, arguments.benchmark, scale=arguments.scale, seed=seed), others) for seed in seeds]


def changes(given: Sequence[str]) -> dict[str, Any]:
    """The settings of `--set`: "batches.size=32" → {"batches.size": 32}. What is no JSON is a word.

    Raises:
        ValueError: no "=", or a path twice.
    """
    found: dict[str, Any] = {}
    for text in given:
        path, equals, value = text.partition("=")
        if not (path and equals):
            raise ValueError(f"--set must be PATH=VALUE, found {text!r}")
        if path in found:
            raise ValueError(f"--set names {path} twice")
        try:
            found[path] = json.loads(value)
        except ValueError:
            found[path] = value
    return found

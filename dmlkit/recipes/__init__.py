"""The papers' training recipes: plain functions that return a `Config`.

- `config`              what a run is told
- `changes`             another value at a place of it
- `silhouette`          the seven arms of the soft silhouette's paper
- `mutual_information`  cross-entropy as metric learning
- `pairwise_ce`         cross-entropy, PCE and SPCE under one protocol
- `warped`              the warped softmax in two phases, and the Euclidean softmax
- `baselines`           Proxy-NCA++, Proxy-Anchor, SupCon with its linear probe
- `reality_check`       many losses under one protocol
- `function_ablation`   one softmax over distances, several functions on them
- `one_protocol`        the book's own: many losses, all else being equal
- `fashion_toy`         the warped softmax and the Euclidean one on clothes, in two dimensions
- `faces`               the warped softmax on faces
- `overview`            what configs share, what sets them apart, and what of it is our choice
- `scales`              every recipe in seconds, in minutes, or as the paper has it

A recipe says where its values come from: `Config.source` names paper and section, and `Config.ours` lists what the
source leaves open, with our choice. `recipe` makes a config by name, `all_recipes` goes through all there are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from dmlkit.recipes import baselines as _baselines
from dmlkit.recipes import faces as _faces
from dmlkit.recipes import fashion_toy as _fashion_toy
from dmlkit.recipes import function_ablation as _function_ablation
from dmlkit.recipes import mutual_information as _mutual_information
from dmlkit.recipes import one_protocol as _one_protocol
from dmlkit.recipes import pairwise_ce as _pairwise_ce
from dmlkit.recipes import reality_check as _reality_check
from dmlkit.recipes import silhouette as _silhouette
from dmlkit.recipes import warped as _warped
from dmlkit.recipes.baselines import proxy_anchor, proxy_nca_plus_plus, sup_con
from dmlkit.recipes.changes import changed
from dmlkit.recipes.config import Config
from dmlkit.recipes.faces import faces
from dmlkit.recipes.fashion_toy import fashion_toy
from dmlkit.recipes.function_ablation import function_ablation
from dmlkit.recipes.mutual_information import cross_entropy
from dmlkit.recipes.names import look_up
from dmlkit.recipes.one_protocol import one_protocol
from dmlkit.recipes.overview import choices, settings_table
from dmlkit.recipes.pairwise_ce import pairwise_cross_entropy
from dmlkit.recipes.reality_check import reality_check
from dmlkit.recipes.scales import at_scale
from dmlkit.recipes.silhouette import silhouette
from dmlkit.recipes.warped import euclidean_softmax, warped_softmax

RECIPES: dict[str, Callable[..., Config]] = {
    "silhouette": silhouette,
    "cross_entropy": cross_entropy,
    "pairwise_cross_entropy": pairwise_cross_entropy,
    "warped_softmax": warped_softmax,
    "euclidean_softmax": euclidean_softmax,
    "proxy_nca_plus_plus": proxy_nca_plus_plus,
    "proxy_anchor": proxy_anchor,
    "sup_con": sup_con,
    "reality_check": reality_check,
    "one_protocol": one_protocol,
    "function_ablation": function_ablation,
    "fashion_toy": fashion_toy,
    "faces": faces,
}

_BENCHMARKS: dict[str, Iterable[str]] = {
    "silhouette": _silhouette.BENCHMARKS,
    "cross_entropy": _mutual_information.BENCHMARKS,
    "pairwise_cross_entropy": _pairwise_ce.BENCHMARKS,
    "warped_softmax": _warped.BENCHMARKS,
    "euclidean_softmax": _warped.BENCHMARKS,
    "proxy_nca_plus_plus": _baselines.PROXY_NCA_BENCHMARKS,
    "proxy_anchor": _baselines.PROXY_ANCHOR_BENCHMARKS,
    "sup_con": _baselines.SUP_CON_BENCHMARKS,
    "reality_check": _reality_check.BENCHMARKS,
    "one_protocol": _one_protocol.BENCHMARKS,
    "function_ablation": _function_ablation.BENCHMARKS,
    "fashion_toy": _fashion_toy.BENCHMARKS,
    "faces": _faces.BENCHMARKS,
}


class Choice(NamedTuple):
    """A recipe with its arm on a benchmark: `recipe(choice.name, choice.benchmark)`.

    Attributes:
        recipe: a key of `RECIPES`.
        arm: what is chosen within it, "" for what it does by itself.
        benchmark: a name of the catalogue.
    """

    recipe: str
    arm: str
    benchmark: str

    @property
    def name(self) -> str:
        """Recipe and arm, as `Config.recipe` has them."""
        return f"{self.recipe}/{self.arm}" if self.arm else self.recipe


def benchmarks(name: str) -> tuple[str, ...]:
    """The benchmarks that a recipe knows.

    Args:
        name: a key of `RECIPES`.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> benchmarks("sup_con")
        ('cifar10', 'cifar100')
    """
    return tuple(look_up("recipe", name, _BENCHMARKS))


def arms(name: str, benchmark: str) -> dict[str, dict[str, Any]]:
    """The arms of a recipe on a benchmark, each with the options that choose it; "" is what the recipe does by itself.

    Args:
        name: a key of `RECIPES`.
        benchmark: one of `benchmarks(name)`.

    Raises:
        ValueError: an unknown name or benchmark.

    Example:
        >>> arms("cross_entropy", "sop")
        {'': {}, 'euclidean': {'distance': 'euclidean'}}
    """
    look_up("benchmark", benchmark, dict.fromkeys(benchmarks(name)), of=name)
    if name == "silhouette":
        return {arm: {"arm": arm} for arm in _silhouette.ARMS}
    if name == "pairwise_cross_entropy":
        return {arm: {"arm": arm} for arm in _pairwise_ce.ARMS}
    if name == "fashion_toy":
        return {arm: {"arm": arm} for arm in _fashion_toy.ARMS}
    if name == "reality_check":
        rows = _reality_check.BENCHMARKS[benchmark]
        plain = {row: {"loss_name": row} for row in rows}
        return plain | {f"{row}/complete": {"loss_name": row, "complete": True} for row in rows}
    if name == "one_protocol":
        return {loss: {"loss_name": loss} for loss in _one_protocol.LOSSES}
    if name == "function_ablation":
        return {arm: {"arm": arm} for arm in _function_ablation.ARMS}
    if name == "cross_entropy":
        return {"": {}, "euclidean": {"distance": "euclidean"}}
    if name in ("warped_softmax", "euclidean_softmax"):
        return {
            "": {},
            "large": {"large": True},
            "validation": {"validation": True},
            "large/validation": {"large": True, "validation": True},
        }
    return {"": {}}


def recipe(name: str, benchmark: str, **options: Any) -> Config:
    """A config by the names of its recipe and benchmark.

    Args:
        name: a key of `RECIPES`, or with an arm behind a slash as in `Config.recipe`: "silhouette/CE+Sil".
        benchmark: one of `benchmarks(name)`.
        **options: of the recipe's function: `scale`, `seed` …

    Raises:
        ValueError: an unknown recipe, arm, benchmark or option; the sentence says which there are.

    Example:
        >>> recipe("warped_softmax/large", "cub200", scale="small").transforms
        'warped_large'
    """
    family, _, arm = str(name).partition("/")
    make = look_up("recipe", family, RECIPES)
    known = arms(family, benchmark)
    chosen = look_up("arm", arm, known, of=f"{family} on {benchmark}") if arm else {}
    parameters = [option for option in inspect.signature(make).parameters if option != "benchmark"]
    for option in options:
        look_up("option", option, dict.fromkeys(parameters), of=family)
        if option in chosen:
            raise ValueError(f"{option} must be left out where the recipe is {name!r}, found {options[option]!r}")
    return make(benchmark, **chosen, **options)


def all_recipes() -> Iterator[Choice]:
    """Every recipe with every arm on every benchmark.

    Example:
        >>> len({choice.recipe for choice in all_recipes()}) == len(RECIPES)
        True
    """
    for name in RECIPES:
        for benchmark in benchmarks(name):
            for arm in arms(name, benchmark):
                yield Choice(name, arm, benchmark)


__all__ = [
    "RECIPES",
    "Choice",
    "Config",
    "all_recipes",
    "arms",
    "at_scale",
    "benchmarks",
    "changed",
    "choices",
    "cross_entropy",
    "euclidean_softmax",
    "faces",
    "fashion_toy",
    "function_ablation",
    "one_protocol",
    "pairwise_cross_entropy",
    "proxy_anchor",
    "proxy_nca_plus_plus",
    "reality_check",
    "recipe",
    "settings_table",
    "silhouette",
    "sup_con",
    "warped_softmax",
]

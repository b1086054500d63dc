"""The losses that are compared, and for each what may be tuned and in which range."""

from __future__ import annotations

import inspect
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dmlkit import losses
from dmlkit.search.space import LogUniform, Range, Uniform

FAMILIES = ("proxies and classifiers", "pairs and tuples", "joined")
# Of the head and of a loss's own parameters: what trial 0 takes, and where the others look.
DEFAULT_RATES = {"lr": 3e-4, "loss_lr": 1e-2}
RATES: dict[str, Range] = {"lr": LogUniform(1e-5, 1e-2), "loss_lr": LogUniform(1e-3, 1e0)}


@dataclass(frozen=True)
class Candidate:
    """One loss of the comparison.

    Attributes:
        family: one of `FAMILIES`.
        terms: module of `dmlkit.losses` → its weight in the sum.
        space: what is tuned beside the rates: an option of the first term, or "weight" of the last one.
        options: what the first term cannot do without; trial 0 takes them.
        distance: "cosine" or "euclidean": how the loss itself compares embeddings, and so how it is measured.
    """

    family: str
    terms: Mapping[str, float]
    space: Mapping[str, Range] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    distance: str = "cosine"

    def make(self, num_classes: int, embedding_dim: int, settings: Mapping[str, Any]) -> nn.Module:
        """The loss over (embeddings, labels) with these settings; rates among them are passed over.

        Args:
            num_classes: of training.
            embedding_dim: d.
            settings: option → value; what is not there keeps the loss's default.
        """
        sizes = {"num_classes": num_classes, "embedding_dim": embedding_dim}
        chosen = {name: value for name, value in settings.items() if name not in (*RATES, "weight")}
        built: dict[str, nn.Module] = {}
        for place, name in enumerate(self.terms):
            kind = getattr(losses, name)
            needed = {key: size for key, size in sizes.items() if key in inspect.signature(kind).parameters}
            built[name] = kind(**needed, **({**self.options, **chosen} if place == 0 else {}))
        if len(built) == 1:
            return next(iter(built.values()))
        weights = dict(self.terms)
        weights[list(weights)[-1]] = settings.get("weight", list(weights.values())[-1])
        return losses.WeightedSum(built, weights)

    @property
    def has_parameters(self) -> bool:
        """Whether the loss trains something of its own: a classifier, proxies, centres."""
        with torch.random.fork_rng(devices=[]):
            return any(True for _ in self.make(2, 2, {}).parameters())


def _proxy(name: str, *, distance: str = "cosine", options: Mapping[str, Any] | None = None, **space: Range):
    return Candidate(FAMILIES[0], {name: 1.0}, space, options or {}, distance)


def _pair(name: str, *, distance: str = "cosine", **space: Range):
    return Candidate(FAMILIES[1], {name: 1.0}, space, distance=distance)


_TEMPERATURE = LogUniform(0.01, 1.0)
_SCALE = LogUniform(2.0, 128.0)
_MARGIN = Uniform(0.0, 0.6)
# Of losses that measure distances between rows of any length; those of the first head are about eight units long.
_DISTANCE = LogUniform(0.1, 30.0)
_WEIGHT = LogUniform(0.05, 5.0)

CANDIDATES: dict[str, Candidate] = {
    "LinearCrossEntropy": _proxy("LinearCrossEntropy", label_smoothing=Uniform(0.0, 0.4)),
    "NormSoftmax": _proxy("NormSoftmax", temperature=_TEMPERATURE),
    "CosFace": _proxy("CosFace", scale=_SCALE, margin=_MARGIN),
    "ArcFace": _proxy("ArcFace", scale=_SCALE, margin=_MARGIN),
    "SphereFace": _proxy("SphereFace", scale=LogUniform(0.25, 16.0), margin=Uniform(1.0, 4.0)),
    "MagFace": _proxy("MagFace", scale=_SCALE, regularization=LogUniform(1.0, 100.0)),
    "ProxyNCA": _proxy("ProxyNCA", scale=LogUniform(0.5, 32.0)),
    "ProxyNCAPlusPlus": _proxy("ProxyNCAPlusPlus", temperature=_TEMPERATURE),
    "ProxyAnchor": _proxy("ProxyAnchor", alpha=_SCALE, margin=_MARGIN),
    "SoftTriple": _proxy("SoftTriple", scale=_SCALE, gamma=LogUniform(0.02, 1.0)),
    "Hist": _proxy("Hist", temperature=_TEMPERATURE, hypergraph_weight=LogUniform(0.1, 10.0)),
    "EuclideanSoftmax": _proxy("EuclideanSoftmax", distance="euclidean", scale=LogUniform(0.1, 10.0)),
    "WarpedSoftmax": _proxy(
        "WarpedSoftmax",
        distance="euclidean",
        options={"alpha": 0.9, "beta": 1.2, "r": 8.0},
        scale=LogUniform(0.1, 10.0),
        alpha=Uniform(0.2, 0.98),
        beta=Uniform(1.0, 1.6),
        r=_DISTANCE,
    ),
    "Contrastive": _pair("Contrastive", distance="euclidean", margin=_DISTANCE),
    "Triplet": _pair("Triplet", distance="euclidean", margin=_DISTANCE),
    "LiftedStructure": _pair("LiftedStructure", distance="euclidean", margin=_DISTANCE),
    "MultiSimilarity": _pair("MultiSimilarity", beta=_SCALE, margin=Uniform(0.1, 0.9)),
    "Circle": _pair("Circle", gamma=LogUniform(8.0, 256.0), margin=_MARGIN),
    "SNCA": _pair("SNCA", temperature=_TEMPERATURE),
    "SupCon": _pair("SupCon", temperature=_TEMPERATURE),
    "SoftSilhouette": _pair("SoftSilhouette", temperature=_TEMPERATURE, nearest_temperature=_TEMPERATURE),
    "SimplifiedPairwiseCrossEntropy": _pair("SimplifiedPairwiseCrossEntropy"),
    "FittedPairwiseCrossEntropy": _proxy("FittedPairwiseCrossEntropy", lam=LogUniform(0.05, 20.0)),
    "CE + Center": Candidate(FAMILIES[2], {"LinearCrossEntropy": 1.0, "Center": 0.003}, {"weight": _WEIGHT}),
    "CE + Silhouette": Candidate(FAMILIES[2], {"LinearCrossEntropy": 1.0, "SoftSilhouette": 0.5}, {"weight": _WEIGHT}),
    "SupCon + Silhouette": Candidate(FAMILIES[2], {"SupCon": 1.0, "SoftSilhouette": 0.5}, {"weight": _WEIGHT}),
}


def draw(
    candidate: Candidate,
    number: int,
    seed: int = 0,
    *,
    rates: Mapping[str, Range] = RATES,
    defaults: Mapping[str, float] = DEFAULT_RATES,
) -> dict[str, float]:
    """The settings of a trial: number 0 has the loss's defaults, the others are drawn independently from its ranges.

    Random search, not a cleverer one: its trials do not depend on each other, so that the best of any few of them says
    what a search of that budget would have found.

    Args:
        candidate: whose ranges.
        number: of the trial.
        seed: of the search; the same numbers give each loss the same places within its ranges.
        rates, defaults: where "lr" and "loss_lr" are looked for, and what trial 0 takes; those of a head.

    Example:
        >>> draw(CANDIDATES["SupCon"], 0)
        {'lr': 0.0003}
        >>> sorted(draw(CANDIDATES["SupCon"], 1))
        ['lr', 'temperature']
    """
    rates = {name: among for name, among in rates.items() if name == "lr" or candidate.has_parameters}
    if number == 0:
        return {name: defaults[name] for name in rates}
    random_numbers = random.Random(f"{seed} {number}")
    return {name: _drawn(among, random_numbers.random()) for name, among in {**rates, **candidate.space}.items()}


def _drawn(among: Range, place: float) -> float:
    """The value at a place in [0, 1) of a range, to four digits, so that a record can be read."""
    if isinstance(among, LogUniform):
        value = math.exp(math.log(among.low) + place * (math.log(among.high) - math.log(among.low)))
    else:
        value = among.low + place * (among.high - among.low)
    return float(f"{value:.4g}")

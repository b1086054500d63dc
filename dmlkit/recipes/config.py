"""What a training run is told: plain typed values, the same in a notebook, in a record and on the command line.

A recipe is a function that returns a `Config`. A config holds names and numbers only, so it can be printed, compared,
written as JSON and read back; `dmlkit.training.run` turns it into networks, losses and batches.
"""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from typing import Any

from dmlkit.checks import check_choice

SCALES = ("smoke", "small", "full")


@dataclass(frozen=True)
class Network:
    """Backbone, pooling and head.

    Attributes:
        backbone: a name that `dmlkit.models.build` knows.
        pretrained: start from ImageNet weights.
        pool: over height and width: "average", "max" or "average + max".
        norm: of the pooled features, without affine parameters: "layer", "batch" or None.
        dropout: of the features, before the head.
        head: "none" (the features are the embedding), "linear" or "mlp" (as wide as the features, ReLU, then linear).
        embedding_dim: of the head; None where there is none.
        head_init: of the linear head's weights: "default" (torch's) or "kaiming fan-out".
        frozen_batch_norm: the backbone's batch normalisation stays in evaluation mode; its scales and shifts train.
    """

    backbone: str
    pretrained: bool = False
    pool: str = "average"
    norm: str | None = None
    dropout: float = 0.0
    head: str = "linear"
    embedding_dim: int | None = 512
    head_init: str = "default"
    frozen_batch_norm: bool = False


@dataclass(frozen=True)
class LossTerm:
    """One loss of `dmlkit.losses` by the name of its module, with its options and its weight in the sum.

    Attributes:
        name: e.g. "WarpedSoftmax".
        options: keywords of the module, without `num_classes` and `embedding_dim`, which the run knows.
        weight: factor in the sum of all terms.
        tap: what it gets: "embeddings", or "features" before the head. Losses of the sphere normalise inside.
        proxy_std: standard deviation of the normal distribution that its proxies begin with; None is the loss's own.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float = 1.0
    tap: str = "embeddings"
    proxy_std: float | None = None


@dataclass(frozen=True)
class Batches:
    """Which images are a step: `size` at random, or `classes` × `images_per_class`.

    Attributes:
        size: images a step (in all processes together).
        classes: classes a step; None draws images at random.
        views: 2 gives each image twice, under two draws of its transform.
    """

    size: int
    classes: int | None = None
    views: int = 1

    @property
    def images_per_class(self) -> int | None:
        """How many images each class of a balanced batch has."""
        return None if self.classes is None else self.size // self.classes


@dataclass(frozen=True)
class Optimizer:
    """The rule of the steps. What starts with `loss_` is for the loss's own parameters: proxies, classifiers, centres.

    Attributes:
        name: "sgd", "adam", "adamw" or "rmsprop".
        lr, loss_lr: learning rates; `loss_lr` None takes `lr`.
        momentum, nesterov: of sgd and rmsprop.
        eps: of the others.
        weight_decay, loss_weight_decay: `loss_weight_decay` None takes `weight_decay`.
        decay_vectors: False spares parameters of one dimension (biases, normalisation).
        clip_value, clip_norm: of the network's gradients (not the loss's); None does not clip.
    """

    name: str
    lr: float
    loss_lr: float | None = None
    momentum: float = 0.0
    nesterov: bool = False
    eps: float = 1e-8
    weight_decay: float = 0.0
    loss_weight_decay: float | None = None
    decay_vectors: bool = True
    clip_value: float | None = None
    clip_norm: float | None = None


@dataclass(frozen=True)
class Schedule:
    """The learning rates' factor over a phase of E epochs of L steps.

    Attributes:
        name: "constant"; "warmup cosine", min((i + 1)/warmup, (1 + cos(πi/(E·L)))/2) a step; "cosine",
            (1 + cos(πi/(E·L)))/2, after `warmup` steps that rise linearly; "step", `gamma` each `every` epochs;
            "polynomial", (1 − i/(E·L))^`power`.
        warmup: steps of rise.
        every, gamma: of "step".
        elapsed: epochs of "step" that went by in earlier phases, where a schedule goes on over them.
        power: of "polynomial".
    """

    name: str = "constant"
    warmup: int = 0
    every: int | None = None
    gamma: float | None = None
    elapsed: int = 0
    power: float | None = None


@dataclass(frozen=True)
class Phase:
    """A stretch of training with one optimizer; the next phase goes on with the same network and loss.

    Attributes:
        epochs: passes over the training split.
        optimizer, schedule: of this phase.
        train_backbone: False trains the head and the loss's parameters only.
        loss_options: options of the loss (by term: index → keywords) that this phase sets anew, by epoch of the phase:
            ((0, {0: {"temperature": 1.0}}),) sets them as it begins.
        terms: the losses of this phase instead of the config's, e.g. the linear probe that follows pre-training; None
            goes on with those before.
    """

    epochs: int
    optimizer: Optimizer
    schedule: Schedule = Schedule()
    train_backbone: bool = True
    loss_options: tuple[tuple[int, Mapping[int, Mapping[str, Any]]], ...] = ()
    terms: tuple[LossTerm, ...] | None = None


@dataclass(frozen=True)
class Evaluation:
    """What is measured, on which split, how often.

    Attributes:
        measures: of the test split "accuracy" (top-1 and top-5, of a term with a classifier or proxies), "retrieval",
            "clustering", "silhouette", "spread" (distances within and between classes, and their ratio),
            "robustness" (Recall@1 under nine corruptions; it reads the split nine times more, so let `every` be the
            number of epochs); of the training images "train_accuracy" (top-1) and "proxy_distance" (to the own proxy,
            paper W, eq. 9); "points" keeps embeddings of at most 3 dimensions, 1,000 of each of the two, in the record.
        ks: of Recall@K.
        distance: "cosine" or "euclidean".
        every: epochs between two evaluations; the last epoch is always evaluated.
        validation: None, or the share of the training classes ("classes") or images ("images") that is held out to
            choose the best epoch by `best_by`.
        validation_share: that share.
        fold: None, or (f, F): held out is not a share but the f-th (from 0) of F contiguous parts of the training
            classes, as in cross-validation; `validation` must be "classes".
        best_by: the measure that chooses, e.g. "R@1".
        verification: data sets of pairs to test on.
    """

    measures: tuple[str, ...]
    ks: tuple[int, ...] = (1, 2, 4, 8)
    distance: str = "cosine"
    every: int = 1
    validation: str | None = None
    validation_share: float = 0.5
    fold: tuple[int, int] | None = None
    best_by: str | None = None
    verification: tuple[str, ...] = ()


@dataclass(frozen=True)
class Config:
    """A whole run.

    Attributes:
        recipe: the function that made it, with its arm: "warped_softmax", "silhouette/CE+Sil".
        benchmark: a name of the catalogue.
        scale: "smoke" (a miniature drawn by code, seconds), "small" (real data, minutes) or "full" (the paper's).
        transforms: a name of `dmlkit.data.transforms.RECIPES`.
        size: side of the images in pixels; None takes the transforms' own.
        network, loss, batches, phases, evaluation: see there; `loss` is a sum of terms.
        seed: of initialisation, batches and augmentation.
        precision: "float32", "bfloat16" or "float16" (mixed: weights stay float32).
        source: the paper and section, or the code, that the settings come from.
        ours: field → why: what the source leaves open and we chose.
        changes: path → value: where the config departs from its recipe, see `dmlkit.recipes.changed`.
    """

    recipe: str
    benchmark: str
    scale: str
    transforms: str
    network: Network
    loss: tuple[LossTerm, ...]
    batches: Batches
    phases: tuple[Phase, ...]
    evaluation: Evaluation
    size: int | None = None
    seed: int = 0
    precision: str = "float32"
    source: str = ""
    ours: Mapping[str, str] = field(default_factory=dict)
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_choice("scale", self.scale, SCALES)
        if not self.loss or not self.phases:
            raise ValueError("a config needs at least one loss term and one phase")

    @property
    def name(self) -> str:
        """What a run is called in tables: the recipe, and where it departs from it."""
        return ", ".join([self.recipe, *self._changes])

    @property
    def folder(self) -> str:
        """The name of the folder that holds its runs, one below for each seed."""
        return ",".join([f"{self.recipe.replace('/', '-')}-{self.scale}", *self._changes])

    @property
    def _changes(self) -> list[str]:
        return [
            f"{path}={value if isinstance(value, str) else json.dumps(value)}" for path, value in self.changes.items()
        ]

    @property
    def epochs(self) -> int:
        """Of all phases together."""
        return sum(phase.epochs for phase in self.phases)

    @property
    def fingerprint(self) -> str:
        """The same for the same settings, another for any other: what a checkpoint belongs to."""
        return hashlib.sha256(json.dumps(to_json(self), sort_keys=True).encode()).hexdigest()[:16]


def to_json(config: Any) -> Any:
    """A config as JSON has it: dictionaries, lists, numbers and text. No changes leave no trace."""
    content = json.loads(json.dumps(asdict(config)))
    if content.get("changes") == {}:
        del content["changes"]
    return content


def from_json(content: Mapping[str, Any], kind: type = Config) -> Any:
    """The config that `to_json` wrote.

    Raises:
        ValueError: a field that is unknown or missing; it is named.
    """
    known = {item.name for item in fields(kind)}
    unknown = set(content) - known
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {min(unknown)!r}: it has {', '.join(sorted(known))}")
    hints = typing.get_type_hints(kind)
    try:
        return kind(**{name: _read(value, hints[name]) for name, value in content.items()})
    except TypeError as fault:
        raise ValueError(f"{kind.__name__} cannot be read: {fault}") from fault


def _read(value: Any, hint: Any) -> Any:
    """A value of JSON as the field's type has it: tuples and configs come back from lists and dictionaries."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        chosen = [argument for argument in arguments if argument is not type(None)]
        return None if value is None else _read(value, chosen[0])
    if is_dataclass(hint):
        return from_json(value, hint)
    if origin is tuple:
        kinds = arguments[:1] * len(value) if arguments[-1] is ... else arguments
        return tuple(_read(item, kind) for item, kind in zip(value, kinds, strict=True))
    if origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
        key = int if arguments[0] is int else (lambda name: name)
        return {key(name): _read(item, arguments[1]) for name, item in value.items()}
    return value

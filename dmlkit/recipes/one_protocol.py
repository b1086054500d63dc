"""One protocol for many losses: what differs between two runs is the loss and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

# Losses whose own defaults serve any benchmark. The warped softmax is not among them: its radius is a distance, which
# depends on the embedding.
LOSSES: tuple[str, ...] = (
    "LinearCrossEntropy",
    "NormSoftmax",
    "CosFace",
    "ArcFace",
    "ProxyNCAPlusPlus",
    "ProxyAnchor",
    "SoftTriple",
    "Contrastive",
    "Triplet",
    "LiftedStructure",
    "MultiSimilarity",
    "Circle",
    "SNCA",
    "SupCon",
    "SoftSilhouette",
)


@dataclass(frozen=True)
class Settings:
    """What a benchmark asks for, the same for every loss.

    Attributes:
        network: keywords of `Network`.
        transforms, size: of the images.
        batches: classes and images a step.
        lr, loss_lr: of the network, and of proxies and classifiers.
        epochs: at full scale.
    """

    network: Mapping[str, Any]
    transforms: str
    size: int | None
    batches: Batches
    lr: float
    loss_lr: float
    epochs: int


_SMALL_NETWORK = {"backbone": "five_layer_cnn", "embedding_dim": 64}
_LARGE_NETWORK = {"backbone": "resnet50", "pretrained": True, "embedding_dim": 128, "frozen_batch_norm": True}
_BIRDS_AND_CARS = Settings(_LARGE_NETWORK, "warped", None, Batches(32, classes=8), 1e-4, 1e-2, 40)
BENCHMARKS: dict[str, Settings] = {
    "fashion-mnist": Settings(_SMALL_NETWORK, "plain", 28, Batches(120, classes=10), 1e-3, 1e-2, 20),
    "omniglot": Settings(_SMALL_NETWORK, "plain", 28, Batches(128, classes=32), 1e-3, 1e-2, 20),
    "cub200": _BIRDS_AND_CARS,
    "cars196": _BIRDS_AND_CARS,
}

_OURS = {
    "loss.options": "ours: each loss's own defaults, which come from its paper",
    "network": "ours: one network and one linear head for every loss",
    "transforms": "ours: one for every loss",
    "batches": "ours: a few images of each of some classes, as pairwise losses need; the same for every loss",
    "phases": "ours: Adam, one rate for the network and ten to a hundred times that for proxies and classifiers, "
    "falling along a cosine",
    "evaluation": "ours: after the last epoch, by cosine for every loss",
}


def one_protocol(
    benchmark: str,
    loss_name: str = "NormSoftmax",
    *,
    scale: str = "full",
    seed: int = 0,
) -> Config:
    """Any of fifteen losses, all else being equal: the book's own comparison, in the spirit of Musgrave et al. (2020).

    Ours are all values; a loss keeps the defaults that come from its paper. It is fair in what it holds equal, and only
    there: a rate that suits one loss may suit another less, so a ranking needs a search of equal budget for each
    (`dmlkit.search`). Sweeps change one value by `dmlkit.recipes.changed`, or on the command line by
    `train --set batches.size=32`.

    Args:
        benchmark: one of `BENCHMARKS`. The classes that test are unseen in training but for Fashion-MNIST.
        loss_name: one of `LOSSES`, with its defaults.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark, loss or scale.

    Example:
        >>> one, other = (one_protocol("omniglot", name) for name in ("SupCon", "Triplet"))
        >>> one.phases == other.phases, one.batches.classes
        (True, 32)
    """
    found = look_up("benchmark", benchmark, BENCHMARKS, of="one_protocol")
    look_up("loss_name", loss_name, dict.fromkeys(LOSSES), of="one_protocol")
    optimizer = Optimizer("adam", lr=found.lr, loss_lr=found.loss_lr)
    config = Config(
        recipe=f"one_protocol/{loss_name}",
        benchmark=benchmark,
        scale="full",
        transforms=found.transforms,
        size=found.size,
        network=Network(**found.network),
        loss=(LossTerm(loss_name),),
        batches=found.batches,
        phases=(Phase(found.epochs, optimizer, Schedule("cosine")),),
        evaluation=Evaluation(("retrieval", "clustering", "silhouette"), every=found.epochs),
        seed=seed,
        source="the book's own protocol",
        ours=_OURS,
    )
    return at_scale(config, scale)

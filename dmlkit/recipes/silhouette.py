"""The seven arms of the soft silhouette's paper: one encoder, one optimizer, seven losses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale


@dataclass(frozen=True)
class Settings:
    """What sets a benchmark apart.

    Attributes:
        classes: how many a batch of 256 has; None draws images at random.
        lr, schedule: of all phases.
        ours: what is our choice on this benchmark alone.
    """

    classes: int | None = 64
    lr: float = 1e-3
    schedule: Schedule = field(default_factory=Schedule)
    ours: Mapping[str, str] = field(default_factory=dict)


_TRAINING_ALONE = {"benchmark": "ours: the official training split alone, without the validation split"}
_OUR_SPLIT = {"benchmark": "ours: the split, as there is no official one; the catalogue says which images test"}

# Sets of ten classes have too few for 64 a batch: a random batch has about 26 images of each.
BENCHMARKS: dict[str, Settings] = {
    "fashion-mnist": Settings(
        None,
        3e-3,
        Schedule("cosine"),
        {
            "benchmark": "ours: the paper does not use it; here every arm trains in minutes on a CPU",
            "phases.schedule": "ours: a rate of 0.003 that falls along a cosine, for few epochs",
        },
    ),
    "cifar10": Settings(None),
    "cifar100": Settings(),
    "caltech101": Settings(ours=_OUR_SPLIT),
    "caltech256": Settings(ours=_OUR_SPLIT),
    "fgvc-aircraft": Settings(ours=_TRAINING_ALONE),
    "flowers102": Settings(ours=_TRAINING_ALONE),
    "stanford-cars": Settings(),
}


@dataclass(frozen=True)
class Arm:
    """What sets an arm apart.

    Attributes:
        loss: its terms.
        projected: the loss reads a projection; the others read the encoder's features themselves.
        views: of each image.
        probe: a linear classifier is trained afterwards, on features that no longer change.
    """

    loss: tuple[LossTerm, ...]
    projected: bool = False
    views: int = 1
    probe: bool = False


_ON_EMBEDDINGS = LossTerm("LinearCrossEntropy")
_ON_FEATURES = LossTerm("LinearCrossEntropy", tap="features")
_SILHOUETTE = LossTerm("SoftSilhouette", {"temperature": 0.1, "nearest_temperature": 0.1}, weight=0.5)
_CONTRAST = LossTerm("SupCon", {"temperature": 0.1})
_PROXIES = LossTerm("ProxyNCA", {"scale": 1.0, "own_in_denominator": True})
_CENTERS = LossTerm("Center", weight=0.003)

ARMS: dict[str, Arm] = {
    "CE": Arm((_ON_EMBEDDINGS,)),
    "CE+Sil": Arm((_ON_FEATURES, _SILHOUETTE), projected=True),
    "SupCon": Arm((_CONTRAST,), projected=True, probe=True),
    "SupCon2": Arm((_CONTRAST,), projected=True, views=2, probe=True),
    "CE+Sil+SupCon2": Arm((_ON_FEATURES, _SILHOUETTE, _CONTRAST), projected=True, views=2),
    "Proxy-NCA": Arm((_PROXIES,), projected=True),
    "Center": Arm((_ON_EMBEDDINGS, _CENTERS)),
}

_OURS = {
    "phases.optimizer.name": "ours: Adam, to which the paper's rate and decay are customary; it names none",
    "phases.schedule": "ours: constant, as none is named",
    "transforms": "ours: resolution, crop, flip and policies; the paper names AutoAugment alone",
    "network.pretrained": "ours: False, as cross-entropy's 4.9 % on Stanford Cars suggests; the paper does not say",
    "batches.classes": "ours: 64 classes of 4 images, or at random where there are ten; the paper asks for several a "
    "class",
    "evaluation.measures": "ours: the silhouette beside the paper's top-1 and top-5",
}
_OURS_OF_PROJECTION = {
    "network.head": "ours: the features' width, ReLU, 128 numbers; the paper says 'a projection head'",
}
_OURS_OF_CLASSIFIER = {
    "loss.LinearCrossEntropy": "ours: it reads the encoder's features and starts at zero; the paper does not say",
}
_OURS_OF_TERM = {
    "LinearCrossEntropy": _OURS_OF_CLASSIFIER,
    "SoftSilhouette": {
        "loss.SoftSilhouette.weight": "ours: λ = 0.5, untuned; the paper gives none",
        "loss.SoftSilhouette.temperature": "ours: τ = τ_b = 0.1, in units of cosine distance; the paper gives none",
    },
    "SupCon": {"loss.SupCon.temperature": "ours: 0.1 as in Khosla et al.; the paper gives none"},
    "ProxyNCA": {
        "loss.ProxyNCA": "ours: scale 1 and the own proxy in the denominator; the paper cites the loss only",
        "evaluation.accuracy": "ours: the class of the nearest proxy; the paper does not say how this arm classifies",
    },
    "Center": {
        "loss.Center.weight": "ours: 0.003, λ of Wen et al. with their ½, added to cross-entropy as they do",
        "phases.optimizer.loss_lr": "ours: centres take Adam's rate as all else; the common code gives them SGD at 0.5",
    },
}
_OURS_OF_PROBE = {
    "phases[1]": "ours: a linear probe of 100 epochs by the same optimizer without decay, in the same batches; the "
    "paper does not say how these arms classify",
    "evaluation.every": "ours: after the last epoch only, as before the probe there is no classifier",
}


def silhouette(
    benchmark: str, *, arm: str = "CE+Sil+SupCon2", scale: str = "full", seed: int = 0, probe_epochs: int = 100
) -> Config:
    """Classification with and without the soft silhouette (arXiv 2604.08573, section 4.2 and Table 1).

    EfficientNet-B0 from scratch, AutoAugment, rate 10⁻³, weight decay 10⁻⁴, batches of 256, dropout 0.2, 100 epochs,
    the last one tested. Ours is what the paper leaves open: optimizer and schedule, resolution, projection head, λ and
    temperatures, how batches come by several images a class, and how the arms without cross-entropy classify.

    Args:
        benchmark: one of `BENCHMARKS`.
        arm: a row of Table 1: one of `ARMS`; "2" stands for two views of each image.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.
        probe_epochs: of the linear probe that follows SupCon and SupCon2.

    Raises:
        ValueError: an unknown benchmark, arm or scale.

    Example:
        >>> [term.name for term in silhouette("cifar10").loss]
        ['LinearCrossEntropy', 'SoftSilhouette', 'SupCon']
    """
    found = look_up("benchmark", benchmark, BENCHMARKS, of="silhouette")
    chosen = look_up("arm", arm, ARMS, of="silhouette")
    phases = [Phase(100, Optimizer("adam", lr=found.lr, weight_decay=1e-4), found.schedule)]
    if chosen.probe:
        how = Optimizer("adam", lr=found.lr)
        phases.append(Phase(probe_epochs, how, found.schedule, train_backbone=False, terms=(_ON_FEATURES,)))
    ours = {**_OURS, **found.ours}
    if chosen.projected:
        ours |= _OURS_OF_PROJECTION
    for term in chosen.loss:
        ours |= _OURS_OF_TERM[term.name]
    if chosen.probe:
        ours |= _OURS_OF_CLASSIFIER | _OURS_OF_PROBE
    config = Config(
        recipe=f"silhouette/{arm}",
        benchmark=benchmark,
        scale="full",
        transforms="silhouette",
        network=Network(
            "efficientnet_b0",
            dropout=0.2,
            head="mlp" if chosen.projected else "none",
            embedding_dim=128 if chosen.projected else None,
        ),
        loss=chosen.loss,
        batches=Batches(256, found.classes, views=chosen.views),
        phases=tuple(phases),
        evaluation=Evaluation(
            ("accuracy", "silhouette"), every=sum(phase.epochs for phase in phases) if chosen.probe else 1
        ),
        seed=seed,
        source="Silhouette Loss, arXiv 2604.08573, section 4.2 and Table 1",
        ours=ours,
    )
    return at_scale(config, scale)

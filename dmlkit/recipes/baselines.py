"""What the papers are measured against, each by its own authors' recipe: Proxy-NCA++, Proxy-Anchor, SupCon."""

from __future__ import annotations

from dataclasses import dataclass

from dmlkit.data.catalogue import CATALOGUE
from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

KS: dict[str, tuple[int, ...]] = {
    "cub200": (1, 2, 4, 8),
    "cars196": (1, 2, 4, 8),
    "sop": (1, 10, 100, 1000),
    "in-shop": (1, 10, 20, 30, 40, 50),
}


@dataclass(frozen=True)
class ProxyNCASettings:
    """What Teh et al. chose for each benchmark."""

    epochs: int
    classes: int
    images_per_class: int
    lr: float
    proxy_lr: float


PROXY_NCA_BENCHMARKS: dict[str, ProxyNCASettings] = {
    "cub200": ProxyNCASettings(40, 8, 4, 4e-3, 4e2),
    "cars196": ProxyNCASettings(40, 8, 4, 4e-3, 4e2),
    "sop": ProxyNCASettings(80, 64, 3, 0.024, 240.0),
    "in-shop": ProxyNCASettings(80, 64, 3, 0.024, 2400.0),
}


def proxy_nca_plus_plus(benchmark: str, *, scale: str = "full", seed: int = 0) -> Config:
    """Proxy-NCA++ (Teh et al., ECCV 2020, and the authors' code).

    ResNet-50 from ImageNet, maximum pooling, layer normalisation, a linear head to 2048 numbers, T = 1/9, Adam with
    ε = 1, the model's gradients clipped at ±10, crops of 256 of images of 288. Five epochs with the backbone frozen
    come before the others, with an optimizer of their own. Ours is that the rate then stays: the authors let it fall
    at epochs that they found with a validation split.

    Args:
        benchmark: one of `PROXY_NCA_BENCHMARKS`.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> [(phase.epochs, phase.train_backbone) for phase in proxy_nca_plus_plus("sop").phases]
        [(5, False), (80, True)]
    """
    found = look_up("benchmark", benchmark, PROXY_NCA_BENCHMARKS, of="proxy_nca_plus_plus")
    adam = Optimizer("adam", lr=found.lr, loss_lr=found.proxy_lr, eps=1.0, clip_value=10.0)
    ours = {
        "phases.schedule": "ours: constant; the authors' falls at epochs that they found with a validation split",
        "evaluation.every": "ours: after each epoch; the last one counts",
    }
    if benchmark == "sop":
        ours["network.embedding_dim"] = "ours: 2048 as on the other benchmarks; a file of the authors' code has 512"
    config = Config(
        recipe="proxy_nca_plus_plus",
        benchmark=benchmark,
        scale="full",
        transforms="proxy_nca++",
        network=Network("resnet50", pretrained=True, pool="max", norm="layer", embedding_dim=2048),
        loss=(LossTerm("ProxyNCAPlusPlus", {"temperature": 1 / 9}),),
        batches=Batches(found.classes * found.images_per_class, found.classes),
        phases=(Phase(5, adam, train_backbone=False), Phase(found.epochs, adam)),
        evaluation=Evaluation(
            ("retrieval", "clustering") if benchmark in ("cub200", "cars196") else ("retrieval",), ks=KS[benchmark]
        ),
        seed=seed,
        source="ProxyNCA++, Teh et al., ECCV 2020, and the authors' code",
        ours=ours,
    )
    return at_scale(config, scale)


@dataclass(frozen=True)
class ProxyAnchorSettings:
    """What Kim et al. chose for each benchmark with ResNet-50."""

    lr: float
    gamma: float
    every: int
    frozen_batch_norm: bool


PROXY_ANCHOR_BENCHMARKS: dict[str, ProxyAnchorSettings] = {
    "cub200": ProxyAnchorSettings(1e-4, 0.5, 5, True),
    "cars196": ProxyAnchorSettings(1e-4, 0.5, 10, True),
    "sop": ProxyAnchorSettings(6e-4, 0.25, 20, False),
    "in-shop": ProxyAnchorSettings(6e-4, 0.25, 20, False),
}


def proxy_anchor(benchmark: str, *, scale: str = "full", seed: int = 0) -> Config:
    """Proxy-Anchor (Kim et al., CVPR 2020, and the authors' code).

    ResNet-50 from ImageNet, average plus maximum pooling, a linear head to 512 numbers, cosines, α = 32, δ = 0.1,
    AdamW with proxies at a hundred times the rate, random batches of 120, 60 epochs in steps. The first five train
    head and proxies only; the steps are counted from the first. Ours is that AdamW's moments begin anew after them,
    and that proxies' gradients are not clipped.

    The authors choose the best epoch on the **test** set: the record has that epoch and the last one.

    Args:
        benchmark: one of `PROXY_ANCHOR_BENCHMARKS`.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> [phase.schedule.elapsed for phase in proxy_anchor("cub200").phases]
        [0, 5]
    """
    found = look_up("benchmark", benchmark, PROXY_ANCHOR_BENCHMARKS, of="proxy_anchor")
    adamw = Optimizer("adamw", lr=found.lr, loss_lr=100 * found.lr, weight_decay=1e-4, clip_value=10.0)
    config = Config(
        recipe="proxy_anchor",
        benchmark=benchmark,
        scale="full",
        transforms="proxy_anchor",
        network=Network(
            "resnet50",
            pretrained=True,
            pool="average + max",
            embedding_dim=512,
            frozen_batch_norm=found.frozen_batch_norm,
        ),
        loss=(LossTerm("ProxyAnchor", {"alpha": 32.0, "margin": 0.1}),),
        batches=Batches(120),
        phases=(
            Phase(5, adamw, Schedule("step", every=found.every, gamma=found.gamma), train_backbone=False),
            Phase(55, adamw, Schedule("step", every=found.every, gamma=found.gamma, elapsed=5)),
        ),
        evaluation=Evaluation(("retrieval",), ks=KS[benchmark], best_by="R@1"),
        seed=seed,
        source="Proxy Anchor Loss, Kim et al., CVPR 2020, and the authors' code",
        ours={
            "phases.optimizer": "ours: AdamW's moments begin anew after the five epochs with a frozen backbone",
            "phases.optimizer.clip_value": "ours: the model's gradients only; the authors clip the proxies' too",
            "network.head_init": "ours: torch's; nothing is stated",
        },
    )
    return at_scale(config, scale)


SUP_CON_BENCHMARKS: dict[str, None] = {"cifar10": None, "cifar100": None}
_SUP_CON_BATCH = 1024


def sup_con(benchmark: str, *, scale: str = "full", seed: int = 0) -> Config:
    """Supervised contrastive learning and its linear probe (Khosla et al., NeurIPS 2020, and the authors' code).

    ResNet-50 from scratch with a projection 2048-2048-128, τ = 0.1, two views of 1024 images, SGD with momentum 0.9
    at 0.5, ten epochs of rise, then a cosine, 1000 epochs; then 100 epochs of a linear classifier on frozen features at
    a rate of 5. Ours is the network's stem, the linear rise from zero, and the probe's batches and schedule.

    Args:
        benchmark: one of `SUP_CON_BENCHMARKS`.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> sup_con("cifar10").phases[0].schedule.warmup  # ten epochs of ⌊50000 / 1024⌋ steps
        480
    """
    look_up("benchmark", benchmark, SUP_CON_BENCHMARKS, of="sup_con")
    steps = CATALOGUE[benchmark].counts["train"].images // _SUP_CON_BATCH
    config = Config(
        recipe="sup_con",
        benchmark=benchmark,
        scale="full",
        transforms="supcon",
        network=Network("resnet50", head="mlp", embedding_dim=128),
        loss=(LossTerm("SupCon", {"temperature": 0.1}),),
        batches=Batches(_SUP_CON_BATCH, views=2),
        phases=(
            Phase(
                1000,
                Optimizer("sgd", lr=0.5, momentum=0.9, weight_decay=1e-4),
                Schedule("cosine", warmup=10 * steps),
            ),
            Phase(
                100,
                Optimizer("sgd", lr=5.0, momentum=0.9),
                Schedule("cosine"),
                train_backbone=False,
                terms=(LossTerm("LinearCrossEntropy", tap="features"),),
            ),
        ),
        evaluation=Evaluation(("accuracy",), every=1100),
        seed=seed,
        source="Supervised Contrastive Learning, Khosla et al., NeurIPS 2020, and the authors' code",
        ours={
            "network.backbone": "ours: torchvision's ResNet-50 with its stem for large images",
            "phases[0].schedule": "ours: the rise is linear from zero",
            "phases[1].schedule": "ours: a cosine, and no weight decay; nothing is stated",
            "phases[1].batches": "ours: the same batches of two views of 1024 images",
            "evaluation.every": "ours: after the last epoch only, as before the probe there is no classifier",
        },
    )
    return at_scale(config, scale)

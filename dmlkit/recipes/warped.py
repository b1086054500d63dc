"""The warped softmax in its two phases, and the plain Euclidean softmax as its ablation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale


@dataclass(frozen=True)
class Stretch:
    """One of the two phases: epochs, learning rates of the model and of the proxies, and the loss's numbers."""

    epochs: int
    lr: float
    proxy_lr: float
    scale: float
    r: float
    alpha: float
    beta: float


@dataclass(frozen=True)
class Settings:
    """What the authors chose for each benchmark."""

    classes: int
    images_per_class: int
    margin: float
    ks: tuple[int, ...]
    first: Stretch
    second: Stretch


BENCHMARKS: dict[str, Settings] = {
    "cub200": Settings(
        8,
        8,
        1.30,
        (1, 2, 4),
        Stretch(20, 0.01, 1.0, scale=4.525, r=28.40, alpha=0.93, beta=1.15),
        Stretch(30, 0.001, 0.0005, scale=1.0, r=24.68, alpha=0.95, beta=1.20),
    ),
    "cars196": Settings(
        4,
        16,
        1.50,
        (1, 2, 4),
        Stretch(50, 0.01, 1.0, scale=5.0, r=30.15, alpha=0.80, beta=1.15),
        Stretch(50, 0.001, 0.0005, scale=1.0, r=23.25, alpha=0.50, beta=1.55),
    ),
    "sop": Settings(
        64,
        3,
        1.348,
        (1, 10, 100, 1000),
        Stretch(60, 0.024, 225.0, scale=3.7442, r=13.025, alpha=0.8563, beta=1.1181),
        Stretch(20, 0.0075, 0.001, scale=1.0, r=5.8418, alpha=0.8024, beta=1.6175),
    ),
}

_OURS = {
    "phases.optimizer.loss_weight_decay": "ours: proxies decay as the model does; the source gives one number",
    "phases.optimizer": "ours: Adam's moments begin anew in the second phase",
    "evaluation.every": "ours: after each epoch",
}


def warp_options(stretch: Stretch) -> dict[str, Any]:
    """What the warped softmax is told anew in each phase."""
    return {"scale": stretch.scale, "r": stretch.r, "alpha": stretch.alpha, "beta": stretch.beta}


def warped_softmax(
    benchmark: str, *, large: bool = False, validation: bool = False, scale: str = "full", seed: int = 0
) -> Config:
    """The warped softmax in two phases, separability before compactness (arXiv 2408.15656, section IV and code).

    ResNet-50 from ImageNet, maximum plus average pooling, layer normalisation without affine parameters, a linear head
    to 512 numbers (Kaiming, fan-out), Adam with ε = 1, weight decay 10⁻⁷, the model's gradients clipped at ±10,
    class-balanced batches, Euclidean Recall@K and NMI. The second phase changes rates, T, r, α and β at once.

    The paper's numbers are means of five runs: take five seeds. Ours is whether proxies decay, that Adam begins anew
    in the second phase, and for the large size that it keeps the numbers of the small one.

    Args:
        benchmark: one of `BENCHMARKS`.
        large: crops of 256 pixels of images of 288, the paper's † rows.
        validation: hold out the second half of the training classes to choose the best epoch, as in the paper's search
            for hyper-parameters; its final runs train on all classes.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> [phase.epochs for phase in warped_softmax("cub200").phases]
        [20, 30]
    """
    found = look_up("benchmark", benchmark, BENCHMARKS, of="warped_softmax")
    first = LossTerm("WarpedSoftmax", {**warp_options(found.first), "margin": found.margin})
    config = _two_phases("warped_softmax", benchmark, found, first, warp_options(found.second), large, validation, seed)
    return at_scale(config, scale)


def euclidean_softmax(
    benchmark: str, *, large: bool = False, validation: bool = False, scale: str = "full", seed: int = 0
) -> Config:
    """The Euclidean softmax: `warped_softmax` with its warp off (arXiv 2408.15656, eq. 4 and Table I, "Softmax").

    Everything else stays, T and the rates of both phases included. Ours is that they were not tuned again for it.

    Args:
        benchmark, large, validation, scale, seed: as in `warped_softmax`.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> euclidean_softmax("cub200").loss[0].options
        {'scale': 4.525}
    """
    found = look_up("benchmark", benchmark, BENCHMARKS, of="euclidean_softmax")
    first = LossTerm("EuclideanSoftmax", {"scale": found.first.scale})
    second = {"scale": found.second.scale}
    config = _two_phases("euclidean_softmax", benchmark, found, first, second, large, validation, seed)
    return at_scale(config, scale)


def _two_phases(
    recipe: str,
    benchmark: str,
    found: Settings,
    term: LossTerm,
    second: dict[str, Any],
    large: bool,
    validation: bool,
    seed: int,
) -> Config:
    """What both softmaxes share."""
    ours = dict(_OURS)
    if recipe == "euclidean_softmax":
        ours["phases.optimizer.lr"] = "ours: rates and T of the warped softmax, not tuned again without the warp"
    if large:
        ours["loss"] = "ours: the numbers of the small size; the source has one table"
    measures = ("retrieval",) if benchmark == "sop" else ("retrieval", "clustering")
    arms = [name for name, chosen in (("large", large), ("validation", validation)) if chosen]
    return Config(
        recipe="/".join([recipe, *arms]),
        benchmark=benchmark,
        scale="full",
        transforms="warped_large" if large else "warped",
        network=Network(
            "resnet50",
            pretrained=True,
            pool="average + max",
            norm="layer",
            head="linear",
            embedding_dim=512,
            head_init="kaiming fan-out",
        ),
        loss=(term,),
        batches=Batches(found.classes * found.images_per_class, found.classes),
        phases=(
            Phase(found.first.epochs, _adam(found.first)),
            Phase(found.second.epochs, _adam(found.second), loss_options=((0, {0: second}),)),
        ),
        evaluation=Evaluation(
            measures,
            ks=found.ks,
            distance="euclidean",
            validation="classes" if validation else None,
            validation_share=0.5,
            best_by="R@1" if validation else None,
        ),
        seed=seed,
        source="Realigned Softmax Warping, arXiv 2408.15656, section IV and the authors' code",
        ours=ours,
    )


def _adam(stretch: Stretch) -> Optimizer:
    return Optimizer("adam", lr=stretch.lr, loss_lr=stretch.proxy_lr, eps=1.0, weight_decay=1e-7, clip_value=10.0)

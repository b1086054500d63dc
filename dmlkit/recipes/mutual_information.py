"""Cross-entropy as metric learning: the recipe of the mutual information paper."""

from __future__ import annotations

from dataclasses import dataclass

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale


@dataclass(frozen=True)
class Settings:
    """What the authors chose for each benchmark."""

    epochs: int
    lr: float
    momentum: float
    norm: str | None
    ks: tuple[int, ...]


BENCHMARKS: dict[str, Settings] = {
    "cub200": Settings(30, 0.02, 0.0, None, (1, 2, 4, 8, 16, 32)),
    "cars196": Settings(100, 0.05, 0.0, "batch", (1, 2, 4, 8, 16, 32)),
    "sop": Settings(100, 0.003, 0.99, "batch", (1, 10, 100, 1000)),
    "in-shop": Settings(100, 0.003, 0.99, "batch", (1, 10, 20, 30, 40, 50)),
}


def cross_entropy(benchmark: str, *, distance: str = "cosine", scale: str = "full", seed: int = 0) -> Config:
    r"""Cross-entropy, tuned (arXiv 2003.08983, section 5.2 and the authors' code).

    ResNet-50 from ImageNet with its batch normalisation frozen, 2048 features, dropout 0.5, a linear classifier that
    starts at zero, SGD with the rate $\min\big((i+1)/100, (1 + \cos(\pi i / (E L)))/2\big)$, label smoothing 0.1 over
    the other classes, decay of matrices only, random batches of 128.

    The paper reports Recall@K by L2 on raw features and by cosine. A config measures by one distance: make both
    configs, which train alike. The authors choose the best epoch on the **test** set: the record has that epoch and
    the last one. Ours is which distance comes first.

    Args:
        benchmark: one of `BENCHMARKS`.
        distance: "cosine", or "euclidean" for L2 on raw features.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark, distance or scale.

    Example:
        >>> cross_entropy("sop").phases[0].optimizer.momentum
        0.99
    """
    found = look_up("benchmark", benchmark, BENCHMARKS, of="cross_entropy")
    look_up("distance", distance, {"cosine": None, "euclidean": None})
    optimizer = Optimizer(
        "sgd",
        lr=found.lr,
        momentum=found.momentum,
        nesterov=found.momentum > 0,  # without momentum there is none to look ahead with, and torch refuses
        weight_decay=5e-4,
        decay_vectors=False,
    )
    config = Config(
        recipe="cross_entropy" if distance == "cosine" else "cross_entropy/euclidean",
        benchmark=benchmark,
        scale="full",
        transforms="mutual_information",
        network=Network(
            "resnet50",
            pretrained=True,
            norm=found.norm,
            dropout=0.5,
            head="none",
            embedding_dim=None,
            frozen_batch_norm=True,
        ),
        loss=(LossTerm("LinearCrossEntropy", {"bias": True, "label_smoothing": 0.1, "smoothing": "others"}),),
        batches=Batches(128),
        phases=(Phase(found.epochs, optimizer, Schedule("warmup cosine", warmup=100)),),
        evaluation=Evaluation(("retrieval",), ks=found.ks, distance=distance, best_by="R@1"),
        seed=seed,
        source="A unifying mutual information view, arXiv 2003.08983, section 5.2 and the authors' code",
        ours={"evaluation.distance": "ours: one distance a run, cosine unless asked; the paper reports L2 and cosine"},
    )
    return at_scale(config, scale)

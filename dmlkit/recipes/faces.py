"""Faces: the warped softmax on MS1MV2, tested by verification."""

from __future__ import annotations

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

BENCHMARKS: dict[str, None] = {"ms1mv2": None}
PAIRS = ("lfw-bin", "cfp-fp", "agedb-30", "calfw", "cplfw")


def faces(benchmark: str = "ms1mv2", *, scale: str = "full", seed: int = 0) -> Config:
    """The warped softmax for face recognition (arXiv 2408.15656, section IV-H and code).

    A residual network of 100 layers to 512 numbers, SGD with momentum 0.9 at 0.2 (proxies at 10) that falls as
    (1 − t)², batches of 1024, 25 epochs in float16, gradients clipped to a norm of 5, the loss times 10, proxies from
    N(0, 0.01). T falls at epochs 7, 10, 12 and 15; at epoch 20 all numbers of the warp change. Tested on the pairs of
    LFW, CFP-FP, AgeDB-30, CALFW and CPLFW. Ours is that 0.01 is the standard deviation, that no image is flipped, and
    that pairs are compared by cosine.

    Args:
        benchmark: "ms1mv2".
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`. The small one takes hours: the catalogue has no
            small set of faces to train on.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark or scale.

    Example:
        >>> [epoch for epoch, _ in faces().phases[0].loss_options]
        [7, 10, 12, 15, 20]
    """
    look_up("benchmark", benchmark, BENCHMARKS, of="faces")
    optimizer = Optimizer(
        "sgd", lr=0.2, loss_lr=10.0, momentum=0.9, weight_decay=7.15e-5, loss_weight_decay=1.275e-6, clip_norm=5.0
    )
    options = {"alpha": 0.30, "beta": 1.075, "r": 15.75, "margin": 1.0, "scale": 3.15}
    changes = (
        (7, {0: {"scale": 2.70}}),
        (10, {0: {"scale": 2.20}}),
        (12, {0: {"scale": 1.70}}),
        (15, {0: {"scale": 1.20}}),
        (20, {0: {"alpha": 0.20, "beta": 1.03, "r": 12.25, "scale": 1.0}}),
    )
    config = Config(
        recipe="faces",
        benchmark=benchmark,
        scale="full",
        transforms="plain",
        network=Network("iresnet100", embedding_dim=512),
        loss=(LossTerm("WarpedSoftmax", options, weight=10.0, proxy_std=0.01),),
        batches=Batches(1024),
        phases=(Phase(25, optimizer, Schedule("polynomial", power=2.0), loss_options=changes),),
        evaluation=Evaluation((), verification=PAIRS),
        size=112,
        seed=seed,
        precision="float16",
        source="Realigned Softmax Warping, arXiv 2408.15656, section IV-H and the authors' code",
        ours={
            "loss.proxy_std": "ours: N(0, 0.01) is read as a standard deviation of 0.01",
            "transforms": "ours: faces as they are, without flips; nothing is stated",
            "evaluation.distance": "ours: pairs are compared by cosine; nothing is stated",
            "batches.classes": "ours: images at random; nothing is stated",
        },
    )
    return at_scale(config, scale)

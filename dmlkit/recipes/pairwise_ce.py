"""Cross-entropy beside the pairwise losses behind it: three arms that differ in their loss alone."""

from __future__ import annotations

from dataclasses import dataclass

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

BENCHMARKS = ("fashion-mnist",)
_LR, _CLASSIFIER_LR = 3e-3, 3e-2


@dataclass(frozen=True)
class Arm:
    """What sets an arm apart.

    Attributes:
        loss: its term.
        ours: what is our choice in this arm alone.
    """

    loss: LossTerm
    ours: dict[str, str]


_FAST = {"phases.optimizer.loss_lr": "ours: ten times the network's, so that the classifier is fitted as it moves"}
ARMS: dict[str, Arm] = {
    "CE": Arm(LossTerm("LinearCrossEntropy"), _FAST),
    "SPCE": Arm(LossTerm("SimplifiedPairwiseCrossEntropy"), {}),
    "PCE": Arm(
        LossTerm("FittedPairwiseCrossEntropy", {"lam": 1.0}),
        _FAST
        | {
            "loss.FittedPairwiseCrossEntropy.lam": "ours: 1, fixed, in the place of an eigenvalue that is 0 for fewer "
            "images than features",
            "loss.FittedPairwiseCrossEntropy": "ours: probabilities from a classifier that learns beside the network "
            "by cross-entropy; the authors have trained no PCE",
        },
    ),
}

_OURS = {
    "benchmark": "ours: the paper's supplement compares CE and SPCE on MNIST and its settings are not known; here "
    "every arm trains in minutes on a CPU",
    "network": "ours: network, rate, schedule, decay, dropout, epochs and batches of the silhouette's recipe",
    "transforms": "ours: those of the silhouette's recipe",
    "phases[1]": "ours: the same linear probe after every arm, on features that no longer change, as SPCE has no "
    "classifier to measure",
    "evaluation.measures": "ours: accuracy of the probe, retrieval and silhouette of the features",
}


def pairwise_cross_entropy(benchmark: str, *, arm: str = "SPCE", scale: str = "full", seed: int = 0) -> Config:
    """Cross-entropy, PCE and SPCE under one protocol (after arXiv 2003.08983, section 4.1 and its supplement).

    Ours are all settings: the network, rate, schedule, batches and epochs of the recipe `silhouette` on Fashion-MNIST,
    the same for every arm, without a projection head. A classifier that belongs to the loss learns at ten times the
    network's rate. Whatever the arm, a linear probe on the finished features gives the accuracy.

    Args:
        benchmark: one of `BENCHMARKS`.
        arm: "CE", "SPCE", or "PCE" with λ = 1 and a classifier fitted beside it.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark, arm or scale.

    Example:
        >>> pairwise_cross_entropy("fashion-mnist", arm="PCE").loss[0].options
        {'lam': 1.0}
    """
    look_up("benchmark", benchmark, dict.fromkeys(BENCHMARKS), of="pairwise_cross_entropy")
    chosen = look_up("arm", arm, ARMS, of="pairwise_cross_entropy")
    loss_lr = None if arm == "SPCE" else _CLASSIFIER_LR
    training = Optimizer("adam", lr=_LR, loss_lr=loss_lr, weight_decay=1e-4, loss_weight_decay=0.0)
    probe = Optimizer("adam", lr=_LR, loss_lr=_CLASSIFIER_LR)
    phases = (
        Phase(100, training, Schedule("cosine")),
        Phase(10, probe, Schedule("cosine"), train_backbone=False, terms=(LossTerm("LinearCrossEntropy"),)),
    )
    config = Config(
        recipe=f"pairwise_cross_entropy/{arm}",
        benchmark=benchmark,
        scale="full",
        transforms="silhouette",
        network=Network("efficientnet_b0", dropout=0.2, head="none", embedding_dim=None),
        loss=(chosen.loss,),
        batches=Batches(256),
        phases=phases,
        evaluation=Evaluation(("accuracy", "retrieval", "silhouette"), every=sum(phase.epochs for phase in phases)),
        seed=seed,
        source="our design, after A unifying mutual information view, arXiv 2003.08983, section 4.1",
        ours=_OURS | chosen.ours,
    )
    return at_scale(config, scale)

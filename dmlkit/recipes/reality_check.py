"""The reality check: many losses, one protocol (appendix D of the warped softmax's paper, after Musgrave et al.)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dmlkit.checks import check_choice
from dmlkit.recipes import warped
from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

# The rows of Tables VI, VII and VIII.
BENCHMARKS: dict[str, tuple[str, ...]] = {
    "cub200": ("Contrastive", "CosFace", "ArcFace", "ProxyAnchor", "ProxyNCAPlusPlus", "Hist", "WarpedSoftmax"),
    "cars196": ("MultiSimilarity", "CosFace", "SoftTriple", "ProxyAnchor", "ProxyNCAPlusPlus", "Hist", "WarpedSoftmax"),
    "sop": ("ProxyNCA", "NormSoftmax", "ArcFace", "ProxyAnchor", "ProxyNCAPlusPlus", "WarpedSoftmax"),
}
FOLDS = 4

_OURS = {
    "loss.options": "ours: each loss's own defaults; the paper finds them in 50 Bayesian trials, as a search here can",
    "phases.optimizer": "ours: rate, momentum and decay after Musgrave et al. (2020), a tenth of the rates in the "
    "second phase; the paper names RMSProp alone",
    "phases.optimizer.loss_lr": "ours: 10⁻³, which the paper's search tunes",
    "phases.epochs": "ours: 60 and 20; the paper trains until validation stops to rise and averages those epochs",
    "batches": "ours: 8 classes of 4 images after Musgrave et al. (2020)",
    "transforms": "ours: crops of 224 as in the paper's main experiments; it says that all losses share one size",
    "network.frozen_batch_norm": "ours: frozen after Musgrave et al. (2020)",
    "network.head_init": "ours: Kaiming, fan-out, as in the paper's main experiments",
}


def reality_check(
    benchmark: str,
    loss_name: str = "WarpedSoftmax",
    *,
    complete: bool = False,
    fold: int = 0,
    scale: str = "full",
    seed: int = 0,
) -> Config:
    """One loss under the protocol that all share (arXiv 2408.15656, appendix D; Musgrave et al., ECCV 2020).

    One model, one optimizer for every loss: RMSProp, maximum plus average pooling, layer normalisation, 128 numbers,
    two phases, a quarter of the training classes held out to choose the best epoch by MAP@R. A config is one fold of
    four. The paper finds its hyper-parameters in 50 Bayesian trials over all four, reports the mean of the four models
    ("aggregate") and their 512 numbers side by side ("ensemble"), and repeats that ten times.

    Ours are the rates, the batch, the number of epochs and the losses' starting values: the paper leaves them to its
    search or to the protocol it follows.

    Args:
        benchmark: one of `BENCHMARKS`.
        loss_name: the name in `dmlkit.losses` of a row of the paper's table for this benchmark.
        complete: one model of 512 numbers on all training classes: the paper's score "complete".
        fold: which quarter of the training classes is held out, 0 … 3; of no meaning where `complete`.
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark, loss, fold or scale, or a loss that the paper's table of the benchmark does
            not have.

    Example:
        >>> reality_check("cub200", "CosFace", complete=True).network.embedding_dim
        512
    """
    rows = look_up("benchmark", benchmark, BENCHMARKS, of="reality_check")
    look_up("loss_name", loss_name, dict.fromkeys(rows), of=f"reality_check on {benchmark}")
    check_choice("fold", fold, tuple(range(FOLDS)))
    options, changes = _loss_options(benchmark, loss_name)
    ours = dict(_OURS)
    if benchmark == "sop":
        ours["network.backbone"] = "ours: ResNet-50; the paper takes BN-Inception on SOP"
    config = Config(
        recipe="/".join(["reality_check", loss_name, *(["complete"] if complete else [])]),
        benchmark=benchmark,
        scale="full",
        transforms="warped",
        network=Network(
            "resnet50",
            pretrained=True,
            pool="average + max",
            norm="layer",
            embedding_dim=512 if complete else 128,
            head_init="kaiming fan-out",
            frozen_batch_norm=True,
        ),
        loss=(LossTerm(loss_name, options),),
        batches=Batches(32, classes=8),
        phases=(
            Phase(60, _rmsprop(1.0)),
            Phase(20, _rmsprop(0.1), loss_options=((0, {0: changes}),) if changes else ()),
        ),
        evaluation=Evaluation(
            ("retrieval",),
            ks=(1,),
            # The losses of this table that are not Euclidean normalise inside.
            distance="euclidean" if loss_name == "WarpedSoftmax" else "cosine",
            validation=None if complete else "classes",
            fold=None if complete else (fold, FOLDS),
            best_by=None if complete else "MAP@R",
        ),
        seed=seed,
        source="Realigned Softmax Warping, arXiv 2408.15656, appendix D, after Musgrave et al., ECCV 2020",
        ours=ours,
    )
    return at_scale(config, scale)


def _loss_options(benchmark: str, loss_name: str) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Options in the first phase, and those that change in the second; only the warp has no defaults."""
    if loss_name != "WarpedSoftmax":
        return {}, {}
    found = warped.BENCHMARKS[benchmark]
    return {**warped.warp_options(found.first), "margin": found.margin}, warped.warp_options(found.second)


def _rmsprop(share: float) -> Optimizer:
    return Optimizer("rmsprop", lr=1e-6 * share, loss_lr=1e-3 * share, momentum=0.9, weight_decay=1e-4)

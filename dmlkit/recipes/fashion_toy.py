"""The toy example of the warped softmax: clothes in a plane, with the warp and without."""

from __future__ import annotations

from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase, Schedule
from dmlkit.recipes.names import look_up
from dmlkit.recipes.scales import at_scale

BENCHMARKS = ("fashion-mnist",)
ARMS: dict[str, LossTerm] = {
    "Euclidean": LossTerm("EuclideanSoftmax"),
    "Warped": LossTerm("WarpedSoftmax", {"alpha": 0.8, "beta": 1.2, "r": 1.0}),
}

_OURS = {
    "network": "ours: all but the number of layers, the paper says '5-layer CNN' and no more; a plane because a "
    "picture has two dimensions",
    "transforms": "ours: none, as these runs are meant to overfit",
    "loss.scale": "ours: T = 1 in both arms, so that the unit of distance is that of eq. 4",
    "phases": "ours: Adam along a cosine, the same rates in both arms, chosen for the Euclidean one: the best held-out "
    "top-1 of six pairs of rates (0.001, 0.003, 0.01; proxies once or ten times that), five epochs on 8,000 of the "
    "training images, one seed",
    "evaluation": "ours: by Euclidean distance, in test and training images",
}
_OURS_OF_WARPED = {
    "loss.options": "ours: the best held-out top-1 of five triples α, β, r at those rates, on the same 8,000 images: "
    "(0.5, 1.5, 3), (0.5, 1.5, 1), (0.8, 1.2, 1), (0.8, 1.5, 0.5), (0.9, 1.5, 1); one seed, so a choice and no ranking",
}


def fashion_toy(benchmark: str, *, arm: str = "Warped", scale: str = "full", seed: int = 0) -> Config:
    """Fashion-MNIST in two dimensions, Euclidean softmax or warped (arXiv 2408.15656, section IV-G and Fig. 10).

    The paper trains a five-layer CNN until it overfits and shows a picture. Ours are all settings: the network's
    widths, two dimensions, no augmentation, Adam along a cosine, α, β, r and T; and that it is measured. At the scale
    "full" 100 epochs overfit; at "small" there are three, which do not.

    Args:
        benchmark: one of `BENCHMARKS`.
        arm: "Euclidean" (eq. 4) or "Warped" (eq. 8).
        scale: "smoke", "small" or "full", see `dmlkit.recipes.scales`.
        seed: of the run.

    Raises:
        ValueError: an unknown benchmark, arm or scale.

    Example:
        >>> fashion_toy("fashion-mnist").network.embedding_dim
        2
    """
    look_up("benchmark", benchmark, dict.fromkeys(BENCHMARKS), of="fashion_toy")
    term = look_up("arm", arm, ARMS, of="fashion_toy")
    epochs = 100
    config = Config(
        recipe=f"fashion_toy/{arm}",
        benchmark=benchmark,
        scale="full",
        transforms="plain",
        size=28,
        network=Network("five_layer_cnn", embedding_dim=2),
        loss=(term,),
        batches=Batches(128),
        phases=(Phase(epochs, Optimizer("adam", lr=3e-3, loss_lr=3e-2), Schedule("cosine")),),
        evaluation=Evaluation(
            ("accuracy", "train_accuracy", "retrieval", "silhouette", "spread", "proxy_distance", "points"),
            distance="euclidean",
            every=epochs,
        ),
        seed=seed,
        source="after Realigned Softmax Warping, arXiv 2408.15656, section IV-G",
        ours=_OURS | (_OURS_OF_WARPED if arm == "Warped" else {}),
    )
    return at_scale(config, scale)

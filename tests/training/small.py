"""Small configs that exercise a whole run in a second."""

from dmlkit.recipes.config import (
    Batches,
    Config,
    Evaluation,
    LossTerm,
    Network,
    Optimizer,
    Phase,
    Schedule,
)

ADAM = Optimizer("adam", lr=0.01, loss_lr=0.1)


def config(**changes):
    """Warped softmax on the miniature of CUB: 24 training images in 4 classes, 3 batches an epoch."""
    settings = {
        "recipe": "a test",
        "benchmark": "cub200",
        "scale": "smoke",
        "transforms": "warped",
        "size": 32,
        "network": Network("tiny_cnn", embedding_dim=8, dropout=0.2),
        "loss": (LossTerm("WarpedSoftmax", {"alpha": 0.5, "beta": 1.5, "r": 1.0}),),
        "batches": Batches(8, classes=4),
        "phases": (Phase(2, ADAM),),
        "evaluation": Evaluation(("retrieval", "silhouette"), ks=(1, 2), distance="euclidean"),
    }
    return Config(**{**settings, **changes})


def eventful(**changes):
    """Two phases with all that a checkpoint must not forget: momentum, a schedule, options set anew, two losses."""
    return config(
        loss=(
            LossTerm("WarpedSoftmax", {"alpha": 0.5, "beta": 1.5, "r": 1.0}),
            LossTerm("LinearCrossEntropy", weight=0.5, tap="features"),
        ),
        phases=(
            Phase(2, ADAM, train_backbone=False),
            Phase(
                2,
                Optimizer("sgd", lr=0.05, momentum=0.9, nesterov=True, weight_decay=1e-3, clip_norm=1.0),
                Schedule("warmup cosine", warmup=3),
                loss_options=((1, {0: {"alpha": 0.7}}),),
            ),
        ),
        **changes,
    )

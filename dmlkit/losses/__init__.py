"""Losses of the three papers, each a pure function and a thin module of the same name in CapWords.

- `classification`  cross-entropy over logits, and with its linear classifier
- `contrastive`     supervised contrastive learning
- `silhouette`      the soft silhouette
- `warped`          softmax over Euclidean distances to proxies, plain and warped
- `combined`        a weighted sum of losses

Every function takes (embeddings, labels, parameters …) and `reduction="none" | "mean" | "sum"`; a module takes
(embeddings, labels) and holds the parameters. Input is float32 or float64; half precision is computed in float32.
"""

from dmlkit.losses.classification import CrossEntropy, LinearCrossEntropy, cross_entropy, linear_cross_entropy
from dmlkit.losses.combined import WeightedSum
from dmlkit.losses.contrastive import SupCon, sup_con
from dmlkit.losses.silhouette import SoftSilhouette, soft_silhouette
from dmlkit.losses.warped import (
    EuclideanSoftmax,
    WarpedSoftmax,
    effective_warp,
    euclidean_softmax,
    warp,
    warped_softmax,
)

__all__ = [
    "CrossEntropy",
    "EuclideanSoftmax",
    "LinearCrossEntropy",
    "SoftSilhouette",
    "SupCon",
    "WarpedSoftmax",
    "WeightedSum",
    "cross_entropy",
    "effective_warp",
    "euclidean_softmax",
    "linear_cross_entropy",
    "soft_silhouette",
    "sup_con",
    "warp",
    "warped_softmax",
]

"""Losses of the three papers and of those they are measured against, each a pure function and a thin module.

- `classification`  cross-entropy over logits, and with its linear classifier
- `margins`         cross-entropy over cosines, with margins on the angle: CosFace, ArcFace, SphereFace, MagFace
- `neighbors`       softmax over the other rows: supervised contrastive learning, SNCA
- `pairs`           contrastive, multi-similarity, circle, lifted structure
- `triplets`        the triplet loss
- `proxies`         center, Proxy-NCA and ++, Proxy-Anchor, SoftTriple
- `hypergraph`      HIST
- `silhouette`      the soft silhouette
- `pairwise_ce`     the pairwise losses behind cross-entropy: PCE, SPCE
- `fitted_pce`      PCE with a classifier that learns beside it
- `decomposition`   tightness and contrast: paper M's table 2
- `warped`          softmax over Euclidean distances to proxies, plain and warped
- `distance_functions`  what that softmax can put on a distance, by name
- `combined`        a weighted sum of losses

Every function takes (embeddings, labels, parameters …) and `reduction="none" | "mean" | "sum"`; the module of the same
name in CapWords takes (embeddings, labels) and holds the parameters and options. Input is float32 or float64; half
precision is computed in float32.
"""

from dmlkit.losses.classification import CrossEntropy, LinearCrossEntropy, cross_entropy, linear_cross_entropy
from dmlkit.losses.combined import WeightedSum
from dmlkit.losses.decomposition import contrast, tightness
from dmlkit.losses.distance_functions import distance_function, distance_slope
from dmlkit.losses.fitted_pce import FittedPairwiseCrossEntropy, fitted_pairwise_cross_entropy
from dmlkit.losses.hypergraph import Hist, hist, hist_distances, hist_distribution, hist_incidence
from dmlkit.losses.margins import (
    ArcFace,
    CosFace,
    MagFace,
    NormSoftmax,
    SphereFace,
    arc_face,
    cos_face,
    mag_face,
    norm_softmax,
    sphere_face,
)
from dmlkit.losses.neighbors import SNCA, SupCon, snca, sup_con
from dmlkit.losses.pairs import (
    Circle,
    Contrastive,
    LiftedStructure,
    MultiSimilarity,
    circle,
    contrastive,
    lifted_structure,
    multi_similarity,
)
from dmlkit.losses.pairwise_ce import (
    PairwiseCrossEntropy,
    SimplifiedPairwiseCrossEntropy,
    pairwise_cross_entropy,
    pairwise_cross_entropy_lambda,
    simplified_pairwise_cross_entropy,
    split_cross_entropy,
)
from dmlkit.losses.proxies import (
    Center,
    ProxyAnchor,
    ProxyNCA,
    ProxyNCAPlusPlus,
    SoftTriple,
    center,
    proxy_anchor,
    proxy_nca,
    proxy_nca_plus_plus,
    soft_triple,
    soft_triple_regularizer,
)
from dmlkit.losses.silhouette import SoftSilhouette, soft_silhouette
from dmlkit.losses.triplets import Triplet, triplet
from dmlkit.losses.warped import (
    EuclideanSoftmax,
    MonotoneSoftmax,
    WarpedSoftmax,
    effective_warp,
    euclidean_softmax,
    monotone_softmax,
    warp,
    warped_softmax,
)

__all__ = [
    "SNCA",
    "ArcFace",
    "Center",
    "Circle",
    "Contrastive",
    "CosFace",
    "CrossEntropy",
    "EuclideanSoftmax",
    "FittedPairwiseCrossEntropy",
    "Hist",
    "LiftedStructure",
    "LinearCrossEntropy",
    "MagFace",
    "MonotoneSoftmax",
    "MultiSimilarity",
    "NormSoftmax",
    "PairwiseCrossEntropy",
    "ProxyAnchor",
    "ProxyNCA",
    "ProxyNCAPlusPlus",
    "SimplifiedPairwiseCrossEntropy",
    "SoftSilhouette",
    "SoftTriple",
    "SphereFace",
    "SupCon",
    "Triplet",
    "WarpedSoftmax",
    "WeightedSum",
    "arc_face",
    "center",
    "circle",
    "contrast",
    "contrastive",
    "cos_face",
    "cross_entropy",
    "distance_function",
    "distance_slope",
    "effective_warp",
    "euclidean_softmax",
    "fitted_pairwise_cross_entropy",
    "hist",
    "hist_distances",
    "hist_distribution",
    "hist_incidence",
    "lifted_structure",
    "linear_cross_entropy",
    "mag_face",
    "monotone_softmax",
    "multi_similarity",
    "norm_softmax",
    "pairwise_cross_entropy",
    "pairwise_cross_entropy_lambda",
    "proxy_anchor",
    "proxy_nca",
    "proxy_nca_plus_plus",
    "simplified_pairwise_cross_entropy",
    "snca",
    "soft_silhouette",
    "soft_triple",
    "soft_triple_regularizer",
    "sphere_face",
    "split_cross_entropy",
    "sup_con",
    "tightness",
    "triplet",
    "warp",
    "warped_softmax",
]

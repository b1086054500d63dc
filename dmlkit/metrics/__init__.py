"""Measures of an embedding.

- `ranking`         retrieval: Recall@K, R-Precision, MAP@R, MRR from one pass
- `search`          an index of faiss as the search of `retrieval`
- `silhouette`      the silhouette of each row, and its mean
- `partition`       k-means and its agreement with the classes: NMI, AMI, purity
- `spread`          distances within and between classes, alignment, uniformity, distance to the proxies
- `classification`  top-K accuracy
- `verification`    accuracy over folds, true accepts at a rate of false ones, ROC
"""

from dmlkit.metrics.classification import top_k_accuracy
from dmlkit.metrics.partition import (
    Clustering,
    adjusted_mutual_information,
    clustering,
    k_means,
    normalized_mutual_information,
    purity,
)
from dmlkit.metrics.ranking import Retrieval, recall_at_k, retrieval
from dmlkit.metrics.search import build_faiss_index, faiss_search
from dmlkit.metrics.silhouette import silhouette_samples, silhouette_score
from dmlkit.metrics.spread import (
    ClassDistances,
    alignment,
    average_distance_to_proxy,
    class_distances,
    uniformity,
)
from dmlkit.metrics.verification import Verification, area_under_roc, roc, tar_at_far, verification_accuracy

__all__ = [
    "ClassDistances",
    "Clustering",
    "Retrieval",
    "Verification",
    "adjusted_mutual_information",
    "alignment",
    "area_under_roc",
    "average_distance_to_proxy",
    "build_faiss_index",
    "class_distances",
    "clustering",
    "faiss_search",
    "k_means",
    "normalized_mutual_information",
    "purity",
    "recall_at_k",
    "retrieval",
    "roc",
    "silhouette_samples",
    "silhouette_score",
    "tar_at_far",
    "top_k_accuracy",
    "uniformity",
    "verification_accuracy",
]

"""Measures of an embedding.

- `retrieval`   Recall@K
- `clustering`  the silhouette of each row, and its mean
"""

from dmlkit.metrics.clustering import silhouette_samples, silhouette_score
from dmlkit.metrics.retrieval import recall_at_k

__all__ = ["recall_at_k", "silhouette_samples", "silhouette_score"]

"""How many nats the embedding knows about the label, by the two views of paper M's eq. 1, and by an exact yardstick.

- `entropy`     the entropy of labels, and three estimators of the differential entropy of embeddings
- `bounds`      the discriminative view: lower bounds from a classifier, and from pairs of views
- `generative`  the generative view: entropy of all embeddings less the entropy within the classes
- `conditional` tightness as a cross-entropy, an upper bound of the entropy within the classes
- `mixtures`    Gaussian classes, of which the mutual information is known to eight digits and more

Everything is in nats (divide by log 2 for bits), computed in float64 where the device has it, and without a gradient.
The estimators are small and old on purpose: each fails in its own way, and its docstring says how.
"""

from dmlkit.information.bounds import discriminative_bound, info_nce_bound, info_nce_bound_from_scores
from dmlkit.information.conditional import conditional_cross_entropy
from dmlkit.information.entropy import (
    gaussian_entropy,
    label_entropy,
    nearest_neighbor_entropy,
    wang_sha_entropy,
)
from dmlkit.information.generative import generative_mutual_information
from dmlkit.information.mixtures import (
    mixture_entropies,
    mixture_mutual_information,
    posterior_logits,
    sample_mixture,
)

__all__ = [
    "conditional_cross_entropy",
    "discriminative_bound",
    "gaussian_entropy",
    "generative_mutual_information",
    "info_nce_bound",
    "info_nce_bound_from_scores",
    "label_entropy",
    "mixture_entropies",
    "mixture_mutual_information",
    "nearest_neighbor_entropy",
    "posterior_logits",
    "sample_mixture",
    "wang_sha_entropy",
]

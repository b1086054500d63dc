"""Every loss as a function of (embeddings, labels) alone, and what holds for it: the table behind the other tests here.

A new loss is one line in ALL.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
WARP = {"alpha": 0.5, "beta": 1.5, "r": 1.0}
LETTERS = {"K": 2, "h": 4}  # centers a class and hidden units, where nothing else is said


def embeddings() -> torch.Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


def rows(embeddings: torch.Tensor, labels: torch.Tensor) -> int:
    return len(labels)


def positives(labels: torch.Tensor) -> torch.Tensor:
    """How many other rows of its class each row has."""
    return (labels.unsqueeze(1) == labels).sum(dim=1) - 1


def with_positive(embeddings: torch.Tensor, labels: torch.Tensor) -> int:
    return int((positives(labels) > 0).sum())


def with_positive_and_negative(embeddings: torch.Tensor, labels: torch.Tensor) -> int:
    return int(((positives(labels) > 0) & (positives(labels) < len(labels) - 1)).sum())


def positive_pairs(embeddings: torch.Tensor, labels: torch.Tensor) -> int:
    return int(positives(labels).sum())


def triplets(embeddings: torch.Tensor, labels: torch.Tensor, mining: str, average: str, margin: float) -> int:
    """How many triplets the mean divides by, one after another."""
    distances = (embeddings.unsqueeze(1) - embeddings).square().sum(dim=2).sqrt().tolist()
    names, total = labels.tolist(), 0
    for a, to in enumerate(distances):
        of_positives = [d for p, d in enumerate(to) if names[p] == names[a] and p != a]
        of_negatives = [d for n, d in enumerate(to) if names[n] != names[a]]
        if mining == "hard" and of_positives and of_negatives:
            of_positives, of_negatives = [max(of_positives)], [min(of_negatives)]
        for d, e in ((d, e) for d in of_positives for e in of_negatives):
            chosen = d < e < d + margin if mining == "semi-hard" else True
            total += chosen and (average == "all" or d - e + margin > 0)
    return total


@dataclass(frozen=True)
class Case:
    """A loss, its parameters and options, and what holds for it.

    `parameters` gives the axes of each: C classes, d the width of the embeddings, K centers a class, h hidden units.
    `tags` are words:

    - "free": labels are any integers; without it they are 0 … C − 1
    - "sphere": the length of a row does not matter
    - "moves": embeddings and parameters may be moved together: only distances matter
    - "turns": they may be turned together
    - "alone": the value of a row does not depend on the other rows
    - "positive": no value is below 0
    - "spans": the rows must span all dimensions
    - "total": there is no `reduction`, the value is a scalar
    - "stopped": part of the gradient is stopped, so that it is not that of the value
    - "jumps": the value jumps where two distances are equal
    """

    function: Callable[..., torch.Tensor]
    tags: str
    parameters: dict[str, str] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    counted: Callable[[torch.Tensor, torch.Tensor], int] = rows  # what the sum is divided by in the mean
    first: str = "embeddings"

    def __call__(self, embeddings: torch.Tensor, labels: torch.Tensor, **others: Any) -> torch.Tensor:
        return self.function(embeddings, labels, **{**self.fixed, **self.options, **others})

    def has(self, tag: str) -> bool:
        return tag in self.tags.split()

    @cached_property
    def fixed(self) -> dict[str, torch.Tensor]:
        """The parameters for three classes in three dimensions."""
        return self.draw(3, 3, torch.Generator().manual_seed(1), torch.float32)

    def draw(self, classes: int, dim: int, generator: torch.Generator, dtype: torch.dtype) -> dict[str, torch.Tensor]:
        sizes = {**LETTERS, "C": classes, "d": dim}
        return {
            name: torch.randn([sizes[axis] for axis in axes.split()], generator=generator, dtype=dtype)
            for name, axes in self.parameters.items()
        }


CLASSIFIER = {"weight": "C d", "bias": "C"}
HIST = {"means": "C d", "log_variances": "C d"}
NETWORK = {"hidden_weight": "h d", "hidden_bias": "h", "weight": "C h", "bias": "C"}


def _classes(function, tags, options=None, name="weight", axes="C d", **kw):
    return Case(function, f"positive {tags}", {name: axes}, options or {}, **kw)


def _triplet(mining, tags="", average="active", margin=0.2):
    options = {"mining": mining, "average": average, "margin": margin}
    return Case(
        losses.triplet,
        f"free moves turns positive {tags}",
        options=options,
        counted=lambda e, y: triplets(e, y, **options),
    )


SMOOTHED = {"label_smoothing": 0.2, "smoothing": "others"}
ALL = {
    "cross_entropy": Case(losses.cross_entropy, "alone positive", first="logits"),
    "cross_entropy, smoothed": Case(losses.cross_entropy, "alone positive", options=SMOOTHED, first="logits"),
    "linear_cross_entropy": Case(losses.linear_cross_entropy, "alone turns positive", CLASSIFIER),
    "linear_cross_entropy, no bias": _classes(losses.linear_cross_entropy, "alone turns", SMOOTHED),
    "norm_softmax": _classes(losses.norm_softmax, "alone sphere turns"),
    "cos_face": _classes(losses.cos_face, "alone sphere turns"),
    "arc_face": _classes(losses.arc_face, "alone sphere turns"),
    "sphere_face": _classes(losses.sphere_face, "alone turns"),
    "mag_face": _classes(losses.mag_face, "alone turns", {"lower_norm": 0.5, "upper_norm": 2.0}),
    "sup_con": Case(losses.sup_con, "free sphere turns positive", counted=with_positive),
    "snca": Case(losses.snca, "free sphere turns positive", counted=with_positive),
    "soft_silhouette": Case(losses.soft_silhouette, "free sphere turns positive", counted=with_positive_and_negative),
    "soft_silhouette, weighted_mean": Case(
        losses.soft_silhouette,
        "free sphere turns positive",
        options={"soft_min": "weighted_mean"},
        counted=with_positive_and_negative,
    ),
    "contrastive": Case(losses.contrastive, "free moves turns positive"),
    "triplet": _triplet("all"),
    "triplet, average all": _triplet("all", average="all", margin=1.0),
    "triplet, semi-hard": _triplet("semi-hard", "jumps", margin=0.5),
    "triplet, hard": _triplet("hard", average="all"),
    "multi_similarity": Case(losses.multi_similarity, "free sphere turns positive"),
    "multi_similarity, mined": Case(
        losses.multi_similarity, "free sphere turns positive", options={"mining_margin": 0.1}
    ),
    "circle": Case(losses.circle, "free sphere turns positive stopped", counted=with_positive_and_negative),
    "lifted_structure": Case(losses.lifted_structure, "free moves turns positive", counted=positive_pairs),
    "center": _classes(losses.center, "alone moves turns", name="centers"),
    "proxy_nca": _classes(losses.proxy_nca, "alone sphere turns", name="proxies"),
    "proxy_nca, own left out": Case(
        losses.proxy_nca, "alone sphere turns", {"proxies": "C d"}, {"own_in_denominator": False}
    ),
    "proxy_nca_plus_plus": _classes(losses.proxy_nca_plus_plus, "alone sphere turns", name="proxies"),
    "proxy_anchor": _classes(losses.proxy_anchor, "sphere turns", name="proxies"),
    "soft_triple": _classes(losses.soft_triple, "alone sphere turns", name="centers", axes="C K d"),
    "soft_triple, regularised": _classes(
        losses.soft_triple, "alone sphere turns", {"regularization": 0.2}, name="centers", axes="C K d"
    ),
    "hist_distribution": Case(losses.hist_distribution, "alone sphere positive", HIST),
    "hist": Case(losses.hist, "positive", {**HIST, **NETWORK}),
    "pairwise_cross_entropy": Case(losses.pairwise_cross_entropy, "turns", CLASSIFIER, {"lam": 0.5}),
    "pairwise_cross_entropy, derived": Case(losses.pairwise_cross_entropy, "turns spans", CLASSIFIER),
    "fitted_pairwise_cross_entropy": Case(
        losses.fitted_pairwise_cross_entropy, "turns stopped", CLASSIFIER, {"lam": 0.5}
    ),
    "simplified_pairwise_cross_entropy": Case(losses.simplified_pairwise_cross_entropy, "free turns positive"),
    "euclidean_softmax": _classes(losses.euclidean_softmax, "alone moves turns", name="proxies"),
    # m = 1: otherwise the value jumps at r, and rounding may carry a distance across it.
    "warped_softmax": _classes(losses.warped_softmax, "alone moves turns stopped", WARP, name="proxies"),
    "monotone_softmax": _classes(
        losses.monotone_softmax,
        "alone moves turns",
        {"f_own": torch.square, "f_other": torch.log1p},
        name="proxies",
    ),
    "tightness of center": Case(losses.tightness("center"), "total free moves turns positive"),
    "contrast of center": Case(losses.contrast("center"), "total turns positive", CLASSIFIER),
    "tightness of contrastive": Case(losses.tightness("contrastive"), "total free moves turns positive"),
    "contrast of contrastive": Case(losses.contrast("contrastive"), "total free moves turns positive"),
    "tightness of contrastive_linear": Case(losses.tightness("contrastive_linear"), "total free moves turns positive"),
    "contrast of contrastive_linear": Case(losses.contrast("contrastive_linear"), "total free moves turns"),
    "tightness of snca": Case(losses.tightness("snca"), "total free sphere turns"),
    "contrast of snca": Case(losses.contrast("snca"), "total free sphere turns"),
    "tightness of multi_similarity": Case(losses.tightness("multi_similarity"), "total free sphere turns positive"),
    "contrast of multi_similarity": Case(losses.contrast("multi_similarity"), "total free sphere turns positive"),
    "tightness of pairwise_cross_entropy": Case(
        losses.tightness("pairwise_cross_entropy"), "total free turns", options={"lam": 0.5}
    ),
    "contrast of pairwise_cross_entropy": Case(
        losses.contrast("pairwise_cross_entropy"), "total turns", CLASSIFIER, {"lam": 0.5}
    ),
}
FREE = {name: case for name, case in ALL.items() if case.has("free")}
WITH_CLASSES = {name: case for name, case in ALL.items() if not case.has("free")}
REDUCED = {name: case for name, case in ALL.items() if not case.has("total")}

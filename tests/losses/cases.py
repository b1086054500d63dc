"""The losses as functions of (embeddings, labels) alone, for tests of what they have in common."""

from __future__ import annotations

import torch

from dmlkit import losses

LABELS = torch.tensor([0, 1, 2, 1, 0, 2])
PROXIES = torch.tensor([[1.0, 0.0, 0.5], [-0.5, 1.0, 0.0], [0.0, -1.0, 1.0]])
WARP = {"alpha": 0.5, "beta": 1.5, "r": 1.0}


def embeddings() -> torch.Tensor:
    return torch.randn(6, 3, generator=torch.Generator().manual_seed(0))


# Labels are any integers here …
SPHERE = {"sup_con": losses.sup_con, "soft_silhouette": losses.soft_silhouette}
# … and 0, 1, 2 here.
WITH_CLASSES = {
    "cross_entropy": losses.cross_entropy,
    "linear_cross_entropy": lambda e, y, p=PROXIES, **kw: losses.linear_cross_entropy(e, y, p, **kw),
    "euclidean_softmax": lambda e, y, p=PROXIES, **kw: losses.euclidean_softmax(e, y, p, **kw),
    "warped_softmax": lambda e, y, p=PROXIES, **kw: losses.warped_softmax(e, y, p, **{**WARP, **kw}),
}
ALL = {**SPHERE, **WITH_CLASSES}

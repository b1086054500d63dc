"""From feature maps to embeddings: pooling, a normalisation without parameters, and the head."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable

from torch import Tensor, nn


def average_pool(maps: Tensor) -> Tensor:
    """The mean over height and width: (N, F, h, w) to (N, F)."""
    return maps.mean(dim=(2, 3))


def max_pool(maps: Tensor) -> Tensor:
    """The largest value over height and width: (N, F, h, w) to (N, F); equal ones share the gradient."""
    # Not adaptive_max_pool2d: its gradient on a GPU is not the same twice.
    return maps.amax(dim=(2, 3))


def average_and_max_pool(maps: Tensor) -> Tensor:
    """The sum of both: (N, F, h, w) to (N, F)."""
    return average_pool(maps) + max_pool(maps)


POOLS: dict[str, Callable[[Tensor], Tensor]] = {
    "average": average_pool,
    "max": max_pool,
    "average + max": average_and_max_pool,
}
NORMS = ("layer", "batch")
HEADS = ("none", "linear", "mlp")
HEAD_INITS = ("default", "kaiming fan-out")


class Pool(nn.Module):
    """One of `POOLS` as a module: maps (N, F, h, w) to features (N, F).

    Args:
        name: "average", "max" or "average + max".

    Raises:
        ValueError: an unknown name.
    """

    def __init__(self, name: str = "average") -> None:
        super().__init__()
        check_name("pool", name, POOLS)
        self.name = name

    def forward(self, maps: Tensor) -> Tensor:
        return POOLS[self.name](maps)

    def extra_repr(self) -> str:
        return repr(self.name)


def feature_norm(name: str | None, num_features: int) -> nn.Module:
    """The normalisation of features (N, F), without affine parameters.

    Args:
        name: "layer" (of each row over its features), "batch" (of each feature over the batch, with running
            statistics in evaluation) or None, which leaves them.
        num_features: F.

    Raises:
        ValueError: an unknown name.
    """
    if name is None:
        return nn.Identity()
    check_name("norm", name, NORMS, or_none=True)
    if name == "layer":
        return nn.LayerNorm(num_features, elementwise_affine=False)
    return nn.BatchNorm1d(num_features, affine=False)


def make_head(name: str, num_features: int, embedding_dim: int | None, *, init: str = "default") -> nn.Module:
    r"""The head: features (N, F) to embeddings (N, d).

    - "none": the features are the embedding, d = F.
    - "linear": $W f + b$.
    - "mlp": $W_2 \max(0, W_1 f + b_1) + b_2$ with $W_1$ of F × F (Khosla et al., 2020, section 3.1).

    Args:
        name: one of these.
        num_features: F.
        embedding_dim: d; for "none" it is None or F.
        init: of the linear head's weights. "default" is torch's; "kaiming fan-out" draws them from a normal
            distribution of standard deviation $\sqrt{2 / d}$ (He et al., 2015) and begins with b = 0.

    Raises:
        TypeError, ValueError: an unknown name, a dimension that does not fit it, or an `init` that it has not.

    Example:
        >>> make_head("linear", 2048, 512)
        Linear(in_features=2048, out_features=512, bias=True)
    """
    check_name("head", name, HEADS)
    check_name("head_init", init, HEAD_INITS)
    if init != "default" and name != "linear":
        raise ValueError(f"head_init must be 'default' unless the head is 'linear', found {init!r} and {name!r}")
    if name == "none":
        if embedding_dim not in (None, num_features):
            raise ValueError(
                f"embedding_dim must be None where head is 'none' (the {num_features} features are the embedding), "
                f"found {embedding_dim}"
            )
        return nn.Identity()
    if not isinstance(embedding_dim, int):
        raise TypeError(f"embedding_dim must be an integer for head {name!r}, found {type(embedding_dim).__name__}")
    if embedding_dim < 1:
        raise ValueError(f"embedding_dim must be at least 1, found {embedding_dim}")
    if name == "mlp":
        return nn.Sequential(
            nn.Linear(num_features, num_features), nn.ReLU(inplace=True), nn.Linear(num_features, embedding_dim)
        )
    head = nn.Linear(num_features, embedding_dim)
    if init == "kaiming fan-out":
        nn.init.kaiming_normal_(head.weight, mode="fan_out")
        nn.init.zeros_(head.bias)
    return head


def check_name(argument: str, name: object, known: Iterable[str], *, or_none: bool = False) -> None:
    """Require one of the known names; the error tells all of them and, where there is one, the nearest.

    Raises:
        ValueError: an unknown name.
    """
    known = list(known)
    if name in known:
        return
    near = difflib.get_close_matches(str(name), known, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    names = ", ".join([*map(repr, known), *(["None"] if or_none else [])])
    raise ValueError(f"{argument} must be one of {names}, found {name!r}{hint}")

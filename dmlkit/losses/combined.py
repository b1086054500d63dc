"""Several losses as one."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from dmlkit.checks import check_number


class WeightedSum(nn.Module):
    r"""Weighted sum of named losses on the same embeddings (paper S, eq. 15): $L = \sum_k \lambda_k L_k$.

    After each call `parts` holds every unweighted part as a detached scalar, for curves.

    Args:
        losses: name → module over (embeddings, labels) that returns a scalar.
        weights: name → weight, at least 0, for the same names.

    Raises:
        ValueError: no loss, names that do not match, or a negative weight.

    Explained in the chapter "A first embedding".
    """

    def __init__(self, losses: Mapping[str, nn.Module], weights: Mapping[str, float]) -> None:
        super().__init__()
        if not losses:
            raise ValueError("losses is empty: expected at least one")
        if set(losses) != set(weights):
            raise ValueError(f"weights must name the losses {sorted(losses)}, found {sorted(weights)}")
        self.losses = nn.ModuleDict()
        for name, loss in losses.items():
            try:
                self.losses[name] = loss
            except KeyError as error:  # a dot, or the name of one of ModuleDict's own attributes
                raise ValueError(f"{name!r} cannot name a loss: {error.args[0]}") from error
        for name, weight in weights.items():
            check_number(f"the weight of {name}", weight, least=0)
        self.weights = dict(weights)
        self.parts: dict[str, Tensor] = {}

    def extra_repr(self) -> str:
        return "weights=" + ", ".join(f"{name}: {weight:g}" for name, weight in self.weights.items())

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        values = {name: loss(embeddings, labels) for name, loss in self.losses.items()}
        for name, value in values.items():
            if value.ndim != 0:
                raise ValueError(f"the loss {name!r} must return a scalar, found shape {tuple(value.shape)}")
        self.parts = {name: value.detach() for name, value in values.items()}
        return sum(self.weights[name] * value for name, value in values.items())

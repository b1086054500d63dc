"""Several losses as one, each on the representation it is meant for."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from dmlkit.checks import check_choice, check_number

TAPS = ("embeddings", "features", "logits")


class WeightedSum(nn.Module):
    r"""Weighted sum of named losses (paper S, eq. 15): $L = \sum_k \lambda_k L_k$.

    Each part reads one tap of the network: its "embeddings" (the default), the "features" before the projection head,
    or the "logits" of its classifier. After each call `parts` holds every unweighted part as a detached scalar, for
    curves.

    Args:
        losses: name → module over (tap, labels) that returns a scalar.
        weights: name → weight, at least 0, for the same names. They are held in the attribute `weights` and may be
            changed in training.
        taps: name → "embeddings", "features" or "logits", for some of the names.

    Raises:
        ValueError: no loss, names that do not match, a negative weight or an unknown tap; in a call, a tap that was
            not given, or a part that is no scalar.

    Example:
        >>> from dmlkit.losses import CrossEntropy, SoftSilhouette, SupCon
        >>> loss = WeightedSum(  # paper S's joint loss on a network with a classifier beside its embeddings
        ...     {"ce": CrossEntropy(), "con": SupCon(), "sil": SoftSilhouette()},
        ...     {"ce": 1.0, "con": 1.0, "sil": 0.5},
        ...     taps={"ce": "logits"},
        ... )
        >>> embeddings, logits = torch.ones(4, 2), torch.zeros(4, 3)
        >>> loss(embeddings, torch.tensor([0, 0, 1, 1]), logits=logits)
        tensor(2.6972)
        >>> loss.parts["con"]
        tensor(1.0986)

    Explained in the chapter "Local and global: SupCon beside the silhouette".
    """

    def __init__(
        self,
        losses: Mapping[str, nn.Module],
        weights: Mapping[str, float],
        taps: Mapping[str, str] | None = None,
    ) -> None:
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
        taps = dict(taps or {})
        if not set(taps) <= set(losses):
            raise ValueError(f"taps must name some of the losses {sorted(losses)}, found {sorted(taps)}")
        for name, tap in taps.items():
            check_choice(f"the tap of {name}", tap, TAPS)
        self.weights = dict(weights)
        self.taps = {name: taps.get(name, "embeddings") for name in losses}
        # Of the last call, in one tensor. A compiled step whose only loss has weight 1 would else return that loss
        # twice, as one tensor, which then has no gradient (seen with torch 2.15's Inductor).
        self._values: Tensor | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """Every unweighted part of the last call, a detached scalar each; none before the first call."""
        return {} if self._values is None else dict(zip(self.losses, self._values.unbind(), strict=True))

    def extra_repr(self) -> str:
        weights = "weights=" + ", ".join(f"{name}: {weight:g}" for name, weight in self.weights.items())
        elsewhere = [f"{name}: {tap}" for name, tap in self.taps.items() if tap != "embeddings"]
        return f"{weights}; taps={', '.join(elsewhere)}" if elsewhere else weights

    def forward(
        self, embeddings: Tensor, labels: Tensor, *, features: Tensor | None = None, logits: Tensor | None = None
    ) -> Tensor:
        given = {"embeddings": embeddings, "features": features, "logits": logits}
        values = {}
        for name, loss in self.losses.items():
            tap = self.taps[name]
            if given[tap] is None:
                raise ValueError(f"the loss {name!r} reads {tap}, which the call must give: loss(…, {tap}=…)")
            values[name] = loss(given[tap], labels)
            if values[name].ndim != 0:
                raise ValueError(f"the loss {name!r} must return a scalar, found shape {tuple(values[name].shape)}")
        self._values = torch.stack([value.detach() for value in values.values()])
        return sum(self.weights[name] * value for name, value in values.items())

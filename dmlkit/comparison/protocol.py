"""One protocol for every loss: a linear head on rows that do not change, so many steps, the same batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dmlkit import metrics
from dmlkit.comparison.candidates import Candidate, draw
from dmlkit.comparison.features import Rows
from dmlkit.data.samplers import ClassBalanced
from dmlkit.geometry import compact_labels
from dmlkit.training.assembly import folds

MEASURES = ("MAP@R", "R-Precision", "P@1", "NMI", "silhouette")


@dataclass(frozen=True)
class Protocol:
    """What all losses share.

    Attributes:
        embedding_dim: of the head.
        steps: of Adam, whose rates fall along half a cosine.
        batch: rows a step.
        classes: in a batch, at most; all of them where there are fewer.
        trials: of the search, the defaults among them.
        folds: of the training classes, each held out once in a trial.
        seeds: of the final runs.
    """

    embedding_dim: int = 64
    steps: int = 200
    batch: int = 64
    classes: int = 16
    trials: int = 16
    folds: int = 2
    seeds: int = 5

    # Whether every trial is tested too, and the defaults are run over all seeds: what makes smaller budgets known.
    thorough: ClassVar[bool] = True

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """Of the learning rates."""
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, self.steps)

    def settings(self, candidate: Candidate, number: int) -> dict[str, float]:
        """Those of a trial, by `draw`."""
        return draw(candidate, number)


def standardised(rows: Tensor) -> Tensor:
    """Each row with mean 0 and variance 1 over its numbers (layer normalisation without parameters)."""
    return nn.functional.layer_norm(rows, rows.shape[1:])


@dataclass(frozen=True, eq=False)
class Lesson:
    """Rows to train on, and the head that every loss begins with.

    Batches follow from the seed alone: every loss is shown the same rows in the same order.

    Attributes:
        rows: (N, F), standardised.
        labels: (N,), 0 … C − 1.
        first: (d, F), the weight of that head; its embeddings have mean 0.
    """

    rows: Tensor
    labels: Tensor
    first: Tensor

    @property
    def num_classes(self) -> int:
        """C."""
        return int(self.labels.max()) + 1

    def head(self) -> nn.Linear:
        """The first head, anew."""
        made = nn.utils.skip_init(nn.Linear, self.first.shape[1], self.first.shape[0])  # draws no random numbers
        with torch.no_grad():
            made.weight.copy_(self.first)
            made.bias.copy_(-(self.first @ self.rows.mean(dim=0)))
        return made

    def untrained(self, rows: Tensor) -> Tensor:
        """What is known of other rows without this head: the rows themselves."""
        return rows

    def sampler(self, protocol: Protocol, seed: int) -> ClassBalanced:
        """The places of each batch."""
        drawn = min(protocol.classes, self.num_classes)
        return ClassBalanced(self.labels, drawn, protocol.batch // drawn, batches=protocol.steps, seed=seed)

    def batches(self, protocol: Protocol, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Rows and labels of each step."""
        for places in self.sampler(protocol, seed):
            yield self.rows[places], self.labels[places]


def lesson(rows: Tensor, labels: Tensor, protocol: Protocol) -> Lesson:
    """Standardised rows with the head that all runs on them begin with: their first principal components.

    So training departs from what the rows know already, and a loss that does harm is seen to do so; from random weights
    most of a short training would go into undoing them. Embeddings are √d long on average.

    Args:
        rows: (N, F).
        labels: (N,), any integers.
        protocol: for d, at most F.
    """
    x = standardised(rows)
    index, _ = compact_labels(labels)
    centred = (x - x.mean(dim=0)).double()
    _, directions = torch.linalg.eigh(centred.T @ centred)
    # A direction has two signs, and the routine's choice is its own: the largest entry is made positive.
    weight = directions.flip(1)[:, : protocol.embedding_dim].T
    weight = weight * weight.gather(1, weight.abs().argmax(dim=1, keepdim=True)).sign()
    length = (centred @ weight.T).square().sum(dim=1).mean().sqrt()
    return Lesson(x, index, (weight * len(weight) ** 0.5 / length).float())


def train_head(
    given: Lesson, candidate: Candidate, settings: Mapping[str, Any], protocol: Protocol, *, seed: int = 0
) -> nn.Module:
    """The lesson's head (a linear one, or a whole network with one on top) trained by a loss.

    Args:
        given: what to train on.
        candidate: the loss.
        settings: of `draw`.
        protocol: what all losses share.
        seed: of batches, and of what the loss begins with.

    Returns:
        The head.

    Raises:
        FloatingPointError: the loss is no longer finite.
    """
    head = given.head().train()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        loss = candidate.make(given.num_classes, protocol.embedding_dim, settings)
    groups = [{"params": list(head.parameters()), "lr": settings["lr"]}]
    if any(True for _ in loss.parameters()):
        groups.append({"params": list(loss.parameters()), "lr": settings["loss_lr"]})
    optimizer = torch.optim.Adam(groups)
    schedule = protocol.schedule(optimizer)
    for rows, labels in given.batches(protocol, seed):
        value = loss(head(rows), labels)
        if not value.isfinite():
            raise FloatingPointError(f"the loss is {value.item()}: lower the learning rate")
        optimizer.zero_grad(set_to_none=True)
        value.backward()
        optimizer.step()
        schedule.step()
    return head


@torch.no_grad()
def embedded(head: nn.Module, rows: Tensor) -> Tensor:
    """What the head makes of the rows.

    Raises:
        FloatingPointError: it is not finite.
    """
    # Images are many numbers inside a network: not all at once.
    parts = (rows,) if rows.ndim == 2 else rows.split(128)
    head.eval()
    found = torch.cat([head(part) for part in parts])
    if not found.isfinite().all():
        raise FloatingPointError("the head gives embeddings that are not finite: lower the learning rate")
    return found


def measured(embeddings: Tensor, labels: Tensor, distance: str) -> dict[str, float]:
    """All of `MEASURES`, by the distance that the loss itself uses.

    Args:
        embeddings: (N, d).
        labels: (N,).
        distance: "cosine" or "euclidean".
    """
    ranked = metrics.retrieval(embeddings, labels, ks=(1,), distance=distance)
    return {
        "MAP@R": ranked.map_at_r,
        "R-Precision": ranked.r_precision,
        "P@1": ranked.precision_at_1,
        "NMI": metrics.clustering(embeddings, labels, distance=distance).nmi,
        "silhouette": metrics.silhouette_score(embeddings, labels, distance=distance),
    }


def map_at_r(embeddings: Tensor, labels: Tensor, distance: str) -> float:
    """What a search looks at."""
    return metrics.retrieval(embeddings, labels, ks=(1,), distance=distance).map_at_r


@dataclass(frozen=True, eq=False)
class Course:
    """A data set as the protocol uses it.

    Attributes:
        whole: all training classes.
        folds: for each fold, the lesson without it, and the rows and labels that are held out.
        test, test_labels: standardised; no choice looks at them.
    """

    whole: Lesson
    folds: tuple[tuple[Lesson, Tensor, Tensor], ...]
    test: Tensor
    test_labels: Tensor


def course(data: Rows, protocol: Protocol) -> Course:
    """Lessons on all training classes and on all but a fold of them."""
    parts = []
    for kept, held in folds(data.train_labels, protocol.folds):
        fit, validate = (torch.isin(data.train_labels, part) for part in (kept, held))
        given = lesson(data.train[fit], data.train_labels[fit], protocol)
        parts.append((given, standardised(data.train[validate]), data.train_labels[validate]))
    whole = lesson(data.train, data.train_labels, protocol)
    return Course(whole, tuple(parts), standardised(data.test), data.test_labels)


def validation_scores(
    on: Course, candidate: Candidate, settings: Mapping[str, Any], protocol: Protocol, *, seed: int = 0
) -> list[float]:
    """MAP@R on each fold of the training classes, by a head that was trained on the others.

    Args:
        on: whose test rows are not looked at.
        candidate, settings, protocol, seed: as in `train_head`.

    Raises:
        FloatingPointError: a head diverged.
    """
    return [
        map_at_r(
            embedded(train_head(given, candidate, settings, protocol, seed=seed), held), labels, candidate.distance
        )
        for given, held, labels in on.folds
    ]


def embeddings_of_test(
    on: Course, candidate: Candidate, settings: Mapping[str, Any], protocol: Protocol, *, seed: int = 0
) -> Tensor:
    """Embeddings of the test rows by a head that was trained on all training classes.

    Args:
        on, candidate, settings, protocol, seed: as in `validation_scores`.

    Raises:
        FloatingPointError: the head diverged.
    """
    return embedded(train_head(on.whole, candidate, settings, protocol, seed=seed), on.test)

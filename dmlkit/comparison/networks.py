"""The comparison with more than a head: every loss trains a network, from the same weights and on the same images.

A pretrained network keeps its early layers, whose maps are computed once; its late layers, with three quarters of the
weights, train. A small network trains from its first layer on, from random weights. A training costs many times as much
as that of a head, so there are fewer settings and seeds.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from dmlkit.comparison.candidates import Candidate, draw
from dmlkit.comparison.features import Rows, Source, split_images
from dmlkit.comparison.protocol import Course, Lesson, Protocol, lesson, standardised
from dmlkit.data.resident import Augmentation, Resident
from dmlkit.data.transforms import Statistics, normalise
from dmlkit.models import build
from dmlkit.recipes.config import Network
from dmlkit.search.space import LogUniform
from dmlkit.training.assembly import folds


@dataclass(frozen=True)
class NetworkProtocol(Protocol):
    """What all losses share where each trains a network.

    Attributes:
        embedding_dim, steps, batch, classes, trials, folds, seeds: as in `Protocol`.
        held_out: of the folds, how many a trial validates on.
        backbone, pretrained: of the network.
        frozen: of the layers `features` of a MobileNetV2, how many keep their weights, 0 … 18; other networks train
            all of theirs.
        warmup: steps in which the rates rise, before they fall along half a cosine.
        padding, flip: of the augmentation; images whose maps are computed once are flipped only.
        lr: of network and head in trial 0.
        lr_low, lr_high: where the other trials look.
        loss_lr: of the loss's own parameters in trial 0; the others look between a tenth of it and a hundred times it.
    """

    embedding_dim: int = 128
    batch: int = 32
    classes: int = 8
    trials: int = 4
    seeds: int = 3
    held_out: int = 1
    backbone: str = "mobilenet_v2_pack"
    pretrained: bool = True
    frozen: int = 14
    warmup: int = 40
    padding: int = 0
    flip: float = 0.5
    lr: float = 1e-4
    lr_low: float = 1e-5
    lr_high: float = 1e-3
    loss_lr: float = 1e-2

    thorough: ClassVar[bool] = False

    def schedule(self, optimizer: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        """min(1, (i + 1)/warmup) · (1 + cos(πi/steps))/2."""

        def share(step: int) -> float:
            return min(1, (step + 1) / max(1, self.warmup)) * (1 + math.cos(math.pi * step / self.steps)) / 2

        return torch.optim.lr_scheduler.LambdaLR(optimizer, share)

    def settings(self, candidate: Candidate, number: int) -> dict[str, float]:
        """Those of a trial, by `draw` within the rates of a network."""
        rates = {
            "lr": LogUniform(self.lr_low, self.lr_high),
            "loss_lr": LogUniform(self.loss_lr / 10, self.loss_lr * 100),
        }
        return draw(candidate, number, rates=rates, defaults={"lr": self.lr, "loss_lr": self.loss_lr})


@dataclass(frozen=True)
class ImageSource(Source):
    """How the images of a data set are read, and by which protocol losses are compared on them.

    Attributes:
        benchmarks, size, classes, per_class, whole: as in `Source`.
        protocol: of the comparison.
    """

    protocol: NetworkProtocol = NetworkProtocol()


# A network that begins with random weights takes larger steps, and many more of its small images.
_FROM_SCRATCH = NetworkProtocol(
    steps=250,
    batch=64,
    classes=16,
    backbone="five_layer_cnn",
    pretrained=False,
    frozen=0,
    padding=2,
    flip=0.0,
    lr=1e-3,
    lr_low=1e-4,
    lr_high=1e-2,
)
IMAGES: dict[str, ImageSource] = {
    "cub50": ImageSource(("cub50",), 128, whole=False),
    "cars98": ImageSource(("cars196-train-half",), 128, whole=False),
    # Clusters are counted in as many classes as there are, and that of all 659 takes longer than a training.
    "omniglot": ImageSource(("omniglot", "omniglot-rezipped"), 28, (964, 300), protocol=_FROM_SCRATCH),
}


@dataclass(frozen=True, eq=False)
class Images(Rows):
    """Images with labels, in training classes and in test classes that are others.

    Attributes:
        name: one of `IMAGES`.
        train, test: (N, 3, S, S) and (M, 3, S, S), uint8.
        train_labels, test_labels: (N,) and (M,), int64; those of training are 0 … C − 1.
        source: one sentence: what the images are.
    """

    @property
    def checksum(self) -> str:
        """SHA-256 over labels and pixels."""
        digest = hashlib.sha256()
        for part in (self.train_labels, self.test_labels, self.train, self.test):
            digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def __str__(self) -> str:
        test_classes = len(self.test_labels.unique())
        return (
            f"{self.name}: {len(self.train):,} images of {self.train_classes} classes to train on, "
            f"{len(self.test):,} of {test_classes} others to test on; {self.source}"
        )


def images(name: str, *, root: str | Path | None = None) -> Images:
    """The images of a data set in memory.

    Args:
        name: one of `IMAGES`.
        root: the data root; by default as `dmlkit.data.benchmark`.

    Raises:
        ValueError: an unknown name.
        DataError: the images are not here; the sentence says what to do.

    Used in the chapter "From heads to networks".
    """
    if name not in IMAGES:
        raise ValueError(f"name must be one of {', '.join(IMAGES)}, found {name!r}")
    source = IMAGES[name]
    parts: dict[str, Tensor] = {}
    for split, read in split_images(source, root).items():
        kept = Resident(read)
        _, labels = kept.labels.unique(return_inverse=True)
        parts |= {split: kept.pixels.permute(0, 3, 1, 2), f"{split}_labels": labels}
    return Images(name, **parts, source=f"{source.size} pixels wide and high")


class Stages(NamedTuple):
    """A network in two: what stays as it is, and what trains.

    Attributes:
        early: stored images (N, 3, S, S), uint8, to the maps that the late stage reads; None where all of it trains.
        late: those maps, or normalised images, to features (N, F).
        statistics: for `normalise`.
    """

    early: nn.Module | None
    late: nn.Module
    statistics: Statistics


def stages(protocol: NetworkProtocol) -> Stages:
    """The network that all losses begin with; random weights are those of seed 0."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build(Network(protocol.backbone, protocol.pretrained, head="none", embedding_dim=None))
    network = network.to(memory_format=torch.channels_last).eval()
    if not protocol.frozen:
        return Stages(None, nn.Sequential(network.backbone, network.pool), network.statistics)
    scale, layers = network.backbone.scale, network.backbone.features
    early = nn.Sequential(scale, layers[: protocol.frozen]).requires_grad_(False)
    return Stages(early, nn.Sequential(layers[protocol.frozen :], network.pool), network.statistics)


class Trained(nn.Module):
    """The part of a network that a loss trains: late stage, layer normalisation without parameters, linear head.

    Takes what training gives it (maps, or normalised images) or stored images (uint8).
    """

    def __init__(self, late: nn.Module, head: nn.Linear, statistics: Statistics) -> None:
        super().__init__()
        self.late, self.head, self.statistics = late, head, statistics

    def forward(self, given: Tensor) -> Tensor:
        return self.head(standardised(self.late(_shown(given, self.statistics))))


def _shown(given: Tensor, statistics: Statistics) -> Tensor:
    if given.dtype != torch.uint8:
        return given
    return normalise(given, statistics).contiguous(memory_format=torch.channels_last)


@dataclass(frozen=True, eq=False)
class ImageLesson(Lesson):
    """What to train on, and the network that every loss begins with.

    Attributes:
        rows: (N, 3, S, S), uint8, or (N, 2, c, h, w): the maps of each image and of its mirror image.
        labels: (N,), 0 … C − 1.
        first: (d, F), the weight of its head: the principal components of what the network makes of these images.
        bias: (d,), so that embeddings have mean 0.
        network: every run trains a copy of its late stage.
    """

    bias: Tensor
    network: Stages

    def head(self) -> Trained:
        """The first network, anew."""
        made = nn.utils.skip_init(nn.Linear, self.first.shape[1], self.first.shape[0])  # draws no random numbers
        with torch.no_grad():
            made.weight.copy_(self.first)
            made.bias.copy_(self.bias)
        return Trained(copy.deepcopy(self.network.late), made, self.network.statistics)

    def untrained(self, rows: Tensor) -> Tensor:
        """What the first network makes of others, without its head."""
        return standardised(features_of(self.network, rows))

    def batches(self, protocol: NetworkProtocol, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Maps or images, flipped and cropped at random, and labels of each step."""
        sampler = self.sampler(protocol, seed)
        if self.rows.dtype == torch.uint8:
            yield from Resident(self.rows, self.labels).batches(
                sampler,
                Augmentation(protocol.padding, protocol.flip),
                seed=seed,
                statistics=self.network.statistics,
                channels_last=True,
            )
            return
        generator = torch.Generator().manual_seed(seed)
        for places in sampler:
            mirrored = (torch.rand(len(places), generator=generator) < protocol.flip).long()
            maps = self.rows[torch.tensor(places), mirrored]
            yield maps.contiguous(memory_format=torch.channels_last), self.labels[places]


def image_course(data: Images, protocol: NetworkProtocol) -> Course:
    """Lessons on all training classes and on those that a fold leaves.

    Every loss and every seed begins with the same network: what differs between seeds is batches, crops and flips, and
    what the loss itself begins with.
    """
    network = stages(protocol)
    train, test = late_rows(network, data.train, mirrored=True), late_rows(network, data.test, mirrored=False)

    def given(chosen: Tensor) -> ImageLesson:
        rows = train[chosen]
        found = lesson(features_of(network, unmirrored(rows)), data.train_labels[chosen], protocol)
        return ImageLesson(rows, found.labels, found.first, found.head().bias.detach(), network)

    parts = []
    for kept, held in folds(data.train_labels, protocol.folds)[: protocol.held_out]:
        fit, validate = (torch.isin(data.train_labels, part) for part in (kept, held))
        parts.append((given(fit), unmirrored(train[validate]), data.train_labels[validate]))
    whole = given(torch.ones(len(data.train), dtype=torch.bool))
    return Course(whole, tuple(parts), test, data.test_labels)


@torch.no_grad()
def late_rows(network: Stages, images: Tensor, *, mirrored: bool) -> Tensor:
    """What the late stage reads: the stored images, or their maps (and, beside them, those of the mirror images)."""
    if network.early is None:
        return images
    views = (images, images.flip(3)) if mirrored else (images,)
    maps = [torch.cat([network.early(_shown(part, network.statistics)) for part in view.split(128)]) for view in views]
    return torch.stack(maps, dim=1) if mirrored else maps[0]


def unmirrored(rows: Tensor) -> Tensor:
    """Without the mirror images."""
    return rows[:, 0] if rows.ndim == 5 else rows


@torch.no_grad()
def features_of(network: Stages, rows: Tensor) -> Tensor:
    """What the whole network makes of images or maps, (N, F)."""
    return torch.cat([network.late(_shown(part, network.statistics)) for part in rows.split(128)])

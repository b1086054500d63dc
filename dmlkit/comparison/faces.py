"""Faces: every loss trains on eight of ten folds of people, and verifies people that it never saw on another.

The usual protocol of these ten folds chooses the threshold of a fold on the pairs of the nine others. That is fair
where nothing was trained on them; a threshold between people who were trained on need not be the one between strangers.
Here a fold of strangers chooses it, which costs the training one fold more. What a fold that was trained on would have
chosen is recorded beside it.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from dmlkit import metrics
from dmlkit.comparison.files import rounded
from dmlkit.data import benchmark
from dmlkit.data.resident import Resident
from dmlkit.geometry import unit_rows

BENCHMARK = "lfw-a-96"
SIZE = 96
FARS = (0.01, 0.1)


@dataclass(frozen=True, eq=False)
class Faces:
    """Images of people, and pairs of them in folds that share no person.

    Attributes:
        name: of the benchmark.
        images: (N, 3, S, S), uint8.
        labels: (N,), int64: who it is.
        first, second: (P,), int64, numbers into `images`.
        same: (P,), booleans: whether a pair shows one person.
        fold: (P,), int64, from 0; as many pairs in each, at least three folds.
        source: one sentence: what the images are.

    Raises:
        ValueError: too few folds, or folds of different sizes.
    """

    name: str
    images: Tensor
    labels: Tensor
    first: Tensor
    second: Tensor
    same: Tensor
    fold: Tensor
    source: str

    def __post_init__(self) -> None:
        sizes = self.fold.bincount()
        if len(sizes) < 3:
            raise ValueError(f"fold must number at least 3 folds, found {len(sizes)}")
        if len(sizes.unique()) > 1:
            raise ValueError(f"every fold must have as many pairs, found {sizes.tolist()}")

    @property
    def folds(self) -> int:
        """How many there are."""
        return int(self.fold.max()) + 1

    @property
    def checksum(self) -> str:
        """SHA-256 over people, pairs and pixels."""
        digest = hashlib.sha256()
        for part in (self.labels, self.first, self.second, self.same, self.fold, self.images):
            digest.update(part.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def pairs_of(self, *folds: int) -> Tensor:
        """The numbers of the pairs in these folds."""
        return torch.isin(self.fold, torch.tensor(folds)).nonzero().squeeze(1)

    def images_of(self, *folds: int) -> Tensor:
        """The numbers of the images in pairs of these folds, each once."""
        pairs = self.pairs_of(*folds)
        return torch.cat([self.first[pairs], self.second[pairs]]).unique()


def face_pairs(*, root: str | Path | None = None) -> Faces:
    """LFW's ten folds of pairs, with all images of the people who occur in them, in memory.

    Args:
        root: the data root; by default as `dmlkit.data.benchmark`.

    Raises:
        DataError: the images are not here; the sentence says what to do.

    Used in the chapter "Faces".
    """
    from torchvision.transforms import v2  # slow to import

    pairs = benchmark(BENCHMARK, root=root)["pairs"]
    people = pairs.images.labels[torch.cat([pairs.first, pairs.second])].unique()
    kept = torch.isin(pairs.images.labels, people)
    place = kept.cumsum(dim=0) - 1
    reading = v2.Compose([v2.Resize((SIZE, SIZE)), v2.PILToTensor()])
    read = Resident(pairs.images.subset(kept.nonzero().squeeze(1)).with_transform(reading))
    return Faces(
        BENCHMARK,
        read.pixels.permute(0, 3, 1, 2),
        read.labels,
        place[pairs.first],
        place[pairs.second],
        pairs.same,
        pairs.fold,
        f"aligned, grey, {SIZE} pixels wide and high",
    )


class FaceFold(NamedTuple):
    """One of the tests.

    Attributes:
        tested: the fold whose pairs are judged.
        chooses: the next one, which chooses the threshold.
        trained: the one after that, trained on as all others are; what it would have chosen is recorded, too.
        train: (n,), the images to train on.
    """

    tested: int
    chooses: int
    trained: int
    train: Tensor


def face_fold(data: Faces, tested: int) -> FaceFold:
    """What is trained on, and which folds choose thresholds, where this fold is tested.

    Trained on are all images of the people who occur in pairs of the folds that neither are tested nor choose the
    threshold, as far as there are two images of a person.

    Args:
        data: of `face_pairs`.
        tested: number of the fold.

    Raises:
        ValueError: a person of the tested fold, or of the one that chooses the threshold, would be trained on.
    """
    chooses, trained = (tested + 1) % data.folds, (tested + 2) % data.folds
    rest = [number for number in range(data.folds) if number not in (tested, chooses)]
    people = data.labels[data.images_of(*rest)].unique()
    _, who, images = data.labels.unique(return_inverse=True, return_counts=True)
    train = (torch.isin(data.labels, people) & (images[who] >= 2)).nonzero().squeeze(1)
    strangers = data.labels[data.images_of(tested, chooses)]
    known = strangers[torch.isin(strangers, data.labels[train])].unique()
    if len(known):
        raise ValueError(
            f"folds must share no person, found {len(known)} of folds {tested} and {chooses} in pairs of others"
        )
    return FaceFold(tested, chooses, trained, train)


@torch.no_grad()
def likeness(data: Faces, pairs: Tensor, embeddings: Tensor, distance: str) -> Tensor:
    """How alike the two images of each pair are: the cosine, or the negative distance; (n,), float64."""
    one, other = (embeddings[side[pairs]].double() for side in (data.first, data.second))
    if distance == "cosine":
        return (unit_rows(one) * unit_rows(other)).sum(dim=1)
    return -torch.linalg.vector_norm(one - other, dim=1)


def separation(data: Faces, fold: FaceFold, embeddings: Tensor, distance: str) -> float:
    """The area under the ROC curve of all strangers' pairs: of the fold that is tested and of the one that chooses.

    It asks for no threshold, so it can tell which of several trainings to choose; what is chosen by it must be tested
    on other folds.
    """
    pairs = data.pairs_of(fold.tested, fold.chooses)
    return metrics.area_under_roc(likeness(data, pairs, embeddings, distance), data.same[pairs])


@torch.no_grad()
def verified(data: Faces, fold: FaceFold, embeddings: Tensor, distance: str) -> dict[str, float | None]:
    """The measures of one fold.

    Args:
        data: of `face_pairs`.
        fold: of `face_fold`.
        embeddings: (N, d), of all images; those in no pair of the fold's three are not looked at.
        distance: "cosine" or "euclidean".

    Returns:
        "accuracy" and "threshold"; "accuracy, trained threshold" and "trained threshold", as a fold would have chosen
        it that was trained on; "TAR@0.01", "TAR@0.1" and "AUC", which need none. Thresholds are of the cosine or of the
        negative distance, None where all pairs were accepted or all rejected. All but the second pair are of the
        tested fold alone.
    """
    numbers = (fold.tested, fold.chooses, fold.trained)
    alike = {number: likeness(data, data.pairs_of(number), embeddings, distance) for number in numbers}
    same = {number: data.same[data.pairs_of(number)] for number in numbers}

    def judged(chooses: int) -> tuple[float, float | None]:
        # Two folds of equal size: the second is judged by what the first one chose.
        both = (torch.cat([of[chooses], of[fold.tested]]) for of in (alike, same))
        found = metrics.verification_accuracy(*both, folds=2)
        threshold = float(found.thresholds[1])
        return rounded(float(found.accuracies[1])), rounded(threshold) if math.isfinite(threshold) else None

    accuracy, threshold = judged(fold.chooses)
    by_trained, trained_threshold = judged(fold.trained)
    tested = alike[fold.tested], same[fold.tested]
    return {
        "accuracy": accuracy,
        "threshold": threshold,
        "accuracy, trained threshold": by_trained,
        "trained threshold": trained_threshold,
        **{f"TAR@{far:g}": rounded(tar) for far, tar in metrics.tar_at_far(*tested, fars=FARS).items()},
        "AUC": rounded(metrics.area_under_roc(*tested)),
    }

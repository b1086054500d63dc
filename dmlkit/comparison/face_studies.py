"""Faces, every loss: trainings for each fold of people, and what they verify, in one file that can be gone on with."""

from __future__ import annotations

import functools
import platform
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm.auto import tqdm

import dmlkit
from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.faces import FaceFold, Faces, face_fold, separation, verified
from dmlkit.comparison.files import gone_on, keep, loaded, rounded
from dmlkit.comparison.networks import ImageLesson, NetworkProtocol, Stages, features_of, late_rows, stages, unmirrored
from dmlkit.comparison.protocol import embedded, lesson, standardised, train_head
from dmlkit.environment import building_book, source_code

FACE_LOSSES = (
    "LinearCrossEntropy",
    "NormSoftmax",
    "CosFace",
    "ArcFace",
    "EuclideanSoftmax",
    "WarpedSoftmax",
    "Contrastive",
    "Triplet",
    "MultiSimilarity",
    "SNCA",
    "SupCon",
    "SoftSilhouette",
    "CE + Silhouette",
    "SupCon + Silhouette",
)
# Factors before the learning rate of the network. A face has far more classes than a bird and far fewer images of each:
# at the protocol's rate proxies that have hardly moved yet lead the network away from what it knew.
RATES = (1.0, 0.3, 0.1, 0.03)


class FaceCourse:
    """The folds, and the network that every loss begins with; what it makes of the images is computed once.

    Args:
        data: of `face_pairs`.
        protocol: of the trainings.

    Attributes:
        data, protocol: as given.
        folds: each a `FaceFold`.
        features: (N, F), of all images by the first network, standardised.

    Raises:
        ValueError: folds that share people.
    """

    def __init__(self, data: Faces, protocol: NetworkProtocol) -> None:
        self.data, self.protocol = data, protocol
        self.folds = tuple(face_fold(data, tested) for tested in range(data.folds))
        self._network: Stages = stages(protocol)
        self._rows = late_rows(self._network, data.images, mirrored=True)
        features = features_of(self._network, unmirrored(self._rows))
        self.features = standardised(features)
        # Of each fold its first head alone: the rows of all lessons would need the memory ten times.
        self._first = [self._head(fold, features) for fold in self.folds]

    def _head(self, fold: FaceFold, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = lesson(features[fold.train], self.data.labels[fold.train], self.protocol)
        return found.labels, found.first, found.head().bias.detach()

    def lesson(self, fold: FaceFold) -> ImageLesson:
        """What to train on where this fold is tested."""
        return ImageLesson(self._rows[fold.train], *self._first[fold.tested], self._network)

    def untrained(self, fold: FaceFold) -> Tensor:
        """What the first head of a fold makes of all images."""
        _, first, bias = self._first[fold.tested]
        return torch.nn.functional.linear(self.features, first, bias)

    def trained(self, fold: FaceFold, name: str, rate: float = 1.0) -> Tensor:
        """Embeddings after training, (N, d), of the images whose pairs are looked at; all others are NaN.

        Args:
            fold: one of `folds`; its number is the seed.
            name: of `CANDIDATES`, with its default settings.
            rate: a factor before the learning rate of the network.

        Raises:
            FloatingPointError: the loss diverged.
        """
        settings = self.protocol.settings(CANDIDATES[name], 0)
        settings["lr"] *= rate
        network = train_head(self.lesson(fold), CANDIDATES[name], settings, self.protocol, seed=fold.tested)
        looked_at = self.data.images_of(fold.tested, fold.chooses, fold.trained)
        made = embedded(network, unmirrored(self._rows)[looked_at])
        return made.new_full((len(self._rows), made.shape[1]), torch.nan).index_copy(0, looked_at, made)


@dataclass(frozen=True)
class FaceStudy:
    """What was found on the folds of a set of pairs.

    Attributes:
        name: of the benchmark.
        data: counts, checksum and source; how many people and images each fold trains on.
        protocol: what all losses shared.
        baselines: of each fold the measures without training: of the "rows" (features of the first network), and of
            the "first head", by both distances.
        losses: loss → its "settings"; the "searches", fold → the `separation` at each of `RATES`, None where it
            diverged; "folds", the measures of each, see `verified`, and the "rate" that was chosen for it (none where
            one diverged, and then the "reason"); and the "seconds" that it took.
        versions, device, code: of what ran.
    """

    name: str
    data: dict[str, Any]
    protocol: dict[str, Any]
    baselines: dict[str, list[dict[str, float | None]]]
    losses: dict[str, dict[str, Any]]
    versions: dict[str, str]
    device: str
    code: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> FaceStudy:
        """Read what `face_study` wrote.

        Raises:
            ValueError: no such file, or it is none of faces.
        """
        return loaded(cls, path, "study of faces")

    def folds(self, measure: str = "accuracy") -> dict[str, list[float]]:
        """Baseline or loss → one number a fold, of those that have them.

        The folds are no independent runs: of ten, any two train on at least six folds of people in common.
        """
        found = {**self.baselines, **{name: loss["folds"] for name, loss in self.losses.items()}}
        return {name: [fold[measure] for fold in folds] for name, folds in found.items() if folds}


def face_study(
    data: Faces,
    path: str | Path,
    *,
    names: Iterable[str] = FACE_LOSSES,
    protocol: NetworkProtocol | None = None,
    progress: bool | None = None,
) -> FaceStudy:
    """Train with every loss for every fold, and verify that fold's pairs.

    Each loss has its default settings, which were chosen for other data, and a learning rate of the network of its own:
    of `RATES` the one at which strangers are told apart best. It is chosen twice, in the middle of the folds for those
    of the first half, and at the first fold for the second half, so that no pair has a say in the rate that it is
    tested with. With the default protocol the batches have room for 1,600 people, so that each of LFW's, about 1,300 a
    fold, is met once or twice; of people with two or three images a batch repeats some. After each loss the file is
    written anew, whole; called again, the study goes on with the losses that are missing. Several processes, each with
    losses of its own, may share a file.

    Args:
        data: of `face_pairs`.
        path: of the JSON file.
        names: losses, of `CANDIDATES`.
        protocol: of the trainings; by default `NetworkProtocol()`. The file has it with one trial, one seed, and the
            data's folds, of which two are held out.
        progress: show a bar; None shows one unless the book is being built.

    Returns:
        The `FaceStudy`.

    Raises:
        ValueError: an unknown loss, fewer than four folds, folds that share people, or a file that is none of faces.
        DataError: the file is of other data or another protocol.

    Used in the chapter "Faces".
    """
    path, names = Path(path), list(names)
    for name in names:
        if name not in CANDIDATES:
            raise ValueError(f"names must be among {', '.join(CANDIDATES)}, found {name!r}")
    if data.folds < 4:
        raise ValueError(f"data must have at least 4 folds, two for each half's choice of a rate; found {data.folds}")
    protocol = replace(protocol or NetworkProtocol(), trials=1, seeds=1, folds=data.folds, held_out=2)
    on = FaceCourse(data, protocol)
    begun = _begun(on)
    found = gone_on(path, begun).losses
    hidden = building_book() if progress is None else not progress
    for name in tqdm([name for name in names if name not in found], desc=data.name, disable=hidden):
        keep(path, begun, "losses", name, face_loss(on, name), CANDIDATES)
    return gone_on(path, begun)


def face_loss(on: FaceCourse, name: str) -> dict[str, Any]:
    """The folds of one loss, as `FaceStudy.losses` holds them."""
    began = time.perf_counter()
    distance, half = CANDIDATES[name].distance, len(on.folds) // 2

    @functools.cache  # what a search has trained need not be trained again
    def look(number: int, rate: float) -> tuple[float, dict[str, Any]]:
        fold = on.folds[number]
        embeddings = on.trained(fold, name, rate)
        found = {"rate": rate, **verified(on.data, fold, embeddings, distance)}
        return rounded(separation(on.data, fold, embeddings, distance)), found

    def score(number: int, rate: float) -> float | None:
        try:
            return look(number, rate)[0]
        except FloatingPointError:
            return None

    searches = {number: [score(number, rate) for rate in RATES] for number in (0, half)}
    made: dict[str, Any] = {
        "settings": on.protocol.settings(CANDIDATES[name], 0),
        "searches": {str(number): scores for number, scores in searches.items()},
        "folds": [],
    }
    try:
        for fold in on.folds:
            scores = [-1.0 if one is None else one for one in searches[half if fold.tested < half else 0]]
            made["folds"].append(look(fold.tested, RATES[scores.index(max(scores))])[1])
    except FloatingPointError as fault:  # a mean over the other folds would flatter
        made |= {"folds": [], "reason": str(fault)}
    return {**made, "seconds": round(time.perf_counter() - began, 1)}


def _begun(on: FaceCourse) -> FaceStudy:
    """The study before any loss."""
    data = on.data
    heads = [on.untrained(fold) for fold in on.folds]
    train = [data.labels[fold.train] for fold in on.folds]
    return FaceStudy(
        name=data.name,
        data={
            "images": len(data.images),
            "people": len(data.labels.unique()),
            "pairs": len(data.same),
            "folds": data.folds,
            "train": [len(labels) for labels in train],
            "train people": [len(labels.unique()) for labels in train],
            "width": on.features.shape[1],
            "checksum": data.checksum,
            "source": data.source,
        },
        protocol=asdict(on.protocol),
        baselines={
            "rows": [verified(data, fold, on.features, "cosine") for fold in on.folds],
            "first head": [verified(data, *given, "cosine") for given in zip(on.folds, heads, strict=True)],
            "first head, euclidean": [
                verified(data, *given, "euclidean") for given in zip(on.folds, heads, strict=True)
            ],
        },
        losses={},
        versions={"python": platform.python_version(), "torch": torch.__version__, "dmlkit": dmlkit.__version__},
        device="cpu",
        code=source_code(),
    )

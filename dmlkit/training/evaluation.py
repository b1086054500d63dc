"""What a run measures: embeddings of a split, and the measures that the config names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dmlkit import losses, metrics
from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.loading import loader
from dmlkit.data.samplers import Sequential
from dmlkit.geometry import euclidean_distances, unit_rows
from dmlkit.recipes.config import Evaluation
from dmlkit.records import pack_points
from dmlkit.training import robustness
from dmlkit.training.distributed import gather_rows_to_all, rank, world_size

if TYPE_CHECKING:
    from dmlkit.training.assembly import Data

MEASURES = (
    "accuracy",
    "train_accuracy",
    "retrieval",
    "clustering",
    "silhouette",
    "spread",
    "proxy_distance",
    "points",
    "robustness",
)
# Measures of the training images as they are read in evaluation; the others are of the test split.
_OF_TRAINING = ("train_accuracy", "proxy_distance")
# Losses whose proxies are points among the embeddings, so that a distance between the two has a meaning.
_AMONG_EMBEDDINGS = (losses.EuclideanSoftmax, losses.WarpedSoftmax, losses.MonotoneSoftmax, losses.Center)
# Of each split: enough to see ten clusters, few enough for a record of some tens of kilobytes.
POINTS = 1000


def names_of(measure: str, ks: Sequence[int]) -> tuple[str, ...]:
    """The numbers that a measure gives, by their names in a record; "points" gives none."""
    return {
        "accuracy": ("top-1", "top-5"),
        "train_accuracy": ("train top-1",),
        "retrieval": (*(f"R@{k}" for k in ks), "P@1", "R-Precision", "MAP@R"),
        "clustering": ("NMI", "NMI (geometric)", "AMI"),
        "silhouette": ("silhouette",),
        "spread": ("intra", "inter", "ratio"),
        "proxy_distance": ("AvgDTP",),
        "points": (),
        "robustness": robustness.NAMES,
    }[measure]


@torch.no_grad()
def embed_images(
    network: nn.Module, images: ImageSet, *, batch_size: int = 128, workers: int = 0, channels_last: bool = False
) -> tuple[Tensor, Tensor]:
    """Features and embeddings of a set in evaluation mode, in order; several processes share the work.

    Args:
        network: of `dmlkit.models.build`.
        images: with an evaluation transform.
        batch_size: images at a time.
        workers: processes that read images.
        channels_last: in memory.

    Returns:
        (N, F) and (N, d), on the network's device.

    Raises:
        FloatingPointError: embeddings that are not finite: the last step spoilt the weights.
    """
    training = network.training
    network.eval()
    device = next(network.parameters()).device
    order = Sequential(len(images), batch_size, rank(), world_size())
    batches = loader(
        images, order, workers=workers, device=device, statistics=network.statistics, channels_last=channels_last
    )
    features, embeddings = [], []
    for pictures, _ in batches:
        features.append(network.features(pictures).float())
        embeddings.append(network.embeddings_from(features[-1]).float())
    network.train(training)
    width = (network.num_features, network.embedding_dim)
    parts = [
        torch.cat(part) if part else torch.empty(0, columns, device=device)
        for part, columns in zip((features, embeddings), width, strict=True)
    ]
    features, embeddings = (gather_rows_to_all(part) for part in parts)
    if not embeddings.isfinite().all():
        raise FloatingPointError("the network gives embeddings that are not finite: lower the learning rate")
    return features, embeddings


def class_scores(term: nn.Module, rows: Tensor) -> Tensor:
    """Scores of the classes by a loss that has a row for each: the largest is the answer.

    Args:
        term: a loss with a classifier or one proxy a class.
        rows: (N, d), what the loss is given.

    Returns:
        (N, C).

    Raises:
        ValueError: a loss without classes.
    """
    if isinstance(term, losses.LinearCrossEntropy):
        return nn.functional.linear(rows, term.weight, term.bias)
    proxies = next((p for p in term.parameters() if p.ndim == 2), None)
    if proxies is None:
        raise ValueError(f"accuracy needs a loss with a classifier or proxies, found {type(term).__name__}")
    if isinstance(term, _AMONG_EMBEDDINGS):
        return -euclidean_distances(rows, proxies)
    return unit_rows(rows) @ unit_rows(proxies).T


def proxies_of(terms: Mapping[str, nn.Module]) -> tuple[str, Tensor]:
    """The first loss whose proxies are points among the embeddings: its name and its (C, d) proxies.

    Args:
        terms: the losses by name.

    Raises:
        ValueError: none of them holds such proxies. Those of cosine losses are directions, as the embeddings are
            there: the distance of two would change with lengths that the loss does not know.
    """
    for name, term in terms.items():
        if isinstance(term, _AMONG_EMBEDDINGS):
            return name, next(term.parameters()).detach()
    known = ", ".join(kind.__name__ for kind in _AMONG_EMBEDDINGS)
    raise ValueError(f"proxy_distance needs a loss that holds proxies ({known}), found {', '.join(terms)}")


@torch.no_grad()
def measure(
    network: nn.Module,
    terms: Mapping[str, nn.Module],
    taps: Mapping[str, str],
    splits: Mapping[str, ImageSet],
    how: Evaluation,
    *,
    train: ImageSet | None = None,
    **reading,
) -> dict[str, float]:
    """All measures of a config on its test split, or on query and gallery.

    Args:
        network: of `dmlkit.models.build`.
        terms: the losses by name; the first with classes gives the accuracy.
        taps: what each of them reads.
        splits: "test", or "query" and "gallery".
        how: the config's evaluation.
        train: the training images with an evaluation transform, for "train_accuracy" and "proxy_distance".
        **reading: as `embed_images`.

    Returns:
        Name → number: "top-1", "R@1", "MAP@R", "NMI", "silhouette" …

    Raises:
        ValueError: accuracy of losses that know no classes, a distance to proxies that are not there, or a measure of
            training images that were not given.
    """
    found: dict[str, float] = {}
    gallery_name = "gallery" if "gallery" in splits else "test"
    gallery = splits[gallery_name]
    features, rows = embed_images(network, gallery, **reading)
    labels = gallery.labels.to(rows.device)
    if "accuracy" in how.measures:
        scores = _scores(terms, taps, features, rows)
        ks = (1, 5) if scores.shape[1] > 5 else (1,)
        found |= {f"top-{k}": value for k, value in metrics.top_k_accuracy(scores, labels, ks=ks).items()}
    if any(name in how.measures for name in _OF_TRAINING):
        if train is None:
            raise ValueError("train must be the training images for train_accuracy and proxy_distance, found None")
        found |= _of_training(network, terms, taps, train, how, **reading)
    if "retrieval" in how.measures:
        asked = {}
        if gallery_name == "gallery":
            _, asked["queries"] = embed_images(network, splits["query"], **reading)
            asked["query_labels"] = splits["query"].labels.to(rows.device)
        ranked = metrics.retrieval(rows, labels, ks=how.ks, distance=how.distance, **asked)
        found |= {f"R@{k}": value for k, value in ranked.recall.items()}
        found |= {"P@1": ranked.precision_at_1, "R-Precision": ranked.r_precision, "MAP@R": ranked.map_at_r}
    if "clustering" in how.measures:
        clusters = metrics.clustering(rows, labels, distance=how.distance)
        found |= {"NMI": clusters.nmi, "NMI (geometric)": clusters.nmi_geometric, "AMI": clusters.ami}
    if "silhouette" in how.measures:
        found["silhouette"] = metrics.silhouette_score(rows, labels, distance=how.distance)
    if "spread" in how.measures:
        apart = metrics.class_distances(rows, labels, distance=how.distance)
        # All rows in one point: no record can hold NaN, and 1 is what labels that mean nothing give.
        ratio = apart.ratio if math.isfinite(apart.ratio) else 1.0
        found |= {"intra": apart.intra, "inter": apart.inter, "ratio": ratio}
    if "robustness" in how.measures:
        found |= robustness.robustness(
            lambda images: embed_images(network, images, **reading)[1], splits, distance=how.distance
        )
    return found


def _scores(terms: Mapping[str, nn.Module], taps: Mapping[str, str], features: Tensor, rows: Tensor) -> Tensor:
    """`class_scores` of the first loss that knows classes, by what it reads."""
    scored = [name for name, term in terms.items() if any(p.ndim == 2 for p in term.parameters())]
    if not scored:
        raise ValueError(f"accuracy needs a loss with a classifier or proxies, found {', '.join(terms)}")
    return class_scores(terms[scored[0]], features if taps[scored[0]] == "features" else rows)


def _of_training(
    network: nn.Module,
    terms: Mapping[str, nn.Module],
    taps: Mapping[str, str],
    train: ImageSet,
    how: Evaluation,
    **reading,
) -> dict[str, float]:
    """Measures of the training images, which are embedded once for all of them."""
    found: dict[str, float] = {}
    features, rows = embed_images(network, train, **reading)
    labels = train.labels.to(rows.device)
    if "train_accuracy" in how.measures:
        scores = _scores(terms, taps, features, rows)
        found["train top-1"] = metrics.top_k_accuracy(scores, labels, ks=(1,))[1]
    if "proxy_distance" in how.measures:
        name, proxies = proxies_of(terms)
        read = features if taps[name] == "features" else rows
        found["AvgDTP"] = metrics.average_distance_to_proxy(read, labels, proxies)
    return found


@torch.no_grad()
def kept_points(
    network: nn.Module, loss: losses.WeightedSum, data: Data, *, count: int = POINTS, **reading
) -> dict[str, dict[str, Any]]:
    """Embeddings for a picture: as many of the training and of the test images, and the proxies where there are any.

    Which images depends on their number alone, so that two runs on the same data show the same images.

    Args:
        network: of `dmlkit.models.build`, with at most three numbers an embedding.
        loss: of `build_loss`.
        data: of `open_data`.
        count: of each split, at even steps through it.
        **reading: as `embed_images`.

    Returns:
        "train", "test" (or "gallery") and "proxies", each as `dmlkit.records.pack_points` packs it.
    """
    found = {}
    gallery_name = "gallery" if "gallery" in data.test else "test"
    for name, images in (("train", data.seen), (gallery_name, data.test[gallery_name])):
        number = min(count, len(images))
        some = images.subset(torch.arange(number) * len(images) // number)
        _, rows = embed_images(network, some, **reading)
        found[name] = pack_points(rows.tolist(), some.labels.tolist())
    drawn = {name: term for name, term in loss.losses.items() if loss.taps[name] == "embeddings"}
    if any(isinstance(term, _AMONG_EMBEDDINGS) for term in drawn.values()):
        _, proxies = proxies_of(drawn)
        found["proxies"] = pack_points(proxies.tolist(), range(len(proxies)))
    return found


@torch.no_grad()
def verify(network: nn.Module, pairs: Pairs, **reading) -> dict[str, float]:
    """Verification by the cosine of two embeddings: 10-fold accuracy and TAR at FAR.

    Args:
        network: of `dmlkit.models.build`.
        pairs: whose images have an evaluation transform.
        **reading: as `embed_images`.
    """
    _, rows = embed_images(network, pairs.images, **reading)
    z = unit_rows(rows)
    cosines = (z[pairs.first.to(z.device)] * z[pairs.second.to(z.device)]).sum(dim=1).cpu()
    folds = int(pairs.fold.max()) + 1
    found = metrics.verification_accuracy(cosines, pairs.same, folds=folds)
    return {
        "accuracy": found.mean,
        **{f"TAR@{far:g}": tar for far, tar in metrics.tar_at_far(cosines, pairs.same).items()},
    }


def final_measures(
    network: nn.Module,
    loss: losses.WeightedSum,
    data: Data,
    how: Evaluation,
    *,
    tested: Mapping[str, float] | None = None,
    **reading,
) -> dict[str, float]:
    """Everything that a config measures in the end: its test split, and each set of pairs under its name.

    Args:
        network: of `dmlkit.models.build`.
        loss: of `build_loss`.
        data: of `open_data`.
        how: the config's evaluation.
        tested: what `measure` found in this network already; None measures now.
        **reading: as `embed_images`.
    """
    found = {} if tested is None else dict(tested)
    if tested is None and data.test:
        found = measure(network, loss.losses, loss.taps, data.test, how, train=data.seen, **reading)
    for name, pairs in data.pairs.items():
        found |= {f"{name} {key}": value for key, value in verify(network, pairs, **reading).items()}
    return found

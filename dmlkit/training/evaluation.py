"""What a run measures: embeddings of a split, and the measures that the config names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from dmlkit import losses, metrics
from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.loading import loader
from dmlkit.data.samplers import Sequential
from dmlkit.geometry import euclidean_distances, unit_rows
from dmlkit.recipes.config import Evaluation
from dmlkit.training.distributed import gather_rows_to_all, rank, world_size

if TYPE_CHECKING:
    from dmlkit.training.assembly import Data

MEASURES = ("accuracy", "retrieval", "clustering", "silhouette")


def names_of(measure: str, ks: Sequence[int]) -> tuple[str, ...]:
    """The numbers that a measure gives, by their names in a record."""
    return {
        "accuracy": ("top-1", "top-5"),
        "retrieval": (*(f"R@{k}" for k in ks), "P@1", "R-Precision", "MAP@R"),
        "clustering": ("NMI", "NMI (geometric)", "AMI"),
        "silhouette": ("silhouette",),
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
    if isinstance(term, (losses.EuclideanSoftmax, losses.WarpedSoftmax, losses.Center)):
        return -euclidean_distances(rows, proxies)
    return unit_rows(rows) @ unit_rows(proxies).T


@torch.no_grad()
def measure(
    network: nn.Module,
    terms: Mapping[str, nn.Module],
    taps: Mapping[str, str],
    splits: Mapping[str, ImageSet],
    how: Evaluation,
    **reading,
) -> dict[str, float]:
    """All measures of a config on its test split, or on query and gallery.

    Args:
        network: of `dmlkit.models.build`.
        terms: the losses by name; the first with classes gives the accuracy.
        taps: what each of them reads.
        splits: "test", or "query" and "gallery".
        how: the config's evaluation.
        **reading: as `embed_images`.

    Returns:
        Name → number: "top-1", "R@1", "MAP@R", "NMI", "silhouette" …

    Raises:
        ValueError: accuracy of losses that know no classes.
    """
    found: dict[str, float] = {}
    gallery_name = "gallery" if "gallery" in splits else "test"
    gallery = splits[gallery_name]
    features, rows = embed_images(network, gallery, **reading)
    labels = gallery.labels.to(rows.device)
    if "accuracy" in how.measures:
        scored = [name for name, term in terms.items() if any(p.ndim == 2 for p in term.parameters())]
        if not scored:
            raise ValueError(f"accuracy needs a loss with a classifier or proxies, found {', '.join(terms)}")
        scores = class_scores(terms[scored[0]], features if taps[scored[0]] == "features" else rows)
        ks = (1, 5) if scores.shape[1] > 5 else (1,)
        found |= {f"top-{k}": value for k, value in metrics.top_k_accuracy(scores, labels, ks=ks).items()}
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
    network: nn.Module, loss: losses.WeightedSum, data: Data, how: Evaluation, **reading
) -> dict[str, float]:
    """Everything that a config measures in the end: its test split, and each set of pairs under its name.

    Args:
        network: of `dmlkit.models.build`.
        loss: of `build_loss`.
        data: of `open_data`.
        how: the config's evaluation.
        **reading: as `embed_images`.
    """
    found = measure(network, loss.losses, loss.taps, data.test, how, **reading) if data.test else {}
    for name, pairs in data.pairs.items():
        found |= {f"{name} {key}": value for key, value in verify(network, pairs, **reading).items()}
    return found

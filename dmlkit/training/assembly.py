"""From the names in a config to data and losses; whatever cannot be is refused here, before any work."""

from __future__ import annotations

import difflib
import inspect
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from dmlkit import losses
from dmlkit.checks import check_choice
from dmlkit.data import benchmark, miniature
from dmlkit.data.benchmark import Benchmark
from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.transforms import evaluation_transform
from dmlkit.recipes.config import Config, LossTerm
from dmlkit.training.evaluation import MEASURES, names_of, proxies_of
from dmlkit.training.optimization import OPTIMIZERS, SCHEDULES


@dataclass(frozen=True)
class Data:
    """What a run reads.

    Attributes:
        benchmark: the data set.
        stands_for: its name in the transforms' table; a stand-in's is that of what it stands in for.
        train: without a transform, which the batches bring.
        validation: what was held out of training, with the evaluation transform; None where nothing was.
        test: "test", or "query" and "gallery".
        seen: the images of `train` with the evaluation transform.
        pairs: data set → its pairs, for verification.
    """

    benchmark: Benchmark
    stands_for: str
    train: ImageSet
    validation: ImageSet | None
    test: Mapping[str, ImageSet]
    seen: ImageSet
    pairs: Mapping[str, Pairs]

    @property
    def num_classes(self) -> int:
        """Of the training split; its labels are 0 … num_classes − 1."""
        return int(self.train.labels.max()) + 1


PRECISIONS = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}


def check_settings(config: Config) -> None:
    """Refuse what no data could make right: names that do not exist, options that a loss does not have.

    Raises:
        ValueError, TypeError: the first of them.
    """
    check_choice("precision", config.precision, tuple(PRECISIONS))
    named = set()
    for measure in config.evaluation.measures:
        check_choice("measure", measure, MEASURES)
        # The best epoch is that of the largest number, and these are no better for being large.
        if measure not in ("spread", "proxy_distance"):
            named |= set(names_of(measure, config.evaluation.ks))
    if config.evaluation.best_by is not None:
        check_choice("best_by", config.evaluation.best_by, tuple(sorted(named)))
    terms = config.loss
    for number, phase in enumerate(config.phases):
        check_choice("optimizer", phase.optimizer.name, OPTIMIZERS)
        check_choice("schedule", phase.schedule.name, SCHEDULES)
        terms = terms if phase.terms is None else phase.terms
        with torch.random.fork_rng(devices=[]):  # two classes of two columns have the same options as many
            loss = build_loss(terms, 2, {"embeddings": 2, "features": 2})
            set_options(loss, config, number, phase.epochs)
    if "proxy_distance" in config.evaluation.measures:
        proxies_of(loss.losses)
    width = config.network.embedding_dim
    if "points" in config.evaluation.measures and (width is None or width > 3):
        raise ValueError(f"embedding_dim must be at most 3 for points, which a picture is to show, found {width}")


def open_data(config: Config, root: str | Path | None = None) -> Data:
    """The splits of a config with their transforms.

    Raises:
        DataError: the data is missing or wrong; one sentence says what to do.
        ValueError: an unknown name, or a share that leaves nothing.
    """

    def opened(name: str) -> Benchmark:
        return miniature(name) if config.scale == "smoke" else benchmark(name, root=root)

    found = opened(config.benchmark)
    name = found.entry.stands_in_for or found.entry.name
    reading = evaluation_transform(config.transforms, name, size=config.size, channels=3)
    train, validation = _held_out(found.train, config)
    test = {
        key: split.with_transform(reading) for key, split in found.splits.items() if key in ("test", "query", "gallery")
    }
    pairs = {}
    for other in config.evaluation.verification:
        split = opened(other)["pairs"]
        pairs[other] = Pairs(split.images.with_transform(reading), split.first, split.second, split.same, split.fold)
    return Data(
        found,
        name,
        train,
        None if validation is None else validation.with_transform(reading),
        test,
        train.with_transform(reading),
        pairs,
    )


def folds(labels: Tensor, k: int = 4) -> list[tuple[Tensor, Tensor]]:
    """Cross-validation over classes (Musgrave et al., 2020): each fold validates on classes of its own.

    The classes in the order of their labels are cut into k contiguous parts; fold i holds out part i and trains on the
    others. Part i begins at class ⌊i·C/k⌋ as in the authors' code. Where k does not divide C, theirs gives all parts
    the length ⌊C/k⌋ and validates on some classes never; here the parts are a class longer and leave none out. (Their
    first fold validates on the last part. The set of folds is the same.)

    Args:
        labels: (N,), of the training split.
        k: how many folds, in 2 … C.

    Returns:
        For each fold its training and its validation classes, both rising.

    Raises:
        TypeError: `k` is not an integer.
        ValueError: more folds than classes, or fewer than two.

    Example:
        >>> folds(torch.tensor([0, 0, 1, 2, 3]), 2)
        [(tensor([2, 3]), tensor([0, 1])), (tensor([0, 1]), tensor([2, 3]))]
    """
    classes = labels.unique()
    if not isinstance(k, int):
        raise TypeError(f"folds must be an integer, found {type(k).__name__}")
    if not 2 <= k <= len(classes):
        raise ValueError(f"folds must lie in 2 … {len(classes)}, the number of training classes, found {k}")
    starts = [part * len(classes) // k for part in range(k + 1)]
    return [
        (torch.cat([classes[:start], classes[end:]]), classes[start:end]) for start, end in itertools.pairwise(starts)
    ]


def _classes_first(images: ImageSet, first: Tensor) -> ImageSet:
    """The same images with labels anew: these classes become 0, 1, …, as proxies and classifiers count them."""
    others = torch.ones(len(images.classes), dtype=torch.bool)
    others[first] = False
    order = torch.cat([first, others.nonzero().squeeze(1)])
    return ImageSet(
        images.store,
        order.argsort()[images._all_labels],
        [images.classes[label] for label in order.tolist()],
        images.transform,
        images.places,
    )


def _held_out(train: ImageSet, config: Config) -> tuple[ImageSet, ImageSet | None]:
    """The training split without what validates: a fold, the last share of its classes, or of each class's images."""
    how, share, fold = config.evaluation.validation, config.evaluation.validation_share, config.evaluation.fold
    if fold is not None and how != "classes":
        raise ValueError(f"a fold holds out classes: expected validation 'classes', found {how!r}")
    if how is None:
        return train, None
    check_choice("validation", how, ("classes", "images"))
    if fold is not None:
        number, of = fold
        parts = folds(train.labels, of)
        if not 0 <= number < of:
            raise ValueError(f"fold must lie in 0 … {of - 1}, found {number}")
        kept, held = parts[number]
        relabelled = _classes_first(train, torch.cat([kept, held]))
        return relabelled.of_classes(range(len(kept))), relabelled.of_classes(range(len(kept), len(kept) + len(held)))
    if how == "classes":
        classes = train.labels.unique()
        kept = round(len(classes) * (1 - share))
        if not 0 < kept < len(classes):
            raise ValueError(f"validation_share {share} leaves {kept} of {len(classes)} classes to train on")
        return train.of_classes(classes[:kept].tolist()), train.of_classes(classes[kept:].tolist())
    held = torch.zeros(len(train), dtype=torch.bool)
    for label in train.labels.unique():
        own = (train.labels == label).nonzero().squeeze(1)
        held[own[len(own) - round(len(own) * share) :]] = True
    if held.all() or not held.any():
        raise ValueError(f"validation_share {share} leaves {int((~held).sum())} of {len(train)} images to train on")
    return train.subset((~held).nonzero().squeeze(1)), train.subset(held.nonzero().squeeze(1))


def build_loss(terms: tuple[LossTerm, ...], num_classes: int, width: Mapping[str, int]) -> losses.WeightedSum:
    """The sum of a config's losses.

    Args:
        terms: of the config, or of a phase.
        num_classes: of the training split.
        width: tap → columns: "embeddings" and "features".

    Raises:
        ValueError: a loss that `dmlkit.losses` does not have; the nearest are said.
        TypeError: an option that the loss does not have.
    """
    built: dict[str, nn.Module] = {}
    for term in terms:
        kind = getattr(losses, term.name, None)
        if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
            names = [name for name in losses.__all__ if inspect.isclass(getattr(losses, name))]
            near = difflib.get_close_matches(term.name, names, n=3, cutoff=0.4) or names
            raise ValueError(f"there is no loss {term.name!r}: did you mean {' or '.join(near)}?")
        sizes = {"num_classes": num_classes, "embedding_dim": width[term.tap]}
        needed = {name: size for name, size in sizes.items() if name in inspect.signature(kind).parameters}
        name = term.name if term.name not in built else f"{term.name} {len(built)}"
        built[name] = kind(**needed, **term.options)
        if term.proxy_std is not None:
            for proxies in built[name].parameters():
                nn.init.normal_(proxies, std=term.proxy_std)
    names = list(built)
    return losses.WeightedSum(
        built,
        {name: term.weight for name, term in zip(names, terms, strict=True)},
        taps={name: term.tap for name, term in zip(names, terms, strict=True)},
    )


def set_options(loss: losses.WeightedSum, config: Config, phase: int, epoch: int) -> None:
    """Give the losses the options that hold in an epoch of a phase: the latest that was set, over all phases so far.

    Raises:
        ValueError: an option that the loss does not have.
    """
    terms = list(loss.losses.values())
    # Options of losses that a later phase replaced are theirs alone.
    first = max((k for k, stretch in enumerate(config.phases[: phase + 1]) if stretch.terms is not None), default=0)
    for number, stretch in list(enumerate(config.phases[: phase + 1]))[first:]:
        for begins, changes in stretch.loss_options:
            if number == phase and begins > epoch:
                continue
            for place, options in changes.items():
                for option, value in options.items():
                    if not hasattr(terms[place], option):
                        raise ValueError(f"{type(terms[place]).__name__} has no option {option!r} to be set anew")
                    setattr(terms[place], option, value)

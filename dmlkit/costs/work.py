"""What a config sends through its network, image by image, and how long its workers take to read that."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass

import torch

from dmlkit.book_files import book_file
from dmlkit.data import transforms
from dmlkit.data.catalogue import find
from dmlkit.data.corruptions import CORRUPTIONS
from dmlkit.data.images import ImageSet, Pixels
from dmlkit.recipes.config import Config
from dmlkit.training.batches import _fits

# Sides in pixels of the images of data sets that are no photographs of some hundred pixels a side. Photographs count
# as those that reading was measured with.
PHOTOGRAPH = (500, 375)
SIDES: dict[str, tuple[int, int]] = {
    "cifar10": (32, 32),
    "cifar100": (32, 32),
    "fashion-mnist": (28, 28),
    "digits": (8, 8),
    "omniglot": (105, 105),
    "omniglot-rezipped": (105, 105),
    "ms1mv2": (112, 112),
    "cifar10-jpeg": (32, 32),
    "cub50": (128, 128),
    "cars196-train-half": (128, 96),
}
_IN_MEMORY = ("cifar10", "cifar100", "fashion-mnist", "digits")

# Times of the transforms of small images, beside a padded crop with a flip: measured once with the images of 32 pixels
# of `tests/benchmarks/bench_data.py`, one thread (0.129 ms; 0.365 ms with CIFAR's AutoAugment, 0.700 ms with SupCon's
# crop and colours).
_POLICY, _JITTER = 2.8, 5.4


@dataclass(frozen=True)
class Work:
    """How many images a run reads and passes forward.

    Attributes:
        train: images an epoch of the training split, after what validation holds out.
        classes: of the training split.
        steps: an epoch.
        evaluated: images that are passed forward without training, in the whole run.
        resident: training images lie on the GPU, so that no worker reads them.
        size: side of what the network is given, in pixels.
    """

    train: int
    classes: int
    steps: int
    evaluated: int
    resident: bool
    size: int


def work(config: Config) -> Work:
    """Count the images of a run, by the catalogue and the config's settings.

    Args:
        config: at "full" or "small" scale: a miniature's images are no one's to wait for.

    Raises:
        ValueError: the scale "smoke", an unknown data set, or transforms that leave images of no known size.
    """
    if config.scale == "smoke":
        raise ValueError("config must be of scale 'full' or 'small', found 'smoke': a miniature takes seconds anywhere")
    entry = find(config.benchmark)
    if "train" not in entry.counts:
        raise ValueError(f"benchmark must have a training split, found {entry.name!r}, which has none")
    how = config.evaluation
    images, classes = entry.counts["train"].images, entry.counts["train"].classes
    held = 0
    if how.validation is not None:
        share = how.validation_share if how.fold is None else 1 / how.fold[1]
        held = round(images * share)  # of classes too: they are of about one size
        classes = round(classes * (1 - share)) if how.validation == "classes" else classes
    train = images - held
    test = sum(entry.counts[split].images for split in ("test", "query", "gallery") if split in entry.counts)
    again = train if {"train_accuracy", "proxy_distance"} & set(how.measures) else 0
    # "robustness" reads what is measured once more under each corruption.
    reads = 1 + len(CORRUPTIONS) * ("robustness" in how.measures)
    within = -(-config.epochs // how.every) * (reads * (held or test) + again)
    # Where nothing is held out, the last epoch's numbers are the run's, and are not measured again.
    last = (reads * test + again) * (held > 0) + sum(find(name).counts["pairs"].images for name in how.verification)
    chosen = held > 0 and how.best_by is not None  # the best epoch is measured on the test split beside the last one
    stands_for = entry.stands_in_for or entry.name
    found = transforms.recipe(config.transforms, stands_for, size=config.size)
    side = found.size or max(SIDES.get(entry.name, (0, 0)))
    if not side:
        raise ValueError(f"size must be given where the transforms {config.transforms!r} leave images as they are")
    return Work(
        train,
        classes,
        max(1, train // config.batches.size),
        within + last * (1 + chosen),
        _resident(entry.name, train, found),
        side,
    )


def _resident(name: str, count: int, found: transforms.Recipe) -> bool:
    """Whether the run keeps the training split on the GPU: the run's own rule, asked with pixels of no content."""
    if name not in _IN_MEMORY:
        return False
    pixels = torch.empty(count, *SIDES[name], 3, dtype=torch.uint8, device="meta")
    return _fits(ImageSet(Pixels(pixels), torch.zeros(count, dtype=torch.int64), ["any"]), found)


def reading_seconds(config: Config, counted: Work) -> float:
    """How long one worker would read for the whole run; a second view counts like another image."""
    measured = _measured()
    entry = find(config.benchmark)
    found = transforms.recipe(config.transforms, entry.stands_in_for or entry.name, size=config.size)
    width, height = SIDES.get(entry.name, PHOTOGRAPH)
    share = width * height / (PHOTOGRAPH[0] * PHOTOGRAPH[1])
    if share == 1:
        training = measured["colours" if found.jitter else "resized" if found.policy or found.resize_train else "crop"]
        evaluation = measured["resized"]
    else:
        decoding = share * measured["crop"]
        changed = _JITTER if found.jitter else _POLICY if found.policy else 1.0
        training, evaluation = decoding + changed * measured["small"], decoding + measured["small"]
    trained = 0 if counted.resident else config.epochs * counted.steps * config.batches.size * config.batches.views
    return trained * training + counted.evaluated * evaluation


@functools.cache
def _measured() -> dict[str, float]:
    """Seconds that a worker takes for an image, from the book's measurements of reading."""
    record = json.loads(book_file("appendix/data_speed.json").read_text(encoding="utf-8"))
    rows = {row["case"]: row for row in record["rows"]}

    def seconds(case: str, pipeline: str) -> float:
        row = rows[case]
        return record["workers"] * row["milliseconds"][pipeline] / 1000 / row["images"]

    return {
        "crop": seconds("proxy_anchor", "dmlkit"),
        "resized": seconds("mutual_information, sop", "dmlkit"),
        "colours": seconds("mutual_information, cub200", "dmlkit"),
        # Small images read one by one in workers, as a run does where its augmentation is not simple.
        "small": seconds("10,000 images of 32×32, padded crop and flip", "peer"),
    }

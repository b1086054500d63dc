"""Three scales of every recipe: "full" is the paper's, "small" takes minutes on a CPU, "smoke" seconds.

A smaller scale changes data, backbone, image size, number of epochs and batches. Losses, heads, optimizers, clipping,
phases and the shapes of schedules stay, so that a smoke run goes through every part of the full one. Learning rates
stay too, but for those that the smaller backbone cannot bear.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dmlkit.checks import check_choice
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.recipes.config import SCALES, Batches, Config, Evaluation, Network, Optimizer, Phase, Schedule

STAND_INS: dict[str, str] = {
    entry.stands_in_for: entry.name for entry in CATALOGUE.values() if entry.stands_in_for is not None
}


@dataclass(frozen=True)
class Scale:
    """What a smaller scale sets.

    Attributes:
        backbone, pretrained: of the network.
        size: side of the images in pixels.
        epochs: of a phase, at most.
        frozen_epochs: of a phase that leaves the backbone as it is, at most.
        batch: images a step, at most.
        classes: in a balanced batch, at most.
        warmup: steps of a schedule's rise, at most.
        width: of the head, at most.
        lr: of the network, at most; the loss's own parameters keep theirs. None keeps all.
        adaptive_lr: the same for optimizers that divide by the size of the gradient (Adam and its kin, if their ε is
            small), whose steps are as long as the rate.
        adaptive_norm: of the pooled features, where such an optimizer trains them and the config has none.
    """

    backbone: str
    pretrained: bool
    size: int
    epochs: int
    frozen_epochs: int
    batch: int
    classes: int
    warmup: int
    width: int
    lr: float | None = None
    adaptive_lr: float | None = None
    adaptive_norm: str | None = None


# The pack's MobileNetV2 has its batch normalisation folded into the convolutions, and nothing holds their outputs in
# range: at the rates that the papers give ResNet-50, fine-tuning makes it worse than it was (cross-entropy on the CUB
# stand-in, one seed: Recall@1 .60 at 0.02 and .65 at 0.002, beside .59 untrained at this size). Under Adam the first
# steps of cross-entropy shrink all features until nothing is left of them: on the Caltech-101 stand-in (96 pixels, one
# epoch, one seed) top-1 is .01 at 0.001 and at 0.0001, and .76 at 0.0001 with features that are normalised (untrained
# .73, by the nearest neighbour).
# "small" depends on the images.        backbone             pretrained size epochs frozen batch classes warm-up width
SMALL: dict[str, Scale] = {
    "photographs": Scale("mobilenet_v2_pack", True, 160, 4, 2, 32, 8, 20, 512, 0.002, 1e-4, "layer"),
    "thumbnails": Scale("small_cnn", False, 32, 6, 3, 128, 32, 50, 512),
    "grey thumbnails": Scale("five_layer_cnn", False, 28, 3, 2, 128, 32, 50, 512),
    "faces": Scale("small_cnn", False, 56, 2, 1, 128, 32, 50, 512),
}
SMOKE = Scale("tiny_cnn", False, 32, 2, 1, 8, 4, 2, 16)

_KINDS = {
    "cifar10": "thumbnails",
    "cifar100": "thumbnails",
    "fashion-mnist": "grey thumbnails",
    "omniglot": "grey thumbnails",
    "omniglot-rezipped": "grey thumbnails",
}
# A miniature has few images: Recall@K needs more than K.
_LARGEST_K_OF_SMOKE = 8


def at_scale(config: Config, scale: str) -> Config:
    """A recipe's config at another scale.

    Args:
        config: at the full scale.
        scale: "full" leaves it as it is. "small" takes the catalogue's stand-in for the benchmark where there is one,
            else the benchmark itself: a pretrained MobileNetV2 at 160 pixels for photographs, a small CNN for images
            of 28 or 32 pixels. "smoke" takes the benchmark's miniature and a tiny CNN.

    Returns:
        The config, whose `ours` says what the scale has changed.

    Raises:
        ValueError: an unknown scale, or a config that is not at the full one.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> small = at_scale(warped_softmax("cub200"), "small")
        >>> small.benchmark, small.network.backbone, [phase.epochs for phase in small.phases]
        ('cub50', 'mobilenet_v2_pack', [4, 4])
    """
    check_choice("scale", scale, SCALES)
    if config.scale != "full":
        raise ValueError(f"config must be at the full scale, found {config.scale!r}")
    if scale == "full":
        return config
    found = SMOKE if scale == "smoke" else SMALL[_kind(config)]
    phases = tuple(_phase(phase, found) for phase in config.phases)
    ours = f"ours: {found.backbone}, {found.size} pixels, fewer epochs, images a step and classes than the paper's"
    if found.lr is not None:
        ours += f"; the network's rates at most {found.lr:g}"
    if found.adaptive_lr is not None and any(_is_adaptive(phase.optimizer) for phase in config.phases):
        ours += f", of Adam's kin at most {found.adaptive_lr:g}, and features normalised under it"
    return replace(
        config,
        benchmark=STAND_INS.get(config.benchmark, config.benchmark) if scale == "small" else config.benchmark,
        scale=scale,
        size=found.size,
        network=_network(config, found),
        batches=_batches(config, found, scale),
        phases=phases,
        evaluation=_evaluation(config, scale, sum(phase.epochs for phase in phases)),
        precision="float32",
        ours={**config.ours, "scale": ours},
    )


def _kind(config: Config) -> str:
    if config.evaluation.verification:
        return "faces"
    return _KINDS.get(config.benchmark, "photographs")


def _network(config: Config, found: Scale) -> Network:
    network = config.network
    width = None if network.embedding_dim is None else min(network.embedding_dim, found.width)
    norm = network.norm
    if norm is None and any(_is_adaptive(phase.optimizer) for phase in config.phases):
        norm = found.adaptive_norm
    return replace(network, backbone=found.backbone, pretrained=found.pretrained, norm=norm, embedding_dim=width)


def _batches(config: Config, found: Scale, scale: str) -> Batches:
    """The same, or as many classes and images as the scale allows."""
    batches = config.batches
    if batches.classes is None:
        return replace(batches, size=min(batches.size, found.batch))
    # A miniature has four training classes, of which validation takes one or two.
    most = found.classes // 2 if scale == "smoke" and config.evaluation.validation == "classes" else found.classes
    classes = min(batches.classes, most)
    images = min(batches.images_per_class, found.batch // classes)
    return replace(batches, size=classes * images, classes=classes)


def _phase(phase: Phase, found: Scale) -> Phase:
    """Shorter, with everything that happens at an epoch moved in proportion."""
    epochs = min(phase.epochs, found.epochs if phase.train_backbone else found.frozen_epochs)
    share = epochs / phase.epochs
    return replace(
        phase,
        epochs=epochs,
        optimizer=_optimizer(phase.optimizer, found),
        schedule=_schedule(phase.schedule, share, found),
        loss_options=_moved(phase.loss_options, share),
    )


def _optimizer(how: Optimizer, found: Scale) -> Optimizer:
    most = found.adaptive_lr if _is_adaptive(how) else found.lr
    if most is None or how.lr <= most:
        return how
    return replace(how, lr=most, loss_lr=how.lr if how.loss_lr is None else how.loss_lr)


def _is_adaptive(how: Optimizer) -> bool:
    """Whether a step is about as long as the rate, however small the gradient; with ε = 1 it is not."""
    return how.name in ("adam", "adamw", "rmsprop") and how.eps < 1e-3


def _schedule(schedule: Schedule, share: float, found: Scale) -> Schedule:
    return replace(
        schedule,
        warmup=min(schedule.warmup, found.warmup),
        every=None if schedule.every is None else max(1, round(schedule.every * share)),
        elapsed=round(schedule.elapsed * share),
    )


def _moved(
    changes: tuple[tuple[int, Mapping[int, Mapping[str, Any]]], ...], share: float
) -> tuple[tuple[int, Mapping[int, Mapping[str, Any]]], ...]:
    """Changes at their new epochs; of those that fall on the same one, the later hold."""
    moved: dict[int, dict[int, dict[str, Any]]] = {}
    for epoch, terms in changes:
        together = moved.setdefault(int(epoch * share), {})
        for place, options in terms.items():
            together[place] = {**together.get(place, {}), **options}
    return tuple(moved.items())


def _evaluation(config: Config, scale: str, epochs: int) -> Evaluation:
    how = config.evaluation
    # What is measured at the end only stays so.
    every = epochs if how.every >= config.epochs else how.every
    if scale == "small":
        verification = (STAND_INS["lfw"],) if how.verification else ()
        return replace(how, every=every, verification=verification)
    ks = tuple(k for k in how.ks if k <= _LARGEST_K_OF_SMOKE)
    return replace(how, every=every, ks=ks)

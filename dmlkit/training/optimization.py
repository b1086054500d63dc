"""Parameter groups, optimizers and schedules from a config."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from dmlkit.checks import check_choice
from dmlkit.recipes.config import Optimizer, Schedule

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = ("constant", "cosine", "warmup cosine", "step", "polynomial")


def parameter_groups(how: Optimizer, network: Iterable[nn.Parameter], loss: Iterable[nn.Parameter]) -> list[dict]:
    """Groups with their learning rate and weight decay: the network's, split by whether they decay, and the loss's.

    Args:
        how: the optimizer's settings.
        network: the network's parameters that train.
        loss: the loss's: proxies, classifiers, centres.

    Returns:
        Groups as `torch.optim` takes them, each with "initial" for the schedule; empty ones are left out.
    """
    loss_decay = how.weight_decay if how.loss_weight_decay is None else how.loss_weight_decay
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameters, lr, decay in (
        (network, how.lr, how.weight_decay),
        (loss, how.lr if how.loss_lr is None else how.loss_lr, loss_decay),
    ):
        for parameter in parameters:
            spared = not how.decay_vectors and parameter.ndim < 2
            found.setdefault((lr, 0.0 if spared else decay), []).append(parameter)
    return [
        {"params": parameters, "lr": lr, "initial": lr, "weight_decay": decay}
        for (lr, decay), parameters in found.items()
    ]


def optimizer(how: Optimizer, groups: list[dict]) -> torch.optim.Optimizer:
    """The optimizer of a phase.

    Raises:
        ValueError: an unknown name.
    """
    check_choice("optimizer", how.name, OPTIMIZERS)
    # One pass over the weights a step instead of one for each term of the rule; RMSprop has no such form.
    fused = all(p.device.type in ("cpu", "cuda") for group in groups for p in group["params"])
    if how.name == "sgd":
        return torch.optim.SGD(groups, lr=how.lr, momentum=how.momentum, nesterov=how.nesterov, fused=fused)
    if how.name == "rmsprop":
        return torch.optim.RMSprop(groups, lr=how.lr, momentum=how.momentum, eps=how.eps)
    kind = torch.optim.Adam if how.name == "adam" else torch.optim.AdamW
    return kind(groups, lr=how.lr, eps=how.eps, fused=fused)


def factor(schedule: Schedule, step: int, epochs: int, steps_per_epoch: int) -> float:
    r"""What the learning rates are multiplied with at a step i of a phase of E epochs of L steps.

    "constant": 1. "cosine": $\frac12 (1 + \cos \frac{\pi i}{E L})$, times $\frac{i + 1}{w}$ while that is below 1, w
    the steps of warm-up. "warmup cosine", of paper M's code: the smaller of $\frac{i + 1}{w}$ and that cosine. "step":
    $\gamma^{\lfloor (e + e_0) / s \rfloor}$ in epoch e, $e_0$ those that went by before. "polynomial":
    $(1 - \frac{i}{E L})^p$.

    Args:
        schedule: of the phase.
        step: i, from 0.
        epochs: E.
        steps_per_epoch: L.

    Raises:
        ValueError: an unknown name.

    Example:
        >>> [round(factor(Schedule("warmup cosine", warmup=2), step, 1, 4), 3) for step in range(4)]
        [0.5, 0.854, 0.5, 0.146]
    """
    check_choice("schedule", schedule.name, SCHEDULES)
    done = step / (epochs * steps_per_epoch)
    rise = min(1.0, (step + 1) / schedule.warmup) if schedule.warmup else 1.0
    if schedule.name == "constant":
        return rise
    if schedule.name == "step":
        return rise * schedule.gamma ** ((step // steps_per_epoch + schedule.elapsed) // schedule.every)
    if schedule.name == "polynomial":
        return rise * (1 - done) ** schedule.power
    cosine = (1 + math.cos(math.pi * done)) / 2
    return min(rise, cosine) if schedule.name == "warmup cosine" else rise * cosine


def clip(how: Optimizer, network: Iterable[nn.Parameter]) -> None:
    """Clip the network's gradients, by value or by norm, where the config says so; the loss's are left alone."""
    if how.clip_value is not None:
        nn.utils.clip_grad_value_(network, how.clip_value)
    if how.clip_norm is not None:
        nn.utils.clip_grad_norm_(network, how.clip_norm)

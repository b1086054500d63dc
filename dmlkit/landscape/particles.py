"""Embeddings and proxies as free points, without a network: where a loss alone takes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_number, check_pair, check_rows
from dmlkit.losses import warped_softmax
from dmlkit.metrics import average_distance_to_proxy

OPTIMIZERS = ("sgd", "adam")


@dataclass(frozen=True)
class ParticleRun:
    """What `train_particles` saw.

    Attributes:
        at: (K,) the steps at which positions were kept, from 0 to the last one.
        points: (K, N, d) the embeddings then.
        proxies: (K, C, d) the proxies then.
        distance: (steps + 1,) average distance to proxy (paper W, eq. 9) before the first step and after each.
        loss: (steps + 1,) mean loss at the same times, in nats.
    """

    at: Tensor
    points: Tensor
    proxies: Tensor
    distance: Tensor
    loss: Tensor


def train_particles(
    points: Tensor,
    labels: Tensor,
    proxies: Tensor,
    *,
    loss: Callable[..., Tensor] = warped_softmax,
    optimizer: str = "sgd",
    lr: float = 0.05,
    proxy_lr: float | None = None,
    eps: float = 1e-8,
    steps: int = 200,
    every: int = 1,
    **options: Any,
) -> ParticleRun:
    r"""Train embeddings and proxies that are free to go anywhere, and watch the distance to proxy (paper W, eq. 9).

    Every embedding goes down its own loss, every proxy goes down the mean loss:

    $$ e_i \leftarrow e_i - \eta\, \frac{\partial L_i}{\partial e_i}, \qquad
       p_c \leftarrow p_c - \eta_p\, \frac{1}{N} \sum_i \frac{\partial L_i}{\partial p_c} $$

    For "adam" these gradients are what it is given. No network stands behind the points, so they share nothing and
    nothing generalises; what is left is the loss. A second phase is a second call that begins where the first ended
    (Adam's moments then begin anew).

    Args:
        points: (N, d) embeddings to start from; not changed.
        labels: (N,) integers in 0 … C − 1.
        proxies: (C, d) proxies to start from, C ≥ 2; not changed.
        loss: a loss of dmlkit over (embeddings, labels, proxies).
        optimizer: "sgd" (no momentum) or "adam" (torch's β₁ = 0.9, β₂ = 0.999).
        lr: η, the learning rate of the embeddings.
        proxy_lr: η_p, that of the proxies; None takes `lr`, 0 holds them still.
        eps: Adam's ε; paper W's code has 1.
        steps: how many steps to take, at least 0.
        every: keep positions after each so many steps; the first and the last are always kept.
        **options: what the loss is told, as α, β and r of `dmlkit.losses.warped_softmax`.

    Returns:
        A `ParticleRun`, in the dtype of the points; distances are in units of the embedding.

    Raises:
        TypeError, ValueError: a wrong dtype, shape, label or option, NaN or infinity in the start.
        FloatingPointError: a position is no longer finite; the sentence says after which step.

    Example:
        >>> start, labels = torch.tensor([[0.5], [-0.5]]), torch.tensor([0, 1])
        >>> warp = {"alpha": 0.5, "beta": 1.5, "r": 1.0}
        >>> run = train_particles(start, labels, 2 * start, proxy_lr=0.0, steps=400, **warp)
        >>> run.distance[0].item(), round(run.distance[-1].item(), 1)  # from in front of the proxy to r behind it
        (0.5, 1.0)

    Explained in the chapter "Watch it train".
    """
    check_pair(points, labels, num_classes=len(proxies) if isinstance(proxies, Tensor) else None)
    check_rows(proxies, "proxies", columns=points.shape[1])
    check_finite(points, "points")
    check_finite(proxies, "proxies")
    check_choice("optimizer", optimizer, OPTIMIZERS)
    proxy_lr = lr if proxy_lr is None else proxy_lr
    for name, value in (("lr", lr), ("proxy_lr", proxy_lr)):
        check_number(name, value, least=0)
    check_number("eps", eps, above=0)
    for name, value, least in (("steps", steps, 0), ("every", every, 1)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be a whole number, found {value!r}")
        check_number(name, value, least=least)

    e = points.detach().clone().requires_grad_()
    p = proxies.detach().to(points.dtype).clone().requires_grad_()
    groups = [{"params": [e], "lr": lr}, {"params": [p], "lr": proxy_lr}]
    rule = torch.optim.SGD(groups) if optimizer == "sgd" else torch.optim.Adam(groups, eps=eps)
    kept, distance, values = [], [], []
    for step in range(steps + 1):
        if not (e.isfinite().all() and p.isfinite().all()):
            raise FloatingPointError(f"a position is not finite after step {step}; lower lr ({lr:g})")
        if step % every == 0 or step == steps:
            kept.append((step, e.detach().clone(), p.detach().clone()))
        rule.zero_grad()
        total = loss(e, labels, p, reduction="sum", **options)
        distance.append(average_distance_to_proxy(e.detach(), labels, p.detach()))
        values.append(total.item() / len(e))
        if step < steps:
            total.backward()
            p.grad /= len(e)
            rule.step()
    at, e_kept, p_kept = zip(*kept, strict=True)
    curves = [torch.tensor(curve, dtype=points.dtype) for curve in (distance, values)]
    return ParticleRun(torch.tensor(at), torch.stack(e_kept), torch.stack(p_kept), *curves)

"""The training loop: a model and a loss in, the trained model and its run record out."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

import dmlkit
from dmlkit.data.split import ImageSplit
from dmlkit.environment import building_book
from dmlkit.metrics import recall_at_k, silhouette_score
from dmlkit.records import RunRecord


class Trained(NamedTuple):
    """What `train` returns: the network in evaluation mode, the loss with its trained parameters, the record."""

    model: nn.Module
    loss: nn.Module
    record: RunRecord


def train(
    name: str,
    make_model: Callable[[], nn.Module],
    make_loss: Callable[[], nn.Module],
    data: ImageSplit,
    *,
    epochs: int = 20,
    batch_size: int = 64,
    lr: float = 3e-3,
    loss_lr: float | None = None,
    seed: int = 0,
    distance: str = "cosine",
    device: str | torch.device = "cpu",
    progress: bool | None = None,
) -> Trained:
    """Train a network with a loss and evaluate its embedding of the test half.

    Adam, shuffled batches (the last incomplete one is dropped), no schedule. The same seed on the same machine and
    versions gives the same run; the caller's random state is left as it was.

    Args:
        name: of the run in tables.
        make_model: makes the network, images (N, channels, H, W) to embeddings (N, d).
        make_loss: makes the loss, a module over (embeddings, labels); its parameters (proxies, classifier) train too.
        data: what to train and test on.
        epochs: passes over the training half.
        batch_size: images a step.
        lr: learning rate of the network.
        loss_lr: learning rate of the loss's parameters; None takes `lr`.
        seed: of initialisation and batch order.
        distance: "cosine" or "euclidean", for the final measures.
        device: where to train.
        progress: show a bar; None shows one unless the book is being built.

    Returns:
        Network, loss and record, the last with metrics "R@1" and "silhouette" on the test half.

    Raises:
        ValueError: more images a step than there are.
        FloatingPointError: the loss is no longer finite; the sentence says in which epoch.

    Explained in the chapter "A first embedding".
    """
    if not 1 <= batch_size <= len(data.train_images):
        raise ValueError(f"batch_size must lie in 1 … {len(data.train_images)}, found {batch_size}")
    device = torch.device(device)
    loss_lr = lr if loss_lr is None else loss_lr
    if progress is None:
        progress = not building_book()
    started = time.perf_counter()

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        # The network first: the same seed then gives every loss the same initial network.
        model, loss = make_model().to(device), make_loss().to(device)
        groups = [{"params": list(model.parameters()), "lr": lr}]
        if any(True for _ in loss.parameters()):
            groups.append({"params": list(loss.parameters()), "lr": loss_lr})
        settings = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "loss_lr": loss_lr, "distance": distance}
        record = _begin(name, seed, model, loss, data, device, settings)
        epochs_of_training = tqdm(
            _descend(model, loss, torch.optim.Adam(groups), data, epochs, batch_size, seed, device),
            total=epochs,
            desc=f"{name}, seed {seed}",
            disable=not progress,
            leave=False,  # a chapter trains dozens of networks
        )
        for mean in epochs_of_training:
            record.curves["loss"].append(mean)
            epochs_of_training.set_postfix(loss=f"{mean:.3f}")
            if not math.isfinite(mean):
                epoch = len(record.curves["loss"])
                raise FloatingPointError(f"{name}, seed {seed}: the loss is {mean} in epoch {epoch}; lower lr ({lr:g})")

    embeddings = embed(model, data.test_images)
    if not embeddings.isfinite().all():
        raise FloatingPointError(
            f"{name}, seed {seed}: the last step left weights that are not finite; lower lr ({lr:g})"
        )
    labels = data.test_labels.to(device)
    record.metrics["R@1"] = recall_at_k(embeddings, labels, ks=(1,), distance=distance)[1]
    record.metrics["silhouette"] = silhouette_score(embeddings, labels, distance=distance)
    record.seconds = time.perf_counter() - started
    return Trained(model, loss, record)


def _begin(
    name: str, seed: int, model: nn.Module, loss: nn.Module, data: ImageSplit, device: torch.device, settings: dict
) -> RunRecord:
    """The record of a run before its first step."""
    parameters = sum(p.numel() for p in model.parameters())
    return RunRecord(
        name=name,
        seed=seed,
        config={
            "model": type(model).__name__,
            "parameters": parameters,
            "loss": repr(loss),
            "optimizer": "Adam",
            **settings,
        },
        data={
            "name": data.name,
            "sha256": data.checksum,
            "train": len(data.train_images),
            "test": len(data.test_images),
            "source": data.source,
        },
        versions={"python": platform.python_version(), "torch": torch.__version__, "dmlkit": dmlkit.__version__},
        device=str(device),
        curves={"loss": []},
    )


def _descend(
    model: nn.Module,
    loss: nn.Module,
    optimizer: torch.optim.Optimizer,
    data: ImageSplit,
    epochs: int,
    batch_size: int,
    seed: int,
    device: torch.device,
) -> Iterator[float]:
    """Train, and yield the mean loss of each epoch."""
    images, labels = data.train_images.to(device), data.train_labels.to(device)
    # A generator of its own: the order of the batches must not depend on how many numbers a loss has drawn.
    order = torch.Generator().manual_seed(seed)
    model.train()
    for _ in range(epochs):
        total = torch.zeros((), device=device)
        shuffled = torch.randperm(len(images), generator=order).to(device)
        batches = shuffled[: len(images) // batch_size * batch_size].split(batch_size)
        for batch in batches:
            value = loss(model(images[batch]), labels[batch])
            optimizer.zero_grad(set_to_none=True)
            value.backward()
            optimizer.step()
            total += value.detach()
        yield (total / len(batches)).item()


@torch.no_grad()
def embed(model: nn.Module, images: Tensor, *, batch_size: int = 1024) -> Tensor:
    """The embeddings of `images` (N, channels, H, W) in evaluation mode: (N, d), on the model's device."""
    model.eval()
    device = next((parameter.device for parameter in model.parameters()), images.device)
    return torch.cat([model(batch.to(device)) for batch in images.split(batch_size)])

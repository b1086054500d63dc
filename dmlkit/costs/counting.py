"""Operations, traffic and saved activations of a network, counted on shapes alone: no image, no weight, no GPU."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from dmlkit.models import build
from dmlkit.recipes.config import LossTerm, Network
from dmlkit.training.assembly import build_loss


class Operation(NamedTuple):
    """One operation of a forward pass.

    Attributes:
        flops: floating point operations, a multiplication with its addition counted as two; of products and
            convolutions only, 0 for all others.
        bytes: read and written, in float32.
        kind: "convolution", "grouped convolution", "product" or "other".
    """

    flops: float
    bytes: float
    kind: str


@dataclass(frozen=True)
class Counted:
    """A forward pass of a network in training mode over one batch of images.

    Attributes:
        operations: one by one.
        saved: bytes that are kept for the backward pass, in float32, without weights.
        saved_by_head: those of them that are kept where the backbone does not train.
        backbone_parameters, head_parameters: how many numbers train.
        width: tap → columns: what the losses are given.
    """

    operations: tuple[Operation, ...]
    saved: int
    saved_by_head: int
    backbone_parameters: int
    head_parameters: int
    width: dict[str, int]

    @property
    def flops(self) -> float:
        """Of the whole pass."""
        return sum(operation.flops for operation in self.operations)


def forward_pass(network: Network, size: int, images: int) -> Counted:
    """Count the forward pass of a batch.

    Args:
        network: of a config; its pretrained weights are not looked for, since numbers do not change shapes.
        size: side of the images in pixels.
        images: in the batch.

    Example:
        >>> counted = forward_pass(Network("resnet50", head="none", embedding_dim=None), 224, 2)
        >>> f"{counted.flops / 2 / 2 / 1e9:.1f} billion multiplications an image"
        '4.1 billion multiplications an image'
    """
    return _forward_pass(replace(network, pretrained=False), size, images)


@functools.lru_cache(maxsize=256)  # recipes share networks; a pass takes some tenths of a second
def _forward_pass(network: Network, size: int, images: int) -> Counted:
    with torch.device("meta"):
        made = build(network, size=size)
        batch = torch.empty(images, 3, size, size)
    # Several operations save the same tensor; it lies in memory once. The storages are held, so that their numbers are
    # not given to others.
    saved: dict[int, torch.UntypedStorage] = {}
    by_head: dict[int, torch.UntypedStorage] = {}

    def keeping(kept: dict[int, torch.UntypedStorage]) -> saved_tensors_hooks:
        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.untyped_storage()._cdata] = tensor.untyped_storage()
            return tensor

        return saved_tensors_hooks(keep, lambda tensor: tensor)

    own = {held.untyped_storage()._cdata for held in (*made.parameters(), *made.buffers())}
    with _Ledger() as ledger:
        with keeping(saved):
            features = made.dropout(made.features(batch))
        with keeping(by_head):
            made.head(features)

    def size_of(kept: dict[int, torch.UntypedStorage]) -> int:
        return sum(storage.nbytes() for number, storage in kept.items() if number not in own)

    backbone = sum(parameter.numel() for parameter in made.backbone_parameters())
    return Counted(
        tuple(ledger.operations),
        size_of(saved | by_head),
        size_of(by_head),
        backbone,
        sum(parameter.numel() for parameter in made.parameters()) - backbone,
        {"embeddings": made.embedding_dim, "features": made.num_features},
    )


class _Ledger(TorchDispatchMode):
    """Notes every operation that touches memory."""

    def __init__(self) -> None:
        super().__init__()
        self.operations: list[Operation] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        made = func(*args, **kwargs)
        if not _is_view(func):
            count = flop_registry.get(func._overloadpacket)
            flops = count(*args, **kwargs, out_val=made) if count is not None else 0
            touched = sum(tensor.nbytes for tensor in _tensors((args, kwargs, made)))
            self.operations.append(Operation(flops, touched, _kind(func, args, flops)))
        return made


def _kind(func: Any, args: Any, flops: float) -> str:
    if "conv" in func._overloadpacket.__name__:
        images, kernels = args[:2]
        return "convolution" if kernels.shape[1] == images.shape[1] else "grouped convolution"
    return "product" if flops else "other"


def _is_view(func: Any) -> bool:
    """Whether an operation gives another shape to the same memory, which takes no time."""
    return any(result.alias_info is not None and not result.alias_info.is_write for result in func._schema.returns)


def _tensors(nested: Any) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(nested) if isinstance(leaf, Tensor))


class LossSize(NamedTuple):
    """What losses hold.

    Attributes:
        parameters: proxies, centres, classifiers: how many numbers.
        rows: of all their matrices together: with each of them a batch is compared.
    """

    parameters: int
    rows: int


def loss_size(terms: tuple[LossTerm, ...], num_classes: int, width: dict[str, int]) -> LossSize:
    """The parameters of a config's losses, made on shapes alone.

    Args:
        terms, num_classes, width: as `dmlkit.training.assembly.build_loss`.

    Example:
        >>> loss_size((LossTerm("ProxyAnchor"),), 100, {"embeddings": 512})
        LossSize(parameters=51200, rows=100)
    """
    with torch.device("meta"):
        made: nn.Module = build_loss(terms, num_classes, width)
    held = list(made.parameters())
    return LossSize(sum(p.numel() for p in held), sum(p.numel() // p.shape[-1] for p in held if p.ndim > 1))

"""What every loss shares: checks of a batch, the reduction over anchors, full precision under autocast, the module."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dmlkit.checks import check_choice, check_pair, check_parameter, check_rows
from dmlkit.geometry import compact_labels, unit_rows

REDUCTIONS = ("none", "mean", "sum")


def reduce_anchors(values: Tensor, reduction: str, counted: Tensor | None = None) -> Tensor:
    """Reduce one value an anchor to the loss.

    Args:
        values: (N,), one value an anchor.
        reduction: "none", "mean" or "sum".
        counted: (N,) booleans; anchors that are not counted give 0 and stay out of the mean. If none is counted,
            the mean is 0 with a zero gradient: such a batch says nothing.

    Raises:
        ValueError: an unknown reduction.
    """
    check_choice("reduction", reduction, REDUCTIONS)
    if counted is not None:
        values = torch.where(counted, values, 0.0)
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    anchors = len(values) if counted is None else counted.sum().clamp(min=1)
    return values.sum() / anchors


def without_autocast(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """Run a loss outside autocast: a float16 matrix product would cost it the digits it is about."""

    @functools.wraps(loss)
    def wrapped(*args, **kwargs) -> Tensor:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        if not tensors:
            return loss(*args, **kwargs)  # let the check at the door speak
        with torch.autocast(tensors[0].device.type, enabled=False):
            return loss(*args, **kwargs)

    return wrapped


def check_proxies(
    embeddings: Tensor, labels: Tensor, proxies: Tensor, name: str = "proxies", *, rivals: bool = False
) -> None:
    """Require embeddings with labels 0 … C − 1, and one row of the same width for each of the C classes.

    With `rivals` C must be at least 2.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or label, or an empty batch.
    """
    check_rows(proxies, name)
    check_pair(embeddings, labels, num_classes=len(proxies))
    check_rows(proxies, name, columns=embeddings.shape[1])
    check_parameter(proxies, name, proxies.shape, embeddings)
    if rivals and len(proxies) < 2:
        raise ValueError(f"{name} must hold at least two rows: with one class there is nothing to tell apart")


def function_values(function: Callable[[Tensor], Tensor], name: str, distances: Tensor) -> Tensor:
    """f(d) of a function that somebody gave, of the shape of `distances`.

    Raises:
        TypeError, ValueError: no function, one that returns no tensor, or one that changes shapes.
    """
    if not callable(function):
        raise TypeError(f"{name} must be a function of distances, found {type(function).__name__}")
    values = function(distances)
    if not isinstance(values, Tensor):
        raise TypeError(f"{name} must return a torch.Tensor, found {type(values).__name__}")
    if values.shape != distances.shape:
        found = tuple(values.shape)
        raise ValueError(f"{name} must keep the shape {tuple(distances.shape)} of its distances, found {found}")
    return values


def value_and_slope(function: Callable[[Tensor], Tensor], name: str, distances: Tensor) -> tuple[Tensor, Tensor]:
    """f(d), and the f′(d) that descent follows: where a gradient is stopped, not the slope of the value.

    Raises:
        TypeError, ValueError: as `function_values`.
    """
    with torch.enable_grad():
        leaf = distances.detach().clone().requires_grad_()
        values = function_values(function, name, leaf)
        if not values.requires_grad:  # a constant has no graph
            return values, torch.zeros_like(distances)
        (slope,) = torch.autograd.grad(values.sum(), leaf, materialize_grads=True)
    return values.detach(), slope


def proxy_cosines(embeddings: Tensor, proxies: Tensor) -> Tensor:
    """cos(e_i, p_c): (N, d) in full precision and (C, d) in any to (N, C)."""
    return unit_rows(embeddings) @ unit_rows(proxies.to(embeddings.dtype)).T


class ClassMates(NamedTuple):
    """Which rows share a row's class, as short lists rather than as an (N, N) mask."""

    positives: Tensor  # (N, P), the numbers of the row's positives; its own number where it has fewer than P
    present: Tensor  # (N, P), booleans: whether there is such a positive
    own: Tensor  # (N, P + 1), the positives and the row itself
    counts: Tensor  # (N,), how many positives it has


def class_mates(labels: Tensor) -> ClassMates:
    """List, for each row, the other rows of its class.

    A batch has many classes and few rows of each: what concerns positives is cheap by this list, and what concerns
    negatives is a dense (N, N) array from which the list is struck out.

    Args:
        labels: (N,), any integers.
    """
    index, sizes = compact_labels(labels)
    rows = len(labels)
    most = rows if torch.compiler.is_compiling() else int(sizes.max())
    order = index.argsort(stable=True)  # the rows of a class in a run, the run's first row at `start`
    start = (sizes.cumsum(dim=0) - sizes)[index].unsqueeze(1)
    itself = torch.arange(rows, device=labels.device).unsqueeze(1)
    place = torch.empty_like(order).scatter(0, order, itself.squeeze(1)).unsqueeze(1) - start
    column = torch.arange(max(most - 1, 1), device=labels.device)
    counts = sizes[index] - 1
    present = column < counts.unsqueeze(1)
    column = column + (column >= place)  # leave the row itself out
    positives = torch.where(present, order[(start + column).clamp_max(rows - 1)], itself)
    return ClassMates(positives, present, torch.cat([itself, positives], dim=1), counts)


def log_one_plus_exp(x: Tensor) -> Tensor:
    """log(1 + eˣ), exact to the last digit of float64 (torch's softplus becomes x from 20 on)."""
    return F.softplus(x, threshold=40)


class Loss(nn.Module):
    """A loss function as a module over (embeddings, labels) that holds its options.

    A subclass names its function: `class SupCon(Loss, function=sup_con)`. What the function takes by keyword only are
    the options of the module, with the same defaults; they are attributes, and may be changed between two phases of a
    training. Positional arguments after (embeddings, labels) are parameters, which the subclass makes.
    """

    function: ClassVar[Callable[..., Tensor]]
    _options: ClassVar[tuple[str, ...]]
    _held: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, function: Callable[..., Tensor] | None = None, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if function is None:
            return
        cls.function = staticmethod(function)
        arguments = inspect.signature(function).parameters.values()
        options = [argument for argument in arguments if argument.kind is argument.KEYWORD_ONLY]
        cls._options = tuple(option.name for option in options)
        cls._held = tuple(argument.name for argument in arguments if argument.kind is not argument.KEYWORD_ONLY)[2:]
        # What help() and editors show; also what __init__ checks its keywords against.
        own = [p for p in inspect.signature(cls.__init__).parameters.values() if p.kind is not p.VAR_KEYWORD]
        cls.__signature__ = inspect.Signature([*own[1:], *options])

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._set(options)

    def _set(self, options: dict[str, Any]) -> None:
        signature = inspect.signature(self.function)
        known = signature.replace(parameters=[signature.parameters[name] for name in self._options])
        try:
            bound = known.bind(**options)
        except TypeError as error:
            raise TypeError(f"{type(self).__name__}: {error}; its options are {', '.join(self._options)}") from None
        bound.apply_defaults()
        for name, value in bound.arguments.items():
            setattr(self, name, value)

    def extra_repr(self) -> str:
        shape = [str(size) for size in getattr(self, self._held[0]).shape] if self._held else []
        return ", ".join([*shape, *(f"{name}={_shown(getattr(self, name))}" for name in self._options)])

    def forward(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        held = [getattr(self, name) for name in self._held]
        return self.function(embeddings, labels, *held, **{name: getattr(self, name) for name in self._options})


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return getattr(value, "__name__", None) or repr(value)


class ProxyLoss(Loss):
    """A loss that holds one row for each class: proxies, centers or the weight of a classifier."""

    def __init__(self, num_classes: int, embedding_dim: int, **options: Any) -> None:
        super().__init__(**options)
        setattr(self, self._held[0], nn.Parameter(self.start(num_classes, embedding_dim)))

    @staticmethod
    def start(num_classes: int, embedding_dim: int) -> Tensor:
        """The rows before training: normal with variance 2/fan-out, where the fan-out of (C, d) is C."""
        return nn.init.kaiming_normal_(torch.empty(num_classes, embedding_dim), mode="fan_out")

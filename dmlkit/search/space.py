"""What a search may change: dotted paths into a config, and a range for each."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from dmlkit import losses
from dmlkit.checks import check_number
from dmlkit.recipes.config import Config, LossTerm


@dataclass(frozen=True)
class Uniform:
    """Numbers between `low` and `high`, all equally likely.

    Raises:
        TypeError, ValueError: not finite numbers, or `high` not above `low`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_number("low", self.low)
        check_number("high", self.high, above=self.low)


@dataclass(frozen=True)
class LogUniform:
    """Positive numbers between `low` and `high` whose logarithm is uniform: for learning rates and decays.

    Raises:
        TypeError, ValueError: not finite numbers, `low` not positive, or `high` not above `low`.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        check_number("low", self.low, above=0)
        check_number("high", self.high, above=self.low)


@dataclass(frozen=True)
class UniformInteger:
    """Whole numbers from `low` to `high`, both of them included.

    Raises:
        TypeError, ValueError: not whole numbers, or `high` not above `low`.
    """

    low: int
    high: int

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if not isinstance(getattr(self, name), int):
                raise TypeError(f"{name} must be an integer, found {type(getattr(self, name)).__name__}")
        check_number("high", self.high, above=self.low)


@dataclass(frozen=True)
class Categorical:
    """One of some numbers, words, booleans or None.

    Raises:
        TypeError: another kind of value.
        ValueError: fewer than two values, or one twice.
    """

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "values", tuple(self.values))
        for value in self.values:
            if not isinstance(value, (bool, int, float, str, type(None))):
                raise TypeError(f"values must be numbers, words, booleans or None, found {type(value).__name__}")
        if len(self.values) < 2 or len({repr(value) for value in self.values}) < len(self.values):
            raise ValueError(f"values must be at least two different ones, found {self.values}")


Range = Uniform | LogUniform | UniformInteger | Categorical
Space = Mapping[str, Range]


def paths(config: Config) -> list[str]:
    """Every path that `replace_at` takes: the values of the config, and the options that its losses could have.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> [path for path in paths(warped_softmax("cub200")) if path.startswith("loss.0.options.a")]
        ['loss.0.options.alpha']
    """
    return [".".join(steps) for steps in _leaves(config)]


def replace_at(config: Config, path: str, value: Any) -> Config:
    """The config with another value at a path.

    Args:
        config: stays as it is.
        path: names of fields, numbers of tuple entries and keys of mappings, with dots between:
            "phases.0.optimizer.lr", "loss.0.options.alpha". An option of a loss may be set where the config leaves it
            at its default.
        value: what is to be there.

    Raises:
        ValueError: no such path; the nearest ones are said.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> replace_at(warped_softmax("cub200"), "phases.1.optimizer.lr", 0.25).phases[1].optimizer.lr
        0.25
    """
    known = paths(config)
    if path not in known:
        near = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        raise ValueError(f"the config has no value at {path!r}" + (f": did you mean {' or '.join(near)}?" * bool(near)))
    return _replaced(config, path.split("."), value)


def _children(whole: Any) -> dict[str, Any] | None:
    """Step → part; None for a value, which has no parts."""
    if isinstance(whole, LossTerm):
        # A classifier's label smoothing is worth a search although its recipe never mentions it. What has no default,
        # such as the number of classes, comes from the run.
        parameters = inspect.signature(getattr(losses, whole.name, object)).parameters
        options = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
        return {**vars(whole), "options": {**options, **whole.options}}
    if is_dataclass(whole):
        # `ours` explains settings and is none.
        return {item.name: getattr(whole, item.name) for item in fields(whole) if item.name != "ours"}
    if isinstance(whole, Mapping):
        return {str(key): part for key, part in whole.items()}
    if isinstance(whole, tuple):
        return {str(place): part for place, part in enumerate(whole)}
    return None


def _leaves(whole: Any) -> Iterator[tuple[str, ...]]:
    children = _children(whole)
    if children is None:
        yield ()
        return
    for step, part in children.items():
        for rest in _leaves(part):
            yield (step, *rest)


def _replaced(whole: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(whole, tuple):
        place = int(step)
        return (*whole[:place], _replaced(whole[place], rest, value), *whole[place + 1 :])
    if isinstance(whole, Mapping):
        key = next((key for key in whole if str(key) == step), step)
        return {**whole, key: _replaced(whole.get(key), rest, value)}
    return replace(whole, **{step: _replaced(getattr(whole, step), rest, value)})

"""Ranges: what a search draws the values of a config from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dmlkit.checks import check_number


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

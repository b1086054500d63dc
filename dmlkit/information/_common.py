"""What the estimators share: whole numbers at the door."""

from __future__ import annotations


def check_count(name: str, value: int, *, least: int = 1) -> None:
    """Require a whole number of at least `least`.

    Raises:
        TypeError: not an int.
        ValueError: too small.
    """
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} must be an int, found {type(value).__name__}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, found {value}")

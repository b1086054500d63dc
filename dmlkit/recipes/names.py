"""A name that is not known is refused with those that are, and with the nearest."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def look_up(argument: str, name: str, table: Mapping[str, Value], of: str = "") -> Value:
    """`table[name]`.

    Args:
        argument: what the name was given as.
        name: what was asked for.
        table: what there is.
        of: what knows no other names, e.g. "faces"; "" where nothing limits them.

    Raises:
        ValueError: no such name.

    Example:
        >>> look_up("benchmark", "cub20", {"cub200": 1, "sop": 2}, of="warped_softmax")
        Traceback (most recent call last):
            ...
        ValueError: benchmark must be one of cub200, sop for warped_softmax, found 'cub20': did you mean 'cub200'?
    """
    if name in table:
        return table[name]
    near = difflib.get_close_matches(str(name), table, n=1)
    hint = f": did you mean {near[0]!r}?" if near else ""
    limit = f" for {of}" if of else ""
    raise ValueError(f"{argument} must be one of {', '.join(table)}{limit}, found {name!r}{hint}")

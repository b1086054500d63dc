"""The catalogue: every data set of the papers, with its split, sources, checksums, licence and citation."""

from __future__ import annotations

import difflib

from dmlkit.data.entries import faces, fine_grained, fine_grained_stand_ins, general, general_stand_ins, retrieval
from dmlkit.data.entry import Entry

_ENTRIES: tuple[Entry, ...] = (
    *general.ENTRIES,
    *fine_grained.ENTRIES,
    *retrieval.ENTRIES,
    *faces.ENTRIES,
    *general_stand_ins.ENTRIES,
    *fine_grained_stand_ins.ENTRIES,
)
CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}


def find(name: str) -> Entry:
    """The entry of this name.

    Raises:
        ValueError: no such name; it says the nearest ones, or all.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    near = difflib.get_close_matches(str(name).lower(), CATALOGUE, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {', '.join(CATALOGUE)}"
    raise ValueError(f"there is no data set named {name!r}: {hint}")

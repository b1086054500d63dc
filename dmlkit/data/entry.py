"""What the catalogue knows of a data set."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dmlkit.data.images import ImageSet, Pairs
from dmlkit.data.layouts.common import Count, Drawing

TASKS = ("classification", "retrieval", "verification", "face training")


@dataclass(frozen=True)
class Source:
    """One file that a data set is made from.

    Attributes:
        file: its official name; looked for in the data root's folder `archives`.
        url: where it can be downloaded, or None where a site asks for consent or is gone.
        checksum: "md5:…" or "sha256:…", or None where none is published.
        size: bytes, or None.
        into: the folder, inside the data set's own, that it is unpacked or copied into.
        unpack: an archive, or a file that is taken as it is.
        pack: where it lies in the packs of real images (`DMLKIT_PACKS`), or None.
    """

    file: str
    url: str | None = None
    checksum: str | None = None
    size: int | None = None
    into: str = "."
    unpack: bool = True
    pack: str | None = None


@dataclass(frozen=True)
class Entry:
    """One data set of the catalogue.

    Attributes:
        name: what `benchmark` takes.
        title: its full name.
        task: one of `TASKS`.
        counts: split → how many images and classes; checked each time it is opened.
        sources: the files it is made from.
        read: folder → split → `ImageSet` (or `Pairs`), from the official annotation files.
        draw: writes a miniature in the official layout into a folder, and says what each split of it has.
        miniature: how many classes and images a class that miniature has.
        licence: what its publisher says, in a few words.
        citation: whom to cite.
        used_by: where the papers use it.
        by_hand: how to get what cannot be downloaded, one sentence; "" where all can.
        note: what a user must know of its split, one sentence; "" where nothing.
        finish: what remains to be done in the folder after its sources are unpacked.
        zero_shot: no class of the training split may be in any other split.
        shows_people: no picture of it is printed in the book.
        unused: image files of the sources that no split uses, as patterns of `Path.match`.
        stands_in_for: the benchmark that this is a small stand-in for; its numbers are not comparable with papers.
    """

    name: str
    title: str
    task: str
    counts: Mapping[str, Count]
    sources: tuple[Source, ...]
    read: Callable[[Path], Mapping[str, ImageSet | Pairs]]
    draw: Callable[[Path, Drawing], dict[str, Count]] | None
    licence: str
    citation: str
    used_by: str
    miniature: Drawing = field(default=Drawing(classes=8, per_class=6))
    by_hand: str = ""
    note: str = ""
    finish: Callable[[Path], None] | None = None
    zero_shot: bool = False
    shows_people: bool = False
    unused: tuple[str, ...] = ()
    stands_in_for: str | None = None

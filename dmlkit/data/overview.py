"""The catalogue in words: tables and lists in Markdown that also read well as plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from dmlkit.checks import check_choice
from dmlkit.data.catalogue import CATALOGUE
from dmlkit.data.entry import TASKS, Entry


def official(task: str) -> list[Entry]:
    """The entries of a task in the catalogue's order, without stand-ins.

    Args:
        task: one of `entry.TASKS`.

    Raises:
        ValueError: another task.

    Example:
        >>> [entry.name for entry in official("retrieval")]
        ['cub200', 'cars196', 'sop', 'in-shop']
    """
    check_choice("task", task, TASKS)
    return [entry for entry in CATALOGUE.values() if entry.task == task and entry.stands_in_for is None]


def stand_ins() -> list[Entry]:
    """The small stand-ins of all tasks, in the catalogue's order."""
    return [entry for entry in CATALOGUE.values() if entry.stands_in_for is not None]


def size_table(entries: Iterable[Entry]) -> str:
    """How many images, classes and pairs each split has: a Markdown table with a row a split.

    Columns are few, so that it fits a phone, and padded, so that it reads in a terminal; one that would be empty is
    left out.

    Args:
        entries: of the catalogue, at least one.

    Raises:
        ValueError: no entries.

    Example:
        >>> print(size_table([CATALOGUE["cub200"]]))
        | data set | split | images | classes |
        |:---------|:------|-------:|--------:|
        | cub200   | train |  5,864 |     100 |
        |          | test  |  5,924 |     100 |
    """
    rows = []
    for entry in _some(entries):
        for place, (split, count) in enumerate(entry.counts.items()):
            numbers = [None if n is None else f"{n:,}" for n in (count.images, count.classes, count.pairs)]
            rows.append(["" if place else entry.name, split, *numbers])
    return _table(("data set", "split", "images", "classes", "pairs"), rows, words=2)


def descriptions(entries: Iterable[Entry]) -> str:
    """What does not fit a table: title, use in the papers, licence, and what to know of the split.

    An item a data set; those of which the same is said share one.

    Args:
        entries: of the catalogue, at least one.

    Raises:
        ValueError: no entries.

    Example:
        >>> print(descriptions([CATALOGUE["fashion-mnist"]]))
        - **Fashion-MNIST** (`fashion-mnist`). Used in small runs. Licence: MIT.
    """
    titles: dict[tuple[str, ...], list[str]] = {}
    for entry in _some(entries):
        facts = [f"Used in {entry.used_by}"]
        if entry.stands_in_for is not None:
            facts.append("Its numbers are not comparable with papers")
        if entry.zero_shot:
            facts.append("Zero-shot split")
        facts.append(f"Licence: {entry.licence}")
        if entry.note:
            facts.append(f"Note: {entry.note}")
        titles.setdefault(tuple(facts), []).append(f"**{entry.title}** (`{entry.name}`)")
    return "\n".join(_item([", ".join(found), *facts]) for facts, found in titles.items())


def how_to_get(entries: Iterable[Entry]) -> str:
    """By download or by hand, with the call that opens it and what is known of sizes.

    An item a way; data sets that are got in the same way share one.

    Args:
        entries: of the catalogue, at least one.

    Raises:
        ValueError: no entries.

    Example:
        >>> print(how_to_get([CATALOGUE["cub200"], CATALOGUE["digits"]]))
        - `cub200` (1,151 MB): by download, `benchmark("cub200", download=True)`.
        - `digits`: nothing to fetch, `benchmark("digits")`.
        >>> print(how_to_get([CATALOGUE["cub200"], CATALOGUE["sop"]]))
        - `cub200` (1,151 MB), `sop`: by download, `benchmark(name, download=True)`.
    """
    ways: dict[tuple[str, str], list[Entry]] = {}
    for entry in _some(entries):
        ways.setdefault(_way(entry), []).append(entry)
    items = []
    for (way, reason), found in ways.items():
        name = f'"{found[0].name}"' if len(found) == 1 else "name"
        what = f"{', '.join(map(_fetched, found))}: {way.format(name=name)}"
        items.append(_item([what, reason] if reason else [what]))
    return "\n".join(items)


def citations(entries: Iterable[Entry]) -> str:
    """Whom to cite, in alphabetical order, and for which data sets; an item a publication.

    Args:
        entries: of the catalogue, at least one.

    Raises:
        ValueError: no entries.

    Example:
        >>> print(citations([CATALOGUE["calfw"]]))
        - Zheng, Deng, Hu: Cross-Age LFW, 2017. For `calfw`.
    """
    names: dict[str, list[str]] = {}
    for entry in _some(entries):
        names.setdefault(entry.citation, []).append(f"`{entry.name}`")
    return "\n".join(_item([whom, f"For {', '.join(found)}"]) for whom, found in sorted(names.items()))


def _by_download(entry: Entry) -> bool:
    return all(source.url is not None for source in entry.sources)


def _way(entry: Entry) -> tuple[str, str]:
    """How an entry is got, its call with a place for the name, and one sentence more or ""; without full stops."""
    if not entry.sources:
        return "nothing to fetch, `benchmark({name})`", ""
    if _by_download(entry):
        # What is got by hand says so in the catalogue's own words.
        unchecked = any(source.checksum is None for source in entry.sources)
        caution = "No checksum is published; names and counts are checked" if unchecked else ""
        return "by download, `benchmark({name}, download=True)`", caution
    place = "put the files into `archives`"
    if all(source.pack is not None for source in entry.sources):
        place = f"name the folder of the packs in `DMLKIT_PACKS`, or {place}"
    # by_hand continues a sentence of `benchmark`; here it begins one.
    return f"by hand, {place}, then `benchmark({{name}})`", entry.by_hand[:1].upper() + entry.by_hand[1:]


def _fetched(entry: Entry) -> str:
    """Its name, the files to be placed where that is done by hand, and their size where it is known."""
    about = [] if _by_download(entry) else [f"`{source.file}`" for source in entry.sources]
    sizes = [source.size for source in entry.sources]
    if sizes and None not in sizes:
        about.append(f"{max(1, round(sum(sizes) / 1e6)):,} MB")
    return f"`{entry.name}` ({', '.join(about)})" if about else f"`{entry.name}`"


def _item(sentences: Sequence[str]) -> str:
    return f"- {'. '.join(sentences)}."


def _some(entries: Iterable[Entry]) -> list[Entry]:
    entries = list(entries)
    if not entries:
        raise ValueError("entries must hold at least one entry of the catalogue, found none")
    return entries


def _table(head: Sequence[str], rows: Sequence[Sequence[str | None]], *, words: int) -> str:
    """A Markdown table; the first `words` columns stand left, the rest, numbers, right. None is an empty cell."""
    kept = [k for k in range(len(head)) if any(row[k] is not None for row in rows)]
    cells = [[row[k] or "" for k in kept] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = [k < words for k in kept]
    lines = [
        " | ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(row, widths, left, strict=True)
        )
        for row in cells
    ]
    rules = [
        f":{'-' * (width + 1)}" if is_left else f"{'-' * (width + 1)}:"
        for width, is_left in zip(widths, left, strict=True)
    ]
    return "\n".join([f"| {lines[0]} |", f"|{'|'.join(rules)}|", *(f"| {line} |" for line in lines[1:])])

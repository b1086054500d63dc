"""The catalogue in words: everything it knows is said, tables are tables, and calls are those that work."""

import ast
import dataclasses
import doctest
import re

import pytest

from dmlkit.data import CATALOGUE, DataError, benchmark, overview
from dmlkit.data.entry import TASKS, Entry, Source
from dmlkit.data.layouts.common import Count

EVERY = list(CATALOGUE.values())
NAMES = list(CATALOGUE)
WRITERS = [overview.size_table, overview.descriptions, overview.how_to_get, overview.citations]


def made_up(**changes):
    """An entry like none in the catalogue, to see what each field does."""
    known = Entry(
        name="made-up",
        title="Made Up",
        task="retrieval",
        counts={"train": Count(10, 2)},
        sources=(Source("a.zip", url="https://example.org/a.zip", checksum="md5:0", size=2_400_000),),
        read=None,
        draw=None,
        licence="MIT",
        citation="Nobody: Nothing, 2000",
        used_by="small runs",
    )
    return dataclasses.replace(known, **changes)


def cells(table):
    """Rows of a Markdown table, without the rule under its head."""
    lines = table.splitlines()
    assert re.fullmatch(r"\|(:-+\||-+:\|)+", lines[1])
    return [[cell.strip() for cell in line.strip("|").split("|")] for k, line in enumerate(lines) if k != 1]


def test_docstrings():
    found = doctest.testmod(overview)
    assert found.attempted >= 5
    assert found.failed == 0


def test_every_entry_is_official_for_one_task_or_a_stand_in():
    listed = [entry for task in TASKS for entry in overview.official(task)] + overview.stand_ins()
    assert sorted(entry.name for entry in listed) == sorted(NAMES)
    assert all(entry.task == task for task in TASKS for entry in overview.official(task))
    assert {entry.stands_in_for for entry in overview.stand_ins()} <= set(NAMES)


def test_official_keeps_the_order_of_the_catalogue():
    for found in (overview.official("classification"), overview.stand_ins()):
        assert [entry.name for entry in found] == sorted((entry.name for entry in found), key=NAMES.index)


def test_an_unknown_task_is_refused():
    with pytest.raises(ValueError, match=r"task must be one of 'classification', .*, found 'faces'"):
        overview.official("faces")


@pytest.mark.parametrize("none", [[], iter([])], ids=["a list", "an iterator"])
@pytest.mark.parametrize("write", WRITERS)
def test_no_entries_are_refused(write, none):
    with pytest.raises(ValueError, match="entries must hold at least one entry of the catalogue, found none"):
        write(none)


@pytest.mark.parametrize("write", WRITERS)
def test_takes_what_can_be_read_only_once(write):
    assert write(iter(EVERY)) == write(EVERY)


@pytest.mark.parametrize("entry", EVERY, ids=NAMES)
def test_the_table_holds_every_count(entry):
    """Read back from the table, the counts are the catalogue's."""
    head, *rows = cells(overview.size_table([entry]))
    read = {}
    for row in rows:
        numbers = {name: int(cell.replace(",", "")) for name, cell in zip(head[2:], row[2:], strict=True) if cell}
        read[row[1]] = Count(**numbers)
    assert read == dict(entry.counts)
    assert [row[0] for row in rows] == [entry.name] + [""] * (len(rows) - 1)


def test_columns_that_would_be_empty_are_left_out():
    assert cells(overview.size_table([CATALOGUE["cub200"]]))[0] == ["data set", "split", "images", "classes"]
    assert cells(overview.size_table([CATALOGUE["lfw"]]))[0] == ["data set", "split", "images", "pairs"]
    both = cells(overview.size_table([CATALOGUE["lfw"], CATALOGUE["cub200"]]))
    assert both[:3] == [
        ["data set", "split", "images", "classes", "pairs"],
        ["lfw", "pairs", "13,233", "", "6,000"],
        ["cub200", "train", "5,864", "100", ""],
    ]


@pytest.mark.parametrize("task", TASKS)
def test_a_table_reads_in_a_terminal(task):
    lines = overview.size_table(overview.official(task)).splitlines()
    assert len({len(line) for line in lines}) == 1
    assert len(lines[0]) <= 80
    bars = [[k for k, letter in enumerate(line) if letter == "|"] for line in lines]
    assert all(place == bars[0] for place in bars)


def test_words_stand_left_and_numbers_right():
    assert overview.size_table([CATALOGUE["cub200"]]).splitlines()[1].split("|")[1:-1] == [
        ":---------",
        ":------",
        "-------:",
        "--------:",
    ]


def test_a_description_says_all_that_is_known():
    entry = made_up(note="half of it", zero_shot=True, stands_in_for="cub200")
    assert overview.descriptions([entry]) == (
        "- **Made Up** (`made-up`). Used in small runs. Its numbers are not comparable with papers. Zero-shot split. "
        "Licence: MIT. Note: half of it."
    )
    assert overview.descriptions([made_up()]) == "- **Made Up** (`made-up`). Used in small runs. Licence: MIT."


def test_those_of_which_the_same_is_said_share_an_item():
    twin = made_up(name="twin", title="Twin")
    other = made_up(name="other", title="Other", licence="none")
    assert overview.descriptions([made_up(), other, twin]).splitlines() == [
        "- **Made Up** (`made-up`), **Twin** (`twin`). Used in small runs. Licence: MIT.",
        "- **Other** (`other`). Used in small runs. Licence: none.",
    ]
    assert overview.how_to_get([made_up(), twin]) == (
        "- `made-up` (2 MB), `twin` (2 MB): by download, `benchmark(name, download=True)`."
    )


@pytest.mark.parametrize("write", [overview.descriptions, overview.how_to_get])
def test_every_data_set_is_in_one_item(write):
    items = write(EVERY).splitlines()
    assert all(item.startswith("- ") and item.endswith(".") and ".." not in item for item in items)
    for entry in EVERY:
        assert sum(bool(re.search(rf"`{entry.name}`(\)| \(|,|:)", item)) for item in items) == 1


@pytest.mark.parametrize("entry", EVERY, ids=NAMES)
def test_alone_it_prints_the_call_in_full(entry):
    """`benchmark("name")`, with download=True exactly where every file has an address."""
    (call,) = re.findall(r"`(benchmark\(.*?\))`", overview.how_to_get([entry]))
    parsed = ast.parse(call, mode="eval").body
    assert [argument.value for argument in parsed.args] == [entry.name]
    downloads = bool(entry.sources) and all(source.url for source in entry.sources)
    assert {keyword.arg: keyword.value.value for keyword in parsed.keywords} == (
        {"download": True} if downloads else {}
    )


@pytest.mark.parametrize("entry", EVERY, ids=NAMES)
def test_what_is_placed_by_hand_is_named(entry):
    text = overview.how_to_get([entry])
    if any(source.url is None for source in entry.sources):
        assert all(f"`{source.file}`" in text for source in entry.sources)
        assert ("DMLKIT_PACKS" in text) == ("DMLKIT_PACKS" in entry.by_hand or all(s.pack for s in entry.sources))
        assert entry.by_hand[1:] in text
    else:
        assert "archives" not in text


@pytest.mark.parametrize("entry", EVERY, ids=NAMES)
def test_a_missing_checksum_is_never_passed_over(entry):
    text = overview.descriptions([entry]) + overview.how_to_get([entry])
    missing = any(source.checksum is None for source in entry.sources)
    assert ("no checksum" in text.lower()) == missing


FIRST = made_up().sources[0]
SECOND = Source("b.mat", checksum="md5:1", size=1_000_000)
WAYS = {
    "nothing": ({"sources": ()}, '`made-up`: nothing to fetch, `benchmark("made-up")`'),
    "download": ({}, '`made-up` (2 MB): by download, `benchmark("made-up", download=True)`'),
    "no checksum": (
        {"sources": (dataclasses.replace(FIRST, checksum=None, size=None),)},
        '`made-up`: by download, `benchmark("made-up", download=True)`. '
        "No checksum is published; names and counts are checked",
    ),
    "one file has no address": (
        {"sources": (FIRST, SECOND), "by_hand": "ask for it"},
        "`made-up` (`a.zip`, `b.mat`, 3 MB): by hand, put the files into `archives`, "
        'then `benchmark("made-up")`. Ask for it',
    ),
    "in a pack": (
        {"sources": (dataclasses.replace(SECOND, pack="x/b.mat", size=10),)},
        "`made-up` (`b.mat`, 1 MB): by hand, name the folder of the packs in `DMLKIT_PACKS`, "
        'or put the files into `archives`, then `benchmark("made-up")`',
    ),
    "one of two in a pack": (
        {"sources": (SECOND, dataclasses.replace(SECOND, file="c", pack="x/c"))},
        '`made-up` (`b.mat`, `c`, 2 MB): by hand, put the files into `archives`, then `benchmark("made-up")`',
    ),
    "a size is unknown": (
        {"sources": (SECOND, dataclasses.replace(SECOND, file="c", size=None))},
        '`made-up` (`b.mat`, `c`): by hand, put the files into `archives`, then `benchmark("made-up")`',
    ),
}


@pytest.mark.parametrize(("changes", "expected"), WAYS.values(), ids=WAYS)
def test_ways_to_get(changes, expected):
    assert overview.how_to_get([made_up(**changes)]) == f"- {expected}."


def test_agrees_with_what_benchmark_says(tmp_path, monkeypatch):
    """The sentence of `benchmark` and the list name the same way."""
    monkeypatch.delenv("DMLKIT_PACKS", raising=False)
    for entry in EVERY:
        if not entry.sources:
            continue
        with pytest.raises(DataError) as said:
            benchmark(entry.name, root=tmp_path)
        text = overview.how_to_get([entry])
        assert ("download=True" in str(said.value)) == ("by download" in text), entry.name
        assert entry.sources[0].file in str(said.value)


def test_citations_are_together_and_in_order():
    items = overview.citations(EVERY).splitlines()
    assert items == sorted(items)
    assert len(items) == len({entry.citation for entry in EVERY})
    for entry in EVERY:
        (item,) = (item for item in items if item.startswith(f"- {entry.citation}. For "))
        assert f"`{entry.name}`" in item
    assert sum(item.split(". For ")[1].count("`") for item in items) == 2 * len(EVERY)


@pytest.mark.parametrize("write", [overview.descriptions, overview.how_to_get, overview.citations])
def test_holds_nothing_that_markdown_would_take_for_something_else(write):
    outside = re.sub(r"`[^`]*`", "", write(EVERY).replace("**", ""))
    assert not re.search(r"[*_$|<>\\`\[\]]", outside.replace("DMLKIT_PACKS", ""))

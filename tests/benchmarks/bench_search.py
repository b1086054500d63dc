"""What an approximate search gains and what it costs: time, bytes a row, neighbours missed, measures moved.

`make bench` measures and writes two files into book/appendix: the record (JSON) and the page made from it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import torch
from measuring import BOOK, circumstances, measured_on, write_record
from torch import Tensor

from dmlkit import metrics

RECORD = BOOK / "search.json"
ROWS, DIM, CLASSES, CLOSEST = 100_000, 128, 10_000, 10

# factory string → how it searches: the setting that trades time for neighbours
INDEXES: dict[str, dict[str, int]] = {
    "Flat": {},
    "IVF1024,Flat (1 list)": {"nprobe": 1},
    "IVF1024,Flat (16 lists)": {"nprobe": 16},
    "HNSW32 (width 64)": {"efSearch": 64},
    "IVF1024,PQ32 (16 lists)": {"nprobe": 16},
}


def collection() -> tuple[Tensor, Tensor]:
    """Rows around a centre a class, and the centres around fewer, as in an embedding with coarse and fine classes."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(200, DIM, generator=generator)
    centres = coarse[torch.arange(CLASSES) % 200] + 0.9 * torch.randn(CLASSES, DIM, generator=generator)
    labels = torch.arange(ROWS) % CLASSES
    return centres[labels] + 1.6 * torch.randn(ROWS, DIM, generator=generator), labels


def measure() -> Iterator[dict]:
    """One row of the record for each way to search; the first is the pass over all pairs."""
    import faiss

    x, labels = collection()
    began = time.perf_counter()
    full = metrics.retrieval(x, labels)
    yield {"search": "none: all pairs", "seconds": time.perf_counter() - began, "build": 0.0, **values(full)}
    truth = None
    asked = torch.arange(0, ROWS, ROWS // 2000)
    for name, settings in INDEXES.items():
        began = time.perf_counter()
        index = metrics.build_faiss_index(x, name.split(" ")[0])
        build = time.perf_counter() - began
        for setting, value in settings.items():
            faiss.ParameterSpace().set_index_parameter(index, setting, value)
        search = metrics.faiss_search(index)
        nearest = search(x[asked], CLOSEST + 1)
        truth = nearest if truth is None else truth  # the first index compares all pairs
        missed = 1 - (nearest.unsqueeze(2) == truth.unsqueeze(1)).any(dim=1).float().mean().item()
        began = time.perf_counter()
        found = metrics.retrieval(x, labels, search=search)
        row = {
            "search": name,
            "seconds": time.perf_counter() - began,
            "build": build,
            "bytes": len(faiss.serialize_index(index)) / ROWS,
            "missed": missed,
            **values(found),
        }
        print(row)
        yield row


def values(found: metrics.Retrieval) -> dict[str, float]:
    """What the page shows of a result."""
    return {"recall_at_1": found.recall[1], "map_at_r": found.map_at_r, "mrr": found.mrr}


def page(record: dict) -> str:
    """The appendix page, made from the record alone."""
    full = record["rows"][0]
    lines = [
        "# Searching larger collections",
        "",
        "<!-- Made by `make bench`; change tests/benchmarks/bench_search.py, not this page. -->",
        "",
        "`retrieval` compares every query with every row of the gallery. That is exact, needs a few hundred MB however "
        "many rows there are (beside the rows themselves), and takes time that grows with the square of their number. "
        "Stay with it as long as you can wait: a number in a table should not depend on an index.",
        "",
        "Change when",
        "",
        "- **the rows no longer fit into memory**: they may then lie on disk (`torch.from_file` maps them), and the "
        "index holds what is searched, as codes of a few bytes a row if need be;",
        "- **the pairs take too long**: twice the rows take four times as long, so from one run you know the next;",
        "- **one machine is not enough**: faiss spreads an index over several GPUs (`index_cpu_to_all_gpus`) or files "
        "on disk (`OnDiskInvertedLists`), and `retrieval` takes whatever answers a search.",
        "",
        "```python",
        "from dmlkit import metrics",
        "",
        'index = metrics.build_faiss_index(embeddings, "IVF1024,Flat")',
        "index.nprobe = 16  # lists that are looked into",
        "found = metrics.retrieval(",
        "    embeddings, labels, search=metrics.faiss_search(index)",
        ")",
        "```",
        "",
        "The index only proposes candidates. Their distances are computed again from the rows, in float64, and ties "
        "are resolved as always; so codes of a few bytes cost neighbours, but never the order of those found. A match "
        "that is not proposed counts as last. A missing neighbour of another class makes the measure look "
        "*better* than it is; look at the share of neighbours missed before you trust either.",
        "",
        "## Measured",
        "",
        f"{measured_on(record)}. {record['size']['rows']:,} rows of width {record['size']['dim']} in "
        f"{record['size']['classes']:,} classes, drawn around centres that lie around fewer centres; cosine.",
        "",
        f"| search | build (s) | measures (s) | bytes a row | of the {record['size']['closest']} nearest, missed "
        "| Recall@1 | MAP@R |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        size = f"{row['bytes']:.0f}" if "bytes" in row else "–"
        missed = f"{row['missed']:.2%}" if "missed" in row else "–"
        lines.append(
            f"| {row['search']} | {row['build']:.1f} | {row['seconds']:.1f} | {size} | {missed} "
            f"| {row['recall_at_1']:.4f} | {row['map_at_r']:.4f} |"
        )
    worst = max(record["rows"], key=lambda row: abs(row["map_at_r"] - full["map_at_r"]))
    lines += [
        "",
        f"The farthest from the full pass is {worst['search']}: its MAP@R differs by "
        f"{worst['map_at_r'] - full['map_at_r']:+.4f}. MRR is left out: how late a late match comes is what a search "
        "for the nearest does not tell.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    rows = list(measure())
    size = {"rows": ROWS, "dim": DIM, "classes": CLASSES, "closest": CLOSEST}
    record = {**circumstances("faiss-cpu"), "size": size, "rows": rows}
    write_record(record, RECORD, page(record))


if __name__ == "__main__":
    main()

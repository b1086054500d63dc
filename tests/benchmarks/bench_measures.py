"""How fast and how small the measures are, beside pytorch-metric-learning, scikit-learn, faiss and the plain loop.

`make bench` measures and writes two files into book/appendix: the record (JSON) and the page made from it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from measuring import BOOK, Step, circumstances, measured_on, milliseconds, peak_megabytes, rise_of_peak, write_record
from torch import Tensor

from dmlkit import metrics

HERE = Path(__file__)
RECORD = BOOK / "measure_speed.json"


def clusters(rows: int, dim: int, classes: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    """Rows around a centre a class, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(rows) % classes
    x = torch.randn(rows, dim, generator=generator).mul_(noise)
    centres = torch.randn(classes, dim, generator=generator)
    for part in torch.arange(rows).split(4096):
        x[part] += centres[labels[part]]
    return x, labels


def retrieval() -> dict[str, Step]:
    """All retrieval measures; PML searches with faiss."""
    x, labels = clusters(60_000, 512, 11_000, noise=1.5)

    def peer() -> dict[str, float]:
        from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator

        names = ("precision_at_1", "r_precision", "mean_average_precision_at_r", "mean_reciprocal_rank")
        return AccuracyCalculator(include=names, k="max_bin_count").get_accuracy(x, labels)

    return {"dmlkit": lambda: metrics.retrieval(x, labels), "peer": peer}


def silhouette() -> dict[str, Step]:
    """By cosine; the floor is to normalise the rows and take one product with as many vectors as there are classes."""
    x, labels = clusters(60_000, 512, 100)
    weights = torch.randn(100, 512)
    return {"dmlkit": lambda: metrics.silhouette_samples(x, labels), "floor": lambda: F.normalize(x) @ weights.T}


def silhouette_by_scikit_learn() -> dict[str, Step]:
    """By cosine, on as many rows as scikit-learn's N × N distances allow in passing."""
    from sklearn.metrics import silhouette_score

    x, labels = clusters(6_000, 512, 100)
    peer = lambda: silhouette_score(x.numpy(), labels.numpy(), metric="cosine")  # noqa: E731
    return {"dmlkit": lambda: metrics.silhouette_score(x, labels), "peer": peer}


def silhouette_of_a_million() -> dict[str, Step]:
    """A million rows in a thousand classes."""
    x, labels = clusters(1_000_000, 128, 1_000)
    return {"dmlkit": lambda: metrics.silhouette_samples(x, labels)}


def verification() -> dict[str, Step]:
    """LFW's protocol with the loop of face packages: true and false accepts at each of 400 thresholds, on each fold."""
    generator = torch.Generator().manual_seed(0)
    same = torch.arange(6_000) // 300 % 2 == 0
    similarities = 0.4 * torch.randn(6_000, generator=generator) + same.float()

    def accuracy(threshold: float, scores: np.ndarray, truth: np.ndarray) -> tuple[float, float, float]:
        accepted = scores >= threshold
        right, wrong = np.sum(np.logical_and(accepted, truth)), np.sum(np.logical_and(accepted, ~truth))
        missed, refused = np.sum(np.logical_and(~accepted, truth)), np.sum(np.logical_and(~accepted, ~truth))
        return right / max(1, right + missed), wrong / max(1, wrong + refused), (right + refused) / len(scores)

    def loop() -> float:
        scores, truth = similarities.numpy(), same.numpy()
        grid, folds = np.linspace(scores.min(), scores.max(), 400), np.arange(6_000) // 600
        found = []
        for fold in range(10):
            train, test = folds != fold, folds == fold
            right = [accuracy(threshold, scores[train], truth[train])[2] for threshold in grid]
            # The ROC of the fold, as these packages make it on the way.
            _ = [accuracy(threshold, scores[test], truth[test])[:2] for threshold in grid]
            best = grid[int(np.argmax(right))]
            found.append(accuracy(best, scores[test], truth[test])[2])
        return float(np.mean(found))

    assert abs(loop() - metrics.verification_accuracy(similarities, same).mean) < 0.01
    ten = range(10)  # a single call of half a millisecond would be timed while the caches are cold
    return {
        "dmlkit": lambda: [metrics.verification_accuracy(similarities, same) for _ in ten],
        "peer": lambda: [loop() for _ in ten],
    }


def partition() -> dict[str, Step]:
    """NMI of k-means with as many clusters as classes."""
    x, labels = clusters(60_000, 512, 11_000)

    def peer() -> float:
        import faiss
        from sklearn.metrics import normalized_mutual_info_score

        rows = F.normalize(x).numpy()
        search = faiss.Kmeans(512, len(labels.unique()), niter=20, max_points_per_centroid=60_000)
        search.train(rows)
        return normalized_mutual_info_score(labels.numpy(), search.index.search(rows, 1)[1].squeeze(1))

    return {"dmlkit": lambda: metrics.clustering(x, labels), "peer": peer}


# name → (what it is measured beside, its steps, how often, rounds before)
CASES: dict[str, tuple[str, Callable[[], dict[str, Step]], int, int]] = {
    "retrieval, N=60,000, d=512, C=11,000": ("PML with faiss", retrieval, 1, 0),
    "silhouette, N=60,000, d=512, C=100": ("normalise + one product", silhouette, 11, 1),
    "silhouette, N=6,000, d=512, C=100": ("scikit-learn", silhouette_by_scikit_learn, 5, 1),
    "silhouette, N=1,000,000, d=128, C=1,000": ("", silhouette_of_a_million, 1, 0),
    "verification, 6,000 pairs, ten times": ("loop over thresholds", verification, 5, 1),
    "k-means and NMI, N=60,000, d=512, C=11,000": ("faiss k-means, 20 rounds, and scikit-learn", partition, 1, 0),
}
WITH_MEMORY = tuple(CASES)[:1] + tuple(CASES)[3:4]


def print_peak(case: str, side: str) -> None:
    """In a process of its own: build the case, take one step, print how far the peak rose."""
    run = CASES[case][1]()[side]
    torch.ones(64, 64) @ torch.ones(64, 64)  # what any first product sets up is no memory of the measure
    print(rise_of_peak(run))


def measure() -> Iterator[dict]:
    """One row of the record for each case."""
    for case, (beside, build, repeats, warm) in CASES.items():
        steps = build()
        row = {
            "case": case,
            "beside": beside,
            "milliseconds": milliseconds(steps, repeats, warm=warm),
            "repeats": repeats,
        }
        if case in WITH_MEMORY:
            row["megabytes"] = {side: peak_megabytes(HERE, case, side) for side in steps}
        print(case, {side: round(ms, 2) for side, ms in row["milliseconds"].items()}, row.get("megabytes", ""))
        yield row


def page(record: dict) -> str:
    """The appendix page, made from the record alone."""
    lines = [
        "# How fast the measures are",
        "",
        "<!-- Made by `make bench`; change tests/benchmarks/bench_measures.py, not this page. -->",
        "",
        "The measures of `dmlkit.metrics` beside other libraries. The two sides of a ratio were measured in turns in "
        "one run: read the ratios, as seconds belong to the machine. Ours compute in float64 wherever float32 could "
        "decide a comparison wrongly.",
        "",
        f"{measured_on(record)}; float32 rows around a centre a class.",
        "",
        "## Time",
        "",
        "| measure | beside | dmlkit (s) | the other (s) | times faster |",
        "|---|---|--:|--:|--:|",
    ]
    for row in record["rows"]:
        seconds = {side: ms / 1e3 for side, ms in row["milliseconds"].items()}
        other = seconds.get("peer", seconds.get("floor"))
        lines.append(
            f"| {row['case']} | {row['beside'] or '–'} | {seconds['dmlkit']:.3g} | "
            + (f"{other:.3g} | {other / seconds['dmlkit']:.2f} |" if other else "– | – |")
        )
    lines += [
        "",
        "N rows of width d in C classes. Retrieval is Recall@K, precision at 1, R-Precision, MAP@R and MRR from one "
        "pass over all pairs. Normalising and one product is not another library but the least that a silhouette of "
        "cosines can cost.",
        "",
        "## Memory",
        "",
        "How far the measure raises the peak of a process of its own, above its inputs.",
        "",
        "| measure | beside | dmlkit (MB) | the other (MB) |",
        "|---|---|--:|--:|",
    ]
    for row in record["rows"]:
        if "megabytes" in row:
            mb = row["megabytes"]
            other = f"{mb['peer']:,.0f}" if "peer" in mb else "–"
            lines.append(f"| {row['case']} | {row['beside'] or '–'} | {mb['dmlkit']:,.0f} | {other} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", nargs=2, metavar=("CASE", "SIDE"), help="print the peak of one side of a case")
    chosen = parser.parse_args()
    if chosen.memory:
        print_peak(*chosen.memory)
        return
    packages = ("pytorch-metric-learning", "scikit-learn", "faiss-cpu")
    record = {**circumstances(*packages), "rows": list(measure())}
    write_record(record, RECORD, page(record))


if __name__ == "__main__":
    main()

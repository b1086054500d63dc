"""How fast and how small the losses are, beside pytorch-metric-learning and the straightforward form of each.

`make bench` measures and writes two files into book/appendix: the record (JSON) and the page made from it. Forward and
backward pass together.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from measuring import BOOK, Step, circumstances, measured_on, milliseconds, peak_megabytes, rise_of_peak, write_record
from pytorch_metric_learning import distances as pml_distances
from pytorch_metric_learning import losses as pml
from torch import Tensor, nn

from dmlkit import losses

HERE = Path(__file__)
RECORD = BOOK / "loss_speed.json"
DIM = 512
SIZES = ((256, 100), (1024, 1000))  # rows, classes


def step(loss: Callable[[Tensor, Tensor], Tensor], rows: Tensor, labels: Tensor) -> Step:
    """One forward and backward pass."""
    parameters = list(loss.parameters()) if isinstance(loss, nn.Module) else []

    def run() -> None:
        for leaf in (rows, *parameters):
            leaf.grad = None
        loss(rows, labels).backward()

    return run


def batch(rows: int, classes: int, dim: int = DIM) -> tuple[Tensor, Tensor]:
    """Random rows with random labels, the same in every process."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(rows, dim, generator=generator).requires_grad_()
    return x, torch.randint(classes, (rows,), generator=generator)


def euclidean(power: int = 1) -> pml_distances.LpDistance:
    """PML normalises by default; these losses do not."""
    return pml_distances.LpDistance(normalize_embeddings=False, power=power)


# name → (ours, PML's) for a number of classes; anything that has no classes ignores it.
SHARED: dict[str, Callable[[int], tuple[nn.Module, nn.Module]]] = {
    "SupCon": lambda c: (losses.SupCon(), pml.SupConLoss(temperature=0.1)),
    "SNCA": lambda c: (losses.SNCA(), pml.NCALoss(softmax_scale=20, distance=pml_distances.CosineSimilarity())),
    "MultiSimilarity": lambda c: (losses.MultiSimilarity(), pml.MultiSimilarityLoss()),
    "Circle": lambda c: (losses.Circle(), pml.CircleLoss()),
    "ProxyNCA": lambda c: (losses.ProxyNCA(c, DIM), pml.ProxyNCALoss(c, DIM, softmax_scale=1)),
    "ProxyNCAPlusPlus": lambda c: (losses.ProxyNCAPlusPlus(c, DIM), pml.ProxyNCALoss(c, DIM, softmax_scale=9)),
    "ProxyAnchor": lambda c: (losses.ProxyAnchor(c, DIM), pml.ProxyAnchorLoss(c, DIM)),
    "SoftTriple": lambda c: (losses.SoftTriple(c, DIM), pml.SoftTripleLoss(c, DIM)),
    "NormSoftmax": lambda c: (losses.NormSoftmax(c, DIM), pml.NormalizedSoftmaxLoss(c, DIM)),
    "CosFace": lambda c: (losses.CosFace(c, DIM), pml.CosFaceLoss(c, DIM)),
    "ArcFace": lambda c: (losses.ArcFace(c, DIM), pml.ArcFaceLoss(c, DIM)),
    "SphereFace": lambda c: (losses.SphereFace(c, DIM), pml.SphereFaceLoss(c, DIM)),
    "EuclideanSoftmax": lambda c: (losses.EuclideanSoftmax(c, DIM), pml.ProxyNCALoss(c, DIM, distance=euclidean())),
    "Contrastive": lambda c: (losses.Contrastive(), pml.ContrastiveLoss(distance=euclidean())),
}


def shared(name: str, rows: int, classes: int) -> dict[str, Step]:
    """A loss that PML has too, one step on each side."""
    x, labels = batch(rows, classes)
    ours, theirs = SHARED[name](classes)
    return {"dmlkit": step(ours, x, labels), "peer": step(theirs, x, labels)}


def triplet() -> dict[str, Step]:
    """All triplets of 1,024 rows, ten or eleven a class: 9.7 million."""
    x, _ = batch(1024, 100)
    labels = torch.arange(1024) % 100
    theirs = pml.TripletMarginLoss(margin=0.2, distance=euclidean())
    return {"dmlkit": step(losses.Triplet(), x, labels), "peer": step(theirs, x, labels)}


def lifted() -> dict[str, Step]:
    """Four images of each class; PML's form holds positive pairs × negative pairs."""
    x, _ = batch(128, 32)
    labels = torch.arange(128) % 32
    theirs = pml.LiftedStructureLoss(distance=euclidean())
    return {"dmlkit": step(losses.LiftedStructure(), x, labels), "peer": step(theirs, x, labels)}


def large_sup_con() -> dict[str, Step]:
    """8,192 rows of width 128."""
    x, labels = batch(8192, 1000, 128)
    theirs = pml.SupConLoss(temperature=0.1)
    return {"dmlkit": step(losses.SupCon(), x, labels), "peer": step(theirs, x, labels)}


def silhouette() -> dict[str, Step]:
    """Beside the form with an N × N matrix of distances times one-hot labels, and beside a single matrix product."""
    x, labels = batch(1024, 1000)
    present = len(labels.unique())
    weight = torch.randn(present, DIM).requires_grad_()

    def one_hot(rows: Tensor, labels: Tensor) -> Tensor:
        z, hot = F.normalize(rows), F.one_hot(labels, 1000).float()
        counts = hot.sum(dim=0)
        sums = (1 - z @ z.T) @ hot
        own = hot.bool()
        size = counts[labels]
        a = sums[own] / (size - 1).clamp(min=1)
        to_classes = (sums / counts.clamp(min=1)).masked_fill(own | (counts == 0), torch.inf)
        b = -0.1 * (-to_classes / 0.1).logsumexp(dim=1)
        soft_max = 0.1 * torch.logaddexp(a / 0.1, b / 0.1)
        return (1 - (b - a) / (soft_max + 1e-8))[size > 1].mean()

    seed = torch.ones(len(x), present)

    def product() -> None:
        x.grad = weight.grad = None
        (x @ weight.T).backward(seed)

    # The same number, seen on few rows: a large batch here would raise the peak before it is measured.
    few = labels[:16] % 4
    assert torch.allclose(one_hot(x[:16], few), losses.soft_silhouette(x[:16], few), rtol=1e-4)
    return {
        "dmlkit": step(losses.SoftSilhouette(), x, labels),
        "peer": step(one_hot, x, labels),
        "floor": product,
    }


def hist_distances() -> dict[str, Step]:
    """SOP's 11,318 classes: 32 rows of width 512 to all of them, beside the form that broadcasts the differences."""
    x, _ = batch(32, 1)
    generator = torch.Generator().manual_seed(1)
    means = torch.randn(11_318, DIM, generator=generator).requires_grad_()
    variances = torch.randn(11_318, DIM, generator=generator).requires_grad_()

    def broadcast(rows: Tensor, means: Tensor, variances: Tensor) -> Tensor:
        difference = F.normalize(rows).unsqueeze(1) - F.normalize(means)
        return (difference.square() / F.relu6(variances).exp()).sum(dim=2)

    def run(function: Callable[..., Tensor]) -> Step:
        def once() -> None:
            for leaf in (x, means, variances):
                leaf.grad = None
            function(x, means, variances).sum().backward()

        return once

    return {"dmlkit": run(losses.hist_distances), "peer": run(broadcast)}


# name → (what it is measured beside, its steps, how often)
CASES: dict[str, tuple[str, Callable[[], dict[str, Step]], int]] = {
    **{
        f"{name}, N={rows}, C={classes}": ("PML", lambda n=name, r=rows, c=classes: shared(n, r, c), repeats)
        for name in SHARED
        for (rows, classes), repeats in zip(SIZES, (101, 21), strict=True)
    },
    "Triplet, all of them, N=1024, C=100": ("PML", triplet, 9),
    "LiftedStructure, N=128, C=32": ("PML", lifted, 21),
    "SupCon, N=8192, d=128": ("PML", large_sup_con, 5),
    "SoftSilhouette, N=1024, C=1000": ("N×N times one-hot", silhouette, 41),
    "hist_distances, N=32, C=11318": ("broadcast differences", hist_distances, 5),
}
WITH_MEMORY = tuple(CASES)[-5:]


def print_peak(case: str, side: str) -> None:
    """In a process of its own: build the case, take one step, print how far the peak rose."""
    run = CASES[case][1]()[side]
    # The threads and workspaces that any first product and backward pass sets up are no memory of the loss.
    small = torch.ones(64, 64, requires_grad=True)
    (small @ small.T).sum().backward()
    print(rise_of_peak(run))


def measure() -> Iterator[dict]:
    """One row of the record for each case."""
    for case, (beside, build, repeats) in CASES.items():
        row = {"case": case, "beside": beside, "milliseconds": milliseconds(build(), repeats), "repeats": repeats}
        if case in WITH_MEMORY:
            row["megabytes"] = {side: peak_megabytes(HERE, case, side) for side in ("dmlkit", "peer")}
        print(case, {side: round(ms, 2) for side, ms in row["milliseconds"].items()}, row.get("megabytes", ""))
        yield row


def page(record: dict) -> str:
    """The appendix page, made from the record alone."""
    lines = [
        "# How fast the losses are",
        "",
        "<!-- Made by `make bench`; change tests/benchmarks/bench_losses.py, not this page. -->",
        "",
        "Forward and backward pass of each loss of `dmlkit`, beside pytorch-metric-learning (PML) where it has the "
        "same loss, else beside the straightforward form. The numbers are medians, and the two sides of a ratio were "
        "measured in turns in one run: read the ratios, as milliseconds belong to the machine.",
        "",
        f"{measured_on(record)}; float32, random rows of width {DIM} unless said otherwise.",
        "",
        "## Time",
        "",
        "| loss | beside | dmlkit (ms) | the other (ms) | times faster |",
        "|---|---|--:|--:|--:|",
    ]
    for row in record["rows"]:
        ms = row["milliseconds"]
        lines.append(
            f"| {row['case']} | {row['beside']} | {ms['dmlkit']:.2f} | {ms['peer']:.2f} "
            f"| {ms['peer'] / ms['dmlkit']:.2f} |"
        )
    lines += [
        "",
        "N rows, C classes. The proxy softmaxes are near their floor, which is their matrix product.",
        "",
    ]
    for row in record["rows"]:
        if "floor" in row["milliseconds"]:
            ms = row["milliseconds"]
            lines += [
                f"The soft silhouette takes {ms['dmlkit'] / ms['floor']:.2f} times as long as one matrix product of "
                "its rows with as many vectors as the batch has classes, forward and backward. Rows that are alone in "
                "their class need no distances of their own, which is how it can fall below 1.",
                "",
            ]
    lines += [
        "## Memory",
        "",
        "How far one step raises the peak of a process of its own.",
        "",
        "| loss | beside | dmlkit (MB) | the other (MB) | times less |",
        "|---|---|--:|--:|--:|",
    ]
    for row in record["rows"]:
        if "megabytes" in row:
            mb = row["megabytes"]
            lines.append(
                f"| {row['case']} | {row['beside']} | {mb['dmlkit']:.0f} | {mb['peer']:.0f} "
                f"| {mb['peer'] / mb['dmlkit']:.1f} |"
            )
    lines += [
        "",
        "## Measure it yourself",
        "",
        "`make bench` in a clone of the book takes some minutes and writes this page anew. Close what else runs: on a "
        "busy machine two threads wait for each other and every ratio drifts towards 1.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--memory", nargs=2, metavar=("CASE", "SIDE"), help="print the peak of one side of a case")
    chosen = parser.parse_args()
    if chosen.memory:
        print_peak(*chosen.memory)
        return
    record = {**circumstances("pytorch-metric-learning"), "rows": list(measure())}
    write_record(record, RECORD, page(record))


if __name__ == "__main__":
    main()

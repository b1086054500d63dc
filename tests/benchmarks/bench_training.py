"""How fast `dmlkit.training` trains, beside a plain loop in torchvision's manner and beside its ceiling.

`make bench` measures and writes two files into book/appendix: the record (JSON) and the page made from it. The ceiling
is forward and backward alone on a batch that lies on the device already. The same loop is measured with its step made
by `torch.compile`, where there is a C++ compiler. On a machine with a GPU it measures there, else on the CPU, and says
so.
"""

from __future__ import annotations

import dataclasses
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from bench_data import draw_photos
from measuring import BOOK, Step, circumstances, measured_on, milliseconds, write_record
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms as plain
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

from dmlkit.costs.work import work
from dmlkit.data.images import Files, ImageSet, Pixels
from dmlkit.data.transforms import IMAGENET
from dmlkit.models import build
from dmlkit.recipes import recipe
from dmlkit.recipes.config import Batches, Config, Evaluation, LossTerm, Network, Optimizer, Phase
from dmlkit.training.assembly import build_loss
from dmlkit.training.batches import training_batches
from dmlkit.training.run import Progress, _Keeper, _Phase

RECORD = BOOK / "training_speed.json"
# Full runs, one for each network and size of image; other recipes on the same benchmarks take about as long.
FULL = (
    ("silhouette/CE", "cifar10"),
    ("silhouette/CE", "caltech101"),
    ("cross_entropy", "cub200"),
    ("warped_softmax", "sop"),
    ("faces", "ms1mv2"),
)
CLASSES, BATCH = 10, 64
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
# On a GPU more of everything: it would be done before the clock has moved.
MANY = 16 if DEVICE.type == "cuda" else 1
WORKERS = 8 if DEVICE.type == "cuda" else 1


class _Bar:
    """No bar."""

    def update(self) -> None: ...
    def set_postfix(self, **_) -> None: ...


def ours(images: ImageSet, transforms: str, size: int | None, *, compile: bool = False) -> Step:
    """One epoch of the loop that `run` is; with `compile` as `run(..., compile=True)` makes its step."""
    config = Config(
        "bench",
        "cifar10",
        "small",
        transforms,
        Network("resnet18", head="none", embedding_dim=None),
        (LossTerm("LinearCrossEntropy"),),
        Batches(BATCH),
        (Phase(1, Optimizer("sgd", lr=0.01, momentum=0.9)),),
        Evaluation(()),
        size=size,
        precision="bfloat16" if DEVICE.type == "cuda" else "float32",
    )
    network = build(config.network).to(DEVICE, memory_format=torch.channels_last)
    loss = build_loss(config.loss, CLASSES, {"embeddings": network.embedding_dim}).to(DEVICE)
    batches = training_batches(images, "cifar10", config, IMAGENET, DEVICE, workers=WORKERS)
    phase = _Phase(config, 0, config.phases[0], network, loss, DEVICE, compile=compile)
    keeper = _Keeper(None, config, minutes=10, interrupted=lambda: False)
    return lambda: list(phase.epochs(batches, Progress(), keeper, _Bar()))


def both(images: ImageSet, transforms: str, size: int | None) -> dict[str, Step]:
    """The loop as it is, and compiled where that can be done."""
    sides = {"dmlkit": ours(images, transforms, size)}
    if shutil.which("g++") or shutil.which("clang++"):
        sides["compiled"] = ours(images, transforms, size, compile=True)
    return sides


def theirs(batches: DataLoader) -> Step:
    """One epoch as torchvision's reference scripts spell it out, without their logging."""
    model = resnet18(num_classes=CLASSES).to(DEVICE)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = nn.CrossEntropyLoss()

    def run() -> None:
        model.train()
        for image, target in batches:
            image, target = image.to(DEVICE, non_blocking=True), target.to(DEVICE, non_blocking=True)
            loss = criterion(model(image), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return run


def ceiling(steps: int, size: int) -> Step:
    """Forward and backward of the network on one batch, again and again."""
    network = build(Network("resnet18", head="none", embedding_dim=None)).to(DEVICE, memory_format=torch.channels_last)
    images = torch.randn(BATCH, 3, size, size, device=DEVICE).contiguous(memory_format=torch.channels_last)
    return passes(network, images, steps)["train"]


def small_images() -> tuple[int, dict[str, Step]]:
    """CIFAR-sized images, with a padded crop and a flip."""
    count = 1280 * MANY
    pixels = torch.randint(256, (count, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(count) % CLASSES
    images = ImageSet(Pixels(pixels), labels, [str(c) for c in range(CLASSES)])
    steps = [plain.RandomCrop(32, padding=4), plain.RandomHorizontalFlip()]
    steps += [plain.ToTensor(), plain.Normalize(*IMAGENET)]
    other = DataLoader(
        images.with_transform(plain.Compose(steps)),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    return count, {
        **both(images, "padded", None),
        "peer": theirs(other),
        "ceiling": ceiling(count // BATCH, 32),
    }


def photographs(folder: Path) -> tuple[int, dict[str, Step]]:
    """JPEG files of 500×375, cut to 64 pixels on the CPU so that reading them weighs as much as on a fast GPU."""
    count, size = 320 * MANY, 224 if DEVICE.type == "cuda" else 64
    draw_photos(folder, count, CLASSES)
    steps = [plain.RandomResizedCrop(size), plain.RandomHorizontalFlip(), plain.ToTensor(), plain.Normalize(*IMAGENET)]
    found = ImageFolder(folder, plain.Compose(steps))
    names = [Path(path).relative_to(folder).as_posix() for path, _ in found.samples]
    images = ImageSet(Files(folder, names), torch.tensor(found.targets), found.classes)
    other = DataLoader(
        found, BATCH, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True, pin_memory=MANY > 1
    )
    return count, {
        **both(images, "proxy_anchor", size),
        "peer": theirs(other),
        "ceiling": ceiling(count // BATCH, size),
    }


def measure(repeats: int = 5) -> Iterator[dict]:
    """One row of the record for each case."""
    with tempfile.TemporaryDirectory() as folder:
        for case, build_case in (
            ("ResNet-18, images of 32×32 in memory", small_images),
            ("ResNet-18, JPEG files of 500×375", lambda: photographs(Path(folder))),
        ):
            count, steps = build_case()
            taken = milliseconds(steps, repeats, warm=1)
            print(case, {side: round(ms, 1) for side, ms in taken.items()}, flush=True)
            yield {"case": case, "images": count // BATCH * BATCH, "milliseconds": taken, "repeats": repeats}


def full_runs(repeats: int = 3, steps: int = 2) -> Iterator[dict]:
    """What the network alone would take for a full run: images a second in training and in evaluation."""
    for name, benchmark in FULL:
        config = recipe(name, benchmark)
        counted = work(config)
        batch = 16 * MANY
        network = build(dataclasses.replace(config.network, pretrained=False), size=counted.size)
        network.to(DEVICE, memory_format=torch.channels_last)
        images = torch.randn(batch, 3, counted.size, counted.size, device=DEVICE)
        images = images.contiguous(memory_format=torch.channels_last)
        taken = milliseconds(passes(network, images, steps), repeats, warm=1)
        speed = {side: 1e3 * steps * batch / ms for side, ms in taken.items()}
        trained = config.epochs * counted.steps * config.batches.size * config.batches.views
        days = (trained / speed["train"] + counted.evaluated / speed["evaluate"]) / 86_400
        print(benchmark, {side: round(value, 1) for side, value in speed.items()}, round(days, 2), flush=True)
        yield {
            "recipe": name,
            "benchmark": benchmark,
            "network": config.network.backbone,
            "size": counted.size,
            "trained": trained,
            "evaluated": counted.evaluated,
            "images per second": speed,
            "days": days,
        }


def passes(network: nn.Module, images: torch.Tensor, steps: int) -> dict[str, Step]:
    """Some steps of training, and some forward passes."""
    precision = torch.autocast(DEVICE.type, torch.bfloat16, enabled=DEVICE.type == "cuda")

    def train() -> None:
        network.train()
        for _ in range(steps):
            network.zero_grad(set_to_none=True)
            with precision:
                value = network(images).float().square().mean()
            value.backward()
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    @torch.no_grad()
    def evaluate() -> None:
        network.eval()
        for _ in range(steps):
            network(images)
        if DEVICE.type == "cuda":
            torch.cuda.synchronize()

    return {"train": train, "evaluate": evaluate}


def page(record: dict) -> str:
    """The appendix page, made from the record alone."""
    gpu = record["device"] != "cpu"
    lines = [
        "# How fast training is",
        "",
        "<!-- Made by `make bench`; change tests/benchmarks/bench_training.py, not this page. -->",
        "",
        "An epoch of `dmlkit.training.run`'s loop beside a plain loop in the manner of torchvision's reference "
        "scripts, with the same network, batch size, data and number of workers; and beside the ceiling, forward and "
        "backward of the network alone on a batch that lies on the device already. The numbers are medians, measured "
        "in turns in one run. *Compiled* is the same loop with `run(..., compile=True)` after its first steps, in "
        "which the step is compiled.",
        "",
        f"{measured_on(record)}; on {record['device']}, batches of {record['batch']}, {record['workers']} "
        + ("workers." if record["workers"] > 1 else "worker."),
        "",
    ]
    if not gpu:
        lines += [
            "No GPU was at hand: what the loop gains there, from pixels that stay on the device and from mixed "
            "precision, **was not measured**.",
            "",
        ]
    lines += [
        "| case | dmlkit (images/s) | plain loop (images/s) | times faster | share of the ceiling "
        "| compiled (images/s) | compiled ÷ not |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        speed = {side: 1e3 * row["images"] / ms for side, ms in row["milliseconds"].items()}
        lines.append(
            f"| {row['case']} | {speed['dmlkit']:,.0f} | {speed['peer']:,.0f} "
            f"| {speed['dmlkit'] / speed['peer']:.2f} | {speed['dmlkit'] / speed['ceiling']:.0%} "
            + (
                f"| {speed['compiled']:,.0f} | {speed['compiled'] / speed['dmlkit']:.2f} |"
                if "compiled" in speed
                else "| not measured | – |"
            )
        )
    lines += [
        "",
        "## What a full run would take on this machine",
        "",
        "The networks of full runs, forward and backward on a batch that is there already, and forward alone: the days "
        "are the images of the whole run divided by these speeds. Reading, augmentation, losses and nearest neighbours "
        "come on top. "
        + (
            "Some of these are a night each; but a table of a paper has many arms, and each takes several seeds. None "
            "of them was run here. What they may cost on three GPUs is estimated in "
            "[Results](../benchmarks/results.ipynb)."
            if not gpu
            else "The estimates for other GPUs are in [Results](../benchmarks/results.ipynb)."
        ),
        "",
        "| run | network | pixels | images trained on | training (images/s) | evaluation (images/s) | days |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for row in record["full runs"]:
        speed = row["images per second"]
        lines.append(
            f"| `{row['recipe']}` on {row['benchmark']} | {row['network']} | {row['size']} | {row['trained']:,} "
            f"| {speed['train']:,.0f} | {speed['evaluate']:,.0f} | {row['days']:,.1f} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    device = torch.cuda.get_device_name() if DEVICE.type == "cuda" else "cpu"
    settings = {"device": device, "batch": BATCH, "workers": WORKERS}
    record = {**circumstances("torchvision"), **settings, "rows": list(measure()), "full runs": list(full_runs())}
    write_record(record, RECORD, page(record))


if __name__ == "__main__":
    main()

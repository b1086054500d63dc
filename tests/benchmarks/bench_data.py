"""How fast batches are drawn and read, beside pytorch-metric-learning's sampler and torchvision's plain pipeline.

`make bench` measures and writes two files into book/appendix: the record (JSON) and the page made from it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from measuring import BOOK, Step, circumstances, measured_on, milliseconds, write_record
from PIL import Image
from pytorch_metric_learning.samplers import MPerClassSampler
from torch.utils.data import DataLoader
from torchvision import transforms as plain
from torchvision.datasets import ImageFolder

from dmlkit.data.images import Files, ImageSet, Pixels
from dmlkit.data.loading import loader
from dmlkit.data.resident import Augmentation, Resident
from dmlkit.data.samplers import ClassBalanced, Shuffled
from dmlkit.data.transforms import IMAGENET, Recipe, recipe, train_transform

RECORD = BOOK / "data_speed.json"
WORKERS = 2
BATCH = 128

# images, classes, classes a batch, images a class: the sizes of SOP, CUB and CIFAR-10.
SAMPLED = ((60_000, 11_000, 32, 4), (5_864, 100, 16, 8), (50_000, 10, 8, 16))


def labels_of(images: int, classes: int) -> torch.Tensor:
    """Every class once, and the rest at random."""
    generator = torch.Generator().manual_seed(0)
    rest = torch.randint(classes, (images - classes,), generator=generator)
    return torch.cat([torch.arange(classes), rest])


def samplers(images: int, classes: int, classes_per_batch: int, images_per_class: int) -> dict[str, Step]:
    """All batches of an epoch as lists of numbers."""
    labels = labels_of(images, classes)
    batch = classes_per_batch * images_per_class
    ours = ClassBalanced(labels, classes_per_batch, images_per_class)
    theirs = MPerClassSampler(labels, images_per_class, batch, length_before_new_iter=images)
    assert sum(map(len, ours)) == len(list(theirs))
    return {"dmlkit": lambda: list(ours), "peer": lambda: list(theirs)}


def draw_photos(folder: Path, count: int = 600, classes: int = 10, width: int = 500, height: int = 375) -> None:
    """JPEG files that cost about as much to read as photographs: waves of many lengths, edges and grain."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width]
    for number in range(count):
        picture = np.full((height, width, 3), 128.0)
        for length in (200, 60, 20, 7):
            a, b, phase = random.normal(size=3)
            wave = np.sin((a * x + b * y) / length + phase) * length**0.5 * 3
            picture += wave[:, :, None] * random.normal(size=3)
        picture += np.sign(x - random.integers(width) + y - random.integers(height))[:, :, None] * random.normal(
            0, 25, 3
        )
        picture += random.normal(0, 8, picture.shape)
        path = folder / f"{number % classes:02d}" / f"{number:04d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def spelled_out(found: Recipe) -> plain.Compose:
    """A recipe's training transform as torchvision's manual would have it written, to normalised floats."""
    steps = [] if found.resize_train is None else [plain.Resize(found.resize_train)]
    steps += [plain.RandomResizedCrop(found.size, found.scale, found.ratio), plain.RandomHorizontalFlip()]
    if found.jitter is not None:
        steps.append(plain.ColorJitter(*found.jitter))
    return plain.Compose([*steps, plain.ToTensor(), plain.Normalize(*IMAGENET)])


def files(folder: Path, name: str, data_set: str | None) -> dict[str, Step]:
    """One epoch of normalised batches from JPEG files, with workers that live through all epochs."""
    theirs = ImageFolder(folder, spelled_out(recipe(name, data_set)))
    names = [Path(path).relative_to(folder).as_posix() for path, _ in theirs.samples]
    images = ImageSet(Files(folder, names), torch.tensor(theirs.targets), theirs.classes)
    ours = loader(images.with_transform(train_transform(name, data_set)), Shuffled(len(images), BATCH), workers=WORKERS)
    other = DataLoader(theirs, BATCH, shuffle=True, drop_last=True, num_workers=WORKERS, persistent_workers=True)

    def all_of(batches: DataLoader) -> Step:
        def run() -> None:
            for pictures, _ in batches:
                assert pictures.dtype == torch.float32

        return run

    return {"dmlkit": all_of(ours), "peer": all_of(other)}


def small_images() -> dict[str, Step]:
    """An epoch of 10,000 CIFAR-sized images: resident, beside the same augmentation image by image in workers."""
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (10_000, 32, 32, 3), dtype=torch.uint8, generator=generator)
    images = ImageSet(Pixels(pixels), torch.arange(10_000) % 10, [str(c) for c in range(10)])
    steps = [
        plain.RandomCrop(32, padding=4),
        plain.RandomHorizontalFlip(),
        plain.ToTensor(),
        plain.Normalize(*IMAGENET),
    ]
    other = DataLoader(
        images.with_transform(plain.Compose(steps)),
        BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )
    kept, sampler = Resident(images), Shuffled(10_000, BATCH)
    return {
        "dmlkit": lambda: [None for _ in kept.batches(sampler, Augmentation())],
        "peer": lambda: [None for _ in other],
    }


def measure(photos: int = 600, repeats: int = 7) -> Iterator[dict]:
    """One row of the record for each case."""
    for images, classes, per_batch, per_class in SAMPLED:
        case = f"{images:,} images, {classes:,} classes, {per_batch} × {per_class} a batch"
        yield {
            "kind": "sampler",
            "case": case,
            "repeats": 3 * repeats,
            "images": images // BATCH * BATCH,
            "milliseconds": milliseconds(samplers(images, classes, per_batch, per_class), 3 * repeats),
        }
    used = photos // BATCH * BATCH
    with tempfile.TemporaryDirectory() as folder:
        draw_photos(Path(folder), photos)
        for name, data_set in (("proxy_anchor", None), ("mutual_information", "sop"), ("mutual_information", "cub200")):
            case = f"{name}, {data_set}" if data_set else name
            taken = milliseconds(files(Path(folder), name, data_set), repeats, warm=1)
            yield {"kind": "files", "case": case, "repeats": repeats, "images": used, "milliseconds": taken}
    taken = milliseconds(small_images(), repeats, warm=1)
    case = "10,000 images of 32×32, padded crop and flip"
    yield {
        "kind": "resident",
        "case": case,
        "repeats": repeats,
        "images": 10_000 // BATCH * BATCH,
        "milliseconds": taken,
    }


def rows_of(record: dict, kind: str) -> list[dict]:
    """The record's rows of one table."""
    return [row for row in record["rows"] if row["kind"] == kind]


def speeds(record: dict, kind: str) -> list[str]:
    """The lines of a table in images a second."""
    lines = []
    for row in rows_of(record, kind):
        ours, theirs = (1e3 * row["images"] / row["milliseconds"][side] for side in ("dmlkit", "peer"))
        lines.append(f"| {row['case']} | {ours:,.0f} | {theirs:,.0f} | {ours / theirs:.2f} |")
    return lines


def page(record: dict) -> str:
    """The appendix page, made from the record alone."""
    lines = [
        "# How fast the data comes",
        "",
        "<!-- Made by `make bench`; change tests/benchmarks/bench_data.py, not this page. -->",
        "",
        "The samplers, the loader and the resident sets of `dmlkit.data`, beside pytorch-metric-learning (PML) and the "
        "plain pipeline of torchvision. The numbers are medians, and the two sides of a ratio were measured in turns "
        "in one run: read the ratios, as times belong to the machine.",
        "",
        f"{measured_on(record)}.",
        "",
        "## Drawing class-balanced batches",
        "",
        "All batches of an epoch as lists of numbers: `ClassBalanced` beside PML's `MPerClassSampler`, which draws the "
        "classes of each batch anew and so does not keep how often they come in balance.",
        "",
        "| epoch | dmlkit (ms) | PML (ms) | times faster |",
        "|---|--:|--:|--:|",
    ]
    for row in rows_of(record, "sampler"):
        ours, theirs = (row["milliseconds"][side] for side in ("dmlkit", "peer"))
        lines.append(f"| {row['case']} | {ours:.1f} | {theirs:.1f} | {theirs / ours:.1f} |")
    lines += [
        "",
        "## Reading files",
        "",
        f"JPEG files of 500×375, drawn for this, to batches of {BATCH} normalised float32 images on the CPU, "
        f"{record['workers']} workers on each side: `loader` with a recipe's training transform, beside torchvision's "
        "`ImageFolder` and a `DataLoader` with the same steps. Decoding and scaling are the same work on both sides. "
        "The difference is that ours come out of the workers as uint8, a quarter of the bytes, and are normalised as a "
        "batch; and ours have the same augmentation for every number of workers.",
        "",
        "| recipe | dmlkit (images/s) | torchvision (images/s) | times faster |",
        "|---|--:|--:|--:|",
        *speeds(record, "files"),
        "",
        "## Small images, resident",
        "",
        "`Resident` on the CPU, in one process, beside the same augmentation image by image in "
        f"{record['workers']} workers.",
        "",
        "| set | dmlkit (images/s) | torchvision (images/s) | times faster |",
        "|---|--:|--:|--:|",
        *speeds(record, "resident"),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    # Workers keep the cores busy: more threads here would only wait for each other.
    torch.set_num_threads(1)
    rows = []
    for row in measure():
        print(row["case"], {side: round(taken, 2) for side, taken in row["milliseconds"].items()}, flush=True)
        rows.append(row)
    packages = ("torchvision", "pillow", "pytorch-metric-learning")
    record = {**circumstances(*packages), "workers": WORKERS, "rows": rows}
    write_record(record, RECORD, page(record))


if __name__ == "__main__":
    main()

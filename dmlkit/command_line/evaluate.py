"""`evaluate`: measure kept weights again, and hold the record against what they give."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dmlkit.command_line.options import add_reading, check_device, headlines

if TYPE_CHECKING:
    from dmlkit.records import RunRecord

HELP = "measure the kept weights again and say whether the record agrees"

EPILOG = """\
a worked example:
  python -m dmlkit train cub200 --recipe warped_softmax --scale smoke
  python -m dmlkit evaluate runs/cub200/warped_softmax-smoke/seed-0

  Of a folder with several runs every one is measured. The exit status is 1 where a record does not agree: a metric
  is further from it than the tolerance. On the machine and versions of the run a CPU gives the very same numbers; on
  others a rounding may turn an image's nearest neighbour.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `main`."""
    parser.add_argument("folder", metavar="FOLDER", help="of a run, or of several")
    parser.add_argument(
        "--tolerance", type=float, default=1e-3, metavar="T", help="how far a metric may be off (default: 0.001)"
    )
    add_reading(parser)


def main(arguments: argparse.Namespace) -> int:
    """Measure each run below the folder; print a line a run, and one for each metric that differs."""
    from dmlkit.records import RunRecord

    check_device(arguments.device)
    files = sorted(Path(arguments.folder).rglob("record.json"))
    if not files:
        raise ValueError(f"no record.json in {arguments.folder} or below: name the folder of a run")
    status = 0
    for path in files:
        record = RunRecord.load(path)
        found = measure_again(path.parent, record, arguments.root, arguments.device, arguments.workers or 0)
        apart = {
            name: (record.metrics.get(name), found.get(name))
            for name in record.metrics.keys() | found.keys()
            if not abs(record.metrics.get(name, float("nan")) - found.get(name, float("nan"))) <= arguments.tolerance
        }
        shown = ", ".join(f"{name} {value:.3f}" for name, value in headlines(found).items())
        print(f"{path.parent}: {shown}, the record {'does not agree' if apart else 'agrees'}")
        for name, (recorded, measured) in sorted(apart.items()):
            print(f"  {name}: the record says {recorded}, the weights give {measured}", file=sys.stderr)
            status = 1
    return status


def measure_again(
    folder: Path, record: RunRecord, root: str | None, device: str | None, workers: int
) -> dict[str, float]:
    """The metrics that `training.run` would record for the weights in a run's folder.

    Raises:
        DataError: weights or data that are missing, or are not those of the record.
    """
    import torch

    from dmlkit.data.errors import DataError
    from dmlkit.models import build
    from dmlkit.recipes.config import from_json
    from dmlkit.training import checkpoints
    from dmlkit.training.assembly import build_loss, open_data
    from dmlkit.training.evaluation import final_measures

    config = from_json(record.config)
    saved = checkpoints.load(folder / "weights.pt", config.fingerprint)
    data = open_data(config, root)
    if data.benchmark.checksum != record.data.get("checksum"):
        raise DataError(
            f"{folder / 'record.json'} was made on other data: {data.benchmark.name} has the checksum "
            f"{data.benchmark.checksum}, the record {record.data.get('checksum')}"
        )
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    # The kept weights replace all that pretraining would have given.
    network = build(replace(config.network, pretrained=False), size=config.size).to(
        device=where, memory_format=torch.channels_last
    )
    terms = next((phase.terms for phase in reversed(config.phases) if phase.terms is not None), config.loss)
    width = {"embeddings": network.embedding_dim, "features": network.num_features}
    loss = build_loss(terms, data.num_classes, width).to(where)
    try:
        network.load_state_dict(saved["network"])
        loss.load_state_dict(saved["loss"])
    except (KeyError, RuntimeError) as fault:
        raise DataError(f"{folder / 'weights.pt'} does not fit the network of its record: {fault}") from fault
    return final_measures(network, loss, data, config.evaluation, workers=workers, channels_last=True)

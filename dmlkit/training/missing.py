"""Before a run: what of it is not on this machine, and how to get it."""

from __future__ import annotations

from pathlib import Path

import torch

from dmlkit.data.catalogue import find
from dmlkit.data.entry import Entry
from dmlkit.data.places import data_root, packs_folder
from dmlkit.data.prepare import absent
from dmlkit.models.build import BACKBONES, MOBILENET_FILE
from dmlkit.models.heads import check_name
from dmlkit.recipes.config import Config, Network


def missing(config: Config, *, root: str | Path | None = None, device: str | torch.device | None = None) -> list[str]:
    """What `run(config)` would need and does not find here: a GPU, data, pretrained weights.

    Nothing is downloaded, unpacked or checked, so it takes no time; `run` checks every byte of what it reads. Weights
    that torchvision offers are fetched by the run itself: the sentence about them is in the list so that a reader
    without a network knows, and with one it is no obstacle.

    Args:
        config: of a recipe, or your own.
        root: the data root; by default as `dmlkit.data.benchmark`.
        device: that `run` will be given; None is a GPU where there is one, else the CPU.

    Returns:
        One sentence for each thing, with the way out; [] where all is here.

    Raises:
        TypeError: `config` is no config.
        ValueError: a benchmark or backbone that does not exist.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> missing(warped_softmax("cub200", scale="smoke"))  # drawn by code, trained anywhere
        []
    """
    if not isinstance(config, Config):
        raise TypeError(f"config must be a dmlkit.recipes.Config, found {type(config).__name__}")
    check_name("backbone", config.network.backbone, BACKBONES)
    where = data_root() if root is None else Path(root).expanduser().absolute()
    found = [_device(config, device)]
    entries = [find(name) for name in (config.benchmark, *config.evaluation.verification)]
    if config.scale != "smoke":
        found += [_data(entry, where) for entry in entries]
    if config.network.pretrained:
        found.append(_weights(config.network))
    return [sentence for sentence in found if sentence]


def _device(config: Config, device: str | torch.device | None) -> str:
    if device is None:
        if config.scale != "full" or torch.cuda.is_available():
            return ""
        return (
            "A full run needs a GPU, and none is here: in Colab choose Runtime → Change runtime type → GPU, "
            "or take scale='small', which runs on a CPU."
        )
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError):
        return f"The device {str(device)!r} is not here: name another, or none to take what there is."
    return ""


def _data(entry: Entry, root: Path) -> str:
    lacking = absent(entry, root)
    if not lacking:
        return ""
    files = ", ".join(source.file for source in lacking)
    by_hand = f"put {files} into {_shown(root / 'archives')}"
    note = f" ({entry.by_hand})" if entry.by_hand else ""
    if entry.stands_in_for is not None:
        ways = f"name the folder of the packs in DMLKIT_PACKS, or {by_hand}{note}"
    elif any(source.url is None for source in lacking):
        ways = by_hand + note
    else:
        size = sum(source.size or 0 for source in lacking) / 1e6
        told = f" ({size:,.0f} MB)" if all(source.size for source in lacking) else ""
        at = "" if root == data_root() else f", root={str(root)!r}"
        ways = f"benchmark({entry.name!r}{at}, download=True) fetches it{told}, or {by_hand}"
    return f"{entry.title} is not here: {ways}."


def _shown(folder: Path) -> str:
    """A folder as one would type it: a page that prints it should not tell whose machine made it."""
    home = Path.home()
    return f"~/{folder.relative_to(home).as_posix()}" if folder.is_relative_to(home) else str(folder)


def _weights(network: Network) -> str:
    if network.backbone == "mobilenet_v2_pack":
        packs = packs_folder()
        if packs is None:
            return f"The weights {MOBILENET_FILE} are not here: name the folder of the packs in DMLKIT_PACKS."
        path = packs / "weights" / MOBILENET_FILE
        return (
            "" if path.is_file() else f"The weights {MOBILENET_FILE} are not here: put them into {_shown(path.parent)}."
        )
    if BACKBONES[network.backbone].pretrained is None:
        return ""  # `build` refuses such a network; nothing is missing
    from torchvision import models  # slow to import

    weights = models.get_model_weights(network.backbone)["IMAGENET1K_V1"]
    file = weights.url.rpartition("/")[2]
    folder = Path(torch.hub.get_dir(), "checkpoints")
    if (folder / file).is_file():
        return ""
    size = weights.meta.get("_file_size")
    told = f"{file}, {size:.0f} MB" if size else file
    return (
        f"The ImageNet weights of {network.backbone} ({told}) are not here yet: the run downloads them when it begins; "
        f"without a network, put {weights.url} into {_shown(folder)}."
    )

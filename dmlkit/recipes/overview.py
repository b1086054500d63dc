"""What configs are told, in words: what they share, what sets them apart, and what of it is our choice."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from dmlkit.data.transforms import recipe as transform
from dmlkit.recipes.config import Config, LossTerm


def settings_table(configs: Mapping[str, Config]) -> str:
    """The settings of several configs as Markdown: a sentence of what all share, a table of what differs.

    Args:
        configs: label → config, at least one.

    Raises:
        ValueError: no config.

    Example:
        >>> from dmlkit.recipes import silhouette
        >>> print(settings_table({arm: silhouette("cifar10", arm=arm) for arm in ("CE", "SupCon2")}).splitlines()[2])
        | | loss | embedding | views | epochs |
    """
    if not configs:
        raise ValueError("configs must hold at least one, found none")
    rows = {label: _settings(config) for label, config in configs.items()}
    names = list(next(iter(rows.values())))
    shared = [name for name in names if len({row[name] for row in rows.values()}) == 1]
    first = next(iter(rows.values()))
    told = "; ".join(f"{name} {first[name]}" for name in shared)
    parts = [f"{'All' if len(rows) > 1 else 'It'}: {told}."] if told else []
    apart = [name for name in names if name not in shared]
    if apart:
        lines = ["| | " + " | ".join(apart) + " |", "|---|" + "---|" * len(apart)]
        lines += [f"| {label} | " + " | ".join(row[name] for name in apart) + " |" for label, row in rows.items()]
        parts.append("\n".join(lines))
    return "\n\n".join(parts)


def choices(configs: Mapping[str, Config]) -> str:
    """What their papers leave open and was chosen here, each choice once, as plain text of 76 columns.

    Args:
        configs: label → config.
    """
    lines: dict[str, None] = {}
    for label, config in configs.items():
        for place, why in config.ours.items():
            line = f"{place}: {why.removeprefix('ours: ')}"
            # The same place may be chosen differently by two recipes: then both are told, with their names.
            others = {other.ours.get(place) for other in configs.values()} - {None, why}
            lines[f"{label}, {line}" if others else line] = None
    return "\n".join(textwrap.fill(f"- {line}", 76, subsequent_indent="  ") for line in lines)


def _settings(config: Config) -> dict[str, str]:
    network, batches, phases = config.network, config.batches, config.phases
    how = phases[0].optimizer
    size = config.size or transform(config.transforms, config.benchmark).size
    if batches.classes is None:
        batch = f"{batches.size} at random"
    else:
        batch = f"{batches.classes} classes × {batches.images_per_class}"
    rates = dict.fromkeys(f"{phase.optimizer.lr:g}" for phase in phases)
    return {
        "network": f"{network.backbone}, {'from ImageNet' if network.pretrained else 'from scratch'}",
        "loss": " + ".join(_term(term) for term in config.loss),
        "pixels": "as they are" if size is None else str(size),
        "embedding": "the features" if network.embedding_dim is None else f"{network.embedding_dim} numbers",
        "batch": batch,
        "views": str(batches.views),
        "epochs": " + ".join(str(phase.epochs) for phase in phases),
        "optimizer": _optimizer(how),
        "rate": ", then ".join(rates),
        "schedule": ", then ".join(dict.fromkeys(phase.schedule.name for phase in phases)),
        "dropout": f"{network.dropout:g}",
        "precision": config.precision,
    }


def _term(term: LossTerm) -> str:
    return term.name if term.weight == 1 else f"{term.weight:g} × {term.name}"


def _optimizer(how) -> str:
    parts = [{"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSProp"}.get(how.name, how.name)]
    if how.momentum:
        parts.append(f"momentum {how.momentum:g}")
    if how.weight_decay:
        parts.append(f"decay {how.weight_decay:g}")
    return ", ".join(parts)

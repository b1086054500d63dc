"""Another value at a place of a config: a search draws it, `train --set` and a sweep name it."""

from __future__ import annotations

import difflib
import inspect
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

from dmlkit import losses
from dmlkit.recipes.config import Config, LossTerm

# Fields of a config that explain its settings and are none.
_NO_SETTINGS = ("ours", "changes")
# What a run is called by: each is asked for in its own way.
_NAMES = ("recipe", "benchmark", "scale", "seed", "source")
_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a word", type(None): "null"}


def changed(config: Config, changes: Mapping[str, Any]) -> Config:
    """The config with other values at some paths, which it remembers: the run has them in its name.

    Args:
        config: of a recipe; stays as it is.
        changes: path, as `paths` lists them, → value: `{"batches.size": 32, "loss.0.options.margin": 0.1}`.

    Raises:
        ValueError: no such path, a value of another kind than the place holds, or recipe, benchmark, scale or seed,
            which are chosen when the config is made.

    Example:
        >>> from dmlkit.recipes import silhouette
        >>> changed(silhouette("cifar10", arm="CE"), {"batches.size": 32}).name
        'silhouette/CE, batches.size=32'
    """
    for path, value in changes.items():
        if path in _NAMES:
            raise ValueError(f"{path} is chosen when the config is made: a change of it would run under a wrong name")
        kinds = _kinds_at(config, path)
        if kinds and not any(_is(value, kind) for kind in kinds):
            expected = " or ".join(_KINDS[kind] for kind in kinds)
            raise ValueError(f"{path} must be {expected}, found {value!r}")
        config = replace_at(config, path, value)
    return replace(config, changes={**config.changes, **changes})


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return isinstance(value, kind) and (kind is not int or not isinstance(value, bool))


def _kinds_at(config: Config, path: str) -> tuple[type, ...]:
    """The kinds of value that a place may hold; none where anything may stand there.

    Raises:
        ValueError: no such path.
    """
    _check_path(config, path)
    *before, last = path.split(".")
    whole: Any = config
    for step in before:
        whole = _children(whole)[step]
    if is_dataclass(whole):
        hint = typing.get_type_hints(type(whole))[last]
        union = typing.get_origin(hint) in (typing.Union, types.UnionType)
        hints = typing.get_args(hint) if union else (hint,)
        return tuple(kind for kind in hints if kind in _KINDS)
    value = _children(whole)[last]
    return () if value is None else (type(value),)


def _check_path(config: Config, path: str) -> None:
    known = paths(config)
    if path not in known:
        near = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
        raise ValueError(f"the config has no value at {path!r}" + (f": did you mean {' or '.join(near)}?" * bool(near)))


def paths(config: Config) -> list[str]:
    """Every path that `replace_at` takes: the values of the config, and the options that its losses could have.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> [path for path in paths(warped_softmax("cub200")) if path.startswith("loss.0.options.a")]
        ['loss.0.options.alpha']
    """
    return [".".join(steps) for steps in _leaves(config)]


def replace_at(config: Config, path: str, value: Any) -> Config:
    """The config with another value at a path.

    Args:
        config: stays as it is.
        path: names of fields, numbers of tuple entries and keys of mappings, with dots between:
            "phases.0.optimizer.lr", "loss.0.options.alpha". An option of a loss may be set where the config leaves it
            at its default.
        value: what is to be there.

    Raises:
        ValueError: no such path; the nearest ones are said.

    Example:
        >>> from dmlkit.recipes import warped_softmax
        >>> replace_at(warped_softmax("cub200"), "phases.1.optimizer.lr", 0.25).phases[1].optimizer.lr
        0.25
    """
    _check_path(config, path)
    return _replaced(config, path.split("."), value)


def _children(whole: Any) -> dict[str, Any] | None:
    """Step → part; None for a value, which has no parts."""
    if isinstance(whole, LossTerm):
        # A classifier's label smoothing is worth a search although its recipe never mentions it. What has no default,
        # such as the number of classes, comes from the run.
        parameters = inspect.signature(getattr(losses, whole.name, object)).parameters
        options = {name: p.default for name, p in parameters.items() if p.default is not p.empty}
        return {**vars(whole), "options": {**options, **whole.options}}
    if is_dataclass(whole):
        return {item.name: getattr(whole, item.name) for item in fields(whole) if item.name not in _NO_SETTINGS}
    if isinstance(whole, Mapping):
        return {str(key): part for key, part in whole.items()}
    if isinstance(whole, tuple):
        return {str(place): part for place, part in enumerate(whole)}
    return None


def _leaves(whole: Any) -> Iterator[tuple[str, ...]]:
    children = _children(whole)
    if children is None:
        yield ()
        return
    for step, part in children.items():
        for rest in _leaves(part):
            yield (step, *rest)


def _replaced(whole: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    step, *rest = steps
    if isinstance(whole, tuple):
        place = int(step)
        return (*whole[:place], _replaced(whole[place], rest, value), *whole[place + 1 :])
    if isinstance(whole, Mapping):
        key = next((key for key in whole if str(key) == step), step)
        return {**whole, key: _replaced(whole.get(key), rest, value)}
    return replace(whole, **{step: _replaced(getattr(whole, step), rest, value)})

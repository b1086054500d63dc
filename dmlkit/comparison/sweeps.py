"""One knob at a time: how a loss answers to a single number where all else stays as it was."""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from dmlkit import losses
from dmlkit.comparison.candidates import CANDIDATES
from dmlkit.comparison.features import Rows
from dmlkit.comparison.files import gone_on, header, keep, loaded, rounded
from dmlkit.comparison.networks import IMAGES, Images, NetworkProtocol, image_course
from dmlkit.comparison.protocol import Course, Protocol, course, embeddings_of_test, measured
from dmlkit.data.samplers import check_whole
from dmlkit.environment import building_book

IMAGES_OF_A_CLASS = 4  # in a batch, where the size of the batch is what is swept


@dataclass(frozen=True)
class Sweep:
    """Values of one number of a loss, or of its batches; all else is what `Protocol.settings` gives trial 0.

    Attributes:
        loss: a name of `CANDIDATES`.
        knob: an option of the loss's first term, "weight" of its last term, "batch", or "rate": a factor before the
            learning rate of the head or the network.
        values: of the knob, the default among them.
        also: options that take the same value.
    """

    loss: str
    knob: str
    values: tuple[float, ...]
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As `SWEEPS` has it."""
        return f"{self.loss} {self.knob}"

    def default(self, protocol: Protocol) -> float:
        """The value that the loss, or its batches, have where nobody chooses one."""
        candidate = CANDIDATES[self.loss]
        if self.knob == "batch":
            return protocol.batch
        if self.knob == "rate":
            return 1.0
        if self.knob == "weight":
            return list(candidate.terms.values())[-1]
        if self.knob in candidate.options:
            return candidate.options[self.knob]
        return inspect.signature(getattr(losses, next(iter(candidate.terms)))).parameters[self.knob].default

    def settings(self, value: float, protocol: Protocol) -> dict[str, float]:
        """Those of a training: the loss's defaults and, where it differs from them, the value."""
        given = protocol.settings(CANDIDATES[self.loss], 0)
        if self.knob == "batch" or value == self.default(protocol):
            return given
        if self.knob == "rate":
            return {**given, "lr": value * given["lr"]}
        return {**given, self.knob: value, **dict.fromkeys(self.also, value)}

    def training(self, value: float, protocol: Protocol) -> Protocol:
        """The protocol of a training, which is another one for batches of another size.

        They have four images of each class, and there are so many of them that as many images are seen as before; the
        rates keep their heights, and rise and fall over the same shares of the training. Where there are fewer
        classes than a quarter of the batch, all of them are in it, with more images of each.
        """
        if self.knob != "batch":
            return protocol
        share = protocol.batch / value
        changed = {
            "batch": value,
            "classes": max(2, value // IMAGES_OF_A_CLASS),
            "steps": max(1, round(protocol.steps * share)),
        }
        if isinstance(protocol, NetworkProtocol):
            changed["warmup"] = round(protocol.warmup * share)
        return replace(protocol, **changed)


_TEMPERATURES = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_SCALES = (0.25, 1.0, 4.0)
_BATCHES = (16, 32, 64, 128)
_RATES = (0.03, 0.1, 0.3, 1.0, 3.0)

_ALL = (
    Sweep("WarpedSoftmax", "alpha", (0.0, 0.25, 0.5, 0.75, 0.9, 1.0)),
    Sweep("WarpedSoftmax", "beta", (1.0, 1.1, 1.2, 1.4, 1.6)),
    # In units of the embedding, which the first head makes √d long: 8 on rows, 11 of networks.
    Sweep("WarpedSoftmax", "r", (0.5, 2.0, 5.0, 8.0, 11.0, 16.0)),
    # The factor m of γ: without γ; half of it; eq. 7, where the value goes on at r without a step; then beyond it, as
    # far as figure 8 of paper W goes. At the default α = 0.9 the value below r is (0.9 + 0.1 m) times the distance.
    Sweep("WarpedSoftmax", "margin", (0.0, 0.5, 1.0, 2.0, 3.5, 5.5)),
    Sweep("WarpedSoftmax", "scale", _SCALES),
    Sweep("EuclideanSoftmax", "scale", _SCALES),
    # At weight 0: cross-entropy alone, and SupCon alone.
    Sweep("CE + Silhouette", "weight", (0.0, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0)),
    Sweep("SupCon + Silhouette", "weight", (0.0, 0.2, 0.5, 1.0, 2.0, 5.0)),
    Sweep("SoftSilhouette", "temperature", _TEMPERATURES, also=("nearest_temperature",)),
    Sweep("SupCon", "temperature", _TEMPERATURES),
    Sweep("NormSoftmax", "temperature", _TEMPERATURES),
    Sweep("SupCon", "batch", _BATCHES),
    Sweep("SoftSilhouette", "batch", _BATCHES),
    Sweep("NormSoftmax", "batch", _BATCHES),
    Sweep("LinearCrossEntropy", "batch", _BATCHES),
    # The two losses that leave a pretrained network worse than they found it: is it the rate, or the margin?
    Sweep("SphereFace", "margin", (1.0, 1.5, 2.0, 3.0, 4.0)),
    Sweep("SphereFace", "rate", _RATES),
    Sweep("Contrastive", "margin", (0.1, 0.3, 1.0, 3.0, 10.0)),
    Sweep("Contrastive", "rate", _RATES),
)
SWEEPS: dict[str, Sweep] = {one.name: one for one in _ALL}


@dataclass(frozen=True)
class SweepStudy:
    """What sweeps found on one data set.

    Attributes:
        name: of the data set.
        data: counts, checksum and source of its rows or images.
        protocol: what all trainings shared, but for the batches of sweeps over their size.
        baselines: measures without any training: of the "rows" themselves, and of the "first head", by both distances.
        sweeps: name of `SWEEPS` → "loss", "knob", "default", "seconds", and "points": of each value the "settings"; how
            many images and classes its batches had ("batch", "classes") and how many "steps" there were; and "runs",
            the measures of each seed. A value at which a seed diverged has none and says the "reason".
        versions, device, code: of what ran.
    """

    name: str
    data: dict[str, Any]
    protocol: dict[str, Any]
    baselines: dict[str, dict[str, float]]
    sweeps: dict[str, dict[str, Any]]
    versions: dict[str, str]
    device: str
    code: dict[str, Any]

    @classmethod
    def load(cls, path: str | Path) -> SweepStudy:
        """Read what `sweep` wrote.

        Raises:
            ValueError: no such file, or it has no sweeps.
        """
        return loaded(cls, path, "file of sweeps")

    def curve(self, name: str, measure: str = "MAP@R") -> dict[float, list[float]]:
        """Value → one number a seed, of the values at which no seed diverged.

        Args:
            name: of a sweep that the file has.
            measure: one of `MEASURES`.

        Raises:
            ValueError: a sweep that the file lacks.
        """
        if name not in self.sweeps:
            raise ValueError(
                f"name must be one of the file's sweeps, {', '.join(self.sweeps) or 'none'}; found {name!r}"
            )
        points = self.sweeps[name]["points"]
        return {point["value"]: [run[measure] for run in point["runs"]] for point in points if point["runs"]}


def sweep(
    data: Rows,
    path: str | Path,
    *,
    names: Iterable[str] = tuple(SWEEPS),
    protocol: Protocol | None = None,
    seeds: int = 3,
    progress: bool | None = None,
) -> SweepStudy:
    """Train with every value of a knob, over the same seeds, and measure on the test classes.

    All values of a sweep begin with the same head or network and see the same batches, but for sweeps of the batch. No
    value is chosen: the best of a curve on the test classes is no result of the loss. After each sweep the file is
    written anew, whole; called again, the study goes on with the sweeps that are missing or have other values now.
    Several processes, each with sweeps of its own, may share a file.

    Args:
        data: of `rows`, or of `images`: then each training is one of a whole network.
        path: of the JSON file.
        names: of `SWEEPS`.
        protocol: of the trainings; by default `Protocol()`, or that of the images. It searches for nothing here: the
            file has it with one trial and with these seeds.
        seeds: trainings of each value, from seed 0 on.
        progress: show a bar; None shows one unless the book is being built.

    Returns:
        The `SweepStudy`.

    Raises:
        TypeError, ValueError: an unknown sweep, seeds that are no number of at least 1, or a file without sweeps.
        DataError: the file is of other data or another protocol.

    Used in the chapter "Turning the knobs".
    """
    path, names = Path(path), list(names)
    check_whole("seeds", seeds, least=1)
    for name in names:
        if name not in SWEEPS:
            raise ValueError(f"names must be among {', '.join(SWEEPS)}, found {name!r}")
    if protocol is None:
        protocol = IMAGES[data.name].protocol if isinstance(data, Images) else Protocol()
    protocol = replace(protocol, trials=1, seeds=seeds)
    on = image_course(data, protocol) if isinstance(protocol, NetworkProtocol) else course(data, protocol)
    begun = SweepStudy(**header(data, on, protocol), sweeps={})
    hidden = building_book() if progress is None else not progress
    missing = [name for name in names if not _is_whole(SWEEPS[name], gone_on(path, begun).sweeps)]
    for name in tqdm(missing, desc=data.name, disable=hidden):
        chosen = SWEEPS[name]
        kept = gone_on(path, begun).sweeps.values()
        known = [point for found in kept if found["loss"] == chosen.loss for point in found["points"]]
        keep(path, begun, "sweeps", name, one_sweep(on, chosen, protocol, known=known), SWEEPS)
    return gone_on(path, begun)


def one_sweep(on: Course, chosen: Sweep, protocol: Protocol, *, known: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The points of one sweep, as `SweepStudy.sweeps` holds them.

    Args:
        on: what to train on.
        chosen: the loss, its knob and the values.
        protocol: of the trainings, `seeds` of each value.
        known: points of the same loss that need no second training, such as its defaults in another sweep.
    """
    began = time.perf_counter()
    points = []
    for value in chosen.values:
        how = chosen.training(value, protocol)
        sampler = on.whole.sampler(how, seed=0)
        point = {
            "settings": chosen.settings(value, protocol),
            "batch": sampler.batch_size,
            "classes": sampler.classes_per_batch,
            "steps": how.steps,
        }
        made = next((one for one in known if all(one[what] == point[what] for what in point)), None)
        if made is None:
            made = {**point, **_runs(on, chosen.loss, point["settings"], how)}
        points.append({**made, "value": value})
    return {
        "loss": chosen.loss,
        "knob": chosen.knob,
        "default": chosen.default(protocol),
        "points": points,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _runs(on: Course, name: str, settings: dict[str, float], protocol: Protocol) -> dict[str, Any]:
    """The measures of each seed; where one diverges the reason and none, as a mean over the others would flatter."""
    found = []
    for seed in range(protocol.seeds):
        try:
            rows = embeddings_of_test(on, CANDIDATES[name], settings, protocol, seed=seed)
        except FloatingPointError as fault:
            return {"runs": [], "reason": f"seed {seed}: {fault}"}
        found.append(rounded(measured(rows, on.test_labels, CANDIDATES[name].distance)))
    return {"runs": found}


def _is_whole(chosen: Sweep, kept: dict[str, dict[str, Any]]) -> bool:
    """Whether the file has this sweep with the values of today."""
    points = kept[chosen.name]["points"] if chosen.name in kept else []
    return [point["value"] for point in points] == list(chosen.values)

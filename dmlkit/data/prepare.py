"""From the official files to a folder that is checked: whole and right, or not there at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from tqdm.auto import tqdm

from dmlkit.data.download import check_file, download
from dmlkit.data.entry import Count, Entry, Source
from dmlkit.data.errors import DataError
from dmlkit.data.images import Encoded, Files, ImageSet, Pairs
from dmlkit.data.locks import locked
from dmlkit.data.places import packs_folder
from dmlkit.data.unpack import unpack
from dmlkit.environment import building_book

MANIFEST = "dmlkit-manifest.json"
IMAGE_ENDINGS = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".gif", ".ppm", ".tif", ".tiff"})
Splits = Mapping[str, ImageSet | Pairs]


def prepare(entry: Entry, root: Path, *, fetch: bool) -> Path:
    """The folder `root/name` of a data set, made from its sources where it is not there yet.

    One process prepares, another that wants the same set waits for it. All is done in a folder beside it and becomes
    visible by one renaming, after every check.

    Args:
        entry: of the catalogue.
        root: the data root.
        fetch: download what is missing and can be downloaded.

    Returns:
        The folder, with its manifest.

    Raises:
        DataError: a source is missing or has wrong bytes, the disk is full, or what was unpacked is not the data set.
    """
    folder = root / entry.name
    if (folder / MANIFEST).is_file():
        return folder
    _make_root(root)
    with locked(folder):
        if (folder / MANIFEST).is_file():  # another process was faster
            return folder
        if folder.exists():
            raise DataError(
                f"{folder} was not made by dmlkit: open it with benchmark({entry.name!r}, folder=…), or remove it"
            )
        found = [_located(source, entry, root, fetch) for source in entry.sources]
        # Unique names are not needed under the lock; what lies there was left by a process that was killed.
        work = root / f".{entry.name}.part"
        shutil.rmtree(work, ignore_errors=True)
        try:
            work.mkdir()
            for source, path in zip(entry.sources, found, strict=True):
                _place(source, path, work)
            if entry.finish is not None:
                entry.finish(work)
            write_manifest(work, entry.name, inspect(entry, work, entry.counts), work / MANIFEST)
            os.replace(work, folder)
        except OSError as fault:
            reason = fault.strerror or fault
            raise DataError(f"{entry.name} could not be prepared in {root} ({reason}): nothing was kept") from fault
        finally:
            shutil.rmtree(work, ignore_errors=True)
    return folder


def open_in_place(entry: Entry, folder: Path, root: Path) -> str:
    """Check a copy that lies unpacked elsewhere; the folder itself may be read-only.

    The first time every image is decoded, and a manifest is kept in the data root; then the manifest is enough.

    Returns:
        The checksum over all bytes.

    Raises:
        DataError: the folder is missing, is not the data set, or has changed since it was checked.
    """
    folder = folder.expanduser().absolute()
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    manifest = root / "checked" / f"{entry.name}-{name}.json"
    _make_root(manifest.parent)
    with locked(manifest.with_suffix("")):
        if not manifest.is_file():
            write_manifest(folder, entry.name, inspect(entry, folder, entry.counts), manifest)
    return check_manifest(folder, entry.name, manifest)


def _make_root(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
        if not os.access(root, os.W_OK):
            raise PermissionError("it cannot be written")
    except OSError as fault:
        raise DataError(
            f"the data root {root} cannot be used ({fault.strerror or fault}): name another one in DMLKIT_DATA"
        ) from None


def places(source: Source, root: Path) -> list[Path]:
    """Where a source may lie: placed by hand or downloaded, then in the packs."""
    packs = packs_folder()
    packed = [packs / source.pack] if packs is not None and source.pack is not None else []
    return [root / "archives" / source.file, *packed]


def absent(entry: Entry, root: Path) -> list[Source]:
    """The sources that a data set still lacks; none where it is prepared. Only names are looked at, no bytes."""
    if (root / entry.name / MANIFEST).is_file():
        return []
    return [source for source in entry.sources if not any(path.is_file() for path in places(source, root))]


def _located(source: Source, entry: Entry, root: Path, fetch: bool) -> Path:
    """The source's file with the right bytes: placed by hand, in the packs, or downloaded now."""
    placed, *_ = there = places(source, root)
    for path in there:
        if path.is_file():
            check_file(path, source.checksum, source.size)
            return path
    if source.url is not None and fetch:
        placed.parent.mkdir(parents=True, exist_ok=True)
        return download(source.url, placed, checksum=source.checksum, size=source.size)
    raise DataError(f"{entry.title} is not here: {_how_to_get(source, entry, placed)}")


def _how_to_get(source: Source, entry: Entry, placed: Path) -> str:
    by_hand = f" ({entry.by_hand})" if entry.by_hand else ""
    if entry.stands_in_for is not None:
        return f"name the folder of the packs in DMLKIT_PACKS, or put {source.file} into {placed.parent}{by_hand}"
    if source.url is None:
        return f"put {source.file} into {placed.parent}{by_hand}"
    size = f" ({source.size / 1e6:,.0f} MB)" if source.size else ""
    return f"benchmark({entry.name!r}, download=True) fetches it{size}, or put {source.file} into {placed.parent}"


def _place(source: Source, path: Path, work: Path) -> None:
    """Unpack or copy a source to where the layout has it."""
    target = work / source.into
    target.mkdir(parents=True, exist_ok=True)
    if not source.unpack:
        shutil.copyfile(path, target / source.file)
        return
    unpacked = unpack(path, work / ".unpacked")
    for part in unpacked.iterdir():
        os.replace(part, target / part.name)
    unpacked.rmdir()


def inspect(entry: Entry, folder: Path, counts: Mapping[str, Count]) -> Splits:
    """Read a folder and hold it against all that is known of the data set; every image is decoded once.

    Args:
        entry: of the catalogue.
        folder: that holds the official layout.
        counts: what each split must have: the catalogue's, or a miniature's.

    Raises:
        DataError: counts, names, classes or an image are not what they must be.
    """
    splits = entry.read(folder)
    check_splits(entry, splits, folder, counts)
    listed = _listed(splits)
    if listed:
        there = {
            name
            for name in _files(folder)
            if Path(name).suffix.lower() in IMAGE_ENDINGS and not any(Path(name).match(p) for p in entry.unused)
        }
        for names, what in ((listed - there, "is missing"), (there - listed, "does not belong to the data set")):
            if names:
                raise DataError(f"{folder / min(names)} {what}{_more(len(names))}: get {entry.title} again, unchanged")
        _decode_all(folder, sorted(listed), entry)
    for store in {id(images.store): images.store for images in _image_sets(splits)}.values():
        if isinstance(store, Encoded):
            for place in range(len(store)):
                store[place]
    return splits


def check_splits(entry: Entry, splits: Splits, folder: Path, counts: Mapping[str, Count]) -> None:
    """Counts of each split, and no training class among the others' where the split is zero-shot.

    Raises:
        DataError: the first difference.
    """
    found = {name: count(split) for name, split in splits.items()}
    for name, expected in counts.items():
        if found.get(name) != expected:
            raise DataError(
                f"{folder} is not {entry.title}: {name} must have {expected}, found {found.get(name, 'none')}"
            )
    if entry.zero_shot:
        train = splits["train"]
        for name, split in splits.items():
            common = set(train.labels.tolist()) & set(split.labels.tolist())
            if name != "train" and common:
                label = min(common)
                raise DataError(f"{folder}: class {train.classes[label]!r} is in train and in {name}")


def count(split: ImageSet | Pairs) -> Count:
    """How many images and classes, or images and pairs, a split has."""
    if isinstance(split, Pairs):
        return Count(len(split.images), pairs=len(split))
    return Count(len(split), split.num_classes)


def _more(count: int) -> str:
    return f" (and {count - 1:,} more)" if count > 1 else ""


def _image_sets(splits: Splits) -> list[ImageSet]:
    return [split.images if isinstance(split, Pairs) else split for split in splits.values()]


def _listed(splits: Splits) -> set[str]:
    """Names of all image files that the splits use."""
    names: set[str] = set()
    for images in _image_sets(splits):
        if isinstance(images.store, Files):
            names.update(images.store.names[place] for place in images.places.tolist())
    return names


def _files(folder: Path) -> dict[str, int]:
    """Size of every file below a folder, by its name with forward slashes."""
    sizes: dict[str, int] = {}
    pending = [(folder, "")]
    while pending:
        here, prefix = pending.pop()
        with os.scandir(here) as found:
            for item in found:
                if item.is_dir(follow_symlinks=False):
                    pending.append((Path(item.path), f"{prefix}{item.name}/"))
                else:
                    sizes[prefix + item.name] = item.stat().st_size
    sizes.pop(MANIFEST, None)
    return sizes


def _decode_all(folder: Path, names: list[str], entry: Entry) -> None:
    """Read every image once: a truncated one is found now and not in the middle of a training run.

    Raises:
        DataError: the first that cannot be read.
    """

    def decode(name: str) -> str | None:
        try:
            with Image.open(folder / name) as image:
                image.draft(None, (1, 1))  # the smallest scale that JPEG can be decoded at: every byte is still read
                image.load()
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as fault:
            return f"{folder / name} cannot be read as an image ({fault}): get {entry.title} again"
        return None

    with ThreadPoolExecutor() as pool:
        faults = pool.map(decode, names, chunksize=64)
        silent = building_book() or len(names) < 2000
        for fault in tqdm(faults, f"checking {entry.name}", len(names), unit=" images", disable=silent):
            if fault is not None:
                pool.shutdown(cancel_futures=True)
                raise DataError(fault)


def write_manifest(folder: Path, name: str, splits: Splits, manifest: Path) -> None:
    """Sizes of all files, checksums of those that are no images, and one checksum over everything."""
    sizes = _files(folder)
    images = _listed(splits)
    whole, others = hashlib.sha256(), {}
    for file in sorted(sizes):
        with open(folder / file, "rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file}\0{digest}\n".encode())
        if file not in images:
            others[file] = digest
    text = json.dumps({"data set": name, "checksum": f"sha256:{whole.hexdigest()}", "sizes": sizes, "sha256": others})
    temporary = manifest.with_name(f"{manifest.name}.part")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, manifest)


def check_manifest(folder: Path, name: str, manifest: Path) -> str:
    """Hold a checked folder against its manifest: names and sizes of all files, bytes of the annotations.

    Returns:
        The checksum over all bytes, as it was when the data set was prepared.

    Raises:
        DataError: something is missing, was added or has changed since.
    """
    made_here = manifest.parent == folder
    again = f"remove {folder} and prepare it again" if made_here else f"get it again, and remove {manifest}"
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        prepared, checksum = content["data set"], content["checksum"]
        known, digests = content["sizes"], content["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise DataError(f"{manifest} cannot be read ({fault}): {again}") from None
    if prepared != name:
        raise DataError(f"{folder} holds {prepared!r}, not {name!r}: {again}")
    found = _files(folder)
    for names, what in ((known.keys() - found.keys(), "is missing"), (found.keys() - known.keys(), "was added")):
        if names:
            raise DataError(f"{folder / min(names)} {what}{_more(len(names))}: {again}")
    changed = {file for file, size in known.items() if found[file] != size}
    for file, digest in digests.items():
        with open(folder / file, "rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != digest:
                changed.add(file)
    if changed:
        raise DataError(f"{folder / min(changed)} has changed{_more(len(changed))}: {again}")
    return checksum

"""Files of the book that a chapter reads: where the book lies on this machine, or, as in Colab, from its repository."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from dmlkit.data.download import download
from dmlkit.data.errors import DataError
from dmlkit.data.locks import locked
from dmlkit.data.places import data_root
from dmlkit.data.unpack import unpack
from dmlkit.environment import installed_from


def book_file(name: str) -> Path:
    """A file or folder of `book/`: recorded runs, published tables.

    Looked for in a folder `book` of the working directory or of one above it, then beside the checkout that dmlkit runs
    or was installed from. Where there is none, the repository is fetched once, at the commit that dmlkit was installed
    from (pip keeps note of both), and kept in the folder `book` of the data root.

    Args:
        name: as in `book/`, with slashes: "runs/silhouette_fashion_mnist".

    Returns:
        Where it lies.

    Raises:
        ValueError: a name that leads out of `book/`.
        DataError: not here, and it cannot be fetched or is not in the book.

    Example:
        >>> book_file("published/silhouette_table_1.csv").name
        'silhouette_table_1.csv'

    Used in the chapter "Does it help?".
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name:
        raise ValueError(f"name must be a path inside book/, with slashes and without .., found {name!r}")
    noted = installed_from()
    for folder in _checkouts(noted):
        if (folder / "book" / path).exists():
            return folder / "book" / path
    return _fetched(path, noted)


def _checkouts(noted: dict[str, Any]) -> list[Path]:
    """Folders that may hold `book`, the nearest first."""
    here = Path.cwd()
    folders = [here, *here.parents, Path(__file__).parent.parent]
    if noted.get("url", "").startswith("file:"):
        folders.append(Path(url2pathname(urlsplit(noted["url"]).path)))
    return folders


def _fetched(path: PurePosixPath, noted: dict[str, Any]) -> Path:
    """The same from the repository's archive, unpacked in the data root."""
    missing = f"{path} of the book is not on this machine"
    address = noted.get("url", "").removesuffix("/").removesuffix(".git")
    commit = noted.get("vcs_info", {}).get("commit_id")
    if not commit or not address.startswith(("https://", "http://")):
        raise DataError(
            f"{missing}, and dmlkit does not know its repository: run the chapter in a checkout of the book, or "
            "install dmlkit from its repository with pip"
        )
    folder = data_root() / "book" / commit
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder):
        if not folder.is_dir():
            archive = folder.with_name(f"{commit}.zip")
            try:
                unpack(download(f"{address}/archive/{commit}.zip", archive), folder)
            except DataError as error:
                raise DataError(f"{missing} and cannot be fetched: {error}") from error
            finally:  # what is damaged must not be found again; a broken download has another name, and goes on
                archive.unlink(missing_ok=True)
    for book in folder.glob("*/book"):  # the archive holds one folder, named after repository and commit
        if (book / path).exists():
            return book / path
    raise DataError(f"{path} is not in the book at commit {commit} of {address}: install a newer dmlkit")

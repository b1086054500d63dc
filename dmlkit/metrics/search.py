"""Nearest neighbours by an index of faiss, for collections whose pairs are too many to be compared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_rows
from dmlkit.geometry import unit_rows
from dmlkit.metrics.ranking import DISTANCES, NeighborSearch


def faiss_search(index: Any, *, distance: str = "cosine") -> NeighborSearch:
    """A `search` for `retrieval` from an index of faiss.

    The index is yours: flat, inverted lists, a graph, quantised, on disk, or sharded over several GPUs or machines by
    faiss itself. It must hold the rows of the gallery in their order, of unit length for "cosine"; see
    `build_faiss_index`.

    Args:
        index: of faiss, trained and filled.
        distance: "cosine" or "euclidean", as for `retrieval`: for "cosine" the queries are normalised.

    Returns:
        (queries (B, d), k) → (B, k) row numbers, −1 where the index found fewer.

    Raises:
        ValueError: an unknown distance, or an empty index.

    Explained in the appendix "Searching larger collections".
    """
    check_choice("distance", distance, DISTANCES)
    if index.ntotal == 0:
        raise ValueError("index is empty: add the rows of the gallery first")

    def search(queries: Tensor, k: int) -> Tensor:
        return torch.from_numpy(index.search(_rows(queries, distance), k)[1])

    return search


def build_faiss_index(
    gallery: Tensor, factory: str = "Flat", *, distance: str = "cosine", training_rows: int = 200_000, seed: int = 0
) -> Any:
    """An index of faiss over the rows of a gallery, by its factory string.

    Args:
        gallery: (N, d); only a part of it at a time is copied, so it may lie on disk (`torch.from_file`).
        factory: what faiss's `index_factory` takes: "Flat" compares all pairs, "IVF1024,Flat" those of near lists,
            "HNSW32" walks a graph, "IVF1024,PQ64" holds 64 bytes a row.
        distance: "cosine" (rows are normalised first) or "euclidean"; both rank by the Euclidean distance.
        training_rows: how many rows, drawn at random, train the lists and codes.
        seed: of that draw.

    Returns:
        The index, for `faiss_search`.

    Raises:
        ImportError: faiss is not installed: `pip install faiss-cpu`.
        TypeError, ValueError: a wrong dtype, shape or option.
        RuntimeError: faiss does not know the factory string.

    Explained in the appendix "Searching larger collections".
    """
    import faiss

    check_rows(gallery, "gallery")
    check_choice("distance", distance, DISTANCES)
    index = faiss.index_factory(gallery.shape[1], factory)
    if not index.is_trained:
        generator = torch.Generator().manual_seed(seed)
        drawn = torch.randperm(len(gallery), generator=generator)[:training_rows].sort().values
        index.train(_rows(gallery[drawn], distance))
    for part in gallery.split(65_536):
        index.add(_rows(part, distance))
    return index


def _rows(x: Tensor, distance: str) -> Any:
    """Rows as faiss takes them: contiguous float32 of numpy, of unit length for the cosine."""
    x = x.detach().float().cpu()
    return (unit_rows(x) if distance == "cosine" else x).contiguous().numpy()

"""Retrieval from a search that only proposes candidates: exact when they suffice, honest when they do not."""

import brute_force
import pytest
import torch

from dmlkit.metrics import build_faiss_index, faiss_search, retrieval

MEASURES = ("recall", "precision_at_1", "r_precision", "map_at_r", "mrr")
each_distance = pytest.mark.parametrize("distance", ["cosine", "euclidean"])


def draw(rows=120, dim=5, classes=7, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(classes, (rows,), generator=generator)
    centres = torch.randn(classes, dim, generator=generator)
    return centres[labels] + torch.randn(rows, dim, generator=generator), labels


def every_row(gallery):
    """A search that proposes all there is, in no useful order."""
    return lambda queries, k: torch.arange(len(gallery)).flip(0).expand(len(queries), -1)


def nearest(gallery, distance):
    """A search that finds the k nearest for certain."""

    def search(queries, k):
        if distance == "cosine":
            queries, rows = (torch.nn.functional.normalize(x.double()) for x in (queries, gallery))
        else:
            queries, rows = queries.double(), gallery.double()
        return torch.cdist(queries, rows).topk(k, dim=1, largest=False).indices

    return search


@each_distance
@pytest.mark.parametrize("chunk", [1, 7, 256])
def test_all_rows_as_candidates_give_the_full_pass(distance, chunk):
    x, y = draw()
    full = retrieval(x, y, distance=distance)
    found = retrieval(x, y, distance=distance, search=every_row(x), chunk=chunk)
    assert all(getattr(found, name) == getattr(full, name) for name in MEASURES)
    assert torch.equal(found.first_match, full.first_match)


@each_distance
def test_the_nearest_as_candidates_give_the_full_pass_but_for_late_matches(distance):
    x, y = draw(rows=400, classes=40)
    full = retrieval(x, y, distance=distance, ks=(1, 5))
    found = retrieval(x, y, distance=distance, ks=(1, 5), search=nearest(x, distance))
    assert all(getattr(found, name) == getattr(full, name) for name in MEASURES[:-1])
    late = found.first_match != full.first_match
    assert late.any() and (found.first_match[late] == 401).all() and (full.first_match[late] > 5).all()
    assert found.mrr < full.mrr


@each_distance
def test_query_and_gallery(distance):
    x, y = draw(seed=1)
    q, qy = draw(rows=50, seed=2)
    answers = brute_force.ranks_of_matches(x, y, distance, q, qy)
    found = retrieval(x, y, queries=q, query_labels=qy, distance=distance, search=every_row(x))
    assert found.recall[2] == pytest.approx(sum(ranks[0] <= 2 for ranks in answers) / len(answers))
    assert found.map_at_r == pytest.approx(brute_force.map_at_r(answers), abs=1e-12)
    assert found.mrr == pytest.approx(brute_force.mrr(answers), abs=1e-12)


def test_ties_count_against_the_query_here_too():
    """The search's own order does not decide: all rows are one point."""
    x, y = torch.ones(30, 4), torch.arange(30) % 3
    assert retrieval(x, y, ks=(1,), search=every_row(x)).recall == {1: 0.0}


def test_a_match_that_is_not_proposed_counts_as_last():
    x = torch.tensor([[0.0], [1.0], [10.0], [11.0]])
    labels = torch.tensor([0, 0, 1, 1])
    proposals = torch.tensor([[0, 1], [-1, -1], [2, 3], [0, 1]])  # nothing for the second, no match for the last
    answers = iter(proposals.split(1))
    found = retrieval(x, labels, distance="euclidean", ks=(1,), chunk=1, search=lambda queries, k: next(answers))
    assert found.first_match.tolist() == [1, 5, 1, 5]
    assert found.recall == {1: 0.5} and found.r_precision == 0.5


@each_distance
@pytest.mark.parametrize("factory", ["Flat", "IVF4,Flat", "HNSW32"])
def test_faiss_with_an_index_that_finds_all(factory, distance):
    x, y = draw(rows=500, classes=60)
    index = build_faiss_index(x, factory, distance=distance)
    if factory.startswith("IVF"):
        index.nprobe = 4
    if factory.startswith("HNSW"):
        index.hnsw.efSearch = 500
    full = retrieval(x, y, distance=distance)
    found = retrieval(x, y, distance=distance, search=faiss_search(index, distance=distance))
    assert all(getattr(found, name) == pytest.approx(getattr(full, name), abs=1e-12) for name in MEASURES[:-1])


def test_an_index_that_misses_neighbours_is_seen():
    x, y = draw(rows=2000, dim=16, classes=400)
    index = build_faiss_index(x, "IVF64,Flat")  # looks into one of 64 lists
    full, found = retrieval(x, y), retrieval(x, y, search=faiss_search(index))
    assert found.map_at_r < full.map_at_r
    assert (found.first_match == 2001).float().mean() > 0.1


def test_a_gallery_on_disk(tmp_path):
    x, y = draw(rows=300)
    x.numpy().tofile(tmp_path / "rows")
    mapped = torch.from_file(str(tmp_path / "rows"), size=x.numel()).view_as(x)
    index = build_faiss_index(mapped)
    assert retrieval(mapped, y, search=faiss_search(index)).map_at_r == retrieval(x, y).map_at_r


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda q, k: torch.zeros(len(q), k), r"integers of shape \(20, \d+\), found torch.float32"),
        (lambda q, k: torch.zeros(3, k, dtype=torch.long), r"found torch.int64 \(3, "),
        (lambda q, k: [[0]] * len(q), "found list"),
        (lambda q, k: torch.full((len(q), k), 20), "0 … 19 or −1, found 20 … 20"),
        (lambda q, k: torch.full((len(q), k), -2), "found -2"),
        (lambda q, k: torch.zeros(len(q), k, dtype=torch.long), "at most once"),
    ],
)
def test_a_search_that_answers_nonsense_is_refused(answer, message):
    x, y = draw(rows=20, classes=2)
    with pytest.raises(ValueError, match=message):
        retrieval(x, y, search=answer)


def test_bad_input_of_the_faiss_functions():
    import faiss

    with pytest.raises(ValueError, match="index is empty"):
        faiss_search(faiss.IndexFlatL2(3))
    with pytest.raises(ValueError, match="distance must be one of 'cosine', 'euclidean'"):
        build_faiss_index(torch.ones(3, 2), distance="dot")
    with pytest.raises(TypeError, match="gallery must have a floating-point dtype"):
        build_faiss_index(torch.ones(3, 2, dtype=torch.long))

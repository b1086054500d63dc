"""Retrieval measures by their definitions: for each query, one loop over all others."""

from __future__ import annotations

from torch import Tensor


def distance_between(a: list[float], b: list[float], distance: str) -> float:
    if distance == "euclidean":
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
    lengths = [sum(x * x for x in row) ** 0.5 for row in (a, b)]
    return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (lengths[0] * lengths[1])


def ranks_of_matches(
    embeddings: Tensor, labels: Tensor, distance: str, queries: Tensor | None = None, query_labels: Tensor | None = None
) -> list[list[int]]:
    """For each query that has a match: the ranks of its matches, ascending."""
    rows, y = embeddings.tolist(), labels.tolist()
    itself = queries is None
    asked, asked_y = (rows, y) if itself else (queries.tolist(), query_labels.tolist())
    answers = []
    for i in range(len(asked)):
        others = [j for j in range(len(rows)) if not (itself and j == i)]
        if not any(y[j] == asked_y[i] for j in others):
            continue
        to = {j: distance_between(asked[i], rows[j], distance) for j in others}
        # At equal distances the images of another class come first.
        ranking = sorted(others, key=lambda j: (to[j], y[j] == asked_y[i]))
        answers.append([rank for rank, j in enumerate(ranking, 1) if y[j] == asked_y[i]])
    return answers


def recall(embeddings: Tensor, labels: Tensor, k: int, distance: str) -> float:
    answers = ranks_of_matches(embeddings, labels, distance)
    return sum(ranks[0] <= k for ranks in answers) / len(answers)


def r_precision(answers: list[list[int]]) -> float:
    return sum(sum(rank <= len(ranks) for rank in ranks) / len(ranks) for ranks in answers) / len(answers)


def map_at_r(answers: list[list[int]]) -> float:
    def one(ranks: list[int]) -> float:
        return sum(m / rank for m, rank in enumerate(ranks, 1) if rank <= len(ranks)) / len(ranks)

    return sum(map(one, answers)) / len(answers)


def mrr(answers: list[list[int]]) -> float:
    return sum(1 / ranks[0] for ranks in answers) / len(answers)

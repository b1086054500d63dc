"""Recall@K by its definition: for each query, one loop over all others."""

from __future__ import annotations

from torch import Tensor


def distance_between(a: list[float], b: list[float], distance: str) -> float:
    if distance == "euclidean":
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5
    lengths = [sum(x * x for x in row) ** 0.5 for row in (a, b)]
    return 1 - sum(x * y for x, y in zip(a, b, strict=True)) / (lengths[0] * lengths[1])


def recall(embeddings: Tensor, labels: Tensor, k: int, distance: str) -> float:
    rows, y = embeddings.tolist(), labels.tolist()
    answers = []
    for i in range(len(rows)):
        others = [j for j in range(len(rows)) if j != i]
        if not any(y[j] == y[i] for j in others):
            continue
        # At equal distances the images of another class come first.
        ranking = sorted(others, key=lambda j: (distance_between(rows[i], rows[j], distance), y[j] == y[i]))
        answers.append(any(y[j] == y[i] for j in ranking[:k]))
    return sum(answers) / len(answers)

"""Retrieval: how high the images of a query's class rank among all others."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from dmlkit.checks import check_choice, check_finite, check_labels, check_pair, check_rows
from dmlkit.geometry import compact_labels, double_precision, unit_rows_in_double

DISTANCES = ("cosine", "euclidean")
# (B, d) queries and a number k → (B, k) numbers of gallery rows that may be the nearest, −1 for none.
NeighborSearch = Callable[[Tensor, int], Tensor]
# Columns of which only the largest entry is looked at first: the k best lie in the k blocks with the best such entry.
_BLOCK = 64
# Candidates beyond the R that count: room for pairs that single precision may have put in the wrong order.
_SPARE = 8


@dataclass(frozen=True)
class Retrieval:
    """What one pass over all pairs tells about every retrieval measure.

    Attributes:
        recall: {K: share of queries with a match among their K nearest}, each in [0, 1].
        precision_at_1: recall at 1.
        r_precision: mean share of matches among the R nearest, R the number of matches a query has.
        map_at_r: mean average precision at R (Musgrave et al., 2020): as R-Precision, but the earlier the better.
        mrr: mean reciprocal rank of the nearest match.
        queries: (Q,), the numbers of the queries that have a match; the others are left out of all measures.
        first_match: (Q,), the rank of each query's nearest match, from 1.
        per_query: measure → (Q,) values, of "r_precision", "map_at_r" and "mrr".
    """

    recall: dict[int, float]
    precision_at_1: float
    r_precision: float
    map_at_r: float
    mrr: float
    queries: Tensor = field(repr=False)
    first_match: Tensor = field(repr=False)
    per_query: dict[str, Tensor] = field(repr=False)

    def interval(
        self, measure: str | int, *, confidence: float = 0.95, resamples: int = 1000, seed: int = 0
    ) -> tuple[float, float]:
        """Bootstrap interval of a measure: queries drawn anew with replacement, percentiles of the means.

        It tells how much the measure depends on which queries the test set happens to hold, not how much on the
        training run.

        Args:
            measure: "r_precision", "map_at_r", "mrr", or a K for the recall at K.
            confidence: in (0, 1).
            resamples: how many sets of queries are drawn.
            seed: of the draws.

        Returns:
            (low, high).

        Raises:
            ValueError: an unknown measure, or a number out of range.
        """
        if not 0 < confidence < 1:
            raise ValueError(f"confidence must lie between 0 and 1, found {confidence}")
        if resamples < 1:
            raise ValueError(f"resamples must be at least 1, found {resamples}")
        if isinstance(measure, str):
            check_choice("measure", measure, tuple(self.per_query))
            values = self.per_query[measure]
        else:
            values = (self.first_match <= measure).double()
        values = values.cpu()
        generator = torch.Generator().manual_seed(seed)
        size = len(values)
        means = [values[torch.randint(size, (size,), generator=generator)].mean() for _ in range(resamples)]
        tail = (1 - confidence) / 2
        low, high = torch.stack(means).quantile(torch.tensor([tail, 1 - tail], dtype=values.dtype)).tolist()
        return low, high


@torch.no_grad()
def retrieval(
    embeddings: Tensor,
    labels: Tensor,
    *,
    queries: Tensor | None = None,
    query_labels: Tensor | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    distance: str = "cosine",
    chunk: int = 128,
    search: NeighborSearch | None = None,
) -> Retrieval:
    r"""Recall@K, R-Precision, MAP@R and MRR from one streaming pass over all pairs.

    With $r_{i1} < r_{i2} < \dots$ the ranks of the $R_i$ matches of query i among all candidates,

    $$ \mathrm{R@}K = \frac{1}{|Q|} \sum_{i \in Q} [r_{i1} \leq K], \qquad
       \mathrm{MRR} = \frac{1}{|Q|} \sum_{i \in Q} \frac{1}{r_{i1}}, $$

    $$ \text{R-Precision} = \frac{1}{|Q|} \sum_{i \in Q} \frac{1}{R_i} \sum_m [r_{im} \leq R_i], \qquad
       \mathrm{MAP@R} = \frac{1}{|Q|} \sum_{i \in Q} \frac{1}{R_i} \sum_m [r_{im} \leq R_i] \frac{m}{r_{im}}. $$

    Without `queries` each row is a query against all other rows; with them each query is compared with all rows of
    `embeddings`, the gallery. Q holds the queries that have a match; the rest cannot be answered and is left out.

    A candidate of another class at the same distance as a match counts as nearer: a model that maps everything to one
    point scores no better for a lucky order of the images. The same distance means within 16 roundings of float64.

    Products are taken in float32 and only decide what they can decide with certainty: by the bound of their rounding
    error the R nearest are among the candidates that are kept, and those are compared in float64. So the result is
    that of float64, and does not depend on `chunk`.

    A collection too large for all pairs takes a `search`, such as `faiss_search` makes: it proposes candidates, whose
    distances and order are then decided here as always. A match that it does not propose counts as last; so does MRR,
    and a neighbour of another class that it misses is not counted against the query. With a search that finds the
    nearest for certain, all measures but MRR are those of the full pass.

    Args:
        embeddings: (N, d), the gallery.
        labels: (N,) integers.
        queries: (M, d), or None for the gallery itself.
        query_labels: (M,) integers, with `queries`.
        ks: the K of Recall@K, each at least 1; from K = N on recall is 1.
        distance: "cosine" (embeddings are normalised) or "euclidean" (they are not).
        chunk: queries at a time; memory is O(chunk · N) in float32, with `search` O(chunk · k · d) in float64.
        search: (queries as given, k) → (B, k) numbers of rows of `embeddings`, −1 for none; None compares all pairs.

    Returns:
        A `Retrieval`.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, an empty set, NaN or infinity, queries without their
            labels, no query with a match, or a search whose answer cannot be one.

    Example:
        >>> rows = torch.tensor([[0.0], [1.0], [3.0], [4.0]])  # the last row finds another class first
        >>> found = retrieval(rows, torch.tensor([0, 0, 1, 0]), distance="euclidean", ks=(1, 2))
        >>> found.recall
        {1: 0.6666666666666666, 2: 1.0}

    Used by papers M (section 5) and W (section IV, appendix D). Explained in the chapter "A first embedding".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    check_choice("distance", distance, DISTANCES)
    ks = tuple(ks)
    if not ks or min(ks) < 1:
        raise ValueError(f"ks must hold numbers of at least 1, found {ks}")
    if chunk < 1:
        raise ValueError(f"chunk must be at least 1, found {chunk}")
    itself = queries is None
    if itself:
        if query_labels is not None:
            raise ValueError("query_labels were given without queries")
        queries, query_labels = embeddings, labels
    else:
        check_rows(queries, "queries", columns=embeddings.shape[1])
        check_finite(queries, "queries")
        if query_labels is None:
            raise ValueError("queries need query_labels, one integer a query")
        check_labels(query_labels, len(queries), name="query_labels")

    pairs = _Similarities(embeddings, queries, distance, itself, all_pairs=search is None)
    matches = _Matches(labels, query_labels, itself)
    answered = matches.counts.nonzero().squeeze(1)
    if len(answered) == 0:
        raise ValueError("no query can be answered: none has a match")
    # Queries with about as many matches go together, so that their lists are about as long.
    order = answered[matches.counts[answered].argsort(stable=True)]
    first = torch.empty(len(queries), dtype=torch.long, device=embeddings.device)
    r_precision, average_precision = (
        torch.empty(len(queries), dtype=torch.float64, device=embeddings.device) for _ in range(2)
    )
    for rows in order.split(chunk):
        if search is None:
            ranks, total = _ranks(pairs, matches, rows)
        else:
            ranks, total = _ranks_among(_candidates(search, queries, matches, rows, max(ks)), pairs, matches, rows)
        first[rows] = ranks[:, 0]
        counted = (ranks <= total.unsqueeze(1)) & (
            torch.arange(ranks.shape[1], device=rows.device) < total.unsqueeze(1)
        )
        place = torch.arange(1, ranks.shape[1] + 1, device=rows.device)
        r_precision[rows] = counted.sum(dim=1).double() / total
        average_precision[rows] = (counted * place.double() / ranks).sum(dim=1) / total
    first = first[answered]
    per_query = {
        "r_precision": r_precision[answered],
        "map_at_r": average_precision[answered],
        "mrr": first.double().reciprocal(),
    }
    recall = {k: (first <= k).double().mean().item() for k in ks}
    means = {name: values.mean().item() for name, values in per_query.items()}
    return Retrieval(
        recall, (first == 1).double().mean().item(), **means, queries=answered, first_match=first, per_query=per_query
    )


def recall_at_k(
    embeddings: Tensor,
    labels: Tensor,
    *,
    ks: Sequence[int] = (1, 2, 4, 8),
    distance: str = "cosine",
    chunk: int = 128,
) -> dict[int, float]:
    r"""Recall@K: the share of queries with at least one image of their class among their K nearest others.

    $$ \mathrm{R@}K = \frac{1}{|Q|} \sum_{i \in Q} \big[\, |\{ j : y_j \neq y_i,\;
       d_{ij} \leq \min_{p \neq i,\, y_p = y_i} d_{ip} \}| < K \,\big] $$

    The `recall` of `retrieval`, with the same conventions.

    Args:
        embeddings, labels, ks, distance, chunk: as in `retrieval`.

    Returns:
        {K: recall in [0, 1]}.

    Raises:
        TypeError, ValueError: as `retrieval`.

    Example:
        >>> recall_at_k(torch.eye(3)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 2]), ks=(1,))
        {1: 1.0}

    Used by papers M (section 5) and W (section IV). Explained in the chapter "A first embedding".
    """
    return retrieval(embeddings, labels, ks=ks, distance=distance, chunk=chunk).recall


class _Matches:
    """Which rows of the gallery have the class of a query, itself left out."""

    def __init__(self, labels: Tensor, query_labels: Tensor, itself: bool) -> None:
        index, _ = compact_labels(torch.cat([labels.long(), query_labels.long()]))
        self.of_gallery, self.of_queries = index[: len(labels)], index[len(labels) :]
        sizes = torch.bincount(self.of_gallery, minlength=int(index.max()) + 1)
        self.order = self.of_gallery.argsort(stable=True)  # the rows of a class in a run
        self.start = sizes.cumsum(dim=0) - sizes
        self.place = torch.empty_like(self.order).scatter(
            0, self.order, torch.arange(len(self.order), device=self.order.device)
        )
        self.itself = itself
        self.counts = sizes[self.of_queries] - int(itself)

    def __call__(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Numbers of the matches of each query, (B, P), and which of them exist."""
        total, start = self.counts[rows].unsqueeze(1), self.start[self.of_queries[rows]].unsqueeze(1)
        column = torch.arange(int(total.max()), device=rows.device)
        present = column < total
        if self.itself:
            column = column + (column >= self.place[rows].unsqueeze(1) - start)
        return self.order[(start + column).clamp_max(len(self.order) - 1)], present


class _Similarities:
    """Similarities of queries to the gallery: many at a time in float32, or single ones in float64.

    A similarity is the cosine, or minus the squared distance in units of the gallery's size. In float64 it comes from
    the differences of the rows as they were given, so that equal distances stay equal.
    """

    def __init__(self, gallery: Tensor, queries: Tensor, distance: str, itself: bool, *, all_pairs: bool) -> None:
        self.gallery, self.queries, self.itself = gallery, queries, itself
        self.cosine = distance == "cosine"
        self.tie = 16 * torch.finfo(torch.float64).eps if self.cosine else 0.0
        if self.cosine:
            self.unit_length, self.origin, self.size = 1.0, None, 1.0
        else:
            everything = [part for rows in ([gallery] if itself else [gallery, queries]) for part in rows.split(4096)]
            # A power of two changes no digit, and squares stay within float64.
            largest = max(part.abs().max().item() for part in everything)
            self.unit_length = 2.0 ** max(-1000, min(1000, math.frexp(largest)[1]))
            # Single precision suffers from points far from the origin, and from very large or small ones.
            self.origin = sum(self._precise(part).sum(dim=0) / len(gallery) for part in gallery.split(4096))
            size = max((self._precise(part) - self.origin).abs().max().item() for part in everything)
            self.size = size if size > 0 else 1.0
        if not all_pairs:
            return
        self.single = torch.cat([self._prepared(part).float() for part in gallery.split(4096)])
        self.squares = None if self.cosine else self.single.square().sum(dim=1)
        self.longest = 1.0 if self.cosine else self.squares.max().sqrt().item()
        # Rounding of the operands and of a sum of d products, whatever its order, in units of |q| |g|.
        self.unit = (gallery.shape[1] + 16) * torch.finfo(torch.float32).eps

    def _prepared(self, part: Tensor) -> Tensor:
        """Rows as single precision can take them: of unit length, or near the origin and of the size of 1."""
        x = self._precise(part)
        return x if self.cosine else (x - self.origin) / self.size

    def _precise(self, part: Tensor) -> Tensor:
        """Rows in float64: of unit length, or as they are but for a power of two."""
        return unit_rows_in_double(part) if self.cosine else double_precision(part) / self.unit_length

    def _distances(self, q: Tensor, g: Tensor) -> Tensor:
        """Always by this one function, so that equal distances are equal numbers."""
        return torch.cdist(q, g, compute_mode="donot_use_mm_for_euclid_dist") / self.size

    def many(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """(B, N) similarities in float32, a query to itself −∞; and how far from the truth they can be, (B, 1)."""
        q = self._prepared(self.queries[rows]).float()
        if self.cosine:
            values, error = q @ self.single.T, torch.full_like(q[:, :1], self.unit)
        else:
            squares = q.square().sum(dim=1, keepdim=True)
            values = torch.addmm(-(squares + self.squares), q, self.single.T, alpha=2)
            error = self.unit * (squares.sqrt() + self.longest).square()
        return self._without_itself(values, rows), error.double()

    def whole(self, rows: Tensor) -> Tensor:
        """(B, N) similarities in float64: slow."""
        q = self._precise(self.queries[rows])
        parts = []
        for part in self.gallery.split(4096):
            g = self._precise(part)
            if self.cosine:
                parts.append(q @ g.T)
            else:
                parts.append(-self._distances(q, g).square())
        return self._without_itself(torch.cat(parts, dim=1), rows)

    def single_pairs(self, rows: Tensor, columns: Tensor) -> Tensor:
        """(B, P) similarities in float64 of each query to a list of its own."""
        q = self._precise(self.queries[rows]).unsqueeze(1)
        width = max(1, 2**22 // max(1, len(rows) * q.shape[2]))  # columns at a time: 32 MB
        parts = []
        for part in columns.split(width, dim=1):
            g = self._precise(self.gallery[part.flatten()]).unflatten(0, part.shape)
            parts.append((q * g).sum(dim=2) if self.cosine else -self._distances(q, g).squeeze(1).square())
        return torch.cat(parts, dim=1)

    def _without_itself(self, values: Tensor, rows: Tensor) -> Tensor:
        return values.scatter_(1, rows.unsqueeze(1), -torch.inf) if self.itself else values


def _best(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row and their columns, in no order.

    A row's best lie in the blocks that have the best maxima, so that only those are sorted.
    """
    rows, columns = values.shape
    blocks = columns // _BLOCK
    if blocks <= 2 * count:
        best = values.topk(min(count, columns), dim=1, sorted=False)
        return best.values, best.indices
    # A block is every blocks-th column: so its maximum is taken over long runs of memory.
    head, tail = values[:, : blocks * _BLOCK].unflatten(1, (_BLOCK, blocks)), values[:, blocks * _BLOCK :]
    chosen = head.amax(dim=1).topk(count, dim=1, sorted=False).indices
    entries = head.gather(2, chosen.unsqueeze(1).expand(-1, _BLOCK, -1)).flatten(1)
    numbers = (chosen.unsqueeze(1) + blocks * torch.arange(_BLOCK, device=values.device).unsqueeze(1)).flatten(1)
    rest = torch.arange(blocks * _BLOCK, columns, device=values.device).expand(rows, -1)
    entries, numbers = torch.cat([entries, tail], dim=1), torch.cat([numbers, rest], dim=1)
    best = entries.topk(count, dim=1, sorted=False)
    return best.values, numbers.gather(1, best.indices)


def _ranks(pairs: _Similarities, matches: _Matches, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Ranks of the matches of each query, (B, P) ascending, and how many it has, (B,).

    The rank of the first match is exact, and so is any rank up to the number of matches; others are only known to be
    larger than that. Single precision decides what it can; what lies within its error is looked at again in double.
    """
    numbers, present = matches(rows)
    total = present.sum(dim=1)
    rough, error = pairs.many(rows)
    count = min(int(total.max()) + _SPARE, rough.shape[1])
    kept, columns = _best(rough, count)
    whole = count == rough.shape[1]
    floor = torch.full_like(error, -torch.inf) if whole else kept.amin(dim=1, keepdim=True).double()
    others = matches.of_gallery[columns] != matches.of_queries[rows].unsqueeze(1)

    own = rough.gather(1, numbers).double().masked_fill(~present, -torch.inf).sort(dim=1, descending=True).values
    negatives = kept.double().masked_fill(~others, -torch.inf).sort(dim=1).values
    # Negatives at least as near as a match: at most, and for sure. Each of the two may be off by the error.
    most = count - torch.searchsorted(negatives, own - 2 * error - pairs.tie)
    least = count - torch.searchsorted(negatives, own + 2 * error, right=True)
    ranks = torch.arange(1, own.shape[1] + 1, device=rows.device) + least
    # Below the worst candidate there may be more of them, which only counts for a match that may be among the R best.
    beyond = present & (own - 2 * error - pairs.tie <= floor)
    close = present & (ranks <= total.unsqueeze(1)) & ((most != least) | beyond)
    close[:, 0] |= most[:, 0] != least[:, 0]
    again = close.any(dim=1)
    if again.any():
        chosen = pairs.single_pairs(rows[again], numbers[again]).masked_fill(~present[again], -torch.inf)
        chosen = chosen.sort(dim=1, descending=True).values
        near = pairs.single_pairs(rows[again], columns[again]).masked_fill(~others[again], -torch.inf)
        ahead = count - torch.searchsorted(near.sort(dim=1).values, chosen - pairs.tie)
        ranks[again] = torch.arange(1, own.shape[1] + 1, device=rows.device) + ahead
        # With many pairs at one distance the candidates do not reach far enough: take all of them in double.
        unsure = present[again] & (chosen - pairs.tie <= floor[again] + error[again])
        crowded = (unsure & (ranks[again] <= total[again].unsqueeze(1))).any(dim=1).nonzero().squeeze(1)
        if len(crowded) > 0:
            these = again.nonzero().squeeze(1)[crowded]
            ranks[these] = _all_ranks(pairs, matches, rows[these], chosen[crowded])
            beyond[these] = False
    late = beyond[:, 0]
    if late.any():
        chosen = pairs.single_pairs(rows[late], numbers[late]).masked_fill(~present[late], -torch.inf)
        best = chosen.amax(dim=1, keepdim=True)
        ranks[late, 0] = _first_rank(pairs, matches, rows[late], best, rough[late], error[late])
    return ranks, total


def _candidates(search: NeighborSearch, queries: Tensor, matches: _Matches, rows: Tensor, most: int) -> Tensor:
    """What a search proposes for some queries, (B, k): enough for the largest K and for the R nearest."""
    size = len(matches.of_gallery)
    count = min(size, max(most, int(matches.counts[rows].max())) + int(matches.itself) + _SPARE)
    found = search(queries[rows], count)
    if not isinstance(found, Tensor) or found.is_floating_point() or found.ndim != 2 or len(found) != len(rows):
        what = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        raise ValueError(f"search must return a tensor of integers of shape ({len(rows)}, {count}), found {what}")
    found = found.to(rows.device, torch.long)
    if int(found.max()) >= size or int(found.min()) < -1:
        raise ValueError(
            f"search must return numbers in 0 … {size - 1} or −1, found {int(found.min())} … {found.max()}"
        )
    ordered = found.sort(dim=1).values
    if ((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0)).any():
        raise ValueError("search must return each row of the gallery at most once for a query")
    return found


def _ranks_among(columns: Tensor, pairs: _Similarities, matches: _Matches, rows: Tensor) -> tuple[Tensor, Tensor]:
    """As `_ranks`, among candidates only; a match that is none of them ranks behind the whole gallery."""
    there = columns >= 0
    if matches.itself:
        there &= columns != rows.unsqueeze(1)
    columns = columns.clamp_min(0)
    similarity = pairs.single_pairs(rows, columns)
    own = there & (matches.of_gallery[columns] == matches.of_queries[rows].unsqueeze(1))
    near = similarity.masked_fill(own | ~there, -torch.inf).sort(dim=1).values
    chosen = similarity.masked_fill(~own, -torch.inf).sort(dim=1, descending=True).values
    ahead = near.shape[1] - torch.searchsorted(near, chosen - pairs.tie)
    ranks = torch.arange(1, chosen.shape[1] + 1, device=rows.device) + ahead
    return ranks.masked_fill(chosen == -torch.inf, len(matches.of_gallery) + 1), matches.counts[rows]


def _first_rank(
    pairs: _Similarities, matches: _Matches, rows: Tensor, best: Tensor, rough: Tensor, error: Tensor
) -> Tensor:
    """Rank of the first match where it lies beyond the candidates: count what is nearer, look twice at what may be."""
    nearer = (rough > (best + error).float().nextafter(torch.tensor(torch.inf))).sum(dim=1)
    query, column = ((rough >= (best - error - pairs.tie).float()) & (rough <= (best + error).float())).nonzero(
        as_tuple=True
    )
    other = matches.of_gallery[column] != matches.of_queries[rows[query]]
    query, column = query[other], column[other]
    similarity = torch.cat(
        [
            pairs.single_pairs(rows[q], c.unsqueeze(1))
            for q, c in zip(query.split(4096), column.split(4096), strict=True)
        ]
    ).squeeze(1)
    ahead = similarity >= best[query, 0] - pairs.tie
    return 1 + nearer.index_add(0, query, ahead.long())


def _all_ranks(pairs: _Similarities, matches: _Matches, rows: Tensor, own: Tensor) -> Tensor:
    """Ranks of all matches from all similarities in float64."""
    ahead = []
    size = max(1, 2**22 // len(pairs.gallery))  # queries at a time: 32 MB
    for part in torch.arange(len(rows), device=rows.device).split(size):
        similarity = pairs.whole(rows[part])
        similarity.masked_fill_(matches.of_gallery == matches.of_queries[rows[part]].unsqueeze(1), -torch.inf)
        ordered = similarity.sort(dim=1).values
        ahead.append(ordered.shape[1] - torch.searchsorted(ordered, own[part] - pairs.tie))
    return torch.arange(1, own.shape[1] + 1, device=rows.device) + torch.cat(ahead)

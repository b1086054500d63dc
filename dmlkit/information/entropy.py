"""Entropies: of labels, by counting, and of embeddings, which have a density that nobody knows, by estimators."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from dmlkit.checks import check_finite, check_labels, check_rows
from dmlkit.geometry import compact_labels, double_precision, euclidean_distances
from dmlkit.information._common import check_count

# A direction in which the rows spread less than this many roundings of their own dtype is rounding, not spread.
_ROUNDINGS = 4


@torch.no_grad()
def label_entropy(labels: Tensor) -> float:
    r"""The entropy of the labels (paper M, table 1), of their empirical distribution.

    $$ H(Y) = -\sum_c \hat p_c \log \hat p_c, \qquad \hat p_c = n_c / N $$

    For labels that are a sample it lies below the entropy they were drawn from, by about (C − 1) / 2N on average.

    Args:
        labels: (N,) integers, N ≥ 1.

    Returns:
        H(Y) in nats, from 0 (one class) to log C (balanced classes).

    Raises:
        TypeError, ValueError: a wrong dtype or shape, or no label.

    Example:
        >>> round(label_entropy(torch.tensor([5, 5, 7, 7])), 4)  # one bit: log 2
        0.6931

    Explained in the chapter "Two views of one quantity".
    """
    if isinstance(labels, Tensor) and labels.shape == (0,):
        raise ValueError("labels is empty: expected at least one label, found none")
    check_labels(labels, labels.numel() if isinstance(labels, Tensor) else 0)
    _, counts = compact_labels(labels)
    shares = [count / len(labels) for count in counts.tolist()]
    return max(0.0, -math.fsum(share * math.log(share) for share in shares))  # one class: 0, not −0


@torch.no_grad()
def gaussian_entropy(embeddings: Tensor) -> float:
    r"""The differential entropy that the embeddings would have if they were Gaussian.

    $$ h = \frac{1}{2} \log \det(2 \pi e\, \hat\Sigma), \qquad
       \hat\Sigma = \frac{1}{N} \sum_i (z_i - \bar z)(z_i - \bar z)^\top $$

    Of all densities with one covariance the Gaussian has the largest entropy: for embeddings that are not Gaussian
    this is an upper bound on h(Ẑ), up to the sampling error of $\hat\Sigma$. For those that are, the estimate has mean
    $h + \frac{1}{2} \sum_{j=1}^{d} [\psi(\frac{N-j}{2}) - \log \frac{N}{2}] \approx h - d(d + 3) / 4N$ and variance
    $\frac{1}{4} \sum_{j=1}^{d} \psi'(\frac{N-j}{2}) \approx d / 2N$, whatever Σ is (Wishart; Ahmed & Gokhale, 1989).
    N > d is what makes $\hat\Sigma$ invertible; for a bias below 0.1 nat it takes N > 2.5·d(d + 3).

    Args:
        embeddings: (N, d), N > d.

    Returns:
        h in nats; negative for a narrow density.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, NaN or infinity, N ≤ d, or rows that span no d dimensions up to
            the rounding of their dtype (constant columns, columns that depend on others): then h is −∞.

    Example:
        >>> round(gaussian_entropy(torch.tensor([[-1.0], [1.0]])), 4)  # variance 1: ½ log 2πe
        1.4189

    Cost O(N·d²). Explained in the chapter "Two views of one quantity".
    """
    check_sample(embeddings)
    return gaussian(embeddings, "embeddings")


@torch.no_grad()
def nearest_neighbor_entropy(embeddings: Tensor, *, k: int = 3, chunk: int = 1024) -> float:
    r"""The differential entropy from distances to the k-th neighbour (Kozachenko & Leonenko, 1987).

    $$ h = \psi(N) - \psi(k) + \log V_d + \frac{d}{N} \sum_i \log \varepsilon_i, \qquad
       V_d = \frac{\pi^{d/2}}{\Gamma(d/2 + 1)} $$

    $\varepsilon_i$ is the Euclidean distance from row i to its k-th nearest other row (k > 1: Singh et al., 2003),
    $V_d$ the volume of the unit ball, ψ the digamma function. It assumes no shape, only that the density is about
    constant within $\varepsilon_i$.

    For independent rows the standard deviation is about $\sqrt{(\mathrm{Var} \log p(Z) + 2.5\, \psi'(k)) / N}$. The
    bias vanishes with N, but more slowly the larger d: for 1000 rows of a standard Gaussian and k = 3 about −0.002,
    −0.01, −0.04 and −0.07 nats in d = 1, 2, 3 and 5, then 0.1, 0.7, 3.2 and 10 in d = 10, 16, 32 and 64. A density that
    ends abruptly adds up to about $(k/N)^{1/d}$ nats.

    Args:
        embeddings: (N, d), N > k.
        k: which neighbour; a larger k has less variance and more bias.
        chunk: rows at a time.

    Returns:
        h in nats; negative for a narrow density.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, NaN or infinity, N ≤ k, or rows with more than k copies
            including themselves, of which $\log \varepsilon_i$ is −∞.

    Example:
        >>> corners = torch.tensor([[0.0], [1.0]])  # ψ(2) − ψ(1) = 1, V = 2, ε = 1
        >>> round(nearest_neighbor_entropy(corners, k=1), 4)
        1.6931

    Time O(N²·d), memory O(chunk · N). Explained in the chapter "Two views of one quantity".
    """
    check_sample(embeddings)
    check_count("k", k)
    check_count("chunk", chunk)
    return nearest_neighbor(embeddings, "embeddings", k=k, chunk=chunk)


@torch.no_grad()
def wang_sha_entropy(embeddings: Tensor, *, chunk: int = 1024) -> float:
    r"""The spread of the embeddings that paper M calls an entropy (eq. 6, after Wang & Sha, 2011).

    $$ \widehat H = \frac{d}{n (n - 1)} \sum_{i \ne j} \log D_{ij}^2 $$

    No entropy but like one up to constants: only differences between embeddings of one dimension d mean something. As
    printed, with the square, it counts double: scaling by s adds $2 d \log s$ where an entropy gains $d \log s$, and
    $\frac{1}{2} \widehat H + \log V_d + 1$ is what estimates h, being the mean of `nearest_neighbor_entropy` over all
    k = 1 … n − 1 (Faivishevsky & Goldberger, 2009).

    It is an unbiased estimate of $d\, E \log \lVert Z - Z' \rVert^2$ for any n, which is not a function of h: for one
    round Gaussian ½ Ĥ + log V_d + 1 misses h by −0.014 (d = 1) and 0.116 nats (d = 2); for clusters it grows without
    bound as they move apart, although their entropy does not.

    Args:
        embeddings: (n, d), n ≥ 2.
        chunk: rows at a time.

    Returns:
        Ĥ, in nats up to a factor and a constant.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or option, NaN or infinity, a single row, or two equal rows, of
            which $\log D^2$ is −∞.

    Example:
        >>> round(wang_sha_entropy(torch.tensor([[0.0, 0.0], [2.0, 0.0]])), 4)  # 2 · log 4
        2.7726

    Time O(n²·d), memory O(chunk · n). Explained in the chapter "Pairwise losses taken apart".
    """
    check_sample(embeddings)
    check_count("chunk", chunk)
    return wang_sha(embeddings, "embeddings", chunk=chunk)


def log_ball_volume(dim: int) -> float:
    """The logarithm of the volume of the unit ball in `dim` dimensions."""
    return dim / 2 * math.log(math.pi) - math.lgamma(dim / 2 + 1)


def check_sample(embeddings: Tensor) -> None:
    """Require a non-empty matrix of finite numbers."""
    check_rows(embeddings)
    check_finite(embeddings)


def gaussian(embeddings: Tensor, name: str) -> float:
    """`gaussian_entropy` of checked rows, which messages call `name`."""
    rows, dim = embeddings.shape
    if rows <= dim:
        raise ValueError(f"{name} must have more rows than columns for an invertible covariance, found {rows} × {dim}")
    x = double_precision(embeddings)
    rounding = _ROUNDINGS * torch.finfo(embeddings.dtype).eps * x.abs().amax(dim=0)
    x = x - x.mean(dim=0)
    largest = x.abs().amax(dim=0).clamp_(min=torch.finfo(x.dtype).tiny)
    deviations = (x / largest).square().mean(dim=0).sqrt() * largest  # no square leaves float64
    flat = int((deviations <= rounding).sum())
    if flat:
        raise ValueError(f"{name} must vary in every column for a finite entropy, found {flat} constant of {dim}")
    # Of columns brought to one scale, so that only their dependence is left to judge; det Σ̂ is the product of R's
    # squared diagonal then, without squaring x first.
    triangle = torch.linalg.qr(x / deviations / math.sqrt(rows), mode="r").R
    singular = torch.linalg.svdvals(triangle)
    rank = int((singular > (rounding / deviations).max()).sum())
    if rank < dim:
        raise ValueError(
            f"{name} must span all {dim} dimensions for a finite entropy, found a covariance of rank {rank}"
        )
    half_log_det = deviations.log().sum() + triangle.diagonal().abs().log().sum()
    return half_log_det.item() + dim / 2 * math.log(2 * math.pi * math.e)


def nearest_neighbor(embeddings: Tensor, name: str, *, k: int, chunk: int) -> float:
    """`nearest_neighbor_entropy` of checked rows, which messages call `name`."""
    rows, dim = embeddings.shape
    if rows <= k:
        raise ValueError(f"{name} must have more than k = {k} rows, found {rows}")
    radii = torch.cat([d.topk(k, dim=1, largest=False).values[:, -1] for d in _others(embeddings, chunk, torch.inf)])
    copies = int((radii == 0).sum())
    if copies:
        raise ValueError(
            f"{name} must have no row with k = {k} copies or more, found {copies} at distance 0 from their k-th "
            "neighbour: drop copies or raise k"
        )
    psi = torch.special.digamma(torch.tensor([rows, k], dtype=torch.float64))
    return (psi[0] - psi[1]).item() + log_ball_volume(dim) + dim * radii.log().mean().item()


def wang_sha(embeddings: Tensor, name: str, *, chunk: int) -> float:
    """`wang_sha_entropy` of checked rows, which messages call `name`."""
    rows, dim = embeddings.shape
    if rows < 2:
        raise ValueError(f"{name} must have at least two rows, found {rows}")
    total, copies = 0.0, 0
    for distances in _others(embeddings, chunk, 1.0):
        total += 2 * distances.log().sum().item()
        copies += int((distances == 0).any(dim=1).sum())
    if copies:
        raise ValueError(f"{name} must have no equal rows, found {copies} at distance 0 from another: drop copies")
    return dim * total / (rows * (rows - 1))


def _others(embeddings: Tensor, chunk: int, own: float) -> Iterator[Tensor]:
    """The distances from each row to all rows, a chunk of rows at a time, with `own` where a row meets itself."""
    points = double_precision(embeddings)
    for rows in torch.arange(len(points), device=points.device).split(chunk):
        distances = euclidean_distances(points[rows], points)
        yield distances.scatter_(1, rows.unsqueeze(1), own)

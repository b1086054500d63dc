"""Tightness as an entropy: what the embeddings of a class cost under a unit Gaussian around its mean."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dmlkit.checks import check_finite, check_pair
from dmlkit.geometry import class_sums, compact_labels, double_precision


@torch.no_grad()
def conditional_cross_entropy(embeddings: Tensor, labels: Tensor) -> float:
    r"""The cross-entropy of the embeddings of each class with a unit Gaussian around the class mean (paper M, eq. 3).

    $$ H(\widehat Z; \bar Z | Y) = -\frac{1}{n} \sum_i \log N(z_i;\, c_{y_i}, I)
       = \frac{d}{2} \log 2\pi + \frac{1}{2n} \sum_i \lVert z_i - c_{y_i} \rVert^2, \qquad
       c_k = \frac{1}{n_k} \sum_{i: y_i = k} z_i $$

    The sum is the tightness of center loss. With the true means it is $H(\widehat Z | Y)$ plus a Kullback–Leibler
    divergence, so never below $H(\widehat Z | Y)$ (eq. 4), and equal to it where each class is a unit Gaussian. The
    bound needs both constants, $\frac{d}{2} \log 2\pi$ and $\frac{1}{2n}$, which the paper's "equal up to constants"
    leaves out. Means of a sample lie closer to it than the true ones: for classes of covariance Σ the result is too
    small by $K\, \mathrm{tr}\, \Sigma / 2n$ on average.

    Args:
        embeddings: (n, d) $z$, not normalised.
        labels: (n,) integers.

    Returns:
        H(Ẑ; Z̄|Y) in nats, at least ½ d log 2π.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, an empty batch, NaN or infinity.

    Example:
        >>> embeddings = torch.tensor([[-1.0], [1.0], [5.0], [7.0]])  # variance 1 within: ½ log 2π + ½
        >>> round(conditional_cross_entropy(embeddings, torch.tensor([0, 0, 1, 1])), 4)
        1.4189

    Cost O(n·d). Explained in the chapter "Pairwise losses taken apart".
    """
    check_pair(embeddings, labels)
    check_finite(embeddings)
    z = double_precision(embeddings)
    index, counts = compact_labels(labels)
    # About the mean of all rows: far from the origin, squares of the rows themselves would lose the differences.
    z = z - z.mean(dim=0)
    means = class_sums(z, index, len(counts)) / counts.unsqueeze(1)
    tightness = (z - means[index]).square().sum().item() / 2
    return z.shape[1] / 2 * math.log(2 * math.pi) + tightness / len(z)

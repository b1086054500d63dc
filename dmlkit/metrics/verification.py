"""Verification: do two images show the same? Accuracy over folds, and accepts against false accepts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from dmlkit.checks import check_finite, check_number
from dmlkit.geometry import double_precision


@dataclass(frozen=True)
class Verification:
    """Accuracy of verification over folds.

    Attributes:
        mean: mean accuracy over the folds, in [0, 1].
        standard_error: of that mean: standard deviation over the folds (with F − 1) over √F.
        accuracies: (F,), accuracy on each fold, in float64 on the CPU.
        thresholds: (F,), the threshold of each fold, chosen on the others; in float64 on the CPU.
    """

    mean: float
    standard_error: float
    accuracies: Tensor
    thresholds: Tensor


def _check_pairs(similarities: Tensor, same: Tensor) -> None:
    """Require one finite similarity and one boolean a pair, and pairs of both kinds."""
    if not isinstance(similarities, Tensor):
        raise TypeError(f"similarities must be a torch.Tensor, found {type(similarities).__name__}")
    if not similarities.is_floating_point():
        raise TypeError(f"similarities must have a floating-point dtype, found {similarities.dtype}")
    if similarities.ndim != 1:
        raise ValueError(f"similarities must have one dimension, found shape {tuple(similarities.shape)}")
    if not isinstance(same, Tensor):
        raise TypeError(f"same must be a torch.Tensor, found {type(same).__name__}")
    if same.dtype != torch.bool:
        raise TypeError(f"same must have dtype torch.bool, found {same.dtype}")
    if same.shape != similarities.shape:
        raise ValueError(f"same must have shape ({len(similarities)},), one a pair, found {tuple(same.shape)}")
    if same.device != similarities.device:
        raise ValueError(f"same is on {same.device}, similarities on {similarities.device}: move one to the other")
    positives = int(same.sum())
    if not 0 < positives < len(same):
        raise ValueError(f"same must hold pairs of both kinds, found {positives} true of {len(same)}")
    check_finite(similarities.unsqueeze(1), "similarities")


@torch.no_grad()
def verification_accuracy(similarities: Tensor, same: Tensor, *, folds: int = 10) -> Verification:
    r"""Accuracy of "the same or not", with the threshold chosen on other folds (Huang et al., 2007: LFW).

    $$ \hat\mu = \frac1F \sum_f p_f, \qquad S_E = \frac{\hat\sigma}{\sqrt F}, \qquad
       \hat\sigma^2 = \frac{1}{F - 1} \sum_f (p_f - \hat\mu)^2 $$

    $p_f$ is the share of right answers on fold f at the threshold with the most right answers on the other folds. A
    pair is accepted as the same where its similarity is at least the threshold. Thresholds that are tried: halfway
    between neighbouring similarities of the other folds, −∞ (accept all) and ∞ (reject all). Of equally good ones the
    largest is taken, the one with the fewest false accepts.

    Similarities are sorted once; right answers at all thresholds are cumulative counts.

    Args:
        similarities: (P,), larger is more alike (for distances give their negatives). The pairs are in the order of
            the protocol: fold f is the f-th of F contiguous parts, of which the first P mod F are one pair longer.
        same: (P,), booleans.
        folds: F, in 2 … P; 10 as in LFW.

    Returns:
        A `Verification`.

    Raises:
        TypeError, ValueError: a wrong dtype, shape or number of folds, NaN or infinity, or pairs of one kind only.

    Example:
        >>> similarities = torch.tensor([0.9, 0.2, 0.8, 0.4])
        >>> found = verification_accuracy(similarities, torch.tensor([True, False, True, False]), folds=2)
        >>> found.mean, found.thresholds
        (1.0, tensor([0.6000, 0.5500], dtype=torch.float64))

    Memory: O(F·P). Used in the chapter "Faces".
    """
    _check_pairs(similarities, same)
    if not isinstance(folds, int):
        raise TypeError(f"folds must be an integer, found {type(folds).__name__}")
    if not 2 <= folds <= len(same):
        raise ValueError(f"folds must lie in 2 … {len(same)}, the number of pairs, found {folds}")
    # A few thousand numbers: numpy on the CPU takes less time than torch needs to begin.
    scores, truth = similarities.detach().cpu().double().numpy(), same.cpu().numpy()
    pairs = len(scores)
    fold = np.repeat(np.arange(folds), [pairs // folds + (f < pairs % folds) for f in range(folds)])
    order = np.argsort(scores)
    ordered, fold_of = scores[order], fold[order]
    # Rejecting one more pair loses a right answer where it is the same and wins one where not: in all, less in fold f.
    lost = np.where(truth[order], 1, -1).astype(np.int32)
    own = np.zeros((folds, pairs), dtype=np.int32)
    own[fold_of, np.arange(pairs)] = lost
    ends = np.append(np.flatnonzero(ordered[1:] > ordered[:-1]), pairs - 1)  # a cut lies between two that differ
    on_others = (np.cumsum(lost, dtype=np.int32) - np.cumsum(own, axis=1, dtype=np.int32))[:, ends]
    # Fewest lost answers first, then the highest cut: of the smallest the last.
    best = len(ends) - 1 - on_others[:, ::-1].argmin(axis=1)
    # Accepting all loses nothing: taken where every cut loses.
    thresholds = np.array(
        [
            _between(ordered, fold_of, f, int(ends[cut])) if on_others[f, cut] <= 0 else -np.inf
            for f, cut in enumerate(best)
        ]
    )

    right = (scores >= thresholds[fold]) == truth
    accuracies = np.bincount(fold, weights=right, minlength=folds) / np.bincount(fold, minlength=folds)
    standard_error = float(accuracies.std(ddof=1) / folds**0.5)
    return Verification(
        float(accuracies.mean()), standard_error, torch.from_numpy(accuracies), torch.from_numpy(thresholds)
    )


def _between(ordered: np.ndarray, fold_of: np.ndarray, fold: int, cut: int) -> float:
    """A threshold that rejects the similarities up to a place, and no later one, among those of the other folds."""
    below, above = cut, cut + 1
    while below >= 0 and fold_of[below] == fold:
        below -= 1
    while above < len(ordered) and fold_of[above] == fold:
        above += 1
    if below < 0:
        return -np.inf
    low, high = ordered[below], ordered[above] if above < len(ordered) else np.inf
    # Between neighbouring floats there is no middle; then the upper one separates them, because it is accepted.
    middle = low / 2 + high / 2  # halves first: the sum of two large numbers may be none
    return middle if middle > low else high


def _accepts(similarities: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Numbers of false and of true accepts at each threshold, beginning with none of either; thresholds fall."""
    ordered, order = double_precision(similarities).sort(descending=True)
    # Pairs of equal similarity are accepted together: one step at the last of them.
    last = torch.cat([ordered[1:] != ordered[:-1], ordered.new_ones(1, dtype=torch.bool)])
    true = same[order].long().cumsum(dim=0)
    false = torch.arange(1, len(true) + 1, device=true.device) - true
    nothing = true.new_zeros(1)
    thresholds = torch.cat([ordered.new_full((1,), torch.inf), ordered[last]])
    return torch.cat([nothing, false[last]]), torch.cat([nothing, true[last]]), thresholds


@torch.no_grad()
def roc(similarities: Tensor, same: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    r"""The receiver operating characteristic: true accepts against false accepts at every threshold (Fawcett, 2006).

    $$ \mathrm{FAR}(\tau) = \frac{\lvert \{ s_i \geq \tau, \text{different} \} \rvert}{\lvert \text{different} \rvert},
       \qquad
       \mathrm{TAR}(\tau) = \frac{\lvert \{ s_i \geq \tau, \text{same} \} \rvert}{\lvert \text{same} \rvert} $$

    Args:
        similarities: (P,), larger is more alike.
        same: (P,), booleans.

    Returns:
        (far, tar, thresholds), each (T + 1,). The first two rise from 0 to 1. Thresholds are ∞, at which nothing is
        accepted, and then the T distinct similarities, falling; no point is left out, as by
        `sklearn.metrics.roc_curve(drop_intermediate=False)`. In float64 where the device has it.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, NaN or infinity, or pairs of one kind only.

    Example:
        >>> far, tar, _ = roc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, True, False, False]))
        >>> far.tolist(), tar.tolist()
        ([0.0, 0.0, 0.5, 1.0], [0.0, 0.5, 1.0, 1.0])

    Used in the chapter "Faces".
    """
    _check_pairs(similarities, same)
    false, true, thresholds = _accepts(similarities, same)
    return false.to(thresholds.dtype) / false[-1], true.to(thresholds.dtype) / true[-1], thresholds


@torch.no_grad()
def area_under_roc(similarities: Tensor, same: Tensor) -> float:
    r"""Area under the ROC: how often a same pair is more alike than a different one (Fawcett, 2006).

    $$ \frac{1}{|S| |D|} \sum_{i \in S} \sum_{j \in D} \Big( [s_i > s_j] + \tfrac12 [s_i = s_j] \Big) $$

    with S the same pairs and D the different ones. From whole numbers, so exact but for one rounding, up to 2⁶² pairs
    of pairs.

    Args:
        similarities: (P,), larger is more alike.
        same: (P,), booleans.

    Returns:
        In [0, 1]; ½ where similarities say nothing.

    Raises:
        TypeError, ValueError: a wrong dtype or shape, NaN or infinity, or pairs of one kind only.

    Example:
        >>> area_under_roc(torch.tensor([0.9, 0.5, 0.5, 0.1]), torch.tensor([True, True, False, False]))
        0.875

    Used in the chapter "Faces".
    """
    _check_pairs(similarities, same)
    false, true, _ = _accepts(similarities, same)
    # Twice the trapezoids below the curve, whose sides are whole numbers.
    twice = ((false[1:] - false[:-1]) * (true[1:] + true[:-1])).sum().item()
    return twice / (2 * false[-1].item() * true[-1].item())


@torch.no_grad()
def tar_at_far(similarities: Tensor, same: Tensor, *, fars: Sequence[float] = (1e-3, 1e-2, 1e-1)) -> dict[float, float]:
    r"""True accept rate where the false accept rate may be so much at most (as IJB reports it: Klare et al., 2015).

    $$ \max_\tau \{ \mathrm{TAR}(\tau) : \mathrm{FAR}(\tau) \leq \text{far} \} $$

    The exact step function, not interpolated. Below one over the number of different pairs that is the share of same
    pairs more alike than every different one, with no false accept: the data cannot tell smaller rates apart.

    Args:
        similarities: (P,), larger is more alike.
        same: (P,), booleans.
        fars: each in [0, 1].

    Returns:
        {far: true accept rate}, each in [0, 1].

    Raises:
        TypeError, ValueError: a wrong dtype, shape or rate, NaN or infinity, or pairs of one kind only.

    Example:
        >>> similarities = torch.tensor([0.9, 0.7, 0.6, 0.2])
        >>> tar_at_far(similarities, torch.tensor([True, False, True, False]), fars=(0.1, 0.5))
        {0.1: 0.5, 0.5: 1.0}

    Used in the chapter "Faces".
    """
    _check_pairs(similarities, same)
    fars = tuple(fars)
    if not fars:
        raise ValueError("fars must hold at least one false accept rate, found none")
    for far in fars:
        check_number("fars", far, least=0)
        if far > 1:
            raise ValueError(f"fars must be at most 1, found {far:g}")
    false, true, _ = _accepts(similarities, same)
    # Quotients are compared, not products: 29/100 is the same number as 0.29, but 0.29 · 100 is below 29.
    rates = false.cpu().double() / false[-1].item()
    found = torch.searchsorted(rates, torch.tensor(fars, dtype=torch.float64), right=True) - 1
    return dict(zip(fars, (true.cpu()[found].double() / true[-1].item()).tolist(), strict=True))

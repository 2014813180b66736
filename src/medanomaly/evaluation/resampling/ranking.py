"""AUROC and average precision from weighted counts, exact under ties.

Only the order of a score matters here, and negatives that no positive separates are interchangeable. So the cases are
sorted once and folded into cells: one for the positives of each distinct score that a positive has, one for the negatives
tied with them, one for the negatives between two such scores. A bootstrap resample then adds integer weights into a few
cells and walks over them, instead of sorting again. The AUROC numerator stays an integer, so its value does not
depend on the order of summation.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Cells:
    """Cases folded by score, from the highest to the lowest positive.

    Attributes:
        cell: (n_cases,) int32. With L levels: 0..L-1 positives of a level, L..2L negatives above the first level, between
            two levels, below the last; 2L+1..3L negatives tied with a level.
        n_levels: L, the number of distinct scores among the positives.
        has_ties: whether any negative is tied with a positive.
    """

    cell: np.ndarray
    n_levels: int
    has_ties: bool


def fold(score: np.ndarray, positive: np.ndarray) -> Cells:
    """Sort once and fold the cases into cells.

    Args:
        score: (n,) finite, higher = more anomalous.
        positive: (n,) bool.

    Returns:
        The cells of the n cases.
    """
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
    levels = np.unique(score[positive])
    n_levels = levels.size
    # counted from the top: number of levels that lie at or above the score, and strictly above it
    strictly_above = n_levels - np.searchsorted(levels, score, side="right")
    at_or_above = n_levels - np.searchsorted(levels, score, side="left")
    tied = ~positive & (at_or_above > strictly_above)
    cell = np.where(positive, strictly_above, n_levels + at_or_above)
    cell[tied] = 2 * n_levels + 1 + strictly_above[tied]
    return Cells(cell.astype(np.int32), n_levels, bool(tied.any()))


def rank_sums(counts: np.ndarray, n_levels: int) -> tuple[int, float]:
    """Numerators of AUROC and average precision from the weight in each cell.

    Args:
        counts: (3 * n_levels + 1,) integer weights by cell.
        n_levels: L.

    Returns:
        ``(u2, ap)``: twice the Mann-Whitney U (pairs won count 2, tied pairs 1), and the sum over levels of
        positive weight times precision. AUROC = u2 / (2 P N), average precision = ap / P.
    """
    positives = counts[:n_levels]
    between = counts[n_levels : 2 * n_levels]
    tied = counts[2 * n_levels + 1 :]
    above = np.cumsum(between) + np.cumsum(tied) - tied
    n_negatives = int(counts[n_levels:].sum())
    u2 = int((positives * (2 * (n_negatives - above) - tied)).sum())
    hits = np.cumsum(positives)
    with np.errstate(invalid="ignore"):
        terms = np.where(positives > 0, positives * (hits / (hits + above + tied)), 0.0)
    # cumsum adds one by one, as the compiled kernel does; sum() would add pairwise and differ in the last bits
    return u2, float(np.cumsum(terms)[-1]) if n_levels else 0.0


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve, ties counted half (Mann-Whitney); NaN where a class is empty."""
    return _exact(score, positive)[0]


def auroc_between(normal: np.ndarray, anomalous: np.ndarray) -> float:
    """:func:`auroc` of the scores of two groups: the share of pairs that are ranked rightly, ties counted half."""
    return auroc(np.concatenate([normal, anomalous]), np.arange(len(normal) + len(anomalous)) >= len(normal))


def average_precision(score: np.ndarray, positive: np.ndarray) -> float:
    """Average precision, sum over thresholds of recall gained times precision, as scikit-learn defines it.

    Cases of equal score enter together. NaN where a class is empty.
    """
    return _exact(score, positive)[1]


def _exact(score: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    positive = np.asarray(positive, dtype=bool)
    n_positive = int(positive.sum())
    n_negative = positive.size - n_positive
    if not n_positive or not n_negative:
        return float("nan"), float("nan")
    cells = fold(score, positive)
    counts = np.bincount(cells.cell, minlength=3 * cells.n_levels + 1)
    u2, ap = rank_sums(counts, cells.n_levels)
    return u2 / (2.0 * n_positive * n_negative), ap / n_positive


def midranks(x: np.ndarray) -> np.ndarray:
    """Ranks from 1, ties sharing their mean rank.

    Args:
        x: (n,) values.

    Returns:
        (n,) float64.
    """
    _, inverse, count = np.unique(x, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2.0)[inverse]

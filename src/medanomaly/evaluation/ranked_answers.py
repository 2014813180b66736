"""Figures of ranked answers, such as the diseases of a case: the rank of the true answer is all they need.

A rank counts ties against the answer (two that are equal and first are both second) and is infinite where the true answer is
not among the candidates. Intervals resample groups of cases, such as those of one publication.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.ratio_intervals import ratio_intervals

FIGURE_COLUMNS = ("figure", "value", "ci_low", "ci_high", "n", "n_groups")


def rank_of(scores: np.ndarray, true: int) -> float:
    """Rank of candidate ``true`` with ties against it; infinite for -1 (no candidate) and for a score of -inf."""
    if true < 0 or not np.isfinite(scores[true]):
        return np.inf
    return float(np.count_nonzero(scores >= scores[true]))


def checked_ranks(ranks: np.ndarray) -> np.ndarray:
    """Ranks as float64, or :class:`InputError` where one is below 1 or NaN."""
    ranks = np.asarray(ranks, dtype=np.float64)
    if not (ranks >= 1).all():
        raise InputError(
            "a rank is below 1 or NaN", remedy="The best rank is 1, a missing answer has infinity."
        )
    return ranks


def rank_figures(
    ranks: np.ndarray,
    groups: np.ndarray,
    *,
    top: Sequence[int] = (1, 3, 10),
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Share of cases whose true answer is among the first k, and the mean reciprocal rank, with intervals.

    Args:
        ranks: (n,) rank of the true answer.
        groups: (n,) what is resampled as one, such as a publication.
        top: values of k.
        n_resamples: resamples of groups.
        seed: of the draws.
        confidence: level.

    Returns:
        ``FIGURE_COLUMNS``, figures ``top_1`` and so on, then ``mrr``.
    """
    ranks = checked_ranks(ranks)
    above = np.column_stack([ranks <= k for k in top] + [1 / ranks])
    value, low, high = ratio_intervals(
        above, np.ones_like(above), groups, n_resamples=n_resamples, seed=seed, confidence=confidence
    )
    table = pd.DataFrame({"figure": [*(f"top_{k}" for k in top), "mrr"], "value": value})
    return table.assign(ci_low=low, ci_high=high, n=len(ranks), n_groups=pd.Series(groups).nunique())


def macro_top(ranks: np.ndarray, answer: np.ndarray, k: int = 1) -> float:
    """Mean over the true answers of the share of their cases within the first k: frequent answers count no more."""
    hit = pd.Series(checked_ranks(ranks) <= k)
    return float(hit.groupby(np.asarray(answer, dtype=object)).mean().mean())


def paired_gain(
    ranks: np.ndarray,
    baseline: np.ndarray,
    groups: np.ndarray,
    *,
    top: Sequence[int] = (1, 3, 10),
    n_resamples: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How much more often the true answer is among the first k than with a baseline on the same cases.

    Both are measured on the same resamples of groups, so what makes a publication easy for both cancels.

    Returns:
        ``FIGURE_COLUMNS``; a value above 0 is a gain.
    """
    a, b = checked_ranks(ranks), checked_ranks(baseline)
    above = np.column_stack([(a <= k).astype(float) - (b <= k) for k in top])
    value, low, high = ratio_intervals(
        above, np.ones_like(above), groups, n_resamples=n_resamples, seed=seed, confidence=confidence
    )
    table = pd.DataFrame({"figure": [f"top_{k}" for k in top], "value": value})
    return table.assign(ci_low=low, ci_high=high, n=len(a), n_groups=pd.Series(groups).nunique())


def selective_accuracy(confidence: np.ndarray, right: np.ndarray, coverage: Sequence[float]) -> np.ndarray:
    """Share of right answers among the most confident ``coverage`` of the cases; ties in confidence count as a whole.

    Args:
        confidence: (n,) of each answer.
        right: (n,) bool.
        coverage: shares of the cases that are answered, each in (0, 1].

    Returns:
        One share per coverage. Where cases tie at the cut, the tied ones count with their mean.
    """
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    order = np.argsort(-confidence, kind="stable")
    _, tie = np.unique(-confidence[order], return_inverse=True)
    mean = np.bincount(tie, right[order]) / np.bincount(tie)
    running = np.cumsum(mean[tie])
    answered = np.maximum(np.round(np.asarray(coverage) * len(right)).astype(int), 1)
    return running[answered - 1] / answered

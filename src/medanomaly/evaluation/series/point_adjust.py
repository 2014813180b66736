"""Point-adjusted F1: a number to be warned of, shown only beside what a random score gets.

The adjustment calls a whole event found, sample by sample, as soon as one alarm touches it. A random score then looks
like a very good detector wherever events are long (Kim et al. 2022, "Towards a rigorous evaluation of time-series
anomaly detection", AAAI, section 4).
"""

from dataclasses import dataclass

import numpy as np

from medanomaly.core.errors import InputError
from medanomaly.evaluation.series.events import runs


@dataclass(frozen=True)
class PointAdjusted:
    """Best point-adjusted F1 of a score over all thresholds, and of random scores on the same labels."""

    f1: float
    random_f1: float


def point_adjusted_f1(
    truth: np.ndarray, score: np.ndarray, *, n_random: int = 5, seed: int = 0
) -> PointAdjusted:
    """Best F1 over all thresholds after point adjustment.

    Args:
        truth: (n,) bool, at least one True.
        score: (n,) finite, higher = more anomalous.
        n_random: random scores, whose mean stands beside.
        seed: of them.

    Raises:
        InputError: nothing is marked, lengths differ, or a score is not finite.
    """
    truth, score = np.asarray(truth, dtype=bool), np.asarray(score, dtype=np.float64)
    if truth.shape != score.shape or not truth.any() or not np.isfinite(score).all():
        raise InputError(
            f"{truth.shape} labels, {int(truth.sum())} of them positive, and {score.shape} scores",
            remedy="Give one finite score a sample, and at least one event.",
        )
    rng = np.random.default_rng(seed)
    random = [_best(truth, rng.random(len(truth))) for _ in range(n_random)]
    return PointAdjusted(_best(truth, score), float(np.mean(random)))


def _best(truth: np.ndarray, score: np.ndarray) -> float:
    # after the adjustment every sample of an event has the largest score of the event
    score = score.copy()
    for start, end in runs(truth):
        score[start:end] = score[start:end].max()
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order])
    last = np.append(np.diff(score[order]) != 0, True)
    f1 = 2 * hits / (np.arange(1, len(truth) + 1) + truth.sum())
    return float(f1[last].max())

"""DeLong's variance of the AUROC by midranks, for independent or clustered cases."""

import numpy as np
from scipy import stats
from scipy.special import expit, logit

from medanomaly.evaluation.resampling.ranking import midranks


def auroc_variance(
    score: np.ndarray, positive: np.ndarray, patient: np.ndarray | None = None
) -> tuple[float, float]:
    """AUROC and the variance of its estimate.

    DeLong, DeLong & Clarke-Pearson (1988), structural components by midranks in O(n log n) (Sun & Xu 2014, "Fast
    implementation of DeLong's algorithm", eqs. 5-7). With ``patient`` the components are added up by patient first
    (Obuchowski 1997, "Nonparametric analysis of clustered ROC curve data", eq. 3); one case per patient is DeLong's own.

    Args:
        score: (n,) finite, higher = more anomalous.
        positive: (n,) bool.
        patient: (n,) patient of each case; None takes every case as independent.

    Returns:
        ``(auroc, variance)``; NaN where a class is empty, variance NaN where a class has a single patient.
    """
    score, positive = np.asarray(score, dtype=np.float64), np.asarray(positive, dtype=bool)
    n_pos = int(positive.sum())
    n_neg = positive.size - n_pos
    if not n_pos or not n_neg:
        return float("nan"), float("nan")
    ranks = midranks(score)
    # share of negatives below each positive, share of positives above each negative
    won = (ranks[positive] - midranks(score[positive])) / n_neg
    lost = 1.0 - (ranks[~positive] - midranks(score[~positive])) / n_pos
    value = float(won.mean())
    codes = np.arange(positive.size) if patient is None else np.unique(patient, return_inverse=True)[1]
    size = int(codes.max()) + 1
    by_pos = np.bincount(codes[positive], weights=won - value, minlength=size)
    by_neg = np.bincount(codes[~positive], weights=lost - value, minlength=size)
    with_pos, with_neg = np.unique(codes[positive]).size, np.unique(codes[~positive]).size
    if with_pos < 2 or with_neg < 2:
        return value, float("nan")
    variance = (
        with_pos / (with_pos - 1) * np.sum(by_pos**2) / n_pos**2
        + with_neg / (with_neg - 1) * np.sum(by_neg**2) / n_neg**2
        + 2 * size / (size - 1) * np.sum(by_pos * by_neg) / (n_pos * n_neg)
    )
    return value, float(max(variance, 0.0))


def delong_interval(
    score: np.ndarray, positive: np.ndarray, patient: np.ndarray | None = None, confidence: float = 0.95
) -> tuple[float, float, float]:
    """AUROC with its interval on the logit scale, which stays inside (0, 1) (Pepe 2003, section 5.2.4).

    Args:
        score: (n,) finite.
        positive: (n,) bool.
        patient: (n,) patient of each case, or None.
        confidence: level.

    Returns:
        ``(auroc, low, high)``. Limits are NaN where the variance cannot be estimated, among them an AUROC of exactly 0
        or 1, where the method degenerates.
    """
    value, variance = auroc_variance(score, positive, patient)
    if not np.isfinite(variance) or not 0 < value < 1:
        return value, float("nan"), float("nan")
    half = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(variance) / (value * (1 - value))
    return value, float(expit(logit(value) - half)), float(expit(logit(value) + half))

"""How far predicted probabilities agree with what happened. For probabilities alone, never for anomaly scores."""

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from medanomaly.core.errors import InputError
from medanomaly.evaluation.resampling.intervals import wilson

RELIABILITY_COLUMNS = (
    "bin",
    "low",
    "high",
    "mean_probability",
    "observed",
    "ci_low",
    "ci_high",
    "n",
    "n_positive",
)


def check_probabilities(probability: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both as arrays, or :class:`InputError` where a probability lies outside [0, 1] or the lengths differ."""
    probability, positive = np.asarray(probability, dtype=np.float64), np.asarray(positive, dtype=bool)
    if probability.shape != positive.shape:
        raise InputError(f"{probability.size} probabilities for {positive.size} labels")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise InputError(
            "a probability is NaN or outside [0, 1]",
            remedy="Anomaly scores are no probabilities; calibrate them on labelled cases first.",
        )
    return probability, positive


def equal_mass_bins(probability: np.ndarray, n_bins: int) -> np.ndarray:
    """Number of the equal-mass bin of each probability; equal probabilities always share a bin.

    Args:
        probability: (n,) values.
        n_bins: bins asked for; ties can leave fewer.

    Returns:
        (n,) int64 from 0, without gaps.
    """
    probability = np.asarray(probability, dtype=np.float64)
    edges = np.unique(np.quantile(probability, np.arange(1, n_bins) / n_bins, method="inverted_cdf"))
    return np.unique(np.searchsorted(edges, probability, side="left"), return_inverse=True)[1].astype(
        np.int64
    )


def reliability_table(
    probability: np.ndarray, positive: np.ndarray, n_bins: int = 10, confidence: float = 0.95
) -> pd.DataFrame:
    """Predicted against observed share of positives in equal-mass bins.

    Args:
        probability: (n,) in [0, 1].
        positive: (n,) bool.
        n_bins: bins asked for.
        confidence: level of the Wilson intervals of the observed share.

    Returns:
        One row a bin: bin, low, high (smallest and largest probability in it), mean_probability, observed, ci_low,
        ci_high, n, n_positive.
    """
    probability, positive = check_probabilities(probability, positive)
    rows = []
    if probability.size:
        bins = equal_mass_bins(probability, n_bins)
        for b in range(bins.max() + 1):
            inside = bins == b
            n, hits = int(inside.sum()), int(positive[inside].sum())
            p = probability[inside]
            rows.append((b, p.min(), p.max(), p.mean(), hits / n, *wilson(hits, n, confidence), n, hits))
    return pd.DataFrame(rows, columns=list(RELIABILITY_COLUMNS))


def brier_score(probability: np.ndarray, positive: np.ndarray) -> float:
    """Mean squared difference between probability and outcome (Brier 1950, for two classes); NaN without cases."""
    probability, positive = check_probabilities(probability, positive)
    return float(np.mean((probability - positive) ** 2)) if probability.size else float("nan")


def expected_calibration_error(probability: np.ndarray, positive: np.ndarray, n_bins: int = 10) -> float:
    """Mean over equal-mass bins of |predicted - observed|, weighted by cases; NaN without cases.

    Equal-mass bins, since equal-width bins are mostly empty where events are rare (Nixon et al. 2019, "Measuring calibration
    in deep learning"). The estimate is biased upwards: a perfectly calibrated model with n cases and k bins
    still shows about sqrt(k / n).
    """
    probability, positive = check_probabilities(probability, positive)
    if not probability.size:
        return float("nan")
    gaps = np.bincount(equal_mass_bins(probability, n_bins), weights=probability - positive)
    return float(np.abs(gaps).sum() / probability.size)


def calibration_slope_intercept(probability: np.ndarray, positive: np.ndarray) -> tuple[float, float]:
    """Calibration slope, and calibration intercept (in the large).

    Logistic recalibration of the outcome on logit(probability) (Cox 1958; Van Calster et al. 2019, "Calibration: the
    Achilles heel of predictive analytics"): the slope with a free intercept (below 1 = too extreme), the
    intercept with the slope fixed at 1 (below 0 = too high on average). Probabilities are kept 1e-6 away from 0 and 1.

    Args:
        probability: (n,) in [0, 1].
        positive: (n,) bool.

    Returns:
        ``(slope, intercept)``, ideally (1, 0). NaN where a class is empty; the slope is NaN too where all
        probabilities are equal or separate the classes completely, for then no finite slope fits best.
    """
    probability, positive = check_probabilities(probability, positive)
    if positive.all() or not positive.any():
        return float("nan"), float("nan")
    x = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    intercept = brentq(lambda a: float(np.sum(expit(a + x) - positive)), -60.0, 60.0)
    low, high = x[positive], x[~positive]
    if np.ptp(x) == 0 or low.min() >= high.max() or low.max() <= high.min():
        return float("nan"), float(intercept)
    beta = np.zeros(2)
    design = np.column_stack([np.ones_like(x), x - x.mean()])
    # Newton's method with step halving: the likelihood is concave, so it cannot end up anywhere else
    loss = _log_loss(design @ beta, positive)
    for _ in range(200):
        p = expit(design @ beta)
        hessian = (design * (p * (1 - p))[:, None]).T @ design
        step = np.linalg.lstsq(hessian, design.T @ (positive - p), rcond=None)[0]
        while (new := _log_loss(design @ (beta + step), positive)) > loss + 1e-12:
            step = step / 2
        beta, loss = beta + step, new
        if np.abs(step).max() < 1e-10:
            break
    return float(beta[1]), float(intercept)


def _log_loss(linear: np.ndarray, positive: np.ndarray) -> float:
    return float(np.sum(np.logaddexp(0.0, np.where(positive, -linear, linear))))

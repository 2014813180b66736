"""Intervals, and what to say where a bootstrap interval has collapsed to a point."""

import numpy as np
from scipy import stats


def percentile_interval(values: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval (Efron & Tibshirani 1993, chapter 13); undefined resamples are left out.

    Args:
        values: (resamples,) of a metric, NaN where undefined.
        confidence: level.

    Returns:
        ``(low, high)``; NaN where no resample is defined.
    """
    values = values[np.isfinite(values)]
    if not values.size:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def wilson(hits: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Score interval of a proportion (Wilson 1927); NaN where n is 0."""
    if n <= 0:
        return float("nan"), float("nan")
    z2 = stats.norm.ppf((1 + confidence) / 2) ** 2
    share = hits / n
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = np.sqrt(z2 * (share * (1 - share) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def clopper_pearson(hits: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """Exact interval of a proportion (Clopper & Pearson 1934); NaN where n is 0.

    ``hits`` may be fractional: the beta quantiles continue the exact interval between whole numbers.
    """
    if n <= 0:
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else stats.beta.ppf(tail, hits, n - hits + 1)
    high = 1.0 if hits >= n else stats.beta.ppf(1 - tail, hits + 1, n - hits)
    return float(low), float(high)


def perfect_ranking_bound(n_positive: int, n_negative: int, confidence: float = 0.95) -> float:
    """Lower bound of the AUROC where every positive outranks every negative in the sample.

    Put the cases into m = min(n_positive, n_negative) pairs of one positive and one negative that share no case. The
    pairs are independent, each is won with probability AUROC, and all m were won: the Clopper-Pearson bound of m
    out of m holds for the AUROC. Mirrored, 1 minus it bounds an AUROC of 0 from above.

    Returns:
        ``((1 - confidence) / 2) ** (1 / m)``; NaN where m is 0.
    """
    return clopper_pearson(min(n_positive, n_negative), min(n_positive, n_negative), confidence)[0]


def false_alarm_interval(
    n_calibration: int, n_test: int, alpha: float, probability: float = 0.95
) -> tuple[float, float, float]:
    """Where the realised false-alarm rate must lie while the p-values hold.

    With m exchangeable calibration scores without ties the chance that a new normal case is flagged, given the
    calibration set, is Beta(l, m + 1 - l) with l = floor(alpha (m + 1)) (Vovk 2012, "Conditional validity of inductive
    conformal predictors", proposition 2a); the number of flagged among n test normals is then beta-binomial.

    Patients may stand for their many cases as the independent units. Fewer of them than 1 / alpha would leave l at 0,
    although their cases can be flagged: there the beta distribution is continued to l = alpha (m + 1).

    Args:
        n_calibration: m, independent calibration normals.
        n_test: n, independent test normals.
        alpha: level asked for.
        probability: of a realised rate inside the interval.

    Returns:
        ``(low, high, sd)`` of the rate; ``sd`` is that of the rate itself given the calibration set (n without end).
    """
    m = n_calibration
    allowed = int(np.floor(alpha * (m + 1) + 1e-9))
    if n_test < 1:
        return 0.0, 0.0, 0.0
    if allowed < 1:
        allowed = alpha * (m + 1)
    if allowed > m:
        return 1.0, 1.0, 0.0
    a, b = allowed, m + 1 - allowed
    counts = stats.betabinom(n_test, a, b)
    low, high = counts.ppf((1 - probability) / 2) / n_test, counts.ppf((1 + probability) / 2) / n_test
    return float(low), float(high), float(np.sqrt(a * b / ((a + b) ** 2 * (a + b + 1))))

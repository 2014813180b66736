"""Split-conformal p-values: the common scale of all detectors of all modalities.

For a new score s and calibration scores of m normal cases, ``p = (1 + #{calibration >= s}) / (m + 1)``. If the new case
is exchangeable with the calibration cases, P(p <= alpha) <= alpha for every alpha (Vovk et al. 2005; Bates et al. 2023,
"Testing for outliers with conformal p-values", eq. 1). Ties count against the new case, so ties make the p-value larger,
never smaller. The smallest possible p-value is 1 / (m + 1): with m calibration cases nothing can be flagged at an alpha
below this value.
"""

import numpy as np
import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError


def _sorted_calibration(calibration: np.ndarray) -> np.ndarray:
    calibration = np.asarray(calibration, dtype=np.float64)
    if calibration.ndim != 1:
        raise InputError(
            f"calibration scores have the shape {calibration.shape}", remedy="Expected one score per case."
        )
    calibration = np.sort(calibration)
    if calibration.size == 0:
        raise InputError("there is no calibration score", remedy="Keep normal cases for calibration.")
    if not np.isfinite(calibration).all():
        raise InputError(
            "a calibration score is NaN or infinite", remedy="Detectors must give finite scores."
        )
    return calibration


def finite_scores(scores: np.ndarray) -> np.ndarray:
    """Scores as they are compared; NaN would sort behind every calibration score and get the smallest p-value."""
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InputError(
            "a score is NaN or infinite",
            remedy="Detectors must give finite scores.",
            record=int(np.flatnonzero(~np.isfinite(scores.ravel()))[0]) + 1,
        )
    return scores


def checked_alpha(alpha: float) -> float:
    """A share of cases from 0 to 1, or :class:`ConfigurationError`."""
    if not 0 <= alpha <= 1:
        raise ConfigurationError(f"alpha is {alpha}", remedy="Give a share from 0 to 1, such as 0.05.")
    return alpha


def p_values(scores: np.ndarray, calibration: np.ndarray) -> np.ndarray:
    """Conformal p-value of each score.

    Args:
        scores: (n,) finite, higher = more anomalous.
        calibration: (m,) scores of normal cases that the detector was not fitted on.

    Returns:
        (n,) in [1 / (m + 1), 1].

    Raises:
        InputError: a score is not finite, or the calibration is empty, not finite or not (m,).
    """
    calibration = _sorted_calibration(calibration)
    below = np.searchsorted(calibration, finite_scores(scores), side="left")
    return (1.0 + calibration.size - below) / (calibration.size + 1.0)


def leave_one_out_p_values(calibration: np.ndarray) -> np.ndarray:
    """P-value of each calibration case against the other m - 1; valid by the same exchangeability.

    Args:
        calibration: (m,) scores, m >= 1.

    Returns:
        (m,) in [1 / m, 1].
    """
    ordered = _sorted_calibration(calibration)
    below = np.searchsorted(ordered, np.asarray(calibration, dtype=np.float64), side="left")
    return (ordered.size - below) / float(ordered.size)


def score_threshold(calibration: np.ndarray, alpha: float) -> float:
    """The score above which ``p <= alpha``; infinite where alpha is below the smallest p-value 1 / (m + 1).

    A score equal to the threshold is not flagged: ``score > threshold`` is the same as ``p_values(score) <= alpha``.
    """
    calibration, alpha = _sorted_calibration(calibration), checked_alpha(alpha)
    # the small addition keeps floor(0.05 * 20) at 1 where rounding makes the product slightly smaller
    allowed = int(np.floor(alpha * (calibration.size + 1) + 1e-9))
    if allowed < 1:
        return float("inf")
    if allowed > calibration.size:
        return float("-inf")
    return float(calibration[calibration.size - allowed])


def _without_na(groups: np.ndarray) -> np.ndarray:
    """Groups with None for every kind of missing value, which equals no group (comparing with ``pd.NA`` would raise)."""
    groups = np.array(groups, dtype=object)
    groups[pd.isna(groups)] = None
    return groups


def group_p_values(
    scores: np.ndarray,
    groups: np.ndarray,
    calibration: np.ndarray,
    calibration_groups: np.ndarray,
    min_group_size: int = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Group-conditional (Mondrian) p-values: each case against the calibration cases of its own group.

    The false-alarm rate then holds within every group that is large enough, not only on average. A group with fewer
    than ``min_group_size`` calibration cases, or none, is compared with all of them.

    Args:
        scores: (n,) finite.
        groups: (n,) group of each score.
        calibration: (m,) calibration scores.
        calibration_groups: (m,) their groups.
        min_group_size: smallest calibration group used on its own.

    Returns:
        ``(p, own_group)``: (n,) p-values, and (n,) bool, False where all calibration cases had to be used.
    """
    scores, groups = np.asarray(scores, dtype=np.float64), _without_na(groups)
    calibration, calibration_groups = (
        np.asarray(calibration, dtype=np.float64),
        _without_na(calibration_groups),
    )
    if len(scores) != len(groups) or len(calibration) != len(calibration_groups):
        raise InputError(
            f"{len(scores)} scores for {len(groups)} groups, {len(calibration)} calibration scores for "
            f"{len(calibration_groups)}",
            remedy="Give every score its group.",
        )
    p, own_group = p_values(scores, calibration), np.zeros(len(scores), dtype=bool)
    for group in set(groups) - {None}:
        inside = calibration_groups == group
        if inside.sum() >= min_group_size:
            members = groups == group
            p[members] = p_values(scores[members], calibration[inside])
            own_group[members] = True
    return p, own_group


def benjamini_hochberg(p: np.ndarray, fdr: float) -> np.ndarray:
    """Choose the p-values to reject, so that the expected share of false alarms among the alarms stays below ``fdr``.

    Benjamini & Hochberg (1995), step-up. Split-conformal p-values of the same calibration set are positively
    dependent, which keeps the guarantee (Bates et al. 2023, theorem 2). With m calibration cases and n tests nothing
    can be rejected unless about n / (fdr * (m + 1)) cases reach the smallest p-value: check the power as well as the rate.

    Args:
        p: (n,) p-values.
        fdr: target false discovery rate, in (0, 1).

    Returns:
        (n,) bool.
    """
    p, fdr = np.asarray(p, dtype=np.float64), checked_alpha(fdr)
    if p.size == 0:
        return np.zeros(0, dtype=bool)
    ordered = np.sort(p)
    passing = np.nonzero(ordered <= fdr * np.arange(1, p.size + 1) / p.size + 1e-15)[0]
    if passing.size == 0:
        return np.zeros(p.size, dtype=bool)
    return p <= ordered[passing[-1]]

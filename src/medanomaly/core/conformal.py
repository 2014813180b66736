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
    """Scores as they are compared; NaN would sort behind every calibration score and get the smallest p-value.

    Example:
        >>> finite_scores([1, 2]).tolist()
        [1.0, 2.0]
    """
    scores = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise InputError(
            "a score is NaN or infinite",
            remedy="Detectors must give finite scores.",
            record=int(np.flatnonzero(~np.isfinite(scores.ravel()))[0]) + 1,
        )
    return scores


def checked_alpha(alpha: float) -> float:
    """A share of cases from 0 to 1, or :class:`ConfigurationError`.

    Example:
        >>> checked_alpha(0.05)
        0.05
    """
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

    Example:
        >>> p_values([0.5, 3.5, 9.0], calibration=[1, 2, 3, 4]).tolist()
        [1.0, 0.4, 0.2]
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

    Example:
        >>> leave_one_out_p_values([1, 2, 3, 4]).tolist()
        [1.0, 0.75, 0.5, 0.25]
    """
    ordered = _sorted_calibration(calibration)
    below = np.searchsorted(ordered, np.asarray(calibration, dtype=np.float64), side="left")
    return (ordered.size - below) / float(ordered.size)


def score_threshold(calibration: np.ndarray, alpha: float) -> float:
    """The score above which ``p <= alpha``; infinite where alpha is below the smallest p-value 1 / (m + 1).

    A score equal to the threshold is not flagged: ``score > threshold`` is the same as ``p_values(score) <= alpha``.

    Example:
        >>> score_threshold(range(1, 20), alpha=0.1)
        18.0
        >>> score_threshold(range(1, 6), alpha=0.1)  # six times 0.1 is less than one case
        inf
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

    Example:
        >>> p, own = group_p_values([5, 5], ["F", "M"], [1, 2, 3, 7, 8, 9], list("FFFMMM"), min_group_size=3)
        >>> p.tolist(), own.tolist()
        ([0.25, 1.0], [True, True])
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


def _of_patients(calibration: np.ndarray, patients: np.ndarray) -> list[np.ndarray]:
    """Sorted scores of each patient."""
    patients = np.asarray(patients)
    calibration = np.asarray(calibration, dtype=np.float64)
    if calibration.shape != patients.shape:
        raise InputError(f"{calibration.size} calibration scores for {patients.size} patients")
    _sorted_calibration(calibration)
    _, code = np.unique(patients.astype(str), return_inverse=True)
    order = np.lexsort((calibration, code))
    return np.split(calibration[order], np.cumsum(np.bincount(code))[:-1])


def patient_p_values(scores: np.ndarray, calibration: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """P-values of cases of NEW patients, valid where patients are exchangeable and their cases are not.

    ``p = (1 + sum over patients of the share of their scores >= s) / (patients + 1)``: every calibration patient counts the
    same (Dunn, Wasserman & Ramdas 2023, "Distribution-free prediction sets for two-layer hierarchical models"). On average
    over patients at most alpha of the normal cases get p <= alpha. Of one patient it may be far more: see
    :func:`patient_threshold`.

    Args:
        scores: (n,) finite.
        calibration: (m,) scores; patients: (m,) whose they are.

    Returns:
        (n,) in [1 / (patients + 1), 1].

    Example:
        >>> patient_p_values([5.0], calibration=[1, 2, 9, 3], patients=["a", "a", "a", "b"]).round(3).tolist()
        [0.444]
    """
    of, scores = _of_patients(calibration, patients), finite_scores(scores)
    at_least = np.zeros(len(scores))
    for own in of:
        at_least += 1 - np.searchsorted(own, scores, side="left") / len(own)
    return (1 + at_least) / (len(of) + 1)


def patient_rates(calibration: np.ndarray, patients: np.ndarray, alpha: float) -> pd.Series:
    """Share of each calibration patient's cases that the threshold of all other patients flags.

    Args:
        calibration: (m,) scores; patients: (m,) whose they are, two or more.
        alpha: share that is asked for.

    Returns:
        patient -> realised share.

    Example:
        >>> patient_rates([1, 2, 3, 4, 5, 9], ["a", "a", "a", "b", "b", "b"], alpha=0.25).to_dict()
        {'a': 0.0, 'b': 1.0}
    """
    calibration, patients = np.asarray(calibration, dtype=np.float64), np.asarray(patients).astype(str)
    names = np.unique(patients)
    if len(names) < 2:
        raise InputError("the cases are of one patient", remedy="Give cases of two or more.")
    rates = {}
    for name in names:
        own = patients == name
        rates[name] = float((calibration[own] > score_threshold(calibration[~own], alpha)).mean())
    return pd.Series(rates, name="rate")


def patient_threshold(
    calibration: np.ndarray, patients: np.ndarray, alpha: float, exceeded: float = 0.2
) -> float:
    """The score above which at most alpha of the normal cases of a NEW patient lie, but for a share of patients.

    Each calibration patient has a score above which at most alpha of the own cases lie. The threshold is the conformal
    quantile of these over patients, so that the own score of a new patient is above it with a probability of at most
    ``exceeded``. A patient's own score comes from few cases, so the statement holds for as many cases per patient.

    Args:
        calibration: (m,) scores; patients: (m,) whose they are.
        alpha: share of a patient's cases.
        exceeded: share of patients of whom more may be flagged.

    Returns:
        The threshold; infinite where there are fewer than ``1 / exceeded - 1`` patients.

    Example:
        >>> patient_threshold([1, 2, 3, 4, 5, 9], ["a", "a", "b", "b", "c", "c"], alpha=0.1, exceeded=0.25)
        9.0
    """
    alpha, exceeded = checked_alpha(alpha), checked_alpha(exceeded)
    own = [
        of[max(0, len(of) - 1 - int(np.floor(alpha * len(of) + 1e-9)))]
        for of in _of_patients(calibration, patients)
    ]
    return score_threshold(np.array(own), exceeded)


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

    Example:
        >>> benjamini_hochberg([0.001, 0.02, 0.04, 0.8], fdr=0.05).tolist()
        [True, True, False, False]
    """
    p, fdr = np.asarray(p, dtype=np.float64), checked_alpha(fdr)
    if p.size == 0:
        return np.zeros(0, dtype=bool)
    ordered = np.sort(p)
    passing = np.nonzero(ordered <= fdr * np.arange(1, p.size + 1) / p.size + 1e-15)[0]
    if passing.size == 0:
        return np.zeros(p.size, dtype=bool)
    return p <= ordered[passing[-1]]

"""Ratios of sums over cases, such as a mean or a sensitivity, with intervals that know whose cases they are."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.draws import patient_weights
from medanomaly.evaluation.resampling.intervals import clopper_pearson, percentile_interval


def ratio_intervals(
    above: np.ndarray,
    below: np.ndarray,
    patient: np.ndarray,
    *,
    n_resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ratios of two sums, with percentile intervals of the patient-level bootstrap.

    Args:
        above: (n, k) numerators of k ratios, one row per case, recording or other part of a patient's data.
        below: (n, k) denominators.
        patient: (n,) the patient of each row.
        n_resamples: resamples of patients.
        seed: of the draws.
        confidence: level.

    Returns:
        ``(value, low, high)``, (k,) each. NaN where a denominator is 0; resamples where it is 0 are left out.
    """
    codes = pd.factorize(np.asarray(patient, dtype=object))[0]
    n_rows = np.bincount(codes)
    sums = np.zeros((2, len(n_rows), np.shape(above)[1]))
    for of_patient, of_row in zip(sums, (above, below), strict=True):
        np.add.at(of_patient, codes, of_row)
    weights = patient_weights(seed, range(n_resamples), n_rows).astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = sums[0].sum(axis=0) / sums[1].sum(axis=0)
        drawn = (weights @ sums[0]) / (weights @ sums[1])
    low, high = np.array([percentile_interval(ratio, confidence) for ratio in drawn.T]).T
    return np.where(np.isfinite(value), value, np.nan), low, high


def mean_interval(
    values: np.ndarray, patient: np.ndarray, params: EvaluationParams
) -> tuple[float, float, float]:
    """Mean over cases with the percentile interval of the patient-level bootstrap.

    Args:
        values: (n,) one per case, booleans for a proportion.
        patient: (n,) whose cases they are.
        params: seed, resamples, confidence.

    Returns:
        ``(value, low, high)``. A proportion that no resample changes (0 of 20) gets the Clopper-Pearson interval with the
        patients as trials; the mean over a single patient has no interval (NaN); without cases all three are NaN.
    """
    values = np.asarray(values)
    if not len(values):
        return np.nan, np.nan, np.nan
    n_patients, value = pd.Series(patient, dtype=object).nunique(), float(values.mean())
    if values.dtype == bool and value in (0.0, 1.0):
        return value, *map(float, clopper_pearson(value * n_patients, n_patients, params.confidence))
    if n_patients < 2:
        return value, np.nan, np.nan
    found = ratio_intervals(
        values[:, None],
        np.ones((len(values), 1)),
        patient,
        n_resamples=params.n_resamples,
        seed=params.seed,
        confidence=params.confidence,
    )
    value, low, high = (float(figure[0]) for figure in found)
    return value, low, high

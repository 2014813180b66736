"""The mean of a figure that every case has, with an interval that knows whose cases they are."""

import numpy as np
import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.draws import draw_weights_numpy
from medanomaly.evaluation.resampling.intervals import clopper_pearson, percentile_interval


def mean_interval(
    values: np.ndarray, patient: np.ndarray, params: EvaluationParams
) -> tuple[float, float, float]:
    """Mean over cases with the percentile interval of the patient-level bootstrap.

    Args:
        values: (n,) one a case, booleans for a proportion.
        patient: (n,) whose cases they are.
        params: seed, resamples, confidence.

    Returns:
        ``(value, low, high)``. A proportion that no resample changes (0 of 20) gets the Clopper-Pearson interval with the
        patients as trials; the mean over a single patient has no interval (NaN); without cases all three are NaN.
    """
    values, codes = np.asarray(values), pd.factorize(np.asarray(patient, dtype=object))[0]
    if not len(values):
        return np.nan, np.nan, np.nan
    n_cases = np.bincount(codes)
    sums = np.bincount(codes, weights=values.astype(np.float64))
    value = float(sums.sum() / n_cases.sum())
    if values.dtype == bool and value in (0.0, 1.0):
        return value, *map(float, clopper_pearson(value * len(n_cases), len(n_cases), params.confidence))
    if len(n_cases) < 2:
        return value, np.nan, np.nan
    nobody = np.zeros(len(n_cases), dtype=np.int64)
    draws = np.empty(params.n_resamples)
    for i in range(params.n_resamples):
        weight, total, _ = draw_weights_numpy(params.seed, i, n_cases, nobody)
        draws[i] = weight @ sums / total
    return value, *percentile_interval(draws, params.confidence)

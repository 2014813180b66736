"""Alarm budget: flag as many cases per day as somebody can look at, instead of all below a false-alarm rate alpha."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError


def alarm_budget(score: np.ndarray, per_day: int, day: np.ndarray | None = None) -> np.ndarray:
    """Flag the ``per_day`` highest scores of each day.

    Ties at the edge are broken by the order of the cases, so a day never exceeds its budget.

    Args:
        score: (n,) finite, higher = more anomalous.
        per_day: alarms per day, >= 0.
        day: (n,) the day of each case; None takes all cases as one day.

    Returns:
        (n,) bool with at most ``per_day`` True per day.
    """
    score = np.asarray(score, dtype=np.float64)
    if per_day < 0:
        raise InputError(f"an alarm budget of {per_day} per day is negative", remedy="Give 0 or more.")
    if not np.isfinite(score).all():
        raise InputError("a score is NaN or infinite", remedy="Detectors must give finite scores.")
    days = pd.Series(np.zeros(len(score)) if day is None else day)
    # counting within each day after a stable sort gives the rank, 0 = the most anomalous
    order = np.argsort(-score, kind="stable")
    rank = days.iloc[order].groupby(days.iloc[order], dropna=False).cumcount().sort_index()
    return (rank < per_day).to_numpy()


def alpha_for_budget(per_day: float, cases_per_day: float) -> float:
    """The alpha that uses up the budget on a day with only normal cases: budget / cases, at most 1."""
    if cases_per_day <= 0:
        raise InputError(
            f"{cases_per_day} cases per day",
            remedy="Give the number of cases that are scored per day, above 0.",
        )
    return min(1.0, per_day / cases_per_day)

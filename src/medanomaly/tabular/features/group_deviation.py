"""Deviation of a value from the median of its group; medians are learned from train cases only."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import GroupDeviation

_SEPARATOR = "\x1f"


def fit_group_deviation(features: pd.DataFrame, deviation: GroupDeviation) -> dict:
    """Median of the number in every group, and in all cases.

    Args:
        features: train cases with the columns that ``deviation`` names.
        deviation: of which number, in groups of which categories.

    Returns:
        JSON types: ``median`` of all, ``groups`` (levels joined by a unit separator to median).

    Raises:
        InputError: a column is missing, or the number is missing in every train case.
    """
    _check(features, deviation)
    values = features[deviation.of]
    if values.isna().all():
        raise InputError(
            "no train case has a value", column=deviation.of, remedy="Leave it out of populations."
        )
    grouped = values.groupby(_group(features, deviation.by))
    medians = grouped.median()[grouped.count() >= deviation.min_group_size]
    return {"median": float(values.median()), "groups": {str(k): float(v) for k, v in medians.items()}}


def group_deviation(features: pd.DataFrame, deviation: GroupDeviation, fitted: dict) -> np.ndarray:
    """(n,) float64: the number minus the median of its group, or of all cases if the group is new or too small."""
    _check(features, deviation)
    usual = _group(features, deviation.by).map(fitted["groups"]).astype("float64").fillna(fitted["median"])
    return features[deviation.of].to_numpy(dtype=np.float64, na_value=np.nan) - usual.to_numpy()


def _check(features: pd.DataFrame, deviation: GroupDeviation) -> None:
    absent = [name for name in (deviation.of, *deviation.by) if name not in features.columns]
    if absent:
        raise InputError(
            f"columns {absent} that populations name are missing",
            remedy=f"There are {list(features.columns)}.",
        )


def _group(features: pd.DataFrame, by: tuple[str, ...]) -> pd.Series:
    parts = [plain_text(features[name]).fillna("") for name in by]
    return parts[0].str.cat(parts[1:], sep=_SEPARATOR) if len(parts) > 1 else parts[0]

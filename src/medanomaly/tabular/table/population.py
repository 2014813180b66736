"""How far a value lies from what is usual in its group, by medians that are learned from train cases alone."""

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.core.plain_text import plain_text
from medanomaly.tabular.table.description import Population

_SEPARATOR = "\x1f"


def fit_population(features: pd.DataFrame, population: Population) -> dict:
    """Median of the number in every group, and in all.

    Args:
        features: train cases with the columns that ``population`` names.
        population: which number, by which categories.

    Returns:
        JSON types: ``median`` of all, ``groups`` (levels joined by a unit separator to median).

    Raises:
        InputError: a column is absent, or the number is missing in every train case.
    """
    _check(features, population)
    values = features[population.of]
    if values.isna().all():
        raise InputError(
            "no train case has a value", column=population.of, remedy="Leave it out of populations."
        )
    grouped = values.groupby(_group(features, population.by))
    medians = grouped.median()[grouped.count() >= population.min_group_size]
    return {"median": float(values.median()), "groups": {str(k): float(v) for k, v in medians.items()}}


def population_feature(features: pd.DataFrame, population: Population, fitted: dict) -> np.ndarray:
    """(n,) float64: the number less the median of its group; a group never seen or too small counts as the whole."""
    _check(features, population)
    usual = _group(features, population.by).map(fitted["groups"]).astype("float64").fillna(fitted["median"])
    return features[population.of].to_numpy(dtype=np.float64, na_value=np.nan) - usual.to_numpy()


def _check(features: pd.DataFrame, population: Population) -> None:
    absent = [name for name in (population.of, *population.by) if name not in features.columns]
    if absent:
        raise InputError(
            f"columns {absent} of a population feature are absent", remedy="Correct populations."
        )


def _group(features: pd.DataFrame, by: tuple[str, ...]) -> pd.Series:
    parts = [plain_text(features[name]).fillna("") for name in by]
    return parts[0].str.cat(parts[1:], sep=_SEPARATOR) if len(parts) > 1 else parts[0]

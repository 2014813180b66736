"""Features as the baselines and the audit see them: aligned with the cases, standardised on train normals alone."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.neighbors import NearestNeighbors

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import InputError
from medanomaly.core.splits import patient_position

# the neighbour whose distance shows how dense it is around a case
FAR_NEIGHBOUR = 10
# more reference cases make the distances a little smaller and the search much slower
MAX_REFERENCE = 20_000


def aligned(cases: pd.DataFrame, features: pd.DataFrame) -> pd.DataFrame:
    """The features of each case, in the order of ``cases`` and with its index, without ``case_id``."""
    if features["case_id"].duplicated().any():
        raise InputError("a case has two rows of features", source="features")
    table = features.set_index("case_id")
    absent = ~cases["case_id"].isin(table.index)
    if absent.any():
        raise InputError(
            f"{int(absent.sum())} cases have no features",
            remedy="Score and evaluate the cases that the features were made for.",
            source="features",
            record=cases["case_id"][absent].iloc[0],
        )
    table = table.reindex(cases["case_id"])
    table.index = cases.index
    return table


def numeric(table: pd.DataFrame) -> pd.DataFrame:
    """The numeric and boolean columns as float64, infinite values as NaN."""
    chosen = [
        c for c in table if pd.api.types.is_numeric_dtype(table[c]) or pd.api.types.is_bool_dtype(table[c])
    ]
    values = table[chosen].astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(np.where(np.isfinite(values), values, np.nan), index=table.index, columns=chosen)


def sort_out(table: pd.DataFrame, train: np.ndarray) -> pd.DataFrame:
    """Numeric columns without a gap: those that train knows, gaps filled with the median of train.

    Args:
        table: features in the order of the cases.
        train: (n,) mask of the train normals.
    """
    values = numeric(table)
    known = values.columns[values[train].notna().any().to_numpy()]
    return values[known].fillna(values.loc[train, known].median())


def standardised(table: pd.DataFrame, train: np.ndarray) -> np.ndarray:
    """(n, numeric features) standardised by mean and standard deviation of the train normals; constant columns keep 1."""
    values = sort_out(table, train).to_numpy(dtype=np.float64)
    if not values.size:
        return values
    spread = values[train].std(axis=0)
    return (values - values[train].mean(axis=0)) / np.where(spread > 0, spread, 1.0)


@dataclass(frozen=True)
class Neighbours:
    """Distance to the nearest train normals.

    Attributes:
        distance: (n,) float64 to the nearest; of a reference case to the nearest other one. NaN where it was not asked for.
        far: (n,) float64 to the tenth, or to the last where there are fewer.
        reference: (n,) bool, which cases distances are measured to.
    """

    distance: np.ndarray
    far: np.ndarray
    reference: np.ndarray


def nearest_train_normal(
    cases: pd.DataFrame, table: pd.DataFrame, wanted: np.ndarray | None = None
) -> Neighbours | None:
    """Euclidean distance of each case to the nearest train normal in standardised numeric features.

    One case a patient serves as reference, so that the distances among them are distances between patients; of more
    than 20,000 those with the smallest hash are taken, so that the choice does not depend on the order of rows.

    Args:
        cases: case table of n rows.
        table: their features, aligned.
        wanted: (n,) mask of the cases to measure; None for all.

    Returns:
        Distances, or None where there are fewer than two reference cases or no numeric feature.
    """
    train = reference_cases(cases, "train").to_numpy(dtype=bool)
    points = standardised(table, train) if train.any() else np.zeros((len(cases), 0))
    ordered = cases[train].sort_values(["patient_id", "case_id"])
    first = ordered[~ordered["patient_id"].duplicated()]
    if len(first) > MAX_REFERENCE:
        position = patient_position(first["case_id"], 0)
        first = first[position <= np.partition(position, MAX_REFERENCE - 1)[MAX_REFERENCE - 1]]
    reference = cases["case_id"].isin(first["case_id"]).to_numpy()
    if reference.sum() < 2 or points.shape[1] == 0:
        return None
    search = NearestNeighbors(n_neighbors=min(FAR_NEIGHBOUR, int(reference.sum()) - 1)).fit(points[reference])
    distance, far = np.full(len(cases), np.nan), np.full(len(cases), np.nan)
    others = ~reference if wanted is None else wanted & ~reference
    if others.any():
        found = search.kneighbors(points[others])[0]
        distance[others], far[others] = found[:, 0], found[:, -1]
    # without an argument scikit-learn leaves each reference case out of its own neighbours
    found = search.kneighbors()[0]
    distance[reference], far[reference] = found[:, 0], found[:, -1]
    return Neighbours(distance, far, reference)

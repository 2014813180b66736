"""Facts of records: what tells whether a table comes from where the calibration records came from."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.tabular.table.prepared_table import CASE_ID

# features beyond these are counted among the missing values only
MOST_FEATURES = 40


def record_facts(cases: pd.DataFrame, features: pd.DataFrame) -> Callable[[np.ndarray], pd.DataFrame]:
    """Positions of records to their facts.

    Units show in the values of a feature, sites and ages in the subgroups, a change of what is measured in missing values.

    Args:
        cases: case table of n records; features: n rows of their features.

    Returns:
        A function of (k,) positions to k rows: ``missing values`` (share of the features), the first
        :data:`MOST_FEATURES` features, and the subgroups.
    """

    def facts(rows: np.ndarray) -> pd.DataFrame:
        of = features.drop(columns=CASE_ID, errors="ignore").iloc[rows].reset_index(drop=True)
        groups = cases[subgroup_columns(cases)].iloc[rows].reset_index(drop=True)
        missing = of.isna().mean(axis=1).rename("missing values")
        # a subgroup may have the name of a feature
        return pd.concat([missing, of.iloc[:, :MOST_FEATURES], groups.add_prefix("group ")], axis=1)

    return facts

"""Nodes of feature engineering."""

import pandas as pd

from medanomaly.parameters import RunParams
from medanomaly.pipelines.data_processing.nodes import DataProcessingParams


def make_features(
    records: pd.DataFrame, cases: pd.DataFrame, params: DataProcessingParams, run: RunParams
) -> pd.DataFrame:
    """One row of features a case."""
    from medanomaly.tabular.features import record_features

    return record_features(records, cases, params.table(run.table))

"""Nodes of feature engineering."""

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.parameters import RunParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams


def fit_table_features(
    records: pd.DataFrame, cases: pd.DataFrame, params: DataProcessingParams, run: RunParams
) -> Bundle:
    """What features need to know of train cases: medians of populations, words of notes."""
    from medanomaly.tabular.features.record_features import fit_features

    return fit_features(records, cases, params.table(run.table), run.seed, bundle_stamp(run.dataset))


def make_features(
    records: pd.DataFrame,
    cases: pd.DataFrame,
    learned: Bundle,
    params: DataProcessingParams,
    run: RunParams,
) -> pd.DataFrame:
    """One row of features a case."""
    from medanomaly.tabular.features.record_features import record_features

    return record_features(records, cases, params.table(run.table), learned)

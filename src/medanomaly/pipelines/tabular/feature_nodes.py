"""Nodes of feature engineering."""

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.parameters import RunParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams


def seal_recipe(
    records: pd.DataFrame, cases: pd.DataFrame, learned: dict, params: DataProcessingParams, run: RunParams
) -> Bundle:
    """How raw records become features: description, how columns were read, medians of populations, words of notes."""
    from medanomaly.tabular.features.record_features import fit_features
    from medanomaly.tabular.table.column_reading import LearnedTable

    read_as = LearnedTable.model_validate(learned)
    return fit_features(records, cases, params.table(run.table), run.seed, bundle_stamp(run.dataset), read_as)


def make_features(
    records: pd.DataFrame,
    cases: pd.DataFrame,
    recipe: Bundle,
    params: DataProcessingParams,
    run: RunParams,
) -> pd.DataFrame:
    """One row of features a case."""
    from medanomaly.tabular.features.record_features import record_features

    return record_features(records, cases, params.table(run.table), recipe)

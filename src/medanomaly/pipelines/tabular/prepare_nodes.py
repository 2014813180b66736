"""Nodes of data processing."""

import logging

import pandas as pd

from medanomaly.core.cases import SPLITS, check_cases, class_of
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.params import Params
from medanomaly.core.splits import SplitParams, split_by_patient
from medanomaly.parameters import RunParams
from medanomaly.tabular.table.description import TableSpec

logger = logging.getLogger(__name__)


class DataProcessingParams(Params):
    """``tables`` describes each data set's table under its own name."""

    tables: dict[str, TableSpec]

    def table(self, dataset: str) -> TableSpec:
        """The description of one data set's table."""
        if dataset not in self.tables:
            raise ConfigurationError(
                f"no table is described under data_processing.tables.{dataset}",
                remedy=f"Described are {sorted(self.tables)}; add one in conf/<env>/parameters.yml.",
            )
        return self.tables[dataset]


def clean_records(
    raw: pd.DataFrame, params: DataProcessingParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict, dict]:
    """Records, cases without a split, quarantine and summary of the raw table, and how its columns were read."""
    from medanomaly.tabular.table.cleaning import clean_table
    from medanomaly.tabular.table.column_reading import listed

    table = clean_table(raw, params.table(run.table), source=run.dataset)
    summary = table.summary | {"cases": "records", "noun": "record"}
    used, undeclared, left_out = summary["columns"], summary["undeclared"], summary["left_out"]
    logger.info("columns used: %s", listed(list(used)))
    if undeclared:
        logger.info("used although not described (declared_only leaves them out): %s", listed(undeclared))
    if left_out:
        logger.info("left out: %s", listed(left_out))
    return table.records, table.cases, table.quarantine, summary, table.learned.model_dump(mode="json")


def check_quality(
    raw: pd.DataFrame, params: DataProcessingParams, run: RunParams
) -> tuple[pd.DataFrame, dict]:
    """Flags of the raw table and their summary; nothing is taken out."""
    from medanomaly.tabular.table.quality import check_table

    spec = params.table(run.table)
    report = check_table(raw, spec, spec.rules, source=run.dataset)
    return report.flags, report.summary


def split_cases(cases: pd.DataFrame, params: SplitParams) -> pd.DataFrame:
    """The case table, every patient in one part."""
    cases = cases.copy()
    parts = split_by_patient(cases["patient_id"], cases["label"], params, class_of(cases))
    cases.insert(4, "split", parts)
    empty = [part for part in SPLITS if not cases["split"].eq(part).any()]
    if empty:
        raise ConfigurationError(
            f"no case falls into {' and '.join(empty)}: {cases['patient_id'].nunique()} patients are too few to divide",
            remedy="Bring more patients; if patient_id names something larger, such as a ward, correct it.",
        )
    return check_cases(cases)

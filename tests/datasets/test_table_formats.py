"""One table as CSV, Parquet, Excel, in SQLite and in a PostgreSQL server gives the same records."""

import pandas as pd
import pytest
from kedro.io import DataCatalog
from sqlalchemy import create_engine

from medanomaly.synthetic.cohort import CohortParams, clinical_cohort
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import Column, TableSpec

SPEC = TableSpec(
    case_id="record_id",
    patient_id="patient_id",
    label="anomaly",
    ignore=("anomaly_columns", "recorded_at", "anomaly_kind"),
    columns={
        "admitted_at": Column(kind="time"),
        "sex": Column(kind="category"),
        "potassium": Column(unit="mmol/L"),
    },
)


@pytest.fixture(scope="module")
def table():
    records = clinical_cohort(CohortParams(n_patients=60))[1]
    return records[["record_id", "patient_id", "anomaly", "sex", "admitted_at", "potassium", "heart_rate"]]


def loaded(entry):
    return DataCatalog.from_config({"tabular.raw": entry})["tabular.raw"].load()


def assert_same_records(table, entry):
    expected = clean_table(table, SPEC)
    found = clean_table(loaded(entry), SPEC)
    pd.testing.assert_frame_equal(found.records, expected.records, check_dtype=False)
    pd.testing.assert_frame_equal(found.cases, expected.cases)


def test_csv(table, tmp_path):
    table.to_csv(tmp_path / "t.csv", index=False)
    assert_same_records(
        table, {"type": "medanomaly.datasets.table.CSVDataset", "filepath": str(tmp_path / "t.csv")}
    )


def test_parquet(table, tmp_path):
    table.to_parquet(tmp_path / "t.parquet")
    assert_same_records(
        table, {"type": "medanomaly.datasets.table.ParquetDataset", "filepath": str(tmp_path / "t.parquet")}
    )


def test_excel(table, tmp_path):
    table.to_excel(tmp_path / "t.xlsx", index=False, sheet_name="visits")
    entry = {
        "type": "medanomaly.datasets.table.ExcelDataset",
        "filepath": str(tmp_path / "t.xlsx"),
        "load_args": {"sheet_name": "visits"},
    }
    assert_same_records(table, entry)


def assert_same_records_from(url, table):
    engine = create_engine(url)
    table.to_sql("visits", engine, index=False, if_exists="replace")
    engine.dispose()
    whole = {
        "type": "medanomaly.datasets.table.SQLTableDataset",
        "table_name": "visits",
        "credentials": {"con": url},
    }
    assert_same_records(table, whole)
    query = {
        "type": "medanomaly.datasets.table.SQLQueryDataset",
        "sql": "SELECT * FROM visits ORDER BY record_id",
        "credentials": {"con": url},
    }
    assert_same_records(table.sort_values("record_id", ignore_index=True), query)


def test_sqlite(table, tmp_path):
    assert_same_records_from(f"sqlite:///{tmp_path / 'ward.db'}", table)


def test_postgresql(table, postgresql):
    assert_same_records_from(postgresql, table)

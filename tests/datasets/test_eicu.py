import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.eicu import EICUDataset


@contextmanager
def refused(kind, match):
    """Kedro wraps what a dataset raises; the command line shows the cause."""
    with pytest.raises(DatasetError) as raised:
        yield
    assert isinstance(raised.value.__cause__, kind)
    assert re.search(match, str(raised.value.__cause__))


@pytest.fixture
def folder(tmp_path):
    hours = pd.to_timedelta([0, 1, 2, 0, 1, 30], "h")
    grid = {
        "stay_id": [8, 8, 8, 3, 3, 3],
        "time": hours,
        "hr": [80, 90, np.nan, 60, np.nan, 200],
        "k": [np.nan] * 6,
    }
    pd.DataFrame(grid).to_parquet(tmp_path / "dyn.parquet")
    pd.DataFrame(
        {"stay_id": [8, 3, 5], "age": [70.0, 50.0, 61.0], "sex": ["Male", "Female", "Male"]}
    ).to_parquet(tmp_path / "sta.parquet")
    pd.DataFrame({"stay_id": [3, 5, 8], "label": [1, 0, 0]}).to_parquet(tmp_path / "outc.parquet")
    return tmp_path


def test_hours_become_one_row_a_stay_in_the_order_of_the_static_table(folder):
    table = EICUDataset(folder=str(folder)).load()
    assert table["stay_id"].tolist() == [8, 3, 5]
    assert table["label"].tolist() == [0, 1, 0]
    assert table["hr_mean"].tolist()[:2] == [85.0, 60.0]
    assert table["hr_slope"].iloc[0] == pytest.approx(10.0)
    assert table["hr_count"].tolist() == [2.0, 1.0, 0.0]
    assert np.isnan(table["hr_mean"].iloc[2])
    assert table["k_count"].eq(0).all()


def test_what_was_measured_after_the_window_is_left_out(folder):
    assert EICUDataset(folder=str(folder), hours=48).load()["hr_max"].iloc[1] == 200.0
    assert EICUDataset(folder=str(folder)).load()["hr_max"].iloc[1] == 60.0


def test_an_absent_file_or_column_is_named(folder):
    pd.DataFrame({"stay_id": [3]}).to_parquet(folder / "outc.parquet")
    with refused(InputError, match=r"outc.parquet: columns \['label'\] are missing"):
        EICUDataset(folder=str(folder)).load()
    (folder / "dyn.parquet").unlink()
    with refused(DataNotFoundError, match="dyn.parquet"):
        EICUDataset(folder=str(folder)).load()


@pytest.mark.parametrize("name", ["dyn", "outc"])
def test_ids_that_one_table_writes_as_text_match_nothing_and_that_is_said(folder, name):
    path = folder / f"{name}.parquet"
    pd.read_parquet(path).astype({"stay_id": str}).to_parquet(path)
    with refused(InputError, match=f"{name}.parquet: 3 of 3 ids have no row in it: 8 is not there, it has '"):
        EICUDataset(folder=str(folder)).load()


def test_a_stay_with_two_rows_is_refused(folder):
    path = folder / "outc.parquet"
    table = pd.read_parquet(path)
    pd.concat([table, table.iloc[:1]]).to_parquet(path)
    with refused(InputError, match="outc.parquet: stay 3 has two rows"):
        EICUDataset(folder=str(folder)).load()

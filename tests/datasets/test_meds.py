import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.datasets.meds import MEDSDataset
from medanomaly.tabular.features.meds_windows import starts_with


@contextmanager
def refused(kind, match):
    """Kedro wraps what a dataset raises; the command line shows the cause."""
    with pytest.raises(DatasetError) as raised:
        yield
    assert isinstance(raised.value.__cause__, kind)
    assert re.search(match, str(raised.value.__cause__))


def at(hours):
    return None if hours is None else pd.Timestamp("2180-01-01") + pd.Timedelta(hours=hours)


EVENTS = [
    # subject, hours since 2180, code, value
    (1, None, "GENDER//F", None),
    (1, -40 * 8766, "MEDS_BIRTH", None),
    (1, 0, "ICU_ADMISSION//MICU", None),
    (1, 1, "LAB//50971//mEq/L", 4.0),
    (1, 3, "LAB//50971//mEq/L", 5.0),
    (1, 5, "PROCEDURE//START//225459", None),
    (1, 30, "LAB//50971//mEq/L", 9.0),
    (1, 100, "ICU_ADMISSION//SICU", None),
    (1, 101, "LAB//50971//mEq/L", 3.0),
    (2, None, "GENDER//M", None),
    (2, 0, "LABEL//other", 7.0),
    (2, 2, "LAB//50971//mEq/L", 4.4),
]


def shard(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(
        {
            "subject_id": pd.array([r[0] for r in rows], dtype="int64"),
            "time": pd.to_datetime([at(r[1]) for r in rows]).astype("datetime64[us]"),
            "code": [r[2] for r in rows],
            "numeric_value": pd.array([r[3] for r in rows], dtype="Float32"),
            "text_value": None,
        }
    )
    table.to_parquet(path)


@pytest.fixture
def root(tmp_path):
    shard(tmp_path / "data" / "train" / "0.parquet", [r for r in EVENTS if r[0] == 1])
    shard(tmp_path / "data" / "held_out" / "0.parquet", [r for r in EVENTS if r[0] == 2])
    (tmp_path / "metadata").mkdir()
    pd.DataFrame({"subject_id": [1, 2], "split": ["train", "held_out"]}).to_parquet(
        tmp_path / "metadata" / "subject_splits.parquet"
    )
    return tmp_path


def load(root, **options):
    options = {"min_share": 0.0} | options
    return MEDSDataset(folder=str(root), **options).load()


def test_without_a_start_there_is_one_row_a_subject(root):
    table = load(root).set_index("case_id")
    assert set(table.index) == {"1", "2"}
    assert table.loc["1", "LAB//50971//mEq/L_max"] == 9.0
    assert table.loc["1", "LAB//50971//mEq/L_count"] == 4
    assert table["GENDER"].to_dict() == {"1": "F", "2": "M"}
    assert table["meds_split"].to_dict() == {"1": "train", "2": "held_out"}
    assert table.loc["1", "age"] == pytest.approx(40, abs=0.05)
    assert np.isnan(table.loc["2", "age"])


def test_codes_without_numbers_give_counts_alone(root):
    columns = [c for c in load(root) if c.startswith("PROCEDURE")]
    assert columns == ["PROCEDURE//START//225459_count"]


def test_a_start_gives_one_row_a_window_with_what_happened_inside(root):
    table = load(root, start="ICU_ADMISSION", hours=24, codes=["LAB"])
    assert table["case_id"].tolist() == ["1@2180-01-01T00:00:00", "1@2180-01-05T04:00:00"]
    assert table["LAB//50971//mEq/L_mean"].tolist() == [4.5, 3.0]
    assert table["LAB//50971//mEq/L_slope"].iloc[0] == pytest.approx(0.5)
    assert not [c for c in table if c.startswith(("PROCEDURE", "LABEL", "ICU"))]


def test_labels_give_windows_before_their_prediction_time_and_nothing_later(root):
    labels = pd.DataFrame(
        {
            "subject_id": [1, 2],
            "prediction_time": [at(3), at(50)],
            "boolean_value": [True, False],
        }
    )
    (root / "tasks").mkdir()
    labels.to_parquet(root / "tasks" / "mortality.parquet")
    table = load(root, labels="tasks/mortality.parquet", hours=24).set_index("subject_id")
    assert table["label"].to_dict() == {1: 1, 2: 0}
    # the event at the prediction time itself is known, the one at 30 hours is not
    assert table.loc[1, "LAB//50971//mEq/L_count"] == 2
    assert table.loc[1, "LAB//50971//mEq/L_max"] == 5.0
    assert table.loc[2, "LAB//50971//mEq/L_count"] == 0


def test_a_label_that_stands_twice_counts_nothing_twice(root):
    rows = [(1, at(3), True), (1, at(3), True), (2, at(50), False)]
    labels = pd.DataFrame(rows, columns=["subject_id", "prediction_time", "boolean_value"])
    labels.to_parquet(root / "labels.parquet")
    table = load(root, labels="labels.parquet", hours=24)
    assert len(table) == 2
    assert table.set_index("subject_id").loc[1, "LAB//50971//mEq/L_count"] == 2
    labels.assign(boolean_value=[True, False, False]).to_parquet(root / "labels.parquet")
    with refused(InputError, match="subject 1 has two different labels at 2180-01-01 03:00:00"):
        load(root, labels="labels.parquet", hours=24)
    for subjects, first in (([9, 9, 8], "9"), (["1", "1", "2"], "'1'")):
        labels.assign(subject_id=subjects).to_parquet(root / "labels.parquet")
        with refused(InputError, match=f"2 of 2 ids have no row in it: {first} is not there, it has 1"):
            load(root, labels="labels.parquet", hours=24)


def test_a_subject_in_two_shards_is_refused(root):
    shard(root / "data" / "more.parquet", [r for r in EVENTS if r[0] == 2])
    with refused(InputError, match="subject 2 is in two shards"):
        load(root)


def test_rare_codes_are_left_out(root):
    table = load(root, min_share=0.8)
    assert {c.rpartition("_")[0] for c in table if c.endswith("_mean")} == {"LAB//50971//mEq/L"}


def test_a_table_does_not_depend_on_how_subjects_are_sharded(root, tmp_path_factory):
    one = tmp_path_factory.mktemp("one")
    shard(one / "data" / "0.parquet", EVENTS)
    left = load(root).drop(columns="meds_split").sort_values("case_id", ignore_index=True)
    right = load(one).sort_values("case_id", ignore_index=True)
    pd.testing.assert_frame_equal(left, right[list(left.columns)], check_dtype=False)


def test_prefixes_end_on_a_part_of_the_code():
    codes = pd.Series(["LAB//1", "LAB", "LABEL//1", "LAB//RESULT//2"])
    assert starts_with(codes, ("LAB",)).tolist() == [True, True, False, True]
    assert starts_with(codes, ("LAB//RESULT",)).tolist() == [False, False, False, True]


def test_bad_input_is_explained(root, tmp_path):
    with pytest.raises(ConfigurationError, match="Give one of them"):
        MEDSDataset(folder=str(root), start="A", labels="b", hours=1)
    with pytest.raises(ConfigurationError, match="Give hours"):
        MEDSDataset(folder=str(root), start="A")
    with refused(InputError, match="no event begins with 'WARD'"):
        load(root, start="WARD", hours=1)
    with refused(DataNotFoundError, match="no MEDS shards"):
        load(tmp_path / "nowhere")
    pd.DataFrame({"subject_id": [1], "time": [at(0)], "code": ["A"]}).to_parquet(root / "data" / "x.parquet")
    with refused(InputError, match=r"columns \['numeric_value'\] are missing"):
        load(root)

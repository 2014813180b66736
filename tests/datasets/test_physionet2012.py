import re
from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
from kedro.io import DatasetError

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.datasets.physionet2012 import PARAMETERS, PhysioNet2012Dataset, read_stays

HEAD = ["00:00,RecordID,{id}", "00:00,Age,71", "00:00,Gender,1", "00:00,Height,-1", "00:00,ICUType,4"]
MEASURED = [
    "00:00,Weight,-1",
    "00:38,HR,69",
    "01:08,HR,73",
    "02:10,Weight,79.2",
    "02:10,,3.7",
    "47:59,pH,735",
]


@contextmanager
def refused(kind, match):
    """Kedro wraps what a dataset raises; the command line shows the cause."""
    with pytest.raises(DatasetError) as raised:
        yield
    assert isinstance(raised.value.__cause__, kind)
    assert re.search(match, str(raised.value.__cause__))


def stay(folder, number, lines=None, newline="\n"):
    lines = [*HEAD, *MEASURED] if lines is None else lines
    text = newline.join(["Time,Parameter,Value", *lines]).format(id=number) + newline
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.txt").write_bytes(text.encode())


@pytest.fixture
def root(tmp_path):
    for number in (132539, 132540, 132541):
        stay(tmp_path / "set-a", number)
    stay(tmp_path / "set-c", 152871, [*HEAD, *MEASURED, "49:00,HR,200"])
    (tmp_path / "Outcomes-a.txt").write_text(
        "RecordID,SAPS-I,SOFA,Length_of_stay,Survival,In-hospital_death\n132539,6,1,5,-1,0\n132540,16,8,8,3,1\n"
        "132541,-1,11,19,-1,0\n"
    )
    return tmp_path


def load(root, sets="set-a", **options):
    return PhysioNet2012Dataset(folder=str(root), sets=sets, **options).load()


def test_a_stay_is_one_row_of_descriptors_aggregates_and_outcomes(root):
    table = load(root)
    row = table.iloc[0]
    assert row["RecordID"] == "132539"
    assert (row["Age"], row["Gender"], row["ICUType"], row["set"]) == (71.0, "M", "surgical", "set-a")
    assert np.isnan(row["Height"])
    assert row["Weight"] == 79.2
    assert (row["HR_min"], row["HR_max"], row["HR_mean"], row["HR_last"], row["HR_count"]) == (
        69,
        73,
        71,
        73,
        2,
    )
    assert row["HR_slope"] == pytest.approx(8.0)
    assert row["pH_max"] == 735
    assert row["Lactate_count"] == 0
    assert np.isnan(row["Lactate_mean"])
    assert table["In-hospital_death"].tolist() == [0, 1, 0]
    assert np.isnan(row["Survival"])


def test_columns_do_not_depend_on_which_stays_are_read(root):
    assert list(load(root)) == list(load(root, "set-c"))
    assert sum(column.endswith("_count") for column in load(root)) == len(PARAMETERS)


def test_sets_are_read_together_and_one_without_outcomes_has_none(root):
    table = load(root, "set-a+set-c")
    assert table["In-hospital_death"].isna().tolist() == [False, False, False, True]
    pd.testing.assert_frame_equal(table, load(root, ["set-a", "set-c"]))
    assert table["HR_max"].iloc[3] == 73, "what was measured after the window is left out"
    assert load(root, "set-c", hours=50)["HR_max"].iloc[0] == 200


def test_the_same_stay_in_two_sets_is_an_error(root):
    stay(root / "set-b", 132540)
    with refused(InputError, match="stay 132540 is in two of"):
        load(root, "set-a+set-b")


def test_windows_line_ends_an_empty_file_and_a_missing_last_newline_are_read(root):
    stay(root / "set-a", 132542, newline="\r\n")
    stay(root / "set-a", 132543, [])
    (root / "set-a" / "132544.txt").write_text("Time,Parameter,Value\n00:00,Age,40")
    table = load(root).set_index("RecordID")
    assert table.loc["132542", "HR_mean"] == 71
    assert table.loc["132543", "HR_count"] == 0
    assert table.loc["132544", "Age"] == 40


@pytest.mark.parametrize("line", ["xx:10,HR,80", "01:10,HR,high", "01:10,HR,80,3", "01:10", "01:75,HR,80"])
def test_a_broken_line_is_named_with_its_file(root, line):
    stay(root / "set-a", 132599, [*HEAD, line])
    with refused(InputError, match=r"132599.txt, record line 7: the line is"):
        load(root)


def test_a_stray_quotation_mark_swallows_no_lines(root):
    stay(root / "set-a", 132599, [*HEAD, '01:10,"HR,80', *MEASURED])
    assert load(root).set_index("RecordID").loc["132599", "HR_count"] == 2


def test_another_header_and_an_absent_set_are_told(root):
    (root / "set-a" / "132600.txt").write_text("time;parameter;value\n")
    with refused(InputError, match="132600.txt: the first line is"):
        load(root)
    with refused(DataNotFoundError, match=r"no set 'set-b'. There are \['set-a', 'set-c'\]"):
        load(root, "set-b")
    with pytest.raises(DataNotFoundError):
        read_stays(root / "nowhere")


def test_measurements_without_a_name_are_kept_as_such_and_in_no_aggregate(root):
    events = read_stays(root / "set-a")
    assert events["variable"].isna().sum() == 3
    assert not any("nan" in column for column in load(root))

"""Parts of beats: by patient, by the set's own split, by time where patients are too few."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.core.cases import check_cases
from medanomaly.core.errors import InputError
from medanomaly.core.splits import SplitParams
from medanomaly.evaluation.audit.leaks import patients_across_split
from medanomaly.signals.beats.split import split_beat_cases


def cases(patients, each=20):
    names = np.repeat(patients, each)
    return pd.DataFrame(
        {
            "case_id": [f"{p}:{i}" for i, p in enumerate(names)],
            "patient_id": pd.array(names, dtype="string"),
            "label": pd.array([0] * len(names), dtype="Int8"),
            "kind": pd.array([pd.NA] * len(names), dtype="string"),
            "record": pd.array(names, dtype="string"),
        }
    )


@pytest.mark.parametrize("n", range(3, 9))
@pytest.mark.parametrize("seed", range(4))
def test_three_patients_or_more_fill_every_part_and_nobody_is_in_two(n, seed):
    split = split_beat_cases(cases([f"p{i}" for i in range(n)]), {}, SplitParams(seed=seed))
    check_cases(split.drop(columns="record"))
    assert split["split"].nunique() == 3


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_patients_are_divided_in_time_and_stay_who_they_are(n):
    split = split_beat_cases(cases([f"p{i}" for i in range(n)]), {}, SplitParams())
    check_cases(split.drop(columns="record"))
    for _, rows in split.groupby("record"):
        assert rows["split"].tolist() == ["train"] * 10 + ["calibration"] * 4 + ["test"] * 6
    assert set(split["patient_id"]) == {f"p{i}" for i in range(n)}
    assert split["divided_in_time"].all()
    check = patients_across_split(split)
    assert check.verdict == "warn"
    assert f"{n} of {n} patients" in check.figure
    assert "divided in time" in check.figure
    with pytest.raises(InputError, match="more than one part"):
        check_cases(split.drop(columns=["record", "divided_in_time"]))


def test_official_test_records_stay_test_and_no_other_is():
    official = {f"p{i}": "test" if i < 5 else "train" for i in range(30)}
    split = split_beat_cases(cases(list(official)), official, SplitParams())
    assert (split["split"].eq("test") == split["record"].map(official).eq("test")).all()
    assert {"train", "calibration"} <= set(split["split"])

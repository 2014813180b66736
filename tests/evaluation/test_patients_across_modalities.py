"""A patient is in one part in all modalities: where the audit must speak, and where it must not."""

import numpy as np
import pandas as pd

from medanomaly.core.cases import DIVIDED_IN_TIME
from medanomaly.core.splits import SplitParams, split_by_patient, split_outside_test
from medanomaly.evaluation.audit.leaks import patients_across_modalities

PARAMS = SplitParams()


def cases(ids, split=None):
    patient = pd.Series(ids, dtype="string")
    label = pd.Series([0] * len(patient), dtype="Int8")
    return pd.DataFrame(
        {"patient_id": patient, "split": split_by_patient(patient, label, PARAMS) if split is None else split}
    )


IDS = [f"P{i}" for i in range(60)]


def test_the_hash_keeps_a_patient_in_one_part_whatever_the_modality():
    check = patients_across_modalities(
        {"tabular": cases(IDS), "signals": cases(IDS[20:] * 3), "imaging": cases(IDS[:30])}
    )
    assert check.verdict == "pass"
    assert check.figure == "0 of 60 patients with several modalities are in more than one part"
    assert check.what_to_do == ""


def test_a_part_that_a_data_set_comes_with_is_found():
    patient = pd.Series(IDS, dtype="string")
    official = split_outside_test(patient, np.arange(60) < 20, PARAMS)
    check = patients_across_modalities({"tabular": cases(IDS), "imaging": cases(IDS, official)})
    assert check.verdict == "fail"
    assert check.value == (official != cases(IDS)["split"]).sum() > 10
    assert "without parts of their own" in check.what_to_do


def test_a_division_in_time_warns_and_says_which_modality_it_is():
    ids = ["P1", "P1", "P1", "P2", "P2"]
    divided = cases(ids, ["train", "calibration", "test", "train", "test"]).assign(**{DIVIDED_IN_TIME: True})
    check = patients_across_modalities({"tabular": cases(["P1", "P2", "P3"]), "signals": divided})
    assert (check.verdict, check.value) == ("warn", 2)
    assert check.figure.endswith("2 of 2 patients with several modalities are in more than one part: signals cases are "
                                 "divided in time")  # fmt: skip
    assert "left out where modalities are fused" in check.what_to_do


def test_a_patient_of_several_parts_within_one_modality_alone_is_left_to_the_check_of_that_modality():
    divided = cases(["P1", "P1"], ["train", "test"]).assign(**{DIVIDED_IN_TIME: True})
    check = patients_across_modalities({"tabular": cases(IDS[5:]), "signals": divided})
    assert check.verdict == "not_applicable"
    assert "give them the same ids" in check.figure

import pandas as pd
import pytest
from pydantic import ValidationError

from medanomaly.synthetic.cohort import CohortParams, clinical_cohort


def test_the_cohort_is_its_patients_with_their_records():
    patients, records = clinical_cohort(CohortParams(n_patients=200, seed=4))
    assert set(records["patient_id"]) == set(patients["patient_id"])
    assert len(patients) == 200


def test_the_anomaly_share_changes_neither_patients_nor_normal_records():
    patients, few = clinical_cohort(CohortParams(n_patients=200, seed=4, anomaly_share=0.02))
    same_patients, many = clinical_cohort(CohortParams(n_patients=200, seed=4, anomaly_share=0.3))
    pd.testing.assert_frame_equal(patients, same_patients)
    normal = many[many["anomaly"] == 0].reset_index(drop=True)
    twins = few.set_index("record_id").loc[normal["record_id"]].reset_index()[normal.columns]
    pd.testing.assert_frame_equal(normal, twins)


def test_parameters_are_frozen():
    with pytest.raises(ValidationError, match="frozen"):
        CohortParams().seed = 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"n_patients": 0},
        {"anomaly_share": 0.9},
        {"kinds": {"typo": 1.0}},
        {"kinds": {}},
        {"kinds": {"duplicate": -1.0, "unit mix-up": 2.0}},
        {"patients": 10},
    ],
)
def test_parameters_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        CohortParams(**wrong)

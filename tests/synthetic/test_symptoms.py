"""Symptoms of the synthetic patients."""

import numpy as np
import pandas as pd
import pytest

from medanomaly.synthetic.patients import draw_patients
from medanomaly.synthetic.symptoms import COMORBIDITY_TERMS, Profile, SymptomParams, draw_symptoms

KNOWN = [
    Profile(
        "OMIM:1", "kidneys", {"HP:1": 0.9, "HP:2": 0.3, COMORBIDITY_TERMS["ckd"]: 0.9}, frozenset(["ckd"])
    ),
    Profile("OMIM:2", "eyes", {"HP:3": 0.8, "HP:4": 0.1}),
]
PARAMS = SymptomParams(seed=3, unknown_share=0.2, unknown_diseases=2, unknown_symptoms=3)


@pytest.fixture(scope="module")
def patients():
    return draw_patients(1500, seed=3)


@pytest.fixture(scope="module")
def drawn(patients):
    return draw_symptoms(patients, KNOWN, PARAMS)


def test_patients_are_those_of_the_cohort_and_more_of_them_change_nobody(patients, drawn):
    cases, symptoms = drawn
    assert cases["patient_id"].tolist() == patients["patient_id"].tolist()
    few, of_few = draw_symptoms(patients.head(40), KNOWN, PARAMS)
    pd.testing.assert_frame_equal(few, cases.head(40))
    pd.testing.assert_frame_equal(of_few, symptoms[symptoms["case_id"].isin(few["case_id"])])


def test_symptoms_are_as_frequent_as_the_disease_has_them(drawn):
    cases, symptoms = drawn
    ill = set(cases.loc[cases["disease"] == "OMIM:2", "case_id"])
    of = symptoms[symptoms["case_id"].isin(ill) & ~symptoms["excluded"]]
    share = of["term"].value_counts() / len(ill)
    assert share["HP:4"] == pytest.approx(0.1, abs=0.04)
    # a patient without any symptom would not be there, so the most frequent one stands in for none
    assert share["HP:3"] == pytest.approx(0.8 + 0.2 * 0.9, abs=0.03)
    assert not symptoms.duplicated(["case_id", "term"]).any()


def test_illnesses_of_the_cohort_stand_in_the_list_and_draw_fitting_diseases(patients, drawn):
    cases, symptoms = drawn
    ckd = patients["ckd"].to_numpy()
    said = set(
        symptoms.loc[(symptoms["term"] == COMORBIDITY_TERMS["ckd"]) & ~symptoms["excluded"], "case_id"]
    )
    other = (cases["disease"] != "OMIM:1").to_numpy()
    assert set(cases.loc[ckd & other, "case_id"]) <= said
    fitting = (cases["disease"] == "OMIM:1").to_numpy()
    assert fitting[ckd].mean() > 1.5 * fitting[~ckd].mean()


def test_some_diseases_are_unknown_and_nobody_was_published(drawn):
    cases, _ = drawn
    unknown = cases["disease"].str.startswith("SYNTHETIC:")
    assert unknown.mean() == pytest.approx(0.2, abs=0.03)
    assert cases["publication"].isna().all()


def test_some_symptoms_are_excluded_and_some_only_probable(drawn):
    _, symptoms = drawn
    assert 0.02 < symptoms["excluded"].mean() < 0.3
    assert set(np.unique(symptoms["weight"])) == {0.5, 1.0}
    assert symptoms.loc[symptoms["excluded"], "weight"].eq(1.0).all()

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medanomaly.core.errors import ConfigurationError
from medanomaly.synthetic.patients import COMORBIDITIES, SITES, SMOKING, draw_patients, own_draws


@pytest.fixture(scope="module")
def patients():
    return draw_patients(4000, seed=11)


def test_the_same_seed_draws_the_same_patients(patients):
    pd.testing.assert_frame_equal(patients, draw_patients(4000, seed=11))


def test_another_seed_draws_other_patients(patients):
    other = draw_patients(4000, seed=12)
    assert np.isclose(patients["age"], other["age"]).mean() < 0.01


@pytest.mark.parametrize("n_patients", [1, 7, 1000])
def test_asking_for_more_patients_leaves_the_first_ones_unchanged(patients, n_patients):
    pd.testing.assert_frame_equal(draw_patients(n_patients, seed=11), patients.head(n_patients))


def test_a_patients_draws_do_not_depend_on_who_else_is_asked_for(patients):
    ids = patients["patient_id"].to_numpy()[:50]
    together = own_draws(ids, 3, "ecg", normals=("a",), uniforms=("b",), repeats=4)
    alone = own_draws(ids[17:18], 3, "ecg", normals=("a",), uniforms=("b",), repeats=4)
    for name in ("a", "b"):
        np.testing.assert_array_equal(together[name][17:18], alone[name])


def test_draws_of_two_purposes_and_of_two_patients_are_independent(patients):
    ids = patients["patient_id"].to_numpy()
    first = own_draws(ids, 3, "ecg", normals=("a",))["a"]
    second = own_draws(ids, 3, "image", normals=("a",))["a"]
    assert stats.kstest(first, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.06
    assert abs(np.corrcoef(first[:-1], first[1:])[0, 1]) < 0.06


def test_every_patient_is_a_possible_adult(patients):
    assert patients["patient_id"].is_unique
    assert not patients.isna().any(axis=None)
    assert patients["age"].between(18, 95).all()
    assert patients["height"].between(130, 215).all()
    assert patients["bmi"].between(15, 56).all()
    assert patients["severity"].between(0, 1).all()
    assert set(patients["sex"]) == {"F", "M"}
    assert set(patients["smoking"]) == set(SMOKING)
    assert set(patients["site"]) == set(SITES)


def test_age_is_the_time_since_birth(patients):
    years = (pd.Timestamp("2020-01-01") - patients["birth_date"]) / pd.Timedelta(days=365.25)
    np.testing.assert_allclose(years, patients["age"], atol=1 / 365)


@pytest.mark.parametrize("disease", COMORBIDITIES)
def test_every_comorbidity_is_there_and_raises_severity(patients, disease):
    ill = patients[disease]
    assert 0.02 < ill.mean() < 0.45
    assert patients.loc[ill, "severity"].mean() > patients.loc[~ill, "severity"].mean() + 0.05


@pytest.mark.parametrize(
    ("risk", "disease"),
    [("age", "hypertension"), ("age", "ckd"), ("bmi", "diabetes"), ("age", "heart_failure")],
)
def test_risk_factors_go_with_their_diseases(patients, risk, disease):
    ill = patients[disease]
    assert (
        stats.mannwhitneyu(patients.loc[ill, risk], patients.loc[~ill, risk], alternative="greater").pvalue
        < 1e-6
    )


def test_men_are_taller_and_smokers_have_more_copd(patients):
    height = patients.groupby("sex")["height"].mean()
    assert 10 < height["M"] - height["F"] < 16
    copd = patients.groupby("smoking")["copd"].mean()
    assert copd["current"] > 2 * copd["never"]


def test_a_cohort_without_patients_is_refused():
    with pytest.raises(ConfigurationError, match="0 patients"):
        draw_patients(0, seed=0)

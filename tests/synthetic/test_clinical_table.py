import numpy as np
import pandas as pd
import pytest
from scipy import stats

from medanomaly.synthetic.clinical_table import SITE_CALIBRATION, clinical_table
from medanomaly.synthetic.patients import COMORBIDITIES, draw_patients
from medanomaly.synthetic.variables import LABS, UNITS, VARIABLES
from medanomaly.synthetic.visits import MAX_VISITS, VISIT_TYPES

SEED = 5
NEVER_MISSING = [
    *(
        "record_id",
        "patient_id",
        "sex",
        "age",
        "site",
        "visit_type",
        "previous_appointments",
        "previous_no_shows",
    ),
    *("admitted_at", "discharged_at", "recorded_at"),
]


@pytest.fixture(scope="module")
def patients():
    return draw_patients(4000, SEED)


@pytest.fixture(scope="module")
def table(patients):
    return clinical_table(patients, SEED)


@pytest.fixture(scope="module")
def with_state(patients, table):
    return table.merge(patients[["patient_id", "severity", *COMORBIDITIES]], on="patient_id")


def healthy(with_state):
    return with_state[
        ~with_state[list(COMORBIDITIES)].any(axis=1) & (with_state["visit_type"] == "outpatient")
    ]


def test_the_same_seed_gives_the_same_table(patients, table):
    pd.testing.assert_frame_equal(table, clinical_table(patients, SEED))


@pytest.mark.parametrize("n_patients", [1, 500])
def test_more_patients_leave_the_records_of_the_first_ones_unchanged(patients, table, n_patients):
    few = clinical_table(draw_patients(n_patients, SEED), SEED)
    first = table[table["patient_id"].isin(patients["patient_id"].head(n_patients))].reset_index(drop=True)
    pd.testing.assert_frame_equal(few, first)


def test_some_patients_alone_get_the_records_they_have_among_all(patients, table):
    some = patients.sample(60, random_state=1)
    expected = table[table["patient_id"].isin(some["patient_id"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(clinical_table(some, SEED), expected)


def test_a_patient_has_one_to_six_visits_the_iller_the_more(patients, table):
    visits = table["patient_id"].value_counts().reindex(patients["patient_id"]).to_numpy()
    assert visits.min() == 1
    assert visits.max() == MAX_VISITS
    assert stats.spearmanr(visits, patients["severity"]).statistic > 0.2


def test_only_measurements_and_bookings_can_be_missing(table):
    assert not table[NEVER_MISSING].isna().any(axis=None)
    unplanned = table["booked_at"].isna()
    assert (unplanned == table["scheduled_for"].isna()).all()
    assert set(table.loc[unplanned, "visit_type"]) == {"inpatient", "emergency"}
    assert set(table["visit_type"]) == set(VISIT_TYPES)


def test_every_measured_variable_has_a_unit(table):
    assert set(VARIABLES) <= set(UNITS)
    assert set(VARIABLES) <= set(table.columns)


def test_time_stamps_are_in_order_and_visits_do_not_overlap(table):
    planned = table.dropna(subset=["booked_at"])
    assert (planned["booked_at"] < planned["scheduled_for"]).all()
    assert (table["admitted_at"] < table["discharged_at"]).all()
    assert (table["discharged_at"] < table["recorded_at"]).all()
    in_time = table.sort_values("admitted_at")
    previous_end = in_time.groupby("patient_id")["discharged_at"].shift()
    assert (previous_end.isna() | (previous_end < in_time["admitted_at"])).all()


def test_rows_stand_in_the_order_in_which_they_were_recorded(table):
    assert table["recorded_at"].is_monotonic_increasing
    assert table["record_id"].is_unique


def test_appointments_are_counted_up_and_bound_the_no_shows(table):
    assert (table["previous_no_shows"] <= table["previous_appointments"]).all()
    of_patient = table.sort_values("admitted_at").groupby("patient_id")
    for name in ("previous_appointments", "previous_no_shows"):
        assert (of_patient[name].diff().fillna(0) >= 0).all()


@pytest.mark.parametrize("name", list(LABS))
@pytest.mark.parametrize("sex", ["F", "M"])
def test_labs_of_healthy_patients_lie_in_the_adult_reference_interval(with_state, name, sex):
    values = healthy(with_state).query("sex == @sex")[name].dropna()
    low, high = VARIABLES[name].reference(sex)
    assert len(values) > 500
    assert values.between(low, high).mean() >= 0.95


@pytest.mark.parametrize("name", ["creatinine", "urea", "hba1c", "glucose", "crp", "tsh", "alt"])
def test_skewed_variables_lean_to_the_right(table, name):
    assert stats.skew(table[name].dropna()) > 0.8


@pytest.mark.parametrize(
    ("a", "b", "low", "high"),
    [
        ("haemoglobin", "haematocrit", 0.95, 1.0),
        ("creatinine", "urea", 0.5, 0.8),
        ("systolic", "diastolic", 0.55, 0.85),
        ("height", "weight", 0.35, 0.7),
        ("hba1c", "glucose", 0.45, 0.8),
        ("crp", "white_cells", 0.12, 0.5),
        ("crp", "temperature", 0.1, 0.5),
        ("age", "creatinine", 0.15, 0.5),
        ("spo2", "respiratory_rate", -0.5, -0.05),
        ("albumin", "crp", -0.5, -0.1),
    ],
)
def test_variables_with_a_common_cause_go_together(table, a, b, low, high):
    rho = stats.spearmanr(table[a], table[b], nan_policy="omit").statistic
    assert low < rho < high


def test_haematocrit_is_about_three_times_haemoglobin(table):
    ratio = (table["haematocrit"] / table["haemoglobin"]).dropna()
    assert ratio.median() == pytest.approx(3.0, abs=0.02)
    assert ratio.between(2.7, 3.3).mean() > 0.999


def test_diastolic_pressure_lies_below_systolic(table):
    pressure = table[["systolic", "diastolic"]].dropna()
    assert (pressure["systolic"] - pressure["diastolic"] >= 15).all()


@pytest.mark.parametrize(
    ("disease", "name", "factor"),
    [
        ("diabetes", "hba1c", 1.3),
        ("diabetes", "glucose", 1.3),
        ("ckd", "creatinine", 1.4),
        ("ckd", "urea", 1.4),
        ("hypertension", "systolic", 1.08),
        ("copd", "crp", 1.2),
    ],
)
def test_chronic_diseases_show_in_their_variables(with_state, disease, name, factor):
    ill = with_state[disease]
    assert with_state.loc[ill, name].median() > factor * with_state.loc[~ill, name].median()


def test_labs_are_missing_for_a_few_percent_and_less_often_in_the_acutely_ill(table):
    share = table[list(LABS)].isna().mean()
    assert share.between(0.02, 0.2).all()
    missing = table[list(LABS)].isna().sum(axis=1)
    acute = table["booked_at"].isna()
    assert missing[acute].mean() < 0.8 * missing[~acute].mean()
    assert table[["heart_rate", "temperature", "systolic", "height"]].isna().mean().max() < 0.02


def test_the_same_patients_at_another_site_differ_by_its_calibration_alone(patients):
    some = patients.head(500)
    here = clinical_table(some.assign(site="Riverside"), SEED)
    there = clinical_table(some.assign(site="Hillside"), SEED)
    for name in ("creatinine", "haemoglobin", "albumin"):
        bias, other = (SITE_CALIBRATION[site].get(name, 1.0) for site in ("Riverside", "Hillside"))
        assert here[name].mean() / there[name].mean() == pytest.approx(bias / other, abs=0.002)
    unbiased = [name for name in VARIABLES if not any(name in bias for bias in SITE_CALIBRATION.values())]
    pd.testing.assert_frame_equal(here[unbiased], there[unbiased])
    assert all(0.9 < factor < 1.1 for bias in SITE_CALIBRATION.values() for factor in bias.values())


def test_values_are_rounded_as_a_laboratory_reports_them(table):
    for name, variable in VARIABLES.items():
        values = table[name].dropna().to_numpy()
        np.testing.assert_array_equal(values, np.round(values, variable.decimals))

"""Every fault of the clean table below was seen in a public data set, or asked for by those who work with such data."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import ConfigurationError
from medanomaly.tabular.table.description import Column, TableSpec
from medanomaly.tabular.table.flags import RULE_MEANINGS
from medanomaly.tabular.table.intended_values import readings
from medanomaly.tabular.table.quality import check_events, check_table
from medanomaly.tabular.table.rules import OrderRule, TableRules, VariableRule
from medanomaly.tabular.table.text_numbers import read_numbers
from medanomaly.tabular.table.units import QUANTITIES, convert

SPEC = TableSpec(
    case_id="visit",
    patient_id="patient",
    age="age",
    columns={
        "age": Column(unit="years", possible=(0, 120)),
        "sex": Column(kind="category"),
        "handicap": Column(),
        "height": Column(unit="cm"),
        "weight": Column(unit="kg"),
        "temperature": Column(unit="°C"),
        "ph": Column(),
        "potassium": Column(unit="mmol/L"),
        "glucose": Column(unit="mmol/L"),
        "creatinine": Column(unit="µmol/L"),
        "albumin": Column(unit="g/L"),
        "haemoglobin": Column(unit="g/dL"),
        "crp": Column(unit="mg/L"),
        "systolic": Column(unit="mmHg"),
        "diastolic": Column(unit="mmHg"),
        "booked": Column(kind="time"),
        "admitted": Column(kind="time"),
        "discharged": Column(kind="time"),
    },
)
RULES_OF_TABLE = TableRules(
    variables={"patient": {"whole": True}, "handicap": {"allowed": [0, 1]}},
    order={
        "waiting time": OrderRule(lower="booked", upper="admitted", by_day=True),
        "stay": OrderRule(lower="admitted", upper="discharged"),
        "blood pressure": OrderRule(lower="diastolic", upper="systolic", equal=False),
    },
)


def clean(n=400, seed=0):
    """Visits of patients as a ward sees them: some very ill, some children, some values missing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 101, n).astype(float)
    adult = np.clip(age / 17, 0.3, 1)
    height = (rng.normal(170, 10, n) * adult).round(1)
    systolic = rng.normal(122, 20, n).round().clip(70, 230)
    admitted = pd.Timestamp("2024-01-01 08:00") + pd.to_timedelta(rng.integers(0, 500_000, n), "min")
    table = pd.DataFrame(
        {
            "visit": [f"v{i}" for i in range(n)],
            "patient": rng.integers(10**13, 10**14, n).astype(float),
            "age": age,
            "sex": rng.choice(["F", "M"], n),
            "handicap": rng.integers(0, 2, n),
            "height": height,
            "weight": (rng.normal(24, 4, n).clip(15, 45) * (height / 100) ** 2).round(1),
            "temperature": rng.normal(37, 0.8, n).round(1),
            "ph": rng.normal(7.37, 0.08, n).clip(6.9, 7.65).round(2),
            "potassium": rng.normal(4.2, 0.6, n).clip(2.2, 7.5).round(1),
            "glucose": rng.lognormal(np.log(6.5), 0.4, n).clip(1.5, 40).round(1),
            "creatinine": rng.lognormal(np.log(85), 0.5, n).clip(20, 1200).round(),
            "albumin": rng.normal(36, 6, n).clip(10, 55).round(),
            "haemoglobin": rng.normal(12.5, 2, n).clip(4, 20).round(1),
            "crp": rng.lognormal(2, 1.4, n).clip(0.3, 600).round(1),
            "systolic": systolic,
            "diastolic": (systolic * rng.uniform(0.45, 0.8, n)).round(),
            # booked later on the same day than the day of the visit begins: no negative wait
            "booked": (admitted.normalize() + pd.Timedelta(hours=20)).astype(str),
            "admitted": admitted.astype(str),
            "discharged": (admitted + pd.to_timedelta(rng.integers(1, 20_000, n), "min")).astype(str),
        }
    )
    table.loc[rng.random(n) < 0.1, "crp"] = np.nan
    return table


def flags_of(column, value, record=7, **others):
    table = clean().astype({column: object})
    table.loc[record - 1, column] = value
    for name, other in others.items():
        table.loc[record - 1, name] = other
    return check_table(table, SPEC, RULES_OF_TABLE).flags


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_flagged_in_a_clean_table(seed):
    report = check_table(clean(seed=seed), SPEC, RULES_OF_TABLE)
    assert report.flags.empty, report.flags.to_string()
    assert report.summary["n_clean_records"] == report.summary["n_records"] == 400
    assert report.summary["notes"] == []


@pytest.mark.parametrize(
    ("column", "value", "rule", "suggested"),
    [
        # thyroid0387
        ("age", 455, "impossible", None),
        ("age", 65511, "impossible", None),
        ("age", 65512, "impossible", None),
        ("age", 65526, "impossible", None),
        # PhysioNet 2012, altered copy of set a, and set c
        ("age", 200, "impossible", None),
        ("ph", 735, "decimal_point", "7.35"),
        ("ph", 100, "implausible", None),
        ("height", 13, "decimal_point", None),
        ("height", 33.6, "unit_mixup", None),
        ("temperature", -17.8, "sentinel", "missing"),
        ("temperature", 0, "sentinel", "missing"),
        ("temperature", 3.7, "unit_mixup", "38.66"),
        ("height", 1.8, "unit_mixup", "180"),
        ("height", 17.8, "decimal_point", "178"),
        ("height", 431.8, "unit_mixup", "170"),
        ("height", 444.5, "unit_mixup", "175"),
        ("weight", 0, "sentinel", "missing"),
        ("systolic", 0, "sentinel", "missing"),
        ("diastolic", 0, "sentinel", "missing"),
        ("potassium", 22.9, "implausible", None),
        # appointments
        ("handicap", 3, "unknown_value", None),
        ("patient", 93779.52927, "not_whole", None),
        ("age", -1, "sentinel", "missing"),
        # units
        ("temperature", 98.6, "unit_mixup", "37"),
        ("temperature", 310.2, "unit_mixup", "37.05"),
        ("height", 5.9, "unit_mixup", "179.8"),
        ("glucose", 110, "unit_mixup", "6.106"),
        ("creatinine", 1.1, "unit_mixup", "97.26"),
        ("albumin", 4.2, "unit_mixup", "42"),
        ("haemoglobin", 140, "unit_mixup", "14"),
        ("potassium", 42, "decimal_point", "4.2"),
        # codes and text
        ("ph", 999, "sentinel", "missing"),
        ("potassium", "-999", "sentinel", "missing"),
        ("potassium", "n/a", "sentinel", "missing"),
        ("potassium", "not done", "sentinel", "missing"),
        ("crp", "#DIV/0!", "sentinel", "missing"),
        ("crp", "<0.5", "censored", "0.5"),
        ("crp", "> 100", "censored", "100"),
        ("crp", "≥100", "censored", "100"),
        ("crp", "5,3", "number_in_text", "5.3"),
        ("crp", "5.3 mg/L", "number_in_text", "5.3"),
        ("glucose", "90 mg/dl", "unit_mixup", "4.996"),
        ("temperature", "98.6 F", "unit_mixup", "37"),
        ("crp", "120/80", "not_a_number", None),
        ("crp", "haemolysed", "not_a_number", None),
        ("discharged", "next week", "not_a_time", None),
        ("discharged", "unknown", "sentinel", "missing"),
    ],
)
def test_a_fault_is_caught_with_its_rule_and_what_was_meant(column, value, rule, suggested):
    flags = flags_of(column, value)
    here = flags[flags["rule"] != "order"]
    assert len(here) == 1, flags.to_string()
    flag = here.iloc[0]
    assert (flag["record"], flag["case_id"], flag["column"], flag["rule"]) == ("7", "v6", column, rule)
    assert flag["suggested_value"] == suggested if suggested else pd.isna(flag["suggested_value"])


def test_negative_waiting_time_is_counted_in_days():
    late = flags_of("booked", "2024-03-02 07:00", admitted="2024-03-01 08:00", discharged="2024-03-04 08:00")
    assert late["rule"].tolist() == ["order"]
    assert "waiting time: booked (2024-03-02 07:00) is after admitted" in late["message"].iloc[0]
    same_day = flags_of(
        "booked", "2024-03-01 23:00", admitted="2024-03-01 08:00", discharged="2024-03-04 08:00"
    )
    assert same_day.empty


def test_discharge_before_admission_and_swapped_pressures_are_flagged():
    flags = flags_of("discharged", "2019-05-01 10:00")
    assert flags[["column", "rule"]].to_numpy().tolist() == [["discharged", "order"]]
    flags = flags_of("systolic", 70, diastolic=110)
    assert "blood pressure: diastolic (110) is not below systolic" in flags["message"].iloc[0]
    assert len(flags_of("systolic", 90, diastolic=90)) == 1


def test_times_with_and_without_a_zone_are_compared():
    flags = flags_of("discharged", "2019-05-01T10:00:00Z")
    assert flags["rule"].tolist() == ["order"]


def test_a_wrong_value_that_fits_in_two_ways_gets_no_suggestion_but_both_readings():
    flag = flags_of("temperature", 99).iloc[0]
    assert pd.isna(flag["suggested_value"])
    assert "37.22 °C (typed in °F)" in flag["message"]
    assert "99 stands for a missing value" in flag["message"]


def test_repeated_ids_and_records_are_told_with_the_record_they_repeat():
    table = clean()
    copy = table.iloc[[11]].assign(visit="again")
    same_id = table.iloc[[3]].assign(weight=61.3)
    flags = check_table(pd.concat([table, copy, same_id]), SPEC, RULES_OF_TABLE).flags
    assert flags["rule"].tolist() == ["duplicate_record", "duplicate_id"]
    assert flags["message"].iloc[0].endswith("equal to record 12")
    assert flags["record"].tolist() == ["401", "402"]


def test_a_column_in_another_unit_is_told_once_for_all():
    table = clean()
    table["glucose"] = (table["glucose"] * 18.016).round()
    report = check_table(table, SPEC, RULES_OF_TABLE)
    assert report.flags["column"].unique().tolist() == ["glucose"]
    (note,) = report.summary["notes"]
    assert "'glucose' are out of range: check its declared unit" in note
    assert "typed in mg/dL" in note


@given(
    st.lists(
        st.tuples(
            st.integers(0, 59),
            st.sampled_from(["age", "ph", "height", "crp", "temperature"]),
            st.sampled_from(
                [0, -1, 735, 999, 98.6, "<5", "5,3", "?", "x", np.inf, np.nan, "1,234", "12 of 15", ""]
            ),
        ),
        max_size=25,
    )
)
def test_counts_add_up_and_values_are_quoted_whatever_is_broken(faults):
    table = clean(60).astype(object)
    for row, column, value in faults:
        table.loc[row, column] = value
    report = check_table(table, SPEC, RULES_OF_TABLE)
    summary, flags = report.summary, report.flags
    assert sum(group["n_flags"] for group in summary["rules"]) == summary["n_flags"] == len(flags)
    assert summary["n_flagged_records"] + summary["n_clean_records"] == summary["n_records"] == 60
    assert flags["record"].nunique() == summary["n_flagged_records"]
    assert set(flags["rule"]) <= set(RULE_MEANINGS)
    assert flags[["record", "case_id", "rule", "message"]].notna().all(axis=None)


@given(st.integers(0, 59), st.sampled_from([735, 0, "<5", 98.6]))
def test_a_record_is_flagged_the_same_alone_and_in_a_table(row, value):
    table = clean(60).astype(object)
    table.loc[row, "ph"] = value
    together = check_table(table, SPEC, RULES_OF_TABLE).flags
    alone = check_table(table.iloc[[row]], SPEC, RULES_OF_TABLE).flags
    columns = ["case_id", "column", "value", "rule", "message"]
    pd.testing.assert_frame_equal(together[columns], alone[columns])


def test_rules_apply_to_single_measurements():
    rules = TableRules(variables={"Temp": "temperature", "pH": "ph", "SysABP": "systolic"})
    events = pd.DataFrame(
        {
            "case_id": ["1", "1", "2", "2", "3", "3"],
            "variable": ["Temp", "pH", "SysABP", "Temp", "HR", None],
            "value": [-17.8, 735.0, 0.0, 36.6, 80.0, 1.0],
        }
    )
    report = check_events(events, rules)
    assert report.flags[["record", "case_id", "column", "rule"]].to_numpy().tolist() == [
        ["1", "1", "Temp", "sentinel"],
        ["2", "1", "pH", "decimal_point"],
        ["3", "2", "SysABP", "sentinel"],
        ["6", "3", "variable", "unknown_value"],
    ]


def test_rules_of_a_variable_apply_to_its_aggregates():
    table = pd.DataFrame({"pH_min": [7.3, 7.2], "pH_max": [7.4, 735.0], "pH_count": [2.0, 900.0]})
    rules = TableRules(variables={"pH": "ph"}, statistics=("min", "max"))
    flags = check_table(table, TableSpec(), rules).flags
    assert flags[["record", "column", "suggested_value"]].to_numpy().tolist() == [["2", "pH_max", "7.35"]]


def test_a_rule_for_a_column_that_is_not_there_says_so():
    with pytest.raises(ConfigurationError, match="names the column 'nowhere'"):
        check_table(clean(), SPEC, TableRules(variables={"nowhere": "age"}))
    order = {"order of time": OrderRule(lower="nowhere", upper="admitted")}
    with pytest.raises(ConfigurationError, match="'order of time' names the column 'nowhere'"):
        check_table(clean(), SPEC, TableRules(order=order))
    with pytest.raises(ValueError, match="unknown quantity 'fever'"):
        VariableRule(quantity="fever")
    with pytest.raises(ValueError, match="'mmol/L' is not a unit of temperature"):
        VariableRule(quantity="temperature", unit="mmol/L")


def test_stated_missing_values_and_undeclared_categories_are_no_faults():
    table = clean().astype({"crp": object}).assign(ward="3B", grade=["2A", "Unknown"] * 200)
    table.loc[5, "crp"] = "?"
    assert check_table(table, SPEC, RULES_OF_TABLE).flags.empty


@pytest.mark.parametrize(
    ("text", "value", "censored", "unit"),
    [
        ("5,3", 5.3, "", ""),
        ("0,125", 0.125, "", ""),
        ("1.234,5", 1234.5, "", ""),
        ("1,234.5", 1234.5, "", ""),
        ("1 234 567", 1234567.0, "", ""),
        ("1,234,567", 1234567.0, "", ""),
        ("< 0,5", 0.5, "<", ""),
        (">=90", 90.0, ">", ""),
        ("~5", 5.0, "", ""),
        ("-3,5 mmol/L", -3.5, "", "mmol/L"),
        ("12 10^9/L", 12.0, "", "10^9/L"),
        ("5.", 5.0, "", ""),
    ],
)
def test_numbers_in_text_are_read(text, value, censored, unit):
    read = read_numbers(pd.Series([text, "7"], dtype=object)).iloc[0]
    assert read["value"] == pytest.approx(value)
    assert (read["censored"], read["unit"]) == (censored, unit)


@pytest.mark.parametrize(
    "text", ["1,234", "120/80", "2024-05-01", "10:30", "1.2.3", "12 of 15", "3 - 5", "+", "abc"]
)
def test_text_that_is_no_number_or_could_be_two_is_not_guessed(text):
    read = read_numbers(pd.Series([text, "7"], dtype=object)).iloc[0]
    assert np.isnan(read["value"])


@given(st.floats(-1e6, 1e6, allow_nan=False))
def test_a_number_written_with_a_decimal_comma_is_the_same_number(number):
    text = f"{number:.4f}"
    read = read_numbers(pd.Series([text.replace(".", ",")], dtype=object))["value"].iloc[0]
    assert read == pytest.approx(float(text))


@pytest.mark.parametrize(
    ("quantity", "unit", "value", "base"),
    [
        ("temperature", "F", 212, 100),
        ("temperature", "K", 273.15, 0),
        ("weight", "lbs", 220.462, 100),
        ("height", "in", 70, 177.8),
        # molar masses: glucose 180.16, creatinine 113.12, urea nitrogen 28.01, bilirubin 584.66, cholesterol 386.65
        ("glucose", "mg/dL", 180.16, 10),
        ("creatinine", "mg/dl", 1.1312, 100),
        ("urea", "mg/dL", 28.01, 10),
        ("bilirubin", "mg/dL", 5.8466, 100),
        ("cholesterol", "mg/dL", 386.65, 10),
        ("calcium", "mg/dL", 10, 2.495),
        ("lactate", "mg/dL", 9.008, 1),
        ("hba1c", "mmol/mol", 53, 7.0),
        ("pco2", "kPa", 5.3329, 40),
        ("haemoglobin", "mmol/L", 10, 16.11),
        ("crp", "mg/dL", 1, 10),
        ("creatinine", "umol/L", 88, 88),
    ],
)
def test_conversions_agree_with_published_ones(quantity, unit, value, base):
    assert convert(np.array(value), quantity, unit, "") == pytest.approx(base, rel=2e-3, abs=1e-9)


@given(st.sampled_from(sorted(QUANTITIES)), st.floats(0, 1))
def test_units_round_trip_and_a_plausible_value_in_another_unit_is_recognised(quantity, position):
    known = QUANTITIES[quantity]
    low, high = known.usual
    value = low + position * (high - low)
    for other in known.units:
        there = convert(np.array(value), quantity, known.unit, other)
        assert convert(there, quantity, other, known.unit) == pytest.approx(value, rel=1e-9, abs=1e-9)
        if not known.plausible[0] <= there <= known.plausible[1]:
            values = [r.value for r in readings(float(there), quantity, known.unit, known.plausible, (-1.0,))]
            assert any(np.isclose(v, value, rtol=0.031) for v in values)


def test_usual_ranges_lie_inside_plausible_ones():
    for name, known in QUANTITIES.items():
        assert known.plausible[0] <= known.usual[0] < known.usual[1] <= known.plausible[1], name


def test_planted_unit_mix_ups_are_read_as_what_they_were_and_no_clean_record_is_flagged():
    from pathlib import Path

    import yaml

    from medanomaly.synthetic.cohort import CohortParams, clinical_cohort

    described = Path(__file__).parents[2] / "conf" / "base" / "parameters" / "tabular.yml"
    spec = TableSpec(**yaml.safe_load(described.read_text("utf-8"))["data_processing"]["tables"]["synthetic"])
    rules = TableRules(
        variables={"height": {"quantity": "height", "plausible": (120, 215)}},
        order={
            "wait": OrderRule(lower="booked_at", upper="scheduled_for"),
            "stay": OrderRule(lower="admitted_at", upper="discharged_at"),
            "blood pressure": OrderRule(lower="diastolic", upper="systolic", equal=False),
        },
    )
    planted = clinical_cohort(CohortParams(n_patients=1200, seed=3, anomaly_share=0.1))[1]
    truth = clinical_cohort(CohortParams(n_patients=1200, seed=3, anomaly_share=0))[1].set_index("record_id")
    flags = check_table(planted, spec, rules).flags
    kinds = planted.astype({"record_id": "string"}).set_index("record_id")["anomaly_kind"]
    assert set(flags["case_id"].map(kinds)) == {"unit mix-up", "implausible time order"}
    assert set(planted.loc[planted["anomaly_kind"] == "implausible time order", "record_id"]) <= set(
        flags["case_id"]
    )
    suggested = flags[flags["suggested_value"].notna()]
    assert len(suggested) >= 20
    for flag in suggested.itertuples():
        assert float(flag.suggested_value) == pytest.approx(truth.loc[flag.case_id, flag.column], rel=0.02)

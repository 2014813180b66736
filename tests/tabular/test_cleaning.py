import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.tabular.cleaning import clean_table
from medanomaly.tabular.features import record_features
from medanomaly.tabular.table import Column, Duration, TableSpec


def table(n=60, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "patient": [f"p{i // 2}" for i in range(n)],
            "age": rng.integers(20, 90, n).astype(float),
            "sex": rng.choice(["F", "M"], n),
            "potassium": rng.normal(4.2, 0.4, n).round(2),
            "admitted": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(n), "D"),
            "discharged": pd.Timestamp("2024-01-03") + pd.to_timedelta(np.arange(n), "D"),
            "outcome": ["well"] * (n - 5) + ["ill"] * 5,
        }
    )


SPEC = TableSpec(
    case_id="id",
    patient_id="patient",
    label="outcome",
    normal_labels=("well",),
    age="age",
    subgroups={"sex": "sex"},
    columns={
        "age": Column(unit="years", possible=(0, 120)),
        "potassium": Column(unit="mmol/L"),
        "admitted": Column(kind="time"),
        "discharged": Column(kind="time"),
    },
    durations={"stay": Duration(start="admitted", end="discharged", unit="hours")},
)


def test_clean_records_are_kept_whole_and_typed():
    clean = clean_table(table(), SPEC)
    assert clean.summary["n_kept"] == 60
    assert len(clean.quarantine) == 0
    assert clean.cases["label"].tolist() == [0] * 55 + [1] * 5
    assert clean.cases["kind"].iloc[-1] == "ill"
    assert clean.cases["kind"].iloc[0] is pd.NA
    features = record_features(clean.records, clean.cases, SPEC)
    assert features["stay"].eq(48.0).all()
    assert set(features.columns) == {"case_id", "age", "sex", "potassium", "stay"}


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("age", 455, "impossible value (expected 0 to 120 years)"),
        ("age", -1, "impossible value (expected 0 to 120 years)"),
        ("potassium", "hemolysed", "not a number"),
        ("potassium", np.inf, "not a usable number (beyond 1e+30)"),
        ("admitted", "yesterday", "not a time (expected ISO 8601)"),
        ("id", "r0", "id was used by an earlier record"),
        ("id", None, "no id"),
        ("patient", None, "no patient id"),
    ],
)
def test_an_unusable_record_goes_to_quarantine_with_its_reason(column, value, reason):
    raw = table().astype({column: object})
    raw.loc[7, column] = value
    clean = clean_table(raw, SPEC)
    fault = clean.quarantine.iloc[0]
    assert len(clean.quarantine) == 1
    assert (fault["record"], fault["column"], fault["reason"]) == ("8", column, reason)
    assert clean.summary["n_kept"] + clean.summary["n_quarantined"] == clean.summary["n_records"] == 60
    assert "r7" not in set(clean.records["case_id"])


@given(st.lists(st.tuples(st.integers(0, 59), st.sampled_from(["age", "potassium", "id"])), max_size=25))
def test_counts_add_up_whatever_is_broken(faults):
    raw = table().astype(object)
    broken = {"age": 455, "potassium": "x", "id": None}
    for row, column in faults:
        raw.loc[row, column] = broken[column]
    clean = clean_table(raw, SPEC)
    assert len(clean.records) == len(clean.cases) == clean.summary["n_kept"]
    assert clean.summary["n_kept"] + clean.quarantine["record"].nunique() == 60
    assert clean.cases["case_id"].is_unique


def test_names_that_the_projects_own_tables_use_are_refused_with_a_way_out():
    raw = table().rename(columns={"potassium": "case_id"})
    spec = SPEC.model_copy(update={"columns": {k: v for k, v in SPEC.columns.items() if k != "potassium"}})
    with pytest.raises(InputError, match="case_id.*ignore or rename"):
        clean_table(raw, spec)
    assert clean_table(raw, spec.model_copy(update={"ignore": ("case_id",)})).summary["n_kept"] == 60
    assert clean_table(
        table().rename(columns={"id": "case_id"}), SPEC.model_copy(update={"case_id": "case_id"})
    )
    with pytest.raises(ValueError, match="split"):
        TableSpec(subgroups={"split": "ward"})


def test_wrong_delimiter_is_recognised():
    raw = pd.DataFrame({"id;patient;age": ["r1;p1;4"]})
    with pytest.raises(InputError, match="delimiter"):
        clean_table(raw, SPEC, source="my.csv")


def test_missing_column_is_named_beside_those_that_are_there():
    with pytest.raises(InputError, match=r"my.csv: columns \['potassium'\] are missing. The table has"):
        clean_table(table().drop(columns="potassium"), SPEC, source="my.csv")


def test_empty_or_tiny_table_is_a_clear_error():
    with pytest.raises(InputError, match="no records"):
        clean_table(table().iloc[:0], SPEC)
    with pytest.raises(InputError, match="29 usable records of 29.*At least 30"):
        clean_table(table().iloc[-29:], SPEC)


def test_a_column_that_is_declared_a_number_but_holds_text_says_so():
    raw = table().assign(potassium="low")
    with pytest.raises(InputError, match="0 usable records of 60; most were rejected for .*not a number"):
        clean_table(raw, SPEC)


def test_text_in_a_column_that_is_not_declared():
    raw = table(200)
    raw["free"] = raw["potassium"].astype(object)
    raw.loc[3, "free"] = "lost"
    clean = clean_table(raw, SPEC)
    # mostly numbers: a number, and the odd one out is in quarantine; mostly text: a category
    assert clean.summary["columns"]["free"]["kind"] == "number"
    assert clean.quarantine[["column", "value"]].iloc[0].tolist() == ["free", "lost"]
    raw["free"] = "text"
    assert clean_table(raw, SPEC).summary["columns"]["free"]["kind"] == "category"


def test_all_missing_and_constant_columns_are_noted():
    clean = clean_table(table().assign(nothing=np.nan, same=1.0), SPEC)
    assert "nothing" not in clean.records.columns
    assert any("'nothing' has no value at all" in note for note in clean.summary["notes"])
    assert any("'same' has one value in every record" in note for note in clean.summary["notes"])


def test_only_anomalies_is_an_error_and_only_normals_is_not():
    with pytest.raises(InputError, match="no record is labelled normal"):
        clean_table(table().assign(outcome="ill"), SPEC)
    assert (clean_table(table().assign(outcome="well"), SPEC).cases["label"] == 0).all()


def test_missing_labels_are_unknown_and_sentinels_are_missing():
    raw = table().astype({"potassium": object})
    raw.loc[0, "outcome"], raw.loc[1, "potassium"] = None, "?"
    clean = clean_table(raw, SPEC)
    assert clean.cases["label"].isna().tolist()[0]
    assert np.isnan(clean.records["potassium"].iloc[1])


def test_copies_without_a_patient_id_count_as_one_patient():
    raw = table().drop(columns=["id", "patient"])
    raw = pd.concat([raw, raw.iloc[:10]], ignore_index=True)
    spec = SPEC.model_copy(update={"case_id": None, "patient_id": None})
    cases = clean_table(raw, spec).cases
    assert cases["patient_id"].iloc[:10].tolist() == cases["patient_id"].iloc[60:].tolist()
    assert cases["patient_id"].nunique() == 60
    # a function of the record alone
    alone = clean_table(raw.iloc[5:40], spec).cases
    assert alone["patient_id"].tolist() == cases["patient_id"].iloc[5:40].tolist()


def test_repeats_of_a_patients_record_are_counted_from_the_second_on():
    raw = table()
    again = raw.iloc[[4]].assign(id="again")
    other_patient = raw.iloc[[4]].assign(id="other", patient="q")
    raw = pd.concat([raw, again, other_patient], ignore_index=True)
    spec = SPEC.model_copy(update={"count_repeats": True})
    clean = clean_table(raw, spec)
    repeats = record_features(clean.records, clean.cases, spec)["n_earlier_identical"]
    assert repeats.tolist() == [0.0] * 60 + [1.0, 0.0]


def test_a_ratio_is_missing_where_a_part_is_missing_or_zero():
    raw = table()
    raw["a"], raw["b"] = 6.0, [2.0, 0.0, None] * 20
    spec = SPEC.model_copy(
        update={"columns": SPEC.columns | {"a": Column(), "b": Column()}, "ratios": {"r": ("a", "b")}}
    )
    clean = clean_table(raw, spec)
    ratio = record_features(clean.records, clean.cases, spec)["r"]
    assert ratio.iloc[0] == 3.0
    assert ratio.iloc[1:3].isna().all()
    with pytest.raises(ValueError, match="declared as a number"):
        TableSpec(ratios={"r": ("a", "b")})


def test_a_duration_needs_declared_times():
    with pytest.raises(ValueError, match="kind: time"):
        TableSpec(durations={"stay": Duration(start="a", end="b")})

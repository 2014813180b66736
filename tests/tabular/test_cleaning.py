import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medanomaly.core.errors import InputError
from medanomaly.tabular.features.record_features import record_features
from medanomaly.tabular.table.cleaning import clean_table
from medanomaly.tabular.table.description import Column, Duration, TableSpec
from medanomaly.tabular.table.quality import check_table


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
    assert any("'nothing' has no value" in note for note in clean.summary["notes"])
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


def test_a_gap_in_a_column_of_integers_renames_no_id_and_no_category():
    raw = table().assign(patient=np.arange(60) // 2, ward=np.arange(60) % 3)
    whole = clean_table(raw, SPEC)
    gap = raw.astype({"patient": float, "ward": float})
    gap.loc[7, ["patient", "ward"]] = np.nan
    spec = SPEC.model_copy(update={"columns": SPEC.columns | {"ward": Column(kind="category")}})
    broken = clean_table(gap, spec)
    expected = whole.cases.drop(index=7)["patient_id"].tolist()
    assert broken.cases["patient_id"].tolist() == expected
    assert set(broken.records["ward"].dropna()) == {"0", "1", "2"}


def test_blank_text_is_missing_in_labels_and_categories():
    raw = table()
    raw.loc[[0, 1], ["outcome", "sex"]] = "  "
    clean = clean_table(raw, SPEC)
    assert clean.cases["label"].iloc[:2].isna().all()
    assert clean.records["sex"].iloc[:2].isna().all()


@pytest.mark.parametrize(
    ("values", "normal"),
    [
        ([0, 1], (0,)),
        ([0.0, 1.0], ("0",)),
        (["0.0", "1.0"], (0,)),
        ([False, True], (0,)),
        (["no", "yes"], ("no",)),
    ],
)
def test_a_label_means_the_same_however_it_is_written(values, normal):
    raw = table().assign(outcome=pd.Series([values[0]] * 55 + [values[1]] * 5))
    clean = clean_table(raw, SPEC.model_copy(update={"normal_labels": normal}))
    assert clean.cases["label"].tolist() == [0] * 55 + [1] * 5


def test_how_labels_were_read_is_told_and_capitals_are_pointed_out():
    raw = table()
    raw.loc[:9, "outcome"] = "Well"
    notes = clean_table(raw, SPEC).summary["notes"]
    assert any("'well' normal (45), 'Well' anomalous (10), 'ill' anomalous (5)" in note for note in notes)
    assert any("'Well' counts as anomalous" in note for note in notes)


def test_numbers_written_as_text_are_read_and_that_is_told():
    raw = table(200).astype({"potassium": object})
    raw["potassium"] = [f"{x:.2f}".replace(".", ",") for x in raw["potassium"]]
    raw["crp"] = ["<0.5" if i % 10 == 0 else str(i) for i in range(200)]
    clean = clean_table(raw, SPEC)
    np.testing.assert_allclose(clean.records["potassium"], table(200)["potassium"], atol=1e-9)
    assert clean.records["crp"].iloc[10] == 0.5
    assert any("'crp': 20 values such as '<0.5'" in note for note in clean.summary["notes"])


def test_undeclared_dates_and_free_text_are_no_categories():
    raw = table(200)
    raw["seen"] = raw["admitted"].dt.strftime("%Y-%m-%d")
    raw["note"] = [f"patient reports item {i}" for i in range(200)]
    clean = clean_table(raw, SPEC)
    assert clean.summary["columns"]["seen"]["kind"] == "time"
    assert "note" not in clean.records
    assert any("'note' looks like an id or free text" in note for note in clean.summary["notes"])


def test_times_of_two_zones_can_be_subtracted():
    raw = table().astype({"admitted": object, "discharged": object})
    raw["admitted"] = "2024-03-31T00:00:00+01:00"
    raw["discharged"] = ["2024-03-31T05:00:00+02:00", "2024-03-31T03:00:00Z"] * 30
    clean = clean_table(raw, SPEC)
    assert record_features(clean.records, clean.cases, SPEC)["stay"].tolist() == [4.0, 4.0] * 30


def test_an_empty_column_that_a_duration_needs_gives_missing_durations():
    raw = table().assign(discharged=None)
    clean = clean_table(raw, SPEC)
    assert record_features(clean.records, clean.cases, SPEC)["stay"].isna().all()


def test_derived_features_never_overwrite_a_column():
    with pytest.raises(ValueError, match="age"):
        TableSpec(columns={"age": Column(), "b": Column()}, ratios={"age": ("age", "b")})
    with pytest.raises(ValueError, match="age_band"):
        TableSpec(age="age", subgroups={"age_band": "band"})


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


def test_open_end_and_unknown_dates_are_missing_and_flagged():
    raw = table().astype({"admitted": object, "discharged": object})
    raw.loc[3, "discharged"], raw.loc[4, "admitted"] = "9999-12-31", "1900-01-01"
    raw.loc[5, "discharged"] = "0204-01-03"
    clean = clean_table(raw, SPEC)
    stay = record_features(clean.records, clean.cases, SPEC).set_index("case_id")["stay"]
    assert stay[["r3", "r4"]].isna().all()
    assert stay.dropna().eq(48.0).all()
    assert any("such as 9999-12-31 stand for an open end" in note for note in clean.summary["notes"])
    assert clean.quarantine["reason"].tolist() == ["not a possible time (expected a year from 1850 to 2899)"]
    flags = check_table(raw, SPEC).flags.set_index("record")
    assert flags.loc[["4", "5"], "rule"].tolist() == ["sentinel", "sentinel"]
    assert flags.loc[["4", "5"], "suggested_value"].tolist() == ["missing", "missing"]


def test_a_far_first_of_january_is_a_placeholder_only_where_it_repeats():
    born = [f"19{40 + i % 50}-0{1 + i % 9}-1{i % 9}" for i in range(60)]
    raw = pd.DataFrame({"born": born, "x": range(60)})
    spec = TableSpec(columns={"born": Column(kind="time")})
    raw.loc[:1, "born"] = "2099-12-31"
    assert clean_table(raw, spec).records["born"].isna().sum() == 2
    raw.loc[0, "born"] = "1970-01-01"
    assert clean_table(raw, spec).records["born"].notna().all()


def test_levels_of_few_patients_are_one_and_columns_that_name_people_are_left_out():
    raw = table(300).assign(
        ward=["A", "B"] * 150,
        doctor=[f"Dr {i % 40}" for i in range(300)],
        mrn=[f"{1000000 + 7 * (i // 2)}" for i in range(300)],
        count=[f"{(i % 90) * 100_000_000 + 7_200_000_000}" for i in range(300)],
    )
    raw.loc[:1, "ward"] = "Dr Lovelace"
    columns = SPEC.columns | {"ward": Column(kind="category"), "sex": Column(kind="ignore")}
    spec = SPEC.model_copy(update={"columns": columns, "subgroups": {"ward": "ward"}})
    clean = clean_table(raw, spec)
    assert set(clean.records["ward"]) == set(clean.cases["ward"]) == {"A", "B", "(fewer than 5 patients)"}
    assert {"mrn", "sex"}.isdisjoint(clean.records)
    assert {"count", "doctor"} <= set(clean.records)
    assert clean.summary["left_out"] == ["mrn"]
    assert clean.summary["undeclared"] == ["doctor", "count"]
    only = clean_table(raw, spec.model_copy(update={"declared_only": True}))
    assert set(only.records) == {"case_id", "age", "potassium", "admitted", "discharged", "ward"}
    every = clean_table(raw, spec.model_copy(update={"min_patients": 1}))
    assert "Dr Lovelace" in set(every.records["ward"])


def test_an_impossible_value_can_count_as_missing_and_is_said_in_a_note_and_a_finding():
    raw = table()
    raw.loc[[3, 7], "age"] = [455, 65511]
    columns = SPEC.columns | {"age": Column(unit="years", possible=(0, 120), impossible="missing")}
    spec = SPEC.model_copy(update={"columns": columns})
    clean = clean_table(raw, spec)
    assert clean.summary["n_kept"] == 60
    assert clean.records["age"].isna().tolist() == raw["age"].gt(120).tolist()
    assert clean.cases["age_band"].isna().tolist() == raw["age"].gt(120).tolist()
    note = "column 'age': 2 impossible values such as 455 (expected 0 to 120 years) count as missing"
    assert note in clean.summary["notes"]
    flags = check_table(raw, spec).flags
    assert flags.loc[flags["rule"] == "impossible", ["case_id", "value"]].to_numpy().tolist() == [
        ["r3", "455"], ["r7", "65511"],
    ]  # fmt: skip
    # a later record is read in the same way
    later = clean_table(raw.iloc[[7]], spec, learned=clean.learned)
    assert later.records["age"].isna().all()
    assert any("1 impossible value such as 65511" in note for note in later.summary["notes"])
    assert not any("impossible" in note for note in clean_table(table(), spec).summary["notes"])


def test_kinds_get_the_words_of_the_description():
    spec = SPEC.model_copy(update={"kind_names": {"ill": "sepsis"}})
    assert clean_table(table(), spec).cases["kind"].dropna().unique().tolist() == ["sepsis"]


def test_without_a_label_the_kind_is_the_class_of_every_record():
    raw = table().assign(disease=np.repeat(["1", "2", "3"], 20))
    spec = SPEC.model_copy(
        update={"label": None, "kind": "disease", "kind_names": {"1": "psoriasis"}, "ignore": ("outcome",)}
    )
    cases = clean_table(raw, spec).cases
    assert cases["label"].isna().all()
    assert cases["kind"].tolist() == ["psoriasis"] * 20 + ["2"] * 20 + ["3"] * 20
    assert "disease" not in clean_table(raw, spec).records

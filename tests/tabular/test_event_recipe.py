"""The recipe of events, the tables of codes and units, windows, and the nodes that use them."""

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.conftest import environment

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.datasets.events import EventsDataset
from medanomaly.parameters import RunParams
from medanomaly.pipelines.tabular.event_nodes import make_event_table
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams
from medanomaly.tabular.events.account import Account
from medanomaly.tabular.events.codes import codes_of_analyte, unit_of_analyte, units_of_concepts
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.event_table import event_table
from medanomaly.tabular.events.form import Events, read_times
from medanomaly.tabular.events.readers.any_form import read_events
from medanomaly.tabular.table.description import TableSpec
from medanomaly.tabular.table.units import CONVERSIONS, QUANTITIES, convert, read_csv

ANALYTES = read_csv("analytes.csv")
NO_LABORATORY = {"age", "height", "weight", "bmi", "temperature", "heart_rate", "respiratory_rate", "spo2", "systolic",
                 "diastolic", "mean_pressure", "gcs", "fio2", "urine"}  # fmt: skip


def test_more_than_thirty_laboratory_analytes_have_codes_units_and_a_range():
    labs = [row for row in ANALYTES if row["analyte"] not in NO_LABORATORY and row["loinc"]]
    assert len(labs) >= 30
    for row in ANALYTES:
        low, high = float(row["plausible_low"]), float(row["plausible_high"])
        assert low <= float(row["usual_low"]) < float(row["usual_high"]) <= high
    assert {row["analyte"] for row in CONVERSIONS} == {row["analyte"] for row in ANALYTES}


def test_no_code_belongs_to_two_analytes():
    codes = [code for row in ANALYTES for code in codes_of_analyte(row["analyte"])]
    assert len(codes) == len(set(codes)) > 80
    assert all(re.fullmatch(r"LOINC/\d+-\d|OMOP/\d+", code) for code in codes)


def test_codes_of_loinc_end_with_their_check_digit():
    # Luhn, as LOINC uses it
    for row in ANALYTES:
        for code in row["loinc"].split():
            digits, _, check = code.partition("-")
            total = 0
            for i, digit in enumerate(reversed(digits)):
                twice = int(digit) * (2 if i % 2 == 0 else 1)
                total += twice - 9 if twice > 9 else twice
            assert (10 - total % 10) % 10 == int(check), code


@pytest.mark.parametrize("row", [row for row in CONVERSIONS if "molar mass" in row["source"]],
                         ids=lambda row: f"{row['analyte']} {row['from_unit']}")  # fmt: skip
def test_factors_follow_from_the_molar_mass_that_stands_beside_them(row):
    mass = float(re.search(r"([\d.]+) k?g/mol", row["source"])[1])
    factor = convert(np.array(1.0), row["analyte"], row["from_unit"], row["to_unit"])
    micro = 1000 if row["to_unit"] == "µmol/L" else 1
    expected = mass / 10 if row["analyte"] == "haemoglobin" else 10 / mass * micro
    assert factor == pytest.approx(expected, rel=3e-3)


@pytest.mark.parametrize(
    ("analyte", "value", "unit", "wanted"),
    [
        ("glucose", 90.08, "mg/dL", 5.0),
        ("creatinine", 1, "mg/dL", 88.42),
        ("urea", 14.0, "mg/dL", 5.0),
        ("calcium", 2, "meq/L", 1.0),
        ("temperature", 98.6, "[degF]", 37.0),
        ("hba1c", 53, "mmol/mol", 7.0),
        ("white_cells", 7000, "/uL", 7.0),
        ("white_cells", 7, "10*3/uL", 7.0),
        ("tsh", 2, "u[IU]/mL", 2.0),
        ("haemoglobin", 140, "g/L", 14.0),
        ("haemoglobin", 8.69, "mmol/L", 14.0),
        ("systolic", 120, "mm[Hg]", 120),
        ("heart_rate", 70, "{beats}/min", 70),
        ("platelets", 200, "K/uL", 200),
        ("pco2", 5.33, "kPa", 40.0),
        ("inr", 1.1, "", 1.1),
        ("albumin", 4.2, "g/dL", 42.0),
        ("fio2", 40, "%", 0.4),
        ("fio2", 0.4, "1", 0.4),
        ("fio2", 0.4, "fraction", 0.4),
        ("urine", 1.5, "L", 1500),
    ],
)
def test_values_of_textbooks(analyte, value, unit, wanted):
    known = unit_of_analyte(analyte, unit)
    assert convert(np.array(float(value)), analyte, known, QUANTITIES[analyte].unit) == pytest.approx(
        wanted, rel=0.01
    )


def test_inspired_oxygen_is_never_wrong_by_a_hundred(tmp_path):
    written = {
        "a": (40, "%"), "b": (0.4, "fraction"), "c": (0.4, "1"), "d": (21, "%"),  # right
        "e": (40, "fraction"), "f": (0.4, "%"), "g": (40, ""), "h": (0.4, ""), "i": (1, "%"), "j": (100, "1"),  # not
    }  # fmt: skip
    (tmp_path / "patients.csv").write_text(
        "patient_id,sex,birth\n" + "".join(f"{p},F,1960-01-01\n" for p in written)
    )
    rows = [
        f"{p},2026-03-05T10:00:00,LOINC/{code},{value},{unit}\n"
        for (p, (value, unit)), code in zip(written.items(), ["3150-0", "19994-3"] * 5, strict=True)
    ]
    (tmp_path / "events.csv").write_text("patient_id,time,code,value,unit\n" + "".join(rows))
    spec = EventSpec(features={"fio2": {}}, cases="patient", statistics=("last",))
    made = event_table(read_events(tmp_path, spec), spec)
    found = dict(zip(made.table["patient_id"], made.table["fio2_last"], strict=True))
    assert found == pytest.approx({"a": 0.4, "b": 0.4, "c": 0.4, "d": 0.21})
    lost = made.account[made.account["outcome"] == "quarantined"].groupby("reason")["n"].sum().to_dict()
    assert lost == {"above what is plausible": 2, "below what is plausible": 2, "no unit": 2}


def test_every_measured_analyte_has_a_code_of_loinc():
    assert [row["analyte"] for row in ANALYTES if not row["loinc"]] == ["age"]


def test_units_that_an_analyte_does_not_have_are_none():
    assert unit_of_analyte("potassium", "mg/dL") is None
    assert unit_of_analyte("potassium", "") is None
    assert unit_of_analyte("glucose", "meq/L") is None
    assert unit_of_analyte("potassium", "mmol/L{serum}") == "mmol/L"
    assert units_of_concepts()[8840] == "mg/dL"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"features": {}}, "at least 1"),
        ({"features": {"kryptonite": {}}}, "names no codes"),
        ({"features": {"k": {"quantity": "kryptonite"}}}, "no quantity 'kryptonite'"),
        ({"features": {"potassium": {"unit": "mg/dL"}}}, "'mg/dL' is no unit of potassium"),
        ({"features": {"a": {"codes": ["X/1"], "missing_unit": "g"}}}, "missing_unit needs unit or quantity"),
        (
            {"features": {"potassium": {}, "k": {"codes": ["LOINC/2823-3"]}}},
            "belongs to 'potassium' and to 'k'",
        ),
        ({"features": {"potassium": {}}, "outcomes": {"none": ["X/1"]}}, "cannot be called 'none'"),
        ({"cases": "patient", "hours": 24, "features": {"potassium": {}}}, "belong to cases: visit"),
        ({"features": {"potassium": {}}, "statistics": ["median"]}, "statistics"),
    ],
)
def test_recipes_that_cannot_work_say_why(change, said):
    with pytest.raises(ValidationError, match=re.escape(said)):
        EventSpec.model_validate(change)


def test_a_recipe_describes_the_table_that_it_makes():
    events = {
        "features": {
            "potassium": {"statistics": ["last", "slope", "count"]},
            "sepsis": {"codes": ["X/1"], "counted": True},
        },
        "outcomes": {"death": ["DEATH"]},
    }
    spec = TableSpec.model_validate({"events": events, "columns": {"age": {"unit": "years"}}})
    assert (spec.case_id, spec.patient_id, spec.age, spec.label) == (
        "case_id",
        "patient_id",
        "age",
        "outcome",
    )
    assert spec.normal_labels == ("none",)
    units = {name: column.unit for name, column in spec.columns.items()}
    assert units == {
        "potassium_last": "mmol/L", "potassium_slope": "mmol/L/h", "potassium_count": "", "sepsis_count": "", "age": "years",
        "sex": "",
    }  # fmt: skip
    # what is said stays, also after it was sealed
    assert spec.columns["age"].possible is None
    assert TableSpec.model_validate(spec.model_dump(mode="json")) == spec
    assert TableSpec().events is None


def test_times_are_read_as_they_are_written():
    texts = [
        "2026-03-05T10:00:00+01:00", "2026-03-05 10:00", "2026-03-05", "2026-03", "2026", "", None, "soon", "2026-13-05",
    ]  # fmt: skip
    time, by_day, problem = read_times(pd.Series(texts))
    assert time.iloc[:3].astype(str).tolist() == [
        "2026-03-05 09:00:00",
        "2026-03-05 10:00:00",
        "2026-03-05 00:00:00",
    ]
    assert by_day.tolist() == [False, False, True, *[False] * 5, True]
    coarse = "the time is known only to the month or the year"
    unreadable = "the time cannot be read"
    assert problem.tolist() == ["", "", "", coarse, coarse, "no time", "no time", unreadable, unreadable]


def at(hours):
    return pd.Timestamp("2026-03-05") + pd.to_timedelta(hours, unit="h")


VALUES = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 60), st.integers(2, 8), st.booleans()), max_size=30
)
VISITS = st.lists(
    st.tuples(st.sampled_from("ab"), st.integers(0, 50), st.integers(1, 40)), min_size=1, max_size=6
)


@settings(max_examples=12)
@given(VALUES, VISITS)
def test_windows_that_may_overlap_agree_with_a_search_visit_by_visit(values, visits):
    visits = list({(who, start): (who, start, hours) for who, start, hours in visits}.values())
    account = Account()
    account.read("events", len(values))
    account.read("visits", len(visits))
    frame = pd.DataFrame(
        {
            "patient_id": pd.Categorical([v[0] for v in values], categories=["a", "b", "c"]),
            "time": pd.Series(
                [at(v[1]).floor("D") if v[3] else at(v[1]) for v in values], dtype="datetime64[us]"
            ),
            "by_day": pd.Series([v[3] for v in values], dtype=bool),
            "code": pd.Categorical(["LOINC/2823-3"] * len(values)),
            "value": pd.Series([float(v[2]) for v in values], dtype="float64"),
            "unit": pd.Categorical(["mmol/L"] * len(values)),
            "problem": pd.Categorical([""] * len(values)),
            "source": pd.Categorical(["events"] * len(values)),
        }
    )
    people = pd.DataFrame({"patient_id": ["a", "b", "c"], "sex": ["F", "M", None], "birth": [at(0)] * 3})
    stays = pd.DataFrame(
        [(who, at(start), at(start + hours), "inpatient") for who, start, hours in visits],
        columns=["patient_id", "start", "end", "kind"],
    )
    spec = EventSpec(statistics=("min", "max", "mean", "first", "last", "count"), features={"potassium": {}})
    made = event_table(Events(frame, people, stays, account), spec)
    expected = {}
    for who, start, hours in visits:
        begin, end = at(start), at(start + hours)
        inside = sorted(
            (max(row.time, begin), row.time, row.value)
            for row in frame.itertuples()
            if row.patient_id == who
            and row.time <= end
            and (row.time >= begin or (row.by_day and row.time == begin.floor("D")))
        )
        if inside:
            v = [value for *_, value in inside]
            name = f"{who}@{begin.isoformat()}"
            expected[name] = [min(v), max(v), np.mean(v), v[0], v[-1], len(v)]
    got = made.table.set_index("case_id")[
        [f"potassium_{s}" for s in ("min", "max", "mean", "first", "last", "count")]
    ]
    assert sorted(got.index) == sorted(expected)
    for name, row in expected.items():
        np.testing.assert_allclose(got.loc[name].to_numpy(float), row)
    assert made.counts["events"]["used"] + made.counts["events"]["not asked for"] == len(values)


def test_the_environment_makes_a_table_of_the_embedded_cohort_without_any_data(monkeypatch):
    monkeypatch.delenv("MEDANOMALY_OMOP", raising=False)
    wanted = environment("omop")
    assert wanted.cases == {"tabular": "events"}
    events = {"hours": 24, "statistics": ["last"], "features": {"potassium": {}, "sodium": {}}}
    params = DataProcessingParams.model_validate({"tables": {"omop": {"events": events}, "other": {}}})
    raw = EventsDataset(folder="embedded", n_patients=40).load()
    table, account, counts = make_event_table(raw, params, RunParams(dataset="omop", table="omop"))
    assert list(table)[-2:] == ["potassium_last", "sodium_last"]
    assert counts["n_cases"] == len(table) > 40
    assert account["n"].sum() == sum(n["read"] for n in counts["sources"].values())
    nobody_has = DataProcessingParams.model_validate(
        {
            "tables": {
                "omop": {
                    "events": {
                        **events,
                        "features": {"folate": {"codes": ["LOINC/2284-8"], "unit": "nmol/L"}},
                    }
                }
            }
        }
    )
    with pytest.raises(
        InputError, match=r"no case has a value: no value of any feature is inside the window \(\d+\)"
    ):
        make_event_table(raw, nobody_has, RunParams(dataset="omop", table="omop"))
    with pytest.raises(ConfigurationError, match="nothing says what events become"):
        make_event_table(raw, params, RunParams(dataset="other", table="other"))


def test_the_dataset_says_where_events_are_and_refuses_other_formats(tmp_path):
    given = EventsDataset(folder=str(tmp_path), form="fhir")
    assert (given.load().place, given.load().form) == (str(tmp_path), "fhir")
    assert given._describe() == {"folder": str(tmp_path), "form": "fhir"}
    with pytest.raises(ConfigurationError, match="no format 'hl7v2'"):
        EventsDataset(folder="x", form="hl7v2")

"""Every malformed resource or row gets one clear answer, and nothing is lost."""

import gzip
import json
from collections import Counter

import pandas as pd
import pytest
from tests.tabular.malformed_fhir import CORPUS, ENCOUNTER, PATIENT, of_patient, potassium, quantity

from medanomaly.core.errors import ConfigurationError, DataNotFoundError, InputError
from medanomaly.tabular.events.description import EventSpec
from medanomaly.tabular.events.event_table import event_table
from medanomaly.tabular.events.readers.any_form import EventSource, read_events

SPEC = EventSpec(hours=24, statistics=("last", "count"), features={"potassium": {}})


def table_of(source, spec=SPEC):
    made = event_table(read_events(source, spec), spec)
    for n in made.counts.values():
        assert n["read"] == n["used"] + n["not asked for"] + n["quarantined"]
    return made


def of(made, source):
    """What became of the events of a source: outcome and reason -> count."""
    own = made.account[made.account["source"] == source]
    return own.groupby(["outcome", "reason"])["n"].sum().to_dict()


def bundle(*resources):
    return {
        "resourceType": "Bundle",
        "entry": [{"resource": one} for one in (PATIENT, ENCOUNTER, *resources)],
    }


@pytest.fixture(scope="module")
def corpus():
    """Every case of the corpus, each of a patient of its own, read together."""
    return table_of(
        [one for i, (resources, *_) in enumerate(CORPUS.values()) for one in of_patient(f"p{i}", resources)]
    )


def test_each_malformed_observation_has_one_answer(corpus):
    expected = Counter((outcome, reason) for _, outcome, reason in CORPUS.values())
    assert of(corpus, "Observation") == dict(expected)
    used = {f"p{i}" for i, (_, outcome, _) in enumerate(CORPUS.values()) if outcome == "used"}
    assert set(corpus.table["patient_id"]) == used
    assert corpus.table["potassium_last"].tolist() == [4.2] * len(used)
    refused = corpus.refused["case_id"].str.partition("@")[0]
    assert sorted(refused) == sorted({f"p{i}" for i in range(len(CORPUS))} - used)
    assert set(corpus.refused["reason"]) == {"no value of any feature is inside the window"}


@pytest.mark.parametrize("name", ["comparator below", "no unit", "dangling reference", "another code"])
def test_an_answer_of_the_corpus_is_that_of_its_resource_alone(name):
    resources, outcome, reason = CORPUS[name]
    made = table_of(bundle(*resources))
    assert of(made, "Observation") == {(outcome, reason): 1}
    said = [note for note in made.notes if note.startswith("Observation")]
    if outcome == "quarantined":
        assert said == [
            "Observation: of 1 read, 0 were used, 0 were not asked for, and 1 are in quarantine: "
            f"{reason} (1)"
        ]
    else:
        assert said == []


def test_a_written_zone_is_converted():
    made = table_of(bundle(potassium(effectiveDateTime="2026-03-06T09:30:00+02:00")))
    # 24 hours after the start in UTC, and not in the zone that was written
    assert made.table["potassium_count"].tolist() == [1]
    assert table_of(bundle(potassium(effectiveDateTime="2026-03-06T09:30:00Z"))).table.empty


def test_a_value_without_a_time_of_day_belongs_to_the_first_day_of_the_visit_alone():
    days = {"2026-03-04": 0, "2026-03-05": 1, "2026-03-06": 1, "2026-03-07": 0}
    for day, n in days.items():
        made = table_of(bundle(potassium(effectiveDateTime=day)))
        assert len(made.table) == n, day


def test_bounds_can_be_taken_and_a_missing_unit_can_be_stated():
    taking = SPEC.replaced({"take_bounds": True})
    assert table_of(bundle(quantity(comparator="<")), taking).table["potassium_last"].tolist() == [4.2]
    stated = SPEC.replaced({"features": {"potassium": {"missing_unit": "mmol/L"}}})
    assert table_of(bundle(quantity(unit=None, code=None)), stated).table["potassium_last"].tolist() == [4.2]
    # what is stated is not taken for another unit
    assert table_of(bundle(quantity(unit="mg/L", code="mg/L")), stated).table.empty


def test_lines_that_are_no_json_and_resources_that_are_none_cost_only_themselves(tmp_path):
    path = tmp_path / "export.ndjson.gz"
    lines = ["{", "[1]", '{"id": 3}', *(json.dumps(one) for one in (potassium(), PATIENT, ENCOUNTER)), ""]
    with gzip.open(path, "wt") as file:
        file.write("\n".join(lines))
    made = table_of(path)
    assert made.table["potassium_last"].tolist() == [4.2]
    assert of(made, "lines") == {("quarantined", "the line is no JSON"): 1}
    assert of(made, "resources") == {("quarantined", "it is no FHIR resource"): 2}


def test_the_same_resource_twice_counts_once_and_a_second_patient_of_an_id_is_not_used():
    other = PATIENT | {"gender": "male"}
    made = table_of(bundle(potassium(), potassium(), potassium(id="another"), other))
    assert made.table["potassium_count"].tolist() == [2]
    assert made.table["sex"].tolist() == ["F"]
    twice = ("quarantined", "a resource of this kind and id was read before")
    assert of(made, "Observation")[twice] == 1
    assert of(made, "Patient")[twice] == 1


def test_encounters_without_a_start_or_with_an_early_end_are_no_case():
    bad = [
        ENCOUNTER | {"id": "1", "period": {}},
        ENCOUNTER | {"id": "2", "period": {"start": "2026-03-05", "end": "2026-03-01"}},
        ENCOUNTER | {"id": "3", "status": "planned"},
        ENCOUNTER | {"id": "4", "subject": {"reference": "Patient/nobody"}},
        ENCOUNTER | {"id": "5", "period": {"start": "2026-03"}},
    ]
    made = table_of(bundle(potassium(), *bad))
    assert len(made.table) == 1
    assert of(made, "Encounter") == {
        ("used", ""): 1,
        ("quarantined", "no time"): 1,
        ("quarantined", "the visit ends before it starts"): 1,
        ("quarantined", "only planned or proposed"): 1,
        ("quarantined", "the patient is not among those given"): 1,
        ("quarantined", "the time is known only to the month or the year"): 1,
    }


def test_conditions_prescriptions_and_deaths_are_counted():
    spec = EventSpec(
        cases="patient",
        features={
            "potassium": {"statistics": ["last"]},
            "diabetes": {"codes": ["SNOMED/44054006"], "counted": True},
            "metformin": {"codes": ["RxNorm/6809"], "counted": True},
        },
        outcomes={"death": ["DEATH"]},
        outcome_days=30,
    )
    subject = {"subject": {"reference": "Patient/p"}}
    drug = {"coding": [{"system": "http://www.nlm.nih.gov/research/umls/rxnorm", "code": "6809"}]}
    ordered = {"resourceType": "MedicationRequest", "intent": "order", "authoredOn": "2026-03-06", **subject}
    diabetes = {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]}
    condition = {"resourceType": "Condition", "code": diabetes, "recordedDate": "2026-03-07", **subject}
    refuted = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    medication = {"resourceType": "Medication", "id": "m", "code": drug}
    made = table_of(
        [
            PATIENT | {"deceasedDateTime": "2026-03-20"},
            potassium(),
            condition,
            condition | refuted,
            ordered | {"medicationCodeableConcept": drug},
            ordered | {"medicationReference": {"reference": "#m"}, "contained": [medication]},
            ordered | {"medicationReference": {"reference": "Medication/m"}},
            ordered | {"medicationReference": {"reference": "Medication/nowhere"}},
            medication,
        ],
        spec,
    )
    row = made.table.iloc[0]
    assert (row["diabetes_count"], row["metformin_count"], row["outcome"]) == (1, 3, "death")
    assert of(made, "Condition")["quarantined", "entered in error, cancelled or refuted"] == 1
    lost = of(made, "MedicationRequest")
    assert lost["quarantined", "the medication that it points to is not given"] == 1


def test_files_that_hold_nothing_are_errors_that_say_so(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        read_events(tmp_path / "a.json", SPEC)
    with pytest.raises(InputError, match="no FHIR resource"):
        read_events(EventSource([], "fhir"), SPEC)
    with pytest.raises(DataNotFoundError, match="nothing at this path"):
        read_events(tmp_path / "nowhere", SPEC)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigurationError, match="in no format of events"):
        read_events(tmp_path / "empty", SPEC)
    with pytest.raises(ConfigurationError, match="no format 'hl7v2'"):
        read_events(EventSource(tmp_path, "hl7v2"), SPEC)
    with pytest.raises(InputError, match="there is no patient: Observation: of 1 read"):
        table_of(potassium())


# OMOP


def omop(**change):
    """A person, a visit and one potassium of 4.2 mmol/L, with changes of the measurement."""
    row = {
        "person_id": 1,
        "measurement_concept_id": 3023103,
        "measurement_date": "2026-03-05",
        "measurement_datetime": "2026-03-05 10:00:00",
        "value_as_number": 4.2,
        "unit_concept_id": 8753,
        "unit_source_value": "mmol/L",
        "operator_concept_id": 0,
        "measurement_source_value": "K",
        "value_source_value": "4.2",
    }
    person = {"person_id": [1], "gender_concept_id": [8532], "year_of_birth": [1960]}
    visit = {
        "person_id": [1],
        "visit_concept_id": [9201],
        "visit_start_datetime": ["2026-03-05 08:00:00"],
        "visit_end_datetime": ["2026-03-09 08:00:00"],
    }
    return {
        "PERSON": pd.DataFrame(person),
        "visit_occurrence": pd.DataFrame(visit),
        "measurement": pd.DataFrame([row | change]),
    }


NO_CONCEPT = "no standard concept (concept 0), and no feature names its source value"
OMOP = {
    "as it should be": ({}, "used", ""),
    "no time of day": ({"measurement_datetime": None}, "used", ""),
    "midnight stands for no time of day": ({"measurement_datetime": "2026-03-05 00:00:00"}, "used", ""),
    "no date at all": ({"measurement_datetime": None, "measurement_date": None}, "quarantined", "no time"),
    "a date that is none": ({"measurement_datetime": "soon", "measurement_date": "soon"}, "quarantined", "no time"),
    "concept 0": ({"measurement_concept_id": 0}, "quarantined", NO_CONCEPT),
    "no concept": ({"measurement_concept_id": None}, "quarantined", NO_CONCEPT),
    "another concept": ({"measurement_concept_id": 3000963}, "not asked for", "no feature names its code"),
    "unit by its text": ({"unit_concept_id": 0}, "used", ""),
    "no unit": ({"unit_concept_id": 0, "unit_source_value": None}, "quarantined", "no unit"),
    "an unknown unit concept": ({"unit_concept_id": 5, "unit_source_value": None}, "quarantined",
                                "'concept 5' cannot be converted to mmol/L"),
    "another unit": ({"unit_concept_id": 8840}, "quarantined", "'mg/dL' cannot be converted to mmol/L"),
    "operator": ({"operator_concept_id": 4171756}, "quarantined", "the value is only a bound (<)"),
    "operator of equality": ({"operator_concept_id": 4172703}, "used", ""),
    "a bound as text": ({"value_as_number": None, "value_source_value": "<4.2"}, "quarantined",
                        "the value is only a bound (<)"),
    "no value": ({"value_as_number": None, "value_source_value": None}, "quarantined", "no value"),
    "text": ({"value_as_number": "haemolytic"}, "quarantined", "no value"),
    "negative": ({"value_as_number": -4.2}, "quarantined", "below what is plausible"),
    "nobody": ({"person_id": 2}, "quarantined", "the patient is not among those given"),
    "no person": ({"person_id": None}, "quarantined", "the patient is not among those given"),
}  # fmt: skip


def test_each_malformed_measurement_has_one_answer():
    people, visits, rows = [], [], []
    for i, (change, *_) in enumerate(OMOP.values()):
        tables = omop(**({"person_id": i} | ({"person_id": None if change["person_id"] is None else 999}
                         if "person_id" in change else change)))  # fmt: skip
        people.append(tables["PERSON"].assign(person_id=i))
        visits.append(tables["visit_occurrence"].assign(person_id=i))
        rows.append(tables["measurement"].astype(object))
    made = table_of(
        {
            "person": pd.concat(people),
            "visit_occurrence": pd.concat(visits),
            "measurement": pd.concat(rows, ignore_index=True).astype("string"),
        }
    )
    assert of(made, "measurement") == dict(Counter((outcome, reason) for _, outcome, reason in OMOP.values()))
    used = {str(i) for i, (_, outcome, _) in enumerate(OMOP.values()) if outcome == "used"}
    assert set(made.table["patient_id"]) == used
    assert made.table["potassium_last"].tolist() == [4.2] * len(used)


def test_a_source_value_can_be_named_where_there_is_no_concept():
    spec = SPEC.replaced({"features": {"potassium": {"codes": ["SOURCE/K"]}}})
    assert table_of(omop(measurement_concept_id=0), spec).table["potassium_last"].tolist() == [4.2]
    assert table_of(omop(), spec).table.empty


def test_the_vocabulary_of_the_source_names_codes_and_units():
    concept = pd.DataFrame(
        {
            "concept_id": [77, 88],
            "vocabulary_id": ["LOINC", "UCUM"],
            "concept_code": ["2823-3", "meq/L"],
        }
    )
    tables = omop(measurement_concept_id=77, unit_concept_id=88) | {"concept": concept}
    assert table_of(tables).table["potassium_last"].tolist() == [4.2]


def test_a_table_that_is_missing_or_no_table_is_an_error(tmp_path):
    tables = omop()
    with pytest.raises(DataNotFoundError, match="no table 'person'"):
        read_events(EventSource({"measurement": tables["measurement"]}, "omop"), SPEC)
    tables.pop("visit_occurrence")
    with pytest.raises(DataNotFoundError, match="no table 'visit_occurrence'"):
        table_of(tables)
    assert len(table_of(tables, EventSpec(cases="patient", features={"potassium": {}})).table) == 1
    (tmp_path / "person.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="it is no table"):
        read_events(tmp_path, SPEC)
    (tmp_path / "cdm.duckdb").write_bytes(b"no database" * 400)
    with pytest.raises(InputError, match="no file of DuckDB"):
        read_events(tmp_path / "cdm.duckdb", SPEC)
    with pytest.raises(InputError, match="database cannot be read") as raised:
        read_events("sqlite:////nowhere/at/all.sqlite", SPEC)
    assert "nowhere" in str(raised.value)


def test_a_password_of_a_database_is_not_repeated():
    pytest.importorskip("pg8000")
    with pytest.raises(Exception, match="cannot be read") as raised:
        read_events("postgresql+pg8000://ward:secret@127.0.0.1:9/cdm", SPEC)
    assert "secret" not in str(raised.value)


# CSV and MEDS


def test_csv_answers_like_fhir(tmp_path):
    (tmp_path / "patients.csv").write_text("patient_id,sex,birth\n007,f,1960\n007,m,1961\n")
    (tmp_path / "visits.csv").write_text(
        "patient_id,start,end,kind\n007,2026-03-05T08:00,2026-03-09,inpatient\n008,2026-03-05,,inpatient\n"
    )
    rows = [
        "007,2026-03-05T10:00,LOINC/2823-3,4.2,mmol/L",
        "007,2026-03-05T11:00,LOINC/2823-3,<4,mmol/L",
        "007,2026-03-05T11:00,LOINC/2823-3,high,mmol/L",
        "007,2026-03-05T11:00,LOINC/2823-3,,mmol/L",
        "007,2026-03,LOINC/2823-3,4.2,mmol/L",
        "008,2026-03-05,LOINC/2823-3,4.2,mmol/L",
        "007,2026-03-05,,4.2,mmol/L",
        "007,2026-03-05,LOINC/1-8,4.2,mmol/L",
    ]
    (tmp_path / "events.csv").write_text("patient_id,time,code,value,unit\n" + "\n".join(rows) + "\n")
    made = table_of(tmp_path)
    assert made.table[["patient_id", "sex", "potassium_last"]].to_numpy().tolist() == [["007", "F", 4.2]]
    assert made.table["case_id"].tolist() == ["007@2026-03-05T08:00:00"]
    assert of(made, "events.csv") == {
        ("used", ""): 1,
        ("quarantined", "the value is only a bound (<)"): 1,
        ("quarantined", "the value is text"): 1,
        ("quarantined", "no value"): 1,
        ("quarantined", "the time is known only to the month or the year"): 1,
        ("quarantined", "the patient is not among those given"): 1,
        ("quarantined", "no code"): 1,
        ("not asked for", "no feature names its code"): 1,
    }
    (tmp_path / "events.csv").write_text("patient_id,time,code\n1,2,3\n")
    with pytest.raises(InputError, match="are missing"):
        read_events(tmp_path, SPEC)


def test_meds_units_bounds_and_visits(tmp_path):
    at = pd.Timestamp("2026-03-05 08:00")
    later = at + pd.Timedelta(hours=2)
    rows = [
        (1, None, "GENDER//F", None, None),
        (1, pd.Timestamp("1960-05-01"), "MEDS_BIRTH", None, None),
        (1, at, "HOSPITAL_ADMISSION//EW EMER.", None, None),
        (1, later, "LAB//RESULT//50971//mEq/L", 4.1, None),
        (1, later, "LAB//RESULT//50971//mEq/L", None, "<3"),
        (1, later, "LAB//RESULT//50971//mEq/L", None, "haemolytic"),
        (1, later, "LAB//RESULT//50971", 4.1, None),
        (1, None, "LAB//RESULT//50971//mEq/L", 4.1, None),
        (1, later, "LAB//RESULT//509710//mEq/L", 4.1, None),
        (1, later, "MEDS_DEATH", None, None),
    ]
    events = pd.DataFrame(rows, columns=["subject_id", "time", "code", "numeric_value", "text_value"])
    (tmp_path / "data").mkdir()
    events.astype({"numeric_value": "float32"}).to_parquet(tmp_path / "data" / "0.parquet")
    spec = EventSpec(
        hours=24,
        features={"potassium": {"codes": ["LAB//RESULT//50971"], "statistics": ["last", "count"]}},
        outcomes={"death": ["DEATH"]},
    )
    made = table_of(tmp_path, spec)
    row = made.table.iloc[0]
    # 4.1, and not what float32 makes of it
    assert (row["potassium_last"], row["potassium_count"], row["sex"], row["outcome"]) == (
        4.1,
        1,
        "F",
        "death",
    )
    assert of(made, "MEDS events") == {
        ("used", ""): 2,
        ("quarantined", "the value is only a bound (<)"): 1,
        ("quarantined", "the value is text"): 1,
        ("quarantined", "no unit"): 1,
        ("quarantined", "no time"): 1,
        ("not asked for", "no feature names its code"): 1,
    }
    with pytest.raises(ConfigurationError, match="no end in MEDS"):
        read_events(tmp_path, SPEC.replaced({"hours": None}))

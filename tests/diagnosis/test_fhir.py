"""FHIR bundles, written by hand: Patient, Condition, Observation."""

import json

import pytest

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.readers.fhir import read_fhir

HPO = "http://human-phenotype-ontology.org"
ME = {"subject": {"reference": "Patient/p1"}}


def code(*codes, text=None):
    coding = [{"system": s, "code": c, "display": d} for s, c, d in codes]
    return {"coding": coding} | ({"text": text} if text else {})


def condition(concept, verification=None, **more):
    status = {"verificationStatus": code(("v", verification, ""))} if verification else {}
    return {"resourceType": "Condition", "code": concept} | ME | status | more


def observation(concept, **more):
    return {"resourceType": "Observation", "status": "final", "code": concept} | ME | more


def bundle(*resources, patients=None):
    first = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "2020-01-01"}
    everybody = [first] if patients is None else patients
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"urn:uuid:{i}", "resource": r} for i, r in enumerate([*everybody, *resources])
        ],
    }


SEIZURE = code((HPO, "HP:0001250", "Seizure"))
STROKE = code((HPO, "HP:0001297", "Stroke"))


def terms(patients):
    return [tuple(row) for row in patients.symptoms[["term", "excluded", "weight"]].to_numpy()]


def test_conditions_are_symptoms_with_how_sure_they_are_and_their_onset(small_ontology):
    found = read_fhir(
        bundle(
            condition(SEIZURE, "confirmed", onsetAge={"value": 6, "unit": "months"}),
            condition(STROKE, "refuted"),
            condition(code(text="global developmental delay"), "provisional", onsetDateTime="2022-01"),
            condition(
                code(("http://omim.org", "607208", "Dravet syndrome")), "confirmed", recordedDate="2023-07-02"
            ),
        ),
        small_ontology,
    )
    assert terms(found) == [("HP:0001250", False, 1.0), ("HP:0001297", True, 1.0), ("HP:0001263", False, 0.5)]
    assert found.symptoms["onset_years"].iloc[[0, 2]].round(1).tolist() == [0.5, 2.0]
    case = found.cases.iloc[0]
    assert (case["case_id"], case["sex"], case["disease"], case["disease_name"]) == (
        "p1", "F", "OMIM:607208", "Dravet syndrome",
    )  # fmt: skip
    assert case["age_years"] == pytest.approx(3.5, abs=0.01)
    assert found.unread.empty


@pytest.mark.parametrize(
    ("value", "excluded"),
    [
        ({"valueBoolean": True}, False),
        ({"valueBoolean": False}, True),
        ({"valueCodeableConcept": code(("http://loinc.org", "LA9634-2", "Absent"))}, True),
        ({"valueCodeableConcept": code(("http://snomed.info/sct", "52101004", ""))}, False),
        ({"valueString": "Absent"}, True),
        ({"interpretation": [code(("i", "NEG", "Negative"))]}, True),
        ({}, False),
    ],
)
def test_an_observation_says_present_or_absent_in_many_ways(small_ontology, value, excluded):
    found = read_fhir(bundle(observation(SEIZURE, **value)), small_ontology)
    assert terms(found) == [("HP:0001250", excluded, 1.0)]


def test_the_answer_of_an_observation_can_be_the_symptom(small_ontology):
    asked = code(("http://loinc.org", "75325-1", "Symptom"))
    found = read_fhir(bundle(observation(asked, valueCodeableConcept=STROKE)), small_ontology)
    assert terms(found) == [("HP:0001297", False, 1.0)]


@pytest.mark.parametrize(
    ("resource", "said"),
    [
        (observation(code(("http://loinc.org", "718-7", "Hemoglobin")), valueQuantity={"value": 9}), "measured value"),
        (observation(SEIZURE, status="entered-in-error"), "entered in error"),
        (condition(SEIZURE, "entered-in-error"), "entered in error"),
        (observation(SEIZURE, dataAbsentReason=code(("d", "unknown", ""))), "value is not known"),
        (observation(SEIZURE, valueBoolean=True, interpretation=[code(("i", "NEG", ""))]), "both present and absent"),
        (condition(code(("http://omim.org", "1", "One")), "provisional"), "disease that is not confirmed"),
        (condition(code()), "neither a code nor words"),
        (condition(code((HPO, "HP:0003577", "Congenital onset"))), "is no symptom"),
        (condition(code(text="tired of it all")), "is no name of a symptom"),
        ({"resourceType": "Procedure", "subject": {"reference": "Patient/p1"}}, "a Procedure is not read"),
        ({"resourceType": "FamilyMemberHistory", "patient": {"reference": "Patient/p1"}}, "FamilyMemberHistory"),
        (condition(SEIZURE) | {"subject": {"reference": "Patient/p2"}}, "not in the bundle"),
    ],
)  # fmt: skip
def test_what_is_no_symptom_of_the_patient_is_listed_with_the_reason(small_ontology, resource, said):
    found = read_fhir(bundle(resource, condition(STROKE)), small_ontology)
    assert terms(found) == [("HP:0001297", False, 1.0)]
    assert said in found.unread["reason"].iloc[0]


@pytest.mark.parametrize("broken", [{"subject": "Patient/p1"}, {"code": ["x"]}, {"onsetAge": {"value": {}}}])
def test_a_malformed_resource_costs_only_itself(small_ontology, broken):
    found = read_fhir(bundle(condition(SEIZURE) | broken, condition(STROKE)), small_ontology)
    assert ("HP:0001297", False, 1.0) in terms(found)
    assert len(found.unread) + len(found.symptoms) >= 2


def test_each_patient_is_a_case_and_references_are_followed_in_each_form(small_ontology):
    patients = [{"resourceType": "Patient", "id": "a", "gender": "male"}, {"resourceType": "Patient"}]
    found = read_fhir(
        bundle(
            condition(SEIZURE) | {"subject": {"reference": "https://ward.example/fhir/Patient/a/_history/3"}},
            condition(STROKE) | {"subject": {"reference": "urn:uuid:1"}},
            patients=patients,
        ),
        small_ontology,
    )
    assert found.cases["case_id"].tolist() == ["a", "1"]
    assert found.symptoms[["case_id", "term"]].to_numpy().tolist() == [
        ["a", "HP:0001250"],
        ["1", "HP:0001297"],
    ]
    assert found.cases["age_years"].isna().all()


def test_a_patient_without_symptoms_is_refused(small_ontology):
    found = read_fhir(bundle(), small_ontology)
    assert found.refused[["case_id", "reason"]].to_numpy().tolist() == [["p1", "it has no symptom"]]


def test_a_file_that_is_no_bundle_is_refused(small_ontology, tmp_path):
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle(condition(SEIZURE))))
    assert len(read_fhir(path, small_ontology)) == 1
    for content, said in (
        ("{", "no JSON"),
        ("[]", "no FHIR resource"),
        ('{"resourceType": "Patient"}', "Give a FHIR Bundle"),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match=said):
            read_fhir(path, small_ontology)
    with pytest.raises(InputError, match="no Patient"):
        read_fhir(bundle(patients=[]), small_ontology)
    with pytest.raises(DataNotFoundError):
        read_fhir(tmp_path / "nowhere.json", small_ontology)

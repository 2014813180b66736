"""Answers as FHIR R4B, from Python, the command line and the service: valid, and with whether p-values hold."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from tests.scoring.small_models import trained, visits
from tests.service.conftest import client_of
from tests.tabular.hospital_formats import fhir_resources as hospital_resources
from tests.tabular.test_hospital_identity import sealed_detector

from medanomaly.commands.cli import call
from medanomaly.core.errors import ConfigurationError
from medanomaly.monitoring.batch_shift import ShiftCheck
from medanomaly.scoring import fhir
from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.fhir import P_VALUE, checked, fhir_bundle, fhir_resources
from medanomaly.scoring.models import open_models

AT = datetime(2026, 3, 5, tzinfo=UTC)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def models(folder):
    return open_models(folder)


@pytest.fixture(scope="module")
def raw():
    table = visits(4, 7).drop(columns="outcome")
    table.loc[0, "potassium"] = "19"
    table.loc[3, "potassium"] = "no number at all"
    return table


@pytest.fixture(scope="module")
def found(models, raw):
    return models.score(raw)


def of_kind(resources, kind):
    return [one for one in resources if one["resourceType"] == kind]


def with_verdict(found, verdict, reason="this and that"):
    names = [f"{found.modality}.{name}" for name in found.scores["model"].unique()]
    return replace(found, shift={name: ShiftCheck(verdict, 0.5, reason, pd.DataFrame(), 9) for name in names})


def notes(resource):
    return [note["text"] for note in resource["note"]]


def test_every_resource_is_valid_and_every_case_and_model_has_one(found):
    resources = fhir_resources(found, AT)
    checked(resources)
    assert checked([fhir_bundle(resources)])[0]["type"] == "collection"
    risks = of_kind(resources, "RiskAssessment")
    refused = [one for one in risks if "prediction" not in one]
    assert len(risks) - len(refused) == 3 * 2
    assert len({one["id"] for one in resources}) == len(resources)
    assert {one["subject"]["reference"] for one in risks if "reference" in one["subject"]} == {
        "Patient/p7-0", "Patient/p7-1",
    }  # fmt: skip
    assert all(NOTICE in notes(one) for one in risks)
    assert {one["occurrenceDateTime"] for one in risks} == {"2026-03-05T00:00:00+00:00"}


def test_a_p_value_is_an_extension_and_never_a_probability(found):
    risks = [one for one in of_kind(fhir_resources(found), "RiskAssessment") if "prediction" in one]
    values = [one["prediction"][0]["extension"][0] for one in risks]
    assert {one["url"] for one in values} == {P_VALUE}
    assert [one["valueDecimal"] for one in values] == pytest.approx(
        [p for _, of in found.scores.groupby("case_id", sort=False) for p in of["p_value"]]
    )
    assert not any("probabilityDecimal" in one["prediction"][0] for one in risks)
    unusual = risks[0]["prediction"][0]
    assert unusual["qualitativeRisk"] == {"text": "unusual"}
    assert "potassium 19 mmol/L (usual " in unusual["rationale"]
    assert risks[-1]["prediction"][0]["qualitativeRisk"] == {"text": "usual"}


@pytest.mark.parametrize(
    ("verdict", "status", "said"),
    [
        ("holds", "final", "P-values hold: this and that."),
        ("unknown", "preliminary", "Nobody can tell whether p-values hold: this and that."),
        ("broken", "cancelled", "The p-value is withheld, because p-values do not hold: this and that."),
    ],
)
def test_status_and_notes_say_whether_p_values_hold(found, verdict, status, said):
    resources = fhir_resources(with_verdict(found, verdict))
    checked(resources)
    risks = [one for one in of_kind(resources, "RiskAssessment") if "prediction" in one]
    assert {one["status"] for one in risks} == {status}
    assert all(said in notes(one) for one in risks)
    others = [text for one in risks for text in notes(one) if text != said]
    assert not any("P-values" in text or "p-value" in text for text in others)
    given = ["extension" in one["prediction"][0] for one in risks]
    assert all(given) if verdict != "broken" else not any(given)
    if verdict == "broken":
        assert "0." not in json.dumps([one["prediction"] for one in risks])
        # without a p-value nobody is alarmed
        assert of_kind(resources, "DetectedIssue") == []
    else:
        issues = of_kind(resources, "DetectedIssue")
        assert {one["status"] for one in issues} == {"final" if verdict == "holds" else "preliminary"}


def test_where_it_is_not_tested_that_is_said(found):
    risks = of_kind(fhir_resources(replace(found, shift={})), "RiskAssessment")
    assert "Nobody can tell whether p-values hold: whether p-values hold was not tested." in notes(risks[0])
    stream = {"verdict": "broken", "reason": "another device", "n_cases": 90}
    broken = of_kind(fhir_resources(replace(found, shift={}, stream=stream)), "RiskAssessment")
    assert broken[0]["status"] == "cancelled"
    assert "The p-value is withheld, because p-values do not hold: another device." in notes(broken[0])


def test_an_alarm_names_the_models_that_flag_the_case(found):
    issues = of_kind(fhir_resources(found), "DetectedIssue")
    assert len(issues) == 1
    flagged = found.scores[found.scores["flagged"].eq(True)]
    assert set(flagged["case_id"]) == {found.read.cases["case_id"].iloc[0]}
    assert issues[0]["detail"].startswith(f"{len(flagged)} of 2 models flag this record: ")
    assert len(issues[0]["implicated"]) == len(flagged)
    assert all(name in issues[0]["detail"] for name in flagged["model"])
    nobody = replace(found, scores=found.scores.assign(flagged=False))
    assert of_kind(fhir_resources(nobody), "DetectedIssue") == []


def test_a_refused_case_says_why_and_has_no_prediction(found):
    refused = [one for one in of_kind(fhir_resources(found), "RiskAssessment") if "prediction" not in one]
    assert len(refused) == 1
    assert refused[0]["status"] == "cancelled"
    assert notes(refused[0])[0].startswith("The record was refused: potassium: ")


def test_a_probability_stands_where_fhir_has_it(found):
    scores = found.scores.assign(score=np.nan, p_value=np.nan, alpha=np.nan, probability=0.25)
    told = fhir_resources(replace(found, scores=scores, shift={}))
    checked(told)
    risks = [one for one in of_kind(told, "RiskAssessment") if "prediction" in one]
    assert {one["prediction"][0]["probabilityDecimal"] for one in risks} == {0.25}
    assert {one["prediction"][0]["outcome"]["text"] for one in risks} == {"outcome other than well"}
    assert not any("extension" in one["prediction"][0] for one in risks)
    assert not any("P-values" in text for one in risks for text in notes(one))


def test_notes_about_all_cases_are_an_outcome_of_the_operation(found):
    assert of_kind(fhir_resources(found), "OperationOutcome") == []
    noted = replace(found, read=replace(found.read, notes=("one thing",)))
    said = of_kind(fhir_resources(noted), "OperationOutcome")
    checked(said)
    assert [one["diagnostics"] for one in said[0]["issue"]] == ["one thing"]


def test_names_that_fhir_cannot_point_to_are_shown(found):
    cases = found.read.cases.assign(patient_id=["a b", "ü", "x" * 65])
    told = fhir_resources(replace(found, read=replace(found.read, cases=cases)))
    checked(told)
    subjects = [one["subject"] for one in told if "prediction" in one]
    assert subjects[0] == {"display": "a b"}
    assert all("reference" not in one for one in subjects)


def code_of(*words):
    with pytest.raises(SystemExit) as ended:
        call([str(word) for word in words])
    return ended.value.code


def test_the_command_writes_ndjson_that_is_valid(folder, raw, tmp_path, capsys):
    raw.to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "made" / "answers.ndjson"
    score = ("score", tmp_path / "new.csv", "--models", folder)
    assert code_of(*score, "--fhir", out) == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    checked(lines)
    assert f"{len(lines)} FHIR resources: " in capsys.readouterr().out
    assert code_of(*score) == 0
    assert "FHIR" not in capsys.readouterr().out


def test_without_the_library_the_extra_is_named(found, monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "fhir.resources.R4B", None)
    with pytest.raises(ConfigurationError, match=r"medanomaly\[interchange\]"):
        fhir.write_fhir(fhir_resources(found), tmp_path / "a.ndjson")
    assert not (tmp_path / "a.ndjson").exists()


@pytest.fixture(scope="module")
def client(models):
    with client_of(models) as client:
        yield client


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_the_service_answers_in_fhir_where_that_is_accepted(client, raw, verb):
    records = raw.iloc[:2].to_dict("records")
    headers = {"Accept": "application/fhir+json; fhirVersion=4.3"}
    served = client.post(f"/v1/tabular/{verb}", json={"records": records}, headers=headers)
    assert served.status_code == 200
    assert served.headers["content-type"].startswith("application/fhir+json")
    resources = [one["resource"] for one in checked([served.json()])[0]["entry"]]
    risks = of_kind(resources, "RiskAssessment")
    assert len(risks) == 4
    assert any("potassium" in one["prediction"][0]["rationale"] for one in risks) is (verb == "explain")
    plain = client.post(f"/v1/tabular/{verb}", json={"records": records})
    assert plain.json()["modality"] == "tabular"
    alone = client.post(f"/v1/tabular/{verb}", json={"records": records[0]}, headers=headers)
    assert alone.json()["resourceType"] == "Bundle"


def test_the_service_takes_a_bundle_where_models_read_events(client, tmp_path_factory):
    from medanomaly.synthetic.hospital import hospital_events

    hospital = hospital_events(3, 5)
    bundle = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": one} for one in hospital_resources(*hospital)],
    }
    # these models were trained on a table
    refused = client.post("/v1/tabular/score", json=bundle)
    assert refused.status_code == 422
    assert "no events of FHIR" in refused.text
    models = open_models_of_events(tmp_path_factory)
    with client_of(models) as of_events:
        headers = {"Accept": "application/fhir+json", "Content-Type": "application/fhir+json"}
        served = of_events.post("/v1/tabular/score", content=json.dumps(bundle), headers=headers)
        assert served.status_code == 200
        resources = [one["resource"] for one in checked([served.json()])[0]["entry"]]
        wanted = models.score(bundle, explain=False).scores
        given = [
            one["prediction"][0]["extension"][0]["valueDecimal"]
            for one in of_kind(resources, "RiskAssessment")
        ]
        assert given == pytest.approx(wanted["p_value"].tolist())
        assert of_events.post("/v1/tabular/score", json=bundle).json()["modality"] == "tabular"
        empty = of_events.post("/v1/tabular/score", json={"resourceType": "Bundle"})
        assert empty.status_code == 422


def open_models_of_events(tmp_path_factory):
    return sealed_detector(tmp_path_factory.mktemp("of_events"))


def test_a_patient_of_a_table_is_the_subject(found):
    assert pd.unique(found.read.cases["patient_id"]).tolist() == ["p7-0", "p7-1"]

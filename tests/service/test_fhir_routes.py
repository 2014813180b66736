"""Answers of every modality in FHIR over HTTP: valid, equal to the answers in JSON, and errors in FHIR too."""

import json
from dataclasses import replace

import numpy as np
import pytest

from medanomaly.commands.cli import call
from medanomaly.monitoring.batch_shift import ShiftCheck
from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.fhir import MEDIA_TYPE, P_VALUE, checked
from medanomaly.scoring.fhir_patients import patient_resources
from medanomaly.scoring.fhir_rankings import ranking_resources
from medanomaly.service.problems import UNREADABLE
from tests.service import small_models
from tests.service.test_diagnosis_routes import LISTED
from tests.service.test_patients import RECORD, STRANGE
from tests.service.test_patients import picture as picture  # noqa: PLC0414 - a fixture
from tests.service.test_patients import ward as ward  # noqa: PLC0414 - a fixture
from tests.service.test_routes import npz, png

ACCEPT = {"Accept": "application/fhir+json; fhirVersion=4.3"}


def asked(client, path, status=200, **request):
    """The answer in FHIR, checked, and the one in JSON."""
    found = client.post(path, headers=ACCEPT, **request)
    assert found.status_code == status, found.text
    assert found.headers["content-type"].startswith(MEDIA_TYPE)
    (content,) = checked([found.json()])
    plain = client.post(path, **request)
    assert plain.status_code == status
    assert plain.headers["content-type"].startswith(("application/json", "application/problem+json"))
    return content, plain.json()


def resources(bundle, kind):
    return [one["resource"] for one in bundle["entry"] if one["resource"]["resourceType"] == kind]


def notes(resource):
    return [note["text"] for note in resource["note"]]


def p_values(risks):
    return [one["prediction"][0]["extension"][0]["valueDecimal"] for one in risks if "prediction" in one]


def of_json(plain):
    return [answer["p_value"] for case in plain["cases"] for answer in case.get("answers", ())]


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_beats_of_a_recording(client, verb):
    signal = small_models.ecg(31, 30)[:, :1]
    files = [("file", ("Jane Doe.npz", npz(signal))), ("file", ("b.edf", b"nothing of the kind"))]
    bundle, plain = asked(client, f"/v1/signals/{verb}", files=files)
    risks = resources(bundle, "RiskAssessment")
    assert p_values(risks) == of_json(plain)
    assert {one["code"]["text"] for one in risks} == {"How unusual this beat is"}
    (refused,) = [one for one in risks if one["identifier"][0]["value"] == "recording 2"]
    assert (refused["status"], notes(refused)[0]) == ("cancelled", f"The beat was refused: {UNREADABLE}.")
    assert "Jane" not in json.dumps(bundle)
    # beats of one recording depend on each other
    assert {one["status"] for one in risks if "prediction" in one} == {"preliminary"}
    rationales = [one["prediction"][0]["rationale"] for one in risks if "prediction" in one]
    assert any("(usual " in text for text in rationales) is (verb == "explain")
    numbers, _ = asked(client, f"/v1/signals/{verb}", json={"signal": signal[:, 0].tolist(), "fs": 360.0})
    assert len(p_values(resources(numbers, "RiskAssessment"))) > 30


@pytest.mark.parametrize("verb", ["score", "explain"])
def test_images(client, verb):
    odd = np.random.default_rng(0).random((64, 64))
    files = [
        ("file", ("Jane.png", png(odd))),
        ("file", ("b.png", png(small_models.images(2)[1]))),
        ("file", ("c", b"no")),
    ]
    bundle, plain = asked(client, f"/v1/imaging/{verb}", files=files)
    risks = resources(bundle, "RiskAssessment")
    assert p_values(risks) == of_json(plain)
    assert len(risks) == 3
    flagged = [answer["flagged"] for case in plain["cases"] for answer in case.get("answers", ())]
    assert len(resources(bundle, "DetectedIssue")) == sum(flagged) > 0
    assert "it is no PNG, JPEG, BMP, TIFF or DICOM file" in notes(risks[2])[0]
    assert "Jane" not in json.dumps(bundle)
    assert all(NOTICE in notes(one) for one in risks)


def test_diseases_in_order(client, models):
    body = LISTED | {"sex": "F", "n": 3, "observed": [*LISTED["observed"], "no such finding"]}
    bundle, plain = asked(client, "/v1/diagnosis/rank", json=body)
    (risk,) = resources(bundle, "RiskAssessment")
    (case,) = plain["cases"]
    assert [one["probabilityDecimal"] for one in risk["prediction"]] == [
        one["probability"] for one in case["diseases"]
    ]
    assert risk["extension"] == [{"url": P_VALUE, "valueDecimal": case["p_value"]}]
    # the p-value is that of the case, and never that of a disease
    assert not any("extension" in one for one in risk["prediction"])
    first = risk["prediction"][0]
    assert first["outcome"]["coding"] == [
        {"system": "https://www.omim.org", "code": "1", "display": case["diseases"][0]["disease_name"]}
    ]
    against = [one["name"] for one in case["diseases"][0]["reasons"] if one["log_ratio"] < 0]
    assert first["rationale"].startswith("rank 1; ")
    assert against
    assert f"against it: {against[0]}" in first["rationale"]
    said = notes(risk)
    assert any(text.startswith("Symptoms: ") and "Stroke (HP:0001297, excluded)" in text for text in said)
    assert any("Not read: no such finding" in text for text in said)
    assert "Not given: age" in " ".join(said)
    assert any("The probability that it is none of the diseases" in text for text in said)
    assert any("HPO 2025-01-16" in text and "do not alter" in text for text in said)
    assert NOTICE in said
    assert risk["status"] == "preliminary"
    assert risk["subject"] == {"display": "patient"}


def test_a_case_of_symptoms_that_is_refused(client):
    files = [("file", ("a.json", json.dumps({"phenotypicFeatures": []}))), ("file", ("b.json", b"{"))]
    packet = {"id": "x", "subject": {"id": "x"}, "phenotypicFeatures": [{"type": {"id": "HP:0007359"}}]}
    files.append(("file", ("c.json", json.dumps(packet))))
    bundle, plain = asked(client, "/v1/diagnosis/rank", files=files)
    risks = resources(bundle, "RiskAssessment")
    assert [one["status"] for one in risks].count("cancelled") == 2
    reasons = {case["reason"] for case in plain["cases"] if case["status"] == "refused"}
    refused = [one for one in risks if one["status"] == "cancelled"]
    assert {notes(one)[0] for one in refused} == {f"The patient was refused: {reason}." for reason in reasons}
    assert all("prediction" not in one for one in refused)


def test_patients_of_several_modalities(client, picture):
    image = {"image": np.round(255 * picture).tolist(), "white": 255}
    body = {
        "patients": [
            {"patient_id": "P-17", "tabular": STRANGE, "imaging": image, "diagnosis": LISTED},
            {"patient_id": "P-18", "tabular": RECORD, "diagnosis": LISTED},
            {"patient_id": "no id", "tabular": {"age": 1500}},
        ]
    }
    bundle, plain = asked(client, "/v1/patients/explain", json=body)
    risks = resources(bundle, "RiskAssessment")
    fused = [one for one in risks if "all modalities" in one["code"]["text"]]
    assert p_values(fused) == [one["p_value"] for one in plain["patients"][:2]]
    assert [one["subject"] for one in fused] == [
        {"reference": "Patient/P-17"}, {"reference": "Patient/P-18"}, {"display": "no id"},
    ]  # fmt: skip
    assert fused[0]["prediction"][0]["qualitativeRisk"] == {"text": "unusual"}
    assert fused[0]["prediction"][0]["rationale"].endswith("; tabular speaks")
    assert "speaks" not in fused[1]["prediction"][0]["rationale"]
    assert "Not given: signals." in notes(fused[0])
    assert fused[2]["status"] == "cancelled"
    assert notes(fused[2])[0] == "Nothing of the patient could be scored."
    (issue,) = resources(bundle, "DetectedIssue")
    assert issue["patient"] == {"reference": "Patient/P-17"}
    assert issue["implicated"] == [{"reference": f"RiskAssessment/{fused[0]['id']}"}]
    ranked = [one for one in risks if one["code"]["text"].startswith("Diseases")]
    assert [one["subject"]["reference"] for one in ranked] == ["Patient/P-17", "Patient/P-18"]
    # two patients whose cases have one name
    assert len({one["id"] for one in risks}) == len(risks) == 5
    assert any(text.startswith("Nobody can tell whether p-values hold: ") for text in notes(fused[0]))


def test_a_p_value_of_a_patient_that_does_not_hold_is_withheld(models):
    answer = models.patient({"tabular": STRANGE}, patient_id="anna")
    assert patient_resources([answer])[1]["resourceType"] == "DetectedIssue"
    check = ShiftCheck("broken", 0.001, "another device", None, 9)
    for _, answers in answer.answers:
        answers.shift.update(dict.fromkeys(answers.shift, check))
    answer.__dict__.pop("p_values_hold", None)
    (risk,) = checked(patient_resources([answer]))
    assert risk["status"] == "cancelled"
    assert "extension" not in risk["prediction"][0]
    assert "0.0" not in json.dumps(risk["prediction"])
    assert any(
        text.startswith("The p-value is withheld") and "another device" in text for text in notes(risk)
    )


def test_a_ranking_without_probabilities_has_none(models):
    found = models.rank({"symptoms": LISTED["observed"]}, top=2)
    bare = found.rankings.assign(probability=np.nan, in_set=None, set_size=np.nan)
    # what speaks for a disease is named too, and what was looked for in vain with "no"
    reasons = found.reasons.assign(log_ratio=1.0, excluded=True)
    (risk,) = checked(ranking_resources(replace(found, rankings=bare, reasons=reasons)))
    first = risk["prediction"][0]["rationale"]
    assert first.startswith("rank 1; for it: no ")
    assert "against it" not in first
    assert not any("probabilityDecimal" in one for one in risk["prediction"])
    assert not any("none of the diseases" in text for text in notes(risk))


@pytest.mark.parametrize(
    ("path", "request_", "status", "code"),
    [
        ("/v1/signals/score", {"json": {"signal": "loud"}}, 422, "processing"),
        ("/v1/imaging/score", {"files": {"file": ("a.png", b"no image")}}, 422, "processing"),
        ("/v1/diagnosis/rank", {"json": {}}, 422, "processing"),
        ("/v1/patients/score", {"json": {"patients": []}}, 422, "processing"),
        (
            "/v1/tabular/score",
            {"content": b"{", "headers": {"Content-Type": "application/json"}},
            400,
            "structure",
        ),
        ("/v1/nothing", {"json": {}}, 404, "not-found"),
    ],
    ids=["signals", "imaging", "diagnosis", "patients", "tabular", "no route"],
)
def test_an_error_is_an_outcome_of_the_operation(client, path, request_, status, code):
    headers = ACCEPT | request_.pop("headers", {})
    found = client.post(path, headers=headers, **request_)
    assert found.status_code == status
    assert found.headers["content-type"].startswith(MEDIA_TYPE)
    (outcome,) = checked([found.json()])
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert (issue["severity"], issue["code"]) == ("error", code)
    assert issue["diagnostics"]
    assert "loud" not in found.text


@pytest.mark.parametrize(
    ("path", "files", "option"),
    [
        ("/v1/imaging/score", ("a.png", png(small_models.images(1)[0])), "maps"),
        ("/v1/signals/score", ("a.npz", npz(small_models.ecg(3, 20)[:, :1])), "strip"),
    ],
)
def test_what_fhir_has_no_place_for_is_refused_and_not_left_out(client, path, files, option):
    found = client.post(path, headers=ACCEPT, files={"file": files}, data={option: "true"})
    assert found.status_code == 422
    assert found.json()["issue"][0]["diagnostics"].startswith(f"An answer in FHIR holds no {option}.")
    assert client.post(path, files={"file": files}, data={option: "true"}).status_code == 200


def test_the_description_names_fhir_for_these_routes_alone(client):
    paths = client.get("/openapi.json").json()["paths"]
    with_fhir = {
        path
        for path, routes in paths.items()
        for route in routes.values()
        if MEDIA_TYPE in route["responses"]["200"]["content"]
    }
    assert with_fhir == {
        *(
            f"/v1/{of}/{verb}"
            for of in ("tabular", "signals", "imaging", "patients")
            for verb in ("score", "explain")
        ),
        "/v1/diagnosis/rank",
    }


def test_the_command_writes_patients_as_fhir(folder, ward, tmp_path, capsys):
    out = tmp_path / "patients.ndjson"
    with pytest.raises(SystemExit) as ended:
        call(["score", str(ward), "--models", str(folder), "--patients", "--fhir", str(out)])
    assert ended.value.code == 0
    lines = checked([json.loads(line) for line in out.read_text().splitlines()])
    assert f"{len(lines)} FHIR resources: " in capsys.readouterr().out
    assert {one["subject"]["reference"] for one in lines if one["resourceType"] == "RiskAssessment"} == {
        "Patient/anna", "Patient/ben", "Patient/cleo",
    }  # fmt: skip


def subjects(bundle):
    return [one["subject"] for one in resources(bundle, "RiskAssessment")]


def test_only_patients_that_were_named_are_referred_to(client):
    numbers = {"signal": small_models.ecg(3, 20)[:, 0].tolist(), "fs": 360.0}
    made_up, _ = asked(client, "/v1/signals/score", json=numbers)
    assert all("reference" not in one for one in subjects(made_up))
    named, _ = asked(client, "/v1/signals/score", json=numbers | {"record": "P-17"})
    assert {"reference": "Patient/P-17"} in subjects(named)
    # a record without a patient, a picture, symptoms and a patient without a name
    record, _ = asked(client, "/v1/tabular/score", json={"records": RECORD})
    assert subjects(record) == [{"display": "1"}] * 2
    image, _ = asked(client, "/v1/imaging/score", files={"file": ("a.png", png(small_models.images(1)[0]))})
    assert all("reference" not in one for one in subjects(image))
    case, _ = asked(client, "/v1/diagnosis/rank", json=LISTED | {"case_id": "P-17"})
    assert subjects(case) == [{"reference": "Patient/P-17"}]
    patient, _ = asked(
        client, "/v1/patients/score", json={"patients": [{"tabular": RECORD, "diagnosis": LISTED}]}
    )
    assert subjects(patient) == [{"display": "1"}] * 2

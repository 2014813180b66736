"""Answers as resources of FHIR R4B: a RiskAssessment per case and model, a DetectedIssue per alarm, what was noted.

A p-value is no probability of an outcome, so it never stands in ``probabilityDecimal``; that holds the probability of a
supervised model. ``status`` carries whether p-values hold: ``final`` where they do, ``preliminary`` where nobody can
tell, ``cancelled`` where they do not hold or the case was refused; a p-value that does not hold is left out. Source:
https://hl7.org/fhir/R4B."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medanomaly.core.errors import ConfigurationError
from medanomaly.scoring.answers import NOTICE, REFUSED, SHOWN_REASONS, Answers

MEDIA_TYPE = "application/fhir+json"
P_VALUE = "urn:medanomaly:p-value"
CASE = "urn:medanomaly:case"
STATUS = {"holds": "final", "unknown": "preliminary", "broken": "cancelled"}
NOT_TESTED = "whether p-values hold was not tested"
WORDS = {
    "holds": "P-values hold: {}.",
    "unknown": "Nobody can tell whether p-values hold: {}.",
    "broken": "The p-value is withheld, because p-values do not hold: {}.",
}


def fhir_resources(found: Answers, at: datetime | None = None) -> list[dict[str, Any]]:
    """Answers as resources.

    Args:
        found: the answers.
        at: when they were given; None takes now.

    Returns:
        Per case and model a RiskAssessment, per case that a model flags a DetectedIssue that names the models, and an
        OperationOutcome with the notes about all cases, where there are some.
    """
    said = found.to_dict()
    when = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    cases = found.read.cases
    patients = dict(zip(cases["case_id"], cases["patient_id"], strict=True)) if "patient_id" in cases else {}
    outcomes = {str(data.about["outcome"]) for data in found.read.inputs.values() if "outcome" in data.about}
    outcome = outcomes.pop() if len(outcomes) == 1 else "the outcome of the training"
    out: list[dict[str, Any]] = []
    for case in said["cases"]:
        patient = patients.get(case["case_id"]) if found.read.named else None
        subject = subject_of(patient, str(case["case"]))
        if case["status"] == REFUSED:
            out.append(_refused(case, subject, when, found.noun))
            continue
        made = [_assessment(case, answer, subject, when, said, found, outcome) for answer in case["answers"]]
        out += [resource for resource, _ in made]
        flagged = [resource for resource, flags in made if flags]
        if flagged:
            out.append(_issue(case, subject, when, found.noun, flagged, len(made)))
    if said["notes"]:
        issues = [
            {"severity": "information", "code": "informational", "diagnostics": note}
            for note in said["notes"]
        ]
        out.append({"resourceType": "OperationOutcome", "id": resource_id("notes", when), "issue": issues})
    return out


def fhir_bundle(resources: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Resources as a Bundle."""
    entries = [{"resource": resource} for resource in resources]
    return {"resourceType": "Bundle", "type": "collection"} | ({"entry": entries} if entries else {})


def write_fhir(given: Iterable[Mapping[str, Any]], path: Path) -> int:
    """Write resources as NDJSON, one per line, each checked against R4B before; returns how many.

    Raises:
        ConfigurationError: ``fhir.resources`` is not installed.
    """
    resources = checked(given)
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(one, ensure_ascii=False, allow_nan=False) + "\n" for one in resources]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def checked(resources: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The resources, after each was checked against R4B.

    Raises:
        ConfigurationError: ``fhir.resources`` is not installed.
        ValueError: a resource is not valid; that is an error of this module.
    """
    try:
        from fhir.resources.R4B import get_fhir_model_class
    except ImportError as error:
        raise ConfigurationError(
            "FHIR resources are checked by fhir.resources, which is not installed",
            remedy="pip install 'medanomaly[interchange]'.",
        ) from error
    out = list(resources)
    for one in out:
        get_fhir_model_class(one["resourceType"]).model_validate(one)
    return out


def resource_id(*parts: str) -> str:
    """An id that is the same for the same parts, and says nothing of them."""
    return hashlib.blake2b("\x1f".join(parts).encode(), digest_size=16).hexdigest()


def subject_of(patient: Any, name: str) -> dict[str, str]:
    """Whom a resource is about: a reference, where the id is one of FHIR, else a name to show."""
    # an id of FHIR has 64 of these characters at most
    if (
        isinstance(patient, str)
        and 0 < len(patient) <= 64
        and patient.replace("-", "").replace(".", "").isalnum()
    ):
        return {"reference": f"Patient/{patient}"} if patient.isascii() else {"display": patient}
    return {"display": patient if isinstance(patient, str) and patient else name}


def base(kind: str, case_id: str, key: str) -> dict[str, Any]:
    """Type, id and identifier of a resource about a case; ``key`` tells those of one kind and case apart."""
    return {
        "resourceType": kind,
        "id": resource_id(kind, case_id, key),
        "identifier": [{"system": CASE, "value": str(case_id)}],
    }


def notes_of(*texts: str) -> list[dict[str, str]]:
    """Texts that are not empty as notes, with that this is research."""
    return [{"text": text} for text in (*texts, NOTICE) if text]


def _refused(case: Mapping[str, Any], subject: dict, when: str, noun: str) -> dict[str, Any]:
    return base("RiskAssessment", case["case_id"], "refused") | {
        "status": "cancelled",
        "subject": subject,
        "occurrenceDateTime": when,
        "code": {"text": f"How unusual this {noun} is"},
        "note": notes_of(f"The {noun} was refused: {case['reason']}."),
    }


def _assessment(
    case: Mapping[str, Any],
    answer: Mapping[str, Any],
    subject: dict,
    when: str,
    said: Mapping[str, Any],
    found: Answers,
    outcome: str,
) -> tuple[dict[str, Any], bool]:
    """The resource, and whether it is an alarm."""
    verdict, reason = _verdict(answer, said)
    prediction, flagged = _prediction(answer, verdict, found.noun, outcome)
    looks = "; ".join(filter(None, (one.get("message", "") for one in case["findings"])))
    missing = ", ".join(case["missing"])
    out = base("RiskAssessment", case["case_id"], answer["model"]) | {
        "status": STATUS[verdict],
        "subject": subject,
        "occurrenceDateTime": when,
        "code": {"text": f"How unusual this {found.noun} is"},
        "method": {"text": f"{answer['model']} ({answer.get('bundle', '')[:12]})"},
        "prediction": [prediction],
        "note": notes_of(
            WORDS[verdict].format(reason) if "probability" not in answer else "",
            f"Looks wrong: {looks}." if looks else "",
            f"Not given: {missing}." if missing else "",
        ),
    }
    return out, flagged


def _verdict(answer: Mapping[str, Any], said: Mapping[str, Any]) -> tuple[str, str]:
    if "probability" in answer:
        return "holds", ""
    # a model of another modality carries it in its name
    names = (answer["model"], f"{said['modality']}.{answer['model']}")
    own = next((name for name in names if name in said["p_values_hold"]), names[1])
    check = said["p_values_hold"].get(own, {"verdict": "unknown", "reason": NOT_TESTED})
    weighted = said.get("weighted", {}).get(own, {})
    if weighted.get("withheld"):
        return "broken", weighted["withheld"]
    if weighted:
        return "unknown", "they are weighted, so that the calibration cases are taken as these cases are"
    if answer.get("p_value_holds") is False and check["verdict"] != "broken":
        return "broken", said["stream"]["reason"]
    return check["verdict"], check["reason"]


def _prediction(
    answer: Mapping[str, Any], verdict: str, noun: str, outcome: str
) -> tuple[dict[str, Any], bool]:
    if "probability" in answer:
        out = {"outcome": {"text": outcome}, "probabilityDecimal": answer["probability"]}
        return out | ({"rationale": _reasons(answer)} if _reasons(answer) else {}), answer.get(
            "flagged"
        ) is True
    out: dict[str, Any] = {"outcome": {"text": f"the {noun} is unusual among calibration {noun}s"}}
    p_value, flagged = answer.get("p_value"), answer.get("flagged") is True
    if verdict == "broken" or p_value is None:
        return out, False
    out["extension"] = [{"url": P_VALUE, "valueDecimal": p_value}]
    out["qualitativeRisk"] = {"text": "unusual" if flagged else "usual"}
    rationale = f"p-value {p_value:.3g}; flagged at {answer['alpha']:g} or less"
    reasons = _reasons(answer)
    out["rationale"] = f"{rationale}; {reasons}" if reasons else rationale
    return out, flagged


def _reasons(answer: Mapping[str, Any]) -> str:
    """The largest contributions in one line."""
    said = []
    for term in [one for one in answer.get("reasons", ()) if one["contribution"] > 0][:SHOWN_REASONS]:
        unit = f" {term['unit']}" if term.get("unit") else ""
        usual = (
            f" (usual {term['usual_low']:.4g} to {term['usual_high']:.4g}{unit})"
            if "usual_low" in term
            else ""
        )
        said.append(f"{term['feature']} {term.get('value', '')}{unit}{usual}")
    return "; ".join(said)


def _issue(
    case: Mapping[str, Any], subject: dict, when: str, noun: str, flagged: list[dict], n_models: int
) -> dict[str, Any]:
    names = ", ".join(one["method"]["text"] for one in flagged)
    final = all(one["status"] == "final" for one in flagged)
    return base("DetectedIssue", case["case_id"], "alarm") | {
        "status": "final" if final else "preliminary",
        "code": {"text": f"Unusual {noun}"},
        "patient": subject,
        "identifiedDateTime": when,
        "implicated": [{"reference": f"RiskAssessment/{one['id']}"} for one in flagged],
        "detail": f"{len(flagged)} of {n_models} models flag this {noun}: {names}. {NOTICE}",
    }

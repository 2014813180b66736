"""Answers about patients as resources of FHIR R4B: a RiskAssessment of all modalities, a DetectedIssue where it is an alarm.

The p-value of a patient stands in the extension of the prediction, like that of a case, and is left out where p-values do
not hold. Rankings of diseases follow, each a RiskAssessment of its own. Source: https://hl7.org/fhir/R4."""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from typing import Any

from medanomaly.scoring.answers import NOTICE
from medanomaly.scoring.fhir import P_VALUE, STATUS, WORDS, base, notes_of, subject_of
from medanomaly.scoring.fhir_rankings import ranking_resources
from medanomaly.scoring.patients import PatientAnswer

CODE = {"text": "How unusual this patient is in all modalities that are given"}


def patient_resources(
    found: Iterable[PatientAnswer], at: datetime | None = None, named: Collection[str] | None = None
) -> list[dict[str, Any]]:
    """Answers about patients as resources.

    Args:
        found: the answers.
        at: when they were given; None takes now.
        named: ids of patients that were given, so that they can be referred to; None: all.

    Returns:
        Per patient a RiskAssessment, a DetectedIssue where the patient is flagged and p-values are not broken, and a
        RiskAssessment per case of symptoms, with its diseases in order.
    """
    at = at or datetime.now(UTC)
    out: list[dict[str, Any]] = []
    for patient in found:
        given = patient.patient_id if named is None or patient.patient_id in named else None
        subject = subject_of(given, patient.patient_id)
        out += _about(patient, subject, at.isoformat(timespec="seconds"))
        for ranking in patient.rankings.values():
            out += ranking_resources(ranking, at, subject)
    return out


def _about(patient: PatientAnswer, subject: dict[str, str], when: str) -> list[dict[str, Any]]:
    said = patient.to_dict()
    risk = base("RiskAssessment", patient.patient_id, "patient") | {
        "subject": subject,
        "occurrenceDateTime": when,
        "code": CODE,
        "method": {"text": f"fusion ({said['bundle'][:12]})"},
    }
    lost = "; ".join(f"{one['part']}: {one['reason']}" for one in said["refused"])
    lost = f"Refused: {lost}." if lost else ""
    if not patient.scored:
        return [
            risk | {"status": "cancelled", "note": notes_of("Nothing of the patient could be scored.", lost)}
        ]
    verdict, reason = said["p_values_hold"]["verdict"], said["p_values_hold"]["reason"]
    missing = ", ".join(said["not_given"])
    looks = "; ".join(
        one["message"] for of in said["modalities"] for one in of["findings"] if one.get("message")
    )
    prediction: dict[str, Any] = {"outcome": {"text": "the patient is unusual among calibration patients"}}
    if verdict != "broken":
        modalities = ", ".join(f"{of['modality']} {of['p_value']:.3g}" for of in said["modalities"])
        speaks = f"; {' and '.join(said['speaks'])} speaks" if said["speaks"] else ""
        prediction |= {
            "extension": [{"url": P_VALUE, "valueDecimal": said["p_value"]}],
            "qualitativeRisk": {"text": "unusual" if said["flagged"] else "usual"},
            "rationale": f"p-value {said['p_value']:.3g}; flagged at {said['alpha']:g} or less; p-values of the modalities: "
            f"{modalities}{speaks}",
        }
    risk |= {
        "status": STATUS[verdict],
        "prediction": [prediction],
        "note": notes_of(
            WORDS[verdict].format(reason),
            said["approximation"],
            f"Looks wrong: {looks}." if looks else "",
            f"Not given: {missing}." if missing else "",
            lost,
        ),
    }
    if verdict == "broken" or not said["flagged"]:
        return [risk]
    issue = base("DetectedIssue", patient.patient_id, "patient alarm") | {
        "status": "final" if risk["status"] == "final" else "preliminary",
        "code": {"text": "Unusual patient"},
        "patient": subject,
        "identifiedDateTime": when,
        "implicated": [{"reference": f"RiskAssessment/{risk['id']}"}],
        "detail": f"The fusion of {', '.join(said['pattern'])} flags this patient. {NOTICE}",
    }
    return [risk, issue]

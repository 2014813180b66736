"""Ranked diseases as resources of FHIR R4B: a RiskAssessment per case, with one prediction per disease in order.

``probabilityDecimal`` holds the probability of a disease. The p-value, which says how little the case looks like any known
disease, belongs to the case and stands in the extension of the resource. Source: https://hl7.org/fhir/R4."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from medanomaly.diagnosis.knowledge.source import versions_in_words
from medanomaly.scoring.answers import REFUSED
from medanomaly.scoring.fhir import P_VALUE, STATUS, base, notes_of, subject_of
from medanomaly.scoring.rankings import Rankings

# prefix of the id of a disease -> its code system
SYSTEMS = {"OMIM": "https://www.omim.org", "ORPHA": "http://www.orpha.net"}
TITLE = {"text": "Diseases that would explain the symptoms"}
# symptoms that a rationale names on each side
_NAMED = 5


def ranking_resources(
    found: Rankings, at: datetime | None = None, subject: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """A RiskAssessment per case.

    Args:
        found: the rankings.
        at: when they were made; None takes now.
        subject: whom they are about; None takes the patients of the cases.
    """
    when = (at or datetime.now(UTC)).isoformat(timespec="seconds")
    said, cases = found.to_dict(), found.read.cases
    patients = dict(zip(cases["case_id"], cases["patient_id"], strict=True)) if found.read.named else {}
    return [
        _resource(
            case, said, when, subject or subject_of(patients.get(case["case_id"]), str(case["case_id"]))
        )
        for case in said["cases"]
    ]


def _resource(
    case: Mapping[str, Any], said: Mapping[str, Any], when: str, subject: Mapping[str, str]
) -> dict[str, Any]:
    name = said["model"]["name"]
    # cases of two patients may have one name
    out = base("RiskAssessment", case["case_id"], f"ranking by {name} of {sorted(subject.values())}") | {
        "subject": dict(subject),
        "occurrenceDateTime": when,
        "code": TITLE,
    }
    if case["status"] == REFUSED:
        return out | {"status": "cancelled", "note": notes_of(f"The patient was refused: {case['reason']}.")}
    none = case.get("none_of_these")
    unread = "; ".join(f"{one['given']} ({one['reason']})" for one in case["not_read"])
    missing = ", ".join(case["missing"])
    return out | {
        # whether p-values hold is not tested for single patients
        "status": STATUS["unknown"],
        "extension": [{"url": P_VALUE, "valueDecimal": case["p_value"]}],
        "method": {"text": f"{name} ({said['model']['bundle'][:12]})"},
        "prediction": [_prediction(disease) for disease in case["diseases"]],
        "note": notes_of(
            f"Symptoms: {_symptoms(case['symptoms'])}.",
            *case["cautions"],
            ""
            if none is None
            else f"The probability that it is none of the diseases of the list is {none:.2g}.",
            f"Not read: {unread}." if unread else "",
            f"Not given: {missing}." if missing else "",
            f"Knowledge: {versions_in_words(said['knowledge'])}. {said['knowledge'].get('licence', '')}".strip(),
        ),
    }


def _symptoms(symptoms: list[Mapping[str, Any]]) -> str:
    named = (f"{one['name']} ({one['term']}{', excluded' if one['excluded'] else ''})" for one in symptoms)
    return "; ".join(named)


def _prediction(disease: Mapping[str, Any]) -> dict[str, Any]:
    prefix, _, code = disease["disease"].partition(":")
    outcome: dict[str, Any] = {"text": disease["disease_name"]}
    if prefix in SYSTEMS:
        coding = {"system": SYSTEMS[prefix], "code": code, "display": disease["disease_name"]}
        outcome = {"coding": [coding]} | outcome
    rationale = "; ".join([f"rank {disease['rank']}", *_rationale(disease.get("reasons", ()))])
    out = {"outcome": outcome, "rationale": rationale}
    return out | ({"probabilityDecimal": disease["probability"]} if "probability" in disease else {})


def _rationale(reasons: Any) -> list[str]:
    """What speaks most for and most against a disease, in words."""
    out = []
    for words, sign in (("for it", 1), ("against it", -1)):
        own = sorted(
            (one for one in reasons if sign * one["log_ratio"] > 0), key=lambda one: -sign * one["log_ratio"]
        )
        if own:
            names = (f"{'no ' if one['excluded'] else ''}{one['name']}" for one in own[:_NAMED])
            out.append(f"{words}: {', '.join(names)}")
    return out

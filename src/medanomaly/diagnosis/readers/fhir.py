"""HL7 FHIR R4 bundles in JSON: Patient, Condition and Observation resources with HPO codes or words.

A Condition, and an Observation whose value says present or absent, is a symptom where it has an HPO code, or where its words
are the name or a synonym of a term. A confirmed Condition with a code of OMIM or Orphanet is the disease. Everything else
that the bundle says of a patient is listed as not read, with the reason. What was entered in error is not used.

Source: https://hl7.org/fhir/R4 (Condition, Observation); codes of presence: LOINC LL1937-3, SNOMED CT 52101004 and 2667000.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.readers.ages import years
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.readers.words import Words, folded

# how sure a Condition is, by its verification status
CERTAINTY = {"confirmed": 1.0, "provisional": 0.5, "differential": 0.5, "unconfirmed": 0.5}
_PRESENT = {"la9633-4", "52101004", "373066001", "pos", "present", "positive", "yes", "observed"}
_ABSENT = {"la9634-2", "2667000", "373067005", "neg", "absent", "negative", "no", "not present"}
_HPO = re.compile(r"(?i)HP[:_]\d{7}")
_DISEASES = (("omim", "OMIM"), ("orpha", "ORPHA"))
_WRONG = {"entered-in-error", "cancelled"}


def read_fhir(source: Path | str | Mapping[str, Any], ontology: Ontology | Words) -> PatientSymptoms:
    """Cases of a bundle, one per Patient; a resource that cannot be read costs only itself.

    Args:
        source: the path of a JSON file, or the bundle as a mapping.
        ontology: release that terms are resolved with.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is no bundle, or there is no Patient in it.
    """
    bundle = source if isinstance(source, Mapping) else _read(Path(source))
    name = "bundle" if isinstance(source, Mapping) else source
    if bundle.get("resourceType") != "Bundle" or not isinstance(bundle.get("entry", []), list):
        raise InputError(
            f"it holds a resource of type {bundle.get('resourceType')!r}",
            remedy="Give a FHIR Bundle with the resources Patient, Condition and Observation.",
            source=name,
        )
    found = _Bundle(ontology if isinstance(ontology, Words) else Words(ontology))
    resources = [
        (str(entry.get("fullUrl", "")), entry["resource"])
        for entry in bundle.get("entry", [])
        if isinstance(entry, Mapping) and isinstance(entry.get("resource"), Mapping)
    ]
    for url, resource in resources:
        if resource.get("resourceType") == "Patient":
            found.add_patient(url, resource)
    if not found.patients:
        raise InputError("there is no Patient in the bundle", source=name)
    for _, resource in resources:
        if resource.get("resourceType") == "Patient":
            continue
        try:
            found.add(resource)
        except (AttributeError, TypeError, ValueError) as error:
            kind = str(resource.get("resourceType"))
            found.unread.append(
                (next(iter(found.patients)), kind, f"the resource is no valid {kind}: {error}")
            )
    return found.symptoms()


def _read(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise DataNotFoundError("the file does not exist", source=path)
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"the file is no JSON: {error}", source=path) from error
    if not isinstance(found, Mapping):
        raise InputError("the file holds no FHIR resource", source=path)
    return found


@dataclass
class _Patient:
    case: str
    sex: str | None
    born: date | None
    seen: list[date] = field(default_factory=list)
    diseases: list[tuple[str, str]] = field(default_factory=list)


@dataclass
class _Bundle:
    """Patients of a bundle and what is said of them."""

    words: Words
    patients: dict[str, _Patient] = field(default_factory=dict)
    rows: list[tuple] = field(default_factory=list)
    unread: list[tuple[str, str, str]] = field(default_factory=list)
    refused: list[tuple[str, str]] = field(default_factory=list)
    _by_address: dict[str, str] = field(default_factory=dict)

    def add_patient(self, url: str, resource: Mapping[str, Any]) -> None:
        case = str(resource.get("id") or url.rpartition("/")[2].removeprefix("urn:uuid:") or "patient")
        sex = {"male": "M", "female": "F"}.get(str(resource.get("gender", "")).lower())
        if case in self.patients:
            self.refused.append((case, "two Patients of the bundle have this id: the second one is not used"))
            return
        self.patients[case] = _Patient(case, sex, _day(resource.get("birthDate")))
        self._by_address |= {f"Patient/{case}": case} | ({url: case} if url else {})

    def add(self, resource: Mapping[str, Any]) -> None:
        kind, said = str(resource.get("resourceType", "")), _said(resource.get("code"))
        reference = str((resource.get("subject") or resource.get("patient") or {}).get("reference", ""))
        # a versioned or absolute reference ends with Patient/<id>
        plain = reference.partition("/_history")[0]
        key = reference if reference in self._by_address else "/".join(plain.split("/")[-2:])
        case = self._by_address.get(key)
        if case is None and not reference and len(self.patients) == 1:
            case = next(iter(self.patients))
        if case is None:
            self.unread.append(
                (reference or kind, said or kind, "it is of a patient who is not in the bundle")
            )
            return
        if kind not in ("Condition", "Observation"):
            self.unread.append((case, said or kind, f"a {kind} is not read"))
            return
        status = str(resource.get("status", "")).lower()
        verification = _codes(resource.get("verificationStatus"))
        if status in _WRONG or verification & _WRONG:
            self.unread.append((case, said, "it was entered in error or cancelled"))
            return
        patient = self.patients[case]
        if day := _latest(resource):
            patient.seen.append(day)
        if kind == "Condition":
            self._condition(patient, resource, verification)
        else:
            self._observation(patient, resource)

    def _condition(self, patient: _Patient, resource: Mapping[str, Any], verification: set[str]) -> None:
        excluded = "refuted" in verification
        disease = _disease(resource.get("code"))
        if disease is not None and not _hpo(resource.get("code")):
            if not excluded and verification <= {"confirmed"}:
                patient.diseases.append(disease)
            else:
                self.unread.append(
                    (patient.case, " ".join(disease), "a disease that is not confirmed is no symptom")
                )
            return
        sure = min((CERTAINTY[v] for v in verification if v in CERTAINTY), default=1.0)
        self._symptom(
            patient, resource.get("code"), excluded, 1.0 if excluded else sure, _onset(resource, patient)
        )

    def _observation(self, patient: _Patient, resource: Mapping[str, Any]) -> None:
        said = _said(resource.get("code"))
        value = resource.get("valueBoolean")
        coded = _codes(resource.get("valueCodeableConcept")) | {
            code for one in _list(resource.get("interpretation")) for code in _codes(one)
        }
        coded |= {folded(str(resource["valueString"]))} if "valueString" in resource else set()
        present = value is True or bool(coded & _PRESENT)
        absent = value is False or bool(coded & _ABSENT)
        if present and absent:
            self.unread.append((patient.case, said, "it says both present and absent"))
        elif _hpo(resource.get("valueCodeableConcept")):
            # the question stands in the code, and the answer is the symptom
            self._symptom(patient, resource["valueCodeableConcept"], False, 1.0, float("nan"))
        elif present or absent or not any(key.startswith("value") for key in resource):
            if "dataAbsentReason" in resource:
                self.unread.append((patient.case, said, "its value is not known"))
                return
            self._symptom(patient, resource.get("code"), absent, 1.0, float("nan"))
        else:
            self.unread.append(
                (patient.case, said, "a measured value is no symptom; name the symptom that it shows")
            )

    def _symptom(self, patient: _Patient, concept: Any, excluded: bool, weight: float, onset: float) -> None:
        codes = _hpo(concept)
        texts = (
            codes or [text for text in _texts(concept) if self.words.knows(text)][:1] or _texts(concept)[:1]
        )
        if not texts:
            self.unread.append((patient.case, "", "it has neither a code nor words"))
        self.rows += [(patient.case, text, excluded, weight, onset) for text in texts]

    def symptoms(self) -> PatientSymptoms:
        cases = [self._case(patient) for patient in self.patients.values()]
        return read_symptoms(
            case_table(cases), written_symptoms(self.rows), self.words, self.refused, self.unread
        )

    def _case(self, patient: _Patient) -> tuple:
        age = float("nan")
        if patient.born is not None and patient.seen:
            age = max(0.0, (max(patient.seen) - patient.born).days / 365.25)
        diseases = list(dict.fromkeys(patient.diseases))
        for other in diseases[1:]:
            self.unread.append((patient.case, " ".join(other), "a second disease: the first one is kept"))
        disease, name = diseases[0] if diseases else (None, None)
        return patient.case, patient.case, None, disease, name, patient.sex, age, float("nan")


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else []


def _codings(concept: Any) -> Iterator[tuple[str, str, str]]:
    """System, code and words of each coding of a CodeableConcept."""
    if isinstance(concept, Mapping):
        for coding in _list(concept.get("coding")):
            if isinstance(coding, Mapping):
                yield tuple(str(coding.get(name) or "") for name in ("system", "code", "display"))


def _codes(concept: Any) -> set[str]:
    """Codes and words of a concept, in lower case."""
    found = {text.lower() for _, code, display in _codings(concept) for text in (code, display) if text}
    text = concept.get("text") if isinstance(concept, Mapping) else None
    return found | ({str(text).strip().lower()} if text else set())


def _hpo(concept: Any) -> list[str]:
    return list(dict.fromkeys(code for _, code, _ in _codings(concept) if _HPO.search(code)))


def _disease(concept: Any) -> tuple[str, str] | None:
    for system, code, display in _codings(concept):
        for word, prefix in _DISEASES:
            number = code.rpartition(":")[2]
            if (word in system.lower() or code.upper().startswith(f"{prefix}:")) and number.isdigit():
                return f"{prefix}:{number}", display
    return None


def _texts(concept: Any) -> list[str]:
    """Words of a concept: what was written, then names of its codes."""
    text = str(concept.get("text") or "") if isinstance(concept, Mapping) else ""
    return [
        t.strip()
        for t in dict.fromkeys((text, *(display for _, _, display in _codings(concept))))
        if t.strip()
    ]


def _said(concept: Any) -> str:
    codes = [f"{system.rpartition('/')[2]} {code}".strip() for system, code, _ in _codings(concept) if code]
    return " ".join([*_texts(concept)[:1], *(f"({code})" for code in codes[:1])])


def _day(value: Any) -> date | None:
    """A date of FHIR, which may lack day and month: their middle is taken."""
    match = re.match(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", str(value or ""))
    if match is None:
        return None
    try:
        return date(int(match[1]), int(match[2] or 7), int(match[3] or (1 if match[2] is None else 15)))
    except ValueError:
        return None


def _latest(resource: Mapping[str, Any]) -> date | None:
    names = ("effectiveDateTime", "issued", "recordedDate", "onsetDateTime")
    days = [_day(resource.get(name)) for name in names]
    return max((day for day in days if day is not None), default=None)


def _onset(resource: Mapping[str, Any], patient: _Patient) -> float:
    """Onset of a Condition in years of age; NaN where it is not said."""
    age = resource.get("onsetAge")
    if isinstance(age, Mapping) and age.get("value") is not None:
        found = years(f"{age['value']} {age.get('unit') or age.get('code') or 'years'}")
        return float("nan") if found is None else found
    day = _day(resource.get("onsetDateTime"))
    if day is None or patient.born is None:
        return float("nan")
    return max(0.0, (day - patient.born).days / 365.25)

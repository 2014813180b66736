"""HL7 FHIR R4 in JSON: bundles, NDJSON of a bulk export, single resources, and folders of them.

Patient, Encounter, Observation with its components, Condition, MedicationRequest and DiagnosticReport are read; a
resource of another kind, and one that cannot be read, costs only itself. Source: https://hl7.org/fhir/R4.
"""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.tabular.events.account import NOT_ASKED, QUARANTINED, USED, Account
from medanomaly.tabular.events.codes import SYSTEMS
from medanomaly.tabular.events.description import DEATH, EventSpec
from medanomaly.tabular.events.form import (
    ENDS_EARLY,
    NO_CODE,
    NO_TIME,
    PATIENT_COLUMNS,
    TEXT_VALUE,
    UNKNOWN_PATIENT,
    UNREADABLE_TIME,
    VISIT_COLUMNS,
    Events,
    birth_day,
    bound_of,
    of_known_patients,
    read_times,
    timed,
)

ENDINGS = (".json", ".ndjson", ".jsonl", ".json.gz", ".ndjson.gz")
READ = ("Patient", "Encounter", "Observation", "Condition", "MedicationRequest", "DiagnosticReport")
# a resource that others point to
_POINTED_TO = ("Medication",)
NOT_ASKED_CODE = "no feature names its code"
NOT_READ = "resources of this kind are not read"
NO_JSON = "the line is no JSON"
NO_RESOURCE = "it is no FHIR resource"
MALFORMED = "the resource does not have the form of FHIR R4"
TWICE = "a resource of this kind and id was read before"
NO_ID = "it has no id"
INSIDE = "the patient stands inside the resource and has no id outside of it"
NO_SUBJECT = "it names no patient"
WRONG = "entered in error, cancelled or refuted"
ONLY_PLANNED = "only planned or proposed"
_WRONG = {"entered-in-error", "cancelled", "refuted"}
_PLANNED = {"planned", "proposal", "plan", "draft", "registered"}
_KINDS = {
    **dict.fromkeys(("IMP", "ACUTE", "NONAC", "OBSENC", "SS"), "inpatient"),
    **dict.fromkeys(("AMB", "VR", "HH"), "outpatient"),
    "EMER": "emergency",
}
_SEX = {"male": "M", "female": "F"}


def read_fhir(source: Mapping | list | str | Path, spec: EventSpec) -> Events:
    """Events of FHIR resources.

    Args:
        source: a bundle, a resource, a list of either, the path of a file (``ENDINGS``), or of a folder of such files.
        spec: the recipe; codes that it does not name are counted and left out.

    Raises:
        DataNotFoundError: there is no such file, or no file of FHIR in the folder.
        InputError: the file is no JSON, or holds no resource.
    """
    walk = Walk(spec)
    n = 0
    for resource in _resources(source, walk.account):
        n += 1
        walk.add(resource)
    if not n:
        raise no_resource(source if isinstance(source, (str, Path)) else "FHIR")
    return walk.events()


def no_resource(source: object) -> InputError:
    """The error of a source without a resource."""
    return InputError(
        "there is no FHIR resource in it",
        remedy="Give a Bundle, a resource with resourceType, or NDJSON with one resource per line.",
        source=source,
    )


def _resources(source: Any, account: Account) -> Iterator[Mapping]:
    if isinstance(source, (str, Path)):
        for file in fhir_files(Path(source)):
            yield from resources_of_file(file, account)
    elif isinstance(source, Mapping):
        yield from _of_json(source, account)
    else:
        for one in source:
            yield from _of_json(one, account)


def fhir_files(path: Path) -> list[Path]:
    """The file, or the files of FHIR in a folder.

    Raises:
        DataNotFoundError: there is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise DataNotFoundError("the file does not exist", source=path)
    files = sorted(one for one in path.rglob("*") if one.name.lower().endswith(ENDINGS) and one.is_file())
    if not files:
        raise DataNotFoundError(
            "there is no FHIR file in the folder",
            source=path,
            remedy=f"FHIR files end in {', '.join(ENDINGS)}.",
        )
    return files


def has_lines(path: Path) -> bool:
    """Whether a file holds one resource per line."""
    return path.name.lower().removesuffix(".gz").endswith((".ndjson", ".jsonl"))


def resources_of_file(path: Path, account: Account) -> Iterator[Mapping]:
    """The resources of a file; ``account`` gets what is none.

    Raises:
        InputError: the file is no JSON, or is cut off.
    """
    opener = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rb") as file:
        if not has_lines(path):
            try:
                found = json.loads(_unpacked(file.read, path))
            except (ValueError, RecursionError) as error:
                raise InputError(f"the file is no JSON: {error}", source=path) from error
            yield from _of_json(found, account)
            return
        while line := _unpacked(file.readline, path):
            if not line.strip():
                continue
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                lose(account, "lines", NO_JSON)
                continue
            yield from _of_json(found, account)


def _unpacked(read: Callable[[], bytes], path: Path) -> bytes:
    try:
        return read()
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"the file cannot be read: {error}", source=path, remedy="Get it again.") from error


def lose(account: Account, source: str, reason: str, code: str = "") -> None:
    """Say that a resource was read and is in quarantine."""
    account.read(source)
    account.add(source, QUARANTINED, reason, code)


def _of_json(found: Any, account: Account) -> Iterator[Mapping]:
    if isinstance(found, list):
        for one in found:
            yield from _of_json(one, account)
    elif not isinstance(found, Mapping) or not isinstance(found.get("resourceType"), str):
        lose(account, "resources", NO_RESOURCE)
    elif found["resourceType"] != "Bundle":
        yield found
    else:
        entries = found.get("entry")
        for entry in entries if isinstance(entries, list) else ():
            resource = entry.get("resource") if isinstance(entry, Mapping) else None
            if not isinstance(resource, Mapping) or not isinstance(resource.get("resourceType"), str):
                lose(account, "resources", NO_RESOURCE)
            elif resource["resourceType"] == "Bundle":
                yield from _of_json(resource, account)
            else:
                url = entry.get("fullUrl")
                yield {**resource, "_url": url} if isinstance(url, str) and url else resource


def id_of(resource: Mapping) -> object:
    """The id of a resource, else the end of its address; empty where it has neither."""
    return resource.get("id") or resource.get("_url", "").rpartition("/")[2].removeprefix("urn:uuid:")


class Walk:
    """Collects what resources say; whom they speak of is looked up at the end, since a patient may come last.

    Args:
        spec: the recipe.
        account: that counts go to; None makes one.
        pointed: resources of another walk that others point to.

    Attributes:
        account: what became of the resources.
        pointed: address -> a resource that others point to.
    """

    def __init__(
        self, spec: EventSpec, account: Account | None = None, pointed: dict[str, Mapping] | None = None
    ):
        self.account = Account() if account is None else account
        self.pointed = {} if pointed is None else pointed
        # the codes that are asked for, as they stand in a resource
        self._asked = {name: name for name in spec.meanings}
        systems = {name: address for address, name in SYSTEMS.items()}
        for name in spec.meanings:
            system, _, code = name.partition("/")
            if system in systems:
                self._asked[systems[system], code] = name
        self._patients: dict[str, tuple[str | None, pd.Timestamp]] = {}
        self._address: dict[str, str] = {}
        self._seen: set[tuple[str, str]] = set()
        self._visits: list[tuple] = []
        self._rows: list[tuple] = []
        self._by_reference: list[tuple] = []

    def add(self, resource: Mapping) -> None:
        """Take one resource; one without the form of FHIR costs only itself."""
        kind = resource["resourceType"]
        if kind in _POINTED_TO:
            self._point(resource)
        if kind not in READ:
            self.account.read(kind)
            self.account.add(kind, NOT_ASKED, NOT_READ)
            return
        before = len(self._rows), len(self._by_reference), len(self._visits)
        try:
            given = resource.get("id")
            if given is not None:
                key = (kind, str(given))
                if key in self._seen:
                    lose(self.account, kind, TWICE)
                    return
                self._seen.add(key)
            if kind == "Patient":
                self._patient(resource)
            elif kind == "Encounter":
                self._encounter(resource)
            else:
                self._events(resource, kind, {})
        except (AttributeError, TypeError, ValueError, KeyError):
            for rows, n in zip((self._rows, self._by_reference, self._visits), before, strict=True):
                del rows[n:]
            lose(self.account, kind, MALFORMED)

    def _point(self, resource: Mapping) -> None:
        said = {"code": resource.get("code")}
        if resource.get("id") is not None:
            self.pointed[f"{resource['resourceType']}/{resource['id']}"] = said
        if resource.get("_url"):
            self.pointed[resource["_url"]] = said

    def _patient(self, resource: Mapping) -> None:
        url = resource.get("_url", "")
        given = id_of(resource)
        if not given:
            lose(self.account, "Patient", NO_ID)
            return
        patient, born = str(given), str(resource.get("birthDate") or "")
        self.account.read("Patient")
        self.account.add("Patient", USED)
        parts = [part for part in born[:10].split("-") if part]
        self._patients[patient] = (
            _SEX.get(str(resource.get("gender")).lower()),
            birth_day(*(parts or [None])),
        )
        self._address[f"Patient/{patient}"] = patient
        if DEATH in self._asked and resource.get("deceasedDateTime"):
            # a death is an event of its own
            self.account.read("Patient.deceased")
            row = (
                f"Patient/{patient}",
                resource["deceasedDateTime"],
                DEATH,
                None,
                "",
                "",
                "Patient.deceased",
            )
            self._rows.append(row)
        if url:
            self._address[url] = patient

    def _encounter(self, resource: Mapping) -> None:
        subject = self._subject(resource, {})
        reason = _unusable(resource) or (subject if isinstance(subject, _Reason) else None)
        if reason:
            lose(self.account, "Encounter", reason)
            return
        period, of = resource.get("period") or {}, resource.get("class") or {}
        kind = _KINDS.get(str(of.get("code")).upper(), "other")
        self._visits.append((subject, period.get("start"), period.get("end"), kind))

    def _subject(self, resource: Mapping, contained: Mapping[str, Mapping]) -> "str | _Reason":
        reference = (resource.get("subject") or resource.get("patient") or {}).get("reference")
        if not reference:
            return _Reason(NO_SUBJECT)
        if reference.startswith("#"):
            return _Reason(INSIDE)
        return reference

    def _events(self, resource: Mapping, kind: str, around: Mapping) -> None:
        inside = {
            f"#{one.get('id')}": one for one in resource.get("contained") or () if isinstance(one, Mapping)
        }
        subject = self._subject(resource if resource.get("subject") or not around else around, inside)
        reason = _unusable(resource) or (subject if isinstance(subject, _Reason) else None)
        if reason:
            lose(self.account, kind, reason)
            return
        if kind == "Observation":
            time = _time(resource, ("effectiveDateTime", "effectiveInstant"), "effectivePeriod")
            time = time or _time(around, ("effectiveDateTime",), "effectivePeriod")
            parts = resource.get("component") or ()
            if not parts or any(key.startswith("value") for key in resource):
                self._value(kind, subject, time, resource)
            for part in parts:
                self._value(kind, subject, time, part)
        elif kind == "Condition":
            time = _time(resource, ("onsetDateTime",), "onsetPeriod") or resource.get("recordedDate")
            self._code(kind, subject, time, resource.get("code"), None, "", "")
        elif kind == "MedicationRequest":
            self._prescription(resource, subject, inside)
        else:
            time = _time(resource, ("effectiveDateTime",), "effectivePeriod")
            self._code(kind, subject, time, resource.get("code"), None, "", "")
            for one in inside.values():
                if one.get("resourceType") == "Observation":
                    self._events(one, "Observation", resource)

    def _prescription(self, resource: Mapping, subject: str, inside: Mapping[str, Mapping]) -> None:
        time, concept = resource.get("authoredOn"), resource.get("medicationCodeableConcept")
        reference = (resource.get("medicationReference") or {}).get("reference")
        if concept is None and reference:
            if reference not in inside:
                # it may come later
                self._by_reference.append((subject, time, reference))
                return
            concept = inside[reference].get("code")
        self._code("MedicationRequest", subject, time, concept, None, "", "")

    def _value(self, kind: str, subject: str, time: str | None, of: Mapping) -> None:
        quantity = of.get("valueQuantity")
        value, unit, problem = None, "", ""
        if quantity is not None:
            value = quantity.get("value")
            unit = quantity.get("code") or quantity.get("unit") or ""
            mark = quantity.get("comparator")
            problem = bound_of(mark) if mark else ""
        elif "valueInteger" in of:
            value = of["valueInteger"]
        elif "dataAbsentReason" in of:
            problem = "the value is absent"
        elif any(key.startswith("value") for key in of):
            problem = TEXT_VALUE
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            value, problem = None, TEXT_VALUE
        self._code(kind, subject, time, of.get("code"), value, unit, problem)

    def _code(
        self, kind: str, subject: str, time: str | None, concept: Any, value: Any, unit: str, problem: str
    ) -> None:
        codings = (concept or {}).get("coding") or ()
        name = None
        for coding in codings:
            system, code = coding.get("system"), coding.get("code")
            name = self._asked.get((system, code)) or self._asked.get(f"{system}|{code}")
            if name is not None:
                break
        self.account.read(kind)
        if name is None:
            if any(coding.get("code") for coding in codings):
                self.account.add(kind, NOT_ASKED, NOT_ASKED_CODE)
            else:
                self.account.add(kind, QUARANTINED, NO_CODE)
            return
        self._rows.append((subject, time, name, value, str(unit), problem, kind))

    def events(self) -> Events:
        """All that was collected."""
        for subject, time, reference in self._by_reference:
            found = self.pointed.get("/".join(reference.split("/")[-2:])) or self.pointed.get(reference)
            if found is None:
                lose(self.account, "MedicationRequest", "the medication that it points to is not given")
                continue
            self._code("MedicationRequest", subject, time, found.get("code"), None, "", "")
        rows = pd.DataFrame(
            self._rows, columns=["patient_id", "time", "code", "value", "unit", "problem", "source"]
        )
        rows["value"] = rows["value"].astype("float64")
        for name in ("code", "unit", "problem", "source"):
            rows[name] = rows[name].astype(object).astype("category")
        who = self._who(rows["patient_id"])
        patients = pd.DataFrame(
            [(one, sex, birth) for one, (sex, birth) in self._patients.items()],
            columns=list(PATIENT_COLUMNS),
        )
        patients = patients.astype({"patient_id": object, "sex": "string", "birth": "datetime64[us]"})
        known = of_known_patients(rows.assign(patient_id=who), patients, self.account)
        return Events(timed(known, self.account), patients, self._of_encounters(), self.account)

    def _who(self, references: pd.Series) -> pd.Series:
        """Ids of the patients that references name; a versioned or absolute one ends with Patient/<id>."""
        found = {
            one: self._address.get(one)
            or self._address.get("/".join(str(one).partition("/_history")[0].split("/")[-2:]))
            for one in references.unique()
        }
        return references.map(found).astype(object)

    def _of_encounters(self) -> pd.DataFrame:
        visits = pd.DataFrame(self._visits, columns=list(VISIT_COLUMNS))
        visits["patient_id"] = self._who(visits["patient_id"])
        return checked_visits(visits, "Encounter", self.account)


def checked_visits(visits: pd.DataFrame, source: str, account: Account) -> pd.DataFrame:
    """Visits with times as text to visits with times; those without a patient or a start go to quarantine.

    Args:
        visits: ``VISIT_COLUMNS``.
        source: of the visits, for the account; cases are counted as ``visits`` later.
        account: gets what is in quarantine.
    """
    visits = visits.reset_index(drop=True)
    account.read(source, len(visits))
    start, _, problem = read_times(visits["start"])
    end, by_day, end_problem = read_times(visits["end"])
    # a visit goes on until the last day is over
    end = end.where(~by_day, end + pd.Timedelta(days=1) - pd.Timedelta(seconds=1))
    problem = problem.mask((problem == "") & (end_problem != "") & (end_problem != NO_TIME), UNREADABLE_TIME)
    problem = problem.mask((problem == "") & (end < start), ENDS_EARLY)
    problem = problem.mask(visits["patient_id"].isna(), UNKNOWN_PATIENT)
    for reason, n in problem[problem != ""].value_counts(sort=False).items():
        account.add(source, QUARANTINED, reason, n=n)
    good = problem == ""
    account.add(source, USED, n=int(good.sum()))
    account.read("visits", int(good.sum()))
    return visits.assign(start=start, end=end)[good].reset_index(drop=True)


class _Reason(str):
    """Why a resource cannot be used, in place of its subject."""


def _unusable(resource: Mapping) -> str | None:
    said = {str(resource.get("status", "")).lower(), str(resource.get("intent", "")).lower()}
    for coding in (resource.get("verificationStatus") or {}).get("coding") or ():
        said.add(str(coding.get("code", "")).lower())
    return WRONG if said & _WRONG else ONLY_PLANNED if said & _PLANNED else None


def _time(resource: Mapping, names: tuple[str, ...], period: str) -> str | None:
    for name in names:
        if resource.get(name):
            return resource[name]
    return (resource.get(period) or {}).get("start")

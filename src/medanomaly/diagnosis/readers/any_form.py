"""Patients in any of their forms: phenopackets, FHIR bundles, tables, and plain mappings."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, together, written_symptoms
from medanomaly.diagnosis.readers import symptom_table
from medanomaly.diagnosis.readers.case_table import case_table
from medanomaly.diagnosis.readers.fhir import read_fhir
from medanomaly.diagnosis.readers.phenopackets import _case, read_phenopackets
from medanomaly.diagnosis.readers.words import Words, folded

# a mapping with one of these is a phenopacket
PHENOPACKET = ("phenotypicFeatures", "phenopacket")
UNNAMED = "patient"


def form_of(raw: Any) -> str | None:
    """What it is, by its content; None where it holds no patient with symptoms.

    ``phenopackets``, ``bundle`` (FHIR), ``table``, ``mapping`` (of symptoms), ``files`` (by name), ``list`` or ``patients``.
    """
    if isinstance(raw, PatientSymptoms):
        return "patients"
    if isinstance(raw, (str, Path)):
        return _form_of_path(Path(raw))
    if isinstance(raw, Mapping):
        return _form_of_mapping(raw)
    if isinstance(raw, pd.DataFrame):
        return "table" if _has(raw.columns, "symptoms") else None
    many = isinstance(raw, Sequence) and not isinstance(raw, bytes) and len(raw) > 0
    each = (isinstance(one, (Mapping, Path)) and form_of(one) is not None for one in raw) if many else ()
    return "list" if many and all(each) else None


def _form_of_path(path: Path) -> str | None:
    ending = path.suffix.lower()
    if path.is_dir():
        return "phenopackets" if next(path.rglob("*.json"), None) is not None else None
    if not path.is_file():
        return None
    if ending == ".json":
        return form_of(_json(path))
    if ending == ".zip":
        return "phenopackets" if is_zipfile(path) and _holds_json(path) else None
    return "table" if ending in symptom_table.ENDINGS and _has(_columns(path), "symptoms") else None


def _holds_json(path: Path) -> bool:
    with ZipFile(path) as archive:
        return any(name.endswith(".json") for name in archive.namelist())


def _columns(path: Path) -> Iterable[str]:
    """Names of the columns of a file; none where it cannot be read, which its reader will say."""
    try:
        return symptom_table.read_file(path, header_only=True).columns
    except InputError:
        return ()


def _form_of_mapping(raw: Mapping) -> str | None:
    if raw.get("resourceType") == "Bundle":
        return "bundle"
    if any(key in raw for key in PHENOPACKET):
        return "phenopackets"
    if raw and all(isinstance(value, Path) for value in raw.values()):
        return "files"
    return "mapping" if _has(raw, "symptoms") else None


def _has(names: Iterable, *roles: str) -> bool:
    """Whether one of the names says one of these roles of a column."""
    known = {word for role in roles for word in symptom_table.ROLES[role]}
    return any(folded(str(name).replace("_", " ")) in known for name in names)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def read_patients(raw: Any, ontology: Ontology | Words) -> PatientSymptoms:
    """Cases with their symptoms.

    Args:
        raw: a phenopacket (mapping, file, folder or ZIP), a FHIR bundle (mapping or file), a table (or its file), a mapping
            such as ``{"symptoms": ["HP:0001250", "ataxia"], "excluded": ["stroke"], "sex": "F", "age": 3}``, or
            a list of these.
        ontology: release that terms are resolved with.

    Raises:
        DataNotFoundError: there is no such file.
        InputError: it is none of these.
    """
    words = ontology if isinstance(ontology, Words) else Words(ontology)
    path = Path(raw) if isinstance(raw, (str, Path)) else None
    form = form_of(raw)
    if form is None and path is not None and path.suffix.lower() in symptom_table.ENDINGS:
        # its reader says what is wrong with it
        form = "table"
    if form == "phenopackets" and path is not None:
        return read_phenopackets(path, words)
    if form in ("mapping", "list") and path is not None:
        raw = _json(path)
    if form is not None:
        return _READERS[form](raw, words)
    if path is not None and not path.exists():
        raise DataNotFoundError("the file or folder does not exist", source=raw)
    raise InputError(
        "it is no patient with symptoms",
        remedy="Give a phenopacket, a FHIR bundle, a table with a column 'symptoms', or a mapping with 'symptoms'.",
        source=raw if path is not None else type(raw).__name__,
    )


def _packets(packet: Mapping[str, Any], words: Words) -> PatientSymptoms:
    """A phenopacket that is no file; the reader of files says what is in one."""
    inner = packet.get("phenopacket") if isinstance(packet.get("phenopacket"), Mapping) else packet
    name = str(inner.get("id") or UNNAMED)
    cases, rows, refused = [], [], []
    try:
        case, rows = _case(dict(packet), name, name)
        cases.append(case)
    except (InputError, ValueError, AttributeError, TypeError) as error:
        why = error.problem if isinstance(error, InputError) else f"it is no valid phenopacket: {error}"
        refused.append((name, why))
    return read_symptoms(case_table(cases), written_symptoms(rows), words, refused)


def _of_file(name: str, path: Path, words: Words) -> PatientSymptoms:
    """What a file holds; its only case goes by the name, and a file that cannot be read costs only itself."""
    try:
        found = read_patients(path, words)
    except InputError as error:
        return read_symptoms(case_table([]), written_symptoms([]), words, [(name, error.problem)])
    ids = {*found.cases["case_id"], *found.refused["case_id"]}
    if len(ids) != 1:
        return found
    tables = (found.cases, found.symptoms, found.refused, found.unread)
    return PatientSymptoms(*(table.assign(case_id=name) for table in tables))


def _row(given: Mapping[str, Any], name: str) -> pd.DataFrame:
    """A mapping as a table of one row."""
    row = {
        str(key): ";".join(map(str, value))
        if isinstance(value, Sequence) and not isinstance(value, str)
        else value
        for key, value in given.items()
    }
    return pd.DataFrame([row if _has(row, "case_id", "patient_id") else {"case_id": name} | row])


def _named(one: Any, number: int) -> Any:
    """An element of a list, under a name of its own where it has none."""
    if not isinstance(one, Mapping) or form_of(one) == "bundle":
        return one
    if form_of(one) == "phenopackets":
        return one if one.get("id") or "phenopacket" in one else {**one, "id": f"{UNNAMED} {number}"}
    return _row(one, f"{UNNAMED} {number}")


def _many(raw: Sequence[Any], words: Words) -> PatientSymptoms:
    parts, seen = [], set()
    for i, one in enumerate(raw, start=1):
        part = read_patients(_named(one, i), words)
        ids = {*part.cases["case_id"], *part.refused["case_id"]}
        # two cases of one name are two cases
        if not ids.isdisjoint(seen):
            tables = (part.cases, part.symptoms, part.refused, part.unread)
            part = PatientSymptoms(*(t.assign(case_id=t["case_id"].astype(str) + f" ({i})") for t in tables))
        seen |= ids
        parts.append(part)
    return together(parts)


def _files(raw: Mapping[str, Path], words: Words) -> PatientSymptoms:
    return together([_of_file(name, path, words) for name, path in raw.items()])


_READERS: Mapping[str, Callable[[Any, Words], PatientSymptoms]] = {
    "patients": lambda raw, words: raw,
    "table": symptom_table.read_symptom_table,
    "bundle": read_fhir,
    "phenopackets": _packets,
    "mapping": lambda raw, words: symptom_table.read_symptom_table(_row(raw, UNNAMED), words),
    "list": _many,
    "files": _files,
}

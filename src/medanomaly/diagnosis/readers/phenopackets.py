"""GA4GH Phenopackets v2 in JSON: one file, a folder, or a ZIP such as a release of the phenopacket-store."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import pandas as pd

from medanomaly.core.errors import DataNotFoundError, InputError
from medanomaly.core.unpacked_size import check_zip_size
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.patients import CASE_COLUMNS, PatientSymptoms, read_symptoms, written_symptoms

_DURATION = re.compile(
    r"^P(?:(\d+(?:\.\d+)?)Y)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T.*)?$"
)
_PMID = re.compile(r"^PMID:\s*(\d+)$", re.IGNORECASE)
# middle of the range of each word of onset in the HPO, in years
ONSET_YEARS = {
    "HP:0030674": -0.4,  # antenatal
    "HP:0011460": -0.66,  # embryonal
    "HP:0011461": -0.3,  # fetal
    "HP:0034199": -0.55,  # late first trimester
    "HP:0034198": -0.4,  # second trimester
    "HP:0034197": -0.1,  # third trimester
    "HP:0003577": 0.0,  # congenital
    "HP:0003623": 0.04,  # neonatal
    "HP:0003593": 0.5,  # infantile
    "HP:0011463": 3.0,  # childhood
    "HP:0003621": 10.0,  # juvenile
    "HP:0410280": 8.0,  # paediatric
    "HP:0003581": 35.0,  # adult
    "HP:0011462": 28.0,  # young adult
    "HP:0025708": 20.0,  # early young adult
    "HP:0025709": 27.0,  # intermediate young adult
    "HP:0025710": 35.0,  # late young adult
    "HP:0003596": 50.0,  # middle age
    "HP:0003584": 65.0,  # late
}
_TERM_WEEKS = 40


def years(time: object) -> float:
    """A time element of a phenopacket in years: an age, a range (its middle), a gestational age or a word of onset.

    NaN where it says something else, such as a date.
    """
    if not isinstance(time, dict):
        return float("nan")
    if "age" in time:
        return _duration(time["age"])
    if isinstance(span := time.get("ageRange"), dict):
        return (_duration(span.get("start")) + _duration(span.get("end"))) / 2
    if isinstance(word := time.get("ontologyClass"), dict):
        return ONSET_YEARS.get(str(word.get("id")), float("nan"))
    if isinstance(weeks := time.get("gestationalAge"), dict):
        return (float(weeks.get("weeks", "nan")) - _TERM_WEEKS) / 52.18
    return float("nan")


def _duration(age: object) -> float:
    text = age.get("iso8601duration") if isinstance(age, dict) else age
    match = _DURATION.match(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        return float("nan")
    y, m, w, d = (float(part or 0) for part in match.groups())
    return y + m / 12 + w / 52.18 + d / 365.25


def _publication(packet: dict, stem: str) -> str | None:
    """The PMID of the references in the metadata, else one at the beginning of the name of the file."""
    for reference in (packet.get("metaData") or {}).get("externalReferences") or ():
        if isinstance(reference, dict) and (match := _PMID.match(str(reference.get("id", "")).strip())):
            return f"PMID:{match[1]}"
    match = re.match(r"PMID[_:](\d+)", stem)
    return f"PMID:{match[1]}" if match else None


def _diagnosis(packet: dict) -> tuple[str | None, str | None]:
    """The first disease that was diagnosed and not excluded, OMIM before others, and its name."""
    found = [
        interpretation["diagnosis"].get("disease")
        for interpretation in packet.get("interpretations") or ()
        if isinstance(interpretation.get("diagnosis"), dict)
        and interpretation.get("progressStatus") != "UNSOLVED"
    ]
    found += [d.get("term") for d in packet.get("diseases") or () if not d.get("excluded", False)]
    excluded = {
        (d.get("term") or {}).get("id") for d in packet.get("diseases") or () if d.get("excluded", False)
    }
    found = [d for d in found if isinstance(d, dict) and d.get("id") and d["id"] not in excluded]
    found.sort(key=lambda d: not str(d["id"]).startswith("OMIM:"))
    return (str(found[0]["id"]), str(found[0].get("label", ""))) if found else (None, None)


def _disease_onset(packet: dict, disease: str | None) -> float:
    for entry in packet.get("diseases") or ():
        if (entry.get("term") or {}).get("id") == disease and not entry.get("excluded", False):
            return years(entry.get("onset"))
    return float("nan")


def _case(packet: object, case_id: str, stem: str) -> tuple[tuple, list[tuple]]:
    """Row of the table of cases, and rows of what is written of its symptoms.

    Raises:
        InputError: this is no phenopacket.
    """
    if not isinstance(packet, dict):
        raise InputError("the file holds no phenopacket")
    if "phenopacket" in packet and isinstance(packet["phenopacket"], dict):
        packet = packet["phenopacket"]
    if not isinstance(packet.get("phenotypicFeatures", []), list) or not (
        "phenotypicFeatures" in packet or "subject" in packet
    ):
        raise InputError(
            "the file holds no phenopacket: there is neither a subject nor a list of phenotypicFeatures"
        )
    subject = packet.get("subject") or {}
    publication = _publication(packet, stem)
    disease, disease_name = _diagnosis(packet)
    patient = str(subject.get("id") or packet.get("id") or case_id).strip()
    case = (
        case_id,
        # numbers of patients start anew in every publication
        f"{publication} {patient}" if publication else patient,
        publication,
        disease,
        disease_name,
        {"MALE": "M", "FEMALE": "F"}.get(str(subject.get("sex", "")).upper()),
        years(subject.get("timeAtLastEncounter")),
        _disease_onset(packet, disease),
    )
    rows = [
        (
            case_id,
            str((feature.get("type") or {}).get("id", "")),
            bool(feature.get("excluded", False)),
            1.0,
            years(feature.get("onset")),
        )
        for feature in packet.get("phenotypicFeatures") or ()
    ]
    return case, rows


def _files(path: Path) -> Iterator[tuple[str, str | bytes]]:
    """Name and content of each JSON file, in order of the names."""
    if path.is_dir():
        for file in sorted(path.rglob("*.json")):
            yield file.relative_to(path).as_posix(), file.read_bytes()
    elif path.suffix.lower() == ".zip":
        try:
            check_zip_size(str(path), path.stat().st_size, path)
            with ZipFile(path) as archive:
                for name in sorted(archive.namelist()):
                    if name.endswith(".json") and not name.startswith("__MACOSX/"):
                        yield name, archive.read(name)
        except BadZipFile as error:
            raise InputError("this is no ZIP archive, or a damaged one", source=path) from error
    else:
        yield path.name, path.read_bytes()


def read_phenopackets(path: Path | str, ontology: Ontology) -> PatientSymptoms:
    """Cases of a JSON file, of a folder or of a ZIP; a file that cannot be read costs only itself.

    ``case_id`` is the path of the file inside the folder or ZIP without its ending, since ids inside of packets repeat.

    Raises:
        DataNotFoundError: there is nothing at ``path``, or no JSON file in it.
        InputError: the ZIP is damaged.
    """
    path = Path(path)
    if not path.exists():
        raise DataNotFoundError("the file or folder does not exist", source=path)
    cases, rows, refused = [], [], []
    for name, content in _files(path):
        case_id = name.removesuffix(".json")
        try:
            case, symptoms = _case(json.loads(content), case_id, Path(name).stem)
        except (InputError, ValueError, AttributeError, TypeError, RecursionError) as error:
            why = (
                error.problem
                if isinstance(error, InputError)
                else f"the file is no valid phenopacket: {error}"
            )
            refused.append((case_id, why))
            continue
        cases.append(case)
        rows += symptoms
    if not cases and not refused:
        raise DataNotFoundError(
            "there is no JSON file",
            source=path,
            remedy="Give a phenopacket, or a folder or ZIP of phenopackets.",
        )
    table = pd.DataFrame(cases, columns=list(CASE_COLUMNS)).astype(
        dict.fromkeys(("case_id", "patient_id", "publication", "disease", "disease_name", "sex"), "string")
        | {"age_years": float, "onset_years": float}
    )
    return read_symptoms(table, written_symptoms(rows), ontology, refused)

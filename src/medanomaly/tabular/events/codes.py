"""Codes of events, and spellings of units, as each hospital format writes them."""

import re
from functools import cache

from medanomaly.tabular.table.units import CONVERSIONS, QUANTITIES, is_unit_of, read_csv, unit_key

# address of a code system in FHIR -> its name, which is that of the vocabulary in OMOP
SYSTEMS = {
    "http://loinc.org": "LOINC",
    "http://snomed.info/sct": "SNOMED",
    "http://www.nlm.nih.gov/research/umls/rxnorm": "RxNorm",
    "http://hl7.org/fhir/sid/icd-10": "ICD10",
    "http://hl7.org/fhir/sid/icd-10-cm": "ICD10CM",
    "http://hl7.org/fhir/sid/icd-9-cm": "ICD9CM",
    "http://hl7.org/fhir/sid/cvx": "CVX",
    "http://www.whocc.no/atc": "ATC",
    "https://fhir-terminology.ohdsi.org": "OMOP",
}
# text of a unit that is none
NO_UNIT = ("", "0", "none", "null", "no matching concept")
_ANNOTATION = re.compile(r"\{[^{}]*\}")


def code_name(system: str, code: str) -> str:
    """``LOINC/2823-3``; a system without a name stands as ``<address>|<code>``."""
    name = SYSTEMS.get(system.rstrip("/"))
    return f"{name}/{code}" if name else f"{system}|{code}"


@cache
def codes_of_analyte(analyte: str) -> tuple[str, ...]:
    """Codes of LOINC and concepts of OMOP of a row of ``analytes.csv``; none where there is no such row."""
    row = next((row for row in read_csv("analytes.csv") if row["analyte"] == analyte), None)
    if row is None:
        return ()
    return (
        *(f"LOINC/{code}" for code in row["loinc"].split()),
        *(f"OMOP/{concept}" for concept in row["omop_concepts"].split()),
    )


@cache
def _spellings(analyte: str) -> dict[str, str]:
    return {
        unit_key(written): row["from_unit"]
        for row in CONVERSIONS
        if row["analyte"] == analyte
        for written in (*row["ucum"].split(), row["from_unit"])
    }


@cache
def unit_of_analyte(analyte: str, written: str) -> str | None:
    """The unit of ``unit_conversions.csv`` that a text or a code of UCUM means; None where the analyte has no such unit."""
    for text in (written, _ANNOTATION.sub("", written)):
        found = _spellings(analyte).get(unit_key(text))
        if found is not None:
            return found
        if text and is_unit_of(analyte, text):
            return text
    return "" if QUANTITIES[analyte].unit == "" and written.strip().lower() in NO_UNIT else None


@cache
def units_of_concepts() -> dict[int, str]:
    """Unit concept of OMOP -> a code of UCUM."""
    out: dict[int, str] = {}
    for row in CONVERSIONS:
        for concept in row["omop_unit_concepts"].split():
            out.setdefault(int(concept), (row["ucum"].split() or [row["from_unit"]])[0])
    return out

"""The recipe of symptoms: patients in any form, from one on, to the terms of the ontology that training had."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from medanomaly.core.bundle import RECIPE, Bundle, make_bundle
from medanomaly.core.cases import age_band
from medanomaly.core.errors import ConfigurationError, DataNotFoundError
from medanomaly.core.models import ModelInput
from medanomaly.core.recipe import FINDING_COLUMNS, REFUSED_COLUMNS, ReadCases, text_rows
from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.diagnosis.readers.any_form import form_of, read_patients
from medanomaly.diagnosis.readers.notes import read_notes
from medanomaly.diagnosis.readers.words import Words
from medanomaly.diagnosis.sealed_ontology import ontology_files, opened_ontology

if TYPE_CHECKING:
    from medanomaly.diagnosis.text.read import NoteReader

# a longer list is probably that of a whole cohort, or a questionnaire; it is ranked all the same
MANY_SYMPTOMS = 100


def symptom_recipe(knowledge: Knowledge, stamp: Mapping[str, Any]) -> Bundle:
    """Seal the ontology that symptoms are resolved with; ``stamp`` says data set, version, time, libraries."""
    about = {
        "kind": "symptom_recipe",
        "name": RECIPE,
        "modality": "diagnosis",
        "knowledge": knowledge.about(),
    }
    return make_bundle(about | dict(stamp), ontology_files(knowledge.ontology))


def subgroups(patients: PatientSymptoms) -> pd.DataFrame:
    """``case_id``, ``patient_id``, ``sex``, ``age_band`` of each case."""
    cases = patients.cases
    return pd.DataFrame(
        {
            "case_id": cases["case_id"].astype("string"),
            "patient_id": cases["patient_id"].astype("string"),
            "sex": cases["sex"].astype("string"),
            "age_band": age_band(cases["age_years"]),
        }
    )


class SymptomRecipe:
    """How symptoms become terms.

    Args:
        bundle: of kind ``symptom_recipe``.
    """

    noun = "case"

    def __init__(self, bundle: Bundle):
        self.bundle = bundle

    @cached_property
    def words(self) -> Words:
        """Terms by id, name and synonym."""
        return Words(opened_ontology(self.bundle))

    def takes(self, raw: Any) -> int:
        """2 for a phenopacket, a FHIR bundle, or a table or mapping with symptoms, else 0."""
        return 2 * (form_of(raw) is not None)

    @cached_property
    def notes(self) -> "NoteReader":
        """Reader of free text."""
        from medanomaly.diagnosis.text.read import NoteReader

        return NoteReader(self.words.ontology)

    @staticmethod
    def files(folder: Path) -> dict[str, Path]:
        """Name of a case -> its file, for every JSON file below a folder.

        Raises:
            DataNotFoundError: there is none.
        """
        found = sorted(folder.rglob("*.json"))
        if not found:
            raise DataNotFoundError(
                "there is no JSON file in the folder", source=folder, remedy="Give a folder of phenopackets."
            )
        return {file.relative_to(folder).with_suffix("").as_posix(): file for file in found}

    def read(self, raw: Any = None, *, text: str | Mapping[str, str] | None = None) -> ReadCases:
        """Patients with their symptoms; what is unknown, withdrawn or no symptom is a finding, and is not used.

        Args:
            raw: as of :func:`medanomaly.diagnosis.readers.any_form.read_patients`.
            text: a note, or case id -> note, in place of ``raw``.

        Raises:
            InputError: it is no patient with symptoms at all, or a note that is no text.
            ConfigurationError: both are given, or neither.
        """
        if (raw is None) == (text is None):
            raise ConfigurationError(
                "patients and a text were given"
                if text is not None
                else "neither patients nor a text were given",
                remedy="Give one of them.",
            )
        patients = read_patients(raw, self.words) if text is None else read_notes(text, self.notes)
        return read_cases(patients, self.bundle.manifest["knowledge"])


def read_cases(patients: PatientSymptoms, about: Mapping[str, str]) -> ReadCases:
    """Patients as cases, with what was not read as findings.

    Args:
        patients: from a reader.
        about: versions and licence of the knowledge.
    """
    cases = subgroups(patients)
    observed = patients.symptoms.loc[~patients.symptoms["excluded"], "case_id"].value_counts()
    found = [
        (row.case_id, "symptoms", row.given, "not read", row.reason, "")
        for row in patients.unread.itertuples()
    ]
    found += [
        (
            case,
            "symptoms",
            str(n),
            "many symptoms",
            f"{n} symptoms are far more than one patient usually has: is it one?",
            "",
        )
        for case, n in observed[observed > MANY_SYMPTOMS].items()
    ]
    none_observed = cases.loc[~cases["case_id"].isin(observed.index), "case_id"]
    found += [
        (
            case,
            "symptoms",
            "",
            "no observed symptom",
            "every symptom is excluded, so the order of diseases says little",
            "",
        )
        for case in none_observed
    ]
    return ReadCases(
        cases=cases,
        inputs={"symptoms": ModelInput(cases, patients, {"knowledge": dict(about)})} if len(cases) else {},
        findings=text_rows(found, FINDING_COLUMNS),
        refused=text_rows(list(patients.refused.itertuples(index=False, name=None)), REFUSED_COLUMNS),
        missing={
            case: tuple(name for name, value in (("sex", sex), ("age", age)) if pd.isna(value))
            for case, sex, age in patients.cases[["case_id", "sex", "age_years"]].itertuples(index=False)
        },
        notes=(f"Knowledge: {about['ontology']}, {about['annotations']}. {about['licence']}",),
    )

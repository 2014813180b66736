"""Free text as patients: what notes say of symptoms, one note per case."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from medanomaly.diagnosis.patients import PatientSymptoms, read_symptoms, written_symptoms
from medanomaly.diagnosis.readers.case_table import case_table

if TYPE_CHECKING:
    from medanomaly.diagnosis.text.read import NoteReader

UNNAMED = "note"


def read_notes(notes: str | Mapping[str, str], reader: "NoteReader") -> PatientSymptoms:
    """Cases of notes; names that do not count as symptoms of the patient are listed under ``unread``.

    Args:
        notes: a note, or case id -> note.
        reader: of the ontology that symptoms are resolved with.

    Raises:
        InputError: a note is no text, or too long.
    """
    by_case = {UNNAMED: notes} if isinstance(notes, str) else dict(notes)
    found = reader.read(by_case)
    nan = float("nan")
    cases = case_table([(case, case, None, None, None, None, nan, nan) for case in by_case])
    rows = found.symptoms[["case_id", "term", "excluded", "weight", "onset_years"]]
    left_out = [
        (case, given, reason)
        for case, given, reason in found.left_out[["case_id", "given", "reason"]].itertuples(index=False)
    ]
    said = set(found.symptoms["case_id"])
    patients = read_symptoms(
        cases[cases["case_id"].isin(said)].reset_index(drop=True),
        written_symptoms(list(rows.itertuples(index=False, name=None))),
        reader.ontology,
        [(case, "the text names no symptom of the patient") for case in by_case if case not in said],
        left_out,
    )
    # as it stands in the note, with the phrase that made it excluded or unsure
    written = {
        (row.case_id, row.term): f"{row.given} ({row.why})" if row.why else row.given
        for row in found.symptoms.itertuples(index=False)
    }
    keys = zip(patients.symptoms["case_id"], patients.symptoms["term"], strict=True)
    return PatientSymptoms(
        patients.cases,
        patients.symptoms.assign(given=[written[key] for key in keys]),
        patients.refused,
        patients.unread,
    )

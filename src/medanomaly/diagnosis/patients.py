"""Symptoms of patients: the two tables that every reader makes and every model reads."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.knowledge.ontology import Ontology

CASE_COLUMNS = (
    "case_id",
    "patient_id",
    "publication",
    "disease",
    "disease_name",
    "sex",
    "age_years",
    "onset_years",
)
SYMPTOM_COLUMNS = ("case_id", "term", "excluded", "weight", "onset_years", "given")


@dataclass(frozen=True)
class PatientSymptoms:
    """Cases with their symptoms.

    Attributes:
        cases: ``case_id`` (unique), ``patient_id``, ``publication`` (where the case comes from, missing if unknown),
            ``disease`` (id, missing if unknown), ``disease_name``, ``sex`` (``F``, ``M`` or missing), ``age_years`` and
            ``onset_years`` (NaN if unknown, below 0 before birth).
        symptoms: ``case_id``, ``term`` (id that the ontology has now), ``excluded`` (looked for and absent), ``weight`` (in
            [0, 1], 1 = sure), ``onset_years``, ``given`` (what was written).
        refused: ``case_id``, ``reason``: cases that cannot be ranked.
        unread: ``case_id``, ``given``, ``reason``: parts that were not used, or were used in another way than written.
    """

    cases: pd.DataFrame
    symptoms: pd.DataFrame
    refused: pd.DataFrame
    unread: pd.DataFrame

    def __len__(self) -> int:
        return len(self.cases)

    def select(self, case_ids: Collection[str]) -> "PatientSymptoms":
        """Only these cases, in their own order, with what belongs to them."""
        wanted = set(case_ids)

        def part(table: pd.DataFrame) -> pd.DataFrame:
            return table[table["case_id"].isin(wanted)].reset_index(drop=True)

        return PatientSymptoms(*map(part, (self.cases, self.symptoms, self.refused, self.unread)))


def written_symptoms(rows: Sequence[tuple]) -> pd.DataFrame:
    """A table of ``case_id``, ``given``, ``excluded``, ``weight``, ``onset_years`` from rows in this order."""
    table = pd.DataFrame(rows, columns=["case_id", "given", "excluded", "weight", "onset_years"])
    return table.astype(
        {"case_id": str, "given": str, "excluded": bool, "weight": float, "onset_years": float}
    )


def read_symptoms(
    cases: pd.DataFrame,
    written: pd.DataFrame,
    ontology: Ontology,
    refused: Sequence[tuple[str, str]] = (),
    unread: Sequence[tuple[str, str, str]] = (),
) -> PatientSymptoms:
    """Resolve what was written to terms, and sort out what cannot be used. Every reader ends here.

    An id that was replaced is read as its successor, and listed. A term that is given twice counts once, with its larger
    weight. A term that is both observed and excluded counts as observed, and is listed. A case without any symptom left is
    refused.

    Args:
        cases: the columns of :class:`PatientSymptoms`.
        written: the columns of :func:`written_symptoms`; ``given`` is an HPO id.
        ontology: release that terms are resolved with.
        refused: ``(case_id, reason)`` that the reader found itself.
        unread: ``(case_id, given, reason)`` that the reader found itself.

    Raises:
        InputError: a case id stands twice.
    """
    if (twice := cases["case_id"][cases["case_id"].duplicated()]).size:
        raise InputError(
            "this case id stands twice", record=twice.iloc[0], remedy="Give every case its own id."
        )
    resolved = {given: ontology.resolve(given) for given in written["given"].unique()}
    row = written["given"].map({g: -1 if r.row is None else r.row for g, r in resolved.items()}).astype(int)
    reason = written["given"].map({g: r.reason for g, r in resolved.items()})
    weight = written["weight"].to_numpy()
    wrong_weight = ~((weight >= 0) & (weight <= 1))
    reason = reason.mask(wrong_weight, "its weight is not between 0 and 1")
    usable = (row.to_numpy() >= 0) & ~wrong_weight
    notes = written.assign(reason=reason)[(reason != "").to_numpy()][["case_id", "given", "reason"]]
    ids = np.asarray(ontology.ids, dtype=object)
    symptoms = (
        written[usable]
        .assign(term=ids[row.to_numpy()[usable]])
        .sort_values(["excluded", "weight"], ascending=[True, False], kind="stable")
        .drop_duplicates(["case_id", "term", "excluded"])
    )
    both = symptoms.duplicated(["case_id", "term"])
    contradiction = symptoms[both].assign(reason="excluded here, observed elsewhere: taken as observed")
    # rows go back to the order in which they were written
    symptoms = symptoms[~both].sort_index()[list(SYMPTOM_COLUMNS)]
    empty = cases.loc[~cases["case_id"].isin(symptoms["case_id"]), "case_id"]
    had_some = set(written["case_id"])
    refused = [
        *refused,
        *(
            (
                case,
                "none of its symptoms can be used, see the list of what was not read"
                if case in had_some
                else "it has no symptom",
            )
            for case in empty
        ),
    ]
    return PatientSymptoms(
        cases=cases.loc[~cases["case_id"].isin(empty), list(CASE_COLUMNS)].reset_index(drop=True),
        symptoms=symptoms.reset_index(drop=True),
        refused=pd.DataFrame(refused, columns=["case_id", "reason"]),
        unread=pd.concat(
            [
                pd.DataFrame(unread, columns=["case_id", "given", "reason"]),
                notes,
                contradiction[["case_id", "given", "reason"]],
            ],
            ignore_index=True,
        ),
    )


def together(parts: Sequence[PatientSymptoms]) -> PatientSymptoms:
    """Several sets of cases as one.

    Raises:
        InputError: two of them have a case of the same id.
    """
    joined = [
        pd.concat([getattr(part, name) for part in parts], ignore_index=True)
        for name in ("cases", "symptoms", "refused", "unread")
    ]
    if (twice := joined[0]["case_id"][joined[0]["case_id"].duplicated()]).size:
        raise InputError(
            "this case id stands twice", record=twice.iloc[0], remedy="Give every case its own id."
        )
    return PatientSymptoms(*joined)

"""Free text to symptoms: names of the ontology in a note, with negation, doubt and family history."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.diagnosis.knowledge.ontology import Ontology
from medanomaly.diagnosis.patients import CASE_COLUMNS, SYMPTOM_COLUMNS, PatientSymptoms
from medanomaly.diagnosis.text.context import ordinary_words, read_context
from medanomaly.diagnosis.text.mentions import find_mentions
from medanomaly.diagnosis.text.name_index import build_index
from medanomaly.diagnosis.text.spelling import Spelling
from medanomaly.diagnosis.text.words import words_of

MOST_CHARACTERS = 1_000_000
NO_SYMPTOM = "its text names no symptom of the patient"
_MENTION_COLUMNS = (
    "case_id", "term", "name", "excluded", "weight", "relative", "why", "start", "end", "given", "misspelled"
)  # fmt: skip


@dataclass(frozen=True)
class NoteSymptoms:
    """What notes say.

    Attributes:
        symptoms: the columns of ``PatientSymptoms.symptoms``, and ``start``, ``end`` (characters of the note), ``why`` (the
            phrases that made a symptom excluded or unsure; empty where it is observed and sure). A term stands once per
            case.
        left_out: ``case_id``, ``term``, ``given``, ``start``, ``end``, ``reason``: names that are not counted as symptoms of
            the patient.
        mentions: every place where a note names a symptom, in order.
    """

    symptoms: pd.DataFrame
    left_out: pd.DataFrame
    mentions: pd.DataFrame

    def patients(self, cases: pd.DataFrame) -> PatientSymptoms:
        """The tables that every model reads; a case whose note names no symptom of the patient is refused.

        Args:
            cases: the columns of ``PatientSymptoms.cases``, one row per note.
        """
        empty = cases.loc[~cases["case_id"].isin(self.symptoms["case_id"]), "case_id"]
        return PatientSymptoms(
            cases=cases.loc[~cases["case_id"].isin(empty), list(CASE_COLUMNS)].reset_index(drop=True),
            symptoms=self.symptoms[list(SYMPTOM_COLUMNS)],
            refused=pd.DataFrame({"case_id": empty, "reason": NO_SYMPTOM}).reset_index(drop=True),
            unread=self.left_out[["case_id", "given", "reason"]],
        )


class NoteReader:
    """Reads notes with the names of one ontology; make it once and use it for many notes.

    Args:
        ontology: whose terms are found.
    """

    def __init__(self, ontology: Ontology):
        self.ontology = ontology
        self.index = build_index(ontology)
        self.spelling = Spelling(self.index, ordinary_words())

    def mentions(self, text: str, case_id: str = "") -> list[tuple]:
        """Rows of the table of mentions. A name that means several terms has no ``term``; ``name`` lists them."""
        words = words_of(text)
        mentions = find_mentions(words, text, self.index, self.spelling)
        rows = []
        for mention, said in zip(mentions, read_context(words, text, mentions), strict=True):
            terms = [f"{self.ontology.ids[r]} ({self.ontology.names[r]})" for r in mention.rows]
            one = len(mention.rows) == 1
            start, end = words[mention.first].start, words[mention.last].end
            rows.append(
                (
                    case_id,
                    self.ontology.ids[mention.rows[0]] if one else "",
                    self.ontology.names[mention.rows[0]] if one else " or ".join(terms),
                    said.excluded,
                    said.weight,
                    said.relative,
                    said.why,
                    start,
                    end,
                    text[start:end],
                    mention.misspelled,
                )
            )
        return rows

    def read(self, notes: Mapping[str, str]) -> NoteSymptoms:
        """Read one note per case.

        A term that a note names several times counts once: observed goes before excluded, then the larger weight counts.

        Args:
            notes: text of each case id.

        Raises:
            InputError: a note is no text, or longer than a million characters.
        """
        rows = []
        for case_id, text in notes.items():
            if not isinstance(text, str):
                raise InputError("the note is no text", record=str(case_id), remedy="Give a string.")
            if len(text) > MOST_CHARACTERS:
                raise InputError(
                    f"the note has {len(text):,} characters",
                    record=str(case_id),
                    remedy=f"Give at most {MOST_CHARACTERS:,} characters per note.",
                )
            rows += self.mentions(text, str(case_id))
        mentions = pd.DataFrame(rows, columns=list(_MENTION_COLUMNS)).astype(
            {"excluded": bool, "weight": float, "start": int, "end": int, "misspelled": bool}
        )
        return NoteSymptoms(*_sort_out(mentions), mentions)


def _sort_out(mentions: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The symptoms of the patients, and what is not counted with its reason."""
    reason = pd.Series("", index=mentions.index, dtype=object)
    of_relative = mentions["relative"].ne("")
    reason[of_relative] = "said of somebody else: '" + mentions["relative"][of_relative] + "'"
    unclear = mentions["term"].eq("")
    reason[unclear] = "it may mean " + mentions["name"][unclear]
    counted = (
        mentions[reason.eq("")]
        .sort_values(["excluded", "weight"], ascending=[True, False], kind="stable")
        .assign(first=lambda table: ~table.duplicated(["case_id", "term"]))
    )
    # what an earlier, stronger mention says already is no news; the opposite is
    first = counted[counted["first"]]
    status = first.set_index(["case_id", "term"])["excluded"]
    again = counted[~counted["first"]]
    against = [
        status[key] != e
        for key, e in zip(zip(again["case_id"], again["term"], strict=True), again["excluded"], strict=True)
    ]
    reason[again.index[against]] = "excluded here, observed elsewhere: taken as observed"
    symptoms = first.assign(onset_years=float("nan")).sort_index()
    left_out = mentions.assign(reason=reason)[reason.ne("")]
    return (
        symptoms[[*SYMPTOM_COLUMNS, "start", "end", "why"]].reset_index(drop=True),
        left_out[["case_id", "term", "given", "start", "end", "reason"]].reset_index(drop=True),
    )

"""Ranked lists as answers to raw cases: diseases in order, with what each symptom says for and against them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from medanomaly.core.conformal import p_values
from medanomaly.core.errors import InputError
from medanomaly.core.recipe import ReadCases
from medanomaly.diagnosis.cautions import cautions, none_of_these
from medanomaly.diagnosis.knowledge.source import versions_in_words
from medanomaly.diagnosis.patients import PatientSymptoms
from medanomaly.scoring.answers import NOTICE, REFUSED, SCORED
from medanomaly.scoring.written import write_answers

if TYPE_CHECKING:
    from medanomaly.diagnosis.scorer import SymptomScorer

ENDINGS = (".csv", ".json", ".parquet", ".html")
_OF_DISEASE = ("rank", "disease", "disease_name", "probability", "in_set", "score")
_OF_QUESTION = (
    "term", "name", "gain_bits", "yes", "for_disease", "for_name", "against_disease", "against_name",
)  # fmt: skip
_OF_SYMPTOM = (
    "term", "name", "excluded", "weight", "log_ratio", "matched_term", "matched_name", "frequency", "stated", "reference",
)  # fmt: skip


@dataclass(frozen=True)
class Rankings:
    """Diseases in order for each case.

    Attributes:
        read: the cases as the recipe read them.
        rankings: ``case_id, model, rank, disease, disease_name, probability, in_set, score``, the most likely first.
        reasons: ``case_id, model, disease, term, name, excluded, weight, log_ratio, matched_term, matched_name, frequency,
            stated, reference`` of the first diseases.
        questions: ``case_id, term, name, gain_bits, yes, for_disease, for_name, against_disease, against_name``: what to
            look for next.
        p_value: case_id -> share of patients with a known disease who look at most as much like one.
        names: id of a term of these cases -> its name.
        manifest: of the model.
        bundle: hash of the model.

    Example:
        >>> found = models.rank({"symptoms": ["Seizure", "HP:0001263"]}, top=2)
        >>> found.rankings["rank"].tolist(), found.to_dict()["cases"][0]["status"]
        ([1, 2], 'scored')
    """

    read: ReadCases
    rankings: pd.DataFrame
    reasons: pd.DataFrame
    questions: pd.DataFrame
    p_value: Mapping[str, float]
    names: Mapping[str, str]
    manifest: Mapping[str, Any]
    bundle: str

    @property
    def knowledge(self) -> Mapping[str, str]:
        """Versions and licence of what the list rests on."""
        return self.manifest["knowledge"]

    @property
    def patients(self) -> PatientSymptoms | None:
        """The cases with their symptoms; None where no case could be read."""
        data = self.read.inputs.get("symptoms")
        return None if data is None else data.inputs

    @property
    def table(self) -> pd.DataFrame:
        """One row per case and disease, the refused cases last with their ``reason``; versions stand in every row."""
        refused = self.read.refused.assign(status=REFUSED)
        out = pd.concat([self.rankings.assign(status=SCORED), refused], ignore_index=True)
        return out.assign(
            p_value=out["case_id"].map(dict(self.p_value)).astype(float),
            knowledge=versions_in_words(self.knowledge),
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON types: the diseases of each case in order, with reasons, and what holds for all cases."""
        ranked = dict(list(self.rankings.groupby("case_id", sort=False)))
        reasons = dict(list(self.reasons.groupby(["case_id", "disease"], sort=False)))
        asked = dict(list(self.questions.groupby("case_id", sort=False)))
        unread = dict(list(self.read.findings.groupby("case_id", sort=False)))
        cases = [
            {
                "case_id": case,
                "status": SCORED,
                "p_value": self.p_value[case],
                "cautions": self._cautions(case, ranked[case]),
                "symptoms": self._symptoms(case),
                "diseases": [
                    _plain(row, _OF_DISEASE) | self._reasons(reasons.get((case, row["disease"])))
                    for row in ranked[case].to_dict("records")
                ],
                **({} if case not in asked else self._asked(asked[case])),
                **self._set_size(ranked[case]),
                **_plain({"none_of_these": none_of_these(ranked[case])}, ("none_of_these",)),
                "missing": list(self.read.missing.get(case, ())),
            }
            for case in self.read.cases["case_id"]
        ]
        cases += [
            {"case_id": case, "status": REFUSED, "reason": reason}
            for case, reason in self.read.refused.itertuples(index=False, name=None)
        ]
        for case in cases:
            found = unread.get(case["case_id"])
            used = {symptom["given"]: symptom["term"] for symptom in case.get("symptoms", ())}
            case["not_read"] = (
                []
                if found is None
                else [
                    # an id that was replaced is used as its successor
                    {"given": r.value, "reason": r.message}
                    | ({"term": used[r.value]} if r.value in used else {})
                    for r in found.itertuples(index=False)
                ]
            )
        model = {name: self.manifest.get(name) for name in ("name", "kind", "dataset", "version")}
        coverage = (self.manifest.get("probabilities") or {}).get("coverage")
        return {
            "modality": "diagnosis",
            "model": model | {"bundle": self.bundle},
            **({} if coverage is None else {"set_coverage": coverage}),
            "cases": cases,
            "knowledge": dict(self.knowledge),
            "notes": list(self.read.notes),
            "notice": NOTICE,
        }

    def _cautions(self, case: str, rows: pd.DataFrame) -> list[str]:
        symptoms = cast(PatientSymptoms, self.patients).symptoms
        observed = ~symptoms["excluded"] & symptoms["case_id"].eq(case)
        return cautions(rows, self.p_value[case], int(observed.sum()))

    def _symptoms(self, case: str) -> list[dict[str, Any]]:
        table = cast(PatientSymptoms, self.patients).symptoms
        own = table[table["case_id"] == case].assign(name=lambda t: t["term"].map(dict(self.names)))
        return [
            _plain(row, ("term", "name", "excluded", "weight", "given")) for row in own.to_dict("records")
        ]

    @staticmethod
    def _asked(rows: pd.DataFrame) -> dict[str, Any]:
        return {"look_for_next": [_plain(row, _OF_QUESTION) for row in rows.to_dict("records")]}

    @staticmethod
    def _set_size(rows: pd.DataFrame) -> dict[str, Any]:
        """How many diseases the set has, the rest of the list included."""
        size = rows["set_size"].iloc[0]
        return {} if pd.isna(size) else {"set_size": int(size)}

    @staticmethod
    def _reasons(rows: pd.DataFrame | None) -> dict[str, Any]:
        return {} if rows is None else {"reasons": [_plain(r, _OF_SYMPTOM) for r in rows.to_dict("records")]}

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def page(self, case: str | None = None) -> str:
        """A case as an HTML page.

        Args:
            case: id of the case; None takes the only one.

        Raises:
            InputError: there are several cases and none is named, or there is no such case.
        """
        from medanomaly.reporting.diagnosis.case_page import case_page

        ids = self.read.cases["case_id"].tolist()
        if case is None and len(ids) == 1:
            case = ids[0]
        if case is None or case not in ids:
            refused = dict(self.read.refused.itertuples(index=False, name=None))
            raise InputError(
                f"case '{case}' was refused: {refused[case]}" if case in refused
                else f"there are {len(ids)} cases and a page is of one" if case is None
                else f"there is no case '{case}'",
                remedy=f"There are {', '.join(map(str, ids[:10])) or 'none'}.",
            )  # fmt: skip
        patients = cast(PatientSymptoms, self.patients)
        found = self.read.findings
        unread = found[found["case_id"] == case].rename(columns={"value": "given", "message": "reason"})
        return case_page(
            case,
            patients.cases.set_index("case_id").loc[case],
            patients.symptoms[patients.symptoms["case_id"] == case],
            unread,
            self.rankings[self.rankings["case_id"] == case].reset_index(drop=True),
            self.reasons[self.reasons["case_id"] == case],
            self.p_value[case],
            self.manifest,
            questions=self.questions[self.questions["case_id"] == case],
        )

    def save(self, path: Path | str) -> None:
        """Write the table as CSV or Parquet, all of :meth:`to_dict` as JSON, or the page of the only case as HTML.

        Raises:
            ConfigurationError: another ending.
        """
        texts = {".html": self.page, ".json": lambda: self.to_json(indent=1) + "\n"}
        write_answers(path, "rankings", lambda: self.table, texts)


def rank_cases(scorer: "SymptomScorer", read: ReadCases, top: int, explained: int) -> Rankings:
    """What a ranker says of cases that a recipe read.

    Args:
        scorer: of the model.
        read: from a recipe of symptoms.
        top: so many diseases per case.
        explained: so many of them with reasons.
    """
    from medanomaly.diagnosis.scorer import RANKINGS, REASONS

    data = read.inputs.get("symptoms")
    if data is None:
        rankings, reasons = (pd.DataFrame(columns=list(names)) for names in (RANKINGS, REASONS))
        questions, score = pd.DataFrame(columns=["case_id", *_OF_QUESTION]), np.zeros(0)
    else:
        looked = scorer.look(data.inputs, top)
        score, rankings = looked.score, looked.rankings
        # the diagnosed disease of a case stands behind the others where it is not among the first
        rankings = rankings.groupby("case_id", sort=False).head(top).reset_index(drop=True)
        reasons = scorer.reasons(data.inputs, rankings, explained)
        questions = scorer.questions(data.inputs if explained else data.inputs.select([]))
    p = p_values(score, scorer.calibration) if len(score) else score
    ranker = scorer.ranker
    terms = [] if data is None else data.inputs.symptoms["term"].unique()
    return Rankings(
        read=read,
        rankings=rankings,
        reasons=reasons,
        questions=questions,
        p_value=dict(zip(read.cases["case_id"], map(float, p), strict=True)),
        names={term: ranker.names[ranker.index[term]] for term in terms},
        manifest=scorer.bundle.manifest,
        bundle=scorer.bundle.bundle_hash,
    )


def _plain(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Some values of a row as JSON types; what is missing is left out."""
    values = {name: row[name] for name in names}
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in values.items()
        if not pd.isna(value) and value != ""
    }

"""What models say of raw cases: scores, p-values, reasons, what looks wrong in the data, what was missing."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from medanomaly.core.recipe import ReadCases
from medanomaly.monitoring.batch_shift import ShiftCheck
from medanomaly.scoring.class_answers import CLASS_COLUMNS, ClassAnswers
from medanomaly.scoring.written import write_answers

if TYPE_CHECKING:
    from medanomaly.evaluation.reweighting import Weighting

NOTICE = "Research use only. Not a medical device. Nothing here is a diagnosis; base no decision about a patient on it."
# in place of a value that is not known
MISSING = "missing"
SCORED, REFUSED = "scored", "refused"
ENDINGS = (".csv", ".json", ".parquet")
TABLE_TYPES = {
    **dict.fromkeys(
        ("case_id", "case", "status", "model", "reasons", "findings", "missing", "bundle"), "string"
    ),
    **dict.fromkeys(("score", "p_value", "alpha", "probability", "low", "high"), "Float64"),
    "flagged": "boolean",
}
# reasons that stand in one line
SHOWN_REASONS = 3


@dataclass(frozen=True)
class Answers:
    """Answers to raw cases.

    Attributes:
        modality: of the cases.
        noun: of one case, in a sentence.
        read: the cases as their recipe read them.
        scores: one row per case and model: ``case_id``, ``modality``, ``model``, ``score``, ``p_value``, ``flagged``,
            ``alpha``, ``probability``, ``low``, ``high``, ``bundle`` (hash of the model).
        explanations: ``case_id, model, feature, value, unit, usual_low, usual_high, contribution, exact, modality``, the
            largest contribution of a case first.
        shift: model -> whether its p-values hold for these cases together.
        leading: the model whose order of cases is shown first; empty without a score.
        weighted: model -> how its calibration was weighted, where that was asked for.
        classes: which class each case has, of models that tell several apart; None where none was asked.
        stream: whether the cases that were scored so far, one after the other, were taken as at calibration: ``verdict``,
            ``reason``, ``n_cases``; None where nobody watches.
    """

    modality: str
    noun: str
    read: ReadCases
    scores: pd.DataFrame
    explanations: pd.DataFrame
    shift: Mapping[str, ShiftCheck] = field(default_factory=dict)
    leading: str = ""
    weighted: Mapping[str, "Weighting"] = field(default_factory=dict)
    stream: Mapping[str, Any] | None = None
    classes: ClassAnswers | None = None

    @property
    def empty(self) -> bool:
        """Whether no model said anything of any case."""
        return self.scores.empty and (self.classes is None or self.classes.rows.empty)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per case and model, the refused cases last.

        Columns: ``case_id``, ``case`` (as a reader knows it), ``status`` (scored or refused), ``model``, ``score``,
        ``p_value``, ``flagged``, ``alpha``, ``probability``, ``low``, ``high``, ``reasons``, ``findings``, ``missing``,
        ``bundle``. Where p-values of a model do not hold, ``findings`` say it of every case. A model of classes has a row
        per case too, with ``class`` (missing where it names none), ``probability`` of that class, ``class_set`` and the
        p-value of looking like a known record; without such a model these two columns are not there.
        """
        out = self.scores.copy()
        out["model"] = self._model_names(out)
        out = out.drop(columns="modality")
        own = pd.DataFrame() if self.classes is None else self.classes.table
        if len(own):
            out = pd.concat(
                [out.astype(object), own.drop(columns="reasons").astype(object)], ignore_index=True
            )
            out = out[
                [name for name in out if name not in ("bundle", *CLASS_COLUMNS)] + [*CLASS_COLUMNS, "bundle"]
            ]
        out.insert(1, "case", [self.read.names.get(case, case) for case in out["case_id"].tolist()])
        out.insert(2, "status", SCORED)
        reasons = {key: _reasons(rows) for key, rows in self._terms.items()}
        if len(own):
            reasons |= {(row.case_id, row.model): row.reasons for row in own.itertuples()}
        out.insert(
            len(out.columns) - 1,
            "reasons",
            [
                reasons.get(key, "")
                for key in zip(out["case_id"].tolist(), out["model"].tolist(), strict=True)
            ],
        )
        refused = self.read.refused
        last = pd.DataFrame(
            {
                "case_id": refused["case_id"],
                "case": [self.read.names.get(case, case) for case in refused["case_id"]],
                "status": REFUSED,
                "reasons": refused["reason"],
            }
        ).reindex(columns=list(out.columns))
        out = pd.concat([out.astype(object), last.astype(object)], ignore_index=True) if len(last) else out
        out.insert(
            len(out.columns) - 1,
            "findings",
            [
                "; ".join(filter(None, (self._findings.get(case), self._broken.get(model))))
                for case, model in zip(out["case_id"].tolist(), out["model"].tolist(), strict=True)
            ],
        )
        missing = {case: ", ".join(names) for case, names in self.read.missing.items()}
        out.insert(
            len(out.columns) - 1, "missing", [missing.get(case, "") for case in out["case_id"].tolist()]
        )
        return out

    def _model_names(self, rows: pd.DataFrame) -> pd.Series:
        """Names of models; a supervised one of the same name as another carries its modality."""
        own = rows["modality"].eq(self.modality)
        return rows["model"].where(own, rows["modality"] + "." + rows["model"])

    @cached_property
    def _broken(self) -> dict[str, str]:
        """Model, as the table names it -> that its p-values do not hold, and why."""
        own = f"{self.modality}."
        broken = {}
        if self.stream is not None and self.stream["verdict"] == "broken":
            scored = self.scores[self.scores["p_value"].notna()]
            broken = dict.fromkeys(
                self._model_names(scored), f"the p-value does not hold: {self.stream['reason']}"
            )
        broken |= {
            model.removeprefix(own): f"the p-value does not hold: {check.reason}"
            for model, check in self.shift.items()
            if check.verdict == "broken"
        }
        for model, weighted in self.weighted.items():
            broken.pop(model.removeprefix(own), None)
            if weighted.reason:
                broken[model.removeprefix(own)] = f"the p-value is withheld: {weighted.reason}"
        return broken

    @cached_property
    def _terms(self) -> dict[tuple[str, str], pd.DataFrame]:
        named = self.explanations.assign(model=self._model_names(self.explanations))
        return dict(list(named.groupby(["case_id", "model"], sort=False)))

    @cached_property
    def _findings(self) -> dict[str, str]:
        found = self.read.findings
        if found.empty:
            return {}
        by_case: dict[str, list[str]] = {}
        for row in found.to_dict("records"):
            by_case.setdefault(row["case_id"], []).append(finding_in_words(row))
        return {case: "; ".join(sentences) for case, sentences in by_case.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON types: the cases with the answer of each model, and what holds for all of them."""
        by_case: dict[str, list[dict[str, Any]]] = {case: [] for case in self.read.cases["case_id"]}
        names = self._model_names(self.scores)
        for row, name in zip(self.scores.to_dict("records"), names, strict=True):
            given = {key: _json(row[key]) for key in row if key not in ("case_id", "modality", "model")}
            given = {key: value for key, value in given.items() if value is not None}
            if name in self._broken:
                given["p_value_holds"] = False
            terms = self._terms.get((row["case_id"], name))
            if terms is not None:
                columns = ["feature", "value", "unit", "usual_low", "usual_high", "contribution", "exact"]
                given["reasons"] = [
                    {
                        key: value
                        for key, value in zip(columns, map(_json, term), strict=True)
                        if value not in (None, "")
                    }
                    for term in terms[columns].itertuples(index=False, name=None)
                ]
            by_case.setdefault(row["case_id"], []).append({"model": name} | given)
        found = {
            case: [
                {key: _json(value) for key, value in row.items() if key != "case_id" and not pd.isna(value)}
                for row in rows.to_dict("records")
            ]
            for case, rows in self.read.findings.groupby("case_id", sort=False)
        }
        cases = {*self.read.cases["case_id"], *self.read.refused["case_id"]}
        classes = None if self.classes is None else self.classes.of_cases()
        scored = [
            {
                "case_id": case,
                "case": self.read.names.get(case, case),
                "status": SCORED,
                "answers": by_case.get(case, []),
                **({} if classes is None else {"classes": classes.get(case, [])}),
                "findings": found.get(case, []),
                "missing": list(self.read.missing.get(case, ())),
            }
            for case in self.read.cases["case_id"]
        ]
        refused = [
            {
                "case_id": case,
                "case": self.read.names.get(case, case),
                "status": REFUSED,
                "reason": reason,
                "findings": found.get(case, []),
            }
            for case, reason in self.read.refused.itertuples(index=False, name=None)
        ]
        return {
            "modality": self.modality,
            "cases": [*scored, *refused],
            "p_values_hold": {
                model: {"verdict": check.verdict, "reason": check.reason}
                for model, check in self.shift.items()
            },
            **(
                {"weighted": {model: of.to_dict() for model, of in self.weighted.items()}}
                if self.weighted
                else {}
            ),
            **({} if self.stream is None else {"stream": dict(self.stream)}),
            # what is about a recording belongs to none of its beats
            "findings": [
                {"source": case} | one for case in found if case not in cases for one in found[case]
            ],
            "notes": list(self.read.notes),
            "notice": NOTICE,
        }

    def to_json(self, indent: int | None = None) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False, ensure_ascii=False)

    def save(self, path: Path | str) -> None:
        """Write the table as CSV or Parquet, or all of :meth:`to_dict` as JSON; the ending of the path says which.

        A spreadsheet runs nothing that stands in the CSV.

        Raises:
            ConfigurationError: another ending.
        """
        texts = {".json": lambda: self.to_json(indent=1) + "\n"}
        types = TABLE_TYPES | ({} if self.classes is None else dict.fromkeys(CLASS_COLUMNS, "string"))
        write_answers(path, "answers", lambda: self.table.astype(types), texts)


def finding_in_words(finding: Mapping[str, Any]) -> str:
    """What looks wrong, with the value that was probably meant where the message does not say it.

    Example:
        >>> finding_in_words({"column": "temperature", "message": "98.6 is outside 30 to 43 °C", "suggested_value": "37 °C"})
        'temperature: 98.6 is outside 30 to 43 °C (probably meant: 37 °C)'
    """
    column, meant = finding.get("column"), finding.get("suggested_value")
    meant = "" if meant is None or pd.isna(meant) or str(meant) in finding["message"] else str(meant)
    where = f"{column}: " if column is not None and pd.notna(column) and column else ""
    return f"{where}{finding['message']}" + (f" (probably meant: {meant})" if meant else "")


def _json(value: Any) -> Any:
    if (
        value is None
        or value is pd.NA
        or (isinstance(value, (float, np.floating)) and not np.isfinite(value))
    ):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _reasons(terms: pd.DataFrame) -> str:
    """The largest contributions above zero in one line, with the usual range."""
    said = []
    for row in terms[terms["contribution"] > 0].head(SHOWN_REASONS).itertuples():
        unit = f" {row.unit}" if row.unit else ""
        value = row.value if row.value == MISSING else f"{row.value}{unit}"
        usual = (
            f" (usual {row.usual_low:.4g} to {row.usual_high:.4g}{unit})" if pd.notna(row.usual_low) else ""
        )
        said.append(f"{row.feature} {value}{usual}")
    return "; ".join(said)

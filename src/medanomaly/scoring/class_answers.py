"""Which class raw cases have: the part of answers that is no score and raises no alarm."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

# further columns of a table of answers, where a model of classes is asked
CLASS_COLUMNS = ("class", "class_set")
# classes of a case in JSON besides those of its set, the most probable first
SHOWN = 5
_TERM = ("feature", "value", "unit", "usual_low", "usual_high", "contribution", "exact")


@dataclass(frozen=True)
class ClassAnswers:
    """What models of classes say of raw cases.

    Attributes:
        rows: ``case_id, model, class, probability, decided, in_set, p_value, abstains, bundle``: one row per case, model and
            class, the most probable class of a case first. ``model`` carries its modality.
        explanations: what speaks for the named class, in the columns of :data:`medanomaly.core.models.EXPLANATION_COLUMNS`.
    """

    rows: pd.DataFrame
    explanations: pd.DataFrame

    @property
    def table(self) -> pd.DataFrame:
        """One row per case and model: ``case_id, model, class`` (missing where it abstains), ``probability`` of the class
        that is decided for, ``class_set`` (as text), ``p_value`` and ``bundle``, with ``reasons`` as a sentence."""
        by = ["case_id", "model"]
        named = self.rows[self.rows["decided"]].drop(columns=["decided", "in_set"])
        sets = self.rows[self.rows["in_set"]].groupby(by, sort=False)["class"].agg("; ".join)
        named = named.join(sets.rename("class_set"), on=by)
        said = {key: reasons_in_words(rows) for key, rows in self.explanations.groupby(by, sort=False)}
        keys = zip(named["case_id"].tolist(), named["model"].tolist(), strict=True)
        named["reasons"] = [said.get(key, "") for key in keys]
        unlike = named["abstains"].astype(bool)
        named["reasons"] = named["reasons"].mask(unlike, named["p_value"].map(abstains_in_words))
        named["class"] = named["class"].mask(unlike)
        return named.drop(columns="abstains").reset_index(drop=True)

    def of_cases(self) -> dict[str, list[dict[str, Any]]]:
        """case_id -> what each model says, as JSON types."""
        terms = dict(list(self.explanations.groupby(["case_id", "model"], sort=False)))
        out: dict[str, list[dict[str, Any]]] = {}
        for (case, model), rows in self.rows.groupby(["case_id", "model"], sort=False):
            out.setdefault(case, []).append(_said(model, rows, terms.get((case, model))))
        return out


def _said(model: str, rows: pd.DataFrame, terms: pd.DataFrame | None) -> dict[str, Any]:
    named, first = rows[rows["decided"]].iloc[0], rows.iloc[0]
    abstains, p = bool(first["abstains"]), float(first["p_value"])
    shown = rows[rows["in_set"] | (pd.RangeIndex(len(rows)) < SHOWN)]
    said: dict[str, Any] = {"model": model, "abstains": abstains, "p_value": p}
    if abstains:
        said["reason"] = abstains_in_words(p)
    else:
        said |= {"class": str(named["class"]), "probability": float(named["probability"])}
    said |= {
        "most_likely": str(first["class"]),
        "set": [str(name) for name in rows.loc[rows["in_set"], "class"]],
        "classes": [
            {
                "class": str(row["class"]),
                "probability": float(row["probability"]),
                "in_set": bool(row["in_set"]),
            }
            for row in shown.to_dict("records")
        ],
        "n_classes": len(rows),
        "bundle": str(first["bundle"]),
    }
    if terms is not None:
        said["reasons"] = [_term(term) for term in terms[list(_TERM)].to_dict("records")]
    return said


def _term(term: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: value.item() if hasattr(value, "item") else value
        for name, value in term.items()
        if not pd.isna(value) and value != ""
    }


def abstains_in_words(p_value: float) -> str:
    """Why no class is named."""
    return f"no class is named: the record looks like no known one (p-value {p_value:.2g})"


def reasons_in_words(terms: pd.DataFrame, most: int = 3) -> str:
    """The values that speak most for the named class, in one line; empty where none does."""
    said = []
    for row in terms[terms["contribution"] > 0].head(most).itertuples():
        unit = f" {row.unit}" if row.unit and row.value != "missing" else ""
        said.append(f"{row.feature} {row.value}{unit}")
    return "; ".join(said)


def class_answers(found: list[tuple[pd.DataFrame, pd.DataFrame]]) -> ClassAnswers | None:
    """The answers of several models as one; None without any."""
    if not found:
        return None
    rows, explanations = (pd.concat(parts, ignore_index=True) for parts in zip(*found, strict=True))
    return ClassAnswers(rows, explanations)

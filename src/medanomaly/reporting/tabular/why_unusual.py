"""Why a record is unusual: values that do not fit, what would make it usual, the normal records most like it, its flags."""

from dataclasses import dataclass

import pandas as pd

from medanomaly.reporting.cards import case_card, explained_cases, usual_note, why_title
from medanomaly.reporting.figures.explanations import shown_unit, shown_value, usual_range, value_cell
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Cell, Fact, Section, Table
from medanomaly.reporting.wording import percent, plural, short_number, signed

SUSPICIOUS, CONTRIBUTING, DIFFERENCES = 5, 3, 4
EVIDENCE_NOTE = (
    "Expected: what the other values of the same {noun} lead one to expect, a dash where they do not say. Out of place: if "
    "exactly one value is wrong, how likely it is this one; a value of an impossible sign always is. An unusual value is "
    "not necessarily a wrong or a dangerous one. A change says what the model would pass, not what to treat."
)


COLUMNS = ("Value", "Found", "Usual", "Expected", "Out of place")


@dataclass(frozen=True)
class Evidence:
    """What is known of the explained records beyond their contributions.

    Attributes:
        unexpected_values: which values do not fit the others of their record: ``case_id, feature, value, unit, usual_low,
            usual_high, expected, suspicion``.
        nearest_normals: ``case_id, rank, nearest_id, feature, nearest_value, unit`` of the normal records most like them.
        changes: the smallest change that would take a record below the threshold: ``case_id, model, status, feature,
            value, changed_to, unit, score, changed_score, threshold``.
        quality_flags: one row per value that looks wrong: ``case_id``, ``column``, ``message``.
    """

    unexpected_values: pd.DataFrame
    nearest_normals: pd.DataFrame
    changes: pd.DataFrame
    quality_flags: pd.DataFrame


def why_unusual(r: ModalityResults, known: Evidence) -> Section | None:
    """Cards of the most unusual records with all that is known of them; None where none has evidence."""
    cards = []
    for case in explained_cases(r, set(r.reasons) & set(known.unexpected_values["case_id"])).itertuples():
        change, threshold = _change(r, known.changes, case.case_id)
        facts = [
            *change,
            *_nearest(r, known.nearest_normals, case.case_id),
            _flags(known.quality_flags, case.case_id),
        ]
        cards.append(case_card(r, case, _values(r, known.unexpected_values, case.case_id), facts, threshold))
    if not cards:
        return None
    model = model_label(r.leading)
    adds = (
        f"Adds: what the value adds to the score of {model}."
        if r.exact
        else f"The score of {model} is not a sum over values, so no value is said to add to it."
    )
    text = f"{usual_note(r)} {EVIDENCE_NOTE.format(noun=r.noun)} {adds}"
    return Section(why_title(r), text, cards=cards)


def _values(r: ModalityResults, unexpected: pd.DataFrame, case_id: str) -> Table:
    values, own = unexpected[unexpected["case_id"] == case_id], _contributions(r, case_id)
    named = list(values["feature"].head(SUSPICIOUS))
    others = [feature for feature in own.index[:CONTRIBUTING] if feature not in named]
    shown = values[values["feature"].isin([*named, *others])]
    exact = not own.empty
    rows = [[*_cells(row), *([_added(own, row.feature)] if exact else [])] for row in shown.itertuples()]
    return Table("", [*COLUMNS, *(["Adds"] if exact else [])], rows, layout="narrow")


def _contributions(r: ModalityResults, case_id: str) -> pd.Series:
    """Feature to contribution, the strongest first; empty where the leading model's are no exact terms of its score."""
    if not r.exact or case_id not in r.reasons:
        return pd.Series(dtype=float)
    found = r.reasons[case_id].set_index("feature")["contribution"]
    return found.sort_values(key=abs, ascending=False, kind="stable")


def _cells(row) -> list[Cell]:
    suspicion = percent(row.suspicion, 0)
    if not 0.01 <= row.suspicion <= 0.99:
        suspicion = "<\u00a01\u00a0%" if row.suspicion < 0.01 else ">\u00a099\u00a0%"
    return [
        Cell(_words(row.feature)),
        value_cell(row),
        Cell(usual_range(row.usual_low, row.usual_high) or "–"),
        Cell(str(row.expected) if pd.notna(row.expected) and row.expected else "–"),
        Cell(suspicion, mark="more", bar=(0.0, 100 * row.suspicion)),
    ]


def _added(own: pd.Series, feature: str) -> Cell:
    if feature not in own.index:
        return Cell("–")
    return Cell(signed(own[feature], 0 if abs(own[feature]) >= 100 else 2))


def _change(r: ModalityResults, changes: pd.DataFrame, case_id: str) -> tuple[list[Fact], str]:
    rows = changes[(changes["case_id"] == case_id) & (changes["model"] == r.leading)]
    if rows.empty:
        return [], ""
    first = rows.iloc[0]
    score = short_number(first["changed_score"])
    if first["status"] == "change":
        steps = " and ".join(
            f"{_words(row.feature)} {_with_unit(row.changed_to, row.unit)} instead of {shown_value(row.value)}"
            for row in rows.itertuples()
            if row.feature
        )
        said = f"{steps} (score {score})"
    elif first["status"] == "none":
        said = f"No change of up to three values was found that takes it below the threshold (lowest score {score})"
    else:
        said = "It is not flagged as it is."
    return [Fact("Would be usual with", [said])], short_number(first["threshold"])


def _nearest(r: ModalityResults, nearest_normals: pd.DataFrame, case_id: str) -> list[Fact]:
    rows = nearest_normals[nearest_normals["case_id"] == case_id]
    lines = []
    for nearest_id, part in rows.groupby("nearest_id", sort=False):
        differences = [
            f"{_words(row.feature)} {_with_unit(row.nearest_value, row.unit)}"
            for row in part.head(DIFFERENCES).itertuples()
            if row.feature
        ]
        lines.append(f"{r.case_name(nearest_id)}: {', '.join(differences) or 'in nothing'}")
    return [Fact(f"Most alike among normal {plural(r.noun)}, and where they differ", lines)] if lines else []


def _flags(quality_flags: pd.DataFrame, case_id: str) -> Fact:
    rows = quality_flags[quality_flags["case_id"] == case_id]
    if rows.empty:
        return Fact("Data quality", ["No rule is broken."])
    lines = [
        f"{_words(row.column)}: {row.message}" if pd.notna(row.column) and row.column else row.message
        for row in rows.itertuples()
    ]
    return Fact("Data quality", lines, mark="flagged")


def _with_unit(value: object, unit: object) -> str:
    return f"{shown_value(value)}\u00a0{shown_unit(value, unit)}".strip()


def _words(feature: str) -> str:
    return str(feature).replace("_", " ")

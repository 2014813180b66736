"""Why a record is unusual: values that do not fit, what would make it usual, the normal records most like it, its flags."""

from typing import NamedTuple

import pandas as pd

from medanomaly.reporting.figures.explanations import shown_unit, shown_value, usual_range, value_cell
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.sections import Cell, Fact
from medanomaly.reporting.wording import percent, plural, short_number, signed

SUSPICIOUS, CONTRIBUTING, DIFFERENCES = 5, 3, 4
EVIDENCE_NOTE = (
    "Expected: what the other values of the same {noun} lead one to expect. Out of place: if exactly one value is wrong, "
    "how likely it is this one. An unusual value is not necessarily a wrong or a dangerous one. A change says what the "
    "model would pass, not what to treat."
)


class Evidence(NamedTuple):
    """What is known of one case beyond its contributions.

    Attributes:
        exact: whether the rows end with what the value adds to the score.
        rows: value, found, usual, expected, out of place and, where exact, adds.
        facts: what would make it usual, its neighbours, its data quality.
        threshold: of the score, in words; empty where no change was looked for.
    """

    exact: bool
    rows: list[list[Cell]]
    facts: list[Fact]
    threshold: str


def evidence(r: ModalityResults, case_id: str) -> Evidence | None:
    """Everything known about one case beyond its contributions; None where the modality brings no such tables."""
    if r.unexpected_values is None or not (r.unexpected_values["case_id"] == case_id).any():
        return None
    values = r.unexpected_values[r.unexpected_values["case_id"] == case_id]
    own = _contributions(r, case_id)
    named = list(values["feature"].head(SUSPICIOUS))
    others = [feature for feature in own.index[:CONTRIBUTING] if feature not in named]
    shown = values[values["feature"].isin([*named, *others])]
    exact = not own.empty
    rows = [[*_cells(row), *([_added(own, row.feature)] if exact else [])] for row in shown.itertuples()]
    change, threshold = _change(r, case_id)
    facts = [*change, *_nearest(r, case_id), _flags(r, case_id)]
    return Evidence(exact, rows, facts, threshold)


def _contributions(r: ModalityResults, case_id: str) -> pd.Series:
    """Feature to contribution, the strongest first; empty where the leading model's are no exact terms of its score."""
    if not r.exact or case_id not in r.reasons:
        return pd.Series(dtype=float)
    found = r.reasons[case_id].set_index("feature")["contribution"]
    return found.sort_values(key=abs, ascending=False, kind="stable")


def _cells(row) -> list[Cell]:
    suspicion = "<\u00a01\u00a0%" if row.suspicion < 0.01 else percent(row.suspicion, 0)
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


def _change(r: ModalityResults, case_id: str) -> tuple[list[Fact], str]:
    if r.changes is None:
        return [], ""
    rows = r.changes[(r.changes["case_id"] == case_id) & (r.changes["model"] == r.leading)]
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


def _nearest(r: ModalityResults, case_id: str) -> list[Fact]:
    if r.nearest_normals is None:
        return []
    rows = r.nearest_normals[r.nearest_normals["case_id"] == case_id]
    lines = []
    for nearest_id, part in rows.groupby("nearest_id", sort=False):
        differences = [
            f"{_words(row.feature)} {_with_unit(row.nearest_value, row.unit)}"
            for row in part.head(DIFFERENCES).itertuples()
            if row.feature
        ]
        lines.append(f"{r.case_name(nearest_id)}: {', '.join(differences) or 'in nothing'}")
    return [Fact(f"Most alike among normal {plural(r.noun)}, and where they differ", lines)] if lines else []


def _flags(r: ModalityResults, case_id: str) -> Fact:
    rows = None if r.quality_flags is None else r.quality_flags[r.quality_flags["case_id"] == case_id]
    if rows is None or rows.empty:
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

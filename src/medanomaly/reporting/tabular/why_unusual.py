"""Why a case is unusual, as plain rows: values that do not fit, what would make it usual, its likes, its flags."""

from typing import Any

import pandas as pd

from medanomaly.reporting.figures.explanations import shown_unit, usual_range
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.wording import percent, signed

SUSPICIOUS, CONTRIBUTING, DIFFERENCES = 5, 3, 4


def evidence(r: ModalityResults, case_id: str) -> dict[str, Any] | None:
    """Everything known about one case beyond its contributions; None where the modality brings no such tables."""
    if r.unexpected_values is None or not (r.unexpected_values["case_id"] == case_id).any():
        return None
    values = r.unexpected_values[r.unexpected_values["case_id"] == case_id]
    own = _contributions(r, case_id)
    named = list(values["feature"].head(SUSPICIOUS))
    others = [f for f in own.index[:CONTRIBUTING] if f not in named]
    shown = values[values["feature"].isin([*named, *others])]
    return {
        "exact": not own.empty,
        "values": [_value_row(row, own) for row in shown.itertuples()],
        "change": _change(r, case_id),
        "nearest": _nearest(r, case_id),
        "flags": _flags(r, case_id),
    }


def side(value: object, low: float, high: float) -> str:
    """Whether a numeric value lies above (``high``) or below (``low``) its usual range, as on a laboratory report."""
    number = pd.to_numeric(value, errors="coerce")
    if pd.isna(number) or pd.isna(low) or pd.isna(high):
        return ""
    return "high" if number > high else "low" if number < low else ""


def _contributions(r: ModalityResults, case_id: str) -> pd.Series:
    """Feature to contribution, the strongest first; empty where the leading model's are no exact terms of its score."""
    table = r.explanations
    if table is None or "exact" not in table:
        return pd.Series(dtype=float)
    rows = table[(table["case_id"] == case_id) & (table["model"] == r.leading) & table["exact"].astype(bool)]
    return rows.set_index("feature")["contribution"].sort_values(key=abs, ascending=False, kind="stable")


def _value_row(row: Any, own: pd.Series) -> dict[str, Any]:
    return {
        "feature": _words(row.feature),
        "value": row.value,
        "unit": shown_unit(row.value, row.unit),
        "side": side(row.value, row.usual_low, row.usual_high),
        "usual": usual_range(row.usual_low, row.usual_high),
        "expected": row.expected,
        "suspicion": "<\u00a01\u00a0%" if row.suspicion < 0.01 else percent(row.suspicion, 0),
        "bar": f"{100 * row.suspicion:.1f}",
        "contribution": _added(own[row.feature]) if row.feature in own.index else "",
    }


def _change(r: ModalityResults, case_id: str) -> dict[str, Any] | None:
    if r.changes is None:
        return None
    rows = r.changes[(r.changes["case_id"] == case_id) & (r.changes["model"] == r.leading)]
    if rows.empty:
        return None
    first = rows.iloc[0]
    return {
        "status": first["status"],
        "steps": [
            {
                "feature": _words(row.feature),
                "value": row.value,
                "changed_to": row.changed_to,
                "unit": shown_unit(row.changed_to, row.unit),
            }
            for row in rows.itertuples()
            if row.feature
        ],
        "score": _short(first["score"]),
        "changed_score": _short(first["changed_score"]),
        "threshold": _short(first["threshold"]),
    }


def _nearest(r: ModalityResults, case_id: str) -> list[dict[str, Any]]:
    if r.nearest_normals is None:
        return []
    rows = r.nearest_normals[r.nearest_normals["case_id"] == case_id]
    return [
        {
            "case_id": nearest_id,
            "differences": [
                {
                    "feature": _words(row.feature),
                    "value": row.nearest_value,
                    "unit": shown_unit(row.nearest_value, row.unit),
                }
                for row in part.head(DIFFERENCES).itertuples()
                if row.feature
            ],
        }
        for nearest_id, part in rows.groupby("nearest_id", sort=False)
    ]


def _flags(r: ModalityResults, case_id: str) -> list[str]:
    if r.quality_flags is None:
        return []
    rows = r.quality_flags[r.quality_flags["case_id"] == case_id]
    return [
        f"{_words(row.column)}: {row.message}" if pd.notna(row.column) and row.column else row.message
        for row in rows.itertuples()
    ]


def _words(feature: str) -> str:
    return str(feature).replace("_", " ")


def _added(contribution: float) -> str:
    return signed(contribution, 0 if abs(contribution) >= 100 else 2)


def _short(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{float(value):.3g}"
    return text.replace("-", "−")

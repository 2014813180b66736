"""The most unusual cases as plain rows: which they are, and what makes each of them unusual."""

from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.reporting.figures.explanations import shown_unit, strongest, usual_range
from medanomaly.reporting.results import ModalityResults
from medanomaly.reporting.tabular.why_unusual import evidence, side
from medanomaly.reporting.wording import p_value, signed

UNUSUAL_CASES, EXPLAINED_CASES, FEATURES_A_CASE = 20, 6, 8


def unusual_rows(r: ModalityResults) -> dict[str, Any]:
    """The most unusual test cases of the leading model; without labels, every flagged one up to the limit."""
    columns = subgroup_columns(r.cases)
    explained = {card["case_id"] for card in explained_cases(r)}
    rows = [
        {
            "case_id": row["case_id"],
            "explained": row["case_id"] in explained,
            "p_value": p_value(row["p_value"]),
            "n_flagging": int(row["n_flagging"]),
            "label": _label_word(row["label"]),
            "kind": "" if pd.isna(row["kind"]) else row["kind"],
            "groups": ["–" if pd.isna(row[column]) else str(row[column]) for column in columns],
        }
        for _, row in r.most_unusual.head(UNUSUAL_CASES).iterrows()
    ]
    return {
        "columns": [column.replace("_", " ") for column in columns],
        "rows": rows,
        "n_models": len(r.contenders),
        "labelled": r.test_cases["label"].notna().any(),
        "kinds": any(row["kind"] for row in rows),
    }


def _label_word(label: Any) -> str:
    return "unknown" if pd.isna(label) else ("anomalous" if label == 1 else "normal")


def explained_cases(r: ModalityResults) -> list[dict[str, Any]]:
    """The most unusual cases that have explanations: their strongest features with bars scaled within the case."""
    if r.explanations is None or r.explanations.empty:
        return []
    known = set(r.explanations.loc[r.explanations["model"] == r.leading, "case_id"])
    chosen = r.most_unusual[r.most_unusual["case_id"].isin(known)].head(EXPLAINED_CASES)
    return [
        {
            "case_id": row["case_id"],
            "rank": position + 1,
            "p_value": p_value(row["p_value"]),
            "label": _label_word(row["label"]),
            "kind": "" if pd.isna(row["kind"]) else row["kind"],
            "features": _feature_rows(strongest(r.explanations, row["case_id"], r.leading, FEATURES_A_CASE)),
            "evidence": evidence(r, row["case_id"]),
        }
        for position, row in chosen.iterrows()
    ]


def _feature_rows(rows: pd.DataFrame) -> list[dict[str, Any]]:
    contribution = rows["contribution"].astype(float)
    left, right = max(0.0, -contribution.min()), max(0.0, contribution.max())
    width = (left + right) or 1.0
    # as many decimals as give the largest contribution of the case three digits
    decimals = int(np.clip(2 - np.floor(np.log10(max(left, right) or 1.0)), 0, 6))
    return [
        {
            "feature": str(row.feature).replace("_", " "),
            "value": "" if pd.isna(row.value) else str(row.value),
            "unit": shown_unit(row.value, row.unit),
            "usual": usual_range(row.usual_low, row.usual_high),
            "side": side(row.value, row.usual_low, row.usual_high),
            "contribution": signed(row.contribution, decimals),
            "positive": row.contribution >= 0,
            "bar_left": f"{100 * (left + min(0.0, row.contribution)) / width:.1f}",
            "bar_width": f"{100 * abs(row.contribution) / width:.1f}",
        }
        for row in rows.itertuples()
    ]

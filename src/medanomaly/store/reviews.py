"""Reviews of alarms: what waits for a person, and how many alarms were right, model by model and over time."""

from typing import Any

import pandas as pd

from medanomaly.store.store import Store

# the latest reviews, which tell whether a model is getting worse
LATEST = 20
CONFIDENCE = 0.95


def alarms_to_review(
    store: Store, model: str | None = None, top: int = 20, case: object = None
) -> tuple[list[dict[str, Any]], int]:
    """Alarms that nobody has reviewed, the most unusual first, and how many there are.

    Args:
        store: of predictions.
        model: name or hash of a model; None takes all.
        top: at most so many.
        case: id of a case; None takes all.

    Returns:
        One per alarm: ``id`` (of the prediction), ``model`` (after its modality), ``p_value``, ``probability``,
        ``recorded_at``, ``why`` (names of the features behind it); and the number of all that wait.
    """
    waiting = store.predictions(model=model, case=case, flagged=True, reviewed=False)
    # models of probabilities have no p-value
    order = waiting["p_value"].fillna(1 - waiting["probability"])
    first = waiting.loc[order.sort_values(kind="stable").index].head(top)
    reasons = store.explanations(first["prediction_id"].tolist())
    why = {key: ", ".join(of["feature"]) for key, of in reasons.groupby("prediction_id", sort=False)}
    rows = [
        {
            "id": row.prediction_id,
            "model": f"{row.modality}.{row.model_name}",
            "p_value": _number(row.p_value),
            "probability": _number(row.probability),
            "recorded_at": row.recorded_at.isoformat(timespec="seconds"),
            "why": why.get(row.prediction_id, ""),
        }
        for row in first.itertuples()
    ]
    return rows, len(waiting)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(f"{float(value):.3g}")


def review_summary(store: Store, model: str | None = None) -> list[dict[str, object]]:
    """How many alarms of each model were right, among those that were reviewed.

    Reviews of the most unusual alarms say nothing of the others, and a case that was not flagged is rarely reviewed: this is
    the share of right alarms among reviewed ones, and no sensitivity.

    Returns:
        One per model: ``modality``, ``model``, ``n_alarms``, ``n_reviewed``, ``n_confirmed``, ``n_dismissed``, ``precision``
        with ``low`` and ``high`` (95 %, Clopper-Pearson; None without reviews), ``latest`` (precision of the last
        :data:`LATEST` reviews), and ``missed`` (cases without an alarm that were confirmed as anomalous).
    """
    found = store.predictions(model=model)
    # a case that was scored again is one alarm
    found = found.drop_duplicates(["modality", "model_name", "subject_key", "case_key"], keep="last")
    out = []
    for (modality, name), rows in found.groupby(["modality", "model_name"], sort=True):
        known = rows["anomalous"].notna()
        flagged = rows["flagged"].eq(True).fillna(False).astype(bool)
        reviewed = rows[flagged & known].sort_values("known_at", kind="stable")
        right = reviewed["anomalous"].astype(bool)
        low, high = _interval(int(right.sum()), len(right))
        out.append(
            {
                "modality": modality,
                "model": name,
                "n_alarms": int(flagged.sum()),
                "n_reviewed": len(right),
                "n_confirmed": int(right.sum()),
                "n_dismissed": int((~right).sum()),
                "precision": float(right.mean()) if len(right) else None,
                "low": low,
                "high": high,
                "latest": float(right.tail(LATEST).mean()) if len(right) else None,
                "missed": int(rows.loc[~flagged & known, "anomalous"].astype(bool).sum()),
            }
        )
    return out


def _interval(right: int, n: int) -> tuple[float | None, float | None]:
    from scipy import stats

    if not n:
        return None, None
    tail = (1 - CONFIDENCE) / 2
    low = stats.beta.ppf(tail, right, n - right + 1) if right else 0.0
    high = stats.beta.ppf(1 - tail, right + 1, n - right) if right < n else 1.0
    return float(low), float(high)

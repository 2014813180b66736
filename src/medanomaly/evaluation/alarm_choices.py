"""Three ways to choose whom to look at: a false-alarm rate, a number a day, a share of false alarms among the alarms."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from medanomaly.core.alarms import alarm_budget, alpha_for_budget
from medanomaly.core.cases import reference_cases
from medanomaly.core.conformal import benjamini_hochberg
from medanomaly.evaluation.false_alarm_bounds import false_alarms_at_most
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams

ALPHA, BUDGET, FDR = "alpha", "budget", "fdr"
CHOICE_COLUMNS = (
    "modality", "model", "role", "way", "setting", "n_days", "n_cases", "n_flagged", "implied_alpha", "largest_p",
    "fdp", "fdp_low", "fdp_high", "power", "power_low", "power_high", "n_positive", "false_at_most",
)  # fmt: skip
# with which no more of the alarms are false than false_at_most says
CONFIDENCE = 0.9
_JOINT = "\x1f"


def alarm_choices(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    modality: str,
    params: EvaluationParams,
    *,
    fdr: float,
    per_day: int | None = None,
    cases_per_day: int | None = None,
) -> pd.DataFrame:
    """What each way of choosing flags among the test cases, and how often it is right where labels are known.

    ``alpha`` flags as the score table does. ``budget`` takes the ``per_day`` highest scores of each day; test cases make up
    days of ``cases_per_day`` in the order of the case table. ``fdr`` rejects by Benjamini & Hochberg (1995), so that the
    expected share of false alarms among the alarms stays below it; ``core.conformal.benjamini_hochberg`` says when.

    Args:
        cases: case table.
        scores: score table of one or more models.
        modality: written into the table.
        params: settings; its alpha is the one that cases were flagged at.
        fdr: share of false alarms among the alarms, in (0, 1).
        per_day: alarms a day; None leaves the budget out.
        cases_per_day: cases a day; None takes all test cases as one day.

    Returns:
        One row a model and way. ``implied_alpha`` is the false-alarm rate that the choice amounts to: alpha itself, the
        budget over the cases of a day, the largest p-value flagged; ``largest_p`` the largest p-value flagged, NA where
        nothing is. ``fdp`` is the realised share of normal cases among the flagged ones of known label, ``power`` the share
        of anomalous ones that are flagged, both with intervals by patient; NA without labels of both classes.
        ``false_at_most`` needs no label: with a confidence of 90 % no more of the flagged cases are normal
        (:mod:`medanomaly.evaluation.false_alarm_bounds`). It is NA where a patient has several cases, and where p-values are
        compared within groups.
    """
    test = cases.loc[cases["split"] == "test"].reset_index(drop=True)
    rows, tables, bounds = [], [], []
    n_calibration = _independent(cases, params)
    for model, of_model in scores.groupby("model", sort=False):
        joined = test[["case_id"]].merge(of_model, on="case_id", how="inner", validate="one_to_one")
        for way, setting, n_days, flagged, amounts_to in _ways(joined, params, fdr, per_day, cases_per_day):
            p = joined["p_value"][flagged]
            largest = float(p.max()) if len(p) else np.nan
            implied = largest if amounts_to is None else amounts_to
            role, counts = joined["role"].iloc[0], (n_days, len(joined), int(flagged.sum()))
            rows.append((modality, model, role, way, setting, *counts, implied, largest))
            name = f"{model}{_JOINT}{way}"
            tables.append(joined.assign(model=name, flagged=pd.array(flagged, dtype="boolean")))
            known = n_calibration and joined["p_value"].notna().all() and len(joined)
            bounds.append(
                false_alarms_at_most(joined["p_value"].to_numpy(), flagged, n_calibration, CONFIDENCE)
                if known
                else pd.NA
            )
    measured = _measured(cases, pd.concat(tables, ignore_index=True), modality, params)
    out = []
    for row, bound in zip(rows, bounds, strict=True):
        found = measured.get(f"{row[1]}{_JOINT}{row[3]}", {})
        value, low, high, _ = found.get("ppv", (np.nan,) * 4)
        *power, n_positive = found.get("sensitivity", (np.nan, np.nan, np.nan, pd.NA))
        out.append((*row, 1 - value, 1 - high, 1 - low, *power, n_positive, bound))
    counts = {"n_positive": "Int64", "false_at_most": "Int64"}
    return pd.DataFrame(out, columns=list(CHOICE_COLUMNS)).astype(counts)


def _independent(cases: pd.DataFrame, params: EvaluationParams) -> int:
    """Calibration normals behind the p-values; 0 where cases of one patient, or groups, make their joint law unknown."""
    reference = reference_cases(cases, "calibration")
    together = cases[reference | cases["split"].eq("test")]
    return (
        0
        if params.group_by is not None or together["patient_id"].duplicated().any()
        else int(reference.sum())
    )


def _ways(
    joined: pd.DataFrame, params: EvaluationParams, fdr: float, per_day: int | None, cases_per_day: int | None
) -> Iterator[tuple[str, float, int, np.ndarray, float | None]]:
    """Way, its setting, days, what is flagged, and the alpha that it amounts to; None: the largest p-value flagged."""
    p = joined["p_value"].to_numpy(dtype=np.float64)
    flagged = joined["flagged"].fillna(False).to_numpy(dtype=bool)
    yield ALPHA, params.alpha, 1, flagged, params.alpha
    if per_day is not None:
        of_a_day = cases_per_day or len(joined)
        day = np.arange(len(joined)) // of_a_day
        chosen = alarm_budget(joined["score"].to_numpy(), per_day, day)
        yield BUDGET, float(per_day), int(day[-1]) + 1, chosen, alpha_for_budget(per_day, of_a_day)
    yield FDR, fdr, 1, benjamini_hochberg(p, fdr), None


def _measured(
    cases: pd.DataFrame, scores: pd.DataFrame, modality: str, params: EvaluationParams
) -> dict[str, dict[str, tuple]]:
    """Model and way to metric to value, interval and number of anomalous cases."""
    plain = cases[["case_id", "patient_id", "label", "kind", "split"]].assign(
        kind=pd.array([pd.NA] * len(cases), dtype="string")
    )
    metrics = evaluate(plain, scores, modality, params)
    wanted = metrics[metrics["metric"].isin(["ppv", "sensitivity"])]
    out: dict[str, dict[str, tuple]] = {}
    for row in wanted.itertuples():
        out.setdefault(row.model, {})[row.metric] = (row.value, row.ci_low, row.ci_high, row.n_positive)
    return out

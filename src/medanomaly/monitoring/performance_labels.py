"""Alarm rates and figures of a period from predictions and the labels that are known by now, whole and by subgroup."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.core.cases import subgroup_columns
from medanomaly.evaluation.metrics import evaluate
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.intervals import clopper_pearson, false_alarm_interval
from medanomaly.monitoring.drift import chi_square

METRICS = ("auroc", "auprc", "sensitivity", "false_alarm_rate", "ppv", "brier", "ece")
# below this p-value the flagged cases are labelled more often, or less often, than the others
_CHOSEN = 0.01


def alarm_rates(
    cases: pd.DataFrame, flagged: np.ndarray, alpha: float, n_calibration: int, least: int, confidence: float
) -> list[dict[str, Any]]:
    """Share of cases flagged by one model, of all cases and of each subgroup that is large enough.

    Args:
        cases: case table of n rows: ``patient_id``, ``label`` and subgroups.
        flagged: (n,) bool.
        alpha: false-alarm rate that was asked for.
        n_calibration: normal cases behind the p-values.
        least: patients from which a subgroup is measured.
        confidence: that all intervals of the list hold together (Bonferroni).

    Returns:
        One row per group: ``group``, ``n``, ``n_patients``, ``n_flagged``, ``rate`` with ``low`` and ``high``, and, of the
        cases that are known to be normal, ``n_normal``, ``false_alarms`` (their share that is flagged) and the range
        ``expected_low`` to ``expected_high`` in which it lies while p-values hold; None without such cases. Intervals count
        patients, not cases.
    """
    groups: list[tuple[str, np.ndarray]] = [("", np.ones(len(cases), dtype=bool))]
    for column in subgroup_columns(cases):
        levels = cases[column].astype("string")
        groups += [
            (f"{column}={level}", levels.eq(level).fillna(False).to_numpy(dtype=bool))
            for level in sorted(levels.dropna().unique())
        ]
    groups = [
        (name, mask) for name, mask in groups if not name or cases.loc[mask, "patient_id"].nunique() >= least
    ]
    each = 1 - (1 - confidence) / len(groups)
    normal = cases["label"].eq(0).fillna(False).to_numpy(dtype=bool)
    rows = []
    for name, mask in groups:
        n, patients = int(mask.sum()), cases.loc[mask, "patient_id"].nunique()
        if not n:
            continue
        rate = float(flagged[mask].mean())
        low, high = clopper_pearson(rate * patients, patients, each)
        row: dict[str, Any] = {
            "group": name, "n": n, "n_patients": patients, "n_flagged": int(flagged[mask].sum()), "rate": rate, "low": low,
            "high": high, "n_normal": int((mask & normal).sum()), "false_alarms": None, "expected_low": None,
            "expected_high": None,
        }  # fmt: skip
        if row["n_normal"]:
            of = cases.loc[mask & normal, "patient_id"].nunique()
            expected = false_alarm_interval(n_calibration, of, alpha, each)
            row |= {
                "false_alarms": float(flagged[mask & normal].mean()),
                "expected_low": float(expected[0]),
                "expected_high": float(expected[1]),
            }
        rows.append(row)
    return rows


def measured(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame | None,
    modality: str,
    confidence: float,
    least: int,
) -> pd.DataFrame:
    """Metrics of the cases whose label is known, whole and by subgroup: the metrics table of ``evaluation.metrics``."""
    known = cases[cases["label"].notna()].assign(split="test")
    if not len(known):
        return pd.DataFrame(columns=["model", "subgroup", "metric", "value", "ci_low", "ci_high"])
    params = EvaluationParams(confidence=confidence, min_subgroup_size=least, n_resamples=1000)
    of = scores[scores["case_id"].isin(known["case_id"])]
    table = evaluate(known, of, modality, params, probabilities)
    return table[table["metric"].isin(METRICS)]


def labelled_by_choice(flagged: Sequence[bool], labelled: Sequence[bool]) -> bool:
    """Whether labels are known of flagged cases more often, or less often, than of others: figures are then off."""
    flagged, labelled = np.asarray(flagged, dtype=bool), np.asarray(labelled, dtype=bool)
    if not flagged.any() or flagged.all() or labelled.all() or not labelled.any():
        return False
    table = [np.array([(labelled & of).sum(), (~labelled & of).sum()]) for of in (flagged, ~flagged)]
    return chi_square(*table) < _CHOSEN

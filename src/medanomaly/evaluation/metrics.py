"""The metrics table: every metric of every model on the test cases, whole and by group, with intervals.

Intervals are percentile intervals of the patient-level bootstrap, except where it would claim too much:

- a proportion whose bootstrap interval has no width (6 of 6 found), or which more than 5 % of the resamples leave
  undefined, gets the Clopper-Pearson interval with the patients behind the proportion as trials;
- F1 then gets the interval of the Jaccard index J = tp / (tp + fp + fn), a proportion, through F1 = 2 J / (1 + J);
- an AUROC of exactly 1 or 0 gets the bound of ``intervals.perfect_ranking_bound``, an average precision of 1 the same;
- rank metrics of a class with a single patient have no interval (NaN): nothing shows how patients of that class differ;
- the expected calibration error is recentred, since resampling adds noise that shifts every resample upwards.

A metric that is undefined (one class only, nothing flagged, flags missing), or that rests on fewer than ``min_class_size``
cases of a group, stands in the table with value NaN and its n.
"""

from typing import Any, cast

import numpy as np
import pandas as pd

from medanomaly.evaluation.known_metrics import METRICS, Metric
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, bootstrap
from medanomaly.evaluation.resampling.delong import delong_interval
from medanomaly.evaluation.resampling.intervals import (
    clopper_pearson,
    percentile_interval,
    perfect_ranking_bound,
)
from medanomaly.evaluation.score_matrix import ScoreMatrix, groups, score_matrix

METRIC_COLUMNS = (
    "modality", "model", "role", "split", "subgroup", "metric", "value", "ci_low", "ci_high", "n", "n_positive",
)  # fmt: skip
SUPPRESSED = "suppressed"
MOST_UNDEFINED = 0.05


def evaluate(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    modality: str,
    params: EvaluationParams,
    probabilities: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Metrics of every model of a score table on the test cases whose label is known.

    Args:
        cases: case table.
        scores: score table; trivial baselines can stand in it as further models.
        modality: written into the table.
        params: settings.
        probabilities: columns case_id, model, probability, for the models that give any; adds brier and ece.

    Returns:
        Metrics table. A group smaller than ``min_subgroup_size`` has a single row with metric "suppressed", no model, and
        its size as value and n. Where no test label is known only ``flagged_share`` is there, n_positive NA.

    Example:
        >>> from medanomaly.evaluation.params import EvaluationParams
        >>> rng = np.random.default_rng(0)
        >>> cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(60)], "split": "test"})
        >>> cases = cases.assign(patient_id=cases["case_id"], label=[0, 1] * 30, kind="normal")
        >>> scores = cases[["case_id"]].assign(model="ecdf", role="model", score=rng.normal(cases["label"]))
        >>> scores = scores.assign(p_value=0.5, flagged=scores["score"] > 1)
        >>> table = evaluate(cases, scores, "tabular", EvaluationParams(n_resamples=100))
        >>> row = table[table["metric"].eq("auroc") & table["subgroup"].eq("")].iloc[0]
        >>> bool(row["ci_low"] < row["value"] < row["ci_high"])
        True
    """
    matrix = score_matrix(cases, scores, probabilities)
    rows: list[dict[str, Any]] = []
    everything = np.ones(len(matrix.cases), dtype=bool)
    shown, suppressed = groups(matrix, params) if len(matrix.cases) else ([], [])
    for name, mask in [("", everything), *((g.name, g.mask) for g in shown)]:
        for chosen, columns in matrix.scored_alike(mask):
            rows += _measure(matrix, name, chosen, columns, params)
    rows += [
        {"model": "", "role": "", "subgroup": g.name, "metric": SUPPRESSED}
        | {"value": float(g.size), "n": g.size, "n_positive": pd.NA}
        for g in suppressed
    ]
    return metric_table(pd.DataFrame(rows).assign(modality=modality, split="test"))


def metric_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows as a metrics table: :data:`METRIC_COLUMNS` in their order, each of its type.

    Args:
        rows: with these columns, in any order; others are left out. A column that is not there is missing in all rows.

    Example:
        >>> table = metric_table(pd.DataFrame([{"model": "ecdf", "metric": "auroc", "value": 0.91, "n": 120}]))
        >>> float(table.loc[0, "value"]), bool(table["ci_low"].isna().all()), str(table["n"].dtype)
        (0.91, True, 'Int64')
    """
    text = dict.fromkeys(("modality", "model", "role", "split", "subgroup", "metric"), "string")
    numbers = {"value": float, "ci_low": float, "ci_high": float, "n": "Int64", "n_positive": "Int64"}
    return rows.reindex(columns=list(METRIC_COLUMNS)).astype(text | numbers)


def _measure(
    matrix: ScoreMatrix, name: str, chosen: np.ndarray, columns: list[int], params: EvaluationParams
) -> list[dict[str, Any]]:
    sample = matrix.sample(chosen, columns)
    draws = bootstrap(sample, params.n_resamples, params.seed, params.n_bins, params.threads)
    metrics = _applicable(matrix, name, sample)
    values = {metric.name: draws.metric(metric.name) for metric in metrics}
    rows = []
    for j, column in enumerate(columns):
        no_flags = bool(np.isnan(matrix.flagged[chosen, column]).any())
        for metric in metrics:
            of_model = values[metric.name][:, j]
            if metric.needs == "probabilities" and not np.isfinite(of_model[0]):
                continue
            value, low, high = np.nan, np.nan, np.nan
            too_few = name and _fewest(metric, sample) < params.min_class_size
            if not (metric.needs == "flags" and no_flags) and not too_few:
                value = of_model[0]
                low, high = metric_interval(metric.name, of_model, sample, j, params.confidence)
            rows.append(_row(matrix, name, column, sample, metric.name, value, low, high))
    return rows


def _applicable(matrix: ScoreMatrix, group: str, sample: ResampledCases) -> list[Metric]:
    if not matrix.labelled:
        return [metric for metric in METRICS.values() if metric.without_labels]
    if group.startswith("kind="):
        return [metric for metric in METRICS.values() if metric.of_kinds]
    given = sample.probability is not None
    return [metric for metric in METRICS.values() if given or metric.needs != "probabilities"]


def _row(
    matrix: ScoreMatrix,
    name: str,
    column: int,
    sample: ResampledCases,
    metric: str,
    value: float,
    low: float,
    high: float,
) -> dict[str, Any]:
    return {
        "model": matrix.models[column],
        "role": matrix.roles[column],
        "subgroup": name,
        "metric": metric,
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "n": sample.positive.size,
        "n_positive": int(sample.positive.sum()) if matrix.labelled else pd.NA,
    }


def _fewest(metric: Metric, sample: ResampledCases) -> int:
    """Cases of the class that a metric rests on: the rarer one of a ranking, that of the denominator of a proportion."""
    if metric.interval in ("ranking", "delong"):
        return min(int(sample.positive.sum()), int((~sample.positive).sum()))
    # how many are flagged is a finding; how many of a class there are is not
    either = [metric.behind(sample.positive, np.full(sample.positive.size, flag)) for flag in (True, False)]
    return max(int(inside.sum()) for inside in either)


def _patients_behind(metric: Metric, sample: ResampledCases, model: int) -> int:
    """Patients with a case in the denominator of a proportion."""
    inside = metric.behind(sample.positive, cast(np.ndarray, sample.flagged)[:, model])
    return np.unique(sample.patient[inside]).size


def fewest_patients(sample: ResampledCases) -> int:
    """Patients of the rarer class."""
    sides = (sample.positive, ~sample.positive)
    return min(np.unique(sample.patient[side]).size for side in sides)


def perfect_bound(sample: ResampledCases, confidence: float) -> float:
    """Lower bound of a perfect ranking, from pairs of a positive and a negative case that use no patient twice."""
    pairs = min(fewest_patients(sample), np.unique(sample.patient).size // 2)
    return perfect_ranking_bound(pairs, pairs, confidence)


def metric_interval(
    metric: str, values: np.ndarray, sample: ResampledCases, model: int, confidence: float
) -> tuple[float, float]:
    """Interval of one metric of one model, by the rules of this module.

    Args:
        metric: name.
        values: (1 + resamples,) the value of the sample, then of the resamples.
        sample: what was resampled, with flags.
        model: column of the model in it.
        confidence: level.

    Returns:
        ``(low, high)``, NaN where there is no honest interval.
    """
    value, resampled, record = values[0], values[1:], METRICS[metric]
    if not np.isfinite(value):
        return np.nan, np.nan
    if record.interval == "ranking":
        return _rank_interval(values, sample, confidence)
    if record.interval == "delong":
        score = sample.score[:, model]
        return delong_interval(score, sample.positive, sample.patient, confidence)[1:]
    low, high = percentile_interval(resampled, confidence)
    if record.interval == "recentred":
        shift = value - float(np.nanmean(resampled))
        low, high = max(0.0, low + shift), min(1.0, high + shift)
    if low < high and np.isnan(resampled).mean() <= MOST_UNDEFINED:
        return low, high
    trials = _patients_behind(record, sample, model)
    if record.interval == "f1":
        jaccard = clopper_pearson(value / (2 - value) * trials, trials, confidence)
        return 2 * jaccard[0] / (1 + jaccard[0]), 2 * jaccard[1] / (1 + jaccard[1])
    return clopper_pearson(value * trials, trials, confidence)


def _rank_interval(values: np.ndarray, sample: ResampledCases, confidence: float) -> tuple[float, float]:
    if values[0] in (0.0, 1.0):
        bound = perfect_bound(sample, confidence)
        return (bound, 1.0) if values[0] == 1 else (0.0, 1.0 - bound)
    if fewest_patients(sample) < 2:
        return np.nan, np.nan
    return percentile_interval(values[1:], confidence)

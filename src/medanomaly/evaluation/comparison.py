"""Paired differences between models, from the resamples that the metrics table is made of."""

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from medanomaly.evaluation.known_metrics import COMPARED
from medanomaly.evaluation.metrics import fewest_patients, perfect_bound
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.bootstrap import ResampledCases, Resamples, bootstrap
from medanomaly.evaluation.resampling.intervals import percentile_interval
from medanomaly.evaluation.score_matrix import score_matrix

COMPARISON_COLUMNS = (
    "modality", "model_a", "model_b", "metric", "difference", "ci_low", "ci_high", "n", "n_positive",
)  # fmt: skip


def compare_models(
    cases: pd.DataFrame, scores: pd.DataFrame, modality: str, params: EvaluationParams
) -> pd.DataFrame:
    """Difference in AUROC and average precision of every pair of models on the test cases that both scored.

    Both models of a pair are measured on the same resamples, so what makes a resample easy or hard for both cancels
    (paired bootstrap). Intervals are not corrected for the number of pairs.

    Args:
        cases: case table.
        scores: score table; trivial baselines can stand in it as further models.
        modality: written into the table.
        params: settings.

    Returns:
        Comparisons table: one row a pair and metric, difference = model_a - model_b; empty without test labels. Two
        models that are both perfect (AUROC 1 or 0) get the interval that their exact bounds allow.

    Example:
        >>> from medanomaly.evaluation.params import EvaluationParams
        >>> rng = np.random.default_rng(0)
        >>> cases = pd.DataFrame({"case_id": [f"c{i}" for i in range(60)], "split": "test"})
        >>> cases = cases.assign(patient_id=cases["case_id"], label=[0, 1] * 30, kind="normal")
        >>> of = {"good": cases["label"] + rng.normal(size=60), "chance": rng.normal(size=60)}
        >>> scores = pd.concat(cases[["case_id"]].assign(model=m, role="model", score=s) for m, s in of.items())
        >>> scores = scores.assign(p_value=0.5, flagged=False)
        >>> table = compare_models(cases, scores, "tabular", EvaluationParams(n_resamples=100))
        >>> table.loc[0, ["model_a", "model_b", "metric"]].tolist()
        ['good', 'chance', 'auroc']
    """
    matrix = score_matrix(cases, scores)
    rows: list[tuple[Any, ...]] = []
    drawn: dict[bytes, tuple[ResampledCases, Resamples, dict[int, int]]] = {}
    for a, b in combinations(range(len(matrix.models)), 2) if matrix.labelled else ():
        both = np.isfinite(matrix.score[:, [a, b]]).all(axis=1)
        if not both.any():
            continue
        key = both.tobytes()
        if key not in drawn:
            # every model that scored these cases, so that each set of cases is resampled once
            columns = [m for m in range(len(matrix.models)) if np.isfinite(matrix.score[both, m]).all()]
            sample = matrix.sample(np.flatnonzero(both), columns)
            draws = bootstrap(sample, params.n_resamples, params.seed, threads=params.threads)
            drawn[key] = sample, draws, {m: j for j, m in enumerate(columns)}
        sample, draws, place = drawn[key]
        for metric in COMPARED:
            values = draws.metric(metric)[:, [place[a], place[b]]]
            rows.append(
                (
                    modality,
                    matrix.models[a],
                    matrix.models[b],
                    metric,
                    values[0, 0] - values[0, 1],
                    *difference_interval(values, sample, params.confidence),
                    sample.positive.size,
                    int(sample.positive.sum()),
                )
            )
    table = pd.DataFrame(rows, columns=list(COMPARISON_COLUMNS))
    text = dict.fromkeys(("modality", "model_a", "model_b", "metric"), "string")
    figures = dict.fromkeys(("difference", "ci_low", "ci_high"), float)
    return table.astype(text | figures | {"n": "Int64", "n_positive": "Int64"})


def difference_interval(values: np.ndarray, sample: ResampledCases, confidence: float) -> tuple[float, float]:
    """Interval of the difference of a rank metric between two models.

    Args:
        values: (1 + resamples, 2), row 0 the sample itself.
        sample: what was resampled.
        confidence: level.

    Returns:
        ``(low, high)``; NaN where the metric is undefined or a class has a single patient.
    """
    if not np.isfinite(values[0]).all():
        return np.nan, np.nan
    if np.isin(values[0], (0.0, 1.0)).all():
        room = 1.0 - perfect_bound(sample, confidence)
        difference = values[0, 0] - values[0, 1]
        return max(-1.0, difference - room), min(1.0, difference + room)
    if fewest_patients(sample) < 2:
        return np.nan, np.nan
    return percentile_interval(values[1:, 0] - values[1:, 1], confidence)

"""What a model has to beat: the nearest train normal, the number of missing values, chance, any single feature."""

import numpy as np
import pandas as pd

from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.scores import BASELINE, score_table, table_without_p_values
from medanomaly.core.splits import patient_position
from medanomaly.evaluation.audit.feature_space import aligned, nearest_train_normal, sort_out
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.resampling.delong import delong_interval

NEAREST, MISSING, RANDOM = "1-NN", "missing values", "random"
SINGLE_COLUMNS = ("feature", "auroc", "direction", "best", "ci_low", "ci_high", "n", "n_positive")


def trivial_baselines(cases: pd.DataFrame, features: pd.DataFrame, params: EvaluationParams) -> pd.DataFrame:
    """Score table of the trivial baselines, to stand beside the models' in metrics and comparisons.

    ``1-NN`` is the distance to the nearest train normal in standardised, median-imputed numeric features (statistics of
    train normals alone). ``missing values`` is the number of missing features. ``random`` is a hash of the case_id. A
    baseline that the data does not allow (no value missing, no numeric feature) is left out.

    Args:
        cases: case table.
        features: case_id and one column a feature.
        params: settings.

    Returns:
        Score table of role ``baseline``; p-values and flags are NA where there is no calibration normal.
    """
    table = aligned(cases, features)
    raw = {}
    neighbours = nearest_train_normal(cases, table)
    if neighbours is not None:
        raw[NEAREST] = neighbours.distance
    missing = table.isna().sum(axis=1).to_numpy(dtype=np.float64)
    if missing.any():
        raw[MISSING] = missing
    # named apart from the split: the same hash of the same id would give the split itself
    raw[RANDOM] = patient_position("random baseline " + cases["case_id"].astype("string"), params.seed)
    return pd.concat([_scored(cases, score, name, params) for name, score in raw.items()], ignore_index=True)


def _scored(cases: pd.DataFrame, score: np.ndarray, name: str, params: EvaluationParams) -> pd.DataFrame:
    try:
        return score_table(cases, score, name, params.alpha, params.group_by, params.min_group_size, BASELINE)
    except ConfigurationError:
        # without calibration normals there is no p-value, but the ranking of a baseline still means something
        return table_without_p_values(cases["case_id"], score, name, role=BASELINE)


def single_feature_table(
    cases: pd.DataFrame, features: pd.DataFrame, params: EvaluationParams
) -> pd.DataFrame:
    """How well each numeric feature alone ranks the test cases.

    Direction and order are chosen on the test labels, so ``best`` is an upper bound for what a single feature does,
    and its interval leaves that choice out of account: a mirror for leaks and shortcuts, not a competitor.

    Args:
        cases: case table.
        features: case_id and one column a feature; strings are passed over, gaps get the median of train normals.
        params: settings.

    Returns:
        One row a feature that varies in test, best first: feature, auroc (of "higher is anomalous"), direction
        ("high" or "low"), best = max(auroc, 1 - auroc), its DeLong interval, n, n_positive. Empty where the test labels
        do not hold both classes.
    """
    train = reference_cases(cases, "train").to_numpy(dtype=bool)
    if not train.any():
        train = (cases["split"] == "train").to_numpy(dtype=bool)
    test = ((cases["split"] == "test") & cases["label"].notna()).to_numpy(dtype=bool)
    positive = (cases["label"] == 1).fillna(False).to_numpy(dtype=bool)[test]
    rows = []
    if positive.any() and not positive.all() and train.any():
        values = sort_out(aligned(cases, features), train)[test]
        patient = pd.factorize(cases["patient_id"][test])[0]
        for name in values.columns:
            x = values[name].to_numpy()
            if (x == x[0]).all():
                continue
            value, low, high = delong_interval(x, positive, patient, params.confidence)
            upward = value >= 0.5
            best = (value, low, high) if upward else (1 - value, 1 - high, 1 - low)
            rows.append((name, value, "high" if upward else "low", *best, positive.size, int(positive.sum())))
    table = pd.DataFrame(rows, columns=list(SINGLE_COLUMNS)).astype(
        {"feature": "string", "direction": "string"}
    )
    figures = dict.fromkeys(("auroc", "best", "ci_low", "ci_high"), float)
    table = table.astype(figures | {"n": "Int64", "n_positive": "Int64"})
    return table.sort_values(["best", "feature"], ascending=[False, True], ignore_index=True)

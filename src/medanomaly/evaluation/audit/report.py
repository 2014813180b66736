"""The leak and shortcut audit that is printed beside every result."""

import pandas as pd

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.scores import BASELINE
from medanomaly.evaluation.audit.baselines import single_feature_table, trivial_baselines
from medanomaly.evaluation.audit.feature_space import aligned
from medanomaly.evaluation.audit.guarantees import (
    beats_baselines,
    calibration_size,
    false_alarms,
    new_patients,
    threshold_from_calibration,
)
from medanomaly.evaluation.audit.leaks import (
    exact_duplicates,
    missingness,
    near_duplicates,
    patients_across_split,
    single_feature,
)
from medanomaly.evaluation.audit.shift import drift
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.evaluation.score_matrix import score_matrix


def audit(
    cases: pd.DataFrame,
    features: pd.DataFrame | None,
    scores: pd.DataFrame,
    modality: str,
    params: EvaluationParams,
    single: pd.DataFrame | None = None,
) -> dict:
    """Look for what makes figures better than the models are, and for what makes p-values wrong.

    Nothing here needs the models: cases, features and scores tell. Every check is deterministic and stands in the
    result whatever comes out; one that the data does not allow says so.

    Args:
        cases: case table.
        features: case_id and one column a feature; None where there is no table of features.
        scores: score table of the models; baselines are added where it has none.
        modality: written into the result.
        params: settings; ``alpha``, ``group_by`` and ``min_group_size`` as the scores were flagged with.
        single: :func:`baselines.single_feature_table` where it is there already.

    Returns:
        ``{"modality": ..., "checks": [{"name", "title", "verdict", "figure", "value", "what_to_do"}, ...]}``.
    """
    if params.group_by is not None and params.group_by not in cases.columns:
        raise ConfigurationError(f"the case table has no column '{params.group_by}' to group p-values by")
    cases = cases.reset_index(drop=True)
    table = None
    if features is not None:
        table = aligned(cases, features)
        if single is None:
            single = single_feature_table(cases, features, params)
        if not scores["role"].eq(BASELINE).any():
            scores = pd.concat([scores, trivial_baselines(cases, features, params)], ignore_index=True)
    matrix = score_matrix(cases, scores)
    models = score_matrix(cases, scores[scores["role"] != BASELINE])
    checks = [
        patients_across_split(cases),
        exact_duplicates(cases, table, models),
        near_duplicates(cases, table),
        threshold_from_calibration(cases, scores, params),
        calibration_size(cases, params),
        false_alarms(cases, models, params),
        new_patients(cases, scores, params),
        beats_baselines(cases, matrix, scores, single, params),
        single_feature(single),
        missingness(cases, table, params),
        drift(cases, table, params),
    ]
    return {"modality": modality, "checks": [check.as_dict() for check in checks]}

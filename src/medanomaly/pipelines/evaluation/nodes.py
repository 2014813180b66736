"""Nodes of the evaluation; they speak cases, features and scores, whatever the modality."""

import pandas as pd

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged


def score_baselines(
    cases: pd.DataFrame, features: pd.DataFrame, params: EvaluationParams, alarm: AlarmParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table of the trivial baselines, and what each single feature does alone."""
    from medanomaly.evaluation.audit.baselines import single_feature_table, trivial_baselines

    settings = judged_as_flagged(params, alarm, run)
    return trivial_baselines(cases, features, settings), single_feature_table(cases, features, settings)


def measure(
    modality: str,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics and paired comparisons of models and baselines, from the same resamples."""
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate

    settings = judged_as_flagged(params, alarm, run)
    everything = pd.concat([scores, baselines], ignore_index=True)
    return (
        evaluate(cases, everything, modality, settings),
        compare_models(cases, everything, modality, settings),
    )


def choose_alarms(
    modality: str,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """What alpha, an alert budget and a false discovery rate each flag, and how often that is right."""
    from medanomaly.evaluation.alarm_choices import alarm_choices

    budget = alarm.budget.model_dump() if alarm.budget is not None else {}
    return alarm_choices(
        cases, scores, modality, judged_as_flagged(params, alarm, run), fdr=alarm.fdr, **budget
    )


def audit_results(
    modality: str,
    cases: pd.DataFrame,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    baselines: pd.DataFrame,
    single_features: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> dict:
    """Leaks, shortcuts, and whether the p-values hold."""
    from medanomaly.evaluation.audit.report import audit

    everything = pd.concat([scores, baselines], ignore_index=True)
    return audit(
        cases, features, everything, modality, judged_as_flagged(params, alarm, run), single_features
    )

"""Nodes of the risk models; one set of them serves every model."""

import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.evaluation.params import EvaluationParams
from medanomaly.parameters import AlarmParams, RunParams, judged_as_flagged
from medanomaly.pipelines.data_processing.nodes import DataProcessingParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.tabular.risk.params import RiskParams

EXPLAINED_CASES = 20


def fit_risk(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    summary: dict,
    params: RiskParams,
    data_params: DataProcessingParams,
    run: RunParams,
) -> Bundle:
    """Fit, calibrate and choose the threshold on labelled cases outside test."""
    from medanomaly.tabular.features import feature_units
    from medanomaly.tabular.risk.card import risk_card
    from medanomaly.tabular.risk.training import train_risk

    table = data_params.table(run.table)
    bundle = train_risk(
        cases,
        features,
        params,
        name=" + ".join(member.model for member in params.members),
        seed=run.seed,
        outcome=f"{table.label} other than {', '.join(map(str, table.normal_labels))}",
        units=feature_units(table, summary["columns"]),
        stamp=bundle_stamp(run.dataset),
    )
    return make_bundle(bundle.manifest, bundle.files | {"card.md": risk_card(bundle.manifest).encode()})


def predict_risk(
    cases: pd.DataFrame, features: pd.DataFrame, bundle: Bundle
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Probabilities and score table of the test cases, and explanations of those at highest risk."""
    from medanomaly.tabular.risk.scorer import RiskScorer, risk_explanations, risk_tables

    scorer = RiskScorer(bundle)
    probabilities, scores = risk_tables(scorer, cases, features)
    return probabilities, scores, risk_explanations(scorer, cases, features, probabilities, EXPLAINED_CASES)


def list_suspicious_labels(
    cases: pd.DataFrame, features: pd.DataFrame, params: RiskParams, run: RunParams
) -> pd.DataFrame:
    """Labels for somebody to look at."""
    from medanomaly.tabular.risk.training import check_labels

    return check_labels(cases, features, params, seed=run.seed)


def gather(*tables: pd.DataFrame) -> pd.DataFrame:
    """One table of all models."""
    return pd.concat(tables, ignore_index=True)


def measure_risk(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    probabilities: pd.DataFrame,
    params: EvaluationParams,
    alarm: AlarmParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Metrics, with brier and ece, and paired comparisons."""
    from medanomaly.evaluation.comparison import compare_models
    from medanomaly.evaluation.metrics import evaluate

    settings = judged_as_flagged(params, alarm, run)
    return (
        evaluate(cases, scores, "tabular_risk", settings, probabilities),
        compare_models(cases, scores, "tabular_risk", settings),
    )

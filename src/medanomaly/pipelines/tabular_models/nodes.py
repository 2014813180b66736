"""Nodes of the tabular models; one set of them serves every detector."""

import pandas as pd

from medanomaly.core.bundle import Bundle, make_bundle
from medanomaly.core.scores import check_scores, score_table
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.data_processing.nodes import DataProcessingParams
from medanomaly.pipelines.provenance import bundle_stamp
from medanomaly.tabular.training import DetectorParams

EXPLAINED_CASES = 20


def fit_detector(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    summary: dict,
    params: DetectorParams,
    data_params: DataProcessingParams,
    alarm: AlarmParams,
    run: RunParams,
) -> Bundle:
    """Fit on train, calibrate on calibration, seal with preprocessing and card."""
    from medanomaly.reporting.model_card import render_card
    from medanomaly.tabular.features import feature_units
    from medanomaly.tabular.training import train_bundle

    bundle = train_bundle(
        cases,
        features,
        params,
        name=params.detector,
        alpha=alarm.alpha,
        seed=run.seed,
        group_by=alarm.group_by,
        units=feature_units(data_params.table(run.table), summary["columns"]),
        stamp=bundle_stamp(run.dataset),
    )
    card = render_card(bundle.manifest, None)
    return make_bundle(bundle.manifest, bundle.files | {"card.md": card.encode()})


def score_cases(
    cases: pd.DataFrame, features: pd.DataFrame, bundle: Bundle, alarm: AlarmParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table of every case, and explanations of the most anomalous test cases."""
    from medanomaly.tabular.scorer import TabularScorer, explanation_table

    scorer = TabularScorer(bundle)
    scores = score_table(
        cases,
        scorer.score(features),
        bundle.manifest["name"],
        alarm.alpha,
        group_by=alarm.group_by,
        min_group_size=alarm.min_group_size,
    )
    return scores, explanation_table(scorer, cases, features, scores, EXPLAINED_CASES)


def gather_scores(*scores: pd.DataFrame) -> pd.DataFrame:
    """One score table of all models."""
    return check_scores(pd.concat(scores, ignore_index=True))


def gather_explanations(*explanations: pd.DataFrame) -> pd.DataFrame:
    """One explanation table of all models."""
    return pd.concat(explanations, ignore_index=True)

"""Nodes of the tabular models; one set of them serves every detector."""

import logging
from typing import Any

import pandas as pd
from pydantic import ValidationError

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.errors import ConfigurationError
from medanomaly.core.scores import case_thresholds, most_anomalous
from medanomaly.detectors.training import DetectorParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.data_processing.nodes import DataProcessingParams
from medanomaly.pipelines.model_steps import EXPLAINED_CASES, scored, stamp, with_card

logger = logging.getLogger(__name__)


def fit_detector(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    summary: dict,
    tuned: dict,
    params: DetectorParams,
    data_params: DataProcessingParams,
    alarm: AlarmParams,
    run: RunParams,
    *,
    name: str,
) -> Bundle:
    """Fit on train, calibrate on calibration, seal with preprocessing and card; ``tuned`` is empty before a study."""
    from medanomaly.detectors.training import train_bundle
    from medanomaly.tabular.features.table_features import feature_units

    return with_card(
        train_bundle(
            cases,
            features,
            with_tuned_options(params, tuned, name),
            name=name,
            alpha=alarm.alpha,
            seed=run.seed,
            group_by=alarm.group_by,
            units=feature_units(data_params.table(run.table), summary["columns"]),
            stamp=stamp(run, tuned),
        )
    )


def with_tuned_options(params: DetectorParams, tuned: dict[str, Any], name: str) -> DetectorParams:
    """The block's options, with those that a study found in their place; what is used is logged.

    Raises:
        ConfigurationError: the study was of another detector.
    """
    if not tuned:
        return params
    try:
        together = DetectorParams.model_validate(
            params.model_dump() | {"options": params.options | tuned["options"]}
        )
    except ValidationError as error:
        raise ConfigurationError(
            f"tuned options {tuned['options']} do not fit '{name}': {error.errors()[0]['ctx']['error']}",
            source=f"study {tuned['study']}",
            remedy=f"Tune it again, or delete {name}.tuned.json beside its bundle.",
        ) from error
    logger.info(
        "%s: %s from study %s, trial %d (%.4f)",
        name,
        ", ".join(f"{option}={value}" for option, value in tuned["options"].items()),
        tuned["study"],
        tuned["trial"],
        tuned["value"],
    )
    return together


def score_cases(
    cases: pd.DataFrame, features: pd.DataFrame, bundle: Bundle, alarm: AlarmParams
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Score table of every case, and explanations of the most anomalous test cases."""
    from medanomaly.detectors.scorer import TabularScorer, explanation_table

    scorer = TabularScorer(bundle)
    scores = scored(cases, scorer.score(features), bundle.manifest["name"], alarm)
    return scores, explanation_table(scorer, cases, features, scores, EXPLAINED_CASES)


def find_changes(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    bundle: Bundle,
    scores: pd.DataFrame,
    data_params: DataProcessingParams,
    alarm: AlarmParams,
    run: RunParams,
) -> pd.DataFrame:
    """The smallest change of values that would take each of the most anomalous test cases below its threshold."""
    from medanomaly.detectors.scorer import TabularScorer
    from medanomaly.tabular.explain.smallest_change import SmallestChange
    from medanomaly.tabular.explain.unexpected_values import NormalRecords

    table, scorer = data_params.table(run.table), TabularScorer(bundle)
    chosen = most_anomalous(cases, scores, EXPLAINED_CASES)
    ratios = {name: parts for name, parts in table.ratios.items() if name in features}
    normals = NormalRecords(
        features[reference_cases(cases, "train").to_numpy()], bundle.manifest["input_contract"], list(ratios)
    )
    search = SmallestChange(
        scorer.score,
        normals,
        possible={name: column.possible for name, column in table.columns.items() if column.possible},
        ratios=ratios,
        orders=[(rule.lower, rule.upper) for rule in table.rules.order.values()],
    )
    threshold = case_thresholds(
        cases, scores["score"].to_numpy(), alarm.alpha, alarm.group_by, alarm.min_group_size
    )
    return search.search(features.iloc[chosen], threshold[chosen], bundle.manifest["name"])


def describe_unusual(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    explanations: pd.DataFrame,
    bundle: Bundle,
    data_params: DataProcessingParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of every explained case: which values do not fit the others, and its nearest normal records."""
    from medanomaly.tabular.explain.unexpected_values import NormalRecords

    normals = NormalRecords(
        features[reference_cases(cases, "train").to_numpy()],
        bundle.manifest["input_contract"],
        list(data_params.table(run.table).ratios),
    )
    chosen = features[features["case_id"].isin(explanations["case_id"])]
    return normals.unexpected(chosen), normals.nearest_table(chosen)

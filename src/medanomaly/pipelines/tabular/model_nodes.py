"""Nodes of the models of tables besides fit, score and explain: what would make a case usual, and what is unusual in it."""

import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.cases import reference_cases
from medanomaly.core.scores import case_thresholds, most_anomalous
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.models import EXPLAINED_CASES
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams


def find_changes(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame,
    data_params: DataProcessingParams,
    alarm: AlarmParams,
    run: RunParams,
    *bundles: Bundle,
    default: str = "",
) -> pd.DataFrame:
    """The smallest change of values that would take the most anomalous test cases below the leading model's threshold.

    Of the other models the report shows none, and the search costs more than all else that is done with a model.
    ``default`` leads where no label says which model is best.
    """
    from medanomaly.detectors.scorer import TabularScorer
    from medanomaly.reporting.results import ModalityResults
    from medanomaly.tabular.explain.normal_records import NormalRecords
    from medanomaly.tabular.explain.smallest_change import SmallestChange

    leading = ModalityResults("tabular", cases=cases, scores=scores, metrics=metrics, default=default).leading
    (bundle,) = (bundle for bundle in bundles if bundle.manifest.name == leading)
    scores = scores[scores["model"] == leading].reset_index(drop=True)
    table, scorer = data_params.table(run.table), TabularScorer(bundle)
    chosen = most_anomalous(cases, scores, EXPLAINED_CASES)
    ratios = {name: parts for name, parts in table.ratios.items() if name in features}
    normals = NormalRecords(
        features[reference_cases(cases, "train").to_numpy()], bundle.manifest.input_contract, list(ratios)
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
    return search.search(features.iloc[chosen], threshold[chosen], leading)


def describe_unusual(
    cases: pd.DataFrame,
    features: pd.DataFrame,
    explanations: pd.DataFrame,
    bundle: Bundle,
    data_params: DataProcessingParams,
    run: RunParams,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Of every explained case: which values do not fit the others, and its nearest normal records."""
    from medanomaly.tabular.explain.normal_records import NormalRecords

    normals = NormalRecords(
        features[reference_cases(cases, "train").to_numpy()],
        bundle.manifest.input_contract,
        list(data_params.table(run.table).ratios),
    )
    chosen = features[features["case_id"].isin(explanations["case_id"])]
    return normals.unexpected(chosen), normals.nearest_table(chosen)

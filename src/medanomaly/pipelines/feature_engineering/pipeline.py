"""Wiring of feature engineering."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.feature_engineering.nodes import make_features


def create_pipeline(**_) -> Pipeline:
    """Records to features."""
    return Pipeline(
        [
            Node(
                make_features,
                ["records", "cases", "params:data_processing", "params:run"],
                "features",
                name="make_features",
            )
        ],
        namespace="tabular",
        inputs={"records": "tabular.records", "cases": "tabular.cases"},
        parameters={"params:data_processing", "params:run"},
        tags="tabular",
    )

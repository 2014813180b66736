"""Wiring of feature engineering."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.feature_engineering.nodes import fit_table_features, make_features


def create_pipeline(**_) -> Pipeline:
    """Records to features."""
    params = ["params:data_processing", "params:run"]
    return Pipeline(
        [
            Node(
                fit_table_features, ["records", "cases", *params], "feature_bundle", name="fit_table_features"
            ),
            Node(
                make_features,
                ["records", "cases", "feature_bundle", *params],
                "features",
                name="make_features",
            ),
        ],
        namespace="tabular",
        inputs={"records": "tabular.records", "cases": "tabular.cases"},
        parameters=set(params),
        tags="tabular",
    )

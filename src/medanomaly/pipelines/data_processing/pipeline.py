"""Wiring of data processing."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.data_processing.nodes import clean_records, split_cases


def create_pipeline(**_) -> Pipeline:
    """Raw table to records, quarantine and cases."""
    return Pipeline(
        [
            Node(
                clean_records,
                ["raw", "params:data_processing", "params:run"],
                ["records", "unsplit_cases", "quarantine", "summary"],
                name="clean_records",
            ),
            Node(split_cases, ["unsplit_cases", "params:data_processing"], "cases", name="split_cases"),
        ],
        namespace="tabular",
        parameters={"params:data_processing", "params:run"},
        tags="tabular",
    )

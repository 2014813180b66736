"""Wiring of data processing."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.data_processing.nodes import check_quality, clean_records, split_cases


def create_pipeline(**_) -> Pipeline:
    """Raw table to records, quarantine, quality flags and cases."""
    return Pipeline(
        [
            Node(
                clean_records,
                ["raw", "params:data_processing", "params:run"],
                ["records", "unsplit_cases", "quarantine", "summary"],
                name="clean_records",
            ),
            Node(
                check_quality,
                ["raw", "params:data_processing", "params:run"],
                ["quality_flags", "quality"],
                name="check_quality",
            ),
            Node(split_cases, ["unsplit_cases", "params:data_processing"], "cases", name="split_cases"),
        ],
        namespace="tabular",
        parameters={"params:data_processing", "params:run"},
        tags="tabular",
    )

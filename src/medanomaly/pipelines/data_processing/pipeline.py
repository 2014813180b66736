"""Wiring of data processing: raw data of each modality to cases."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.data_processing.images import images
from medanomaly.pipelines.data_processing.nodes import check_quality, clean_records, split_cases
from medanomaly.pipelines.data_processing.signal_nodes import cut_windows, find_beats, split_beats
from medanomaly.pipelines.signal_wiring import cases_are_windows


def create_pipeline(**_) -> Pipeline:
    """Tables, signals and images to cases, quarantine and counts that add up."""
    return tables() + signals() + images()


def tables() -> Pipeline:
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


def signals() -> Pipeline:
    """Recordings to beats (or windows of series), their quality, quarantine and cases."""
    if cases_are_windows():
        nodes = [
            Node(
                cut_windows,
                ["raw", "params:series_processing", "params:run"],
                ["windows", "cases", "quarantine", "summary"],
                name="cut_windows",
            )
        ]
        parameters = {"params:series_processing", "params:run"}
    else:
        nodes = [
            Node(
                find_beats,
                ["raw", "params:signal_processing", "params:run"],
                ["beats", "quality_windows", "quarantine", "summary"],
                name="find_beats",
            ),
            Node(split_beats, ["raw", "beats", "params:data_processing"], "cases", name="split_beats"),
        ]
        parameters = {"params:signal_processing", "params:run", "params:data_processing"}
    return Pipeline(nodes, namespace="signals", parameters=parameters, tags="signals")

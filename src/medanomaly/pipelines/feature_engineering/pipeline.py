"""Wiring of feature engineering: cases of each modality to features."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.feature_engineering.images import images
from medanomaly.pipelines.feature_engineering.nodes import fit_table_features, make_features
from medanomaly.pipelines.feature_engineering.signal_nodes import measure_beats, measure_windows
from medanomaly.pipelines.signal_wiring import cases_are_windows


def create_pipeline(**_) -> Pipeline:
    """Records, beats and images to features."""
    return tables() + signals() + images()


def tables() -> Pipeline:
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


def signals() -> Pipeline:
    """Beats to rhythm, shape and waveforms; windows of series to their features."""
    if cases_are_windows():
        read = ("raw", "windows", "cases")
        node = Node(measure_windows, list(read), "features", name="measure_windows")
    else:
        read = ("raw", "beats", "cases")
        node = Node(measure_beats, list(read), ["features", "waveforms"], name="measure_beats")
    return Pipeline(
        [node], namespace="signals", inputs={name: f"signals.{name}" for name in read}, tags="signals"
    )

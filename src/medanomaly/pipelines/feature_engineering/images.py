"""Wiring of feature engineering for images."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.feature_engineering.image_nodes import measure_films


def images() -> Pipeline:
    """Films to features of how they were taken."""
    return Pipeline(
        [Node(measure_films, ["images", "manifest"], "features", name="measure_films")],
        namespace="imaging",
        inputs={name: f"imaging.{name}" for name in ("images", "manifest")},
        tags="imaging",
    )

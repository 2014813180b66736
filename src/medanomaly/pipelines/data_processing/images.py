"""Wiring of data processing for images."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.data_processing.image_nodes import prepare_images, read_masks


def images() -> Pipeline:
    """Files to prepared films, manifest, cases, quarantine and masks."""
    return Pipeline(
        [
            Node(
                prepare_images,
                ["raw", "params:imaging_processing", "params:data_processing"],
                ["images", "manifest", "cases", "quarantine", "summary"],
                name="prepare_images",
            ),
            Node(read_masks, ["raw", "manifest", "params:imaging_processing"], "masks", name="read_masks"),
        ],
        namespace="imaging",
        inputs={"raw": "imaging.raw"},
        parameters={"params:imaging_processing", "params:data_processing"},
        tags="imaging",
    )

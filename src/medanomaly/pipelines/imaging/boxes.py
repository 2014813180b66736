"""A detector of boxes about lesions: from images with boxes to a bundle, found boxes, metrics and a page."""

import numpy as np
import pandas as pd
from kedro.pipeline import Node, Pipeline

from medanomaly.core.errors import ConfigurationError
from medanomaly.core.models import ModelInput
from medanomaly.imaging.sources.image_cases import ImageParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.imaging.box_nodes import (
    draw_boxes,
    known_boxes_of_images,
    measure_boxes,
    write_box_report,
)
from medanomaly.pipelines.modality import View, typed_node
from medanomaly.pipelines.models import fit_model
from medanomaly.tracking.params import TrackingParams

GROUP = "imaging_boxes"
IMAGES = ["imaging.images", "imaging.manifest", "imaging.cases"]
BOXES = [f"{GROUP}.boxes", f"{GROUP}.states"]
JUDGED = ["params:evaluation", "params:alarm", "params:run"]


def boxed_images(
    cases: pd.DataFrame,
    images: np.ndarray,
    manifest: pd.DataFrame,
    boxes: pd.DataFrame,
    states: pd.DataFrame,
    imaging_processing: ImageParams,
) -> ModelInput:
    """What a detector of boxes reads: images, their input contract, their boxes, and of which images these are known."""
    from medanomaly.imaging.sources.image_array import ImageArray

    about = {"contract": imaging_processing.contract, "boxes": boxes, "states": states}
    return ModelInput(cases, ImageArray(images, manifest["row"]), about)


VIEW = View(
    ("images", "manifest", "boxes", "states"),
    boxed_images,
    {"imaging_processing": ImageParams},
    recipe=True,
)


def detection(models: tuple[Model, ...]) -> Pipeline:
    """Images and boxes to a bundle, boxes on test images, metrics and a page.

    Args:
        models: of the environment: one detector of boxes.
    """
    if len(models) != 1 or models[0].kind.name != "box_detector":
        raise ConfigurationError(
            f"models.{GROUP} describes {len(models)} models",
            remedy="Describe one, of the kind box_detector.",
        )
    model = models[0]
    bundle, found, metrics = (f"{GROUP}.{model.name}.bundle", f"{GROUP}.found", f"{GROUP}.metrics")
    nodes = [
        Node(
            known_boxes_of_images,
            [
                "imaging.cases",
                "imaging.manifest",
                "imaging.masks",
                "imaging.box_table",
                "params:imaging_processing",
            ],
            [*BOXES, f"{GROUP}.refused", f"{GROUP}.summary"],
            name="known_boxes",
        ),
        _fit(model, bundle),
        Node(draw_boxes, [*IMAGES, f"{GROUP}.states", bundle], found, name="draw_boxes"),
        Node(
            measure_boxes,
            ["imaging.cases", *BOXES, found, bundle, "params:evaluation", "params:run"],
            metrics,
            name="measure_boxes",
        ),
        Node(
            write_box_report,
            [*IMAGES, *BOXES, f"{GROUP}.summary", found, bundle, metrics, *JUDGED],
            f"{GROUP}.report",
            name="write_box_report",
        ),
    ]
    return Pipeline(nodes, tags=["imaging", GROUP])


def _fit(model: Model, bundle: str) -> Node:
    def fit(params, run, tracking, recipe, **given):
        """Train on train images with boxes and on normal ones, choose the threshold on calibration, seal with a card."""
        return fit_model(model, GROUP, VIEW, given, params, run, {}, tracking, recipe)[0]

    read = {
        "cases": ("imaging.cases", None),
        "images": ("imaging.images", None),
        "manifest": ("imaging.manifest", None),
    }
    read |= dict(zip(("boxes", "states"), ((name, None) for name in BOXES), strict=True))
    read |= {p: (f"params:{p}", of) for p, of in VIEW.parameters.items()}
    settings = {
        "params": (f"params:models.{GROUP}.{model.name}", model.kind.params),
        "run": ("params:run", RunParams),
        "tracking": ("params:tracking", TrackingParams),
        "recipe": ("imaging.recipe", None),
    }
    return typed_node(fit, read | settings, bundle, f"{GROUP}.{model.name}.fit")

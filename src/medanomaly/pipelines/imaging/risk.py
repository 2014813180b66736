"""Supervised models of images: a classifier with Grad-CAM, and a segmenter where images came with masks."""

from dataclasses import replace

from kedro.pipeline import Node, Pipeline

from medanomaly.core.errors import ConfigurationError
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.imaging.risk_check_nodes import check_maps, measure_outlines
from medanomaly.pipelines.imaging.risk_nodes import measure_images, score_compared
from medanomaly.pipelines.imaging.risk_report_nodes import write_image_risk_report
from medanomaly.pipelines.modality import View, typed_node
from medanomaly.pipelines.models import fit_model, model_pipeline
from medanomaly.pipelines.tabular.risk_nodes import measure_reliability
from medanomaly.tracking.params import TrackingParams

IMAGES = ["imaging.images", "imaging.manifest", "imaging.cases"]
JUDGED = ["params:evaluation", "params:alarm", "params:run"]
SEGMENTERS = "imaging_risk.segmenters"


def risk_models(models: tuple[Model, ...], anomaly_models: tuple[Model, ...], view: View) -> Pipeline:
    """Images and labels to bundles, probabilities, metrics and a page.

    Args:
        models: of the environment: one classifier, and one segmenter at most.
        anomaly_models: of the environment; risks are compared with LBE, as its block describes it.
        view: how images are read.
    """
    classifiers = [model for model in models if model.kind.name == "image_classifier"]
    segmenters = [model for model in models if model.kind.name == "image_segmenter"]
    if len(classifiers) != 1 or len(segmenters) != 1:
        raise ConfigurationError(
            f"models.imaging_risk describes {len(classifiers)} classifiers and {len(segmenters)} segmenters",
            remedy="Describe one of each kind: image_classifier and image_segmenter.",
        )
    name = f"imaging_risk.{classifiers[0].name}"
    bundle, probabilities, scores = (f"{name}.{what}" for what in ("bundle", "probabilities", "scores"))
    compared = "imaging_risk.anomaly_scores"
    nodes = [
        _segmenter(segmenters[0], view),
        _compared(anomaly_models, compared),
        Node(
            measure_images,
            ["imaging.cases", scores, probabilities, compared, *JUDGED],
            ["imaging_risk.metrics", "imaging_risk.comparisons"],
            name="measure_image_risk",
        ),
        Node(
            measure_reliability,
            ["imaging.cases", probabilities],
            "imaging_risk.reliability",
            name="measure_image_reliability",
        ),
        Node(check_maps, [*IMAGES, bundle, *JUDGED], "imaging_risk.map_check", name="check_maps"),
        Node(
            measure_outlines,
            [*IMAGES, "imaging.masks", SEGMENTERS, *JUDGED],
            "imaging_risk.outlines",
            name="measure_outlines",
        ),
        Node(
            write_image_risk_report,
            [
                *IMAGES, "imaging.masks", bundle, SEGMENTERS, scores, compared,
                *(f"imaging_risk.{of}" for of in ("metrics", "comparisons", "reliability", "map_check", "outlines")),
                *JUDGED,
            ],
            "imaging_risk.report",
            name="write_image_risk_report",
        ),
    ]  # fmt: skip
    return Pipeline(
        [model_pipeline(classifiers[0], view, "imaging_risk", "imaging"), *nodes],
        tags=["imaging", "imaging_risk"],
    )


def _segmenter(model: Model, view: View) -> Node:
    """A segmenter is fitted only where enough images came with a mask, so its bundle may be absent."""
    masked = replace(view, datasets=(*view.datasets, "masks"))

    def fit_segmenter(params, run, tracking, recipe=None, **given):
        """The segmenter by its name; nothing where there are too few masks."""
        from medanomaly.imaging.supervised.bundles import enough_masks

        masks = given["masks"]
        if not enough_masks(given["cases"], masks["masks"], masks["rows"]):
            return {}
        return {
            model.name: fit_model(model, "imaging_risk", masked, given, params, run, {}, tracking, recipe)[0]
        }

    read = {"cases": ("imaging.cases", None)} | {d: (f"imaging.{d}", None) for d in masked.datasets}
    read |= {p: (f"params:{p}", of) for p, of in masked.parameters.items()}
    settings = {
        "params": (f"params:models.imaging_risk.{model.name}", model.kind.params),
        "run": ("params:run", RunParams),
        "tracking": ("params:tracking", TrackingParams),
    }
    settings |= {"recipe": ("imaging.recipe", None)} if view.recipe else {}
    return typed_node(fit_segmenter, read | settings, SEGMENTERS, f"imaging_risk.{model.name}.fit")


def _compared(models: tuple[Model, ...], output: str) -> Node:
    lbe = next((model for model in models if model.kind.name == "lbe" and model.described), None)
    read = {"images": (IMAGES[0], None), "manifest": (IMAGES[1], None), "cases": (IMAGES[2], None)}
    block = {"params": (f"params:models.imaging.{lbe.name}", lbe.kind.params)} if lbe else {}
    settings = {"alarm": ("params:alarm", AlarmParams)}
    return typed_node(score_compared, read | block | settings, output, "score_images_compared_with_risk")

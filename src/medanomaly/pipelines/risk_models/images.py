"""Wiring of the supervised models of films: a classifier with Grad-CAM, and a segmenter where films came with masks."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.risk_models.image_check_nodes import check_maps, measure_outlines
from medanomaly.pipelines.risk_models.image_nodes import (
    fit_classifier,
    fit_segmenter,
    measure_films,
    predict_films,
    score_beside,
)
from medanomaly.pipelines.risk_models.image_section_nodes import write_film_risk_report
from medanomaly.pipelines.risk_models.nodes import measure_reliability

FILMS = ("imaging.images", "imaging.manifest", "imaging.cases")
SETTINGS = ("params:imaging_processing", "params:run", "params:tracking")
JUDGED = ("params:evaluation", "params:alarm", "params:run")
CLASSIFIER, SEGMENTERS = "imaging_risk.classifier.bundle", "imaging_risk.segmenters"
PROBABILITIES, SCORES, BESIDE = (
    f"imaging_risk.{name}" for name in ("probabilities", "scores", "anomaly_scores")
)


def film_risk_models() -> Pipeline:
    """Films and labels to bundles, probabilities, metrics and a page."""
    models = [
        Node(
            fit_classifier,
            [*FILMS, "params:film_risk_models.classifier", *SETTINGS],
            CLASSIFIER,
            name="fit_film_classifier",
        ),
        Node(
            fit_segmenter,
            [*FILMS, "imaging.masks", "params:film_risk_models.segmenter", *SETTINGS],
            SEGMENTERS,
            name="fit_film_segmenter",
        ),
        Node(predict_films, [*FILMS, CLASSIFIER], [PROBABILITIES, SCORES], name="predict_films"),
        Node(
            score_beside,
            [*FILMS, "params:imaging_models.lbe", "params:alarm"],
            BESIDE,
            name="score_beside_film_risk",
        ),
    ]
    measures = [
        Node(
            measure_films,
            ["imaging.cases", SCORES, PROBABILITIES, BESIDE, *JUDGED],
            ["imaging_risk.metrics", "imaging_risk.comparisons"],
            name="measure_film_risk",
        ),
        Node(
            measure_reliability,
            ["imaging.cases", PROBABILITIES],
            "imaging_risk.reliability",
            name="measure_film_reliability",
        ),
        Node(check_maps, [*FILMS, CLASSIFIER, *JUDGED], "imaging_risk.map_check", name="check_maps"),
        Node(
            measure_outlines,
            [*FILMS, "imaging.masks", SEGMENTERS, *JUDGED],
            "imaging_risk.outlines",
            name="measure_outlines",
        ),
    ]
    measured = ("metrics", "comparisons", "reliability", "map_check", "outlines")
    report = Node(
        write_film_risk_report,
        [
            *FILMS,
            "imaging.masks",
            CLASSIFIER,
            SEGMENTERS,
            SCORES,
            BESIDE,
            *(f"imaging_risk.{name}" for name in measured),
            *JUDGED,
        ],
        "imaging_risk.report",
        name="write_film_risk_report",
    )
    return Pipeline([*models, *measures, report], tags=["imaging", "imaging_risk"])

"""Wiring of the supervised models of films: a classifier with Grad-CAM, and a segmenter where films came with masks."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.risk_models.image_nodes import (
    fit_classifier,
    fit_segmenter,
    measure_films,
    predict_films,
    score_beside,
    write_film_risk_report,
)

FILMS = ("imaging.images", "imaging.manifest", "imaging.cases")
SETTINGS = ("params:imaging_processing", "params:run", "params:tracking")
JUDGED = ("params:evaluation", "params:alarm", "params:run")


def film_risk_models() -> Pipeline:
    """Films and labels to bundles, probabilities, metrics and a page."""
    return Pipeline(
        [
            Node(
                fit_classifier,
                [*FILMS, "params:film_risk_models.classifier", *SETTINGS],
                "imaging_risk.classifier.bundle",
                name="fit_film_classifier",
            ),
            Node(
                fit_segmenter,
                [*FILMS, "imaging.masks", "params:film_risk_models.segmenter", *SETTINGS],
                "imaging_risk.segmenters",
                name="fit_film_segmenter",
            ),
            Node(
                predict_films,
                [*FILMS, "imaging_risk.classifier.bundle"],
                ["imaging_risk.probabilities", "imaging_risk.scores"],
                name="predict_films",
            ),
            Node(
                score_beside,
                [*FILMS, "params:imaging_models.lbe", "params:alarm"],
                "imaging_risk.anomaly_scores",
                name="score_beside_film_risk",
            ),
            Node(
                measure_films,
                [
                    "imaging.cases",
                    *(f"imaging_risk.{name}" for name in ("scores", "probabilities", "anomaly_scores")),
                    *JUDGED,
                ],
                ["imaging_risk.metrics", "imaging_risk.comparisons"],
                name="measure_film_risk",
            ),
            Node(
                write_film_risk_report,
                {
                    "images": "imaging.images",
                    "manifest": "imaging.manifest",
                    "cases": "imaging.cases",
                    "masks": "imaging.masks",
                    "segmenter": "imaging_risk.segmenters",
                    "bundle": "imaging_risk.classifier.bundle",
                    "params": "params:evaluation",
                    "alarm": "params:alarm",
                    "run": "params:run",
                    "beside": "imaging_risk.anomaly_scores",
                }
                | {
                    name: f"imaging_risk.{name}"
                    for name in ("scores", "probabilities", "metrics", "comparisons")
                },
                "imaging_risk.report",
                name="write_film_risk_report",
            ),
        ],
        tags=["imaging", "imaging_risk"],
    )

"""Wiring of the tabular models: one template, one namespace a detector."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.tabular_models.nodes import (
    fit_detector,
    gather_explanations,
    gather_scores,
    score_cases,
)

# those that every run compares; training.DETECTORS has more
MODELS = (
    "isolation_forest",
    "ecdf",
    "nearest_neighbours",
    "mahalanobis",
    "four_member_ensemble",
    "two_view_ensemble",
)


def create_pipeline(**_) -> Pipeline:
    """Features to bundles, scores and explanations."""
    template = Pipeline(
        [
            Node(
                fit_detector,
                [
                    "cases",
                    "features",
                    "summary",
                    "params:model",
                    "params:data_processing",
                    "params:alarm",
                    "params:run",
                ],
                "bundle",
                name="fit",
            ),
            Node(
                score_cases,
                ["cases", "features", "bundle", "params:alarm"],
                ["scores", "explanations"],
                name="score",
            ),
        ]
    )
    models = [
        Pipeline(
            template,
            namespace=f"tabular.{model}",
            inputs={name: f"tabular.{name}" for name in ("cases", "features", "summary")},
            parameters={
                "params:model": f"params:tabular_models.{model}",
                "params:data_processing": "params:data_processing",
                "params:alarm": "params:alarm",
                "params:run": "params:run",
            },
        )
        for model in MODELS
    ]
    gather = Pipeline(
        [
            Node(gather_scores, [f"{model}_scores" for model in MODELS], "scores", name="gather_scores"),
            Node(
                gather_explanations,
                [f"{model}_explanations" for model in MODELS],
                "explanations",
                name="gather_explanations",
            ),
        ],
        namespace="tabular",
        inputs={
            f"{model}_{what}": f"tabular.{model}.{what}"
            for model in MODELS
            for what in ("scores", "explanations")
        },
    )
    return Pipeline([*models, gather], tags="tabular")

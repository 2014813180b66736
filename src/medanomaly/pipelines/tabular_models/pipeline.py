"""Wiring of the tabular models: one template, one namespace a detector."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.tabular_models.nodes import (
    describe_unusual,
    find_changes,
    fit_detector,
    gather,
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
    """Features to bundles, scores, explanations, and what would make a case usual."""
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
            Node(
                find_changes,
                [
                    "cases",
                    "features",
                    "bundle",
                    "scores",
                    "params:data_processing",
                    "params:alarm",
                    "params:run",
                ],
                "changes",
                name="find_changes",
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
    together = Pipeline(
        [
            Node(gather_scores, [f"{model}_scores" for model in MODELS], "scores", name="gather_scores"),
            *(
                Node(gather, [f"{model}_{what}" for model in MODELS], what, name=f"gather_{what}")
                for what in ("explanations", "changes")
            ),
            Node(
                describe_unusual,
                ["cases", "features", "explanations", "bundle", "params:data_processing", "params:run"],
                ["unexpected_values", "nearest_normals"],
                name="describe_unusual",
            ),
        ],
        namespace="tabular",
        inputs={
            f"{model}_{what}": f"tabular.{model}.{what}"
            for model in MODELS
            for what in ("scores", "explanations", "changes")
        }
        # units and usual ranges, which are the same in every bundle
        | {"bundle": f"tabular.{MODELS[0]}.bundle", "cases": "tabular.cases", "features": "tabular.features"},
        parameters={"params:data_processing", "params:run"},
    )
    return Pipeline([*models, together], tags="tabular")

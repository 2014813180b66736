"""Wiring of the tabular models: one template, one namespace a detector."""

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_models
from medanomaly.pipelines.model_steps import gather, gather_scores, named
from medanomaly.pipelines.tabular_models.nodes import (
    describe_unusual,
    find_changes,
    fit_detector,
    score_cases,
)

# those that a run compares unless globals.yml names fewer; medanomaly.detectors.kinds has more
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
    models = active_models("tabular", MODELS)
    together = Pipeline(
        [
            Node(gather_scores, [f"{model}_scores" for model in models], "scores", name="gather_scores"),
            *(
                Node(gather, [f"{model}_{what}" for model in models], what, name=f"gather_{what}")
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
            for model in models
            for what in ("scores", "explanations", "changes")
        }
        # units and usual ranges, which are the same in every bundle
        | {"bundle": f"tabular.{models[0]}.bundle", "cases": "tabular.cases", "features": "tabular.features"},
        parameters={"params:data_processing", "params:run"},
    )
    return Pipeline([*(_model(model) for model in models), together], tags="tabular")


def _model(model: str) -> Pipeline:
    settings = ["params:data_processing", "params:alarm", "params:run"]
    return Pipeline(
        [
            Node(
                named(fit_detector, model),
                ["cases", "features", "summary", "best_parameters", "params:model", *settings],
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
                ["cases", "features", "bundle", "scores", *settings],
                "changes",
                name="find_changes",
            ),
        ],
        namespace=f"tabular.{model}",
        # where a study was, its best parameters; see the tuning pipeline
        inputs={name: f"tabular.{name}" for name in ("cases", "features", "summary")}
        | {"best_parameters": f"tabular.{model}.best_parameters"},
        parameters={"params:model": f"params:tabular_models.{model}"} | {name: name for name in settings},
    )

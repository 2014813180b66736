"""Wiring of the risk models: one template, one namespace a model."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.risk_models.nodes import (
    fit_risk,
    gather,
    list_suspicious_labels,
    measure_risk,
    predict_risk,
)

MODELS = ("logistic", "bayesian_logistic", "mean_of_logits")
JUDGE = "mean_of_logits"
TABLES = ("cases", "features", "summary")
SHARED = {f"params:{name}": f"params:{name}" for name in ("data_processing", "run")}
GATHERED = ("probabilities", "scores", "explanations")


def create_pipeline(**_) -> Pipeline:
    """Features and labels to bundles, probabilities, explanations, metrics and suspicious labels."""
    template = Pipeline(
        [
            Node(
                fit_risk,
                [
                    "cases",
                    "features",
                    "summary",
                    "params:model",
                    "params:data_processing",
                    "params:run",
                ],
                "bundle",
                name="fit",
            ),
            Node(predict_risk, ["cases", "features", "bundle"], list(GATHERED), name="predict"),
        ]
    )
    models = [
        Pipeline(
            template,
            namespace=f"tabular_risk.{model}",
            inputs={name: f"tabular.{name}" for name in TABLES},
            parameters={"params:model": f"params:risk_models.{model}"} | SHARED,
        )
        for model in MODELS
    ]
    together = Pipeline(
        [
            *(
                Node(
                    gather,
                    [f"tabular_risk.{m}.{what}" for m in MODELS],
                    f"tabular_risk.{what}",
                    name=f"gather_{what}",
                )
                for what in GATHERED
            ),
            Node(
                measure_risk,
                [
                    "tabular.cases",
                    "tabular_risk.scores",
                    "tabular_risk.probabilities",
                    "params:evaluation",
                    "params:alarm",
                    "params:run",
                ],
                ["tabular_risk.metrics", "tabular_risk.comparisons"],
                name="measure_risk",
            ),
            Node(
                list_suspicious_labels,
                ["tabular.cases", "tabular.features", f"params:risk_models.{JUDGE}", "params:run"],
                "tabular_risk.suspicious_labels",
                name="list_suspicious_labels",
            ),
        ]
    )
    return Pipeline([*models, together], tags="tabular_risk")

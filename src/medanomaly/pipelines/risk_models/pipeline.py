"""Wiring of the risk models: one template, one namespace a model."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.risk_models.images import film_risk_models
from medanomaly.pipelines.risk_models.nodes import (
    fit_risk,
    gather,
    list_suspicious_labels,
    measure_reliability,
    measure_risk,
    predict_risk,
    score_anomalies,
    weigh_features,
    write_risk_report,
)

MODELS = ("logistic", "bayesian_logistic", "mean_of_logits")
JUDGE = "mean_of_logits"
# held against the risks: an anomaly score is no risk
ANOMALY = ("isolation_forest", "ecdf")
TABLES = ("cases", "features", "summary")
SHARED = {f"params:{name}": f"params:{name}" for name in ("data_processing", "run")}
GATHERED = ("probabilities", "scores", "explanations")


def create_pipeline(**_) -> Pipeline:
    """Tables and films with labels to bundles, probabilities, metrics and a page each.

    A run makes those of its active modalities: tables also get explanations and suspicious labels, films Grad-CAM and
    outlines.
    """
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
            Node(
                weigh_features,
                ["tabular.cases", "tabular.features", f"tabular_risk.{JUDGE}.bundle", "params:run"],
                "tabular_risk.importance",
                name="weigh_features",
            ),
            Node(
                score_anomalies,
                [
                    "tabular.cases",
                    "tabular.features",
                    *(f"params:tabular_models.{model}" for model in ANOMALY),
                    "params:alarm",
                    "params:run",
                ],
                "tabular_risk.anomaly_scores",
                name="score_anomalies",
            ),
            Node(
                measure_reliability,
                ["tabular.cases", "tabular_risk.probabilities"],
                "tabular_risk.reliability",
                name="measure_reliability",
            ),
            Node(
                write_risk_report,
                {
                    "cases": "tabular.cases",
                    "bundle": f"tabular_risk.{JUDGE}.bundle",
                    "params": "params:evaluation",
                    "alarm": "params:alarm",
                    "run": "params:run",
                    "suspicious": "tabular_risk.suspicious_labels",
                }
                | {
                    name: f"tabular_risk.{name}"
                    for name in (*GATHERED, "anomaly_scores", "metrics", "reliability", "importance")
                },
                "tabular_risk.report",
                name="write_risk_report",
            ),
        ]
    )
    tables = Pipeline([*models, together], tags=["tabular", "tabular_risk"])
    return Pipeline([tables, film_risk_models()])

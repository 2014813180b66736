"""Supervised models of tables: the template of models, and what only risks have."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.modality import View
from medanomaly.pipelines.models import gathered, model_pipeline
from medanomaly.pipelines.tabular.risk_nodes import (
    list_suspicious_labels,
    measure_reliability,
    measure_risk,
    score_anomalies,
    weigh_features,
    write_risk_report,
)

# compared with the risks: an anomaly score is no risk
ANOMALY = ("isolation_forest", "ecdf")
JUDGED = ["params:evaluation", "params:alarm", "params:run"]


def risk_models(models: tuple[Model, ...], view: View) -> Pipeline:
    """Tables with labels to bundles, probabilities, metrics, suspicious labels and a page.

    Args:
        models: of the environment; the last one judges labels and weighs features.
        view: how records are read.
    """
    judge = models[-1].name
    data = ["tabular.cases", "tabular.features"]
    together = [
        Node(
            measure_risk,
            ["tabular.cases", "tabular_risk.scores", "tabular_risk.probabilities", *JUDGED],
            ["tabular_risk.metrics", "tabular_risk.comparisons"],
            name="measure_risk",
        ),
        Node(
            list_suspicious_labels,
            [*data, f"params:models.tabular_risk.{judge}", "params:run"],
            "tabular_risk.suspicious_labels",
            name="list_suspicious_labels",
        ),
        Node(
            weigh_features,
            [*data, f"tabular_risk.{judge}.bundle", "params:run"],
            "tabular_risk.importance",
            name="weigh_features",
        ),
        Node(
            score_anomalies,
            [*data, *(f"params:models.tabular.{model}" for model in ANOMALY), "params:alarm", "params:run"],
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
            {"cases": "tabular.cases", "bundle": f"tabular_risk.{judge}.bundle"}
            | {"suspicious": "tabular_risk.suspicious_labels"}
            | dict(zip(("params", "alarm", "run"), JUDGED, strict=True))
            | {
                name: f"tabular_risk.{name}"
                for name in (
                    "probabilities", "scores", "explanations", "anomaly_scores", "metrics", "reliability", "importance",
                )
            },
            "tabular_risk.report",
            name="write_risk_report",
        ),
    ]  # fmt: skip
    parts = [model_pipeline(model, view, "tabular_risk", "tabular") for model in models]
    return Pipeline(
        [*parts, gathered("tabular_risk", models, ("probabilities",)), *together],
        tags=["tabular", "tabular_risk"],
    )

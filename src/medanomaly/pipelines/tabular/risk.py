"""Supervised models of tables: the template of models, and what only risks have."""

from kedro.pipeline import Node, Pipeline

from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Model
from medanomaly.pipelines.evaluation.report_nodes import write_cards
from medanomaly.pipelines.modality import View, typed_node
from medanomaly.pipelines.models import flagged_scores, gathered, model_pipeline
from medanomaly.pipelines.tabular.label_nodes import guess_members
from medanomaly.pipelines.tabular.risk_nodes import (
    list_suspicious_labels,
    measure_reliability,
    measure_risk,
    score_anomalies,
    weigh_features,
    write_risk_report,
)

# compared with the risks, where the environment has them, else its first two models: an anomaly score is no risk
COMPARED = ("isolation_forest", "ecdf")
JUDGED = ["params:evaluation", "params:alarm", "params:run"]


def risk_models(models: tuple[Model, ...], anomaly_models: tuple[Model, ...], view: View) -> Pipeline:
    """Tables with labels to bundles, probabilities, metrics, suspicious labels, cards and a page.

    Args:
        models: of the environment; the last one judges labels and weighs features.
        anomaly_models: of the environment; the risks are compared with some of them.
        view: how records are read.
    """
    judge = models[-1].name
    data = ["tabular.cases", "tabular.features"]
    bundles = [f"tabular_risk.{model.name}.bundle" for model in models]
    together = [
        Node(
            measure_risk,
            ["tabular.cases", "tabular_risk.scores", "tabular_risk.probabilities", *JUDGED],
            ["tabular_risk.metrics", "tabular_risk.comparisons"],
            name="measure_risk",
        ),
        typed_node(
            list_suspicious_labels,
            {
                "cases": (data[0], None),
                "features": (data[1], None),
                "params": (f"params:models.tabular_risk.{judge}", models[-1].kind.params),
                "run": ("params:run", RunParams),
            },
            "tabular_risk.suspicious_labels",
            "list_suspicious_labels",
        ),
        Node(
            weigh_features,
            [*data, f"tabular_risk.{judge}.bundle", "params:run"],
            "tabular_risk.importance",
            name="weigh_features",
        ),
        _anomaly_scores(anomaly_models),
        Node(
            measure_reliability,
            ["tabular.cases", "tabular_risk.probabilities"],
            "tabular_risk.reliability",
            name="measure_reliability",
        ),
        Node(guess_members, [*data, *bundles], "tabular_risk.membership", name="tabular_risk.guess_members"),
        Node(
            write_cards,
            {"metrics": "tabular_risk.metrics", "alarm": "params:alarm"}
            | {name.replace(".", "__"): name for name in ("tabular_risk.membership", *bundles)},
            "tabular_risk.cards",
            name="tabular_risk.write_cards",
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
    scores = flagged_scores("tabular_risk", models)
    return Pipeline(
        [*parts, scores, gathered("tabular_risk", models, ("probabilities",)), *together],
        tags=["tabular", "tabular_risk"],
    )


def _anomaly_scores(models: tuple[Model, ...]) -> Node:
    described = [model for model in models if model.described]
    chosen = [model for model in described if model.name in COMPARED] or described[:2]

    def score(cases, features, alarm, run, **params):
        """Score table of the anomaly models that the risks are compared with."""
        return score_anomalies(cases, features, params, alarm, run)

    read = {"cases": ("tabular.cases", None), "features": ("tabular.features", None)}
    settings = {"alarm": ("params:alarm", AlarmParams), "run": ("params:run", RunParams)}
    blocks = {m.name: (f"params:models.tabular.{m.name}", m.kind.params) for m in chosen}
    return typed_node(score, read | settings | blocks, "tabular_risk.anomaly_scores", "score_anomalies")

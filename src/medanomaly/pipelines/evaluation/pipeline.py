"""Wiring of the evaluation: one template a modality, and one report of them all."""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.evaluation.nodes import (
    audit_results,
    measure,
    score_baselines,
    write_cards,
    write_report,
)
from medanomaly.pipelines.tabular_models.pipeline import MODELS as TABULAR_MODELS

# modality -> its models
MODALITIES = {"tabular": TABULAR_MODELS}

SETTINGS = ["params:evaluation", "params:alarm", "params:run"]
REPORTED = (
    "cases",
    "scores",
    "baselines",
    "metrics",
    "comparisons",
    "audit",
    "explanations",
    "quarantine",
    "quality",
    "summary",
)


def create_pipeline(**_) -> Pipeline:
    """Score tables to metrics, audit, figures, report and cards."""
    template = Pipeline(
        [
            Node(
                score_baselines,
                ["cases", "features", *SETTINGS],
                ["baselines", "single_features"],
                name="score_baselines",
            ),
            Node(
                measure,
                ["cases", "scores", "baselines", "params:modality", *SETTINGS],
                ["metrics", "comparisons"],
                name="measure",
            ),
            Node(
                audit_results,
                ["cases", "features", "scores", "baselines", "single_features", "params:modality", *SETTINGS],
                "audit",
                name="audit",
            ),
        ]
    )
    evaluated = [
        Pipeline(
            template,
            namespace=modality,
            inputs={name: f"{modality}.{name}" for name in ("cases", "features", "scores")},
            parameters={"params:modality": f"params:modalities.{modality}"} | {s: s for s in SETTINGS},
            tags=modality,
        )
        for modality in MODALITIES
    ]
    parts = {f"{modality}__{what}": f"{modality}.{what}" for modality in MODALITIES for what in REPORTED}
    bundles = {f"{m}__{model}": f"{m}.{model}.bundle" for m, models in MODALITIES.items() for model in models}
    report = Pipeline(
        [
            Node(
                write_report,
                {s.removeprefix("params:").replace("evaluation", "params"): s for s in SETTINGS}
                | {name: name for name in parts},
                ["metrics", "comparisons", "audit", "figures", "report"],
                name="write_report",
            ),
            Node(write_cards, ["metrics", *bundles], "cards", name="write_cards"),
        ],
        inputs=parts | bundles,
        parameters=set(SETTINGS),
        tags=list(MODALITIES),
    )
    return Pipeline([*evaluated, report])

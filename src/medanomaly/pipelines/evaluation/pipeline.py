"""Wiring of the evaluation: one template a modality, and one report of them all."""

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_modalities, active_models
from medanomaly.pipelines.evaluation.images import image_sections
from medanomaly.pipelines.evaluation.nodes import (
    audit_results,
    choose_alarms,
    measure,
    score_baselines,
    write_cards,
    write_modality_report,
    write_report,
)
from medanomaly.pipelines.imaging_models.pipeline import MODELS as IMAGING_MODELS
from medanomaly.pipelines.signal_wiring import BEAT_MODELS
from medanomaly.pipelines.signal_wiring import MODELS as SIGNAL_MODELS
from medanomaly.pipelines.tabular_models.pipeline import MODELS as TABULAR_MODELS

MODELS = {"tabular": TABULAR_MODELS, "signals": tuple(SIGNAL_MODELS), "imaging": tuple(IMAGING_MODELS)}
# those of an environment that names none, where not all go together
USUAL = {"signals": tuple(BEAT_MODELS)}

SETTINGS = ["params:evaluation", "params:alarm", "params:run"]
# what every modality brings to the report, and what only some do
REPORTED = (
    "cases",
    "scores",
    "baselines",
    "metrics",
    "comparisons",
    "audit",
    "explanations",
    "summary",
    "alarm_choices",
)
ALSO_REPORTED = {
    "tabular": (
        "quarantine",
        "quality",
        "quality_flags",
        "unexpected_values",
        "nearest_normals",
        "changes",
    ),
    "signals": ("quarantine", "sections"),
    "imaging": ("quarantine", "sections"),
}


def reported(modality: str) -> tuple[str, ...]:
    """Names of the tables that a modality brings to the report."""
    return (*REPORTED, *ALSO_REPORTED[modality])


def create_pipeline(**_) -> Pipeline:
    """Score tables to metrics, audit, figures, report and cards.

    The report gathers every active modality. Where there are several, each has a page of its own too, which a run of that
    modality alone (``--tags signals``) writes.
    """
    modalities = active_modalities()
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
                choose_alarms,
                ["cases", "scores", "params:modality", *SETTINGS],
                "alarm_choices",
                name="choose_alarms",
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
        for modality in modalities
    ]
    pages = [_page(modality) for modality in modalities] if len(modalities) > 1 else []
    own = [image_sections()] if "imaging" in modalities else []
    return Pipeline([*evaluated, *own, *pages, _report(modalities)])


def _settings() -> dict[str, str]:
    return {s.removeprefix("params:").replace("evaluation", "params"): s for s in SETTINGS}


def _page(modality: str) -> Pipeline:
    parts = {f"{modality}__{what}": f"{modality}.{what}" for what in reported(modality)}
    node = Node(
        write_modality_report,
        _settings() | {name: name for name in parts},
        f"{modality}.report",
        name=f"write_{modality}_report",
    )
    return Pipeline([node], inputs=parts, parameters=set(SETTINGS), tags=modality)


def _report(modalities: tuple[str, ...]) -> Pipeline:
    parts = {f"{m}__{what}": f"{m}.{what}" for m in modalities for what in reported(m)}
    bundles = {
        f"{m}__{model}": f"{m}.{model}.bundle"
        for m in modalities
        for model in active_models(m, MODELS[m], USUAL.get(m))
    }
    return Pipeline(
        [
            Node(
                write_report,
                _settings() | {name: name for name in parts},
                ["metrics", "comparisons", "audit", "figures", "report"],
                name="write_report",
            ),
            Node(write_cards, ["metrics", *bundles], "cards", name="write_cards"),
        ],
        inputs=parts | bundles,
        parameters=set(SETTINGS),
        # it needs the results of all: a run of one modality among several does not write it
        tags=modalities if len(modalities) == 1 else "together",
    )

"""Wiring of the signal models: one template a kind of input, one namespace a model.

Cases are beats, or windows of long series where the environment names detectors of series.
"""

from kedro.pipeline import Node, Pipeline

from medanomaly.pipelines.model_steps import gather, gather_scores, named
from medanomaly.pipelines.signal_models.nodes import (
    fit_beat_detector,
    fit_lstm,
    fit_on_features,
    score_features,
    score_recordings,
    score_waveforms,
)
from medanomaly.pipelines.signal_models.section_nodes import describe_beats, describe_cut_beats, find_episodes
from medanomaly.pipelines.signal_models.series_nodes import describe_series, score_series
from medanomaly.pipelines.signal_wiring import MODELS, SERIES_MODELS, cases_are_windows, signal_models

SETTINGS = ("params:alarm", "params:run")
READS = {
    "features": ("cases", "features"),
    "waveforms": ("cases", "waveforms"),
    "recordings": ("raw", "beats", "cases"),
    "series": ("raw", "windows", "cases"),
}
FIT = {"features": fit_on_features, "waveforms": fit_lstm, "recordings": fit_beat_detector}
SCORE = {"features": score_features, "waveforms": score_waveforms, "recordings": score_recordings}
FOUND = {
    "features": ["scores", "explanations"],
    "waveforms": "scores",
    "recordings": ["scores", "explanations", "contributions"],
}
# whose options a study may have found
TUNED = ("features", "waveforms")
# whose scores come with explanations
EXPLAINS = ("features", "recordings")


def create_pipeline(**_) -> Pipeline:
    """Beats or windows to bundles, scores, explanations and sections of the models that the environment names."""
    models = signal_models()
    explained = [model for model in models if MODELS[model] in EXPLAINS]
    together = Pipeline(
        [
            Node(gather_scores, [f"{model}_scores" for model in models], "scores", name="gather_scores"),
            Node(
                gather,
                [f"{model}_explanations" for model in explained],
                "explanations",
                name="gather_explanations",
            ),
        ],
        namespace="signals",
        inputs={f"{m}_scores": f"signals.{m}.scores" for m in models}
        | {f"{m}_explanations": f"signals.{m}.explanations" for m in explained},
    )
    parts = [_model(model, MODELS[model]) for model in models]
    return Pipeline([*parts, together, _sections(models)], tags="signals")


def _model(model: str, looks_at: str) -> Pipeline:
    read = list(READS[looks_at])
    if looks_at == "series":
        also = ("params:series_processing",)
        nodes = [
            Node(
                named(score_series, model),
                [*read, "params:model", *also, *SETTINGS],
                ["bundle", "scores", "points"],
                name="score",
            )
        ]
    else:
        tuned = ["best_parameters"] if looks_at in TUNED else []
        # trainings by epochs are followed
        also = ("params:tracking",) if looks_at == "waveforms" else ()
        nodes = [
            Node(
                named(FIT[looks_at], model),
                [*read, *tuned, "params:model", *SETTINGS, *also],
                "bundle",
                name="fit",
            ),
            Node(SCORE[looks_at], [*read, "bundle", "params:alarm"], FOUND[looks_at], name="score"),
        ]
    return Pipeline(
        nodes,
        namespace=f"signals.{model}",
        # where a study was, its best parameters; see the tuning pipeline
        inputs={name: f"signals.{name}" for name in read}
        | ({"best_parameters": f"signals.{model}.best_parameters"} if looks_at in TUNED else {}),
        parameters={"params:model": f"params:signal_models.{model}"}
        | {name: name for name in (*also, *SETTINGS)},
    )


def _sections(models: tuple[str, ...]) -> Pipeline:
    """What signals add to the report; it depends on what the cases are."""
    if cases_are_windows():
        detectors = [model for model in models if model in SERIES_MODELS]
        node = Node(
            describe_series,
            {
                "raw": "signals.raw",
                "settings": "params:series_processing",
                "evaluation": "params:evaluation",
                "run": "params:run",
            }
            | {model: f"signals.{model}.points" for model in detectors},
            ["signals.located", "signals.sections"],
            name="signals.describe_series",
        )
        return Pipeline([node])
    if not {"beat_detector", "isolation_forest"} <= set(models):
        read = ["signals.cases", "signals.waveforms", "signals.scores", "params:alarm"]
        return Pipeline([Node(describe_cut_beats, read, "signals.sections", name="signals.describe_beats")])
    detector = "params:signal_models.beat_detector"
    terms = "signals.beat_detector.contributions"
    return Pipeline(
        [
            Node(
                find_episodes,
                [
                    "signals.beats",
                    "signals.cases",
                    terms,
                    detector,
                    "params:signal_episodes",
                    "params:evaluation",
                    "params:run",
                ],
                ["signals.episodes", "signals.alarm_burden"],
                name="signals.find_episodes",
            ),
            Node(
                describe_beats,
                [
                    *(
                        f"signals.{name}"
                        for name in ("raw", "beats", "cases", "features", "quality_windows", "scores")
                    ),
                    terms,
                    "signals.isolation_forest.bundle",
                    "signals.episodes",
                    "signals.alarm_burden",
                    detector,
                    "params:evaluation",
                    *SETTINGS,
                ],
                "signals.sections",
                name="signals.describe_beats",
            ),
        ]
    )

"""Wiring of the signal models: one template a kind of input, one namespace a model."""

from collections.abc import Callable
from functools import partial, update_wrapper

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_models
from medanomaly.pipelines.signal_models.nodes import (
    fit_beat_detector,
    fit_lstm,
    fit_on_features,
    gather,
    gather_scores,
    score_features,
    score_recordings,
    score_waveforms,
)

# model -> what it looks at
MODELS = {
    "isolation_forest": "features",
    "pca": "features",
    "lstm_autoencoder": "waveforms",
    "beat_detector": "recordings",
}
SETTINGS = ("params:alarm", "params:run")
READS = {
    "features": ("cases", "features"),
    "waveforms": ("cases", "waveforms"),
    "recordings": ("raw", "beats", "cases"),
}
FIT = {"features": fit_on_features, "waveforms": fit_lstm, "recordings": fit_beat_detector}
SCORE = {"features": score_features, "waveforms": score_waveforms, "recordings": score_recordings}
# whose scores come with explanations
EXPLAINS = ("features", "recordings")


def create_pipeline(**_) -> Pipeline:
    """Beats, features and waveforms to bundles, scores and explanations of the models that the environment names."""
    models = active_models("signals", tuple(MODELS))
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
    return Pipeline([*(_model(model, MODELS[model]) for model in models), together], tags="signals")


def _model(model: str, looks_at: str) -> Pipeline:
    read = list(READS[looks_at])
    found = ["scores", "explanations"] if looks_at in EXPLAINS else "scores"
    return Pipeline(
        [
            Node(_named(FIT[looks_at], model), [*read, "params:model", *SETTINGS], "bundle", name="fit"),
            Node(SCORE[looks_at], [*read, "bundle", "params:alarm"], found, name="score"),
        ],
        namespace=f"signals.{model}",
        inputs={name: f"signals.{name}" for name in read},
        parameters={"params:model": f"params:signal_models.{model}"} | {name: name for name in SETTINGS},
    )


def _named(function: Callable, name: str) -> Callable:
    """The function for one model, whose name its bundle carries."""
    return update_wrapper(partial(function, name=name), function)

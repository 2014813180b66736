"""Wiring of the models of films: one template, one namespace a model."""

from kedro.pipeline import Node, Pipeline

from medanomaly.modalities import active_models
from medanomaly.pipelines.imaging_models.nodes import (
    examine_model,
    fit_lbe,
    fit_network,
    score_controls,
    score_films,
)
from medanomaly.pipelines.model_steps import gather, gather_scores, named

# model -> how it is fitted
MODELS = {
    "lbe": fit_lbe,
    "autoencoder": fit_network,
    "unet": fit_network,
    "denoising_unet": fit_network,
    "inpainting_unet": fit_network,
    "reversed_autoencoder": fit_network,
    "lesion_segmenter": fit_network,
}
FILMS = ("images", "manifest", "cases")
ALSO = ("features", "masks")
SETTINGS = ("params:imaging_processing", "params:alarm", "params:run")


def create_pipeline(**_) -> Pipeline:
    """Films to bundles, scores, explanations and examinations of the models that the environment names."""
    models = active_models("imaging", tuple(MODELS))
    together = Pipeline(
        [
            Node(score_controls, [*FILMS, "params:alarm"], "control_scores", name="score_controls"),
            Node(
                gather_scores,
                [*(f"{model}_scores" for model in models), "control_scores"],
                "scores",
                name="gather_scores",
            ),
            Node(
                gather,
                [f"{model}_explanations" for model in models],
                "explanations",
                name="gather_explanations",
            ),
        ],
        namespace="imaging",
        inputs={name: f"imaging.{name}" for name in FILMS}
        | {f"{m}_scores": f"imaging.{m}.scores" for m in models}
        | {f"{m}_explanations": f"imaging.{m}.explanations" for m in models},
        parameters={"params:alarm"},
    )
    return Pipeline([*(_model(model) for model in models), together], tags="imaging")


def _model(model: str) -> Pipeline:
    return Pipeline(
        [
            Node(
                named(MODELS[model], model),
                [*FILMS, "best_parameters", "params:model", *SETTINGS, *_tracked(model)],
                "bundle",
                name="fit",
            ),
            Node(
                score_films,
                [*FILMS, "bundle", "params:alarm"],
                ["scores", "explanations"],
                name="score",
            ),
            Node(
                examine_model,
                [*FILMS, *ALSO, "bundle", "scores", "params:alarm", "params:evaluation", "params:run"],
                "examination",
                name="examine",
            ),
        ],
        namespace=f"imaging.{model}",
        inputs={name: f"imaging.{name}" for name in (*FILMS, *ALSO)}
        | {"best_parameters": f"imaging.{model}.best_parameters"},
        parameters={"params:model": f"params:imaging_models.{model}"}
        | {name: name for name in (*SETTINGS, *_tracked(model))},
    )


def _tracked(model: str) -> tuple[str, ...]:
    """Trainings by epochs are followed."""
    return ("params:tracking",) if MODELS[model] is fit_network else ()

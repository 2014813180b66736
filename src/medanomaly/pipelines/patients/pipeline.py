"""Wiring of what is said of patients, where an environment has several modalities."""

from kedro.pipeline import Node, Pipeline

from medanomaly.evaluation.params import EvaluationParams
from medanomaly.fusion.params import FusionParams
from medanomaly.parameters import AlarmParams, RunParams
from medanomaly.pipelines.environment import Environment
from medanomaly.pipelines.modalities import cases_of
from medanomaly.pipelines.modality import PatientView, typed_node
from medanomaly.pipelines.patients.nodes import fuse_patients, strangest_cases, write_patients

TABLE, BUNDLE = "patients.fused", "patients.fusion.bundle"
TOGETHER = "together"


def fused_models(environment: Environment) -> dict[str, str]:
    """Modality -> the model whose p-values are fused: the one of the declared kind, else the first.

    It is never chosen by its figures on test: p-values of a model that was chosen so would not hold.
    """
    return {
        m: cases_of(environment, m).leading(environment.models[m]) or environment.models[m][0].name
        for m in environment.modalities
    }


def patients(environment: Environment) -> Pipeline:
    """Scores of all modalities to one p-value per patient, and the page about patients; nothing for a single modality."""
    if len(environment.modalities) < 2:
        return Pipeline([])
    models = fused_models(environment)
    inputs = {
        "fusion": ("params:fusion", FusionParams),
        "alarm": ("params:alarm", AlarmParams),
        "run": ("params:run", RunParams),
    }
    for m, model in models.items():
        inputs |= {f"{m}__{what}": (f"{m}.{what}", None) for what in ("cases", "scores")}
        inputs |= {f"{m}__bundle": (f"{m}.{model}.bundle", None)}
    fuse = typed_node(fuse_patients, inputs, [TABLE, BUNDLE], "patients.fuse", TOGETHER)
    shown = {m: view for m in models if (view := cases_of(environment, m).patient_view) is not None}
    views = [_view(m, models[m], view) for m, view in shown.items()]
    write = {
        "params": ("params:evaluation", EvaluationParams),
        "alarm": ("params:alarm", AlarmParams),
        "run": ("params:run", RunParams),
        "fused": (TABLE, None),
        "bundle": (BUNDLE, None),
    }
    write |= {f"{m}__cases": (f"{m}.cases", None) for m in models}
    write |= {f"{m}__view": (f"patients.{m}_view", None) for m in shown}
    page = typed_node(
        write_patients, write, ["patients.sections", "patients.report"], "patients.write", TOGETHER
    )
    return Pipeline([fuse, *views, page])


def _view(modality: str, model: str, view: PatientView) -> Node:
    read = {
        "fused": (TABLE, None),
        "cases": (f"{modality}.cases", None),
        "scores": (f"{modality}.scores", None),
        "bundle": (f"{modality}.{model}.bundle", None),
    }
    read |= {name: (f"{modality}.{name}", None) for name in view.datasets}
    read |= {name: (f"params:{name}", of) for name, of in view.parameters.items()}

    def show(fused, cases, scores, bundle, **given):
        """What the page shows of this modality: patient -> sections."""
        from medanomaly.reporting.sections import to_json

        of_model = scores[scores["model"] == model]
        chosen = strangest_cases(fused, cases, scores, model)
        sections = view.show(chosen=chosen, cases=cases, scores=of_model, bundle=bundle, **given)
        patient = dict(zip(chosen["case_id"], chosen["patient_id"], strict=True))
        return {patient[case]: to_json([section]) for case, section in sections.items()}

    return typed_node(show, read, f"patients.{modality}_view", f"patients.show_{modality}", TOGETHER)

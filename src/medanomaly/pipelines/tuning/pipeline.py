"""Wiring of the tuning: one target per run, named by ``tuning.target``."""

from kedro.pipeline import Node, Pipeline

from medanomaly.core.errors import ConfigurationError
from medanomaly.parameters import RunParams
from medanomaly.pipelines.environment import Environment
from medanomaly.pipelines.modalities import cases_of
from medanomaly.pipelines.modality import typed_node
from medanomaly.pipelines.tuning.nodes import search
from medanomaly.tracking.params import TrackingParams
from medanomaly.tuning.study import TuningParams

LEFT = ("best_parameters", "trials", "importances", "tuning_figures")


def tuning(environment: Environment) -> Pipeline:
    """Cases of the target's modality to best parameters, trials, importances and figures.

    The pipeline is empty where the environment does not run the target's modality.

    A target that is no model of the environment is refused when the pipeline runs, not when it is built: a run that does not
    tune builds it too.
    """
    target = environment.tuning_target
    modality, _, name = target.partition(".")
    if modality not in environment.modalities:
        return Pipeline([])
    models = {model.name: model for model in environment.models[modality]}
    if name not in models or not models[name].kind.tunable:
        can = sorted(f"{modality}.{m.name}" for m in models.values() if m.kind.tunable)
        return Pipeline([_refusal(target, can, modality)])
    model = models[name]
    view = cases_of(environment, modality).views[model.kind.reads]
    read = {"cases": (f"{modality}.cases", None)} | {d: (f"{modality}.{d}", None) for d in view.datasets}
    read |= {p: (f"params:{p}", of) for p, of in view.parameters.items()}
    described = {"params": (f"params:models.{target}", model.kind.params)} if model.described else {}
    settings = {
        "tuning": ("params:tuning", TuningParams),
        "tracking": ("params:tracking", TrackingParams),
        "run": ("params:run", RunParams),
    }

    def tune(tuning, tracking, run, params=None, **given):
        """Search the options of one model inside train."""
        given |= {"run": run} if "run" in view.parameters else {}
        return search(model.kind, view.make(**given), params, tuning, tracking, run)

    outputs = [f"{target}.{what}" for what in LEFT]
    node = typed_node(
        tune, read | described | settings, outputs, f"tune_{target.replace('.', '_')}", modality
    )
    return Pipeline([node])


def _refusal(target: str, known: list[str], modality: str) -> Node:
    def refuse():
        """Say which targets there are."""
        raise ConfigurationError(
            f"'{target}' is no model whose options can be searched",
            remedy=f"Set tuning.target to one of {known}.",
        )

    return Node(refuse, None, f"{target}.trials", name=f"tune_{target.replace('.', '_')}", tags=modality)

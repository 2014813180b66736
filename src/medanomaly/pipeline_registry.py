"""Registered pipelines: built for the environment of the session that asks for them."""

import warnings
from collections.abc import Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path

from kedro.pipeline import Pipeline

from medanomaly.pipelines.environment import Environment, current

# the report gathers datasets of several namespaces, so their dotted names are meant
warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")

# what happens every night, in order; the training is a run of the environment, between the table and the gate
NIGHTLY = (
    "nightly_labels", "nightly_scoring", "nightly_monitoring", "nightly_training_table", "nightly_gate", "nightly_promotion",
)  # fmt: skip
# run by name only
ON_REQUEST = ("risk_models", "detection", "tuning", "scoring", "monitoring", *NIGHTLY)


def stages() -> tuple[str, ...]:
    """What a whole run consists of, in order."""
    from medanomaly.pipelines.modalities import ALL

    return ("data_processing", "feature_engineering", *(m.stage for m in ALL.values()), "evaluation")


class EnvironmentPipelines(Mapping[str, Pipeline]):
    """Name to pipeline, of whichever environment the running session has.

    Kedro keeps one registry per process; this one asks for the environment at each look-up, so that sessions of different
    environments do not see each other's pipelines.
    """

    def __getitem__(self, name: str) -> Pipeline:
        return build(_environment(), name)

    def __iter__(self) -> Iterator[str]:
        return iter((*stages(), *ON_REQUEST, "__default__"))

    def __len__(self) -> int:
        return len(stages()) + len(ON_REQUEST) + 1


def register_pipelines() -> EnvironmentPipelines:
    """The registry that Kedro asks for."""
    return EnvironmentPipelines()


def _environment() -> Environment:
    """The environment of the running session; without one (``kedro registry describe``) that of the folder."""
    found = current.get()
    if found is not None:
        return found
    from medanomaly.pipelines.environment import read_environment, session_loader

    if (loader := session_loader.get()) is not None:
        current.set(found := read_environment(loader))
        return found
    from kedro.config import OmegaConfigLoader

    from medanomaly.settings import CONFIG_LOADER_ARGS

    return read_environment(OmegaConfigLoader(Path.cwd() / "conf", **CONFIG_LOADER_ARGS))


# Kedro looks pipelines up for every parameter that it validates
@lru_cache(maxsize=64)
def build(environment: Environment, name: str) -> Pipeline:
    """One registered pipeline for an environment.

    Raises:
        KeyError: there is no pipeline of this name.
    """
    from medanomaly.pipelines.evaluation.pipeline import evaluation
    from medanomaly.pipelines.modalities import ALL, cases_of, trained_classes
    from medanomaly.pipelines.models import gathered, model_pipeline, sealed_alarm, sealed_reference
    from medanomaly.pipelines.monitoring.pipeline import monitoring
    from medanomaly.pipelines.nightly.pipeline import nightly
    from medanomaly.pipelines.scoring.pipeline import scoring
    from medanomaly.pipelines.tuning.pipeline import tuning

    if name == "__default__":
        return sum((build(environment, stage) for stage in stages()), Pipeline([]))
    # of no modality
    if name in (whole := {"evaluation": evaluation, "tuning": tuning}):
        return whole[name](environment)
    if name in (
        alone := {"scoring": scoring, "monitoring": monitoring} | {n: partial(nightly, n) for n in NIGHTLY}
    ):
        return alone[name]()
    if name not in (*stages(), *ON_REQUEST):
        raise KeyError(name)
    parts = []
    for modality in environment.modalities:
        of, cases, models = (
            ALL[modality],
            cases_of(environment, modality),
            environment.models.get(modality, ()),
        )
        if name == "data_processing":
            parts.append(Pipeline(cases.prepare(), tags=modality))
        elif name == "feature_engineering":
            parts.append(Pipeline(cases.features(), tags=modality))
        elif name == "risk_models" and environment.models.get(f"{modality}_risk"):
            parts.append(of.risk(environment.models[f"{modality}_risk"], models))
        elif name == "detection" and of.boxes and environment.models.get(f"{modality}_boxes"):
            parts.append(of.boxes(environment.models[f"{modality}_boxes"]))
        elif name == of.stage:
            each = [model_pipeline(m, cases.views[m.kind.reads], modality) + of.each_model(m) for m in models]
            together = (
                cases.before_gathering(models)
                + sealed_alarm(modality)
                + sealed_reference(modality, cases, models)
                + gathered(modality, models)
                + cases.after_models(models)
            )
            parts.append(Pipeline([*each, together, *trained_classes(environment, modality)], tags=modality))
    return sum(parts, Pipeline([]))

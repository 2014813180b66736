"""The modalities, in the order of the report."""

from kedro.pipeline import Pipeline

from medanomaly.core.errors import ConfigurationError
from medanomaly.pipelines.diagnosis.modality import DIAGNOSIS
from medanomaly.pipelines.environment import Environment
from medanomaly.pipelines.imaging.modality import IMAGING
from medanomaly.pipelines.modality import Cases, Classes, Modality
from medanomaly.pipelines.signals.modality import SIGNALS
from medanomaly.pipelines.tabular.modality import TABULAR

ALL: dict[str, Modality] = {modality.name: modality for modality in (TABULAR, SIGNALS, IMAGING, DIAGNOSIS)}


def leading_models(environment: Environment) -> dict[str, str]:
    """Modality -> the model that leads where no label says which is best; empty without one of the declared kind."""
    return {m: cases_of(environment, m).leading(environment.models[m]) for m in environment.modalities}


def cases_of(environment: Environment, modality: str) -> Cases:
    """What the cases of a modality are in this environment."""
    return ALL[modality].cases[environment.cases[modality]]


def trained_classes(environment: Environment, modality: str) -> list[Pipeline]:
    """What fits the models of classes that an environment describes; nothing where it describes none."""
    models = environment.models.get(f"{modality}_classes")
    return [_classes(modality).train(models)] if models else []


def judged_classes(environment: Environment, modality: str) -> list[Pipeline]:
    """What judges the models of classes that an environment describes; nothing where it describes none."""
    models = environment.models.get(f"{modality}_classes")
    return [_classes(modality).judge(models)] if models else []


def _classes(modality: str) -> Classes:
    found = ALL[modality].classes
    if found is None:
        known = ", ".join(f"models.{name}_classes" for name, of in ALL.items() if of.classes is not None)
        raise ConfigurationError(
            f"models.{modality}_classes: no model tells classes of {modality} apart",
            remedy=f"There is {known}.",
        )
    return found

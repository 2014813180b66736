"""The modalities, in the order of the report."""

from medanomaly.pipelines.diagnosis.modality import DIAGNOSIS
from medanomaly.pipelines.environment import Environment
from medanomaly.pipelines.imaging.modality import IMAGING
from medanomaly.pipelines.modality import Cases, Modality
from medanomaly.pipelines.signals.modality import SIGNALS
from medanomaly.pipelines.tabular.modality import TABULAR

ALL: dict[str, Modality] = {modality.name: modality for modality in (TABULAR, SIGNALS, IMAGING, DIAGNOSIS)}


def leading_models(environment: Environment) -> dict[str, str]:
    """Modality -> the model that leads where no label says which is best; empty without one of the declared kind."""
    return {m: cases_of(environment, m).leading(environment.models[m]) for m in environment.modalities}


def cases_of(environment: Environment, modality: str) -> Cases:
    """What the cases of a modality are in this environment."""
    return ALL[modality].cases[environment.cases[modality]]

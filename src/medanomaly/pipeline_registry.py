"""Every folder of ``pipelines`` is a pipeline; ``__default__`` is the sum of the stages."""

import warnings

from kedro.framework.project import find_pipelines
from kedro.pipeline import Pipeline

from medanomaly.modalities import MODALITIES, active_modalities

# run by name only
NOT_BY_DEFAULT = ("tuning", "scoring", "monitoring", "risk_models")

# the report gathers datasets of several namespaces, so their dotted names are meant
warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")


def register_pipelines() -> dict[str, Pipeline]:
    """Pipeline name to pipeline, of the active modalities."""
    absent = set(MODALITIES) - set(active_modalities())
    pipelines = {
        name: Pipeline([node for node in pipeline.nodes if not node.tags & absent])
        for name, pipeline in find_pipelines(raise_errors=True).items()
    }
    stages = [p for name, p in pipelines.items() if name not in (*NOT_BY_DEFAULT, "__default__")]
    pipelines["__default__"] = sum(stages, Pipeline([]))
    return pipelines

"""Wiring of the nights: they read the folder of the nights and the store, and no other dataset."""

from kedro.pipeline import Pipeline

from medanomaly.monitoring.params import MonitoringParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines.modality import typed_node
from medanomaly.pipelines.nightly import nodes
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams
from medanomaly.scoring.params import NightlyParams, ScoringParams

_NIGHTLY = {"nightly": ("params:nightly", NightlyParams)}
_RUN = {"run": ("params:run", RunParams)}
_TABLES = {"data_processing": ("params:data_processing", DataProcessingParams)}
_SCORING = {"scoring": ("params:scoring", ScoringParams)}
_MONITORING = {"monitoring": ("params:monitoring", MonitoringParams)}

# pipeline -> its one step, and what this reads
STEPS = {
    "nightly_labels": (nodes.add_labels, _NIGHTLY),
    "nightly_scoring": (nodes.score_cases, _NIGHTLY | _SCORING),
    "nightly_monitoring": (nodes.monitor, _NIGHTLY | _MONITORING | _RUN),
    "nightly_training_table": (nodes.gather_training, _NIGHTLY | _TABLES | _RUN),
    "nightly_gate": (nodes.judge_challenger, _NIGHTLY | _TABLES | _RUN),
    "nightly_promotion": (nodes.promote_challenger, _NIGHTLY),
}


def nightly(name: str) -> Pipeline:
    """One step of a night, by the name of its pipeline."""
    step, read = STEPS[name]
    return Pipeline([typed_node(step, read, f"{name}_summary", name, tags="nightly")])

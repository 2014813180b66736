"""Wiring of the monitoring: it reads the store and bundles as a run left them, and no other dataset."""

from kedro.pipeline import Pipeline

from medanomaly.monitoring.params import MonitoringParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines.modality import typed_node
from medanomaly.pipelines.monitoring.nodes import monitor


def monitoring() -> Pipeline:
    """Predictions of a period to figures, a page and warnings."""
    read = {"monitoring": ("params:monitoring", MonitoringParams), "run": ("params:run", RunParams)}
    return Pipeline([typed_node(monitor, read, "period_summary", "monitor_period", tags="monitoring")])

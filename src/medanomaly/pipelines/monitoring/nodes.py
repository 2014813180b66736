"""Nodes of the monitoring."""

from typing import Any

from medanomaly.monitoring.params import MonitoringParams
from medanomaly.parameters import RunParams


def monitor(monitoring: MonitoringParams, run: RunParams) -> dict[str, Any]:
    """Measure a period; its page, figures and metrics go to the folder that the parameters name.

    Returns:
        Name of the period, its files, and its warnings.
    """
    from medanomaly.scoring.monitored import monitor_period

    return monitor_period(monitoring, run.dataset)

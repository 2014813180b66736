"""Measure a period, write its page, its figures and its metrics, and tell who has to know."""

import json
import logging
from pathlib import Path
from typing import Any

from medanomaly import __version__
from medanomaly.core.errors import ConfigurationError
from medanomaly.monitoring.notices import send_notices
from medanomaly.monitoring.params import MonitoringParams
from medanomaly.scoring.models import open_models
from medanomaly.scoring.period_metrics import metrics_text
from medanomaly.scoring.periods import (
    changed_warnings,
    later_periods,
    measure_period,
    previous_period,
    write_whole,
)

logger = logging.getLogger(__name__)

METRICS = "medanomaly.prom"


def monitor_period(params: MonitoringParams, dataset: str) -> dict[str, Any]:
    """Monitor one period.

    The figures of the period before, if they lie in the same folder, are compared. A period that is measured again replaces
    its files by the same ones, as long as nothing changed in the store. The metrics for Prometheus are those of the last
    period of the folder: an earlier one that is measured again leaves them.

    Args:
        params: which period, where its figures go, who is told.
        dataset: name of the data set, for the page.

    Returns:
        ``period``, ``page``, ``figures``, ``metrics`` (paths), ``new``, ``standing`` and ``gone`` (sentences), ``told`` (who
        was told) and ``not_told`` (who could not be reached, and why).

    Raises:
        ConfigurationError: no store is named, or the models come without a reference.
    """
    from medanomaly.reporting.monitoring import period_page
    from medanomaly.store.store import Store

    if not params.store:
        raise ConfigurationError(
            "nothing says where predictions are stored",
            source="monitoring",
            remedy="Name the store: --params monitoring.store=sqlite:///predictions.db",
        )
    folder = Path(params.destination)
    with Store.open(params.store) as store:
        period = measure_period(open_models(params.models), store, params)
    previous = previous_period(folder, period["since"])
    changes = changed_warnings(period, previous)
    name = period["name"]
    figures, page = folder / f"{name}.json", folder / f"{name}.html"
    run = {"dataset": dataset, "version": __version__, "parameters": params.limits.model_dump()}
    write_whole(page, period_page(period, previous, changes, run))
    write_whole(figures, json.dumps(period, indent=1, allow_nan=False) + "\n")
    if not later_periods(folder, period["until"]):
        write_whole(folder / METRICS, metrics_text(period))
    new, standing, gone = ([one["sentence"] for one in some] for some in changes)
    for sentence in new:
        logger.warning("%s", sentence)
    told, not_told = send_notices(params, dataset, name, new, standing, gone)
    return {
        "period": name,
        "page": str(page),
        "figures": str(figures),
        "metrics": str(folder / METRICS),
        "new": new,
        "standing": standing,
        "gone": gone,
        "told": told,
        "not_told": not_told,
    }

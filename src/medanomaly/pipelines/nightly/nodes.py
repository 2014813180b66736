"""Nodes of the nights. Each is a pipeline of its own, which a scheduler starts as a process of its own."""

import logging
from typing import Any

from medanomaly.monitoring.params import MonitoringParams
from medanomaly.parameters import RunParams
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams
from medanomaly.scoring.params import NightlyParams, ScoringParams

logger = logging.getLogger(__name__)


def add_labels(nightly: NightlyParams) -> dict[str, Any]:
    """Bring the labels that became known on the day to the store."""
    from medanomaly.scoring.nightly import add_labels

    found = add_labels(nightly)
    logger.info("%s: %s of %s labels are new", found["day"], f"{found['n_new']:,}", f"{found['n']:,}")
    return found


def score_cases(nightly: NightlyParams, scoring: ScoringParams) -> dict[str, Any]:
    """Score the cases of the day with the champion."""
    from medanomaly.scoring.nightly import score_cases

    found = score_cases(nightly, scoring)
    logger.info(
        "%s cases scored, %s refused, %s predictions are new in the store",
        f"{found['n_scored']:,}",
        f"{found['n_refused']:,}",
        f"{found['n_stored']:,}",
    )
    return found


def monitor(nightly: NightlyParams, monitoring: MonitoringParams, run: RunParams) -> dict[str, Any]:
    """Monitor the day and the labels that are known by now, and say whether a training is due."""
    from medanomaly.scoring.nightly import monitor

    found = monitor(nightly, monitoring, run.dataset)
    logger.info("%s: %d limits are crossed", found["day"], len(found["warnings"]))
    logger.info("Training: %s", found["retrain"] or "not due")
    return found


def gather_training(
    nightly: NightlyParams, data_processing: DataProcessingParams, run: RunParams
) -> dict[str, Any]:
    """Write the labelled cases of the window as the table that a training reads."""
    from medanomaly.scoring.nightly import gather_training

    table = data_processing.table(run.table)
    found = gather_training(nightly, table.case_id, table.patient_id)
    logger.info(
        "%s labelled cases of %d days, %s of them abnormal",
        f"{found['n']:,}",
        found["n_days"],
        f"{found['n_abnormal']:,}",
    )
    return found


def judge_challenger(
    nightly: NightlyParams, data_processing: DataProcessingParams, run: RunParams
) -> dict[str, Any]:
    """Compare the models that were trained this night with the champion."""
    from medanomaly.scoring.nightly import judge_challenger

    table = data_processing.table(run.table)
    found = judge_challenger(nightly, run.dataset, table.case_id, table.patient_id)
    logger.info(
        "The challenger %s %s: %s",
        found["challenger"],
        "may take over" if found["passed"] else "may not take over",
        " ".join(found["why"]),
    )
    return found


def promote_challenger(nightly: NightlyParams) -> dict[str, Any]:
    """Make the challenger the champion where the gate let it pass."""
    from medanomaly.scoring.nightly import promote_challenger

    found = promote_challenger(nightly)
    logger.info(
        "%s %s", "The new champion is" if found["promoted"] else "The champion stays", found["champion"]
    )
    return found

"""Node of events: to a table, with an account of what became of each."""

import logging
from typing import TYPE_CHECKING

import pandas as pd

from medanomaly.core.errors import ConfigurationError, InputError
from medanomaly.parameters import RunParams
from medanomaly.pipelines.tabular.prepare_nodes import DataProcessingParams

if TYPE_CHECKING:
    from medanomaly.tabular.events.readers.any_form import EventSource

logger = logging.getLogger(__name__)


def make_event_table(
    raw: "EventSource", params: DataProcessingParams, run: RunParams
) -> tuple[pd.DataFrame, pd.DataFrame, dict]:
    """One row per case, what became of every event, and counts per source."""
    from medanomaly.tabular.events.event_table import event_table
    from medanomaly.tabular.events.readers.any_form import read_events

    spec = params.table(run.table).events
    if spec is None:
        raise ConfigurationError(
            f"nothing says what events become under data_processing.tables.{run.table}.events",
            remedy="Name features there, such as events: {features: {potassium: {}}}.",
        )
    made = event_table(read_events(raw, spec), spec)
    for note in made.notes:
        logger.info("%s", note)
    if made.table.empty:
        why = [f"{reason} ({n:,})" for reason, n in made.refused["reason"].value_counts().items()]
        raise InputError(
            f"no case has a value: {'; '.join([*why, *made.notes])}",
            source=run.table,
            remedy="docs/hospital_formats.md says how the recipe names codes, and the unit of values that come without one.",
        )
    counts = {
        "sources": made.counts,
        "refused": made.refused["reason"].value_counts().to_dict(),
        "n_cases": len(made.table),
    }
    return made.table, made.account, counts

"""What became of the events that records were made of."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from medanomaly.reporting.sections import Section, Table

OUTCOMES = ("used", "not asked for", "quarantined")


def events_section(account: pd.DataFrame, counts: Mapping[str, Any]) -> Section:
    """One row per source, and one per reason for which events were put into quarantine.

    Args:
        account: columns of :data:`medanomaly.tabular.events.account.ACCOUNT_COLUMNS`.
        counts: ``sources``: source -> ``read``, ``used``, ``not asked for``, ``quarantined``; ``refused``: reason -> how
            many cases and patients have no record; ``n_cases``.
    """
    rows = [
        (source, of["read"], *(of[name] for name in OUTCOMES)) for source, of in counts["sources"].items()
    ]
    lost = account[account["outcome"] == "quarantined"].sort_values("n", ascending=False, kind="stable")
    n_lost = int(lost["n"].sum())
    text = f"{counts['n_cases']:,} records were made of events."
    for reason, n in counts["refused"].items():
        text += f" {n:,} cases or patients have no record: {reason}."
    if n_lost:
        text += f" {n_lost:,} events are in quarantine, each with one reason."
    else:
        text += " No event is in quarantine."
    text += " event_account.csv says what became of every event, by code and unit."
    tables = [Table("What was read", ("Source", "Read", "Used", "Not asked for", "In quarantine"), rows)]
    if n_lost:
        shown = [
            (row.source, row.reason, row.code, row.unit, int(row.n)) for row in lost.head(40).itertuples()
        ]
        more = f" (the 40 most frequent of {len(lost)})" if len(lost) > len(shown) else ""
        tables.append(Table(f"In quarantine{more}", ("Source", "Reason", "Code", "Unit", "Events"), shown))
    return Section("What became of the events", text, tables=tables)

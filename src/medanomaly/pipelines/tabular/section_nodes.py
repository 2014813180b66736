"""Node that writes what the report says of records beyond what it says of every modality."""

import pandas as pd

from medanomaly.parameters import AlarmParams


def describe_records(
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    metrics: pd.DataFrame,
    explanations: pd.DataFrame,
    unexpected_values: pd.DataFrame,
    nearest_normals: pd.DataFrame,
    changes: pd.DataFrame,
    quality: dict,
    quality_flags: pd.DataFrame,
    all_cases: pd.DataFrame,
    alarm: AlarmParams,
    event_account: pd.DataFrame | None = None,
    event_counts: dict | None = None,
    *,
    default: str = "",
) -> list[dict]:
    """Why the most unusual records are unusual, the most unusual of all records, and which values look wrong.

    Records that are made of events have an account of what became of these. ``default`` leads where there are no labels.
    """
    from medanomaly.reporting.results import ModalityResults
    from medanomaly.reporting.sections import to_json
    from medanomaly.reporting.tabular.events import events_section
    from medanomaly.reporting.tabular.every_record import every_record_section
    from medanomaly.reporting.tabular.quality import quality_section
    from medanomaly.reporting.tabular.why_unusual import Evidence, why_unusual

    results = ModalityResults(
        name="tabular",
        cases=cases,
        scores=scores,
        metrics=metrics,
        explanations=explanations,
        alpha=alarm.alpha,
        noun="record",
        default=default,
    )
    evidence = Evidence(unexpected_values, nearest_normals, changes, quality_flags)
    why = why_unusual(results, evidence)
    every = every_record_section(all_cases, alarm.alpha, alarm.group_by)
    events = None if event_account is None else events_section(event_account, event_counts)
    parts = (why, every, quality_section(quality, results.noun), events)
    return to_json([part for part in parts if part is not None])

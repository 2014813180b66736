"""Node that writes the report's sections about rankings of diseases."""

from typing import Any

import pandas as pd

from medanomaly.diagnosis.knowledge.source import Knowledge
from medanomaly.pipelines.diagnosis.ranking_nodes import judged_cases


def write_sections(
    patients: pd.DataFrame,
    cases: pd.DataFrame,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    knowledge: Knowledge,
    ranking_metrics: pd.DataFrame,
    case_pages: dict[str, str],
    **rankings: pd.DataFrame,
) -> list[dict[str, Any]]:
    """Is the right disease at the top, do probabilities come true, what was not read, and the cases with their pages.

    Args:
        rankings: ``<model>__rankings``; the other arguments are datasets of their names.
    """
    from medanomaly.reporting.diagnosis.sections import diagnosis_sections
    from medanomaly.reporting.sections import to_json

    tables = {name.removesuffix("__rankings"): table for name, table in rankings.items()}
    outside = patients[(cases["split"].eq("test") & cases["label"].eq(1)).fillna(False).to_numpy(dtype=bool)]
    judged = {name: judged_cases(patients, cases, table, knowledge) for name, table in tables.items()}
    return to_json(
        diagnosis_sections(
            patients,
            symptoms,
            unread,
            ranking_metrics,
            tables,
            judged,
            set(case_pages),
            knowledge.about(),
            outside,
        )
    )

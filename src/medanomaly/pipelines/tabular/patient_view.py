"""What the page of a patient shows of a record: its unusual values, what looks wrong in it, what is missing."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle
from medanomaly.core.models import EXPLANATION_COLUMNS, ModelInput, kind


def show_records(
    chosen: pd.DataFrame,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    bundle: Bundle,
    features: pd.DataFrame,
    quality_flags: pd.DataFrame,
) -> Mapping[str, object]:
    """case_id -> section; arguments as of ``PatientView``."""
    from medanomaly.reporting.tabular.patients import record_section

    of, terms = kind(bundle.manifest.kind), pd.DataFrame(columns=list(EXPLANATION_COLUMNS))
    if of.explains and len(chosen):
        positions = np.flatnonzero(cases["case_id"].isin(chosen["case_id"]))
        terms = of.explain(of.open(bundle), ModelInput(cases, features), positions, {})
    gaps = features.set_index("case_id").reindex(chosen["case_id"]).isna()
    return {
        row.case_id: record_section(
            row.case_id,
            terms[terms["case_id"] == row.case_id],
            quality_flags.loc[quality_flags["case_id"] == row.case_id],
            list(gaps.columns[gaps.loc[row.case_id]]),
        )
        for row in chosen.itertuples()
    }

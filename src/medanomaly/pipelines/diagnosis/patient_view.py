"""What the page of a patient shows of symptoms: the diseases that would explain them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from medanomaly.core.bundle import Bundle

LISTED = 5


def show_diseases(
    chosen: pd.DataFrame,
    cases: pd.DataFrame,
    scores: pd.DataFrame,
    bundle: Bundle,
    patients: pd.DataFrame,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
) -> Mapping[str, object]:
    """case_id -> section; arguments as of ``PatientView``."""
    from medanomaly.diagnosis.patients import PatientSymptoms
    from medanomaly.diagnosis.scorer import SymptomScorer
    from medanomaly.reporting.diagnosis.patients import diseases_section

    shown = PatientSymptoms(patients, symptoms, unread, unread).select(chosen["case_id"])
    scorer = SymptomScorer(bundle)
    rankings = scorer.look(shown, LISTED).rankings.groupby("case_id", sort=False).head(LISTED)
    reasons = scorer.reasons(shown, rankings, LISTED)
    p_value = scores.set_index("case_id")["p_value"]
    sections = {}
    for case in shown.cases.itertuples():
        of_case = reasons[reasons["case_id"] == case.case_id]
        known = {"sex": case.sex, "age": case.age_years}
        sections[case.case_id] = diseases_section(
            case.case_id,
            shown.symptoms[shown.symptoms["case_id"] == case.case_id],
            shown.unread[shown.unread["case_id"] == case.case_id],
            [name for name, value in known.items() if pd.isna(value)],
            rankings[rankings["case_id"] == case.case_id],
            {disease: list(rows.itertuples()) for disease, rows in of_case.groupby("disease", sort=False)},
            float(p_value.get(case.case_id, np.nan)),
        )
    return sections

"""What the page of a patient says of the symptoms: the diseases that would explain them."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from medanomaly.diagnosis.cautions import cautions, none_of_these
from medanomaly.reporting.diagnosis.case_page import disease_table
from medanomaly.reporting.sections import Fact, Section
from medanomaly.reporting.wording import counted, equals_p_value, joined, percent

ALL_READ = "Everything was read as it was written."


def diseases_section(
    case_id: str,
    symptoms: pd.DataFrame,
    unread: pd.DataFrame,
    missing: Sequence[str],
    ranking: pd.DataFrame,
    reasons: Mapping[str, Sequence[Any]],
    p_value: float,
) -> Section:
    """The diseases that would explain the symptoms of a patient.

    Args:
        case_id: of the list of symptoms.
        symptoms: its rows of the symptoms.
        unread: what was not read: ``given``, ``reason``.
        missing: names of what is not known of the patient.
        ranking: its rows of the rankings, the most likely disease first.
        reasons: disease -> what each symptom says of it, the strongest first.
        p_value: of how little it looks like any patient whose disease is known; NaN where it has none.
    """
    observed = int((~symptoms["excluded"]).sum())
    text = (
        f"They rest on {counted(observed, 'observed symptom')} and "
        f"{counted(len(symptoms) - observed, 'excluded symptom')}."
    )
    rest = none_of_these(ranking)
    if pd.notna(rest):
        text += f" That it is none of these: {percent(rest)}."
    if pd.notna(p_value):
        text += (
            f" p {equals_p_value(p_value)}: the share of patients with a known disease who look at most as much like one."
            " The order of the diseases says nothing of how unusual the patient is."
        )
    wrong = [
        f"{row.given}: {row.reason}" if row.given else row.reason for row in unread.fillna("").itertuples()
    ]
    return Section(
        f"Diseases that would explain the symptoms of {case_id}",
        text,
        cautions=cautions(ranking, p_value, observed),
        tables=[disease_table(ranking, reasons)],
        facts=[
            Fact("Looks wrong", wrong or [ALL_READ]),
            Fact("Missing", [joined(list(missing)) if missing else "Nothing."]),
        ],
    )

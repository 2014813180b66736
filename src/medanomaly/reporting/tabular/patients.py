"""What the page of a patient says of the most unusual record."""

from collections.abc import Sequence

import pandas as pd

from medanomaly.reporting.cards import feature_rows
from medanomaly.reporting.figures.explanations import strongest
from medanomaly.reporting.figures.style import model_label
from medanomaly.reporting.sections import Fact, Section, Table

VALUES = 8
NOTHING_WRONG = "No value looks like an error."


def record_section(case_id: str, terms: pd.DataFrame, flags: pd.DataFrame, missing: Sequence[str]) -> Section:
    """A record of a patient.

    Args:
        case_id: of the record.
        terms: its explanation; empty where the model gives none.
        flags: values that look wrong: ``column``, ``message``.
        missing: names of what was not measured.
    """
    facts = [
        Fact(
            "Looks wrong", [f"{row.column}: {row.message}" for row in flags.itertuples()] or [NOTHING_WRONG]
        ),
        Fact("Missing", [", ".join(name.replace("_", " ") for name in missing) or "Nothing."]),
    ]
    if terms.empty:
        return Section(f"Record {case_id}", "The model gives no reasons.", facts=facts)
    model = str(terms["model"].iloc[0])
    rows = feature_rows(strongest(terms, case_id, model, VALUES))
    table = Table("", ["Value", "Found", "Usual", "Contribution"], rows, layout="narrow")
    text = f"What each value adds to the score of {model_label(model)}; to the right, more unusual."
    return Section(f"Record {case_id}", text, tables=[table], facts=facts)

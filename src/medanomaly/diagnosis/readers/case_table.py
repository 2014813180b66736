"""The table of cases that every reader makes, from rows."""

from collections.abc import Sequence

import pandas as pd

from medanomaly.diagnosis.patients import CASE_COLUMNS

_TYPES = dict.fromkeys(("case_id", "patient_id", "publication", "disease", "disease_name", "sex"), "string")


def case_table(rows: Sequence[tuple]) -> pd.DataFrame:
    """Rows in the order of :data:`medanomaly.diagnosis.patients.CASE_COLUMNS` as a table with its types."""
    table = pd.DataFrame(rows, columns=list(CASE_COLUMNS))
    return table.astype(_TYPES | {"age_years": float, "onset_years": float})

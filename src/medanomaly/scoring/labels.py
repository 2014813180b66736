"""Labels of cases, as a table says them."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from medanomaly.core.errors import InputError
from medanomaly.tabular.table.files import read_table


def read_labels(file: Path, ids: Sequence[str]) -> pd.DataFrame:
    """Cases whose label is known: ``label`` is True where one is anomalous.

    Args:
        file: a table.
        ids: columns that have to be there besides the label.

    Raises:
        InputError: a column is missing, or a label is neither 0 nor 1.
    """
    table = read_table(file)
    if absent := [name for name in (*ids, "label") if name not in table]:
        raise InputError(
            f"columns {absent} are missing", source=file, remedy=f"Give {', '.join(ids)} and label."
        )
    known = table[table["label"].notna()]
    label = known["label"].astype(str).str.strip()
    if not label.isin(["0", "1"]).all():
        strange = label[~label.isin(["0", "1"])].iloc[0]
        raise InputError(f"a label is '{strange}'", source=file, remedy="Give 0 (normal) or 1 (anomalous).")
    return known.assign(label=label.eq("1"))
